"""Working calendars: which days are worked, as data with its source, year by year.

A calendar is a TOML file: ``label``, and for each year a table with the notice it comes from (``cite``), the
weekdays that are off (``off``; days off at a weekend may be listed too) and the weekend days that are worked
(``work``)::

    label = "全国工作日历"

    [2026]
    cite = "国务院办公厅关于2026年部分节假日安排的通知 (国办发明电〔2025〕7号)"
    off = [2026-01-01, 2026-01-02]
    work = [2026-01-04]

It answers for the years it has, and for no day before or after.
"""

import datetime as dt
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jianheng.errors import Problem, problem

_SATURDAY = 5
_DAY = dt.timedelta(days=1)


class Year(BaseModel):
    """What is special about one year."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    cite: str = Field(min_length=1)
    off: list[dt.date]
    work: list[dt.date]


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """A working calendar.

    Attributes:
        id: the name policies call it by.
        label: what a reader sees.
        years: by year what is special about it, without gaps.
    """

    id: str
    label: str
    years: Mapping[int, Year]

    @property
    def first(self) -> dt.date:
        """The first day it answers for."""
        return dt.date(min(self.years), 1, 1)

    @property
    def last(self) -> dt.date:
        """The last day it answers for."""
        return dt.date(max(self.years), 12, 31)

    def is_workday(self, day: dt.date) -> bool:
        """Return whether a day is worked; KeyError for a day it does not answer for."""
        year = self.years[day.year]
        return day in year.work or (day.weekday() < _SATURDAY and day not in year.off)

    def table(self) -> pa.Table:
        """Return ``workday(day DATE, number INTEGER)``: for each day how many were worked up to and with it.

        The day before the first has 0, so that a span may begin there.
        """
        days, numbers = [self.first - _DAY], [0]
        while days[-1] < self.last:
            days.append(days[-1] + _DAY)
            numbers.append(numbers[-1] + self.is_workday(days[-1]))
        return pa.table({"day": pa.array(days, pa.date32()), "number": pa.array(numbers, pa.int32())})


def read_calendar(text: str, name: str, calendar_id: str = "") -> WorkCalendar | list[Problem]:
    """Return a working calendar, or everything wrong with it.

    Args:
        text: the file's text.
        name: the file as problems name it.
        calendar_id: the name policies call it by.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return [problem("workdays-file", where=name, told=str(error))]
    label = data.pop("label", None)
    if not isinstance(label, str):
        return [problem("workdays-file", where=name, told='label = "…"')]
    years: dict[int, Year] = {}
    problems: list[Problem] = []
    for key, given in data.items():
        where = f"{name} [{key}]"
        if not (key.isascii() and key.isdigit() and len(key) == 4):  # noqa: PLR2004 a year
            problems.append(problem("workdays-file", where=where, told="[2026]"))
            continue
        try:
            years[int(key)] = Year.model_validate(given)
        except ValidationError as error:
            problems += [
                problem(
                    "workdays-file", where=where, told=f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
                )
                for each in error.errors(include_url=False)
            ]
            continue
        problems += _check_year(int(key), years[int(key)], where)
    if problems:
        return problems
    missing = sorted(set(range(min(years), max(years) + 1)) - set(years)) if years else [0]
    if missing:
        told = "、".join(map(str, missing)) if years else "[2026]"
        return [problem("workdays-gap", where=name, years=told)]
    return WorkCalendar(calendar_id or name, label, years)


def _check_year(number: int, year: Year, where: str) -> list[Problem]:
    found = [
        problem("workdays-other-year", where=where, day=day)
        for day in sorted({*year.off, *year.work})
        if day.year != number
    ]
    found += [
        problem("workdays-worked-anyway", where=where, day=day)
        for day in sorted(set(year.work))
        if day.weekday() < _SATURDAY
    ]
    twice = {day for day in (*year.off, *year.work) if [*year.off, *year.work].count(day) > 1}
    return found + [problem("workdays-day-twice", where=where, day=day) for day in sorted(twice)]
