"""The working calendar says what the notices say, and answers for no other day."""

import datetime as dt
import itertools

import chinese_calendar
import pytest

from jianheng.rules.workdays import WorkCalendar, read_calendar
from upstream import workdays

CALENDAR = workdays()
DAYS = [
    dt.date(2013, 1, 1) + dt.timedelta(days=n)
    for n in range((dt.date(2027, 1, 1) - dt.date(2013, 1, 1)).days)
]

GOOD = """
label = "试"

[2025]
cite = "通知"
off = [2025-01-01, 2025-01-04]
work = [2025-01-05]

[2026]
cite = "通知"
off = []
work = []
"""


def test_it_covers_every_day_from_2013_to_2026():
    assert (CALENDAR.first, CALENDAR.last) == (DAYS[0], DAYS[-1])


def test_every_day_is_worked_or_not_as_an_independent_calendar_says():
    different = [day for day in DAYS if CALENDAR.is_workday(day) != chinese_calendar.is_workday(day)]
    assert different == []


def test_every_year_names_the_notice_it_comes_from():
    assert all(
        f"{year}年部分节假日安排的通知 (国办发明电〔{year - 1}〕" in each.cite
        for year, each in CALENDAR.years.items()
    )


def test_off_lists_only_weekdays_so_that_every_day_in_it_changes_something():
    assert [day for year in CALENDAR.years.values() for day in year.off if day.weekday() >= 5] == []


@pytest.mark.parametrize("year", [2012, 2027])
def test_a_year_it_has_not_is_no_guess(year):
    with pytest.raises(KeyError):
        CALENDAR.is_workday(dt.date(year, 6, 3))


def test_the_table_counts_the_days_worked_up_to_each_day():
    rows = CALENDAR.table().to_pylist()
    assert rows[0] == {"day": dt.date(2012, 12, 31), "number": 0}
    assert [row["day"] for row in rows[1:]] == DAYS
    steps = [after["number"] - before["number"] for before, after in itertools.pairwise(rows)]
    assert steps == [int(chinese_calendar.is_workday(day)) for day in DAYS]


def read(*edits):
    text = GOOD
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return read_calendar(text, "calendars/x.toml", "x")


def test_days_off_at_a_weekend_may_be_listed_and_change_nothing():
    calendar = read()
    assert isinstance(calendar, WorkCalendar)
    assert [calendar.is_workday(dt.date(2025, 1, day)) for day in range(1, 7)] == [
        False,
        True,
        True,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("edits", "codes"),
    [
        ([('label = "试"', "")], ["workdays-file"]),
        ([('label = "试"', "label =")], ["workdays-file"]),
        ([("off = [2025-01-01", "of = [2025-01-01")], ["workdays-file", "workdays-file"]),
        ([("2025-01-01", '"2025-01-01"')], ["workdays-file"]),
        ([('cite = "通知"\noff = []', "off = []")], ["workdays-file"]),
        ([('cite = "通知"\noff = []', 'cite = ""\noff = []')], ["workdays-file"]),
        ([("[2026]", "[2025b]")], ["workdays-file"]),
        ([("[2026]", "[2025]")], ["workdays-file"]),
        ([("[2026]", "[2028]")], ["workdays-gap"]),
        ([("2025-01-01", "2024-01-01")], ["workdays-other-year"]),
        ([("2025-01-05", "2025-01-06")], ["workdays-worked-anyway"]),
        ([("2025-01-04", "2025-01-05")], ["workdays-day-twice"]),
        (
            [("2025-01-01, 2025-01-04", "2025-01-05, 2024-01-04"), ("work = []", "work = [2026-06-03]")],
            ["workdays-other-year", "workdays-day-twice", "workdays-worked-anyway"],
        ),
    ],
)
def test_a_slip_in_a_calendar_is_told_with_its_place(edits, codes):
    problems = read(*edits)
    assert [each.code for each in problems] == codes
    assert all(str(each.fields["where"]).startswith("calendars/x.toml") for each in problems)
    assert all(each.message().what for each in problems)


def test_a_calendar_of_no_year_is_none():
    assert [each.code for each in read_calendar('label = "试"', "x.toml")] == ["workdays-gap"]
