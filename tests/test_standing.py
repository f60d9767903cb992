"""Who stands where: equal totals share a place, groups rank by themselves, and no total is no place."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jianheng.scoring.indicators.standing import dense_places, total_indicators
from small_law import SHEET, earned, had, law, placed, rated, scored

D = Decimal
TREE = (
    {"id": "total"},
    {"id": "work", "parent": "total"},
    {"id": "papers", "parent": "work"},
    {"id": "study", "parent": "total"},
)
RULES = {"r1": "work", "r2": "papers", "r3": "study"}
SIMPLE = law(*TREE, rules=RULES)
CLERKS = {"id": "t", "label": "书记员", "role": "clerk"}


def places(found):
    return [(each.person_key, each.points, each.place) for each in found]


def test_equal_totals_share_a_place_and_the_next_takes_the_next_number():
    assert dense_places({1: 5, 2: 9, 3: 5, 4: 0, 5: -1}) == {2: 1, 1: 2, 3: 2, 4: 3, 5: 4}


def test_the_best_come_first_and_equals_by_key():
    found = placed(SIMPLE, [earned("b", "work", 5), earned("a", "study", 5), earned("c", "papers", 9)])
    assert places(found) == [("c", 9000, 1), ("a", 5000, 2), ("b", 5000, 2)]


def test_who_has_no_entries_stands_at_zero():
    found = placed(SIMPLE, [earned("a", "work", -5)], scored("a", "b"))
    assert [(each.person_key, each.points, each.place, each.place_of, each.entries) for each in found] == [
        ("b", 0, 1, 2, 0),
        ("a", -5000, 2, 2, 1),
    ]


def test_a_standing_tells_what_is_final_and_what_was_withheld():
    told = [
        earned("a", "work", 7, provisional=3, withheld=2, entries=4),
        earned("a", "study", 1),
        earned("a", "", 0, withheld=9, entries=9, rule="-"),  # what no rule speaks of
        had("a", "m", 9),
    ]
    (found,) = placed(SIMPLE, told)
    assert (found.points, found.final, found.provisional) == (8000, 5000, 3000)
    assert (found.withheld, found.entries) == (2000, 5)


def test_each_sheet_has_its_own_places():
    policy = law(*TREE, rules=RULES, sheets=[SHEET, CLERKS])
    people = [*scored("a"), *scored("a", "b", sheet="t", role="clerk")]
    told = [earned("a", "work", 5), earned("a", "work", 1, sheet="t"), earned("b", "work", 9, sheet="t")]
    found = placed(policy, told, people)
    assert [(each.sheet, each.person_key, each.place, each.place_of) for each in found] == [
        ("s", "a", 1, 1),
        ("t", "b", 1, 2),
        ("t", "a", 2, 2),
    ]


def test_a_sheets_total_is_what_it_names_or_the_first_root():
    policy = law(*TREE, {"id": "other"}, sheets=[SHEET, {**CLERKS, "total": "other"}])
    assert total_indicators(policy.file) == {"s": "total", "t": "other"}


RATED = law(
    {"id": "total"},
    {"id": "work", "parent": "total"},
    {"id": "review", "parent": "total", "kind": "raters", "rating": "year", "weights": {"office": D(1)}},
    rules={"r": "work"},
    groups=[{"id": "dept", "label": "部门", "by": ["department"], "rank": True}],
)


def test_who_has_no_total_has_no_place_and_is_shown_last_with_the_reason():
    told = [earned("a", "work", 9, withheld=1), earned("b", "work", 1), earned("c", "work", 2)]
    ratings = [*rated("b", "year", "office", 3), *rated("c", "year", "office", 3)]
    found = placed(RATED, told, ratings=ratings)
    assert [(each.person_key, each.points, each.place, each.place_of) for each in found] == [
        ("c", 5000, 1, 2),
        ("b", 4000, 2, 2),
        ("a", None, None, 2),
    ]
    missing = found[-1]
    assert (missing.state, missing.reason) == ("missing", "ratings:office")
    assert (missing.final, missing.provisional, missing.withheld, missing.places) == (None, 0, 1000, {})


def test_a_group_with_rank_has_places_of_its_own_beside_those_of_the_sheet():
    people = [*scored("a", "b"), *scored("c", department_key="d2"), *scored("d", department_key="")]
    ratings = [each for who in "abcd" for each in rated(who, "year", "office", 1)]
    told = [earned("a", "work", 9), earned("b", "work", 9), earned("c", "work", 1), earned("d", "work", 99)]
    found = {each.person_key: each for each in placed(RATED, told, people, ratings)}
    assert {who: each.place for who, each in found.items()} == {"a": 2, "b": 2, "c": 3, "d": 1}
    assert {who: each.places for who, each in found.items()} == {
        "a": {"dept": (1, 2)},
        "b": {"dept": (1, 2)},
        "c": {"dept": (1, 1)},
        "d": {},  # his department is not known
    }


TALLIES = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.sampled_from([node["id"] for node in TREE])),
    st.tuples(st.integers(-50, 50), st.integers(0, 9)),
).map(
    lambda found: [
        earned(who, name, points, withheld=withheld) for (who, name), (points, withheld) in found.items()
    ]
)


@given(told=TALLIES)
def test_totals_add_up_to_the_ledger(told):
    found = placed(SIMPLE, told, scored("a", "b", "c", "d"))
    assert sum(each.points for each in found) == sum(each.points for each in told)
    assert sum(each.withheld for each in found) == sum(each.withheld for each in told)


@given(told=TALLIES)
def test_a_better_total_never_has_a_worse_place(told):
    found = placed(SIMPLE, told, scored("a", "b", "c", "d"))
    for one in found:
        for other in found:
            assert (one.points > other.points) == (one.place < other.place)
    taken = {each.place for each in found}
    assert taken == set(range(1, len(taken) + 1))


@pytest.mark.parametrize("people", [[], scored("a")])
def test_an_empty_office_stands_nowhere(people):
    assert [each.place for each in placed(SIMPLE, [], people)] == [1] * len(people)
