"""One indicator of one person: its kind in words, what its number was made of, and the parameters read for it."""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from jianheng.errors import StopError
from jianheng.messages import text
from jianheng.scoring.explanation.arithmetic import divided, is_number, whole_line, working
from jianheng.scoring.explanation.words import (
    bounds_told,
    group_name,
    indicator_name,
    measure_name,
    number_told,
    outcome_words,
    post_level_name,
    rater_name,
    reason_words,
)
from jianheng.scoring.law.exact import exact_text, rounded, whole
from jianheng.scoring.law.pack import Indicator, Number
from jianheng.scoring.law.points import shown
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.law.tiers import span

_PLAIN = ("scale", "base", "target", "full", "beyond", "reference", "floor", "ceiling")
"""Fields that hold a number and whose value is kept under their name."""

_NAMED_INDICATORS = ("numerator", "denominator", "input", "per")

_LABELS = (
    "entries",
    *_NAMED_INDICATORS,
    *_PLAIN,
    "points",
    "at_least",
    "more_than",
    "at_most",
    "less_than",
    "mean",
    "max",
    "median",
    "above",
    "peers",
    "due",
    "unrounded",
)


def indicator_told(
    policy: Policy, node: Indicator, value: Mapping[str, Any], states: Mapping[str, str], day: dt.date
) -> dict[str, Any]:
    """Return everything about one indicator of one person but its rules and children.

    Args:
        policy: the law that was applied.
        node: the indicator.
        value: what was kept of it.
        states: the outcomes of its children, in the order of the file.
        day: the day on which its numbers were read: the last of the period.

    Raises:
        StopError: what it was made of does not come to the number that was kept.
    """
    basis = [(name, told) for name, told in json.loads(value["basis"])]
    told: dict[str, Any] = {
        "id": node.id,
        "label": node.label,
        "unit": node.unit,
        "kind": node.kind,
        "kind_label": text(f"explain-kind-{node.kind}"),
        "state": value["state"],
        "reason": value["reason"],
        "reason_text": outcome_words(policy, value["state"], value["reason"]),
        "points": None if value["points"] is None else shown(value["points"]),
        "provisional": shown(value["provisional"]),
        "entries": value["entries"],
        "assumed": node.assumed,
        "cite": node.cite,
        "calculation": "",
        "basis": [_part(policy, node, name, held, day) for name, held in basis],
    }
    if value["state"] == "scored":
        told["calculation"] = _calculation(node, value, dict(basis), states)
    if node.tiers:
        told["tiers"] = _tiers(policy, node, dict(basis).get("input", ""), day)
    if node.function is not None:
        told["formula"] = {"function": node.function, "text": policy.formulas[node.function].text}
    if node.group is not None:
        told["group"] = _group(policy, node, dict(basis))
    floor = Decimal(0) if node.floor is None and node.kind == "deduct" else node.floor
    limits = {
        name: number_told(policy, bound, day)
        for name, bound in (("floor", floor), ("ceiling", node.ceiling))
        if bound is not None
    }
    return told | {"limits": limits}


def _part(policy: Policy, node: Indicator, name: str, held: str, day: dt.date) -> dict[str, Any]:
    """Return one thing a value was made of: what it is called, and the indicator or parameter it is."""
    part: dict[str, Any] = {"name": name, "label": _label(policy, node, name)}
    if is_number(held):
        part["value"] = held
    else:
        part |= {"value": None, "reason": held, "reason_text": reason_words(policy, held)}
    indicator = _indicator_of(node, name)
    if indicator is not None:
        part |= {"indicator": indicator, "indicator_label": indicator_name(policy, indicator)}
    number = _number_of(policy, node, name)
    parameter = None if number is None else number_told(policy, number, day).get("parameter")
    return part | ({"parameter": parameter} if parameter else {})


def _label(policy: Policy, node: Indicator, name: str) -> str:
    """Return what a part is called: by its own name, or as the kind of indicator names it."""
    word, _, of = name.partition(":")
    if of:
        names = rater_name if node.kind == "raters" else _OF.get(word)
        named = of if names is None else names(policy, of)
        return named if word == "child" else text(f"explain-basis-of-{word}", name=named)
    if node.kind == "count" and name in node.measures:
        return measure_name(policy, name)
    if node.kind == "formula" and name in node.inputs:
        return indicator_name(policy, node.inputs[name])
    return text(f"explain-basis-{name}") if name in _LABELS else name


_OF: Mapping[str, Callable[[Policy, str], str]] = {
    "child": indicator_name,
    "full": indicator_name,
    "weight": indicator_name,
    "ratio": post_level_name,
}
"""By what names the thing is called that a part is of: an indicator, a post level."""


def _indicator_of(node: Indicator, name: str) -> str | None:
    """Return the indicator that a part is the value of."""
    if name.startswith("child:"):
        return name.removeprefix("child:")
    if node.kind == "formula" and name in node.inputs:
        return None if "." in node.inputs[name] else node.inputs[name]
    return getattr(node, name) if name in _NAMED_INDICATORS else None


def _number_of(policy: Policy, node: Indicator, name: str) -> Number | None:
    """Return the number of the policy that a part is, where it is one."""
    word, _, of = name.partition(":")
    if word == "weight":
        return node.weights.get(of)
    if word == "ratio":
        return node.ratios.get(of)
    if word == "full" and of:
        return next(each.full for each in policy.file.indicators if each.id == of)
    if node.kind == "formula" and name in node.inputs:
        return node.inputs[name] if "." in node.inputs[name] else None
    found: Number | None = getattr(node, name) if name in _PLAIN else None
    return found


def _calculation(
    node: Indicator, value: Mapping[str, Any], basis: Mapping[str, str], states: Mapping[str, str]
) -> str:
    """Return the arithmetic of a value, having checked that it comes to what was kept."""
    worked = working(node, basis, states)
    if worked is None:
        arguments = ", ".join(f"{name} = {basis[name]}" for name in node.inputs)
        return f"{node.function}({arguments}) = {basis.get('unrounded', shown(value['points']))}"
    line, exact = whole_line(worked), worked.value
    if node.kind == "tiers":
        line = f"{basis['input']} → {line}"
    for name in ("floor", "ceiling"):
        if name in basis:  # kept only where it took effect
            exact = Fraction(basis[name])
            line += f" → {text(f'explain-basis-{name}')} {exact_text(exact)}"
    points = rounded(exact, node.places)
    if points != value["points"]:
        told = {"worked": shown(points), "held": shown(value["points"]), "person": value["person_key"]}
        raise StopError("explain-not-equal", indicator=node.id, **told)
    if whole(points) != exact:
        line += f" ≈ {shown(points)}"
    return line if divided(node, basis) else text("explain-when-zero", points=shown(points))


def _tiers(policy: Policy, node: Indicator, value: str, day: dt.date) -> list[dict[str, Any]]:
    """Return the tiers on a day, and which of them holds the value."""
    found = []
    for tier in node.tiers:
        bounds = bounds_told(policy, tier, day)
        numbers = [end["value"] for end in bounds["ends"].values()]
        holds = is_number(value) and None not in numbers and _holds(tier, bounds, Fraction(value))
        found.append({**bounds, "points": number_told(policy, tier.points, day), "holds": holds})
    return found


def _holds(tier: Any, bounds: Mapping[str, Any], value: Fraction) -> bool:
    ends = {getattr(tier, name): Fraction(end["value"]) for name, end in bounds["ends"].items()}
    return span(tier, ends.__getitem__).holds(value)


def _group(policy: Policy, node: Indicator, basis: Mapping[str, str]) -> dict[str, Any]:
    """Return with whom a value was compared: the group, how many of it have a value, and the reference value."""
    group = next(each for each in policy.file.groups if each.id == node.group)
    against = "mean" if node.kind == "caseload" else (node.against or "max")
    kept = "above" if against == "percentile" else against
    return {
        "id": group.id,
        "label": group_name(policy, group.id),
        "by": [text(f"explain-by-{each}") for each in group.by],
        "size": int(basis["peers"]) if "peers" in basis else None,
        "against": against,
        "reference": basis.get(kept),
    }
