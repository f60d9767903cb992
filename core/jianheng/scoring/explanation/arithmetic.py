"""How an indicator's number comes out of what it was made of, as a line of arithmetic anybody can check.

What is kept of a value is exact, so the line is worked out again from it and must give the number that was
kept. The signs are ``+ - × ÷ min max ( )``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from jianheng.scoring.law.exact import exact_text
from jianheng.scoring.law.pack import Indicator

_ATOM, _PRODUCT, _SUM = range(3)


@dataclass(frozen=True, slots=True)
class Worked:
    """A number and how it was worked out. ``loose``: how loosely the text holds together, which says where brackets go."""

    text: str
    value: Fraction
    loose: int = _ATOM

    def within(self, tight: int) -> str:
        """Return the text, in brackets where it holds together less than what is around it."""
        return f"({self.text})" if self.loose > tight else self.text


Held = Mapping[str, Worked]
"""What a value was made of, by the names it was kept by."""

NOTHING = Worked("0", Fraction(0))


def number(told: str) -> Worked:
    """Return a number as it was kept: an exact decimal, or ``a/b``."""
    plain = "/" not in told and not told.startswith("-")
    return Worked(told if plain else f"({told.replace('/', ' ÷ ')})", Fraction(told))


def plus(parts: Iterable[Worked]) -> Worked:
    """Return a sum."""
    terms = list(parts)
    if len(terms) <= 1:
        return terms[0] if terms else NOTHING
    total = sum((each.value for each in terms), Fraction(0))
    return Worked(" + ".join(each.within(_PRODUCT) for each in terms), total, _SUM)


def times(one: Worked, other: Worked) -> Worked:
    """Return a product."""
    return Worked(f"{one.within(_PRODUCT)} × {other.within(_PRODUCT)}", one.value * other.value, _PRODUCT)


def over(one: Worked, other: Worked) -> Worked:
    """Return a quotient."""
    return Worked(f"{one.within(_PRODUCT)} ÷ {other.within(_ATOM)}", one.value / other.value, _PRODUCT)


def least(one: Worked, other: Worked) -> Worked:
    """Return the smaller of two numbers."""
    return Worked(f"min({one.text}, {other.text})", min(one.value, other.value))


def beyond(one: Worked, other: Worked) -> Worked:
    """Return by how much a number is above another, or nothing."""
    more = max(one.value - other.value, Fraction(0))
    return Worked(f"max({one.within(_PRODUCT)} - {other.within(_PRODUCT)}, 0)", more)


def working(node: Indicator, basis: Mapping[str, str], states: Mapping[str, str]) -> Worked | None:
    """Return how an indicator's value came about, before bounds and rounding; None where a formula gave it.

    Args:
        node: an indicator that has a value.
        basis: what it was made of, as it was kept.
        states: the outcome of each of its children.
    """
    held = {name: number(told) for name, told in basis.items() if is_number(told)}
    if not divided(node, basis):
        return NOTHING if node.when_zero == "zero" else held["base" if node.kind == "deduct" else "full"]
    if node.kind == "formula":
        return None
    if node.kind in _FROM_CHILDREN:
        return _from_children(node, held, states)
    return _KINDS[node.kind](node, held)


def is_number(told: str) -> bool:
    """Say whether something kept is a number, rather than why there is none."""
    return told.lstrip("-")[:1].isdigit() and not set(told) - set("-0123456789./")


def divided(node: Indicator, basis: Mapping[str, str]) -> bool:
    """Say whether a kind that divides had something to divide by; True of kinds that never do."""
    name = _divisor(node)
    return name is None or (name in basis and (name == "above" or Fraction(basis[name]) > 0))


def _divisor(node: Indicator) -> str | None:
    """Return by what name that is kept which an indicator divides by."""
    if node.kind == "deduct":
        return "per" if node.per is not None else None
    if node.kind == "peers":
        return "above" if node.against == "percentile" else node.against
    return {"ratio": "denominator", "per_head": "reference", "target": "target", "caseload": "due"}.get(
        node.kind
    )


def _scaled(value: Worked, held: Held) -> Worked:
    return times(value, held["scale"]) if "scale" in held else value


def _count(node: Indicator, held: Held) -> Worked:
    return plus(held[measure] for measure in node.measures)


def _ratio(_node: Indicator, held: Held) -> Worked:
    return _scaled(over(held["numerator"], held["denominator"]), held)


def _per_head(_node: Indicator, held: Held) -> Worked:
    return _scaled(over(held["input"], held["reference"]), held)


def _tiers(_node: Indicator, held: Held) -> Worked:
    return held["points"]


def _caseload(_node: Indicator, held: Held) -> Worked:
    return times(held["full"], least(over(held["input"], held["due"]), number("1")))


def _target(_node: Indicator, held: Held) -> Worked:
    reached = over(times(held["full"], least(held["input"], held["target"])), held["target"])
    if "beyond" not in held:
        return reached
    return plus([reached, times(beyond(held["input"], held["target"]), held["beyond"])])


def _peers(node: Indicator, held: Held) -> Worked:
    if node.against == "percentile":
        return times(held["full"], held["above"])
    return over(times(held["full"], held["input"]), held[node.against or "max"])


def _from_children(node: Indicator, held: Held, states: Mapping[str, str]) -> Worked:
    values = {child: found for child in states if (found := _child(child, held)) is not None}
    if node.kind == "weighted":
        total = plus(times(value, held[f"weight:{child}"]) for child, value in values.items())
        left_out = [child for child in states if child not in values and states[child] == "not-applicable"]
        if not left_out or node.on_not_applicable != "reweight":
            return total
        return _raised(total, {child: held[f"weight:{child}"] for child in states}, left_out)
    own = [held["entries"]] if "entries" in held else []
    if node.kind == "sum":
        return plus([*own, *values.values()])
    taken = plus([*own, *values.values()])
    if "per" in held:
        return plus([held["base"], over(taken, held["per"])])
    return plus([held["base"], *own, *values.values()])


def _child(child: str, held: Held) -> Worked | None:
    return held.get(f"child:{child}") or held.get(f"full:{child}")


def _raters(node: Indicator, held: Held) -> Worked:
    weights = {kind: held[f"weight:{kind}"] for kind in node.weights}
    given = [kind for kind in weights if f"mean:{kind}" in held]
    total = plus(times(held[f"mean:{kind}"], weights[kind]) for kind in given)
    absent = [kind for kind in weights if kind not in given]
    return _raised(total, weights, absent) if absent else total


def _raised(total: Worked, weights: Mapping[str, Worked], left_out: Iterable[str]) -> Worked:
    gone = set(left_out)
    kept = plus(weight for name, weight in weights.items() if name not in gone)
    return over(times(total, plus(weights.values())), kept)


_FROM_CHILDREN = ("sum", "deduct", "weighted")
_KINDS: Mapping[str, Callable[[Indicator, Held], Worked]] = {
    "count": _count,
    "ratio": _ratio,
    "tiers": _tiers,
    "target": _target,
    "caseload": _caseload,
    "per_head": _per_head,
    "peers": _peers,
    "raters": _raters,
}


def whole_line(worked: Worked) -> str:
    """Return the arithmetic with what it comes to; the number alone where nothing was done to it."""
    result = exact_text(worked.value)
    return result if worked.text in {result, f"({result})"} else f"{worked.text} = {result}"
