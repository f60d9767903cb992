"""Measures: what is counted, each thing once, on which day, and for whom."""

import datetime as dt
import itertools
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jianheng.rules.expression import Context, compile_expression
from jianheng.rules.measure import ITEM_COLUMNS, ITEM_DAY, Measure, compile_measure
from jianheng.rules.views import GRAINS, held_sql, view
from thoroughness import examples
from upstream import case, document, posting, views_of

WORLD = {
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
    with views_of(WORLD) as connection:
        yield connection


YEAR_2025 = (dt.date(2025, 1, 1), dt.date(2026, 1, 1))


def items(engine, window=YEAR_2025, context=Context(), extra=None, **more):  # noqa: B008 a constant
    measure = Measure.model_validate(BASE | more)
    sql = compile_measure("closed", measure, "measures.toml", context, extra)
    assert isinstance(sql, str), sql
    cursor = engine.execute(
        f"SELECT * FROM ({sql}) ORDER BY item_key", dict(zip(("start", "end"), window, strict=True))
    )
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
        "",
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


OUTCOMES = {
    "the later day holds": ([("a", "2025-03-01", "9"), ("b", "2025-03-02", "1"), ("c", "2025-02-01", "0")], "1"),
    "a day comes before none": ([("a", None, "0"), ("b", "2020-01-01", "1")], "1"),
    "of one day the first key holds": ([("b", "2025-03-01", "0"), ("a", "2025-03-01", "2")], "2"),
    "of no day the first key holds": ([("b", None, "0"), ("a", None, "2")], "2"),
    "of one day one that tells its result": ([("a", "2025-03-01", None), ("b", "2025-03-01", "2")], "2"),
    "what was decided last and not told is not what was before": ([("a", "2025-03-01", "1"), ("b", "2025-03-02", None)], None),
}  # fmt: skip


def test_the_result_of_a_case_is_the_one_decided_last_and_all_of_them_are_there_to_be_asked():
    """The lowest code is nobody's decision. Of several results each is found whole."""
    outcomes = [
        {"outcome_key": f"{n}{key}", "case_no": name, "decided_on": day, "result_code": code}
        for n, (name, (told, _)) in enumerate(OUTCOMES.items())
        for key, day, code in told
    ]
    world = {"case": [case(name) for name in [*OUTCOMES, "none"]], "case_outcome": outcomes}
    asked = compile_expression("contains(result_codes, '2')", "case", "here")
    with views_of(world) as engine:
        results, every = column(engine, "result_code"), column(engine, "result_codes")
        found = engine.execute(f"SELECT case_no FROM v_case t WHERE {asked}").fetchall()
    assert results == {name: code for name, (_, code) in OUTCOMES.items()} | {"none": None}
    assert (every["the later day holds"], every["a day comes before none"]) == ("0;1;9", "0;1")
    assert (every["what was decided last and not told is not what was before"], every["none"]) == ("1", None)
    assert {name for (name,) in found} == {
        name for name, (told, _) in OUTCOMES.items() if "2" in {code for *_, code in told}
    }


def test_the_codes_of_all_results_are_checked_like_those_of_one():
    catalogues = {"case_result": frozenset({"1", "2"})}
    for text in ("contains(result_codes, '3')", "result_code = '3'"):
        refused = compile_expression(text, "case", "here", context=Context(catalogues=catalogues))
        assert refused.code == "rule-unknown-code"


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


def keys(engine, **more):
    return [each["item_key"] for each in items(engine, **more)]


def test_every_statement_has_the_same_columns_and_then_what_is_asked_for(engine):
    """The extra columns speak of the item's view and of its day."""
    extra = {"factor_a": f"CASE WHEN t.{ITEM_DAY} > DATE '2025-06-01' THEN 'late' END", "factor_b": "NULL"}
    for more in ({}, {"changes": [{"from": "2025-06-01", "date": "accepted_on"}]}):
        (first, *_) = items(engine, team=True, extra=extra, **more)
        assert tuple(first) == (*ITEM_COLUMNS, "factor_a", "factor_b")
    late = [(each["item_key"], each["factor_a"]) for each in items(engine, team=True, extra=extra)]
    assert late == [("A", None), ("B", "late")]


# Quantities and faults.


def test_an_item_is_one_unit_and_no_known_fault_unless_the_measure_says_otherwise(engine):
    assert [(each["quantity"], each["fault"]) for each in items(engine, team=True)] == [(1, None), (1, None)]


def test_an_item_may_be_several_units_and_name_its_fault(engine):
    found = items(engine, team=True, quantity="suspect_count + document_count", fault="category")
    assert [(each["quantity"], each["fault"]) for each in found] == [(5, "0301"), (0, "0301")]


@pytest.mark.parametrize("quantity", ["handling_days", "0 - 1", "suspect_count * 0.5"])
def test_a_quantity_that_is_unknown_negative_or_broken_stops_the_rule_and_names_the_item(engine, quantity):
    with pytest.raises(duckdb.Error, match="数量不是 0 或正整数: A"):
        items(engine, team=True, quantity=quantity, where="case_no = 'A'")


def test_a_quantity_is_asked_only_of_what_counts(engine):
    where = "case_no = 'A' and workdays_between(accepted_on, closed_on) > 3"
    (found,) = items(engine, team=True, quantity="workdays_between(accepted_on, closed_on)", where=where)
    assert found["quantity"] == 39


def test_what_lies_outside_the_period_is_not_asked_what_it_cannot_answer(engine):
    """Case C closed in a year after the period, D before it; only what counts must have a value."""
    law = Context({"law.n": ((dt.date(2025, 1, 1), dt.date(2026, 1, 1), Decimal(1)),)})
    assert keys(engine, team=True, context=law, where="parameter('law.n') = 1") == ["A", "B"]
    with pytest.raises(duckdb.Error, match=r"law\.n"):
        keys(
            engine,
            team=True,
            context=law,
            where="parameter('law.n') = 1",
            window=(dt.date(2025, 1, 1), dt.date(2027, 1, 1)),
        )


# Dated changes.

JULY = "2025-07-01"


def closed(**more):
    return {"grain": "case", "date": "concluded_on", "where": "concluded_on is not null", "team": True} | more


def world_of(*days):
    """Return cases accepted and concluded on the days given."""
    return {
        "case": [
            case(f"c{n}", accepted_on=accepted, concluded_on=concluded)
            for n, (accepted, concluded) in enumerate(days)
        ]
    }


def test_a_change_holds_from_its_day_on_and_the_former_definition_before_it():
    world = world_of(("2025-01-02", "2025-06-30"), ("2025-01-02", JULY), ("2025-01-02", "2025-07-02"))
    change = {"from": JULY, "where": "concluded_on <> '2025-07-02'", "quantity": "2", "cite": "修订"}
    with views_of(world) as engine:
        found = items(engine, **closed(changes=[change]))
        assert [(each["item_key"], each["quantity"]) for each in found] == [("c0", 1), ("c1", 2)]


def test_each_change_replaces_only_what_it_names():
    world = {"case": [case("A", concluded_on="2025-12-31", handler_key="p1", charge_name="甲")]}
    changes = [
        {"from": JULY, "actor": "handler_key", "item": "charge_name"},
        {"from": "2025-09-01", "code": "category"},
    ]
    with views_of(world) as engine:
        (found,) = items(engine, **closed(changes=changes))
    assert (found["actor"], found["item_label"], found["code"]) == ("p1", "甲", "0301")


@pytest.mark.parametrize("part", ["grain", "unit", "label", "frm"])
def test_what_a_measure_is_cannot_change(part):
    with pytest.raises(ValueError, match=part):
        Measure.model_validate(BASE | {"changes": [{"from": JULY, part: "case"}]})


def test_a_change_back_to_the_team_takes_the_actor_away():
    with views_of({"case": [case("A", concluded_on="2025-12-31", handler_key="p1")]}) as engine:
        (found,) = items(
            engine, **closed(team=False, actor="handler_key", changes=[{"from": JULY, "team": True}])
        )
    assert found["actor"] is None


def test_what_was_counted_by_its_former_date_is_not_counted_again_by_its_new_one():
    """Accepted in June and counted then, concluded in August: by the new date it would count a second time."""
    world = world_of(("2025-06-02", "2025-08-01"), ("2025-07-02", "2025-08-01"))
    measure = closed(date="accepted_on", changes=[{"from": JULY, "date": "concluded_on"}])
    with views_of(world) as engine:
        found = [(each["item_key"], each["day"]) for each in items(engine, **measure)]
    assert found == [("c0", dt.date(2025, 6, 2)), ("c1", dt.date(2025, 8, 1))]


def test_what_was_counted_before_is_judged_by_the_law_of_its_own_day():
    """On its former date the list held its category, so it was counted; the list of its new date does not."""
    law = Context(
        {
            "law.codes": (
                (dt.date(2025, 1, 1), dt.date(2025, 7, 1), ("0301",)),
                (dt.date(2025, 7, 1), None, ()),
            )
        }
    )
    measure = closed(
        date="accepted_on",
        where="listed(category, 'law.codes')",
        changes=[{"from": JULY, "date": "concluded_on", "where": "true"}],
    )
    with views_of(world_of(("2025-06-02", "2025-08-01"), ("2025-07-02", "2025-08-01"))) as engine:
        assert [each["day"].month for each in items(engine, context=law, **measure)] == [6, 8]


DAYS = st.dates(dt.date(2024, 11, 1), dt.date(2026, 2, 28))
PARTS = st.fixed_dictionaries(
    {"date": st.sampled_from(["accepted_on", "concluded_on", "due_on"])},
    optional={
        "where": st.sampled_from(
            ["true", "category = '0301'", "due_on is not null and due_on > concluded_on"]
        )
    },
)


@settings(max_examples=examples(40), deadline=None)
@given(
    first=PARTS,
    changes=st.lists(st.tuples(DAYS, PARTS), max_size=3, unique_by=lambda each: each[0]),
    days=st.lists(st.tuples(DAYS, st.none() | DAYS, st.none() | DAYS), max_size=12),
    cuts=st.lists(DAYS, min_size=1, max_size=4, unique=True),
)
def test_an_item_is_in_exactly_one_of_the_periods_that_follow_one_another(first, changes, days, cuts):
    """However a measure changes and time is cut, no item counts twice, and none is lost at an edge."""
    dated = [{"from": day} | parts for day, parts in sorted(changes, key=lambda each: each[0])]
    measure = {"grain": "case", "team": True, "where": "true", "changes": dated} | first
    world = {
        "case": [
            case(
                f"c{n}",
                accepted_on=accepted,
                concluded_on=concluded,
                due_on=due,
                category="0301" if n % 2 else "0201",
            )
            for n, (accepted, concluded, due) in enumerate(days)
        ]
    }
    edges = [dt.date(2000, 1, 1), *sorted(cuts), dt.date(2100, 1, 1)]
    with views_of(world) as engine:
        whole = keys(engine, window=(edges[0], edges[-1]), **measure)
        parts = [keys(engine, window=window, **measure) for window in itertools.pairwise(edges)]
    assert sorted(itertools.chain(*parts)) == whole
    assert len(set(whole)) == len(whole)


# Joins never multiply.


@settings(max_examples=examples(12), deadline=None)
@given(
    suspects=st.integers(0, 4),
    documents=st.integers(0, 4),
    links=st.integers(0, 4),
    volumes=st.integers(0, 3),
    postings=st.integers(0, 3),
)
def test_whatever_hangs_on_a_case_it_stays_one_case(suspects, documents, links, volumes, postings):
    others = [f"B{n}" for n in range(links)]
    world = {
        "case": [case(each, concluded_on="2025-03-04", handler_key="p1") for each in ("A", *others)],
        "suspect": [
            {"suspect_key": f"{each}{n}", "case_no": each, "suspect_no": n % 2}
            for each in ("A", *others)
            for n in range(suspects)
        ],
        "document": [document(f"d{n}", "A") for n in range(documents)],
        "event": [
            {"event_key": f"e{n}", "case_no": "A", "kind": "k", "at": "2025-03-04"} for n in range(documents)
        ],
        "archive_volume": [
            {"volume_key": f"v{n}", "case_no": "A", "state": "accepted", "accepted_on": "2025-05-01"}
            for n in range(volumes)
        ],
        "case_outcome": [
            {"outcome_key": f"o{n}", "case_no": "A", "result_code": f"r{n}"} for n in range(suspects)
        ],
        "case_link": [
            {"link_key": f"l{n}", "from_case_no": "A", "to_case_no": each, "kind": "related"}
            for n, each in enumerate([*others, *others])
        ],
        "posting": [posting("p1", posting_key=f"p{n}") for n in range(postings)],
    }
    where = (
        "closed_on is not null and (has_document('x') or true) and (linked(true) or true)"
        " and (linked(true, 'chain') or true) and coalesce(role_on(handler_key, closed_on), 'other') <> 'clerk'"
        " and (has_event('k') or true) and workdays_between(accepted_on, closed_on) > 0"
    )
    of_suspects = "linked_suspect(true) or linked_suspect(true, 'chain') or true"
    with views_of(world) as engine:
        assert keys(engine, team=True, where=where) == ["A", *others]
        found = keys(engine, grain="suspect", team=True, date="case_closed_on", where=of_suspects)
    assert found == sorted(row["suspect_key"] for row in world["suspect"])


def test_of_postings_that_overlap_one_holds_on_each_day():
    """The one begun later wins, and where it ends the earlier one holds again; of equals the first by key."""
    postings = [
        posting("p", "clerk", posting_key="1", valid_from="2025-01-01", valid_to="2025-12-31"),
        posting("p", "other", posting_key="3", valid_from="2025-03-01", valid_to="2025-03-31"),
        posting("p", "judicial_admin", posting_key="2", valid_from="2025-03-01", valid_to="2025-03-10"),
        posting("p", "prosecutor_assistant", posting_key="4", valid_from="2026-02-01"),
    ]
    with views_of({"posting": postings}) as engine:
        rows = engine.execute(f"SELECT since, until, role FROM ({held_sql()}) ORDER BY since").fetchall()
    told = [(since.isoformat(), until.isoformat(), role) for since, until, role in rows]
    assert told == [
        ("2025-01-01", "2025-03-01", "clerk"),
        ("2025-03-01", "2025-03-11", "judicial_admin"),
        ("2025-03-11", "2025-04-01", "other"),
        ("2025-04-01", "2026-01-01", "clerk"),
        ("2026-02-01", "9999-12-31", "prosecutor_assistant"),
    ]


# What cannot be a measure.


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
        ({"actor": "category"}, ["measure-no-person"]),
        ({"team": True, "date": "category"}, ["measure-no-day"]),
        ({"team": True, "where": "category"}, ["measure-part-kind"]),
        ({"team": True, "quantity": "category", "fault": "handling_days"}, ["measure-part-kind"] * 2),
        ({"team": True, "where": "catgory = '1' and chrge_code = '2'"}, ["rule-unknown-column"] * 2),
        ({"team": True, "where": "closed_on is null"}, ["measure-unreachable"]),
        ({"team": True, "where": "category = '0301' and (closed_on is null)"}, ["measure-unreachable"]),
        ({"team": True, "where": "false"}, ["measure-unreachable"]),
        ({"team": True, "where": "closed_on < '2024-01-01'"}, ["measure-unreachable"]),
        ({"team": True, "where": "'2024-01-01' > closed_on"}, ["measure-unreachable"]),
        ({"team": True, "where": "closed_on <= '2024-01-01'"}, []),
        ({"team": True, "where": "closed_on between '2020-01-01' and '2023-12-31'"}, ["measure-unreachable"]),
        (
            {"team": True, "where": "closed_on > '2025-02-01' and closed_on = '2025-01-01'"},
            ["measure-unreachable"],
        ),
        ({"team": True, "where": "closed_on < '2020-01-01' or category = '0301'"}, []),
        ({"team": True, "where": "accepted_on < '2020-01-01'"}, []),
        ({"team": True, "changes": [{"from": JULY}]}, ["measure-change-empty"]),
        (
            {"team": True, "changes": [{"from": JULY, "code": "status"}, {"from": JULY, "code": "category"}]},
            ["measure-change-days"],
        ),
        ({"team": True, "changes": [{"from": JULY, "actor": "category"}]}, ["measure-no-person"]),
        (
            {"team": True, "changes": [{"from": JULY, "where": "closed_on < '2025-06-01'"}]},
            ["measure-unreachable"],
        ),
        (
            {
                "team": True,
                "where": "closed_on < '2025-06-01'",
                "changes": [{"from": JULY, "code": "category"}],
            },
            ["measure-unreachable"],
        ),
        (
            {"team": True, "where": "x = 1", "changes": [{"from": JULY, "item": "y"}]},
            ["rule-unknown-column", "rule-unknown-column"],
        ),
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
    measure = Measure.model_validate(BASE | more)
    done = compile_measure("closed", measure, "measures.toml", Context(since=dt.date(2024, 1, 1)))
    problems = done if isinstance(done, list) else []
    assert [each.code for each in problems] == codes
    assert all(str(each.fields["where"]).startswith("measures.toml [closed]") for each in problems)
    assert all(each.message().what for each in problems)
