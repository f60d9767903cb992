"""What is wrong with indicators and grades is found when a policy is loaded, each fault told once and in its place."""

import datetime as dt
from decimal import Decimal

import pytest

from jianheng.scoring.law.formulas import load_formulas
from jianheng.scoring.law.indicator_check import Known, check_indicators
from jianheng.scoring.law.pack_rows import PointsRow
from jianheng.scoring.law.parameters import Declaration, Layer
from small_law import SHEET, file_of, number

D = Decimal
TOTAL = {"id": "total"}
CLOSED = {"id": "closed", "kind": "count", "unit": "件", "measures": ["case_closed"]}
ACCEPTED = {"id": "accepted", "kind": "count", "unit": "件", "measures": ["case_accepted"]}
DEPARTMENT = {"id": "dept", "label": "部门", "by": ["department"]}
FORMULAS = load_formulas("def both(*, a, b):\n    return a\n", "p/formulas.py")
PARAMETERS = {
    "weight.work": number("权重", D("0.6")),
    "points.full": number("分", 40),
    "caseload.year": number("件", 20),
    "custody.people": number("人", (dt.date(2024, 1, 1), 300), (dt.date(2025, 1, 1), 0)),
    "grade.excellent": number("比例", D("0.2"), (dt.date(2026, 1, 1), D("1.5"))),
    "codes.counted": Declaration.model_validate(
        {
            "label": "代码",
            "unit": "代码",
            "values": [{"from": dt.date(2024, 1, 1), "value": ["0201"], "cite": "c"}],
        }
    ),
}


def found(*indicators, rules=None, groups=(DEPARTMENT,), sheets=(SHEET,), parameters=PARAMETERS, **parts):
    """Return what is wrong: code, where, and the fields that say what."""
    file = file_of(indicators, groups=groups, sheets=sheets, **parts)
    layer = Layer("office", "p", {name: ("n.toml", told) for name, told in parameters.items()})
    known = Known(
        named={
            "indicators": {each["id"] for each in indicators},
            "groups": {each["id"] for each in groups},
            "measures": {"case_closed", "case_accepted", "flaw"},
            "parameters": set(parameters),
        },
        formulas=FORMULAS,
        layers=(layer,),
        at=lambda kind, name: f"{kind} {name}".strip(),
    )
    rows = [
        PointsRow(id=name, label=name, measure="case_closed", cite="c", points=D(1), **told)
        for name, told in (rules or {}).items()
    ]
    problems = check_indicators(file, rows, known)
    assert all("{" not in str(each.message()) for each in problems)  # every text is given its fields
    return [(each.code, {**each.fields}) for each in problems]


def codes(*indicators, **parts):
    return [code for code, _ in found(*indicators, **parts)]


def test_a_policy_of_every_kind_has_nothing_wrong_with_it():
    assert (
        found(
            {
                "id": "total",
                "kind": "weighted",
                "weights": {"work": "weight.work", "rated": D("0.4")},
                "on_not_applicable": "reweight",
            },
            {"id": "work", "parent": "total"},
            CLOSED,
            ACCEPTED,
            {
                "id": "rate",
                "kind": "ratio",
                "unit": "%",
                "numerator": "closed",
                "denominator": "accepted",
                "scale": D(100),
                "when_zero": "full",
                "full": D(100),
            },
            {
                "id": "efficiency",
                "parent": "work",
                "kind": "tiers",
                "input": "rate",
                "tiers": [{"points": "points.full", "at_least": 80}, {"points": 0, "less_than": 80}],
            },
            {"id": "quality", "parent": "work", "kind": "deduct", "base": "points.full", "per": "closed"},
            {
                "id": "quantity",
                "parent": "work",
                "kind": "target",
                "input": "closed",
                "target": "caseload.year",
                "full": "points.full",
                "beyond": "points.full",
            },
            {
                "id": "least",
                "parent": "work",
                "kind": "caseload",
                "input": "closed",
                "full": D(10),
                "group": "dept",
                "ratios": {"chief": D("0.05")},
            },
            {
                "id": "per_head",
                "unit": "件/人",
                "kind": "per_head",
                "input": "closed",
                "reference": "custody.people",
                "when_zero": "not_applicable",
            },
            {
                "id": "relative",
                "parent": "work",
                "kind": "peers",
                "input": "closed",
                "full": D(60),
                "group": "dept",
                "against": "percentile",
                "ties": "best",
            },
            {
                "id": "rated",
                "parent": "total",
                "kind": "raters",
                "rating": "year",
                "weights": {"superior": D(1)},
            },
            {
                "id": "special",
                "parent": "work",
                "kind": "formula",
                "function": "both",
                "inputs": {"a": "closed", "b": "weight.work"},
            },
            rules={"r": {"indicator": "work"}, "q": {"indicator": "quality", "role": ("quota_prosecutor",)}},
            grades={
                "bands": [
                    {"id": "a", "label": "一等", "at_least": 90, "share": D("0.2")},
                    {"id": "b", "label": "二等", "less_than": 90},
                ],
                "group": "dept",
                "vetoes": [{"measure": "flaw", "at_most": "b", "label": "否决"}],
            },
        )
        == []
    )


RATIO = {"id": "rate", "kind": "ratio", "unit": "比", "numerator": "closed", "denominator": "accepted"}
PEERS = {
    "id": "part",
    "kind": "peers",
    "input": "closed",
    "full": D(1),
    "group": "dept",
    "against": "max",
}


@pytest.mark.parametrize(
    ("node", "keys"),
    [
        ({"kind": "count", "unit": "件"}, ["measures"]),
        ({"kind": "count", "measures": ["case_closed"]}, ["unit"]),
        ({"kind": "ratio"}, ["denominator", "numerator"]),
        ({"kind": "tiers"}, ["input", "tiers"]),
        ({"kind": "deduct"}, ["base"]),
        ({"kind": "weighted"}, ["weights"]),
        ({"kind": "target"}, ["full", "input", "target"]),
        ({"kind": "caseload"}, ["full", "group", "input", "ratios"]),
        ({"kind": "per_head"}, ["input", "reference"]),
        ({"kind": "peers"}, ["against", "full", "group", "input"]),
        ({"kind": "raters"}, ["rating", "weights"]),
        ({"kind": "formula"}, ["function", "inputs"]),
        ({**RATIO, "when_zero": "full"}, ["full"]),
    ],
)
def test_a_kind_says_what_it_needs(node, keys):
    told = found(TOTAL, CLOSED, ACCEPTED, {**node, "id": "x"})
    assert [(code, fields["key"]) for code, fields in told] == [("indicator-needs", key) for key in keys]


@pytest.mark.parametrize(
    ("node", "key"),
    [
        ({"kind": "sum", "base": D(1)}, "base"),
        ({"kind": "sum", "full": D(1)}, "full"),
        ({"kind": "sum", "measures": ["case_closed"]}, "measures"),
        ({"kind": "sum", "when_zero": "zero"}, "when_zero"),
        ({"kind": "sum", "on_not_applicable": "reweight"}, 'on_not_applicable = "reweight"'),
        ({**CLOSED, "on_missing": "skip"}, "on_missing"),
        ({**RATIO, "full": D(1)}, "full"),
        ({**PEERS, "ties": "best"}, "ties"),
        ({"kind": "deduct", "base": D(1), "when_zero": "full"}, "when_zero"),
    ],
)
def test_a_field_that_a_kind_does_not_use_is_refused(node, key):
    told = found(TOTAL, CLOSED, ACCEPTED, {**node, "id": "x"})
    assert [(code, fields["key"]) for code, fields in told] == [("indicator-unused", key)]


def test_children_that_count_full_where_they_do_not_apply_say_what_full_is():
    node = {**TOTAL, "on_not_applicable": "full"}
    told = found(node, {"id": "a", "parent": "total"}, {"id": "b", "parent": "total", "full": D(3)})
    assert [(code, fields["where"], fields["key"]) for code, fields in told] == [
        ("indicator-needs", "indicators a", "full")
    ]


@pytest.mark.parametrize(
    ("node", "kind", "name", "nearest"),
    [
        ({"parent": "totl"}, "indicator", "totl", "total"),
        ({**RATIO, "numerator": "close"}, "indicator", "close", "closed"),
        ({**CLOSED, "measures": ["case_closd"]}, "measure", "case_closd", "case_closed"),
        ({**PEERS, "group": "dep"}, "group", "dep", "dept"),
        ({"roles": ["clerc"]}, "role", "clerc", "clerk"),
        ({"post_levels": ["chieff"]}, "post_level", "chieff", "chief"),
        ({"floor": "points.ful"}, "parameter", "points.ful", "points.full"),
        (
            {"kind": "formula", "function": "bot", "inputs": {"a": "closed", "b": "closed"}},
            "function",
            "bot",
            "both",
        ),
        (
            {"kind": "formula", "function": "both", "inputs": {"a": "closed", "b": "closed", "bb": "closed"}},
            "argument",
            "bb",
            "b",
        ),
        (
            {
                "kind": "caseload",
                "input": "closed",
                "full": D(1),
                "group": "dept",
                "ratios": {"dept_hed": D(1)},
            },
            "post_level",
            "dept_hed",
            "dept_head",
        ),
        ({"kind": "weighted", "weights": {"nobody": D(1)}}, "child", "nobody", "—"),
        (
            {"kind": "formula", "function": "both", "inputs": {"a": "closed", "b": "weight.wrk"}},
            "parameter",
            "weight.wrk",
            "weight.work",
        ),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_one(node, kind, name, nearest):
    told = found(TOTAL, CLOSED, ACCEPTED, {**node, "id": "x"})
    assert [(code, fields["kind"], fields["name"], fields["nearest"]) for code, fields in told] == [
        ("policy-unknown-name", kind, name, nearest)
    ]


def test_an_argument_without_an_input_is_missing():
    node = {"id": "x", "kind": "formula", "function": "both", "inputs": {"a": "closed"}}
    assert [fields["key"] for _, fields in found(TOTAL, CLOSED, node)] == ["inputs.b"]


def test_a_circle_is_told_with_the_way_around_it():
    told = found(
        TOTAL,
        {"id": "a", "parent": "b", "kind": "tiers", "input": "b", "tiers": [{"points": 1}]},
        {"id": "b", "parent": "total"},
    )
    assert [(code, fields["path"]) for code, fields in told] == [("indicator-circle", "a → b → a")]


def test_what_children_give_is_never_lost():
    assert codes(TOTAL, CLOSED, {"id": "x", "parent": "closed"}) == ["indicator-children"]
    assert codes({**TOTAL, "kind": "weighted", "weights": {"a": D(1)}}, {"id": "a", "parent": "total"}, {"id": "b", "parent": "total"}) == ["indicator-needs"]  # fmt: skip


def test_cases_are_not_added_to_points():
    assert found(TOTAL, {**CLOSED, "parent": "total"}) == [
        (
            "indicator-units-mixed",
            {"where": "indicators total", "child": "closed", "unit": "件", "wanted": "分"},
        )
    ]


def test_points_go_where_they_are_taken_up_and_into_a_total():
    rule = {"r": {"indicator": "closed"}}
    assert codes(TOTAL, CLOSED, rules=rule) == ["indicator-entries"]
    rule = {"r": {"indicator": "aside"}}
    assert codes(TOTAL, {"id": "aside"}, rules=rule) == ["indicator-unheard"]
    used = {"id": "x", "parent": "total", "kind": "tiers", "input": "aside", "tiers": [{"points": 1}]}
    assert codes(TOTAL, {"id": "aside"}, used, rules=rule) == []
    clerks = {"id": "t", "label": "书记员", "role": "clerk", "total": "aside"}
    for role, wanted in ((), []), (("clerk",), []), (("quota_prosecutor",), ["indicator-unheard"]):
        told = {"r": {"indicator": "aside", "role": role}}
        assert codes(TOTAL, {"id": "aside"}, rules=told, sheets=(SHEET, clerks)) == wanted
    told = {"r": {"indicator": "aside", "role": ("other",)}}  # a role without a sheet: its lines say so
    assert codes(TOTAL, {"id": "aside"}, rules=told) == []


@pytest.mark.parametrize("node", [CLOSED, {**RATIO, "id": "closed", "numerator": "accepted"}])
def test_a_total_is_points(node):
    sheet = {**SHEET, "total": "closed"}
    told = codes(TOTAL, node, ACCEPTED, sheets=(sheet,))
    assert told == ["sheet-total-unit"]


def test_a_total_that_is_unknown_is_told():
    told = found(TOTAL, sheets=({**SHEET, "total": "totle"},))
    assert [(code, fields["nearest"]) for code, fields in told] == [("policy-unknown-name", "total")]


# Numbers.


@pytest.mark.parametrize(
    ("node", "parameter", "wanted"),
    [
        ({"kind": "deduct", "base": "caseload.year"}, "caseload.year", "分"),
        ({**PEERS, "full": "weight.work"}, "weight.work", "分"),
        (
            {"kind": "target", "input": "closed", "target": "points.full", "full": D(1)},
            "points.full",
            "件",
        ),
        (
            {
                "kind": "tiers",
                "input": "closed",
                "tiers": [
                    {"points": 1, "at_least": "custody.people"},
                    {"points": 0, "less_than": "custody.people"},
                ],
            },
            "custody.people",
            "件",
        ),
        ({**RATIO, "scale": "points.full"}, "points.full", "倍、系数、%"),
        (
            {"kind": "raters", "rating": "year", "weights": {"self": "points.full"}},
            "points.full",
            "权重、系数、比例",
        ),
        (
            {"kind": "per_head", "unit": "件/人", "input": "closed", "reference": "points.full"},
            "points.full",
            "人、件、次",
        ),
        ({"ceiling": "caseload.year"}, "caseload.year", "分"),
    ],
)
def test_a_parameter_in_another_unit_is_another_parameter(node, parameter, wanted):
    told = found(TOTAL, CLOSED, ACCEPTED, {**node, "id": "x"})
    assert {code for code, _ in told} == {"policy-unit"}
    assert {(fields["parameter"], fields["wanted"]) for _, fields in told} == {(parameter, wanted)}


def test_codes_are_no_numbers():
    assert codes(TOTAL, {"id": "x", "floor": "codes.counted"}) == ["policy-parameter-codes"]


def target(value, **told):
    return {"id": "x", "kind": "target", "input": "closed", "target": value, "full": D(1), **told}


@pytest.mark.parametrize(
    ("node", "wanted"),
    [
        (target(D(0)), [("0", "—")]),
        (target(D(-1), when_zero="zero"), [("-1", "—")]),
        (target(D(0), when_zero="full"), []),
        (target("caseload.none"), [("0", dt.date(2024, 1, 1))]),
        ({**RATIO, "scale": D(0), "when_zero": "zero"}, [("0", "—")]),
        (
            {"kind": "per_head", "unit": "件", "input": "closed", "reference": "custody.people"},
            [("0", dt.date(2025, 1, 1))],
        ),
        (
            {
                "kind": "per_head",
                "unit": "件",
                "input": "closed",
                "reference": "custody.people",
                "when_zero": "not_applicable",
            },
            [],
        ),
    ],
)
def test_a_division_by_zero_is_found_before_anything_is_divided(node, wanted):
    parameters = PARAMETERS | {"caseload.none": number("件", 0)}
    told = found(TOTAL, CLOSED, ACCEPTED, {**node, "id": "x"}, parameters=parameters)
    assert [(code, fields["value"], fields["day"]) for code, fields in told] == [
        ("indicator-not-positive", *each) for each in wanted
    ]


def tiers(*told, **parts):
    node = {"id": "x", "kind": "tiers", "input": "closed", "tiers": told}
    return [(code, fields) for code, fields in found(TOTAL, CLOSED, node, **parts)]


@pytest.mark.parametrize(
    ("steps", "code", "at"),
    [
        ([{"points": 1, "more_than": 5}, {"points": 0, "less_than": 5}], "tiers-gap", "= 5"),
        ([{"points": 1, "at_least": 5}, {"points": 0, "at_least": 0, "less_than": 5}], "tiers-gap", "< 0"),
        (
            [{"points": 1, "at_least": 5, "at_most": 9}, {"points": 0, "less_than": 5}],
            "tiers-gap",
            "> 9",
        ),
        (
            [{"points": 1, "at_least": 5}, {"points": 0, "at_most": 3}],
            "tiers-gap",
            "> 3, < 5",
        ),
        ([{"points": 1, "at_least": 5}, {"points": 0, "at_most": 5}], "tiers-overlap", "= 5"),
        ([{"points": 1, "at_least": 5}, {"points": 0}], "tiers-overlap", ">= 5"),
        ([{"points": 1}, {"points": 0, "at_least": 3, "less_than": 5}], "tiers-overlap", ">= 3, < 5"),
        ([{"points": 1}, {"points": 0}], "tiers-overlap", "all"),
    ],
)
def test_tiers_cover_every_number_exactly_once(steps, code, at):
    assert [(told, fields["at"], fields["day"]) for told, fields in tiers(*steps)] == [
        (code, at, dt.date(2024, 1, 1))
    ]


def test_reversed_ends_and_two_ends_are_told():
    reversed_ends = tiers(
        {"points": 1, "at_least": 5},
        {"points": 2, "at_least": 9, "at_most": 6},
        {"points": 0, "less_than": 5},
    )
    assert [(code, fields["place"]) for code, fields in reversed_ends] == [("tiers-empty", 2)]
    two = tiers({"points": 1, "at_least": 5, "more_than": 5}, {"points": 0, "at_most": 5})
    assert [(code, fields["one"], fields["other"]) for code, fields in two] == [
        ("tiers-two-ends", "at_least", "more_than")
    ]


def test_tiers_are_checked_on_every_day_on_which_an_end_changes():
    parameters = PARAMETERS | {"tier.high": number("件", 5, (dt.date(2025, 7, 1), 6))}
    told = tiers({"points": 1, "at_least": "tier.high"}, {"points": 0, "less_than": 5}, parameters=parameters)
    assert [(code, fields["at"], fields["day"]) for code, fields in told] == [
        ("tiers-gap", ">= 5, < 6", dt.date(2025, 7, 1))
    ]


def test_days_before_the_policys_first_and_days_without_a_value_are_no_fault():
    early = number("件", (dt.date(2020, 1, 1), 6), (dt.date(2023, 1, 1), 5))
    late = number("件", (dt.date(2026, 1, 1), 5))
    for told in early, late:
        steps = {"points": 1, "at_least": "tier.high"}, {"points": 0, "less_than": 5}
        assert tiers(*steps, parameters=PARAMETERS | {"tier.high": told}) == []


def test_a_floor_above_the_ceiling_is_told():
    assert codes(TOTAL, {"id": "x", "floor": D(5), "ceiling": D(4)}) == ["tiers-empty"]
    assert codes(TOTAL, {"id": "x", "kind": "deduct", "base": D(5), "ceiling": D(-1)}) == ["tiers-empty"]


# Grades.


def band(name, **told):
    return {"id": name, "label": name, **told}


def grades(*bands, **told):
    return found(TOTAL, grades={"bands": bands, **told})


def test_bands_cover_every_total_once_and_descend():
    gap = grades(band("a", at_least=90), band("b", less_than=89))
    assert [(code, fields["at"], fields["where"]) for code, fields in gap] == [
        ("tiers-gap", ">= 89, < 90", "grades bands")
    ]
    both = grades(band("b", less_than=89), band("a", at_least=90))
    assert [code for code, _ in both] == ["tiers-gap"]  # first the line, then its order
    unknown = {"pass.mark": number("分", (dt.date(2026, 1, 1), 60))}
    later = {"bands": [band("a", at_least="pass.mark"), band("b", less_than="pass.mark")]}
    assert found(TOTAL, grades=later, parameters=PARAMETERS | unknown) == []
    rising = grades(band("b", less_than=90), band("a", at_least=90))
    assert [(code, fields["better"], fields["worse"]) for code, fields in rising] == [
        ("grades-order", "b", "a")
    ]


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({"bands": [band("a", share=D("0.2")), band("b")]}, "grades-share-without-group"),
        ({"bands": [band("a", share=D("1.2")), band("b")], "group": "dept"}, "grades-share"),
        ({"bands": [band("a", share="grade.excellent"), band("b")], "group": "dept"}, "grades-share"),
        ({"bands": [band("a", share="points.full"), band("b")], "group": "dept"}, "policy-unit"),
        ({"bands": [band("a", share=D("0.2")), band("b", share=D(1))], "group": "dept"}, "grades-last-share"),
        ({"bands": [band("a"), band("b", share=D("0.5")), band("c")], "group": "dept"}, "grades-band-of-all"),
        ({"bands": [band("a", share=D("0.2")), band("a")], "group": "dept"}, "policy-id-twice"),
        ({"bands": [band("a", share=D("0.2")), band("b")], "group": "dep"}, "policy-unknown-name"),
        ({"bands": [band("a", at_least="caseload.year"), band("b", less_than="caseload.year")]}, "policy-unit"),
    ],
)  # fmt: skip
def test_what_a_quota_or_band_may_not_be(told, wanted):
    assert {code for code, _ in grades(*told["bands"], group=told.get("group"))} == {wanted}


@pytest.mark.parametrize(
    ("veto", "wanted"),
    [
        ({"measure": "flow", "at_most": "b"}, "policy-unknown-name"),
        ({"measure": "flaw", "at_most": "z"}, "policy-unknown-name"),
        ({"measure": "flaw", "at_most": "a"}, "grades-veto-idle"),
    ],
)
def test_a_veto_names_a_measure_and_a_grade_below_the_best(veto, wanted):
    bands = (band("a", at_least=90), band("b", less_than=90))
    assert [code for code, _ in grades(*bands, vetoes=[{**veto, "label": "否决"}])] == [wanted]


def test_of_a_file_that_cannot_be_read_nothing_is_said():
    """What is missing because its file is at fault would only be told twice."""
    file = file_of([TOTAL, {**CLOSED, "measures": ["nobody"]}, {**RATIO, "scale": "no.such"}])
    known = Known(named={}, formulas=None, layers=(), at=lambda kind, name: f"{kind} {name}")
    assert check_indicators(file, [], known) == []
