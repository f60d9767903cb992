"""Numbers and days as people write them by habit, and the one form in which a policy takes them.

``５``, ``1,5`` and ``2025/1/1`` are clear to a person and would be read as something else, or as nothing,
by a program. They are faults that name the wanted form; they are not mended silently.
"""

import datetime as dt
import re
import typing
import unicodedata
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel

_SHOWN = 60
Path = tuple[str | int, ...]
"""A place in some data: keys and positions."""

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_HABITS = re.compile(r"(\d{4})\s*[-/.年]?\s*(\d{1,2})\s*[-/.月]?\s*(\d{1,2})\s*日?", re.ASCII)
_LARGEST, _FINEST = 12, 40
"""Beyond 12 digits before the point and 40 behind it nothing is a number of the law; its own bounds are narrower."""

_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", re.ASCII)


def number_meant(text: str) -> str | None:
    """Return the number a text stands for where it is not written as a policy takes it; None if it is or is none."""
    if NUMBER.fullmatch(text):
        return None
    plain = unicodedata.normalize("NFKC", text).replace(" ", "").replace("_", "").replace("。", ".")
    plain = plain.replace("−", "-").replace("、", ",")
    plain = plain.replace(",", "" if _GROUPED.fullmatch(plain) else ".")
    if plain.endswith("%") and NUMBER.fullmatch(plain[:-1]):
        number = Decimal(plain[:-1])
        return f"{number.scaleb(-2):f}" if size_fault(number) is None else None
    return plain if NUMBER.fullmatch(plain) else None


def size_fault(number: Decimal | int) -> str | None:
    """Return the code of what is wrong with the size of a number: to work with it could take for ever."""
    if isinstance(number, int):
        return "policy-too-large" if abs(number) > 10**_LARGEST else None
    if not number.is_finite():
        return None
    if number and number.adjusted() > _LARGEST:
        return "policy-too-large"
    exponent = number.as_tuple().exponent
    return "policy-too-fine" if isinstance(exponent, int) and exponent < -_FINEST else None


def day_meant(text: str) -> str | None:
    """Return the day a text stands for where it is not written ``2025-07-01``; None if it is or is none."""
    if DAY.fullmatch(text):
        return None
    match = _HABITS.fullmatch(unicodedata.normalize("NFKC", text).strip())
    if match is None:
        return None
    try:
        return dt.date(*(int(part) for part in match.groups())).isoformat()
    except ValueError:
        return None


class Misread(NamedTuple):
    """A value that would be read as something else, or not at all.

    Attributes:
        path: where in the data.
        code: as which fault.
        given: what stands there.
        meant: what is meant by it, if that can be told.
    """

    path: Path
    code: str
    given: str
    meant: str


def misread(model: type[BaseModel], data: Any) -> Iterator[Misread]:
    """Yield what would be read as another number or day than was meant."""
    if not isinstance(data, Mapping):
        return
    for key, kinds in _keys(model):
        if key in data:
            yield from _misread_as(kinds, data[key], (key,))


@cache
def _keys(model: type[BaseModel]) -> tuple[tuple[str, frozenset[Any]], ...]:
    """Return the keys of a model, and what may stand there."""
    return tuple(
        (field.alias or name, _kinds(field.annotation)) for name, field in model.model_fields.items()
    )


def _misread_as(kinds: frozenset[Any], value: Any, path: Path) -> Iterator[Misread]:
    models = [each for each in kinds if issubclass(each, BaseModel)]
    if isinstance(value, Mapping) and models:
        for model in models:
            yield from (each._replace(path=(*path, *each.path)) for each in misread(model, value))
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _misread_as(kinds, each, (*path, key))
    elif isinstance(value, list | tuple):
        within = kinds - {Decimal, int} if str in kinds else kinds  # texts that look like numbers are codes
        for position, each in enumerate(value):
            yield from _misread_as(within, each, (*path, position))
    else:
        yield from _misread_cell(kinds, value, path)


def _misread_cell(kinds: frozenset[Any], value: Any, path: Path) -> Iterator[Misread]:
    if dt.date in kinds and not isinstance(value, dt.date):
        meant = day_meant(str(value))
        if meant is not None:
            yield Misread(path, "policy-date-form", str(value), meant)
        elif not isinstance(value, str) or value.strip("-+.").isdigit():  # pydantic would take it for seconds
            yield Misread(path, "policy-date-form", str(value), "2025-07-01")
    elif kinds & {Decimal, int} and isinstance(value, str):
        meant = number_meant(value)
        if meant is not None:
            yield Misread(path, "policy-number-form", value, meant)
        elif NUMBER.fullmatch(value) and (code := size_fault(Decimal(value))) is not None:
            yield Misread(path, code, value, "")
    elif isinstance(value, Decimal | int) and (code := size_fault(value)) is not None:
        yield Misread(path, code, str(value)[:_SHOWN], "")


def _kinds(annotation: Any) -> frozenset[Any]:
    """Return every plain type an annotation speaks of."""
    found: set[Any] = set()
    pending = [annotation]
    while pending:
        each = pending.pop()
        if typing.get_origin(each) is not typing.Literal:
            pending.extend(typing.get_args(each))
        if isinstance(each, type):
            found.add(each)
    return frozenset(found - {type(None)})
