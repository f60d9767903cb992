"""Reading the files of a policy pack: TOML and CSV into models, every fault found and none thrown."""

import csv
import difflib
import io
import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from jianheng.errors import Problem, problem

Model = TypeVar("Model", bound=BaseModel)
_LISTS = frozenset({"code", "category", "role", "post_level"})
_MAX_BYTES = 5_000_000


def read_text(file: Path, name: str) -> str | Problem:
    """Return a file's text: UTF-8, with or without the mark that spreadsheet programs write."""
    try:
        if file.stat().st_size > _MAX_BYTES:
            return problem("policy-file-too-large", file=name, limit=_MAX_BYTES)
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return problem("policy-file-missing", file=name)
    except UnicodeDecodeError:
        return problem("policy-file-encoding", file=name)
    except OSError as error:
        return problem("policy-file-unreadable", file=name, told=error.strerror or type(error).__name__)


def read_toml(file: Path, name: str) -> Mapping[str, Any] | Problem:
    """Return a TOML file with exact decimals."""
    text = read_text(file, name)
    if isinstance(text, Problem):
        return text
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        return problem("policy-file-syntax", file=name, told=str(error))
    except InvalidOperation as error:
        return problem("policy-file-syntax", file=name, told=str(error))


def build(model: type[Model], data: Any, where: str) -> Model | list[Problem]:
    """Return a model of some data, or everything wrong with it, unknown keys with the nearest known one."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        return [_fault(model, each, where) for each in error.errors(include_url=False)]


def _fault(model: type[BaseModel], error: Any, where: str) -> Problem:
    path = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        key = str(error["loc"][-1])
        near = difflib.get_close_matches(key, _keys(model), 1)
        return problem("policy-unknown-key", where=where, key=path, nearest=near[0] if near else "—")
    if error["type"] == "missing":
        return problem("policy-missing-key", where=where, key=path)
    given = error.get("input")
    return problem("policy-wrong-value", where=where, key=path, given=str(given)[:60], told=str(error["msg"]))


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


def read_table(model: type[Model], file: Path, name: str) -> tuple[list[Model], list[Problem]]:
    """Return the rows of a decision table; blank cells are left out, lists are split at ``;``."""
    text = read_text(file, name)
    if isinstance(text, Problem):
        return [], [text]
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [(reader.line_num, line) for line in reader]
    except csv.Error as error:
        return [], [problem("policy-file-syntax", file=name, told=str(error))]
    if not lines:
        return [], [problem("policy-table-empty", file=name)]
    header = [cell.strip() for cell in lines[0][1]]
    known = {field.alias or each for each, field in model.model_fields.items()}
    problems = [
        problem(
            "policy-unknown-key",
            where=name,
            key=column or "(空)",
            nearest="".join(difflib.get_close_matches(column, known, 1)) or "—",
        )
        for column in header
        if column not in known
    ]
    problems += [problem("policy-column-twice", file=name, column=each) for each in _twice(header)]
    if problems:
        return [], problems
    rows: list[Model] = []
    for number, line in lines[1:]:
        if not any(cell.strip() for cell in line):
            continue
        where = f"{name}:{number}"
        if len(line) != len(header):
            problems.append(problem("policy-row-width", where=where, cells=len(line), columns=len(header)))
            continue
        row = build(model, _cells(header, line), where)
        if isinstance(row, list):
            problems += row
        else:
            rows.append(row)
    return rows, problems


def _cells(header: list[str], line: list[str]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for column, cell in zip(header, line, strict=True):
        value = cell.strip()
        if not value:
            continue
        if column in _LISTS:
            cells[column] = tuple(part.strip() for part in value.split(";") if part.strip())
        else:
            cells[column] = value
    return cells


def _twice(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return sorted({name for name in names if name in seen or seen.add(name)})  # type: ignore[func-returns-value]
