"""From sums to standings: trees add up, equal totals share a place, and nobody with a sheet is left out."""

from hypothesis import given
from hypothesis import strategies as st

from jianheng.scoring.pack import Indicator
from jianheng.scoring.standing import Standing, Sum, dense_places, indicator_values, standings

TREE = (
    Indicator(id="total", label="总分"),
    Indicator(id="work", label="办案", parent="total"),
    Indicator(id="papers", label="文书", parent="work"),
    Indicator(id="study", label="学习", parent="total"),
)


def total(person, points, *, sheet="s", indicator="work", provisional=0, withheld=0, entries=1):
    return Sum(person, sheet, indicator, points, provisional, withheld, entries)


def places(found):
    return [(each.person_key, each.points, each.place) for each in found]


def test_equal_totals_share_a_place_and_the_next_takes_the_next_number():
    assert dense_places({"a": 5, "b": 9, "c": 5, "d": 0, "e": -1}) == {"b": 1, "a": 2, "c": 2, "d": 3, "e": 4}


def test_the_best_come_first_and_equals_by_name():
    found = standings([total("b", 5), total("a", 5), total("c", 9)], [])
    assert places(found) == [("c", 9, 1), ("a", 5, 2), ("b", 5, 2)]


def test_who_has_no_entries_stands_at_zero():
    found = standings([total("a", -5)], [("a", "s"), ("b", "s")])
    assert found == [
        Standing("b", "s", 0, 0, 0, 0, 1, 2, 0),
        Standing("a", "s", -5, -5, 0, 0, 2, 2, 1),
    ]


def test_each_sheet_has_its_own_places():
    found = standings([total("a", 5), total("a", 1, sheet="t"), total("b", 9, sheet="t")], [])
    assert [(each.sheet, each.person_key, each.place, each.place_of) for each in found] == [
        ("s", "a", 1, 1),
        ("t", "b", 1, 2),
        ("t", "a", 2, 2),
    ]


def test_what_is_final_is_what_is_not_provisional():
    (found,) = standings(
        [total("a", 7, provisional=3, withheld=2), total("a", 1, indicator="papers", provisional=1)], []
    )
    assert (found.points, found.final, found.provisional, found.withheld, found.entries) == (8, 4, 4, 2, 2)


def test_an_indicator_is_its_entries_and_its_childrens():
    sums = [total("a", 7, provisional=2), total("a", 1, indicator="papers"), total("a", 4, indicator="study")]
    found = {each.indicator: each for each in indicator_values(sums, TREE, [])}
    assert {name: each.points for name, each in found.items()} == {
        "total": 12,
        "work": 8,
        "papers": 1,
        "study": 4,
    }
    assert (found["total"].provisional, found["total"].entries) == (2, 3)


def test_every_indicator_of_everybody_is_told_also_where_it_is_zero():
    found = indicator_values([], TREE, [("a", "s"), ("b", "t")])
    assert [(each.person_key, each.sheet, each.indicator, each.points) for each in found] == [
        (person, sheet, node.id, 0) for person, sheet in (("a", "s"), ("b", "t")) for node in TREE
    ]


SUMS = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.sampled_from("st"), st.sampled_from([node.id for node in TREE])),
    st.tuples(st.integers(-50, 50), st.integers(0, 9)),
).map(
    lambda found: [
        Sum(person, sheet, indicator, points, 0, withheld, 1)
        for (person, sheet, indicator), (points, withheld) in found.items()
    ]
)


@given(sums=SUMS)
def test_three_ways_lead_to_one_number(sums):
    subjects = [("d", "s")]
    roots = sum(each.points for each in indicator_values(sums, TREE, subjects) if each.indicator == "total")
    assert (
        roots == sum(each.points for each in standings(sums, subjects)) == sum(each.points for each in sums)
    )


@given(sums=SUMS)
def test_a_better_total_never_has_a_worse_place(sums):
    found = standings(sums, [("d", "s")])
    for one in found:
        for other in found:
            if one.sheet == other.sheet:
                assert (one.points > other.points) == (one.place < other.place)
    for sheet in {each.sheet for each in found}:
        taken = {each.place for each in found if each.sheet == sheet}
        assert taken == set(range(1, len(taken) + 1))
