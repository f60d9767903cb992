"""Periods: windows ``[start, end)`` with a name, and the units of time that caps hold for.

A policy's calendar says how time is cut. A month begins on the day of the month on which the year
begins; quarters are three months, from the month the calendar names; years, months and quarters each
follow one another without gap or overlap. A month, like a year, is named by the calendar month of its
last (or first) day: where the year begins on 26 December, January 2025 begins on 26 December 2024.
"""

import datetime as dt
import re
from dataclasses import dataclass

from jianheng.errors import Problem, StopError, problem
from jianheng.scoring.law.pack import Calendar, NamedPeriod

_FORM = re.compile(
    r"(?P<year>\d{4})(?:-(?:Q(?P<quarter>[1-4])|H(?P<half>[12])|(?P<month>0[1-9]|1[0-2])))?", re.ASCII
)
_YEAR = re.compile(r"\d{4}", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1990, 2100
"""The years a policy may speak of."""

_LAST_SAFE_DAY = 28
"""The last day that every month has."""

CALENDAR_YEAR = Calendar()


@dataclass(frozen=True, slots=True)
class Period:
    """A window of days; ``end`` is the day after the last."""

    id: str
    label: str
    start: dt.date
    end: dt.date


def period(name: str, calendar: Calendar | None = None) -> Period:
    """Return a period by name: ``2025``, ``2025-H1``, ``2025-Q3``, ``2025-07``, or one the calendar names.

    A year that the calendar names itself (``2017``, where it was longer) takes its days from the years
    beside it.

    Raises:
        StopError: the name has none of these forms, and the calendar does not know it.
    """
    cut = calendar or CALENDAR_YEAR
    for each in cut.periods:
        if each.id == name:
            return Period(each.id, each.label, each.start, each.end)
    match = _FORM.fullmatch(name)
    if match is None or not _FIRST_YEAR <= int(match["year"]) <= _LAST_YEAR:
        raise StopError("period-unknown", name=name)
    year = int(match["year"])
    if match["quarter"]:
        quarter = int(match["quarter"])
        first = _first_quarter(year, cut) + 3 * (quarter - 1)
        return Period(name, f"{year}年第{quarter}季度", _day(first, cut), _day(first + 3, cut))
    if match["half"]:
        half = int(match["half"])
        first = _first_month(year, cut) + 6 * (half - 1)
        label = f"{year}年{'上' if half == 1 else '下'}半年"
        return Period(name, label, _day(first, cut), _day(first + 6, cut))
    if match["month"]:
        month = int(match["month"])
        first = year * 12 + month - 1 - _month_shift(cut)
        return Period(name, f"{year}年{month}月", _day(first, cut), _day(first + 1, cut))
    return Period(name, f"{year}年度", *_year(year, cut))


def check_calendar(calendar: Calendar, where: str) -> list[Problem]:
    """Return everything wrong with how a calendar cuts time.

    ``where`` is the file and key that problems name.
    """
    month, day = (int(part) for part in calendar.year_start.split("-"))
    if not 1 <= month <= 12 or not 1 <= day <= _LAST_SAFE_DAY:  # noqa: PLR2004 the months of a year
        return [problem("calendar-year-start", where=where, given=calendar.year_start)]
    found: list[Problem] = []
    seen: set[str] = set()
    for each in calendar.periods:
        if each.start >= each.end:
            found.append(problem("calendar-empty-period", where=where, id=each.id))
        if each.id in seen or (_FORM.fullmatch(each.id) and not _YEAR.fullmatch(each.id)):
            found.append(problem("calendar-name-taken", where=where, id=each.id))
        seen.add(each.id)
    years = [int(each.id) for each in _odd_years(calendar)]
    if found or not years:
        return found
    for year in range(max(min(years) - 2, _FIRST_YEAR), min(max(years) + 2, _LAST_YEAR)):
        end, start = period(str(year), calendar).end, period(str(year + 1), calendar).start
        if end != start:
            told = {"year": year, "end": end, "next": year + 1, "start": start}
            found.append(problem("calendar-years-broken", where=where, **told))
    return found


def unit_start(day: dt.date, unit: str, calendar: Calendar | None = None) -> dt.date:
    """Return the first day of the day, month, quarter or year that a day lies in."""
    cut = calendar or CALENDAR_YEAR
    if unit == "day":
        return day
    if unit != "year":
        return _day(unit_key(day, unit, cut), cut)
    odd = _odd_year_of(day, cut)
    if odd is not None:
        return odd.start
    regular = _day(_regular_year(_month(day, cut), cut), cut)
    return max([regular, *(each.end for each in _odd_years(cut) if each.end <= day)])


def unit_key(day: dt.date, unit: str, calendar: Calendar | None = None) -> int:
    """Return an integer that all days of a unit have, and no other day has: what caps are kept by.

    It counts months from year 0 to the unit's first; for a day it is ``yyyymmdd``, and its negative for the
    first day of a year that the calendar names itself.
    """
    cut = calendar or CALENDAR_YEAR
    month = _month(day, cut)
    if unit == "day":
        return day.year * 10_000 + day.month * 100 + day.day
    if unit == "month":
        return month
    if unit == "quarter":
        return month - (month - _quarter_shift(cut)) % 3
    if unit == "year":
        odd = _odd_year_of(day, cut)
        return _regular_year(month, cut) if odd is None else -unit_key(odd.start, "day", cut)
    raise ValueError(unit)


def unit_key_sql(column: str, unit: str, calendar: Calendar | None = None) -> str:
    """Return :func:`unit_key` as SQL over a DATE column: integer sums and remainders only."""
    cut = calendar or CALENDAR_YEAR
    year, month, day = (f"EXTRACT({part} FROM {column})" for part in ("year", "month", "day"))
    if unit == "day":
        return f"({year} * 10000 + {month} * 100 + {day})"
    first = int(cut.year_start[3:])
    before = f" - CASE WHEN {day} < {first} THEN 1 ELSE 0 END" if first > 1 else ""
    index = f"({year} * 12 + {month} - 1{before})"
    if unit == "month":
        return index
    if unit == "quarter":
        return f"({index} - ({index} - {_quarter_shift(cut)}) % 3)"
    if unit == "year":
        regular = f"({index} - ({index} - {int(cut.year_start[:2]) - 1}) % 12)"
        odd = "".join(
            f" WHEN {column} >= CAST('{each.start}' AS DATE) AND {column} < CAST('{each.end}' AS DATE)"
            f" THEN {-unit_key(each.start, 'day', cut)}"
            for each in _odd_years(cut)
        )
        return f"(CASE{odd} ELSE {regular} END)" if odd else regular
    raise ValueError(unit)


# Months are numbered through all years: 12 times the calendar year in which one begins, plus 0 to 11.


def _month(day: dt.date, calendar: Calendar) -> int:
    return day.year * 12 + day.month - 1 - (day.day < int(calendar.year_start[3:]))


def _day(month: int, calendar: Calendar) -> dt.date:
    return dt.date(month // 12, month % 12 + 1, int(calendar.year_start[3:]))


def _month_shift(calendar: Calendar) -> int:
    """Return 1 where a month is named by the calendar month after the one in which it begins."""
    return int(calendar.year_named == "last" and calendar.year_start[3:] != "01")


def _first_month(year: int, calendar: Calendar) -> int:
    """Return the first month of a year by its name, were there no odd years."""
    ends_later = calendar.year_named == "last" and calendar.year_start != "01-01"
    return (year - ends_later) * 12 + int(calendar.year_start[:2]) - 1


def _regular_year(month: int, calendar: Calendar) -> int:
    return month - (month - int(calendar.year_start[:2]) + 1) % 12


def _first_quarter(year: int, calendar: Calendar) -> int:
    first = _first_month(year, calendar)
    named = calendar.quarter_first_month
    return first if named is None else first + (named - 1 - first - _month_shift(calendar)) % 12


def _quarter_shift(calendar: Calendar) -> int:
    return _first_quarter(_FIRST_YEAR, calendar) % 3


def _odd_years(calendar: Calendar) -> list[NamedPeriod]:
    return [each for each in calendar.periods if _YEAR.fullmatch(each.id)]


def _odd_year_of(day: dt.date, calendar: Calendar) -> NamedPeriod | None:
    return next((each for each in _odd_years(calendar) if each.start <= day < each.end), None)


def _year(year: int, calendar: Calendar) -> tuple[dt.date, dt.date]:
    """Return a regular year's days, without those that odd years beside it have taken."""
    first = _first_month(year, calendar)
    start, end = _day(first, calendar), _day(first + 12, calendar)
    for odd in _odd_years(calendar):
        if odd.start <= start < odd.end:
            start = odd.end
        elif start < odd.start < end:
            end = odd.start
    return start, max(start, end)
