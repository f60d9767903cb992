# Everything here starts from make and Python >= 3.11; each target sets up .venv by itself.
#   make demo    the whole job on simulated systems        make lint    style, types, direction of imports
#   make test    lint, then all tests                      make bench   the benchmarks
#   make soak    all examples of every property, and the long trials of tests/soak
#   make clean   remove what these targets made
# PYTHON=/path/to/python picks the interpreter that .venv is made with.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
SIMULATOR := contrib/jianheng-simulator
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Whether an interpreter is new enough and can make a virtual environment with pip in it.
USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

PYTHON ?= $(shell for each in python3.13 python3.12 python3.11 python3 python; do \
	if "$$each" -c "$(USABLE)" >/dev/null 2>&1; then echo "$$each"; break; fi; done)

.PHONY: demo test lint bench soak clean
.DELETE_ON_ERROR:

demo: $(STAMP)
	@$(BIN)/jianheng demo

test: lint
	@$(BIN)/python -m pytest -q -n $$($(BIN)/python -c "import os; print(os.cpu_count() + 1)") --dist worksteal

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

soak: $(STAMP)
	@JIANHENG_SOAK=1 $(BIN)/python -m pytest -q -n auto --dist loadfile

# A module of benchmarks/ is a benchmark when it can be run; the others are what benchmarks share.
bench: $(STAMP)
	@$(INSTALL) --group bench
	@found=$$(grep -ls '__main__' benchmarks/*.py || true); \
	if [ -z "$$found" ]; then echo "benchmarks/ holds no benchmark yet"; fi; \
	for file in $$found; do \
		name=$$(basename "$$file" .py); echo "== $$name"; $(BIN)/python -m "benchmarks.$$name" || exit 1; \
	done

# Installed again only when what is to be installed may have changed.
$(STAMP): pyproject.toml $(SIMULATOR)/pyproject.toml
	@if [ ! -x $(BIN)/pip ]; then \
		if ! "$(PYTHON)" -c "$(USABLE)" >/dev/null 2>&1; then \
			echo "Python 3.11 or newer with its venv module is needed, and '$(PYTHON)' is not that." >&2; \
			echo "Install one (Debian and Ubuntu: python3 and python3-venv) or name it: make PYTHON=/path/to/python3.12" >&2; \
			exit 1; \
		fi; \
		echo "Making $(VENV) with $$("$(PYTHON)" --version)"; \
		"$(PYTHON)" -m venv $(VENV) || exit 1; \
	fi
	@echo "Installing Jianheng and its tools into $(VENV)"
	@$(INSTALL) --upgrade 'pip>=25.1'
	@$(INSTALL) --group dev -e . -e $(SIMULATOR)
	@touch $@

clean:
	@rm -rf $(VENV) build dist demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
