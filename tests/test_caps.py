"""Limits: what they take, from whom and in which order; how far they reach; and that changes reach as far."""

import datetime as dt
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jianheng.scoring.kernel.evaluation import evaluate
from jianheng.scoring.kernel.horizon import beyond_case, caps_reach, horizon
from jianheng.scoring.kernel.ledger_lines import read_tallies, scope_id
from jianheng.scoring.kernel.score import score
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import Policy, load_policy
from jianheng.scoring.records.remark import remark
from jianheng.scoring.records.scope import Subject, read_facts
from jianheng.scoring.run import score_periods
from jianheng.store.tables import INDICATOR, PERSON_SCORE
from mini_pack import AUTHORITY, POINTS, write_pack
from thoroughness import some
from upstream import OFFICE, UNIT, case, document, facts_of, person, posting, sync_world

COLUMNS = (
    "id",
    "label",
    "measure",
    "code",
    "category",
    "role",
    "indicator",
    "points",
    "per_case",
    "case_cap",
    "month_cap",
    "year_cap",
    "fault",
    "from",
    "until",
    "cite",
)
ANYBODY = (
    ("authority.csv", AUTHORITY, "measure,code,category,role,post_level,cite\n"),
    (
        "measures.toml",
        "",
        """
[award]
label = "奖励"
grain = "personnel_record"
where = "kind = 'award'"
date = "starts_on"
unit = "项"
actor = "person_key"

[found]
label = "问题"
grain = "finding"
where = "state is null or state <> 'rejected'"
date = "found_on"
unit = "个"
code = "kind"
actor = "person_key"
fault = "fault_key"

[reviewed]
label = "审批"
grain = "approval"
where = "approved_on is not null"
date = "approved_on"
unit = "次"
actor = "approver_key"
""",
    ),
)


def rule(name: str, **more: Any) -> str:
    """Return a row of ``points.csv``: three points for a letter, unless more is said."""
    row = {"id": name, "label": name, "measure": "made", "code": "letter", "indicator": "papers", "points": 3}
    return ",".join(str((row | {"cite": "第一条"} | more).get(column, "")) for column in COLUMNS)


def cap(name: str, per: str, limit: str, **more: str) -> str:
    """Return a table of ``policy.toml``; rules are named by ``rules``, or all of the papers are bound."""
    units = ", ".join(f'"{each}"' for each in per.split())
    told = {"id": f'"{name}"', "label": f'"{name}"', "per": f"[{units}]", "limit": limit}
    told |= {
        key: f'["{value}"]' if key in {"rules", "indicators"} else f'"{value}"' for key, value in more.items()
    }
    if "rules" not in more and "indicators" not in more:
        told["indicators"] = '["papers"]'
    return "\n[[caps]]\n" + "".join(f"{key} = {value}\n" for key, value in told.items())


Make = Callable[..., Policy]


@pytest.fixture
def law(tmp_path: Path) -> Make:
    """Make a small policy of some rules and caps."""

    def make(*rows: str, caps: str = "", more: tuple[tuple[str, str, str], ...] = ()) -> Policy:
        points = "\n".join([",".join(COLUMNS), *rows, ""])
        edits = (("points.csv", POINTS, points), ("policy.toml", "", caps), *ANYBODY, *more)
        return load_policy(write_pack(tmp_path / "mini", *edits))

    return make


PEOPLE = {
    "person": [person(name) for name in ("wang", "zhao")],
    "posting": [posting(name) for name in ("wang", "zhao")],
    "case": [case(number, handler_key="wang") for number in "ABC"],
}


def letters(*days: str, who: str = "wang", number: str = "A", code: str = "letter") -> list[dict[str, Any]]:
    """Return one letter a day, named by who wrote it and its day; a number after a blank tells two apart."""
    return [
        document(
            f"{day}-{code}-{who}-{number}", number, template_code=code, drafter_key=who, drafted_on=day[:10]
        )
        for day in days
    ]


def lines(
    policy: Policy, *papers: list[dict[str, Any]], name: str = "2025", **facts: Any
) -> list[dict[str, Any]]:
    world = PEOPLE | {"document": [each for some in papers for each in some]} | facts
    window = period(name, policy.file.calendar)
    return score(facts_of(world), policy, window, (UNIT,)).ledger.to_pylist()


def granted(policy: Policy, *papers: list[dict[str, Any]], **more: Any) -> list[tuple[Any, ...]]:
    """Return what each line gives and what each cap took from it, in the order of the ledger."""
    return [(each["points"], each["caps"]) for each in lines(policy, *papers, **more)]


def test_a_cap_grants_in_the_order_of_days_and_tells_what_it_took(law: Make) -> None:
    """The line that no longer fits is granted what is left; a line without anything still counts as one."""
    found = lines(law(rule("letter", month_cap=5)), letters("2025-03-03", "2025-03-01", "2025-03-02"))
    assert [
        (str(each["day"]), each["points"], each["withheld"], each["caps"], each["state"]) for each in found
    ] == [
        ("2025-03-01", 3000, 0, "", "provisional"),
        ("2025-03-02", 2000, 1000, "letter.month_cap:1000;", "provisional"),
        ("2025-03-03", 0, 3000, "letter.month_cap:3000;", "provisional"),
    ]


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("case", [3, 1, 3, 0]), ("month", [3, 1, 0, 3]), ("year", [3, 1, 0, 0])],
)
def test_a_rule_is_capped_within_a_persons_case_month_or_year(
    law: Make, unit: str, expected: list[int]
) -> None:
    policy = law(rule("letter", **{f"{unit}_cap": 4}))
    papers = (
        letters("2025-03-01", "2025-03-02"),
        letters("2025-03-03", number="B"),
        letters("2025-04-01"),
    )
    assert [points for points, _ in granted(policy, *papers)] == [1000 * each for each in expected]
    assert granted(policy, letters("2025-03-01", who="zhao"), letters("2025-03-01")) == [
        (3000, ""),
        (3000, ""),
    ]


def test_a_rules_own_caps_are_those_of_case_month_and_year_in_this_order(law: Make) -> None:
    """A later cap counts what the earlier ones left, and both say what they took."""
    policy = law(rule("letter", points=10, case_cap=9, month_cap=7, year_cap=12))
    found = granted(policy, letters("2025-03-01"), letters("2025-04-01", number="B"))
    assert found == [
        (7000, "letter.case_cap:1000;letter.month_cap:2000;"),
        (5000, "letter.case_cap:1000;letter.month_cap:2000;letter.year_cap:2000;"),
    ]


TWO = (rule("letter"), rule("report", code="report", points=5))


def test_a_rules_own_cap_comes_before_those_of_the_file(law: Make) -> None:
    """Of two letters the rule leaves four points, so that of the month's five one is left for the report."""
    rows = (rule("letter", month_cap=4), rule("report", code="report", points=5))
    policy = law(*rows, caps=cap("month", "person month", "5"))
    papers = [*letters("2025-03-01", "2025-03-02"), *letters("2025-03-03", code="report")]
    assert granted(policy, papers) == [(3000, ""), (1000, "letter.month_cap:2000;"), (1000, "month:4000;")]


def test_caps_over_several_rules_follow_in_the_order_of_the_file(law: Make) -> None:
    papers = letters("2025-03-01"), letters("2025-03-02", code="report")
    narrow, wide = cap("narrow", "person month", "4", rules="report"), cap("wide", "person year", "6")
    assert granted(law(*TWO, caps=narrow + wide), *papers) == [(3000, ""), (3000, "narrow:1000;wide:1000;")]
    assert granted(law(*TWO, caps=wide + narrow), *papers) == [(3000, ""), (3000, "wide:2000;")]


@pytest.mark.parametrize(
    ("per", "expected"),
    [
        ("person", [3, 1, 0, 0, 3]),
        ("person case", [3, 1, 0, 3, 3]),
        ("case", [3, 1, 0, 3, 0]),
        ("day", [3, 3, 1, 3, 0]),
        ("person day", [3, 3, 1, 3, 3]),
        ("month", [3, 1, 0, 3, 0]),
        ("person quarter", [3, 1, 0, 3, 3]),
        ("case month", [3, 1, 0, 3, 0]),
        ("person case month", [3, 1, 0, 3, 3]),
        ("person year", [3, 1, 0, 0, 3]),
    ],
)
def test_a_cap_holds_for_the_unit_it_names(law: Make, per: str, expected: list[int]) -> None:
    """Wang wrote two letters one day and one the day before, and one in another case in April; Zhao one in March."""
    papers = (
        letters("2025-03-01", "2025-03-02 a", "2025-03-02 b"),
        letters("2025-04-01", number="B"),
        letters("2025-03-02", who="zhao"),
    )
    policy = law(rule("letter"), caps=cap("most", per, "4"))
    assert [points for points, _ in granted(policy, *papers)] == [1000 * each for each in expected]


def test_a_cap_on_an_indicator_binds_the_rules_of_that_indicator_and_no_others(law: Make) -> None:
    """Those below it have caps of their own; what is under a tree is bounded by the indicator's ceiling."""
    rows = (*TWO, rule("note", code="note", indicator="work"))
    papers = letters("2025-03-01"), letters("2025-03-02", code="report"), letters("2025-03-03", code="note")
    assert granted(law(*rows, caps=cap("most", "person", "4", indicators="papers")), *papers) == [
        (3000, ""),
        (1000, "most:4000;"),
        (3000, ""),
    ]
    assert granted(law(*rows, caps=cap("most", "person", "1", indicators="work")), *papers) == [
        (3000, ""),
        (5000, ""),
        (1000, "most:2000;"),
    ]


def test_deductions_are_capped_by_their_size(law: Make) -> None:
    policy = law(rule("letter", points="-3", year_cap=4))
    assert granted(policy, letters("2025-03-01", "2025-03-02", "2025-03-03")) == [
        (-3000, ""),
        (-1000, "letter.year_cap:2000;"),
        (0, "letter.year_cap:3000;"),
    ]


def test_a_limit_of_nothing_grants_nothing_and_what_it_took_is_not_lost(law: Make) -> None:
    (line,) = lines(law(rule("letter"), caps=cap("most", "person", "0")), letters("2025-03-01"))
    assert (line["points"], line["withheld"], line["caps"], line["state"]) == (
        0,
        3000,
        "most:3000;",
        "provisional",
    )


def test_what_is_refused_takes_no_room(law: Make) -> None:
    policy = law(rule("letter", per_case=1, month_cap=4))
    papers = letters("2025-03-01", "2025-03-02"), letters("2025-03-03", number="B")
    assert granted(policy, *papers) == [(3000, ""), (0, ""), (1000, "letter.month_cap:2000;")]


class TestDated:
    """Limits change with the law; each line is granted by the limit of its day, less what was granted before."""

    MONTHS = letters("2025-05-01", "2025-05-02", "2025-05-20", "2025-05-21")

    @pytest.mark.parametrize(
        ("before", "after", "expected"),
        [
            (4, 4, [3, 1, 0, 0]),
            (4, 9, [3, 1, 3, 2]),
            (5, 4, [3, 2, 0, 0]),
            (4, 5, [3, 1, 1, 0]),
            (4, None, [3, 1, 3, 3]),
            (None, 4, [3, 3, 3, 1]),
        ],
    )
    def test_of_a_rule(self, law: Make, before: Any, after: Any, expected: list[int]) -> None:
        """Days on which the rule had no cap take no room and are not cut."""
        rows = (
            rule("letter", month_cap="" if before is None else before, until="2025-05-14"),
            rule("letter", month_cap="" if after is None else after, **{"from": "2025-05-14"}),
        )
        assert [points // 1000 for points, _ in granted(law(*rows), self.MONTHS)] == expected

    @pytest.mark.parametrize("allot", ["day", "points"])
    @pytest.mark.parametrize(
        ("limits", "expected"),
        [
            ((4, 4), [3, 1, 0, 0]),
            ((4, 9), [3, 1, 3, 2]),
            ((5, 4), [3, 2, 0, 0]),
            ((4, 5), [3, 1, 1, 0]),
            ((12, 4), [3, 3, 0, 0]),
        ],
    )
    def test_of_a_parameter(
        self, law: Make, limits: tuple[int, int], expected: list[int], allot: str
    ) -> None:
        declared = f"""
[cap.most]
label = "上限"
unit = "分"
values = [
  {{ from = 2024-01-01, value = {limits[0]}, cite = "第十条" }},
  {{ from = 2025-05-14, value = {limits[1]}, cite = "第十条" }},
]
"""
        caps = cap("most", "person month", '"cap.most"', allot=allot)
        policy = law(rule("letter"), caps=caps, more=(("parameters/numbers.toml", "", declared),))
        assert [points // 1000 for points, _ in granted(policy, self.MONTHS)] == expected

    def test_on_its_first_day_a_limit_is_the_new_one(self, law: Make) -> None:
        declared = """
[cap.most]
label = "上限"
unit = "分"
values = [
  { from = 2024-01-01, value = 2, cite = "第十条" },
  { from = 2025-05-14, value = 9, cite = "第十条" },
]
"""
        caps = cap("most", "person month", '"cap.most"')
        policy = law(rule("letter"), caps=caps, more=(("parameters/numbers.toml", "", declared),))
        papers = letters("2025-05-13", "2025-05-14")
        assert granted(policy, papers) == [(2000, "most:1000;"), (3000, "")]

    def test_both_caps_of_a_rule_whose_points_change(self, law: Make) -> None:
        """The points change, the limit of the year stays: it is one limit for both."""
        rows = (
            rule("letter", points=2, year_cap=7, until="2025-05-14"),
            rule("letter", points=4, year_cap=7, **{"from": "2025-05-14"}),
        )
        assert [points // 1000 for points, _ in granted(law(*rows), self.MONTHS)] == [2, 2, 3, 0]


class TestLargestFirst:
    """``allot = "points"``: the largest first, of equals the earliest, within the period."""

    CAPS = cap("most", "person year", "7", allot="points")

    def test_the_largest_is_granted_first(self, law: Make) -> None:
        papers = letters("2025-03-01"), letters("2025-03-03"), letters("2025-03-02", code="report")
        assert granted(law(*TWO, caps=self.CAPS), *papers) == [
            (2000, "most:1000;"),
            (5000, ""),
            (0, "most:3000;"),
        ]

    def test_what_an_earlier_period_had_takes_no_room(self, law: Make) -> None:
        """Whether or not another limit makes the kernel look at those days."""
        papers = letters("2025-03-01", code="report"), letters("2025-08-01"), letters("2025-08-02")
        more = rule("report", code="report", points=5, per_case=9)
        for rows in ((TWO[0], TWO[1]), (TWO[0], more)):
            found = granted(law(*rows, caps=self.CAPS), *papers, name="2025-H2")
            assert found == [(3000, ""), (3000, "")]


class TestReach:
    """A period is judged with what happened before it, as far back as its limits look."""

    def test_what_was_before_the_period_takes_room_in_the_year(self, law: Make) -> None:
        papers = letters("2024-12-31", "2025-03-01", "2025-08-01", "2025-12-31", "2026-01-01")
        policy = law(rule("letter", year_cap=5))
        assert granted(policy, papers, name="2025-H1") == [(3000, "")]
        assert granted(policy, papers, name="2025-H2") == [
            (2000, "letter.year_cap:1000;"),
            (0, "letter.year_cap:3000;"),
        ]

    def test_the_year_is_that_of_the_policy(self, law: Make) -> None:
        calendar = ("policy.toml", "[source]", '[calendar]\nyear_start = "12-26"\n\n[source]')
        papers = letters("2024-12-25", "2024-12-26", "2025-01-10", "2025-12-25", "2025-12-26")
        policy = law(rule("letter", year_cap=5), more=(calendar,))
        assert [points for points, _ in granted(policy, papers, name="2025")] == [3000, 2000, 0]

    def test_a_case_has_its_limits_over_all_its_life(self, law: Make) -> None:
        papers = letters("2024-03-01", "2025-03-01", "2025-03-02")
        assert granted(law(rule("letter", case_cap=5)), papers) == [
            (2000, "letter.case_cap:1000;"),
            (0, "letter.case_cap:3000;"),
        ]
        reasons = [each["reason"] for each in lines(law(rule("letter", per_case=2)), papers)]
        assert reasons == ["", "per-case-limit"]
        assert granted(law(rule("letter"), caps=cap("most", "case", "5")), papers)[0][0] == 2000
        assert granted(law(rule("letter"), caps=cap("most", "person", "5")), papers)[0][0] == 2000

    def test_the_days_before_the_policy_count_for_nothing(self, law: Make) -> None:
        papers = letters("2023-12-31", "2024-01-01")
        assert granted(law(rule("letter", case_cap=3)), papers, name="2024") == [(3000, "")]

    def test_a_cap_is_judged_with_all_that_an_earlier_cap_binds_to_it(self, law: Make) -> None:
        """What the month left of letters hangs on reviews, so those of earlier months must be known as well."""
        rows = (rule("letter"), rule("review", measure="reviewed", code=""))
        caps = cap("month", "person month", "3") + cap("year", "person year", "5", rules="letter")
        policy = law(*rows, caps=caps)
        reviews = [
            {
                "approval_key": "v",
                "document_key": "d",
                "case_no": "A",
                "approver_key": "wang",
                "approved_on": "2025-01-01",
                "conclusion": "同意",
            }
        ]
        papers = letters("2025-01-02", "2025-07-01", "2025-08-01")
        year = granted(policy, papers, name="2025", approval=reviews)
        assert year == [(3000, ""), (0, "month:3000;"), (3000, ""), (2000, "year:1000;")]
        assert granted(policy, papers, name="2025-H2", approval=reviews) == year[2:]
        assert horizon(policy, "reviewed", period("2025-H2")) == dt.date(2025, 1, 1)

    @pytest.mark.parametrize(
        ("more", "caps", "start"),
        [
            ({}, "", "2025-07-01"),
            ({"month_cap": 3}, "", "2025-07-01"),
            ({"year_cap": 3}, "", "2025-01-01"),
            ({"case_cap": 3}, "", "2024-01-01"),
            ({"per_case": 3}, "", "2024-01-01"),
            ({}, cap("most", "person quarter", "3"), "2025-07-01"),
            ({}, cap("most", "person year", "3"), "2025-01-01"),
            ({}, cap("most", "person", "3"), "2024-01-01"),
            ({}, cap("most", "case month", "3"), "2025-07-01"),
            ({}, cap("most", "person year", "3", allot="points"), "2025-07-01"),
            (
                {},
                cap("most", "person year", "3", allot="points") + cap("all", "person", "9"),
                "2024-01-01",
            ),
        ],
    )
    def test_no_more_is_looked_at_than_limits_ask_for(
        self, law: Make, more: dict[str, Any], caps: str, start: str
    ) -> None:
        assert str(horizon(law(rule("letter", **more), caps=caps), "made", period("2025-H2"))) == start

    @pytest.mark.parametrize(
        ("more", "caps", "name", "reach"),
        [
            ({}, "", "2025", "case"),
            ({"per_case": 1, "case_cap": 3}, cap("most", "person case", "3"), "2025-H2", "case"),
            ({"month_cap": 3}, "", "2025-H2", "person"),
            ({"month_cap": 3, "per_case": 2}, "", "2025-H2", "person"),
            ({"year_cap": 3}, "", "2025", "person"),
            ({"year_cap": 3}, "", "2025-H2", "all"),
            ({"year_cap": 3, "case_cap": 3}, "", "2025", "all"),
            ({}, cap("most", "person month", "3"), "2025-H2", "person"),
            ({}, cap("most", "person quarter", "3"), "2025-05", "all"),
            ({}, cap("most", "person", "3"), "2025", "all"),
            ({}, cap("most", "person", "3"), "2024", "person"),
            ({}, cap("most", "month", "3"), "2025", "all"),
            ({"month_cap": 3}, cap("most", "case", "3"), "2024", "all"),
            ({}, cap("most", "person case", "3") + cap("all", "person year", "9"), "2024", "person"),
        ],
    )
    def test_how_far_a_change_reaches(
        self, law: Make, more: dict[str, Any], caps: str, name: str, reach: str
    ) -> None:
        """Beyond the case where a limit does; to everybody where a limit is everybody's, or older than the period."""
        assert caps_reach(law(rule("letter", **more), caps=caps), period(name)) == reach

    def test_what_shares_a_cap_with_a_rule_that_reaches_beyond_its_case_reaches_as_far(
        self, law: Make
    ) -> None:
        rows = (
            *TWO,
            rule("note", code="note", indicator="work"),
            rule("other", code="other", indicator="work"),
        )
        caps = cap("case", "person case", "9") + cap("month", "person month", "9", rules="letter")
        assert beyond_case(law(*rows, caps=caps)) == {"letter", "report"}


FAULTS = (
    rule("late", measure="found", code="late", indicator="work", points="-2", fault="neglect"),
    rule("wrong", measure="found", code="wrong", indicator="work", points="-3", fault="neglect"),
    rule("rude", measure="found", code="rude", indicator="work", points="-1"),
)


def finding(key: str, kind: str, fault: str | None = "f", **more: Any) -> dict[str, Any]:
    base = {"finding_key": key, "kind": kind, "case_no": "A", "person_key": "wang", "fault_key": fault}
    return base | {"found_on": "2025-03-01"} | more


class TestSameFault:
    """Rules with one word do not deduct twice for one fault of somebody in a case; it comes to the heaviest."""

    @pytest.mark.parametrize(
        ("other", "expected"),
        [
            (finding("b", "wrong"), [("a", "same-fault"), ("b", "")]),
            (finding("b", "wrong", found_on="2025-02-01"), [("a", "same-fault"), ("b", "")]),
            (finding("b", "late"), [("a", ""), ("b", "same-fault")]),
            (finding("b", "late", found_on="2025-02-01"), [("b", ""), ("a", "same-fault")]),
            (finding("b", "late", found_on="2024-02-01"), [("a", "same-fault")]),
            (finding("b", "wrong", fault="g"), [("a", ""), ("b", "")]),
            (finding("b", "wrong", fault=None), [("a", ""), ("b", "")]),
            (finding("b", "wrong", person_key="zhao"), [("a", ""), ("b", "")]),
            (finding("b", "wrong", case_no="B"), [("a", ""), ("b", "")]),
            (finding("b", "rude"), [("a", ""), ("b", "")]),
            (finding("b", "wrong", person_key="nobody"), [("b", "unknown-person"), ("a", "")]),
            (finding("b", "wrong", state="rejected"), [("a", "")]),
        ],
    )
    def test_only_the_heaviest_counts(
        self, law: Make, other: dict[str, Any], expected: list[tuple[str, str]]
    ) -> None:
        found = lines(law(*FAULTS), finding=[finding("a", "late"), other])
        told = [(each["item_key"], each["reason"]) for each in found]
        assert sorted(told) == sorted(expected)
        refused = [each for each in found if each["reason"] == "same-fault"]
        assert all(each["points"] == 0 and each["withheld"] != 0 for each in refused)

    def test_what_was_refused_as_a_double_takes_no_place_and_no_room(self, law: Make) -> None:
        rows = (
            rule(
                "late",
                measure="found",
                code="late",
                indicator="work",
                points="-2",
                fault="neglect",
                per_case=2,
                year_cap=3,
            ),
        )
        told = [
            finding("a", "late"),
            finding("b", "late"),
            finding("c", "late", "g"),
            finding("d", "late", "h"),
        ]
        assert [(each["points"], each["reason"]) for each in lines(law(*rows), finding=told)] == [
            (-2000, ""),
            (0, "same-fault"),
            (-1000, ""),
            (0, "per-case-limit"),
        ]

    def test_what_is_heavier_than_was_told_before_adds_the_difference(self, law: Make) -> None:
        """A year is its quarters: what a quarter counted is not taken back in the next, and no fault counts twice."""
        told = [
            finding("a", "late", found_on="2025-03-31"),
            finding("b", "wrong", found_on="2025-04-01"),
            finding("c", "late", found_on="2025-07-01"),
        ]
        policy = law(*FAULTS)
        year = [
            (each["item_key"], each["points"], each["withheld"], each["state"], each["caps"])
            for each in lines(policy, finding=told)
        ]
        assert year == [
            ("a", -2000, 0, "provisional", ""),
            ("b", -1000, -2000, "provisional", "wrong.fault_cap:2000;"),
            ("c", 0, -2000, "void", ""),
        ]
        assert remark(policy, "", "wrong.fault_cap:2000;") == "同一问题此前已计 2.000, 只计差额"
        quarters = [
            each["points"]
            for quarter in range(1, 5)
            for each in lines(policy, finding=told, name=f"2025-Q{quarter}")
        ]
        assert quarters == [-2000, -1000, 0]

    def test_a_cap_takes_of_the_difference(self, law: Make) -> None:
        told = [
            finding("a", "late", found_on="2025-03-01"),
            finding("b", "wrong", found_on="2025-03-02"),
            finding("c", "wrong", "g", found_on="2025-03-03"),
        ]
        policy = law(*FAULTS, caps=cap("quality", "person year", "4", rules='late", "wrong'))
        assert granted(policy, finding=told) == [
            (-2000, ""),
            (-1000, "wrong.fault_cap:2000;"),
            (-1000, "quality:2000;"),
        ]

    def test_one_fault_has_one_place_of_per_case_however_often_it_is_told(self, law: Make) -> None:
        """What it adds when it is told again as heavier is not lost to a limit it stands within."""
        more = (
            "policy.toml",
            "",
            """
[[factors]]
id = "by"
label = "谁发现"
measures = ["found"]
over = "item"
choices = [{ id = "above", label = "上级", value = 2, when = "found_by = 'superior'" }]
""",
        )
        row = rule("late", measure="found", code="late", indicator="work", points="-2", fault="x", per_case=1)
        told = [
            finding("y", "late", found_on="2025-03-01"),
            finding("a", "late", "g", found_on="2025-03-02"),
            finding("x", "late", found_on="2025-03-03", found_by="superior"),
            finding("b", "late", "g", found_on="2025-03-04", found_by="superior"),
        ]
        found = lines(law(row, more=(more,)), finding=told)
        assert [(each["item_key"], each["points"], each["reason"]) for each in found] == [
            ("y", -2000, ""),
            ("a", 0, "per-case-limit"),
            ("x", -2000, ""),
            ("b", 0, "per-case-limit"),
        ]

    def test_what_gives_and_what_takes_under_one_word_do_not_stand_in_each_others_way(
        self, law: Make
    ) -> None:
        good = rule("praised", measure="found", code="praised", indicator="work", points="1", fault="neglect")
        found = lines(law(*FAULTS, good), finding=[finding("a", "praised"), finding("b", "wrong")])
        assert sorted((each["rule_id"], each["points"]) for each in found) == [
            ("praised", 1000),
            ("wrong", -3000),
        ]

    def test_a_fault_told_of_each_by_several_rules_without_word_is_deducted_by_each(self, law: Make) -> None:
        rows = (rule("late", measure="found", code="late", indicator="work", points="-2"),)
        assert (
            len(
                [
                    each
                    for each in lines(law(*rows), finding=[finding("a", "late"), finding("b", "late")])
                    if each["points"]
                ]
            )
            == 2
        )


SUBJECT = Subject(OFFICE, (OFFICE,), ("world",))
LAYERED = cap("case_papers", "person case", "5") + cap("month_letters", "person month", "9", rules="letter")
LAWS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "month and year": (
        (rule("letter", month_cap=7, year_cap=11), rule("report", code="report", points=5, per_case=2)),
        "",
        "2025",
    ),
    "caps of several rules, one within the case": (TWO, LAYERED, "2025"),
    "a month within the year": ((rule("letter", month_cap=7, per_case=2), TWO[1]), "", "2025-03"),
    "a cap for all": (TWO, cap("month", "month", "9"), "2025"),
    "of a case, whoever did it": (TWO, cap("case", "case", "7") + cap("month", "person month", "9"), "2025"),
    "life of a case": ((rule("letter", case_cap=7, month_cap=5),), "", "2025"),
    "the year so far": ((rule("letter", year_cap=8),), "", "2025-H2"),
    "faults and a month": (TWO, cap("faults", "person year", "4", rules='late", "wrong'), "2025"),
    "largest first": (TWO, cap("month", "person month", "9", allot="points"), "2025"),
}
CHANGING = ("case", "document", "finding", "declaration", "posting", "participation", "personnel_record")
NAMES, NUMBERS = ("wang", "zhao", "sun"), "ABCD"
DAYS = ("2025-03-01", "2025-03-02", "2025-03-20", "2025-04-01", "2025-08-01", "2024-12-31", None)


def changed_row(chance: random.Random, entity: str) -> dict[str, Any]:
    """Return a row of an entity with one of a few keys, so that rows are changed and moved, not only added."""
    number, who, day = chance.choice(NUMBERS), chance.choice(NAMES), chance.choice(DAYS)
    key = f"{entity}-{chance.randrange(12)}"
    return {
        "case": case(number, handler_key=chance.choice([who, None]), concluded_on=day),
        "document": document(
            key, number, template_code=chance.choice(["letter", "report"]), drafter_key=who, drafted_on=day
        ),
        "finding": finding(
            key,
            chance.choice(["late", "wrong"]),
            chance.choice(["f", "g"]),
            case_no=number,
            person_key=who,
            found_on=day or "2025-05-05",
            state=chance.choice(["open", "rejected"]),
        ),
        "declaration": {
            "declaration_key": key,
            "kind": "major_case",
            "case_no": number,
            "person_key": who,
            "declared_on": "2025-03-01",
            "decision": chance.choice(["approved", "rejected"]),
        },
        "posting": posting(
            who,
            chance.choice(["quota_prosecutor", "quota_prosecutor", "prosecutor_assistant", "clerk"]),
            valid_to=chance.choice(["2025-03-15", None, None]),
        ),
        "participation": {
            "participation_key": key,
            "case_no": number,
            "person_key": who,
            "role": chance.choice(["quota_prosecutor", "prosecutor_assistant"]),
        },
        "personnel_record": {"record_key": key, "kind": "award", "person_key": who, "starts_on": day},
    }[entity]


@pytest.mark.parametrize("name", some(LAWS))
def test_scoring_what_changed_is_scoring_everything(name: str, law: Make, lite_store: sa.Engine) -> None:
    """Whatever changes, limits give step by step what they give at once: lines, sums, values and standings.

    What somebody has in the cases that did not change is granted anew with what did.
    """
    rows, caps, when = LAWS[name]
    others = (
        rule("award", measure="award", code="", indicator="work", month_cap=3),
        rule("closed", measure="closed", code="", indicator="work"),
    )
    policy = law(*rows, *others, *FAULTS, caps=caps)
    window = period(when)
    chance = random.Random(len(name))  # noqa: S311 histories, not secrets
    held: dict[str, dict[str, dict[str, Any]]] = {each: {} for each in CHANGING}
    held["case"] = {number: case(number, handler_key="wang") for number in NUMBERS}
    held["posting"] = {who: posting(who) for who in NAMES}
    modes = []
    for step in range(7):
        for entity in CHANGING if step == 0 else chance.choices(("document", *CHANGING), k=3):
            for _ in range(12 if step == 0 and entity == "document" else 1):
                row = changed_row(chance, entity)
                key = str(next(iter(row.values())))
                if key in held[entity] and entity not in {"posting", "case"} and chance.random() < 0.3:
                    del held[entity][key]
                else:
                    held[entity][key] = row
        world = {"person": PEOPLE["person"] + [person("sun")]}
        world |= {entity: list(found.values()) for entity, found in held.items()}
        assert sync_world(lite_store, world).state == "done"
        (report,) = score_periods(lite_store, SUBJECT, policy, [window])
        modes.append(report.mode)
        after = kept(lite_store, policy, when, report.run_id)
        (whole,) = score_periods(lite_store, SUBJECT, policy, [window], full=True)
        assert (whole.added, whole.closed, whole.digest) == (0, 0, report.digest)
        assert kept(lite_store, policy, when, whole.run_id) == after
    expected = "incremental" if caps_reach(policy, window) != "all" else "full"
    assert set(modes[1:]) <= {expected, "unchanged"}
    assert expected in modes


@pytest.mark.parametrize(
    ("caps", "before", "mode"),
    [
        ("person case", letters("2024-03-01", code="report"), "incremental"),
        ("case", letters("2024-03-01", who="zhao"), "full"),
    ],
)
def test_what_somebody_has_elsewhere_is_granted_again_with_all_that_shares_its_caps(
    law: Make, lite_store: sa.Engine, caps: str, before: list[dict[str, Any]], mode: str
) -> None:
    """His letter in one case got what another line there had left of its cap; a letter in the next changes nothing."""
    both = cap("case", caps, "5") + cap("month", "person month", "9", rules="letter")
    policy = law(*TWO, caps=both)
    papers = [*before, *letters("2024-03-02")]
    for added in ([], letters("2024-03-03", number="B")):
        papers += added
        assert sync_world(lite_store, PEOPLE | {"document": papers}).state == "done"
        (report,) = score_periods(lite_store, SUBJECT, policy, [period("2024")])
    (whole,) = score_periods(lite_store, SUBJECT, policy, [period("2024")], full=True)
    assert (report.mode, report.added) == (mode, 1)
    assert (whole.added, whole.closed, whole.digest) == (0, 0, report.digest)


def test_what_a_fault_took_of_a_line_stays_when_its_caps_are_granted_again(
    law: Make, lite_store: sa.Engine
) -> None:
    """Two and the difference of one in case A leave one of the year's four for a fault in case B, scored by itself."""
    policy = law(*FAULTS, caps=cap("faults", "person year", "4", rules='late", "wrong'))
    told = [finding("a", "late"), finding("b", "wrong", found_on="2025-03-02")]
    for added in ([], [finding("c", "late", "g", case_no="B", found_on="2025-04-01")]):
        told += added
        assert sync_world(lite_store, PEOPLE | {"finding": told}).state == "done"
        (report,) = score_periods(lite_store, SUBJECT, policy, [period("2025")])
    assert (report.mode, report.points, report.added, report.closed) == ("incremental", -4000, 1, 0)
    (whole,) = score_periods(lite_store, SUBJECT, policy, [period("2025")], full=True)
    assert (whole.added, whole.closed, whole.digest) == (0, 0, report.digest)


def kept(store: sa.Engine, policy: Policy, when: str, run_id: int) -> tuple[Any, ...]:
    """Return the sums of a ledger, and the values and standings of a run."""
    with store.connect() as connection:
        tallies = read_tallies(connection, scope_id(connection, OFFICE, policy.id, when))
        told = []
        for table in (INDICATOR, PERSON_SCORE):
            columns = [each for each in table.c if each.name != "run_id"]
            rows = connection.execute(sa.select(*columns).where(table.c.run_id == run_id))
            told.append(sorted((tuple(row) for row in rows), key=str))
    return (tallies, *told)


def test_what_a_store_keeps_is_what_is_evaluated_in_memory(law: Make, lite_store: sa.Engine) -> None:
    policy = law(*LAWS["month and year"][0], caps=LAYERED)
    world = PEOPLE | {"document": letters("2025-03-01", "2025-03-02", "2025-03-03", "2025-08-01")}
    sync_world(lite_store, world)
    (report,) = score_periods(lite_store, SUBJECT, policy, [period("2025")])
    with lite_store.connect() as connection:
        facts = read_facts(connection, OFFICE)
        tallies = read_tallies(connection, scope_id(connection, OFFICE, policy.id, "2025"))
    made = evaluate(facts, policy, period("2025"), (OFFICE,), ("world",))
    assert made.tallies == tallies
    assert (made.ledger.num_rows, made.cases) == (report.lines, report.cases)
