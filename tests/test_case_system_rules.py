"""What is worked out of the case system's facts: who takes part, when a case closed, in which line it is."""

import datetime as dt
import tomllib
from pathlib import Path
from typing import Any

import pytest

from jianheng.facts.entities import ENTITIES
from jianheng.rules.expression import Context, compile_expression
from jianheng.rules.views import GRAINS, NEEDED, TAKES_PART, plain_case
from jianheng.scoring.kernel.engine import connection
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import load_policy
from jianheng.scoring.records.scope import Subject, scope_of
from jianheng.store import moments
from upstream import facts_of, person, posting, sync_world, views_of

RULES = Path(__file__).parents[1] / "plugins" / "jianheng_plugins" / "case_rules"
UNIT = "990101"


def case(number: str, **more: Any) -> dict[str, Any]:
    return {"case_no": number, "unit_code": UNIT, "category": "0301", "accepted_on": "2025-01-02"} | more


def takes_part(**world: list[dict[str, Any]]) -> dict[str, set[str]]:
    facts = facts_of(dict.fromkeys(ENTITIES, ()) | world)
    found: dict[str, set[str]] = {}
    with connection() as engine:
        for name in ("case", "participation", "handling_unit_member"):
            engine.register(f"fact_{name}", facts[name].drop_columns(["source", "locator"]))
        for case_no, person_key, *_ in engine.execute(TAKES_PART).fetchall():
            found.setdefault(case_no, set()).add(person_key)
    return found


def member(who: str, unit: str = "U1", **more: Any) -> dict[str, Any]:
    base = {"member_key": f"{unit}-{who}", "handling_unit_key": unit, "unit_code": UNIT, "person_key": who}
    return base | {"role": "quota_prosecutor"} | more


def part(number: str, who: str, **more: Any) -> dict[str, Any]:
    base = {"participation_key": f"{number}|{who}", "case_no": number, "person_key": who}
    return base | {"role": "quota_prosecutor"} | more


def test_who_takes_part_is_told_by_the_case_then_by_its_unit_then_by_its_handler():
    cases = [
        case("own", handling_unit_key="U1", handler_key="h"),
        case("unit", handling_unit_key="U1", handler_key="h"),
        case("gone", handling_unit_key="U9", handler_key="h"),
        case("none", handler_key="h"),
        case("nobody"),
    ]
    found = takes_part(
        case=cases,
        participation=[part("own", "a")],
        handling_unit_member=[member("m1"), member("m2", role="clerk")],
    )
    assert found == {"own": {"a"}, "unit": {"m1", "m2"}, "gone": {"h"}, "none": {"h"}}


def test_who_helps_from_another_unit_displaces_nobody():
    cases = [case("A", handling_unit_key="U1", handler_key="h"), case("B", handler_key="h")]
    helpers = [part(number, "x", handling_form="co_handling") for number in ("A", "B")]
    found = takes_part(case=cases, participation=helpers, handling_unit_member=[member("m1")])
    assert found == {"A": {"m1", "x"}, "B": {"h", "x"}}


def test_a_unit_code_alone_never_makes_somebody_take_part():
    """Handling units are numbered anew in every unit: the key holds both."""
    found = takes_part(
        case=[case("A", handling_unit_key=f"{UNIT}-01", handler_key="h")],
        handling_unit_member=[member("stranger", unit="990102-01")],
    )
    assert found == {"A": {"h"}}


def test_a_change_of_a_units_members_brings_its_cases_again(lite_store):
    policy, year = load_policy(RULES.parent / "provinces" / "permit-desk"), period("2025")
    world = {
        "person": [person("m1"), person("m2")],
        "posting": [posting("m1"), posting("m2")],
        "case": [case("A", handling_unit_key="U1"), case("B", handling_unit_key="U2")],
        "handling_unit_member": [member("m1")],
    }
    sync_world(lite_store, world)
    with lite_store.connect() as open_:
        at = moments.last_recorded(open_, UNIT)
    sync_world(lite_store, world | {"handling_unit_member": [member("m1"), member("m2")]})
    last = {"policy_version": policy.version, "units": (UNIT,), "sources": (), "facts_at": at}
    with lite_store.connect() as open_:
        scope = scope_of(open_, Subject(UNIT, (UNIT,)), policy, year, last, full=False)
    assert (scope.mode, scope.cases) == ("incremental", ("A",))


def test_every_new_kind_of_record_can_be_counted_and_asked_for():
    added = {
        "organisation_suspect", "coercive_measure", "supervision_act", "suggestion", "clue_transfer",
        "defence_request", "property_item", "disclosure", "electronic_file",
    }  # fmt: skip
    assert added <= set(GRAINS) & set(NEEDED)
    for grain in sorted(added):
        day = ENTITIES[grain].business_time or "prosecution_decided_on"
        for text, over in (
            (f"case_category = '0301' and {day} is not null", grain),
            (f"has('{grain}', {day} is not null)", "case"),
        ):
            assert isinstance(compile_expression(text, over, grain), str), (grain, text)


CLOSING = tomllib.loads((RULES / "closing.toml").read_text(encoding="utf-8"))
LINES = tomllib.loads((RULES / "business_lines.toml").read_text(encoding="utf-8"))["line"]
D = dt.date

ENDED = {
    "accepted_on": D(2025, 1, 2),
    "concluded_on": D(2025, 2, 1),
    "completed_on": D(2025, 3, 1),
    "status": "concluded",
}
FLOW = ENDED | {"current_stage": "流程结束"}
OPEN_FLOW = ENDED | {"current_stage": "出庭"}
ONLY_CONCLUDED = ENDED | {"completed_on": None}
IN_HAND = ENDED | {"status": "in_hand", "concluded_on": None, "completed_on": None}
CONCLUDED, COMPLETED, ACCEPTED, NEVER = D(2025, 2, 1), D(2025, 3, 1), D(2025, 1, 2), None


@pytest.mark.parametrize(
    ("name", "told", "closed"),
    [
        ("judicial-file", ENDED | {"category": "0201"}, CONCLUDED),
        ("judicial-file", ENDED | {"category": "0301"}, CONCLUDED),
        ("judicial-file", ENDED | {"category": "0701"}, COMPLETED),
        ("judicial-file", ONLY_CONCLUDED | {"category": "0701"}, NEVER),
        ("default", ONLY_CONCLUDED | {"category": "0701"}, CONCLUDED),
        ("flow-ended", FLOW, COMPLETED),
        ("flow-ended", OPEN_FLOW, NEVER),
        ("accepted", ENDED, ACCEPTED),
        ("accepted", IN_HAND, NEVER),
        ("appeal-approved", ENDED, D(2025, 2, 20)),
        ("document-approved", ENDED, D(2025, 2, 25)),
        ("technical", ENDED, COMPLETED),
        ("technical", IN_HAND, NEVER),
        ("review-screening", FLOW, COMPLETED),
        ("review-screening", OPEN_FLOW, NEVER),
        ("either-day", ENDED, CONCLUDED),
        ("either-day", IN_HAND, NEVER),
        ("archived", ENDED, COMPLETED),
        ("archived", ONLY_CONCLUDED, NEVER),
        ("by-status", ENDED, COMPLETED),
        ("by-status", IN_HAND, NEVER),
    ],
)
def test_each_definition_of_a_closed_case_gives_its_day(name, told, closed):
    approvals = [
        {
            "approval_key": f"p{day}",
            "document_key": "d",
            "case_no": "A",
            "template_code": code,
            "approved_on": D(2025, 2, day),
        }
        for day, code in ((10, "100000090009"), (20, "100000090023"), (25, "100000030196"))
    ]
    sql = compile_expression(CLOSING[name]["rule"], "case", name, plain_case())
    assert isinstance(sql, str), sql
    with views_of({"case": [case("A", **told)], "approval": approvals}) as engine:
        assert engine.execute(f"SELECT CAST(({sql}) AS DATE) FROM fact_case t").fetchall() == [(closed,)]


def test_every_definition_is_dated_named_and_tested_here():
    assert {
        name for name, each in CLOSING.items() if not (each["label"] and isinstance(each["from"], D))
    } == set()
    marks = test_each_definition_of_a_closed_case_gives_its_day.pytestmark
    tried = {row[0] for mark in marks for row in mark.args[1]}
    assert tried == set(CLOSING)


def line_sql() -> str:
    whens = []
    for each in LINES:
        sql = compile_expression(each["when"], "case", each["label"], context=Context())
        assert isinstance(sql, str), sql
        whens.append(f"WHEN ({sql}) THEN '{each['code']}'")
    return f"CASE {' '.join(whens)} END"


def test_the_line_of_a_case_is_worked_out_from_more_than_its_category():
    def suspect(number: str, age: int | None) -> dict[str, Any]:
        return {"suspect_key": f"{number}|1", "case_no": number, "suspect_no": "1", "age_at_offence": age}

    def outcome(number: str, nature: str) -> dict[str, Any]:
        return {"outcome_key": number, "case_no": number, "nature": nature}

    expected = {
        "arrest": ("0201", "10002"),
        "prosecution": ("0301", "10003"),
        "minor": ("0301", "10017"),
        "age unknown": ("0301", "10003"),
        "juvenile": ("1722", "10017"),
        "protest": ("0304", "10006"),
        "civil": ("0701", "10007"),
        "administrative": ("0701", "10008"),
        "nature unknown": ("0702", None),
        "appeal": ("0901", "10009"),
        "complaint": ("0802", "10009"),
        "enforcement": ("1602", "10016"),
        "technical": ("1305", None),
    }
    world = {
        "case": [case(number, category=category) for number, (category, _) in expected.items()],
        "suspect": [suspect("minor", 17), suspect("prosecution", 18), suspect("age unknown", None)],
        "case_outcome": [outcome("civil", "0702300000000"), outcome("administrative", "0702512000000")],
    }
    with views_of(world) as engine:
        found = dict(engine.execute(f"SELECT case_no, {line_sql()} FROM v_case t").fetchall())
    assert found == {number: line for number, (_, line) in expected.items()}
    assert len(LINES) == 8
