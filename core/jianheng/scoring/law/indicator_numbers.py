"""Whether the numbers of an indicator are fit on every day: units, zeros that something is divided by, tiers.

A literal has no unit; a parameter has one, and it must be that of the thing it is compared with or the node
gives. Weights, scales and reference quantities are no points, so their unit may be anything but 分.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from jianheng.errors import Problem, problem
from jianheng.scoring.law.exact import exact_text
from jianheng.scoring.law.pack import Bounds, Indicator, Number
from jianheng.scoring.law.parameters import Layer, amount, amounts
from jianheng.scoring.law.reading import unknown
from jianheng.scoring.law.tiers import BOUND_NAMES, Flaw, Span, flaws, span

POINT = "分"
WEIGHT, SCALE, SHARE, QUANTITY = "权重、系数、比例", "倍、系数、%", "比例", "人、件、次"
"""What a number without points is measured in, as messages suggest it."""


@dataclass(frozen=True, slots=True)
class Use:
    """One number of the policy where it is used.

    Attributes:
        key: the field.
        unit: the unit it must have; None where it may have any but that of points, empty where any.
        suggested: the unit to write, for messages.
        positive: whether something is divided or multiplied by it, so that zero has no meaning.
    """

    key: str
    number: Number
    unit: str | None
    suggested: str
    positive: bool = False


def check_numbers(
    node: Indicator,
    by_id: Mapping[str, Indicator],
    since: dt.date,
    layers: Sequence[Layer],
    parameters: Collection[str] | None,
    where: str,
) -> Iterator[Problem]:
    """Yield what is wrong with the numbers of an indicator.

    Args:
        node: the indicator.
        by_id: all indicators.
        since: the first day of the policy.
        layers: the parameters.
        parameters: every parameter that a file names, faulty ones too; None if nothing can be said.
        where: where it stands.
    """
    found: list[Problem] = []
    for use in _uses(node, by_id):
        at = f"{where} {use.key}"
        told = check_use(use, layers, parameters, at)
        found += told or _check_positive(node, use, layers, at)
    yield from found
    if found:
        return  # a number that is none has no place on a line
    if node.tiers:
        yield from check_spans(node.tiers, since, layers, f"{where} tiers")
    floor = Decimal(0) if node.floor is None and node.kind == "deduct" else node.floor
    for day in days_of([floor, node.ceiling], since, layers):
        found_on = spans_on([Bounds(at_least=floor, at_most=node.ceiling)], layers, day)
        if found_on and found_on[0].low >= found_on[0].high:
            yield problem("tiers-empty", where=f"{where} floor, ceiling", place=1, day=day)


def _uses(node: Indicator, by_id: Mapping[str, Indicator]) -> Iterator[Use]:
    given = by_id.get(node.input or "")
    plain: list[tuple[str, Number | None, str | None, str]] = [
        *((name, getattr(node, name), node.unit, node.unit) for name in ("floor", "ceiling", "full", "base")),
        ("beyond", node.beyond, "", ""),
        *((f"inputs.{name}", told, "", "") for name, told in node.inputs.items() if "." in told),
        *((f"weights.{name}", told, None, WEIGHT) for name, told in node.weights.items()),
        *((f"ratios.{name}", told, None, WEIGHT) for name, told in node.ratios.items()),
    ]
    for place, tier in enumerate(node.tiers, start=1):
        plain.append((f"tiers {place} points", tier.points, node.unit, node.unit))
        if given is not None:
            plain += [
                (f"tiers {place} {name}", getattr(tier, name), given.unit, given.unit) for name in BOUND_NAMES
            ]
    yield from (Use(key, number, unit, told) for key, number, unit, told in plain if number is not None)
    if node.target is not None and given is not None:
        yield Use("target", node.target, given.unit, given.unit, positive=True)
    if node.reference is not None:
        yield Use("reference", node.reference, None, QUANTITY, positive=True)
    if node.scale is not None:
        yield Use("scale", node.scale, None, SCALE, positive=True)


def check_use(
    use: Use, layers: Sequence[Layer], parameters: Collection[str] | None, where: str
) -> list[Problem]:
    """Return what is wrong with a parameter where it is used: unknown, codes, or another unit."""
    if isinstance(use.number, Decimal):
        return []
    declared = [layer.declarations[use.number][1] for layer in layers if use.number in layer.declarations]
    if not declared:
        known = parameters or ()
        if parameters is None or use.number in known:
            return []
        return [unknown(use.number, known, where, "parameter")]
    if any(isinstance(each.value, tuple) for one in declared for each in one.values):
        return [problem("policy-parameter-codes", where=where, parameter=use.number)]
    unit = declared[0].unit
    wrong = unit == POINT if use.unit is None else use.unit not in {unit, ""}
    if unit is None or not wrong:
        return []
    return [problem("policy-unit", where=where, parameter=use.number, unit=unit, wanted=use.suggested)]


def _check_positive(node: Indicator, use: Use, layers: Sequence[Layer], where: str) -> list[Problem]:
    """Nothing is divided by zero unless somebody has said what that gives."""
    if not use.positive or not _is_declared(use.number, layers):
        return []
    declared = "when_zero" in node.model_fields_set and use.key != "scale"
    for value, since, _ in amounts(layers, use.number):
        if value < 0 or (value == 0 and not declared):
            told = since or "—"
            return [problem("indicator-not-positive", where=where, value=exact_text(value), day=told)]
    return []


def _is_declared(number: Number, layers: Sequence[Layer]) -> bool:
    return isinstance(number, Decimal) or any(number in layer.declarations for layer in layers)


def days_of(numbers: Sequence[Number | None], since: dt.date, layers: Sequence[Layer]) -> list[dt.date]:
    """Return the days, from the policy's first on, on which any of some numbers has another value."""
    days = {since}
    for number in numbers:
        if number is not None and _is_declared(number, layers):
            days |= {day for _, day, _ in amounts(layers, number) if day is not None and day > since}
    return sorted(days)


def spans_on(bounds: Sequence[Bounds], layers: Sequence[Layer], day: dt.date) -> list[Span]:
    """Return the spans on a day; none where a parameter has no value then, or is not declared."""
    values: dict[Number, Fraction] = {}
    for number in (getattr(each, name) for each in bounds for name in BOUND_NAMES):
        if number is None:
            continue
        value = amount(layers, number, day).value if _is_declared(number, layers) else None
        if value is None:
            return []
        values[number] = Fraction(value)
    return [span(each, values.__getitem__) for each in bounds]


def check_spans(
    bounds: Sequence[Bounds], since: dt.date, layers: Sequence[Layer], where: str
) -> Iterator[Problem]:
    """Yield what keeps some spans from covering every number exactly once, each flaw on its first day."""
    for place, each in enumerate(bounds, start=1):
        for lower, upper in (("at_least", "more_than"), ("at_most", "less_than")):
            if getattr(each, lower) is not None and getattr(each, upper) is not None:
                yield problem("tiers-two-ends", where=where, place=place, one=lower, other=upper)
    numbers = [getattr(each, name) for each in bounds for name in BOUND_NAMES]
    told: set[tuple[str, int, int]] = set()
    for day in days_of(numbers, since, layers):
        for flaw in flaws(spans_on(bounds, layers, day)):
            if (flaw.kind, flaw.first, flaw.second) not in told:
                told.add((flaw.kind, flaw.first, flaw.second))
                yield _flaw(flaw, where, day)


def _flaw(flaw: Flaw, where: str, day: dt.date) -> Problem:
    first, second = flaw.first + 1, flaw.second + 1
    if flaw.kind == "empty":
        return problem("tiers-empty", where=where, place=first, day=day)
    if flaw.kind == "gap":
        return problem("tiers-gap", where=where, at=flaw.at, day=day)
    return problem("tiers-overlap", where=where, first=first, second=second, at=flaw.at, day=day)
