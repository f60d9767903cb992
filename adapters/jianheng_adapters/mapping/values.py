"""How single values are normalised: text, codes, days, moments, yes and no.

Nothing here judges. What cannot be understood is passed on as it is, so that core can
quarantine the row and show the value.
"""

import calendar
import datetime as dt
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from jianheng.facts.entity import ColumnType
from jianheng.facts.time import wall_time
from jianheng_adapters.mapping.expression import Expression
from jianheng_adapters.mapping.model import MappingFile, Normalise

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


def _extracted(text: Convert, pattern: str) -> Convert:
    wanted = re.compile(pattern)

    def extract(value: Any) -> Any:
        found = text(value)
        if not isinstance(found, str):
            return found
        matched = wanted.search(found)
        return None if matched is None else (matched[1] if wanted.groups else matched[0]) or None

    return extract


def _multiplied(text: Convert, times: Decimal) -> Convert:
    def multiply(value: Any) -> Any:
        found = text(value)
        try:
            told = Decimal(str(found)) if found is not None and not isinstance(found, bool) else None
        except InvalidOperation:
            return found  # core says that it is no number
        return found if told is None or not told.is_finite() else told * times

    return multiply


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


COUNTED = {"epoch": (dt.datetime(1970, 1, 1, tzinfo=dt.UTC), 1.0)}
COUNTED["epoch_ms"] = (COUNTED["epoch"][0], 0.001)
COUNTED["excel"] = (dt.datetime(1899, 12, 30), 86400.0)  # noqa: DTZ001 -- the days of a spreadsheet are wall time
"""Formats of numbers: from when they count, and the seconds of each."""


def _counted(value: Any, formats: Sequence[str]) -> dt.datetime | None:
    """Return the moment a number counts up to, if it is one and a format says so."""
    told = next((each for each in formats if each in COUNTED), None) if formats else None
    if told is None or value is None or isinstance(value, bool | dt.date):
        return None
    start, seconds = COUNTED[told]
    try:
        return start + dt.timedelta(seconds=float(value) * seconds)
    except (TypeError, ValueError, OverflowError):
        return None


def moment_of(value: Any, formats: Sequence[str] = ()) -> Any:
    """Return the moment that a value tells; what tells none as it is, blank text as nothing."""
    counted = _counted(value, formats)
    if counted is not None:
        return counted
    if isinstance(value, str):
        text = value.strip()
        return (_parse(text, formats) or text) if text else None
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 -- wall time
    return value


def _when(kind: ColumnType, expression: Expression, normalise: Normalise) -> Convert:
    formats = (*expression.format, *normalise.date_formats)
    nothing = frozenset(normalise.null_dates)
    zone = ZoneInfo(expression.zone) if expression.zone else None

    def place(value: Any) -> Any:
        moment = moment_of(value, formats)
        if not isinstance(moment, dt.datetime):
            return None if isinstance(moment, str) and moment in nothing else moment
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
    convert = _plain(kind, expression, mapping)
    if expression.present:
        nothing = frozenset(mapping.normalise.null_dates)
        return lambda value: not is_blank(value, nothing)
    if expression.default is None:
        return convert
    default = expression.default

    def filled(value: Any) -> Any:
        found = convert(value)
        return default if found is None else found

    return filled


def _plain(kind: ColumnType, expression: Expression, mapping: MappingFile) -> Convert:
    text: Convert = as_text if mapping.normalise.strip else _kept
    if expression.extract is not None:
        text = _extracted(text, expression.extract)
    if expression.width:
        text = _filled(text, expression.width)
    if expression.part is not None:
        text = _cut(text, expression.part)
    if expression.codes is not None:
        return _translator(mapping.codes[expression.codes], text)
    if expression.times is not None:
        return _multiplied(text, expression.times)
    if kind in ("date", "datetime"):
        when = _when(kind, expression, mapping.normalise)
        cuts = expression.part is not None or expression.extract is not None
        return (lambda value: when(text(value))) if cuts else when
    if kind == "boolean":
        return _yes_no(mapping.normalise)
    if kind in ("text", "code"):
        return text
    return _stripped
