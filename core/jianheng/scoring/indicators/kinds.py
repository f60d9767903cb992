"""The kinds of indicators: what each makes of what it reads, exactly, before bounds and rounding.

What only adds up is already in 0.001 and comes as an int; what may need rounding comes as a Fraction of
points. A number to divide by that is zero gives what ``when_zero`` declares; one below zero makes the indicator not
applicable, for the worse would come out as the better.
"""

from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from math import lcm

from jianheng.scoring.indicators.outcome import Gap
from jianheng.scoring.indicators.peers import part_below
from jianheng.scoring.indicators.reader import NoValueError, Reader
from jianheng.scoring.law.exact import points_text, rounded, whole
from jianheng.scoring.law.pack import Indicator
from jianheng.scoring.law.points import SCALE
from jianheng.scoring.law.tiers import BOUND_NAMES, span

Kind = Callable[[Indicator, Reader], Fraction | int]


def _sum(node: Indicator, reader: Reader) -> int:
    own = reader.entries()
    return own + sum(_children(node, reader)[0].values()) if reader.children else own


def _deduct(node: Indicator, reader: Reader) -> Fraction:
    base = reader.number("base")
    taken = whole(reader.entries() + sum(_children(node, reader)[0].values()))
    if node.per is None:
        return base + taken
    count = reader.value("per")
    if count <= 0:
        return _undivided(node, reader, node.per, count, full="base")
    return base + taken / count


def _weighted(node: Indicator, reader: Reader) -> Fraction:
    weights = {each.id: reader.amount(f"weight:{each.id}", node.weights[each.id]) for each in reader.children}
    values, left_out = _children(node, reader)
    total = _weighed(values, weights)
    if left_out and node.on_not_applicable == "reweight":
        total *= _raised(weights, left_out)
    return total


def _weighed(values: Mapping[str, int], weights: Mapping[str, Fraction]) -> Fraction:
    """Return the weighted sum of 0.001 values, brought to its lowest terms once."""
    below = lcm(*(weights[name].denominator for name in values))
    above = sum(
        value * weights[name].numerator * (below // weights[name].denominator)
        for name, value in values.items()
    )
    return Fraction(above, below * SCALE)


def _children(node: Indicator, reader: Reader) -> tuple[dict[str, int], list[str]]:
    """Return the 0.001 values of the children that count, and those left out because they do not apply.

    Raises:
        NoValueError: one is missing, or there are children but none of them speaks of this person; that
            is no zero, unless the node has entries of its own.
    """
    values: dict[str, int] = {}
    left_out: list[str] = []
    missing: list[Gap] = []
    for child in reader.children:
        found = reader.outcome(f"child:{child.id}", child.id)
        if not isinstance(found, Gap):
            values[child.id] = found
        elif found.state == "missing":
            missing.append(found)
        elif node.on_not_applicable == "full" and child.full is not None:
            values[child.id] = rounded(reader.amount(f"full:{child.id}", child.full), child.places)
        else:
            left_out.append(child.id)
    if missing and (node.on_missing == "missing" or not (values or reader.earns)):
        raise NoValueError(missing[0])
    if reader.children and not values and not reader.earns:
        raise NoValueError(Gap("not-applicable", f"children:{node.id}"))
    return values, left_out


def _raised(weights: Mapping[str, Fraction], left_out: Collection[str]) -> Fraction:
    """Return by how much the other weights rise when those of some are given to them."""
    kept = sum((weight for name, weight in weights.items() if name not in left_out), Fraction(0))
    if kept == 0:
        raise NoValueError(Gap("not-applicable", "weights"))
    return sum(weights.values(), Fraction(0)) / kept


def _count(node: Indicator, reader: Reader) -> int:
    total = 0
    for measure in node.measures:
        counted = reader.counted(measure)
        size = {
            "items": counted.items * SCALE,
            "quantity": counted.quantity * SCALE,
            "shares": counted.shares,  # permille: 0.001 already
        }[node.counting]
        reader.note(measure, points_text(size))
        total += size
    return total


def _ratio(node: Indicator, reader: Reader) -> Fraction:
    numerator, denominator = reader.value("numerator"), reader.value("denominator")
    if denominator <= 0:
        return _undivided(node, reader, node.denominator, denominator)
    return numerator / denominator * _scale(node, reader)


def _per_head(node: Indicator, reader: Reader) -> Fraction:
    value, reference = reader.value("input"), reader.number("reference")
    if reference <= 0:
        return _undivided(node, reader, node.reference, reference)
    return value / reference * _scale(node, reader)


def _scale(node: Indicator, reader: Reader) -> Fraction:
    return Fraction(1) if node.scale is None else reader.number("scale")


def _undivided(
    node: Indicator, reader: Reader, by: str | None, amount: Fraction, full: str = "full"
) -> Fraction:
    """Return what there is instead of a number divided by ``amount``, which is zero or less."""
    if amount < 0:
        raise NoValueError(Gap("not-applicable", f"negative:{by}"))
    return _declared(node, reader, f"zero:{by}", full)


def _declared(node: Indicator, reader: Reader, reason: str, full: str = "full") -> Fraction:
    """Return what ``when_zero`` declares."""
    if node.when_zero == "zero":
        return Fraction(0)
    if node.when_zero == "full":
        return reader.number(full)
    raise NoValueError(Gap("not-applicable", reason))


def _tiers(node: Indicator, reader: Reader) -> Fraction:
    value = reader.value("input")
    for tier in node.tiers:
        if span(tier, reader.quietly).holds(value):
            for name in BOUND_NAMES:
                if getattr(tier, name) is not None:
                    reader.amount(name, getattr(tier, name))
            return reader.amount("points", tier.points)
    raise NoValueError(Gap("missing", f"tier:{node.id}"))


def _target(node: Indicator, reader: Reader) -> Fraction:
    value, target, full = reader.value("input"), reader.number("target"), reader.number("full")
    if target <= 0:
        return _undivided(node, reader, str(node.target), target)
    reached = full * min(value, target) / target
    return (
        reached
        if node.beyond is None
        else reached + max(value - target, Fraction(0)) * reader.number("beyond")
    )


def _caseload(node: Indicator, reader: Reader) -> Fraction:
    value, full = reader.value("input"), reader.number("full")
    level = reader.person.post_level
    if not level:
        raise NoValueError(Gap("missing", "post-level-unknown"))
    if level not in node.ratios:
        raise NoValueError(Gap("not-applicable", f"post-level:{level}"))
    group = reader.peers(node.mean_of)
    if group is None:
        return _declared(node, reader, f"no-peers:{node.group}")
    mean = group.mean
    reader.note("mean", mean)
    due = mean * reader.amount(f"ratio:{level}", node.ratios[level])
    reader.note("due", due)
    if due <= 0:
        return _undivided(node, reader, node.input, due)
    return full * min(value / due, Fraction(1))


def _peers(node: Indicator, reader: Reader) -> Fraction:
    value, full = reader.value("input"), reader.number("full")
    group = reader.peers()
    if group is None:
        raise ValueError(f"whoever has a value is his own peer: {node.id}")
    if node.against == "percentile":
        part = part_below(group, int(value * 1000), node.ties)
        if part is None:
            return _declared(node, reader, f"alone:{node.group}")
        reader.note("above", part)
        return full * part
    against = {"max": group.maximum, "mean": group.mean, "median": group.median}[node.against or "max"]
    reader.note(node.against or "max", against)
    if against <= 0:
        return _undivided(node, reader, node.input, against)
    return _times(full, value, against)


def _times(full: Fraction, part: Fraction, of: Fraction) -> Fraction:
    """Return ``full * part / of``, brought to its lowest terms once."""
    below = full.denominator * part.denominator * of.numerator
    return Fraction(full.numerator * part.numerator * of.denominator, below)


def _raters(node: Indicator, reader: Reader) -> Fraction:
    given = reader.ratings()
    weights = {kind: reader.amount(f"weight:{kind}", number) for kind, number in node.weights.items()}
    means = {
        kind: sum(map(Fraction, given[kind]), Fraction(0)) / len(given[kind])
        for kind in weights
        if given.get(kind)
    }
    for kind, mean in means.items():
        reader.note(f"mean:{kind}", mean)
        reader.note(f"raters:{kind}", len(given[kind]))
    for kind in sorted(set(given) - set(weights)):
        reader.note(f"unweighted:{kind}", len(given[kind]))
    absent = [kind for kind in weights if kind not in means]
    if absent and (node.on_missing == "missing" or not means):
        raise NoValueError(Gap("missing", f"ratings:{absent[0]}"))
    total = sum((mean * weights[kind] for kind, mean in means.items()), Fraction(0))
    return total * _raised(weights, absent) if absent else total


def _formula(node: Indicator, reader: Reader) -> Fraction:
    missing: list[Gap] = []
    for name, told in node.inputs.items():
        if "." in told:
            reader.amount(name, told)
        else:
            found = reader.outcome(name, told)
            missing += [found] if isinstance(found, Gap) and found.state == "missing" else []
    if missing and node.on_missing == "missing":
        raise NoValueError(missing[0])
    value = reader.formula()
    if value is None:
        raise NoValueError(missing[0] if missing else Gap("not-applicable", f"formula:{node.function}"))
    return value


KINDS: Mapping[str, Kind] = {
    "sum": _sum,
    "count": _count,
    "ratio": _ratio,
    "tiers": _tiers,
    "deduct": _deduct,
    "weighted": _weighted,
    "target": _target,
    "caseload": _caseload,
    "per_head": _per_head,
    "peers": _peers,
    "raters": _raters,
    "formula": _formula,
}
"""Every kind of indicator."""
