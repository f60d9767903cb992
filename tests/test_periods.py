"""Periods and units of time: every day lies in exactly one of those that follow one another."""

import datetime as dt
import itertools

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jianheng.errors import StopError
from jianheng.scoring.law.pack import Calendar
from jianheng.scoring.law.period import Period, check_calendar, period, unit_key, unit_key_sql, unit_start

DAY = dt.timedelta(days=1)
COURT = Calendar(year_start="12-26")
LONG_2017 = Calendar.model_validate(
    {
        "periods": [
            {"id": "2016", "label": "2016年度", "start": "2015-12-26", "end": "2016-12-26"},
            {"id": "2017", "label": "2017年度", "start": "2016-12-26", "end": "2018-01-01"},
        ]
    }
)
ANY_CALENDAR = st.one_of(
    st.just(None),
    st.just(LONG_2017),
    st.builds(
        Calendar,
        year_start=st.dates(dt.date(2001, 1, 1), dt.date(2001, 12, 28))
        .filter(lambda day: day.day <= 28)
        .map(lambda day: f"{day:%m-%d}"),
        year_named=st.sampled_from(["first", "last"]),
        quarter_first_month=st.none() | st.integers(1, 12),
    ),
)
ANY_DAY = st.dates(dt.date(1995, 1, 1), dt.date(2095, 12, 31))
UNITS = ("day", "month", "quarter", "year")


def span(name, calendar=None):
    found = period(name, calendar)
    return found.start.isoformat(), found.end.isoformat()


@pytest.mark.parametrize(
    ("name", "calendar", "expected"),
    [
        ("2025", None, ("2025-01-01", "2026-01-01")),
        ("2025-H2", None, ("2025-07-01", "2026-01-01")),
        ("2025-Q4", None, ("2025-10-01", "2026-01-01")),
        ("2025-12", None, ("2025-12-01", "2026-01-01")),
        ("2025", COURT, ("2024-12-26", "2025-12-26")),
        ("2025-01", COURT, ("2024-12-26", "2025-01-26")),
        ("2025-12", COURT, ("2025-11-26", "2025-12-26")),
        ("2025-Q1", COURT, ("2024-12-26", "2025-03-26")),
        ("2025-H1", COURT, ("2024-12-26", "2025-06-26")),
        ("2025", Calendar(year_start="12-26", year_named="first"), ("2025-12-26", "2026-12-26")),
        ("2025", Calendar(year_start="07-01"), ("2024-07-01", "2025-07-01")),
        ("2025-Q1", Calendar(year_start="07-01"), ("2024-07-01", "2024-10-01")),
        ("2025-07", Calendar(year_start="07-01"), ("2025-07-01", "2025-08-01")),
        ("2025", Calendar(year_start="07-01", year_named="first"), ("2025-07-01", "2026-07-01")),
        ("2025-Q1", Calendar(quarter_first_month=2), ("2025-02-01", "2025-05-01")),
        ("2025-Q4", Calendar(quarter_first_month=2), ("2025-11-01", "2026-02-01")),
        ("2025-Q1", Calendar(year_start="12-26", quarter_first_month=2), ("2025-01-26", "2025-04-26")),
        ("2017", LONG_2017, ("2016-12-26", "2018-01-01")),
        ("2015", LONG_2017, ("2015-01-01", "2015-12-26")),
        ("2018", LONG_2017, ("2018-01-01", "2019-01-01")),
    ],
)
def test_a_period_has_the_days_its_calendar_gives_it(name, calendar, expected):
    assert span(name, calendar) == expected


def test_a_period_with_a_name_of_its_own_is_found_by_it():
    law = Calendar.model_validate(
        {"periods": [{"id": "trial", "label": "试运行", "start": "2025-03-01", "end": "2025-04-16"}]}
    )
    assert period("trial", law) == Period("trial", "试运行", dt.date(2025, 3, 1), dt.date(2025, 4, 16))
    with pytest.raises(StopError, match="trial"):
        period("trial")


@pytest.mark.parametrize("name", ["", "25", "2025-Q5", "2025-13", "2025-H3", "1989", "2101", "２０２５"])
def test_a_name_without_a_form_is_refused(name):
    with pytest.raises(StopError) as refused:
        period(name, COURT)
    assert refused.value.code == "period-unknown"


@pytest.mark.parametrize(
    ("told", "codes"),
    [
        ({}, []),
        ({"year_start": "12-28"}, []),
        ({"year_start": "12-29"}, ["calendar-year-start"]),
        ({"year_start": "00-01"}, ["calendar-year-start"]),
        ({"year_start": "13-01"}, ["calendar-year-start"]),
        ({"periods": [("a", "2025-01-01", "2025-01-01")]}, ["calendar-empty-period"]),
        ({"periods": [("a", "2025-01-02", "2025-01-01"), ("a", "2025-01-01", "2025-01-02")]}, ["calendar-empty-period", "calendar-name-taken"]),
        ({"periods": [("2025-07", "2025-06-26", "2025-07-26")]}, ["calendar-name-taken"]),
        ({"periods": [("2017", "2016-12-26", "2018-01-01")]}, []),
        ({"periods": [("2017", "2016-12-26", "2017-12-26")]}, ["calendar-years-broken"]),
        ({"periods": [("2017", "2018-02-01", "2018-03-01")]}, ["calendar-years-broken"] * 3),
    ],
)  # fmt: skip
def test_a_calendar_that_cannot_cut_time_is_refused(told, codes):
    periods = [{"id": i, "label": i, "start": start, "end": end} for i, start, end in told.get("periods", ())]
    problems = check_calendar(Calendar.model_validate(told | {"periods": periods}), "x/policy.toml calendar")
    assert [each.code for each in problems] == codes
    assert all(each.message().what for each in problems)


@given(calendar=ANY_CALENDAR, year=st.integers(1995, 2094))
def test_years_months_and_quarters_follow_one_another_without_gap_or_overlap(calendar, year):
    parts = {
        "month": [f"{n:02}" for n in range(1, 13)],
        "quarter": [f"Q{n}" for n in range(1, 5)],
        "half": ["H1", "H2"],
    }
    assert period(str(year), calendar).end == period(str(year + 1), calendar).start
    for names in parts.values():
        both = [period(f"{each}-{name}", calendar) for each in (year, year + 1) for name in names]
        assert all(before.end == after.start for before, after in itertools.pairwise(both))


@given(calendar=ANY_CALENDAR, day=ANY_DAY)
def test_a_day_lies_in_exactly_one_year(calendar, day):
    years = [period(str(year), calendar) for year in range(day.year - 2, day.year + 3)]
    assert [each.start <= day < each.end for each in years].count(True) == 1


@given(calendar=ANY_CALENDAR, day=ANY_DAY, unit=st.sampled_from(UNITS))
def test_days_of_one_unit_and_no_others_have_its_key_and_its_first_day(calendar, day, unit):
    start, key = unit_start(day, unit, calendar), unit_key(day, unit, calendar)
    assert start <= day
    assert unit_start(start, unit, calendar) == start
    assert unit_key(start, unit, calendar) == key
    before = start - DAY
    assert unit_key(before, unit, calendar) != key
    assert unit_start(before, unit, calendar) < start
    following = day + DAY
    same = unit_start(following, unit, calendar) == start
    assert same == (unit_key(following, unit, calendar) == key)


@given(calendar=ANY_CALENDAR, day=ANY_DAY)
def test_the_year_of_a_day_is_the_year_it_is_capped_by(calendar, day):
    (year,) = [
        each
        for n in range(day.year - 2, day.year + 3)
        if (each := period(str(n), calendar)).start <= day < each.end
    ]
    assert unit_start(day, "year", calendar) == year.start


@given(calendar=ANY_CALENDAR, unit=st.sampled_from(UNITS), days=st.lists(ANY_DAY, min_size=1, max_size=50))
def test_the_key_in_sql_is_the_key(calendar, unit, days):
    with duckdb.connect() as engine:
        engine.execute("CREATE TABLE d AS SELECT unnest($days)::DATE AS day", {"days": days})
        rows = engine.execute(f"SELECT day, {unit_key_sql('d.day', unit, calendar)} FROM d").fetchall()
    assert sorted(rows) == sorted((day, unit_key(day, unit, calendar)) for day in days)


def test_a_unit_nobody_declared_is_an_error():
    for made in (unit_key, unit_start):
        with pytest.raises(ValueError, match="week"):
            made(dt.date(2025, 1, 1), "week")
    with pytest.raises(ValueError, match="week"):
        unit_key_sql("d", "week")
