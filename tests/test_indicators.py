"""Every kind of indicator: its number, its bounds and rounding, and the two outcomes that are no number."""

import datetime as dt
import itertools
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jianheng.messages import speaking
from jianheng.scoring.indicators.indicators import indicator_values
from jianheng.scoring.indicators.outcome import reason_text
from jianheng.scoring.indicators.peers import part_below, peers
from jianheng.scoring.law.exact import exact_text, points_text, rounded
from jianheng.scoring.law.formulas import load_formulas
from jianheng.scoring.law.indicator_order import dependencies, evaluation_order
from jianheng.scoring.law.pack import Indicator, Tier
from jianheng.scoring.law.tiers import flaws, span
from small_law import (
    YEAR,
    earned,
    had,
    law,
    number,
    outcome,
    outcomes,
    rated,
    scored,
    values,
)

D = Decimal
DEPARTMENT = {"id": "dept", "label": "本部门", "by": ["unit", "department"]}
OFFICE = {"id": "office", "label": "本院", "by": ["unit"]}


def count(name, *measures, **told):
    return {"id": name, "kind": "count", "unit": "件", "measures": measures or (name,), **told}


def one(policy, indicator, tallies=(), people=(), ratings=()):
    """Return the outcome of the only person."""
    found = outcomes(values(policy, tallies, people, ratings), indicator)
    (told,) = found.values()
    return told


# Rounding and telling numbers.


@given(
    value=st.fractions(max_denominator=10**6).filter(lambda each: abs(each) < 10**9), places=st.integers(0, 3)
)
def test_a_node_is_rounded_once_half_away_from_zero(value, places):
    step = Fraction(1, 10**places)
    given_back = Fraction(rounded(value, places), 1000)
    assert given_back % step == 0
    assert abs(given_back - value) <= step / 2
    assert abs(given_back) >= abs(value) or abs(given_back - value) < step / 2


@given(value=st.decimals(-(10**9), 10**9, places=6), places=st.integers(0, 3))
def test_rounding_is_that_of_decimals(value, places):
    wanted = value.quantize(D(1).scaleb(-places), rounding=ROUND_HALF_UP)
    assert rounded(Fraction(value), places) == int(wanted * 1000)


@given(value=st.fractions())
def test_a_number_is_told_without_loss(value):
    assert Fraction(exact_text(value)) == value


@given(points=st.integers())
def test_points_are_told_without_needless_zeros(points):
    told = points_text(points)
    assert D(told) * 1000 == points
    assert told == exact_text(Fraction(points, 1000))


# Sums and counts.


TREE = (
    {"id": "total"},
    {"id": "work", "parent": "total"},
    {"id": "papers", "parent": "work"},
    {"id": "study", "parent": "total"},
)
RULES = {"r1": "work", "r2": "papers", "r3": "study"}


def test_a_sum_is_its_entries_and_its_children_and_tells_what_it_was_made_of():
    found = values(
        law(*TREE, rules=RULES),
        [
            earned("wang", "work", "7.5", entries=2),
            earned("wang", "papers", 1),
            earned("wang", "study", "-4"),
        ],
    )
    assert outcomes(found, "total") == {"wang": "4.5"}
    total, work = found["wang", "total"], found["wang", "work"]
    assert total.basis == (("child:work", "8.5"), ("child:study", "-4"))
    assert work.basis == (("entries", "7.5"), ("child:papers", "1"))
    assert (total.entries, work.entries, total.reads) == (4, 3, ())


def test_a_sum_too_is_rounded_and_kept_within_its_bounds():
    policy = law(
        {"id": "total", "places": 1},
        {"id": "bonus", "parent": "total", "ceiling": "bonus.most"},
        rules={"r": "total", "q": "bonus"},
        parameters={"bonus.most": number("分", 5)},
    )
    found = values(policy, [earned("wang", "total", "1.25"), earned("wang", "bonus", 7)])
    bonus = found["wang", "bonus"]
    assert (outcome(bonus), bonus.basis) == ("5", (("entries", "7"), ("ceiling", "5")))
    assert [each.name for each in bonus.reads] == ["bonus.most"]
    assert outcomes(found, "total") == {"wang": "6.3"}


def test_every_indicator_of_everybody_is_told_in_the_order_of_people_and_file():
    policy = law(*TREE, rules=RULES)
    found = values(policy, [], [*scored("zhao"), *scored("wang")])
    assert list(found) == [(who, node["id"]) for who in ("wang", "zhao") for node in TREE]
    assert {outcome(each) for each in found.values()} == {"0"}


def test_provisional_is_what_final_entries_alone_would_not_give():
    found = values(
        law(*TREE, rules=RULES),
        [earned("wang", "work", 7, provisional=3), earned("wang", "papers", 2), earned("sun", "study", 1)],
    )
    assert {name: each.provisional for name, each in found.items() if each.provisional} == {
        ("wang", "total"): 3000,
        ("wang", "work"): 3000,
    }


def test_what_is_provisional_goes_through_a_floor_and_a_peer_maximum():
    """Wang's 60 of 60 rest on provisional work; with final work alone Sun would lead and Wang have half."""
    policy = law(
        {"id": "work"},
        {"id": "scaled", "kind": "peers", "input": "work", "full": D(60), "group": "dept", "against": "max"},
        groups=[DEPARTMENT],
        rules={"r": "work"},
    )
    found = values(policy, [earned("wang", "work", 40, provisional=30), earned("sun", "work", 20)])
    assert {
        who: (each.points, each.provisional) for (who, name), each in found.items() if name == "scaled"
    } == {
        "wang": (60_000, 30_000),
        "sun": (30_000, -30_000),
    }


def test_where_final_entries_alone_give_nothing_all_of_it_is_provisional():
    policy = law(
        {"id": "work"},
        {"id": "share", "kind": "ratio", "unit": "%", "numerator": "work", "denominator": "work"},
        rules={"r": "work"},
    )
    value = values(policy, [earned("wang", "work", 5, provisional=5)])["wang", "share"]
    assert (value.points, value.provisional) == (1000, 1000)


def test_a_tally_of_nobody_is_a_fault_of_the_program():
    with pytest.raises(ValueError, match="sun"):
        values(law(*TREE), [earned("sun", "work", 1)], scored("wang"))


@pytest.mark.parametrize(("counting", "wanted"), [("items", "5"), ("quantity", "9"), ("shares", "2.35")])
def test_a_count_is_of_items_quantities_or_shares(counting, wanted):
    policy = law(count("closed", "arrest", "charge", counting=counting))
    told = [had("wang", "arrest", 2, quantity=6, shares=600), had("wang", "charge", 3, shares=1750)]
    assert one(policy, "closed", told) == wanted


def test_nothing_counted_is_zero_and_not_missing():
    assert one(law(count("closed")), "closed", people=scored("wang")) == "0"


def test_an_item_that_two_rules_speak_of_is_counted_once():
    """What is counted stands in one row of its own, whatever the rules' rows say."""
    policy = law(*TREE, count("n", "m"), rules=RULES)
    told = [earned("wang", "work", 3, entries=2), earned("wang", "study", 1, rule="q"), had("wang", "m", 2)]
    value = values(policy, told)["wang", "n"]
    assert (outcome(value), value.entries, value.basis) == ("2", 3, (("m", "2"),))


# Ratios and quantities.


def completion(**told):
    """Return peers.md 2.4 no. 4: full points at 0.8, 2 less per 0.1 below, none under 0.1."""
    steps = [
        {"points": 10, "at_least": D("0.8")},
        *(
            {"points": 10 - 2 * place, "at_least": D(8 - place) / 10, "less_than": D(9 - place) / 10}
            for place in range(1, 5)
        ),
        {"points": 0, "less_than": D("0.4")},
    ]
    return law(
        count("closed"),
        count("accepted"),
        {
            "id": "rate",
            "kind": "ratio",
            "unit": "比",
            "numerator": "closed",
            "denominator": "accepted",
            "ceiling": D(1),
            **told,
        },
        {"id": "points", "kind": "tiers", "input": "rate", "tiers": steps},
    )


@pytest.mark.parametrize(
    ("closed", "accepted", "wanted"),
    [
        (10, 10, "10"),
        (12, 10, "10"),
        (8, 10, "10"),
        (79, 100, "8"),
        (7, 10, "8"),
        (4, 10, "2"),
        (39, 100, "0"),
    ],
)
def test_completion_ratio_of_the_field(closed, accepted, wanted):
    told = [had("wang", "closed", closed), had("wang", "accepted", accepted)]
    assert one(completion(), "points", told) == wanted


def test_whoever_accepted_nothing_has_no_ratio_and_no_tier():
    told = [had("wang", "closed", 1)]
    found = values(completion(), told)
    assert outcome(found["wang", "rate"]) == "not-applicable zero:accepted"
    assert outcome(found["wang", "points"]) == "not-applicable zero:accepted"
    assert found["wang", "points"].basis == (("input", "zero:accepted"),)


@pytest.mark.parametrize(
    ("when_zero", "wanted"),
    [("not_applicable", "not-applicable zero:accepted"), ("zero", "0"), ("full", "1")],
)
def test_a_zero_denominator_gives_what_is_declared(when_zero, wanted):
    policy = completion(when_zero=when_zero, full=D(1))
    assert one(policy, "rate", people=scored("wang")) == wanted


def test_a_ratio_is_scaled_rounded_once_and_tells_what_it_was_before():
    policy = law(
        count("a"),
        count("b"),
        {
            "id": "rate",
            "kind": "ratio",
            "unit": "%",
            "numerator": "a",
            "denominator": "b",
            "scale": D(100),
            "places": 1,
        },
    )
    value = values(policy, [had("wang", "a", 1), had("wang", "b", 3)])["wang", "rate"]
    assert outcome(value) == "33.3"
    assert value.basis == (
        ("numerator", "1"),
        ("denominator", "3"),
        ("scale", "100"),
        ("unrounded", "100/3"),
    )


def test_below_zero_nothing_can_be_divided_by_it_whatever_zero_gives():
    policy = law(
        {"id": "a"},
        {
            "id": "rate",
            "kind": "ratio",
            "numerator": "a",
            "denominator": "a",
            "when_zero": "full",
            "full": D(1),
        },
        rules={"r": "a"},
    )
    assert one(policy, "rate", [earned("wang", "a", -2)]) == "not-applicable negative:a"


def test_per_head_divides_by_the_reference_quantity_of_the_day():
    policy = law(
        count("found"),
        {
            "id": "per",
            "kind": "per_head",
            "input": "found",
            "reference": "custody.people",
            "scale": D(1000),
        },
        parameters={
            "custody.people": number("人", 800, (dt.date(2025, 12, 31), 640), (dt.date(2026, 1, 1), 1))
        },
    )
    value = values(policy, [had("wang", "found", 16)])["wang", "per"]
    assert outcome(value) == "25"
    assert value.basis == (("input", "16"), ("reference", "640"), ("scale", "1000"))
    assert [(each.name, each.value, each.since) for each in value.reads] == [
        ("custody.people", D(640), dt.date(2025, 12, 31))
    ]


def test_a_parameter_without_a_value_on_the_last_day_is_missing_and_named():
    policy = law(
        count("found"),
        {"id": "per", "kind": "per_head", "input": "found", "reference": "custody.people"},
        {"id": "total"},
        parameters={"custody.people": number("人", (dt.date(2026, 1, 1), 640))},
    )
    assert one(policy, "per", [had("wang", "found", 16)]) == "missing parameter:custody.people"


@pytest.mark.parametrize(("closed", "wanted"), [(0, "0"), (15, "30"), (20, "40"), (26, "43"), (7, "14")])
def test_a_target_gives_its_part_and_beyond_it_so_much_a_unit(closed, wanted):
    policy = law(
        count("closed"),
        {
            "id": "points",
            "kind": "target",
            "input": "closed",
            "target": "caseload.year",
            "full": D(40),
            "beyond": D("0.5"),
        },
        parameters={"caseload.year": number("件", 20)},
    )
    assert one(policy, "points", [had("wang", "closed", closed)]) == wanted


def test_a_target_without_more_beyond_it_never_gives_more_than_full():
    policy = law(
        count("closed"), {"id": "points", "kind": "target", "input": "closed", "target": D(3), "full": D(10)}
    )
    assert [one(policy, "points", [had("wang", "closed", n)]) for n in (1, 3, 9)] == ["3.333", "10", "10"]


# Tiers.


def own_over_average():
    """Return peers.md 2.4 no. 8: above 0.5 of the department's average 5, from 0.2 to 0.5 3; exactly 0.5 gives 0."""
    return law(
        count("closed"),
        {
            "id": "part",
            "kind": "peers",
            "unit": "比",
            "input": "closed",
            "full": D(1),
            "group": "dept",
            "against": "mean",
        },
        {
            "id": "points",
            "kind": "tiers",
            "input": "part",
            "tiers": [
                {"points": 5, "more_than": D("0.5")},
                {"points": 0, "at_least": D("0.5"), "at_most": D("0.5")},
                {"points": 3, "at_least": D("0.2"), "less_than": D("0.5")},
                {"points": 0, "less_than": D("0.2")},
            ],
        },
        groups=[DEPARTMENT],
    )


def test_own_count_over_the_departments_average_as_the_field_has_it():
    closed = {"a": 20, "b": 10, "c": 5, "d": 4, "e": 2, "f": 1, "g": 28}  # 70 of seven: the average is 10
    found = values(own_over_average(), [had(who, "closed", n) for who, n in closed.items()])
    assert outcomes(found, "part") == {
        "a": "2", "b": "1", "c": "0.5", "d": "0.4", "e": "0.2", "f": "0.1", "g": "2.8",
    }  # fmt: skip
    assert outcomes(found, "points") == {
        "a": "5", "b": "5", "c": "0", "d": "3", "e": "3", "f": "0", "g": "5",
    }  # fmt: skip
    assert found["d", "points"].basis == (
        ("input", "0.4"),
        ("at_least", "0.2"),
        ("less_than", "0.5"),
        ("points", "3"),
    )


def test_the_ends_of_a_tier_may_be_parameters_and_are_read_on_the_last_day():
    policy = law(
        count("closed"),
        {
            "id": "points",
            "kind": "tiers",
            "input": "closed",
            "tiers": [
                {"points": "tier.high", "at_least": "tier.from"},
                {"points": 7, "less_than": "tier.from"},
            ],
        },
        parameters={"tier.from": number("件", 5, (dt.date(2025, 12, 1), 10)), "tier.high": number("分", 20)},
    )
    value = values(policy, [had("wang", "closed", 9)])["wang", "points"]
    assert (outcome(value), [each.name for each in value.reads]) == ("7", ["tier.from"])
    assert one(policy, "points", [had("wang", "closed", 10)]) == "20"


ENDS = st.tuples(st.integers(-5, 5), st.booleans())


@given(cuts=st.lists(ENDS, unique=True, max_size=6), value=st.fractions(-6, 6, max_denominator=4))
def test_tiers_cut_at_any_ends_hold_every_number_exactly_once(cuts, value):
    """``(5, True)`` closes the lower tier at 5 and opens the upper one; ``(5, False)`` the other way round."""
    ordered = sorted(cuts)
    spans = []
    for low, high in itertools.pairwise([None, *ordered, None]):
        bounds = {}
        if low is not None:
            bounds["more_than" if low[1] else "at_least"] = low[0]
        if high is not None:
            bounds["at_most" if high[1] else "less_than"] = high[0]
        spans.append(span(Tier(points=D(0), **bounds), Fraction))
    assert sum(each.holds(value) for each in spans) == 1
    assert list(flaws(spans[::-1])) == []


SPANS = st.builds(
    lambda told: span(Tier(points=D(0), **{name: D(at) for name, at in told.items()}), Fraction),
    st.dictionaries(st.sampled_from(["at_least", "more_than", "at_most", "less_than"]), st.integers(-3, 3)),
)


@given(spans=st.lists(SPANS, min_size=1, max_size=4))
def test_flaws_are_found_if_and_only_if_some_number_is_held_not_once(spans):
    # Every bound is whole, so whole and half numbers meet every step of the line.
    held = [sum(each.holds(Fraction(half, 2)) for each in spans) for half in range(-9, 10)]
    empty = [place for place, each in enumerate(spans) if each.low >= each.high]
    found = list(flaws(spans))
    assert [each.first for each in found if each.kind == "empty"] == empty
    if len(empty) < len(spans):
        assert any(each.kind == "gap" for each in found) == (0 in held)
    assert any(each.kind == "overlap" for each in found) == any(each > 1 for each in held)


# Deductions.


def hainan(**told):
    """Return domain.md d.9: 26.5 less the mean deduction of a case."""
    return law(
        count("reviewed"),
        {"id": "sheet", "kind": "deduct", "base": D("26.5"), "per": "reviewed", "places": 2, **told},
        rules={"no_risk_assessment": "sheet", "overdue": "sheet"},
    )


def test_the_mean_deduction_of_a_case_comes_off_the_base():
    taken = [earned("wang", "sheet", -2), earned("wang", "sheet", -10, rule="overdue")]
    found = values(hainan(), [*taken, had("wang", "reviewed", 7)])
    value = found["wang", "sheet"]
    assert outcome(value) == "24.79"  # 26.5 - 12/7
    assert value.basis == (("base", "26.5"), ("entries", "-12"), ("per", "7"), ("unrounded", "347/14"))


def test_deductions_never_go_below_the_floor():
    taken = [earned("wang", "sheet", -30)]
    assert one(hainan(per=None), "sheet", taken) == "0"
    assert one(hainan(per=None, floor=D("5.5")), "sheet", taken) == "5.5"
    value = values(hainan(per=None), taken)["wang", "sheet"]
    assert value.basis == (("base", "26.5"), ("entries", "-30"), ("floor", "0"))


@pytest.mark.parametrize(
    ("when_zero", "wanted"),
    [("not_applicable", "not-applicable zero:reviewed"), ("zero", "0"), ("full", "26.5")],
)
def test_a_mean_over_no_cases_is_what_is_declared(when_zero, wanted):
    assert one(hainan(when_zero=when_zero), "sheet", people=scored("wang")) == wanted


def test_a_bonus_on_a_sheet_of_deductions_counts_and_a_ceiling_bounds_it():
    policy = law({"id": "quality", "kind": "deduct", "base": D(40), "ceiling": D(43)}, rules={"r": "quality"})
    assert one(policy, "quality", [earned("wang", "quality", 2)]) == "42"
    assert one(policy, "quality", [earned("wang", "quality", 5)]) == "43"


# Weights, children that are not there.


def weighted(**told):
    """Return 60/30/10 of three parts; the second applies to heads only, the third is rated."""
    return law(
        {
            "id": "total",
            "kind": "weighted",
            "weights": {"work": D("0.6"), "common": "weight.common", "rated": D("0.1")},
            **told,
        },
        {"id": "work", "parent": "total", "full": D(100)},
        {"id": "common", "parent": "total", "post_levels": ["dept_head"], "full": D(100)},
        {
            "id": "rated",
            "parent": "total",
            "kind": "raters",
            "rating": "year",
            "weights": {"superior": D(1)},
            "full": D(100),
        },
        rules={"r": "work", "q": "common"},
        parameters={"weight.common": number("权重", D("0.3"))},
    )


POINTS = [earned("wang", "work", 80), earned("wang", "common", 50)]
STARS = rated("wang", "year", "superior", 90)


def test_a_weighted_sum_tells_weights_and_values():
    policy = weighted()
    value = values(policy, POINTS, scored("wang", post_level="dept_head"), STARS)["wang", "total"]
    assert outcome(value) == "72"
    assert value.basis == (
        ("weight:work", "0.6"),
        ("weight:common", "0.3"),
        ("weight:rated", "0.1"),
        ("child:work", "80"),
        ("child:common", "50"),
        ("child:rated", "90"),
    )
    assert [each.name for each in value.reads] == ["weight.common"]


@pytest.mark.parametrize(
    ("on_not_applicable", "wanted"), [("skip", "57"), ("reweight", "81.429"), ("full", "87")]
)
def test_a_child_that_does_not_apply_is_left_out_reweighted_or_counted_full(on_not_applicable, wanted):
    policy = weighted(on_not_applicable=on_not_applicable)
    assert one(policy, "total", [earned("wang", "work", 80)], ratings=STARS) == wanted


def test_a_missing_child_makes_its_parent_missing_and_is_named_at_the_top():
    found = values(weighted(), POINTS, scored("wang", post_level="dept_head"))
    assert outcomes(found, "total") == {"wang": "missing ratings:superior"}
    assert found["wang", "total"].basis[-1] == ("child:rated", "ratings:superior")


def test_a_missing_child_may_be_left_out_where_the_policy_says_so():
    policy = weighted(on_missing="skip")
    assert one(policy, "total", POINTS, scored("wang", post_level="dept_head")) == "63"


def test_what_is_left_out_as_missing_gives_its_weight_to_nobody():
    policy = weighted(on_missing="skip", on_not_applicable="reweight")
    wanted = (
        Fraction(48) * 1 / Fraction(7, 10)
    )  # the heads' 0.3 is given to the others, the raters' 0.1 is not
    assert one(policy, "total", [earned("wang", "work", 80)]) == str(round(float(wanted), 3))


@given(
    weights=st.lists(st.decimals(D("0.01"), 5, places=2), min_size=2, max_size=6),
    present=st.sets(st.integers(0, 5), min_size=1),
)
def test_reweighting_loses_nothing_of_the_whole(weights, present):
    """Where all that applies has 100, the whole has 100 times all weights."""
    here = {place for place in present if place < len(weights)}
    assume(here)
    policy = law(
        {
            "id": "total",
            "kind": "weighted",
            "weights": {f"c{place}": weight for place, weight in enumerate(weights)},
            "on_not_applicable": "reweight",
        },
        *(
            {"id": f"c{place}", "parent": "total", "roles": [] if place in here else ["clerk"]}
            for place in range(len(weights))
        ),
        rules={f"r{place}": f"c{place}" for place in range(len(weights))},
    )
    told = [earned("wang", f"c{place}", 100) for place in here]
    assert D(one(policy, "total", told)) == 100 * sum(weights)


def test_where_no_child_applies_there_is_no_zero():
    policy = law({"id": "total"}, {"id": "a", "parent": "total", "roles": ["clerk"]}, rules={"r": "a"})
    found = values(policy, people=scored("wang"))
    assert outcomes(found, "a") == {"wang": "not-applicable role:quota_prosecutor"}
    assert outcomes(found, "total") == {"wang": "not-applicable children:total"}


def test_a_node_with_entries_of_its_own_counts_although_no_child_applies():
    policy = law(
        {"id": "total"}, {"id": "a", "parent": "total", "roles": ["clerk"]}, rules={"r": "a", "q": "total"}
    )
    assert one(policy, "total", people=scored("wang")) == "0"


def test_whoever_has_no_known_post_level_is_missing_where_it_matters():
    policy = law({"id": "total", "post_levels": ["chief"]})
    assert one(policy, "total", people=scored("wang", post_level="")) == "missing post-level-unknown"
    assert one(policy, "total", people=scored("wang")) == "not-applicable post-level:member"


# People against people.


def fuxian(**told):
    """Return domain.md d.4: 60 for the department's highest initial score, the others their part of it."""
    return law(
        {"id": "initial"},
        {
            "id": "work",
            "kind": "peers",
            "input": "initial",
            "full": D(60),
            "group": "dept",
            "against": "max",
            "places": 2,
            **told,
        },
        {"id": "common"},
        {"id": "review", "kind": "raters", "rating": "year", "weights": {"office": D(1)}},
        {
            "id": "total",
            "kind": "formula",
            "function": "add",
            "inputs": {"work": "work", "common": "common", "review": "review"},
        },
        groups=[DEPARTMENT],
        rules={"r": "initial", "q": "common"},
        formulas=load_formulas(
            "def add(*, work, common, review):\n    return [a + b + c for a, b, c in zip(work, common, review)]\n",
            "small/formulas.py",
        ),
    )


def test_the_best_of_the_department_gets_sixty_and_the_others_their_part():
    told = [
        earned("wang", "initial", "91.5"),
        earned("sun", "initial", "61"),
        earned("zhao", "initial", 30),
        earned("wang", "common", 28),
    ]
    people = [*scored("wang", "sun"), *scored("zhao", department_key="d2")]
    ratings = [each for who in ("wang", "sun", "zhao") for each in rated(who, "year", "office", 9)]
    found = values(fuxian(), told, people, ratings)
    assert outcomes(found, "work") == {"wang": "60", "sun": "40", "zhao": "60"}
    assert outcomes(found, "total") == {"wang": "97", "sun": "49", "zhao": "69"}
    assert found["sun", "work"].basis == (
        ("input", "61"),
        ("full", "60"),
        ("peers", "2"),
        ("max", "91.5"),
    )


@pytest.mark.parametrize(
    ("when_zero", "wanted"),
    [("not_applicable", "not-applicable zero:initial"), ("zero", "0"), ("full", "60")],
)
def test_a_zero_maximum_gives_what_is_declared(when_zero, wanted):
    """domain.md d.8: the item's full points if the best of all peers has nothing."""
    assert one(fuxian(when_zero=when_zero), "work", people=scored("wang")) == wanted


def test_the_worse_never_comes_out_as_the_better_of_two_below_zero():
    told = [earned("wang", "initial", -5), earned("sun", "initial", -10)]
    found = values(fuxian(when_zero="full"), told)
    assert set(outcomes(found, "work").values()) == {"not-applicable negative:initial"}


def test_whoever_has_no_value_is_nobodys_peer():
    """Sun's caseload does not apply to him: the mean is that of the two others, not of three."""
    policy = law(
        count("closed", roles=["quota_prosecutor"]),
        {
            "id": "part",
            "kind": "peers",
            "input": "closed",
            "full": D(1),
            "group": "office",
            "against": "mean",
        },
        groups=[OFFICE],
    )
    people = [*scored("wang", "zhao"), *scored("sun", role="clerk")]
    found = values(policy, [had("wang", "closed", 30), had("zhao", "closed", 10)], people)
    assert outcomes(found, "part") == {
        "wang": "1.5",
        "zhao": "0.5",
        "sun": "not-applicable role:clerk",
    }


def test_whose_group_is_unknown_has_no_peers():
    found = values(fuxian(), people=[*scored("wang", department_key=""), *scored("sun", department_key="")])
    assert set(outcomes(found, "work").values()) == {"missing group-unknown:dept"}


def test_an_even_number_of_peers_has_the_mean_of_the_middle_two_as_median():
    assert peers([7000, 1000, 2000, 4000]).median == 3
    assert peers([7000, 1000, 2000]).median == 2
    with pytest.raises(ValueError, match="compares nobody"):
        peers([])


@pytest.mark.parametrize(
    ("ties", "wanted"),
    [
        ("best", {"a": "10", "b": "7.5", "c": "7.5", "d": "2.5", "e": "0"}),
        ("middle", {"a": "10", "b": "6.25", "c": "6.25", "d": "2.5", "e": "0"}),
        ("worst", {"a": "10", "b": "5", "c": "5", "d": "2.5", "e": "0"}),
    ],
)
def test_equals_stand_above_each_other_as_declared(ties, wanted):
    policy = law(
        count("closed"),
        {
            "id": "part",
            "kind": "peers",
            "input": "closed",
            "full": D(10),
            "group": "office",
            "against": "percentile",
            "ties": ties,
        },
        groups=[OFFICE],
    )
    closed = {"a": 9, "b": 5, "c": 5, "d": 3, "e": 1}
    found = values(policy, [had(who, "closed", n) for who, n in closed.items()])
    assert outcomes(found, "part") == wanted


def test_a_group_of_one_is_its_own_maximum_and_has_nobody_to_stand_above():
    def alone(against, when_zero):
        policy = law(
            count("closed"),
            {
                "id": "part",
                "kind": "peers",
                "input": "closed",
                "full": D(10),
                "group": "office",
                "against": against,
                "when_zero": when_zero,
            },
            groups=[OFFICE],
        )
        return one(policy, "part", [had("wang", "closed", 3)])

    assert [alone(against, "zero") for against in ("max", "mean", "median")] == ["10", "10", "10"]
    assert alone("percentile", "not_applicable") == "not-applicable alone:office"
    assert [alone("percentile", when) for when in ("zero", "full")] == ["0", "10"]


VALUES = st.lists(st.integers(-3, 3), min_size=2, max_size=8)


@given(found=VALUES, ties=st.sampled_from(["best", "middle", "worst"]))
def test_the_part_stood_above_is_between_none_and_all_and_rises_with_the_value(found, ties):
    group = peers(found)
    parts = {value: part_below(group, value, ties) for value in found}
    assert all(0 <= part <= 1 for part in parts.values())
    ordered = [parts[value] for value in sorted(parts)]
    assert ordered == sorted(ordered)


@given(found=VALUES)
def test_in_the_middle_the_parts_of_a_group_add_up_to_half_of_it(found):
    group = peers(found)
    assert sum(part_below(group, value, "middle") for value in found) == Fraction(len(found), 2)
    for value in found:
        best, worst = part_below(group, value, "best"), part_below(group, value, "worst")
        assert (best + worst) / 2 == part_below(group, value, "middle")


# The least caseload of leaders: Jiangsu, domain.md d.2.


def jiangsu(**told):
    """A head of department owes half of its average, the chief 5 % of the office's, other leaders 30 %."""
    return law(
        count("closed"),
        {
            "id": "head",
            "kind": "caseload",
            "input": "closed",
            "full": D(70),
            "group": "dept",
            "post_levels": ["dept_head"],
            "ratios": {"dept_head": "caseload.dept_head"},
            **told,
        },
        {
            "id": "leader",
            "kind": "caseload",
            "input": "closed",
            "full": D(70),
            "group": "office",
            "ratios": {"chief": "caseload.chief", "deputy_chief": "caseload.other"},
        },
        groups=[DEPARTMENT, OFFICE],
        parameters={
            "caseload.dept_head": number("比例", D("0.5")),
            "caseload.chief": number("比例", D("0.05")),
            "caseload.other": number("比例", D("0.3")),
        },
    )


def jiangsu_office(**closed):
    people = [
        *scored("chief", post_level="chief", department_key="d0"),
        *scored("deputy", post_level="deputy_chief", department_key="d0"),
        *scored("head", post_level="dept_head"),
        *scored("wang", "sun"),
    ]
    usual = {"chief": 1, "deputy": 9, "head": 18, "wang": 60, "sun": 42} | closed
    return [had(who, "closed", n) for who, n in usual.items()], people


def test_a_head_who_has_half_of_his_departments_average_has_full_points():
    """Two ordinary prosecutors of the department closed 102: 25.5 are due of its head, who closed 18."""
    found = values(jiangsu(), *jiangsu_office())
    assert outcomes(found, "head")["head"] == "49.412"
    assert found["head", "head"].basis == (
        ("input", "18"),
        ("full", "70"),
        ("peers", "2"),
        ("mean", "51"),
        ("ratio:dept_head", "0.5"),
        ("due", "25.5"),
        ("unrounded", "840/17"),
    )
    found = values(jiangsu(), *jiangsu_office(head=26))
    assert outcomes(found, "head")["head"] == "70"


@pytest.mark.parametrize(
    ("mean_of", "wanted"),
    [
        ([], ("3", "40", "63")),
        (["dept_head", "member"], ("3", "40", "63")),
        (["dept_head"], ("1", "18", "70")),
        (["member"], ("2", "51", "49.412")),
    ],
)
def test_a_policy_says_whose_cases_make_the_average(mean_of, wanted):
    """The department closed 120 with three people, the head among them; blank is everybody."""
    value = values(jiangsu(mean_of=mean_of), *jiangsu_office())["head", "head"]
    assert (dict(value.basis)["peers"], dict(value.basis)["mean"], outcome(value)) == wanted


def test_a_leader_who_does_nothing_does_not_lower_what_is_due_of_him():
    dues = {
        dict(values(jiangsu(), *jiangsu_office(head=n))["head", "head"].basis)["due"] for n in (0, 18, 200)
    }
    assert dues == {"25.5"}


def test_an_average_of_people_of_whom_one_may_be_a_leader_is_not_known():
    told, people = jiangsu_office()
    unknown = scored("new", post_level="")
    found = values(jiangsu(), [*told, had("new", "closed", 30)], [*people, *unknown])
    assert outcomes(found, "head")["head"] == "missing peer-level-unknown:dept"
    everybody = values(jiangsu(mean_of=[]), [*told, had("new", "closed", 30)], [*people, *unknown])
    assert dict(everybody["head", "head"].basis)["mean"] == "37.5"


def test_of_a_head_without_prosecutors_nothing_is_due():
    told, people = [had("head", "closed", 3)], scored("head", post_level="dept_head")
    assert outcomes(values(jiangsu(), told, people), "head") == {"head": "not-applicable no-peers:dept"}
    assert outcomes(values(jiangsu(when_zero="full"), told, people), "head") == {"head": "70"}


def test_a_leader_is_held_against_the_average_of_the_office():
    """102 of two ordinary prosecutors: the average is 51, 2.55 are due of the chief and 15.3 of his deputy."""
    found = outcomes(values(jiangsu(), *jiangsu_office()), "leader")
    assert (found["chief"], found["deputy"]) == ("27.451", "41.176")
    assert found["wang"] == "not-applicable post-level:member"


def test_of_an_office_without_cases_nothing_is_due():
    told, people = jiangsu_office(chief=0, deputy=0, head=0, wang=0, sun=0)
    found = outcomes(values(jiangsu(when_zero="full"), told, people), "head")
    assert found["head"] == "70"
    assert outcomes(values(jiangsu(), told, people), "leader")["chief"] == "not-applicable zero:closed"


def test_whoever_has_no_known_post_level_owes_an_unknown_number_of_cases():
    found = values(jiangsu(), [had("wang", "closed", 1)], scored("wang", post_level=""))
    assert outcomes(found, "leader") == {"wang": "missing post-level-unknown"}


# Raters.


def review(**told):
    return law(
        {
            "id": "review",
            "kind": "raters",
            "rating": "year",
            "weights": {"superior": D("0.5"), "peer": D("0.3"), "self": D("0.2")},
            **told,
        }
    )


def test_raters_means_are_weighted_and_every_mean_is_told():
    ratings = [
        *rated("wang", "year", "superior", 90),
        *rated("wang", "year", "peer", 80, 85, "84.5"),
        *rated("wang", "year", "self", 100),
        *rated("wang", "year", "guest", 10, 20),
        *rated("wang", "other", "superior", 1),
    ]
    value = values(review(places=2), (), scored("wang"), ratings)["wang", "review"]
    assert outcome(value) == "89.95"
    assert dict(value.basis) == {
        "weight:superior": "0.5",
        "weight:peer": "0.3",
        "weight:self": "0.2",
        "mean:superior": "90",
        "raters:superior": "1",
        "mean:peer": "499/6",
        "raters:peer": "3",
        "mean:self": "100",
        "raters:self": "1",
        "unweighted:guest": "2",
    }


def test_a_kind_of_rater_who_gave_nothing_is_missing_or_gives_his_weight_to_the_others():
    ratings = [*rated("wang", "year", "superior", 90), *rated("wang", "year", "self", 100)]
    assert one(review(), "review", (), scored("wang"), ratings) == "missing ratings:peer"
    wanted = str(round((90 * 0.5 + 100 * 0.2) / 0.7, 3))
    assert one(review(on_missing="skip"), "review", (), scored("wang"), ratings) == wanted
    assert one(review(on_missing="skip"), "review", (), scored("wang")) == "missing ratings:superior"


# Formulas among indicators.


def with_formula(text, inputs, **told):
    return law(
        {"id": "a"},
        count("n", roles=["quota_prosecutor"]),
        {"id": "f", "kind": "formula", "function": "f", "inputs": inputs, **told},
        rules={"r": "a"},
        parameters={
            "weight.a": number("倍", D("1.5")),
            "weight.later": number("倍", (dt.date(2030, 1, 1), 1)),
        },
        formulas=load_formulas(text, "small/formulas.py"),
    )


TIMES = "def f(*, a, w):\n    return [x * y for x, y in zip(a, w)]\n"


def test_a_formula_reads_indicators_and_parameters_as_columns():
    value = values(with_formula(TIMES, {"a": "a", "w": "weight.a"}), [earned("wang", "a", 3)])["wang", "f"]
    assert (outcome(value), value.basis) == ("4.5", (("a", "3"), ("w", "1.5")))
    assert [each.name for each in value.reads] == ["weight.a"]


def test_a_parameter_without_a_value_is_missing_in_a_formula_too():
    policy = with_formula(TIMES, {"a": "a", "w": "weight.later"})
    assert one(policy, "f", [earned("wang", "a", 3)]) == "missing parameter:weight.later"


def test_people_to_whom_an_input_does_not_apply_are_none_in_the_column():
    text = "def f(*, n):\n    return [None if x is None else 2 * x for x in n]\n"
    people = [*scored("wang"), *scored("sun", role="clerk")]
    found = values(with_formula(text, {"n": "n"}), [had("wang", "n", 3)], people)
    assert outcomes(found, "f") == {"wang": "6", "sun": "not-applicable formula:f"}


def test_a_formula_that_gives_nothing_for_a_missing_input_is_missing_and_not_inapplicable():
    text = "def f(*, r):\n    return [None if x is None else x for x in r]\n"
    policy = law(
        {"id": "r", "kind": "raters", "rating": "year", "weights": {"office": D(1)}},
        {"id": "f", "kind": "formula", "function": "f", "inputs": {"r": "r"}, "on_missing": "skip"},
        formulas=load_formulas(text, "small/formulas.py"),
    )
    found = values(policy, people=scored("wang", "sun"), ratings=rated("wang", "year", "office", 3))
    assert outcomes(found, "f") == {"wang": "3", "sun": "missing ratings:office"}


def test_a_formula_does_not_see_people_to_whom_it_does_not_apply():
    text = "def f(*, a):\n    return [sum(a) for x in a]\n"
    people = [*scored("wang", "sun"), *scored("chief", post_level="chief")]
    told = [earned("wang", "a", 1), earned("sun", "a", 2), earned("chief", "a", 50)]
    policy = with_formula(text, {"a": "a"}, post_levels=["member"])
    assert outcomes(values(policy, told, people), "f") == {
        "wang": "3",
        "sun": "3",
        "chief": "not-applicable post-level:chief",
    }


def test_what_is_provisional_goes_through_a_formula():
    policy = with_formula(TIMES, {"a": "a", "w": "weight.a"})
    value = values(policy, [earned("wang", "a", 4, provisional=2)])["wang", "f"]
    assert (value.points, value.provisional) == (6000, 3000)


def test_a_formula_sees_each_sheet_by_itself_and_the_people_in_the_order_of_their_keys():
    text = "def f(*, a):\n    return [x * (place + 1) for place, x in enumerate(a)]\n"
    people = [*scored("wang", "sun"), *scored("sun", sheet="t", role="clerk")]
    told = [earned("wang", "a", 1), earned("sun", "a", 1), earned("sun", "a", 5, sheet="t")]
    found = indicator_values(with_formula(text, {"a": "a"}), YEAR, told, people[::-1], [])
    assert {(each.person_key, each.sheet): outcome(each) for each in found if each.indicator == "f"} == {
        ("sun", "s"): "1",
        ("wang", "s"): "2",
        ("sun", "t"): "5",
    }


# The graph.


def nodes(**parents):
    return [Indicator(id=name, label=name, parent=parent) for name, parent in parents.items()]


def test_an_indicator_comes_after_its_children_and_after_what_it_names():
    told = [
        Indicator(id="total", label="", parent=None),
        Indicator(id="rate", label="", parent="total", kind="ratio", numerator="a", denominator="b"),
        Indicator(id="b", label="", kind="count"),
        Indicator(id="a", label="", kind="count"),
        Indicator(id="f", label="", parent="total", kind="formula", inputs={"x": "a", "y": "some.parameter"}),
    ]
    order, circles = evaluation_order(told)
    assert (order, circles) == (["a", "b", "rate", "f", "total"], [])
    assert [dependencies(each) for each in told] == [(), ("a", "b"), (), (), ("a",)]


def test_a_circle_is_told_as_the_way_around_it_once():
    told = [
        *nodes(a="b", b="c", c="a", alone=None),
        Indicator(id="self", label="", kind="tiers", input="self"),
    ]
    assert evaluation_order(told)[1] == [("a", "c", "b"), ("self",)]
    with pytest.raises(ValueError, match="need each other"):
        values(law({"id": "a", "parent": "b"}, {"id": "b", "parent": "a"}), people=scored("wang"))


def test_a_deep_tree_meets_no_limit():
    deep = [Indicator(id="n0", label="")]
    deep += [Indicator(id=f"n{depth}", label="", parent=f"n{depth - 1}") for depth in range(1, 3000)]
    assert evaluation_order(deep)[0][0] == "n2999"


# Nothing depends on the order of what comes in.


@given(order=st.permutations(range(6)))
def test_people_and_tallies_may_come_in_any_order(order):
    people = [*scored("a", "b", "c"), *scored("d", "e", "f", department_key="d2")]
    told = [had(who.person_key, "closed", place * 3) for place, who in enumerate(people)]
    expected = values(own_over_average(), told, people)
    assert values(own_over_average(), [told[at] for at in order], [people[at] for at in order]) == expected


# Words.


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_reason_has_words(language):
    words = [
        "role", "post-level", "post-level-unknown", "group-unknown", "parameter", "ratings", "children",
        "weights", "zero", "negative", "alone", "tier", "formula", "band", "veto", "quota", "tie",
    ]  # fmt: skip
    with speaking(language):
        told = [reason_text(f"{word}:thing", str.upper) for word in words]
    assert len(set(told)) == len(words)
    assert [each for each in told if "{" in each] == []
    with speaking("en"):
        assert (
            reason_text("veto:a;quota:b", {"a": "A", "b": "B"}.__getitem__)
            == "barred by A; no room left in B"
        )
