"""The kit in pytest: ``pytest --conform PATH``, or each ``conform*.toml`` that is met where the project says so; one test a check."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jianheng.conformance.outcome import Check, Outcome
    from jianheng.conformance.run import Run

# Everything else is imported where it is used: this module is loaded by every pytest in an environment with jianheng.

SETTING = "jianheng_conform"
PATTERN = "conform*.toml"
TIERS = ("bronze", "silver", "gold")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the setting."""
    group = parser.getgroup("jianheng")
    group.addoption(
        "--conform", action="append", default=[], metavar="PATH", help="try the adapter of a conform.toml"
    )
    group.addoption("--conform-tier", choices=TIERS, help="fail where a check up to this tier is not shown")
    parser.addini(SETTING, "try each conform*.toml that is met", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Take what was named after ``--conform`` as if it had been named to be collected."""
    for each in config.getoption("--conform"):
        path = Path(each)
        files = sorted(path.glob(PATTERN)) if path.is_dir() else [path]
        if not any(file.is_file() for file in files):
            raise pytest.UsageError(f"--conform {each}: there is no {PATTERN}")
        if config.args_source.name != "ARGS":  # nothing else was asked for: no other tests
            config.args.clear()
            config.args_source = pytest.Config.ArgsSource.ARGS
        config.args.extend(str(file) for file in files)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a ``conform*.toml``, where it was named or the project says so."""
    if not fnmatch(file_path.name, PATTERN):
        return None
    named = parent.session.isinitpath(file_path)
    if not named and not parent.config.getini(SETTING):
        return None
    return Adapter.from_parent(parent, path=file_path)


class Adapter(pytest.File):
    """One adapter; its checks are made in their order, and share what was read."""

    run: Run | None = None
    fault: Exception | None = None
    context: Any = None

    def setup(self) -> None:
        """Prepare the run; what keeps it from being made is told by each of its tests."""
        from jianheng.conformance.run import running
        from jianheng.errors import JianhengError

        self.context = running(self.path)
        try:
            self.run = self.context.__enter__()
        except JianhengError as error:
            self.context, self.fault = None, error

    def teardown(self) -> None:
        """Let go of the adapter and of everything made for it."""
        if self.context is not None:
            self.context.__exit__(None, None, None)
        self.run = self.context = None

    def collect(self) -> Iterator[pytest.Item]:
        """Yield one test for each check there is; those for another kind of adapter are skipped."""
        from jianheng.conformance.run import FUNCTIONS

        for name in FUNCTIONS:
            yield CheckItem.from_parent(self, name=name)


class CheckItem(pytest.Item):
    """One check."""

    def runtest(self) -> None:
        """Make the check.

        Raises:
            ConformError: it failed, or was not shown and is of the tier that was asked for.
        """
        adapter = self.parent
        if not isinstance(adapter, Adapter) or adapter.run is None:
            raise ConformError(str(getattr(adapter, "fault", "")))
        checks = {each.name: each for each in adapter.run.checks()}
        if self.name not in checks:
            pytest.skip("not for this kind of adapter")
        _raise_or_skip(self.config, checks[self.name], adapter.run.make(checks[self.name]))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_args: object) -> str:
        """Tell what is wrong in its own words; a fault of the program as pytest tells it."""
        if isinstance(excinfo.value, ConformError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name the check as reports name it."""
        return self.path, None, f"{self.path.parent.name} {self.name}"


class ConformError(Exception):
    """Why a check did not pass, in the words of its problems."""


def _raise_or_skip(config: pytest.Config, check: Check, made: tuple[Outcome, ...]) -> None:
    wanted = config.getoption("--conform-tier")
    must = wanted is not None and TIERS.index(str(check.tier)) <= TIERS.index(wanted)
    bad = [each for each in made if each.state == "failed" or (must and each.state == "not-shown")]
    if bad:
        raise ConformError("\n".join(told.message().as_text() for each in bad for told in each.problems))
    left = [each for each in made if each.state != "passed"]
    if left and len(left) == len(made):
        reasons = (each.reason or "; ".join(told.message().what for told in each.problems) for each in left)
        pytest.skip(f"{left[0].state}: {'; '.join(reasons)}")
