"""The known faults of the system that the Hainan and Hubei packs replace: a world in which each shows, and what is right.

Every test works out what the former query gives there, so that it shows the fault, and that the pack does not have it.
docs/packs/hainan.md lists the faults by the names of these tests.
"""

import sqlite3
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest

from acceptance_world import Accepted, law
from jianheng.errors import StopError
from jianheng.scoring.checking.example_world import UNIT, Example, facts_of
from jianheng.scoring.kernel.evaluation import Evaluation, evaluate
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import Policy

pytest_plugins = ["acceptance_fixture"]

Rows = list[dict[str, Any]]
CASE = {"case_no": "A", "category": "0201", "accepted_on": "2018-03-01", "handler_key": "wang"}
PERSONS = [
    {"case_no": "追", "suspect_no": n, "arrest_result": "0201101201001", "arrest_decided_on": "2018-03-07"}
    for n in "12"
]
PAPERS = [{"case_no": "追", "template_code": "100000002009"}]
TRANSFERS = [
    {
        "case_no": "移",
        "kind": "filing",
        "form": "suggestion",
        "supervision_type": "0225123040300",
        "decided_on": "2018-03-02",
        "accepted_on": "2018-03-10",
    }
]
SUSPECTS = [{"case_no": "移", "suspect_no": n} for n in "123"]
STEPS = [
    {
        "case_no": "立",
        "kind": "filing",
        "form": form,
        "decided_on": "2018-03-02",
        "accepted_on": f"2018-03-{day}",
    }
    for form, day in (("reason_demanded", 10), ("notice", 20))
]
YOUNG = [
    {
        "case_no": no,
        "kind": "filing",
        "form": "notice",
        "decided_on": "2018-03-02",
        "accepted_on": "2018-03-10",
    }
    for no in ("成", "未")
]
SETTLED = datetime(2018, 12, 31, 15, 30)  # noqa: DTZ001 wall time of the source
CASES = [
    CASE | {"case_no": no, "category": category, "handler_key": who}
    for no, category, who in (
        ("追", "0201", "persons"),
        ("移", "0204", "joined"),
        ("立", "0204", "steps"),
        ("成", "0204", "juvenile"),
        ("未", "1704", "juvenile"),
        ("息", "0701", "last-day"),
    )
] + [
    {
        "case_no": f"{who}{n}",
        "category": "0301",
        "accepted_on": "2018-02-01",
        "completed_on": "2018-05-01",
        "status": "archived",
        "current_stage": "流程结束",
        "handler_key": who,
    }
    for who, count in (("half", 1), ("more", 3))
    for n in range(count)
]
WORLD: Mapping[str, Rows] = {
    "case": CASES,
    "suspect": [*PERSONS, *SUSPECTS],
    "document": PAPERS,
    "supervision_act": [*TRANSFERS, *STEPS, *YOUNG],
    "event": [{"case_no": "息", "kind": "settled", "at": SETTLED.isoformat()}],
}
PEOPLE = {
    each: "shared" if each in {"half", "more"} else each
    for each in ("persons", "joined", "steps", "juvenile", "last-day", "half", "more")
}


@pytest.fixture(scope="module")
def hainan() -> Policy:
    return law("hainan")


@pytest.fixture(scope="module")
def world(hainan: Policy) -> Evaluation:
    """One office in which most faults would show, each at a person of its own."""
    return scored(hainan, PEOPLE, **WORLD)


def scored(
    policy: Policy,
    people: Mapping[str, str] = MappingProxyType({"wang": "d"}),
    year: str = "2018",
    **facts: Rows,
) -> Evaluation:
    """Score a small world; of people the department is told."""
    told = {name: {"role": "quota_prosecutor", "department_key": each} for name, each in people.items()}
    example = Example.model_validate({"name": "x", "period": year, "people": told, "facts": facts})
    tables, problems = facts_of(example, "x")
    assert not problems
    return evaluate(tables, policy, period(year, policy.file.calendar), [UNIT])


def points(evaluation: Evaluation, person: str, rule: str) -> int:
    """What a rule gave somebody, in thousandths."""
    lines = evaluation.ledger.to_pylist()
    return sum(line["points"] for line in lines if (line["person_key"], line["rule_id"]) == (person, rule))


def value(evaluation: Evaluation, indicator: str, person: str = "wang") -> int | None:
    (found,) = [
        each.points for each in evaluation.values if (each.person_key, each.indicator) == (person, indicator)
    ]
    return found


def _joined(left: Rows, right: Rows) -> Rows:
    return [one | other for one in left for other in right if one["case_no"] == other["case_no"]]


def test_persons_are_counted_where_the_rule_says_persons(world):
    """Number 11: 0.3 for each person; the former query counts cases."""
    former = 300 * len({each["case_no"] for each in _joined(PERSONS, PAPERS)})
    assert (points(world, "persons", "q11"), former) == (600, 300)


def test_a_case_with_three_suspects_is_one_case(world):
    """Number 12: joined with suspects, a case is counted as often as it has suspects."""
    former = 400 * len(_joined(TRANSFERS, SUSPECTS))
    assert (points(world, "joined", "q12"), former) == (400, 1200)


def test_a_union_of_two_steps_is_one_case(world):
    """Number 14: the reason demanded and the notice of one case, united without distinct, are two."""
    former = sum(400 for form in ("reason_demanded", "notice") for act in STEPS if act["form"] == form)
    assert (points(world, "steps", "q14"), former) == (400, 800)


def test_juvenile_cases_are_read_too(world):
    """The juvenile tables were never synced, so what was done in 17xx cases counted nothing."""
    synced = {each["case_no"] for each in CASES if not each["category"].startswith("17")}
    former = 400 * sum(act["case_no"] in synced for act in YOUNG)
    assert (points(world, "juvenile", "q14"), former) == (800, 400)


def test_the_last_day_of_the_year_counts(world):
    """``<= to_date(end)`` is midnight of the last day: whatever has a time on it is lost."""
    former = 3000 * (datetime.combine(date(2018, 12, 31), datetime.min.time()) >= SETTLED)
    assert (points(world, "last-day", "q30"), former) == (3000, 0)


def test_exactly_half_of_the_mean_is_between_a_fifth_and_a_half(world):
    """Number 8: neither ``> 0.5`` nor ``< 0.5`` holds at 0.5, so the former query gives nothing there."""
    share = 1 / 2
    former = 5000 if share > 0.5 else 3000 if 0.2 < share < 0.5 else 0
    assert (value(world, "prosecution_load", "half"), former) == (3000, 0)


def test_a_score_is_the_same_however_often_it_is_looked_at(hainan, world):
    """One class of the former system filled lines with a random number; every page view computed anew."""
    again = scored(
        hainan,
        PEOPLE,
        **{name: rows[::-1] for name, rows in WORLD.items() if name == "case"},
        **{name: rows for name, rows in WORLD.items() if name != "case"},
    )
    assert again.values == world.values
    assert again.standings == world.standings


def test_a_rule_that_cannot_be_answered_stops_and_is_no_zero(hainan):
    """A swallowed exception scores 0. A day that no working calendar has stops the scoring and names the rule."""
    case = CASE | {"category": "1305", "accepted_on": "1998-01-05", "completed_on": "2018-03-09"}
    with pytest.raises(StopError) as stopped:
        scored(hainan, case=[case])
    assert stopped.value.problem.code == "score-rule-failed"
    assert stopped.value.problem.fields["rule"] == "q07_technical_late"


def test_working_days_are_those_of_the_calendar(hainan):
    """The former lists know no holiday after 2019-10-07: over the National Day week of 2025 a case seems late."""
    taken, done = date(2025, 9, 29), date(2025, 10, 11)
    case = CASE | {
        "category": "1305",
        "accepted_on": taken.isoformat(),
        "completed_on": done.isoformat(),
    }
    found = scored(hainan, year="2025", case=[case])
    days = [taken + timedelta(days=n + 1) for n in range((done - taken).days)]
    former = len(days) > 6
    assert sum(day.weekday() < 5 for day in days) > 6
    assert (value(found, "technical"), former) == (5000, True)


def test_an_age_is_a_number():
    """``ZASNL >= '18'`` compares texts: nine is above eighteen, and a hundred below."""
    policy = law("hubei-screening")
    cases = [
        {
            "case_no": no,
            "category": "0201",
            "accepted_on": "2018-03-01",
            "completed_on": "2018-03-09",
            "current_stage": "流程结束",
            "handler_key": "wang",
        }
        for no in ("九岁", "百岁")
    ]
    suspects = [
        {"case_no": "九岁", "suspect_no": "1", "age_at_offence": 9},
        {"case_no": "百岁", "suspect_no": "1", "age_at_offence": 100},
    ]
    found = scored(policy, case=cases, suspect=suspects)
    lines = {line["case_no"]: line["rule_id"] for line in found.ledger.to_pylist()}
    former = {
        each["case_no"]: "ordinary_arrest" if str(each["age_at_offence"]) >= "18" else "ordinary_juvenile"
        for each in suspects
    }
    assert lines == {"九岁": "ordinary_juvenile", "百岁": "ordinary_arrest"}
    assert former == {"九岁": "ordinary_arrest", "百岁": "ordinary_juvenile"}


def test_suspects_are_told_apart_by_case_and_number(accepted: Accepted):
    """Merging ``TYYW_GG_XYRJBXX`` on the case number alone leaves one suspect of each case."""
    with sqlite3.connect(accepted.cases) as opened:
        live = (
            "FROM TYYW_GG_XYRJBXX x JOIN TYYW_GG_AJJBXX c USING (BMSAH) WHERE x.SFSC = 'N' AND c.SFSC = 'N'"
        )
        ((right,),) = opened.execute(f"SELECT count(*) {live}")
        ((former,),) = opened.execute(f"SELECT count(DISTINCT BMSAH) {live}")
    opened.close()
    assert accepted.facts["suspect"].num_rows == right > former


def test_a_handling_unit_is_one_of_its_own_office(accepted: Accepted):
    """Handling units share their numbers across offices: joined by the number alone, strangers come into the team."""
    with sqlite3.connect(accepted.cases) as opened:
        opened.execute("CREATE TEMP TABLE members AS SELECT DWBM, BADYBM, GH FROM XT_QX_BADYRYFP")
        ((number, staff),) = opened.execute(
            "SELECT BADYBM, min(GH) FROM XT_QX_BADYRYFP GROUP BY BADYBM ORDER BY 1 LIMIT 1"
        )
        opened.execute("INSERT INTO temp.members VALUES ('990102', ?, '9999')", (number,))
        former = {row[0] for row in opened.execute("SELECT GH FROM temp.members WHERE BADYBM = ?", (number,))}
    opened.close()
    assert {staff, "9999"} <= former
    team = {
        row["person_key"]
        for row in accepted.facts["handling_unit_member"].to_pylist()
        if row["handling_unit_key"] == f"990101-{number}"
    }
    assert team
    assert {each.split("-")[0] for each in team} == {"990101"}


def test_what_is_no_case_is_not_carried_over(accepted: Accepted):
    """1401 and 1402 stand in the table of cases and are none."""
    assert not {"1401", "1402"} & set(accepted.facts["case"]["category"].to_pylist())
    with sqlite3.connect(accepted.cases) as opened:
        ((former,),) = opened.execute("SELECT count(*) FROM TYYW_GG_AJJBXX WHERE AJLB_BM IN ('1401', '1402')")
    opened.close()
    assert former > 0
