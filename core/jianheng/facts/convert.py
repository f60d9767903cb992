"""From what an adapter read to a typed fact, or to the reasons why not.

Adapters map names; only this module decides what a value is. A row with any fault is not half
taken: the caller quarantines it with every fault found.
"""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import Any

from jianheng.errors import Problem, problem
from jianheng.facts.entity import Column, Entity
from jianheng.facts.time import wall_time

TEXT_LIMIT = 4000
KEY_LIMIT = 200
CODE_LIMIT = 100
HASH_BYTES = 16
"""Length of a content hash."""
RESERVED = frozenset({"_deleted", "_locator"})
EARLIEST, LATEST = dt.date(1900, 1, 2), dt.date(2200, 1, 1)
"""The first day that is believed, and the first after them."""
_TRUE = frozenset({"y", "yes", "true", "1", "是"})
_FALSE = frozenset({"n", "no", "false", "0", "否"})
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
"""Control characters, and halves of a character outside the basic plane: no database takes them."""

Value = str | int | bool | Decimal | dt.date | dt.datetime | None


class UnfitError(ValueError):
    """A value is not of its column's type; carries the code of the reason."""

    def __init__(self, code: str, **fields: object) -> None:
        super().__init__(code)
        self.code = code
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Fact:
    """One checked row: its key, its values in declared order, and a hash of them."""

    key: str
    values: tuple[Value, ...]
    content_hash: str
    deleted: bool
    locator: str


@dataclass(frozen=True, slots=True)
class Reject:
    """One unusable row: what could be told of its key, where it is, and every fault."""

    key: str
    locator: str
    problems: tuple[Problem, ...]
    row: Mapping[str, Any]


def _printable(text: str) -> str:
    if not text.isprintable() and _UNPRINTABLE.search(text):
        raise UnfitError("row-control-character")
    return text


def _text_reader(limit: int) -> Callable[[object], str | None]:
    """Return what reads a text of at most ``limit`` characters; most cells of most rows pass here."""

    def read(value: object) -> str | None:
        # One flat function on purpose: it runs a dozen times a row.
        text = (value if type(value) is str else str(value)).strip()
        if len(text) > limit:
            raise UnfitError("row-text-too-long", length=len(text), limit=limit)
        if not text.isprintable() and _UNPRINTABLE.search(text):
            raise UnfitError("row-control-character")
        return text or None

    return read


def _as_text(value: object) -> str | None:
    return _printable((value if type(value) is str else str(value)).strip()) or None


def _as_moment(value: object) -> dt.datetime | None:
    if isinstance(value, dt.datetime):
        moment = value
    elif isinstance(value, dt.date):
        moment = dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 wall time, see facts.time
    else:
        text = _as_text(value)
        if text is None:
            return None
        try:
            moment = dt.datetime.fromisoformat(text)
        except ValueError:
            raise UnfitError("row-not-a-date") from None
    try:
        moment = moment if moment.tzinfo is None else wall_time(moment)
    except OverflowError:  # the first and the last day a calendar has, in another zone
        moment = dt.datetime.min  # noqa: DTZ901 out of range in any zone
    if not EARLIEST <= moment.date() < LATEST:
        raise UnfitError("row-date-out-of-range", earliest=EARLIEST, latest=LATEST)
    return moment


def _as_day(value: object) -> dt.date | None:
    if type(value) is str:
        return _day_told(value)
    moment = _as_moment(value)
    return None if moment is None else moment.date()


@lru_cache(maxsize=20_000)
def _day_told(text: str) -> dt.date | None:
    """Read a day's text once: a year of rows has few days."""
    moment = _as_moment(text)
    return None if moment is None else moment.date()


def _as_decimal(value: object) -> Decimal | None:
    if isinstance(value, bool):
        raise UnfitError("row-not-a-number")
    text = _as_text(repr(value) if isinstance(value, float) else value)
    if text is None:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise UnfitError("row-not-a-number") from None
    if not number.is_finite():
        raise UnfitError("row-not-a-number")
    if number.copy_abs() >= 10**12 or number != round(number, 6):  # in this order: rounding 1e30 fails
        raise UnfitError("row-number-out-of-range")
    return number.quantize(Decimal("0.000001"))


def _as_integer(value: object) -> int | None:
    number = _as_decimal(value)
    if number is None:
        return None
    if number != int(number):
        raise UnfitError("row-not-an-integer")
    return int(number)


def _as_boolean(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    text = _as_text(value)
    if text is None:
        return None
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise UnfitError("row-not-a-boolean")


def _as_attributes(value: object) -> str | None:
    if not isinstance(value, Mapping):
        raise UnfitError("row-not-attributes")
    kept = {
        _printable(str(name)): _printable(str(each)) for name, each in value.items() if each not in (None, "")
    }
    told = json.dumps(kept, ensure_ascii=False, sort_keys=True)
    if len(told) > TEXT_LIMIT:
        raise UnfitError("row-text-too-long", length=len(told), limit=TEXT_LIMIT)
    return told if kept else None


_CONVERTERS: dict[str, Callable[[object], Value]] = {
    "date": _as_day,
    "datetime": _as_moment,
    "integer": _as_integer,
    "decimal": _as_decimal,
    "boolean": _as_boolean,
    "attributes": _as_attributes,
}


Read = Callable[[object], Value]
"""From what a source gave, never None, to a value of a column; raises UnfitError."""


def text_limit(entity: Entity, column: Column) -> int | None:
    """Return how many characters a column of text may have; None when it holds no plain text."""
    if column is entity.key or column.ref:
        return KEY_LIMIT
    if column.type in _CONVERTERS:
        return None
    return CODE_LIMIT if column.type == "code" else TEXT_LIMIT


@cache
def readers(entity: Entity) -> tuple[tuple[Read, Column], ...]:
    """Return for each column of an entity what reads it."""

    def reader(column: Column) -> Read:
        limit = text_limit(entity, column)
        return _CONVERTERS[column.type] if limit is None else _text_reader(limit)

    return tuple((reader(column), column) for column in entity.columns)


@cache
def known_columns(entity: Entity) -> frozenset[str]:
    """Return what a row of an entity may name."""
    return frozenset(entity.names) | RESERVED


def shown(value: object) -> str:
    """Return a value as a message may show it: short, on one line."""
    text = _UNPRINTABLE.sub("\ufffd", " ".join(str(value).split()))
    return text if len(text) <= 40 else f"{text[:39]}…"  # noqa: PLR2004


def storable(raw: object) -> str:
    """Return a locator, or the key of an unusable row, as every database can hold it; a good key is unchanged."""
    text = "" if raw is None else str(raw).strip()
    return text if text.isprintable() else _UNPRINTABLE.sub("", text)


def _fault(entity: Entity, column: Column, code: str, at: str, **fields: object) -> Problem:
    named = {
        "entity": entity.label,
        "entity_name": entity.name,
        "column": column.label,
        "column_name": column.name,
    }
    return problem(code, **named, at=at, **fields)


def _why_unfit(entity: Entity, column: Column, raw: object, at: str, unfit: UnfitError) -> Problem:
    return _fault(entity, column, unfit.code, at, value=shown(raw), **unfit.fields)


def _why_unknown(entity: Entity, column: Column, value: object, at: str) -> Problem:
    return _fault(
        entity, column, "row-unknown-code", at, value=shown(value), allowed="、".join(column.allowed)
    )


def convert(entity: Entity, row: Mapping[str, Any]) -> Fact | Reject:
    """Return the typed fact, or every reason why the row is none.

    A deleted row needs only its key: sources blank the rest.
    """
    at = storable(row.get("_locator"))
    faults: list[tuple[Column, Problem]] = []
    values: list[Value] = []
    for read, column in readers(entity):
        raw = row.get(column.name)
        value: Value = None
        if raw is not None:
            try:
                value = read(raw)
            except UnfitError as unfit:
                faults.append((column, _why_unfit(entity, column, raw, at, unfit)))
                values.append(None)
                continue
        if value is None:
            if column.required:
                faults.append((column, _fault(entity, column, "row-missing-value", at)))
        elif column.allowed and value not in column.allowed:
            faults.append((column, _why_unknown(entity, column, value, at)))
            value = None
        values.append(value)
    return _settle(entity, row, at, values, faults)


def _settle(
    entity: Entity, row: Mapping[str, Any], at: str, values: list[Value], faults: list[tuple[Column, Problem]]
) -> Fact | Reject:
    """Return the fact if nothing that matters is wrong."""
    deleted = bool(row.get("_deleted"))
    problems = [told for column, told in faults if not deleted or column is entity.key]
    if not row.keys() <= known_columns(entity):
        columns = "、".join(sorted(row.keys() - known_columns(entity)))
        problems.append(
            problem(
                "row-unknown-column", entity=entity.label, entity_name=entity.name, columns=columns, at=at
            )
        )
    key = values[0]
    if problems or not isinstance(key, str):
        return Reject(storable(row.get(entity.key.name))[:KEY_LIMIT], at, tuple(problems), row)
    return Fact(key, tuple(values), _hash(values), deleted, at)


def _hash(values: list[Value]) -> str:
    return content_hash(repr(values))


def content_hash(told: str) -> str:
    """Return the hash of a row's values, told as Python tells a list of them."""
    return hashlib.blake2b(told.encode(), digest_size=HASH_BYTES).hexdigest()
