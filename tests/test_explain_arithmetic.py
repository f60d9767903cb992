"""The arithmetic of an explanation: worked out by hand from what stands there, it gives the number that was kept."""

import ast
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jianheng.scoring.explanation.arithmetic import whole_line, working
from jianheng.scoring.law.exact import rounded
from small_law import earned, had, law, number, rated, scored, values
from thoroughness import examples

GROUP = {"id": "office", "label": "本院", "by": ["unit"]}
PEOPLE = ("a", "b", "c")

SIGNS = {
    ast.Add: lambda one, other: one + other,
    ast.Sub: lambda one, other: one - other,
    ast.Mult: lambda one, other: one * other,
    ast.Div: lambda one, other: one / other,
}


def by_hand(line):
    """Work out a line of arithmetic as somebody with a pencil would."""

    def value(node):
        if isinstance(node, ast.BinOp):
            return SIGNS[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.UnaryOp):
            return -value(node.operand)
        if isinstance(node, ast.Call):
            return {"min": min, "max": max}[node.func.id](*map(value, node.args))
        return Fraction(ast.get_source_segment(text, node))

    text = line.replace("×", "*").replace("÷", "/")
    return value(ast.parse(text, mode="eval").body)


def check(policy, found):
    """Compare every value of everybody with its line; return how many there were."""
    nodes = {each.id: each for each in policy.file.indicators}
    lines = 0
    for (person, name), held in found.items():
        if held.points is None:
            continue
        node = nodes[name]
        children = [each for each in policy.file.indicators if each.parent == name]
        states = {each.id: found[person, each.id].state for each in children}
        basis = dict(held.basis)
        worked = working(node, basis, states)
        line, _, result = whole_line(worked).partition(" = ")
        assert by_hand(line) == worked.value
        assert not result or Fraction(result) == worked.value
        bound = next((basis[each] for each in ("floor", "ceiling") if each in basis), None)
        exact = worked.value if bound is None else Fraction(bound)
        assert rounded(exact, node.places) == held.points
        lines += 1
    return lines


def count(name, **told):
    return {"id": name, "kind": "count", "unit": "件", "measures": [name], **told}


KINDS = {
    "sum": [{"id": "n"}, {"id": "x", "parent": "n"}, {"id": "y", "parent": "n", "post_levels": ["chief"]}],
    "deduct": [{"id": "n", "kind": "deduct", "base": 10, "floor": -2, "ceiling": 12}, {"id": "x", "parent": "n"}],
    "deduct per": [
        {"id": "n", "kind": "deduct", "base": 10, "per": "m", "when_zero": "full"},
        {"id": "x", "parent": "n"},
        count("m"),
    ],
    "weighted": [
        {"id": "n", "kind": "weighted", "weights": {"x": 0.3, "y": "p.w"}, "on_not_applicable": "reweight"},
        {"id": "x", "parent": "n"},
        {"id": "y", "parent": "n", "roles": ["clerk"]},
    ],
    "weighted full": [
        {"id": "n", "kind": "weighted", "weights": {"x": 0.3, "y": 0.7}, "on_not_applicable": "full"},
        {"id": "x", "parent": "n"},
        {"id": "y", "parent": "n", "kind": "target", "input": "x", "target": 5, "full": 20, "roles": ["clerk"]},
    ],
    "ratio": [
        {"id": "n", "kind": "ratio", "numerator": "x", "denominator": "m", "scale": 7, "when_zero": "zero"},
        {"id": "x"},
        count("m"),
    ],
    "ratio full": [
        {"id": "n", "kind": "ratio", "numerator": "x", "denominator": "m", "full": 9, "when_zero": "full", "places": 1},
        {"id": "x"},
        count("m"),
    ],
    "tiers": [
        {"id": "n", "kind": "tiers", "input": "x", "tiers": [{"less_than": 1, "points": -2}, {"at_least": 1, "points": "p.w"}]},
        {"id": "x"},
    ],
    "target": [{"id": "n", "kind": "target", "input": "x", "target": 3, "full": 10, "beyond": "p.w"}, {"id": "x"}],
    "caseload": [
        {"id": "n", "kind": "caseload", "input": "m", "group": "office", "full": 30, "ratios": {"member": 0.7}, "when_zero": "full"},
        count("m"),
    ],
    "per_head": [{"id": "n", "kind": "per_head", "input": "m", "reference": "p.w", "scale": 3}, count("m")],
    "peers max": [{"id": "n", "kind": "peers", "against": "max", "input": "m", "group": "office", "full": 9, "when_zero": "zero"}, count("m")],
    "peers mean": [{"id": "n", "kind": "peers", "against": "mean", "input": "m", "group": "office", "full": 9, "ceiling": 15}, count("m")],
    "peers median": [{"id": "n", "kind": "peers", "against": "median", "input": "m", "group": "office", "full": 9, "when_zero": "full"}, count("m")],
    "percentile": [{"id": "n", "kind": "peers", "against": "percentile", "input": "x", "group": "office", "full": 9}, {"id": "x"}],
    "count": [{"id": "n", "kind": "count", "unit": "件", "measures": ["m", "o"], "counting": "shares"}],
    "raters": [{"id": "n", "kind": "raters", "rating": "r", "weights": {"boss": 0.6, "peer": "p.w"}, "on_missing": "skip"}],
}  # fmt: skip
POINTS = st.decimals(-20, 20, places=3)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=examples(40))
@given(
    points=st.lists(POINTS, min_size=3, max_size=3),
    own=st.lists(POINTS, min_size=3, max_size=3),
    items=st.lists(st.integers(0, 4), min_size=3, max_size=3),
    scores=st.lists(st.tuples(st.sampled_from(["boss", "peer", "other"]), st.integers(0, 100)), max_size=6),
)
def test_every_line_comes_to_what_was_kept(kind, points, own, items, scores):
    """Whatever the kind, also where there is nothing to divide by, a bound takes effect, or a part is left out."""
    policy = law(
        *KINDS[kind],
        parameters={"p.w": number("权重", Decimal("0.45"))},
        rules={"rx": "x"} | ({"rn": "n"} if kind in {"sum", "deduct"} else {}),
        groups=[GROUP],
    )
    tallies = [earned(who, "x", each, rule="rx") for who, each in zip(PEOPLE, points, strict=True)]
    if kind in {"sum", "deduct"}:
        tallies += [earned(who, "n", each, rule="rn") for who, each in zip(PEOPLE, own, strict=True)]
    tallies += [had(who, "m", each) for who, each in zip(PEOPLE, items, strict=True)]
    ratings = [one for who in PEOPLE for rater, score in scores for one in rated(who, "r", rater, score)]
    found = values(policy, tallies, scored(*PEOPLE), ratings)
    assert check(policy, found) or kind == "raters"  # without a rater who counts there is nothing


def test_a_person_alone_has_no_percentile_but_what_the_policy_gives():
    (nodes,) = [KINDS["percentile"]]
    policy = law({**nodes[0], "when_zero": "full"}, nodes[1], rules={"rx": "x"}, groups=[GROUP])
    found = values(policy, [earned("a", "x", 3, rule="rx")], scored("a"))
    assert found["a", "n"].points == 9000
    assert check(policy, found) == 2


def test_brackets_stand_where_they_are_needed_and_nowhere_else():
    policy = law(*KINDS["weighted"], parameters={"p.w": number("权重", Decimal("0.45"))}, rules={"rx": "x"})
    found = values(policy, [earned("a", "x", -4, rule="rx")], scored("a"))
    node = policy.file.indicators[0]
    states = {name: found["a", name].state for name in ("x", "y")}
    worked = working(node, dict(found["a", "n"].basis), states)
    assert whole_line(worked) == "(-4) × 0.3 × (0.3 + 0.45) ÷ 0.3 = -3"
