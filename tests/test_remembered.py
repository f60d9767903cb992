"""What is remembered of the last time changes nothing: every indicator is what it is without."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jianheng.errors import StopError
from jianheng.scoring.indicators import kinds
from jianheng.scoring.indicators.indicators import indicator_values
from jianheng.scoring.indicators.remembered import Remembered, remembered
from jianheng.scoring.law.formulas import load_formulas
from small_law import YEAR, earned, had, law, number, rated, scored
from thoroughness import examples

D = Decimal
DEPARTMENT = {"id": "dept", "label": "本部门", "by": ["unit", "department"]}
FORMULA = """
def f(*, work, low, w):
    return [None if x is None else x * y if z is None else x - z for x, y, z in zip(work, w, low)]
"""


def everything():
    """Return a law with an indicator of every kind, each on others that are not always there."""
    return law(
        {"id": "total", "kind": "weighted", "weights": {"work": D("0.7"), "stars": "weight.stars"}}
        | {"on_missing": "skip", "on_not_applicable": "reweight"},
        {"id": "work", "parent": "total", "ceiling": D(60)},
        {"id": "own", "parent": "work"},
        {"id": "extra", "parent": "work", "post_levels": ["dept_head"]},
        {"id": "stars", "parent": "total", "kind": "raters", "rating": "year", "weights": {"peer": D(1)}},
        {"id": "count", "kind": "count", "unit": "件", "measures": ["closed"]},
        {
            "id": "ratio",
            "kind": "ratio",
            "unit": "%",
            "numerator": "own",
            "denominator": "count",
            "scale": D(3),
        },
        {"id": "low", "kind": "deduct", "base": D(20), "per": "count", "when_zero": "full"},
        {"id": "head", "kind": "per_head", "input": "count", "reference": "weight.stars"},
        {"id": "goal", "kind": "target", "input": "count", "target": D(3), "full": D(10), "beyond": D("0.5")},
        {"id": "best", "kind": "peers", "input": "work", "full": D(100), "against": "max", "group": "dept"}
        | {"when_zero": "zero"},
        {
            "id": "among",
            "kind": "peers",
            "input": "count",
            "full": D(9),
            "against": "percentile",
            "group": "dept",
        },
        {
            "id": "load",
            "kind": "caseload",
            "input": "count",
            "full": D(70),
            "group": "dept",
            "when_zero": "zero",
        }
        | {"ratios": {"dept_head": D("0.5")}, "mean_of": ["member"]},
        {"id": "steps", "kind": "tiers", "input": "ratio"}
        | {"tiers": [{"at_least": D(5), "points": D(4)}, {"less_than": D(5), "points": D(1)}]},
        {"id": "made", "kind": "formula", "function": "f", "on_missing": "skip"}
        | {"inputs": {"work": "work", "low": "low", "w": "weight.stars"}},
        rules={"r": "own", "q": "extra", "p": "low"},
        parameters={"weight.stars": number("权重", (dt.date(2024, 1, 1), D("0.3")))},
        formulas=load_formulas(FORMULA, "small/formulas.py"),
        groups=[DEPARTMENT],
    )


LAW = everything()
NAMES = ["wang", "sun", "zhao", "li"]
PEOPLE = st.lists(
    st.tuples(
        st.sampled_from(["d1", "d1", "d2", ""]),
        st.sampled_from(["member", "member", "dept_head", ""]),
    ),
    min_size=4,
    max_size=4,
)
WORK = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(["own", "own", "extra", "low", "closed", "rated"]),
        st.integers(-3, 9),
        st.booleans(),
    ),
    max_size=8,
)


def told(work):
    """Return tallies, no two of one person and kind, and ratings."""
    sums = {(name, kind): (amount, certain) for name, kind, amount, certain in work}
    tallies, ratings = [], []
    for (name, kind), (amount, certain) in sums.items():
        if kind == "closed":
            tallies.append(had(name, "closed", abs(amount)))
        elif kind == "rated":
            ratings += rated(name, "year", "peer", abs(amount))
        else:
            rule = {"own": "r", "extra": "q", "low": "p"}[kind]
            tallies.append(earned(name, kind, amount, provisional=0 if certain else amount, rule=rule))
    return tallies, ratings


def test_every_kind_of_indicator_is_in_the_law():
    assert {each.kind for each in LAW.file.indicators} == set(kinds.KINDS)


@settings(max_examples=examples(150))
@given(times=st.lists(st.tuples(PEOPLE, WORK, st.booleans()), min_size=2, max_size=5))
def test_values_are_those_of_the_first_time(times):
    """Whatever was worked out before, of the same people or of others, with other points, items and ratings."""
    last = Remembered()
    held = None
    for kinds_of_people, work, stay in times:
        held = held if stay and held is not None else kinds_of_people
        people = [
            one
            for name, (department, level) in zip(NAMES, held, strict=True)
            for one in scored(name, department_key=department, post_level=level)
        ]
        tallies, ratings = told(work)
        fresh = indicator_values(LAW, YEAR, tallies, people, ratings)
        assert indicator_values(LAW, YEAR, tallies, people, ratings, last) == fresh


def test_only_what_one_persons_points_reach_is_worked_out_again(monkeypatch):
    """His colleagues are worked out again only where they are held against him."""
    people = scored(*NAMES)
    before = [earned(name, "own", 10 * place) for place, name in enumerate(NAMES, 1)]
    last = Remembered()
    indicator_values(LAW, YEAR, before, people, [], last)
    asked = []
    for kind, make in kinds.KINDS.items():
        monkeypatch.setitem(
            kinds.KINDS,
            kind,
            lambda node, reader, make=make: (
                asked.append((node.id, reader.person.person_key)) or make(node, reader)
            ),
        )
    indicator_values(LAW, YEAR, before, people, [], last)
    assert asked == []
    after = [earned("wang", "own", 11), *before[1:]]
    values = indicator_values(LAW, YEAR, after, people, [], last)
    assert {name for node, name in asked if node != "best"} == {"wang"}
    assert {"own", "work", "total", "ratio"} <= {node for node, _ in asked}
    assert "stars" not in {node for node, _ in asked}
    monkeypatch.undo()
    assert values == indicator_values(LAW, YEAR, after, people, [])


def test_what_ended_in_an_error_is_forgotten(monkeypatch):
    """Half a world is no world to compare with."""
    policy = everything()
    policy.version = "v"
    with remembered("990101", policy, YEAR) as first:
        pass
    with pytest.raises(StopError), remembered("990101", policy, YEAR) as second:
        raise StopError("score-no-facts", office="990101")
    assert second is first
    with remembered("990101", policy, YEAR) as third:
        assert third is not first
    with remembered("990202", policy, YEAR) as other, remembered("990101", policy, YEAR) as again:
        assert (other is third, again is third) == (False, True)
