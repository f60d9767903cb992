"""How single values are normalised: text, codes, days, moments, yes and no.

Nothing here judges. What cannot be understood is passed on as it is, so that core can
quarantine the row and show the value.
"""

import calendar
import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from jianheng.facts.entity import ColumnType
from jianheng.facts.time import wall_time
from jianheng_adapters.mapping.model import Expression, MappingFile, Normalise

Convert = Callable[[Any], Any]


def as_text(value: Any) -> Any:  # noqa: PLR0911 -- one answer a type
    """Return what a cell or a driver holds as the text a person would read; empty becomes None."""
    if isinstance(value, str):
        return value.strip() or None
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float | Decimal):  # 工号 typed as a number: 12.0 is "12"
        return str(int(value)) if math.isfinite(value) and value == int(value) else str(value)
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ", "seconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    return value


def is_blank(value: Any, null_dates: frozenset[str]) -> bool:
    """Return whether a source's value says nothing: empty, blanks, or a day that means none."""
    text = as_text(value)
    return text is None or (isinstance(text, str) and text[:10] in null_dates)


def _kept(value: Any) -> Any:
    """As :func:`as_text` for sources whose blanks are meant; only the empty text is nothing."""
    return (value or None) if isinstance(value, str) else as_text(value)


def _stripped(value: Any) -> Any:
    return (value.strip() or None) if isinstance(value, str) else value


def _filled(text: Convert, width: int) -> Convert:
    def fill(value: Any) -> Any:
        found = text(value)
        return found.zfill(width) if isinstance(found, str) and found.isdigit() else found

    return fill


def _cut(text: Convert, part: tuple[int, int]) -> Convert:
    first, last = part

    def cut(value: Any) -> Any:
        found = text(value)
        return found[first - 1 : last] or None if isinstance(found, str) else found

    return cut


ANYTHING_ELSE = "*"
"""The entry of a code table for codes that it does not list."""


def _translator(table: Mapping[str, Any], text: Convert) -> Convert:
    def translate(value: Any) -> Any:
        found = text(value)
        return table.get(found, table.get(ANYTHING_ELSE, found)) if isinstance(found, str) else found

    return translate


def _yes_no(normalise: Normalise) -> Convert:
    known: dict[str, bool] = dict.fromkeys(normalise.true, True) | dict.fromkeys(normalise.false, False)

    def decide(value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        text = as_text(value)
        return known.get(text, text) if isinstance(text, str) else text

    return decide


def _parse(text: str, formats: Sequence[str]) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        pass
    for pattern in formats:
        try:
            return dt.datetime.strptime(text, pattern)  # noqa: DTZ007 -- wall time unless the format has %z
        except ValueError:
            continue
    return None


def _when(kind: ColumnType, expression: Expression, normalise: Normalise) -> Convert:
    formats = (*expression.format, *normalise.date_formats)
    nothing = frozenset(normalise.null_dates)
    zone = ZoneInfo(expression.zone) if expression.zone else None

    def place(value: Any) -> Any:
        if isinstance(value, str):
            text = value.strip()
            if not text:
                return None
            moment = _parse(text, formats)
            if moment is None:
                return None if text in nothing else text
        elif isinstance(value, dt.datetime):
            moment = value
        elif isinstance(value, dt.date):
            moment = dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 -- wall time
        else:
            return value
        if zone is not None and moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        moment = wall_time(moment)
        if nothing and moment.date().isoformat() in nothing:
            return None
        if expression.month_end:
            moment = moment.replace(day=calendar.monthrange(moment.year, moment.month)[1])
        return moment.date() if kind == "date" else moment

    return place


def converter(kind: ColumnType, expression: Expression, mapping: MappingFile) -> Convert:
    """Return how a source value becomes a value of a canonical column of this type."""
    text: Convert = as_text if mapping.normalise.strip else _kept
    if expression.width:
        text = _filled(text, expression.width)
    if expression.part is not None:
        text = _cut(text, expression.part)
    if expression.codes is not None:
        return _translator(mapping.codes[expression.codes], text)
    if kind in ("date", "datetime"):
        return _when(kind, expression, mapping.normalise)
    if kind == "boolean":
        return _yes_no(mapping.normalise)
    if kind in ("text", "code"):
        return text
    return _stripped
