"""Measures: what is counted, each thing once, on which day, and for whom."""

import datetime as dt

import duckdb
import pytest

from jianheng.rules.measure import Measure, compile_measure
from jianheng.rules.views import GRAINS, LINK_VIEW_SQL, NEEDED, PERSONAL, case_view_sql, grain_view_sql, view
from upstream import case, document, facts_of

EMPTY = {name: [] for name in (*NEEDED, *PERSONAL)}
WORLD = EMPTY | {
    "case": [
        case("A", handler_key="p1", concluded_on="2025-03-04"),
        case("B", concluded_on="2025-12-31"),
        case("C", concluded_on="2026-01-01"),
        case("D", concluded_on="2024-12-31"),
        case("E"),
    ],
    "suspect": [{"suspect_key": f"s{n}", "case_no": "A", "suspect_no": n} for n in range(3)],
    "document": [
        document("d1", "A", drafter_key="p2"),
        document("d2", "A", name=None),
        document("d3", "nowhere"),
    ],
    "archive_volume": [
        {"volume_key": "v1", "case_no": "A", "state": "accepted", "accepted_on": "2025-05-01"},
        {"volume_key": "v2", "case_no": "A", "state": "accepted", "accepted_on": "2025-04-01"},
        {"volume_key": "v3", "case_no": "B", "state": "accepted", "accepted_on": "2025-05-01"},
        {"volume_key": "v4", "case_no": "B", "state": "returned", "accepted_on": "2025-05-01"},
        {"volume_key": "v5", "case_no": "C", "state": "accepted"},
    ],
    "case_outcome": [
        {"outcome_key": "o1", "case_no": "A", "result_code": "2"},
        {"outcome_key": "o2", "case_no": "A", "result_code": "1"},
    ],
    "event": [{"event_key": "e1", "case_no": "A", "kind": "k", "at": "2025-12-31 23:59:59"}],
    "personnel_record": [
        {"record_key": "r1", "kind": "award", "person_key": "p1", "starts_on": "2025-03-04"}
    ],
}
BASE = {"label": "办结", "grain": "case", "where": "closed_on is not null", "date": "closed_on", "unit": "件"}


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect() as connection:
        for name, rows in facts_of(WORLD).items():
            connection.register(f"fact_{name}", rows)
        connection.execute(case_view_sql("t.concluded_on"))
        connection.execute(LINK_VIEW_SQL)
        for grain in GRAINS:
            if grain != "case":
                connection.execute(grain_view_sql(grain))
        yield connection


def items(engine, **more):
    sql = compile_measure("closed", Measure.model_validate(BASE | more), "measures.toml")
    assert isinstance(sql, str), sql
    window = {"start": dt.date(2025, 1, 1), "end": dt.date(2026, 1, 1)}
    cursor = engine.execute(f"{sql} ORDER BY item_key", window)
    names = [each[0] for each in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def test_a_window_has_its_first_day_and_not_the_day_after_its_last(engine):
    assert [each["item_key"] for each in items(engine, team=True)] == ["A", "B"]


def test_an_item_says_what_it_is_and_for_whom(engine):
    found = items(engine, actor="handler_key", item="category", code="status")[0]
    told = ("measure", "item_kind", "item_key", "case_no", "category", "item_label", "day", "actor", "code")
    assert [found[name] for name in told] == [
        "closed",
        "case",
        "A",
        "A",
        "0301",
        "0301",
        dt.date(2025, 3, 4),
        "p1",
        None,
    ]


def test_nobody_named_is_nobody_and_not_somebody(engine):
    assert [each["actor"] for each in items(engine, actor="handler_key")] == ["p1", None]


def test_a_moment_is_counted_on_its_day(engine):
    (found,) = items(engine, grain="event", where="true", date="at", actor="actor_key")
    assert found["day"] == dt.date(2025, 12, 31)


def test_a_document_of_an_unknown_case_is_no_item(engine):
    """Such rows are in quarantine; should one come through, nobody gets points for it."""
    found = items(engine, grain="document", where="true", date="drafted_on", actor="drafter_key", item="name")
    assert [(each["item_key"], each["item_label"], each["category"]) for each in found] == [
        ("d1", "起诉书", "0301"),
        ("d2", "", "0301"),
    ]


def test_what_hangs_on_no_case_is_counted_without_one(engine):
    (found,) = items(engine, grain="personnel_record", where="true", date="starts_on", actor="person_key")
    assert (found["case_no"], found["category"], found["actor"]) == ("", "", "p1")


def column(engine, name):
    return dict(engine.execute(f"SELECT case_no, {name} FROM v_case ORDER BY 1").fetchall())


def test_a_case_is_archived_when_its_last_volume_is(engine):
    day = dt.date(2025, 5, 1)
    assert column(engine, "archive_accepted_on") == {"A": day, "B": None, "C": None, "D": None, "E": None}


def test_what_is_counted_in_a_case_is_zero_and_not_unknown_where_there_is_none(engine):
    assert column(engine, "suspect_count") == {"A": 3, "B": 0, "C": 0, "D": 0, "E": 0}
    assert column(engine, "document_count") == {"A": 2, "B": 0, "C": 0, "D": 0, "E": 0}
    assert column(engine, "result_code")["A"] == "1"


@pytest.mark.parametrize("grain", GRAINS)
def test_a_view_has_the_columns_it_declares_and_one_row_a_key(engine, grain):
    over = view(grain)
    found = [each[0] for each in engine.execute(f"DESCRIBE {over.name}").fetchall()]
    assert set(over.columns) <= set(found)
    twice = f"SELECT {over.key} FROM {over.name} GROUP BY ALL HAVING count(*) > 1"
    assert engine.execute(twice).fetchall() == []


def test_a_view_nobody_declared_does_not_exist():
    with pytest.raises(KeyError):
        view("person")


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        ({}, ["measure-for-whom"]),
        ({"team": True, "actor": "handler_key"}, ["measure-for-whom"]),
        (
            {"grain": "personnel_record", "where": "true", "date": "starts_on", "team": True},
            ["measure-for-whom"],
        ),
        ({"team": True, "date": "closed"}, ["rule-unknown-column"]),
        ({"actor": "handler"}, ["rule-unknown-column"]),
        (
            {"where": "now() is null", "date": "x", "code": "x", "item": "x"},
            [
                "rule-unknown-function",
                "rule-unknown-column",
                "rule-unknown-column",
                "rule-unknown-column",
                "measure-for-whom",
            ],
        ),
    ],
)
def test_everything_wrong_with_a_measure_is_told_together(more, codes):
    problems = compile_measure("closed", Measure.model_validate(BASE | more), "measures.toml")
    assert [each.code for each in problems] == codes
    assert all(str(each.fields["where"]).startswith("measures.toml [closed]") for each in problems)
