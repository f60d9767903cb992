"""Grades: the band of the total, what vetoes bar, what a quota has room for; each change with its reason."""

import datetime as dt
import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jianheng.scoring.indicators.grades import Bar, Rung, grade_group, places_for
from jianheng.scoring.law.pack import Band
from jianheng.scoring.law.points import half_up
from jianheng.scoring.law.tiers import span
from small_law import earned, had, law, number, placed, scored

D = Decimal
OFFICE = {"id": "office", "label": "本院", "by": ["unit"]}
BANDS = (
    {"id": "excellent", "label": "优秀", "at_least": 90, "share": "grade.excellent"},
    {"id": "good", "label": "称职", "at_least": 60, "less_than": 90},
    {"id": "fair", "label": "基本称职", "at_least": 40, "less_than": 60},
    {"id": "poor", "label": "不称职", "less_than": 40},
)
SHARE = number("比例", D("0.2"), (dt.date(2026, 1, 1), D("0.5")))


def graded(totals, *, parameters=None, people=(), counted=(), **told):
    """Return everybody's grade, and why, by total: ``{"wang": 95}``."""
    grades = {"bands": BANDS, "group": "office", **told}
    policy = law(
        {"id": "total"},
        rules={"r": "total"},
        groups=[OFFICE],
        grades=grades,
        parameters={"grade.excellent": SHARE} if parameters is None else parameters,
    )
    tallies = [*(earned(who, "total", total) for who, total in totals.items()), *counted]
    found = placed(policy, tallies, people or scored(*totals))
    return {each.person_key: (each.grade, each.grade_reason) for each in found}


def staff(best, others=0):
    """Return so many people with the best totals, each another, and others with 70."""
    return {f"a{place}": 100 - place for place in range(best)} | {f"b{place}": 70 for place in range(others)}


def test_a_band_holds_its_closed_end_and_not_its_open_one():
    totals = {"a": 90, "b": D("89.999"), "c": 60, "d": D("59.999"), "e": 40, "f": -3}
    assert graded(totals) == {
        "a": ("excellent", ""),
        "b": ("good", ""),
        "c": ("good", ""),
        "d": ("fair", ""),
        "e": ("fair", ""),
        "f": ("poor", ""),
    }


def test_twenty_percent_of_the_office_may_be_excellent_and_the_rest_of_them_are_good():
    found = graded(staff(3, others=7))
    assert [found[who] for who in ("a0", "a1", "a2", "b0")] == [
        ("excellent", ""),
        ("excellent", ""),
        ("good", "quota:excellent"),
        ("good", ""),
    ]


def test_a_quota_is_read_on_the_last_day_of_the_period_and_told():
    policy = law(
        {"id": "total"},
        groups=[OFFICE],
        grades={"bands": BANDS, "group": "office"},
        parameters={"grade.excellent": SHARE},
    )
    (found,) = placed(policy, people=scored("wang"))
    assert [(each.name, each.value) for each in found.reads] == [("grade.excellent", D("0.2"))]


@pytest.mark.parametrize(("rounding", "room"), [("down", 2), ("half_up", 3), ("up", 3)])
def test_a_fraction_of_a_place_goes_as_the_rounding_says(rounding, room):
    bands = ({**BANDS[0], "rounding": rounding}, *BANDS[1:])
    found = graded(staff(4, others=9), bands=bands)  # 20 % of 13 are 2.6
    assert sum(grade == "excellent" for grade, _ in found.values()) == room


@pytest.mark.parametrize(
    ("ties", "wanted"),
    [
        ("out", {"a": ("excellent", ""), "b": ("good", "tie:excellent"), "c": ("good", "tie:excellent")}),
        ("in", {"a": ("excellent", ""), "b": ("excellent", ""), "c": ("excellent", "")}),
    ],
)
def test_equals_at_the_edge_go_all_in_or_all_out(ties, wanted):
    totals = {"a": 99, "b": 95, "c": 95, "d": 92} | staff(0, others=6)
    found = graded(totals, ties=ties)
    assert {who: found[who] for who in "abc"} == wanted
    assert found["d"] == ("good", "quota:excellent")


def test_equals_whom_nobody_keeps_out_are_no_tie():
    totals = {"a": 95, "b": 95} | staff(0, others=8)
    assert graded(totals)["a"] == graded(totals)["b"] == ("excellent", "")


def test_a_quota_is_of_those_who_have_a_total():
    """Of ten people five have no known group: of the other five one may be excellent."""
    known = scored(*(f"a{place}" for place in range(5)))
    unknown = scored(*(f"x{place}" for place in range(5)), unit_code="")
    totals = staff(5) | {f"x{place}": 99 for place in range(5)}
    found = graded(totals, people=[*known, *unknown])
    assert [who for who, (grade, _) in found.items() if grade == "excellent"] == ["a0"]
    assert found["x0"] == ("", "group-unknown:office")


def test_a_quota_of_nobody_is_no_tie_among_those_it_keeps_out():
    none = {"grade.excellent": number("比例", 0)}
    assert graded({"a": 95, "b": 95}, parameters=none)["a"] == ("good", "quota:excellent")


def test_grades_by_bands_alone_need_no_group():
    bands = (
        {"id": "good", "label": "合格", "at_least": 60},
        {"id": "poor", "label": "不合格", "less_than": 60},
    )
    found = graded({"a": 70, "b": 50}, bands=bands, people=scored("a", "b", unit_code=""))
    assert found == {"a": ("good", ""), "b": ("poor", "")}


VETO = {"measure": "flaw", "at_most": "good", "label": "不合格案件"}


def test_one_item_is_enough_for_a_veto_and_its_place_goes_to_the_next():
    totals = staff(3, others=7)
    found = graded(totals, vetoes=[VETO], counted=[had("a0", "flaw", 1), had("a1", "flaw", 0)])
    assert [found[who] for who in ("a0", "a1", "a2")] == [
        ("good", "veto:flaw"),
        ("excellent", ""),
        ("excellent", ""),
    ]


def test_a_veto_changes_nothing_for_whoever_is_below_it_and_the_strictest_counts():
    strict = {"measure": "liability", "at_most": "poor", "label": "司法责任"}
    totals = {"a": 50, "b": 50}
    counted = [had("a", "flaw", 1), had("b", "flaw", 2), had("b", "liability", 1)]
    assert graded(totals, vetoes=[strict, VETO], counted=counted) == {
        "a": ("fair", ""),
        "b": ("poor", "veto:liability"),
    }


def test_a_veto_counts_whatever_sheet_it_was_counted_on():
    counted = [had("a0", "flaw", 1, sheet="")]
    assert graded(staff(1), vetoes=[VETO], counted=counted)["a0"] == ("good", "veto:flaw")


def test_without_a_value_of_a_parameter_nobody_is_graded():
    late = {"grade.excellent": number("比例", (dt.date(2026, 1, 1), D("0.2")))}
    assert graded({"a": 95}, parameters=late) == {"a": ("", "parameter:grade.excellent")}


QUOTAS = (
    {"id": "a", "label": "一等", "share": D("0.2")},
    {"id": "b", "label": "二等", "share": D("0.3")},
    {"id": "c", "label": "三等"},
)


def test_grades_may_go_by_quotas_alone():
    found = graded(staff(10), bands=QUOTAS)
    assert [found[f"a{place}"][0] for place in range(10)] == [*"aa", *"bbb", *"ccccc"]
    assert found["a2"] == ("b", "quota:a")
    assert found["a5"] == ("c", "quota:a;quota:b")


def test_who_has_no_total_has_no_grade():
    policy = law(
        {"id": "total", "roles": ["clerk"]},
        groups=[OFFICE],
        grades={"bands": QUOTAS, "group": "office"},
    )
    (found,) = placed(policy, people=scored("wang"))
    assert (found.grade, found.grade_reason, found.reason) == ("", "", "role:quota_prosecutor")


# For every group.


def rungs(*shares, rounding="down"):
    bands = [Band(id=f"g{place}", label="x") for place in range(len(shares) + 1)]
    cuts = [100 * (len(shares) - place) for place in range(len(shares))]
    found = []
    for place, band in enumerate(bands):
        bounds = {}
        if place < len(cuts):
            bounds["at_least"] = D(cuts[place])
        if place > 0:
            bounds["less_than"] = D(cuts[place - 1])
        share = Fraction(shares[place]) if place < len(shares) and shares[place] is not None else None
        whole = Band(id=band.id, label="x", **bounds)
        found.append(Rung(band.id, span(whole, Fraction), share, rounding))
    return found


SHARES = st.none() | st.fractions(0, 1, max_denominator=10)
TOTALS = st.lists(st.integers(-1, 4).map(lambda each: each * 50_000), max_size=12)


@given(
    shares=st.tuples(SHARES, SHARES),
    totals=TOTALS,
    rounding=st.sampled_from(["down", "half_up", "up"]),
    data=st.data(),
)
def test_no_grade_goes_to_more_than_its_quota_and_ties_out_never_part_equals(shares, totals, rounding, data):
    bars = [data.draw(st.none() | st.builds(Bar, st.integers(1, 2), st.just("veto:x"))) for _ in totals]
    ladder = rungs(*shares, rounding=rounding)
    order = {rung.id: place for place, rung in enumerate(ladder)}
    given_out = grade_group(ladder, totals, bars, "out")
    for place, share in enumerate(shares):
        if share is not None:
            room = places_for(share, len(totals), rounding)
            assert sum(each.id == ladder[place].id for each in given_out) <= room
    free = [
        (total, order[each.id])
        for total, bar, each in zip(totals, bars, given_out, strict=True)
        if bar is None
    ]
    for one, grade in free:
        for other, worse in free:
            assert one <= other or grade <= worse  # a better total, a grade at least as good
    for total, bar, each in zip(totals, bars, given_out, strict=True):
        natural = next(place for place, rung in enumerate(ladder) if rung.span.holds(Fraction(total, 1000)))
        assert order[each.id] >= max(natural, bar.best if bar else 0)
        assert (each.reason != "") == (order[each.id] != natural)


def test_the_last_rung_has_room_for_everyone():
    only = [Rung("all", span(Band(id="all", label="x"), Fraction), Fraction(0), "down")]
    assert [each.id for each in grade_group(only, [1, 2], [None, None], "out")] == ["all", "all"]


@given(share=st.fractions(0, 1, max_denominator=100), people=st.integers(0, 1000))
def test_places_of_a_quota_are_rounded_as_declared(share, people):
    exact = share * people
    assert places_for(share, people, "down") == math.floor(exact)
    assert places_for(share, people, "up") == math.ceil(exact)
    assert places_for(share, people, "half_up") == half_up(exact.numerator, exact.denominator)


@given(totals=TOTALS, share=st.fractions(0, 1, max_denominator=10))
def test_ties_in_never_leaves_out_an_equal_of_somebody_who_is_in(totals, share):
    found = grade_group(rungs(share, None), totals, [None] * len(totals), "in")
    assert len({(total, each.id) for total, each in zip(totals, found, strict=True)}) == len(set(totals))
