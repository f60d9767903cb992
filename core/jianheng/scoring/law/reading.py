"""Reading the texts of a policy pack: TOML and CSV into models, every fault found and none thrown."""

import csv
import difflib
import io
import re
import tomllib
import typing
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from jianheng.errors import Problem, problem
from jianheng.messages import some_of, text
from jianheng.scoring.law.forms import Path, misread
from jianheng.scoring.law.pack_files import Files

Model = TypeVar("Model", bound=BaseModel)
_AT_LINE = re.compile(r"\(at line (\d+)")


def read_toml(files: Files, path: str) -> Mapping[str, Any] | Problem:
    """Return a TOML file with exact decimals."""
    text = files.text(path)
    if isinstance(text, Problem):
        return text
    return parse_toml(text, f"{files.name}/{path}")


def parse_toml(text: str, name: str) -> Mapping[str, Any] | Problem:
    """Return a TOML text with exact decimals."""
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except (ValueError, InvalidOperation) as error:  # a number of thousands of digits is a plain ValueError
        line = _AT_LINE.search(str(error))
        return problem(
            "policy-file-syntax", file=f"{name}:{line[1]}" if line else name, told=str(error)[:200]
        )
    except RecursionError:
        return problem("policy-file-syntax", file=name, told="nested too deeply")


def build(model: type[Model], data: Any, where: str) -> Model | list[Problem]:
    """Return a model of some data, or everything wrong with it, unknown keys with the nearest known one."""
    faults = faults_of(model, data, where)
    return [each.told for each in faults] if faults else model.model_validate(data)


class Fault(NamedTuple):
    """One thing wrong with some data: where in it, as keys and positions, and what is told of it."""

    path: Path
    told: Problem


def faults_of(model: type[BaseModel], data: Any, where: str) -> list[Fault]:
    """Return everything wrong with some data as a model; one fault a place."""
    told: dict[Path, Problem] = {}
    for path, code, given, meant in misread(model, data):
        shown = _shown(data, path)
        at = where if meant else f"{where} {shown}"
        told[path] = problem(code, where=at, key=shown, given=given, value=given, meant=meant)
    try:
        model.model_validate(data)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            path = _path(data, each)
            told.setdefault(path, _fault(model, data, path, each, where))
    # What a union's other branch says of the whole is an echo of what is wrong within.
    return [
        Fault(path, each)
        for path, each in told.items()
        if not any(other != path and other[: len(path)] == path for other in told)
    ]


def _path(data: Any, error: Any) -> Path:
    """Return the place of a fault in the data, without the names pydantic gives to the branches of a union."""
    path: list[str | int] = []
    at = data
    for part in error["loc"]:
        within = (
            part in at if isinstance(at, Mapping) else isinstance(part, int) and isinstance(at, list | tuple)
        )
        if within:
            at = at[part]
            path.append(part)
    if error["type"] == "missing":
        path.append(error["loc"][-1])
    return tuple(path)


def _shown(data: Any, path: Sequence[str | int]) -> str:
    """Return a place as people find it: an element of a list by its id."""
    shown: list[str] = []
    at = data
    for part in path:
        try:
            at = at[part]
        except (KeyError, IndexError, TypeError):
            at = None
        named = at.get("id", at.get("name")) if isinstance(part, int) and isinstance(at, Mapping) else None
        shown.append(str(part) if named is None else str(named))
    return ".".join(shown)


def _fault(model: type[BaseModel], data: Any, path: Path, error: Any, where: str) -> Problem:
    shown = _shown(data, path)
    if error["type"] == "extra_forbidden":
        near = nearest(str(error["loc"][-1]), _keys(model))
        return problem("policy-unknown-key", where=where, key=shown, nearest=near)
    if error["type"] == "missing":
        return problem("policy-missing-key", where=where, key=shown)
    given = error.get("input")
    return problem(
        "policy-wrong-value", where=where, key=shown, given=str(given)[:60], told=str(error["msg"])
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name most like a wrong one, or where none is like it some of those there are."""
    plain = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name.strip().casefold(), plain, 1)
    return plain[near[0]] if near else some_of(sorted(plain.values()))


def unknown(name: str, known: Iterable[str], where: str, kind: str) -> Problem:
    """Return the fault of a name that refers to nothing, with the nearest that exists, or some of those there are."""
    told = {"kind": kind, "kind_name": text(f"policy-kind-{kind}"), "name": name}
    return problem("policy-unknown-name", where=where, nearest=nearest(name, known), **told)


def _keys(model: type[BaseModel]) -> set[str]:
    """Return every key the model and the models in it know."""
    found: set[str] = set()
    pending: list[Any] = [model]
    done: set[Any] = set()
    while pending:
        each = pending.pop()
        if each in done:
            continue
        done.add(each)
        if isinstance(each, type) and issubclass(each, BaseModel):
            for name, field in each.model_fields.items():
                found.add(field.alias or name)
                pending.append(field.annotation)
        else:
            pending.extend(getattr(each, "__args__", ()))
    return found


class Line(NamedTuple):
    """A row of a table with the place it stands at: ``pack/points.csv:12``."""

    where: str
    row: Any


def read_table(model: type[BaseModel], files: Files, path: str) -> tuple[list[Line], list[Problem]]:
    """Return the rows of a decision table; blank cells are left out, lists are split at ``;``."""
    name = f"{files.name}/{path}"
    text = files.text(path)
    if isinstance(text, Problem):
        return [], [text]
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [(reader.line_num, line) for line in reader]
    except csv.Error as error:
        told = problem("policy-file-syntax", file=f"{name}:{reader.line_num}", told=str(error))
        return [], [told]
    if not lines:
        return [], [problem("policy-table-empty", file=name)]
    header = [cell.strip() for cell in lines[0][1]]
    problems = _check_header(model, header, name)
    if problems:
        return [], problems
    lists = _list_columns(model)
    rows: list[Line] = []
    for number, line in lines[1:]:
        if not any(cell.strip() for cell in line):
            continue
        where = f"{name}:{number}"
        if len(line) != len(header):
            problems.append(problem("policy-row-width", where=where, cells=len(line), columns=len(header)))
            continue
        cells = _cells(header, line, lists)
        odd = [
            problem("policy-full-width", where=where, key=column, given=value)
            for column, values in cells.items()
            if column in lists
            for value in values
            if set(value) & _NO_SEPARATORS
        ]
        odd += [
            problem("policy-list-empty", where=where, key=column)
            for column, values in cells.items()
            if column in lists and not values
        ]
        row = odd or build(model, cells, where)
        if isinstance(row, list):
            problems += row
        else:
            rows.append(Line(where, row))
    return rows, problems


_NO_SEPARATORS = frozenset("；，、,;")
"""What people write between the parts of a list where ``;`` is wanted."""


def _list_columns(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(
        field.alias or name
        for name, field in model.model_fields.items()
        if typing.get_origin(field.annotation) is tuple
    )


def _check_header(model: type[BaseModel], header: Sequence[str], name: str) -> list[Problem]:
    known = {field.alias or each for each, field in model.model_fields.items()}
    if header[0].lower().startswith("sep="):
        return [problem("policy-table-sep-line", file=f"{name}:1")]
    if len(header) == 1:
        for mark, shown in ((";", ";"), ("\t", "Tab"), ("；", "；"), ("，", "，"), ("|", "|")):
            if known & {part.strip() for part in header[0].split(mark)} and mark in header[0]:
                return [problem("policy-table-separator", file=f"{name}:1", found=shown)]
    problems = [
        problem("policy-unknown-key", where=f"{name}:1", key=column or "(空)", nearest=nearest(column, known))
        for column in header
        if column not in known
    ]
    twice = sorted({each for each in header if header.count(each) > 1})
    return problems + [problem("policy-column-twice", file=f"{name}:1", column=each) for each in twice]


def _cells(header: Sequence[str], line: Sequence[str], lists: Iterable[str]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for column, cell in zip(header, line, strict=True):
        value = cell.strip()
        if not value:
            continue
        if column in lists:
            cells[column] = tuple(part.strip() for part in value.split(";") if part.strip())
        else:
            cells[column] = value
    return cells
