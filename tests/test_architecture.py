"""Rules about the code itself: its size and names, its imports, and that every text it speaks exists."""

import ast
import re
import string
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from jianheng.messages import PARTS
from jianheng.store.engine import open_store
from jianheng.store.tables import METADATA

ROOT = Path(__file__).parents[1]
SHIPPED = tuple(ROOT / root for root in ("core", "adapters", "plugins"))
SOURCES = sorted(file for root in SHIPPED for file in root.rglob("*.py"))
MODULES = [
    file
    for file in (*SOURCES, *sorted((ROOT / "contrib").glob("*/src/**/*.py")))
    if "migrations" not in file.parts  # a record of what once ran: it only grows
]
TEXTS = sorted(
    file
    for root in SHIPPED
    for file in root.rglob("*.toml")
    if file.name == "messages.toml" or file.parent.name == "messages"
)

MOST_LINES = 400
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
RAISING = {"AskError", "JianhengError", "Problem", "RetryError", "RowError", "StopError", "problem"}
SPEAKING = RAISING | {"PydanticCustomError", "UnfitError", "text"}
"""Functions and errors whose first argument is the code of a text."""


def shown(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@cache
def declared() -> Mapping[str, Mapping[str, object]]:
    """Return every text of core and of the shipped adapters by code."""
    return {
        code: entry
        for file in TEXTS
        for code, entry in tomllib.loads(file.read_text(encoding="utf-8")).items()
    }


def is_error(entry: Mapping[str, object]) -> bool:
    return isinstance(entry["zh"], Mapping)


def fields(told: object) -> set[str]:
    """Return the names of the fields in a text, or in all parts of an error."""
    parts = told.values() if isinstance(told, Mapping) else [told]
    return {name for part in parts for _, name, _, _ in string.Formatter().parse(str(part)) if name}


@cache
def calls() -> tuple[tuple[str, ast.Call], ...]:
    """Return every call that speaks a text, with its place."""
    return tuple(
        (f"{shown(file)}:{node.lineno}", node)
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in SPEAKING
        and node.args
    )


def said() -> Iterator[tuple[str, ast.Call, str]]:
    """Yield the calls whose code is written out: place, call, code."""
    for place, call in calls():
        first = call.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield place, call, first.value


def families() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield the codes that are put together when spoken, as patterns: ``f"reason-{…}"``, ``"reason-" + …``."""
    for place, call in calls():
        first = call.args[0]
        if isinstance(first, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else None for part in first.values]
        elif isinstance(first, ast.BinOp) and isinstance(first.left, ast.Constant):
            parts = [str(first.left.value), None]
        else:
            continue
        yield place, re.compile("".join(".+" if part is None else re.escape(part) for part in parts))


@cache
def strings() -> frozenset[str]:
    """Return every string constant of the source."""
    return frozenset(
        node.value
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_imports_run_in_one_direction_only():
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", MODULES, ids=shown)
def test_a_module_is_small_enough_to_be_read_at_once(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_a_module_is_named_for_what_it_holds():
    vague = [shown(file) for file in MODULES if {file.stem, file.parent.name} & VAGUE]
    assert vague == []


def test_no_source_file_holds_a_tab():
    suffixes = {".py", ".toml", ".md", ".csv", ".jinja", ".css", ".js", ".mako"}
    roots = (*SHIPPED, ROOT / "contrib", ROOT / "tests", ROOT / "docs", ROOT / "configs", ROOT / "benchmarks")
    files = [file for root in roots for file in root.rglob("*") if file.suffix in suffixes and file.is_file()]
    assert files
    assert [shown(file) for file in files if "\t" in file.read_text(encoding="utf-8")] == []


def test_no_code_is_declared_twice():
    counted = Counter(code for file in TEXTS for code in tomllib.loads(file.read_text(encoding="utf-8")))
    assert [code for code, times in counted.items() if times > 1] == []


def things(told: object) -> set[str]:
    """Return what a text speaks of: Chinese says ``entity`` where English says ``entity_name``."""
    return {name.removesuffix("_name") for name in fields(told)}


def test_every_text_is_there_in_chinese_and_english_with_the_same_fields():
    wrong = [
        code
        for code, entry in declared().items()
        if set(entry) != {"zh", "en"}
        or type(entry["zh"]) is not type(entry["en"])
        or things(entry["zh"]) != things(entry["en"])
    ]
    assert wrong == []


def test_every_error_says_what_where_why_and_what_to_do():
    wrong = [
        f"{code} {language}"
        for code, entry in declared().items()
        if is_error(entry)
        for language in ("zh", "en")
        if sorted(PARTS) != sorted(entry[language]) or not all(entry[language].values())
    ]
    assert wrong == []


def test_every_code_that_is_spoken_has_a_text():
    spoken = list(said())
    assert spoken
    assert [f"{place} {code}" for place, _, code in spoken if code not in declared()] == []


def test_every_code_that_is_put_together_can_have_a_text():
    put_together = list(families())
    assert put_together
    assert [
        f"{place} {pattern.pattern}"
        for place, pattern in put_together
        if not any(pattern.fullmatch(code) for code in declared())
    ] == []


def test_a_text_is_given_every_field_it_tells():
    """A field that nobody gives would reach a person as its bare name in braces."""
    wrong = []
    for place, call, code in said():
        given = {each.arg for each in call.keywords}
        if None in given or call.func.id not in RAISING | {"text"} or code not in declared():
            continue  # with ** the fields are known only at run time
        if call.func.id == "Problem" and len(call.args) > 1:
            continue
        missing = (fields(declared()[code]["zh"]) | fields(declared()[code]["en"])) - given
        if missing:
            wrong.append(f"{place} {code}: {', '.join(sorted(missing))}")
    assert wrong == []


def test_every_text_that_is_declared_is_spoken_somewhere():
    patterns = [pattern for _, pattern in families()]
    unspoken = {
        code
        for code in declared()
        if code not in strings() and not any(pattern.fullmatch(code) for pattern in patterns)
    }
    assert set() == unspoken


def test_the_migrations_make_the_tables_that_the_code_declares(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    with store.connect() as connection:
        differences = compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True}), METADATA
        )
    store.dispose()
    assert differences == []
