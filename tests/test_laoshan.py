"""The Laoshan pack: what its source says is in it, what it does not say is marked, and its rules hold for any facts.

Single numbers are stated by the pack's own examples; here is what must be true of all of them.
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jianheng.errors import FaultsError
from jianheng.scoring.checking.example_world import UNIT, Example, facts_of
from jianheng.scoring.checking.examples import check_examples
from jianheng.scoring.kernel.evaluation import Evaluation, evaluate
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import Policy, load_policy
from thoroughness import examples

PACK = Path(__file__).parents[1] / "plugins/jianheng_plugins/provinces/laoshan"
HEAD = {"wang": {"role": "quota_prosecutor", "post_level": "dept_head"}}
PEOPLE = HEAD | {"zhao": {"role": "quota_prosecutor"}}
CASE = {"case_no": "A", "category": "0201", "accepted_on": "2025-01-02"}


@pytest.fixture(scope="module")
def law() -> Policy:
    return load_policy(PACK)


def evaluated(law: Policy, people: Mapping[str, Any], **facts: list[dict[str, Any]]) -> Evaluation:
    """Score a small world in 2025."""
    example = Example.model_validate(
        {"name": "x", "period": "2025", "people": dict(people), "facts": {"case": [CASE], **facts}}
    )
    tables, problems = facts_of(example, "x")
    assert not problems
    return evaluate(tables, law, period("2025", law.file.calendar), [UNIT])


def counted(evaluation: Evaluation, *rules: str) -> int:
    """Return the points of some rules, in thousandths."""
    return sum(line["points"] for line in evaluation.ledger.to_pylist() if line["rule_id"] in rules)


# What the source says, and what it does not.


def test_the_published_structure_is_there(law):
    """One carrier, two tracks, three kinds of people, five actions, seven dimensions."""
    words = law.file.vocabulary
    assert [len(each) for each in (words.carriers, words.tracks, words.actions, words.dimensions)] == [
        1,
        2,
        5,
        7,
    ]
    assert {each.role for each in law.file.sheets} == {"quota_prosecutor", "prosecutor_assistant", "clerk"}
    nodes = {each.id: each for each in law.file.indicators}
    for dimension in words.dimensions:
        assert nodes[dimension.id].label == dimension.label
        track = nodes[str(nodes[dimension.id].parent)]
        assert (track.id in {each.id for each in words.tracks}, track.parent) == (True, "total")


def test_every_number_says_that_it_is_illustration_and_when_it_was_last_compared(law):
    for row in law.points:
        assert (row.assumed, row.verified is not None) == (True, True), row.id
    for layer in law.layers:
        for name, (_, declared) in layer.declarations.items():
            assert (declared.assumed, declared.verified is not None) == (True, True), name
            assert declared.label
            assert declared.unit
            numbers = [each.value for each in declared.values if isinstance(each.value, Decimal)]
            assert not numbers or None not in (declared.minimum, declared.maximum), name
    unmarked = [each.id for each in law.file.indicators if not each.assumed]
    assert unmarked == ["total"]


def test_nobody_is_graded_and_no_office_is_ranked_against_another(law):
    assert law.file.grades is None
    assert all({"sheet", "unit"} <= set(each.by) for each in law.file.groups)


def test_a_total_is_a_sum_with_two_exceptions(law):
    """So that every total can be added up by hand: a floor under what is deducted, tiers for a rate."""
    nodes = {each.id: each for each in law.file.indicators}
    below = {
        name
        for name, each in nodes.items()
        if name == "total" or each.parent is not None  # what has no parent only feeds others
    }
    assert {name: nodes[name].kind for name in below if nodes[name].kind != "sum"} == {
        "norm": "deduct",
        "in_time_points": "tiers",
    }


# The check asks for every change and for both sides of every threshold.


NEEDED = {
    ("approvals.toml", "审批文书每月最多"): "month_cap 10",
    ("approvals.toml", "审核文书每月最多"): "month_cap 6",
    ("documents.toml", "一案文书分最多"): "documents_in_case",
    ("documents.toml", "同一案件的讯问笔录"): "per_case 3",
    ("timeliness.toml", "超过期限的系数自"): "timeliness.overdue",
}


def test_without_the_examples_of_its_limits_and_its_change_the_pack_does_not_pass(tmp_path):
    pack = shutil.copytree(PACK, tmp_path / "laoshan")
    for file, name in NEEDED:
        path = pack / "examples" / file
        head, *examples = path.read_text(encoding="utf-8").split("[[example]]\n")
        kept = [each for each in examples if not each.startswith(f'name = "{name}')]
        assert len(kept) == len(examples) - 1
        path.write_text("[[example]]\n".join([head, *kept]), encoding="utf-8")
    (pack / "examples/approvals.toml").unlink()  # it has no other examples
    _, problems = check_examples(load_policy(pack))
    assert {each.fields.get("what") for each in problems} == set(NEEDED.values())


# Approving does not outweigh handling.


@settings(max_examples=examples(20))
@given(st.lists(st.tuples(st.integers(1, 2), st.integers(1, 28), st.booleans()), max_size=80))
def test_no_month_of_approving_and_reviewing_gives_more_than_sixteen_points(law, told):
    approvals = [
        {
            "approval_key": f"p{n}",
            "document_key": f"d{n}",
            "case_no": "A",
            "template_code": "100000002006",
            "approver_key": "wang",
            "approved_on": f"2025-{month:02d}-{day:02d}",
            "conclusion": "同意" if approved else "审核同意",
        }
        for n, (month, day, approved) in enumerate(told)
    ]
    done = Counter((month, approved) for month, _, approved in told)
    wanted = sum(
        min(10_000, 500 * done[month, True]) + min(6_000, 300 * done[month, False]) for month in (1, 2)
    )
    assert counted(evaluated(law, HEAD, approval=approvals), "approved_p", "reviewed_p") == wanted


# One fault is deducted once, whoever reports it and in whatever order.


def reports(order: Iterable[int]) -> list[dict[str, Any]]:
    told = (
        {"kind": "process_monitoring", "found_by": "self", "rectified": True},
        {"kind": "process_monitoring", "found_by": "case_management"},
        {"kind": "case_review", "found_by": "superior", "severity": "flaw"},
    )
    return [
        {
            "finding_key": f"f{n}",
            "case_no": "A",
            "person_key": "wang",
            "found_on": f"2025-0{place + 1}-01",
            "fault_key": "同一问题",
            "state": "confirmed",
            **told[n],
        }
        for place, n in enumerate(order)
    ]


@pytest.mark.parametrize(
    "order", [each for size in (1, 2, 3) for each in permutations(range(3), size)], ids=str
)
def test_several_reports_of_one_fault_come_to_the_heaviest(law, order):
    sizes = [(0, 500, 3000)[n] for n in order]
    heaviest = max(sizes)
    found = evaluated(law, PEOPLE, finding=reports(order))
    assert counted(found, "fault_monitored", "fault_reviewed_flaw") == -heaviest
    lines = [line for line in found.ledger.to_pylist() if line["measure"].startswith("fault_")]
    lighter = sum(size <= max(sizes[:place]) for place, size in enumerate(sizes) if place)
    assert [line["reason"] for line in lines].count("same-fault") == lighter


def test_what_nobody_is_named_for_is_told_and_deducted_from_nobody(law):
    (report,) = reports([1])
    found = evaluated(law, PEOPLE, finding=[{**report, "person_key": None}])
    (line,) = found.ledger.to_pylist()
    assert (line["state"], line["reason"], line["points"]) == ("void", "no-person", 0)


# What another office may say otherwise, and what not.


def test_an_office_may_set_rows_of_points_and_the_parameters_that_say_so(tmp_path):
    """Other offices adapt the system a little, as its source says, and program nothing."""
    (tmp_path / "office/parameters").mkdir(parents=True)
    header = "id,label,measure,role,action,indicator,points,month_cap,replaces,from,cite\n"
    row = "approved_p,审批文书,document_approved,quota_prosecutor,decide,quality,0.4,8,0.5,2025-07-01,本院办法\n"
    (tmp_path / "office/points.csv").write_text(header + row, encoding="utf-8")
    said = (
        "[documents.case_limit]\nreplaces = 20\nvalues = [{ from = 2025-01-01, value = 30, cite = '本院' }]\n"
    )
    (tmp_path / "office/parameters/own.toml").write_text(said, encoding="utf-8")
    law = load_policy(PACK, office_layer=tmp_path / "office")
    assert [
        (row.points, row.month_cap, row.since) for row in law.points if row.id == "approved_p" and row.since
    ] == [(Decimal("0.4"), Decimal(8), period("2025-07").start)]


MEASURE = "[more]\nlabel = '另一项'\ngrain = 'case'\ndate = 'closed_on'\nunit = '件'\nactor = 'handler_key'\n"


@pytest.mark.parametrize(
    ("path", "text", "code"),
    [
        (
            "parameters/own.toml",
            "[found_by.self_rectified]\nreplaces = 0\nvalues = [{ from = 2025-01-01, value = 1, cite = '本院' }]\n",
            "parameter-may-not-set",
        ),
        (
            "parameters/own.toml",
            "[documents.case_limit]\nreplaces = 20\nvalues = [{ from = 2025-01-01, value = 2000, cite = '本院' }]\n",
            "parameter-bounds",
        ),
        ("measures.toml", MEASURE, "override-may-not"),
    ],
)
def test_what_an_office_may_not_say_is_refused(tmp_path, path, text, code):
    file = tmp_path / "office" / path
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(FaultsError) as faults:
        load_policy(PACK, office_layer=tmp_path / "office")
    assert {each.code for each in faults.value.problems} == {code}
