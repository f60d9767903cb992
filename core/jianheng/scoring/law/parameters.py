"""Parameters: dated values of the law, in layers. An override names what it replaces.

The chain runs from the general to the special (nation, province, city, office). For a name and a
day the most special layer in force wins; a value may hand back (``inherit = true``). Before the
first day of a parameter there is no value, and a parameter declared with none at all never has one:
what reads it is missing, not zero.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from jianheng.errors import Problem, StopError, problem
from jianheng.scoring.law.pack import Number

_LONGEST = 40
"""Digits a number is written out with; one with more is refused elsewhere, and must first be told."""

Held = Decimal | tuple[str, ...]
"""What a parameter may hold: a number, or the list of codes that count."""


class DatedValue(BaseModel):
    """A value from a day on, and the text it comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: dt.date = Field(alias="from")
    value: Decimal | tuple[str, ...] | None = None
    inherit: bool = False
    cite: str


class Declaration(BaseModel):
    """What one layer says of one parameter.

    Attributes:
        label: what a reader sees; needed where it is declared first, as is the unit.
        minimum, maximum: the bounds of a number, for every layer below too.
        may_set: the levels that may set it.
        replaces: the inherited value this was written against.
        verified: the day on which somebody last compared it with its source.
        values: rising by day. None at all is allowed where it is declared first: nothing is known yet.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str | None = None
    unit: str | None = None
    minimum: Decimal | None = Field(default=None, alias="min")
    maximum: Decimal | None = Field(default=None, alias="max")
    may_set: tuple[str, ...] = ()
    assumed: bool = False
    replaces: Decimal | tuple[str, ...] | None = None
    verified: dt.date | None = None
    values: tuple[DatedValue, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """One jurisdiction's parameters: its level, its name, the file each came from.

    ``free``: a draft, which may set what ``may_set`` keeps from others.
    """

    level: str
    name: str
    declarations: Mapping[str, tuple[str, Declaration]]
    free: bool = False


@dataclass(frozen=True, slots=True)
class Resolved:
    """A value in force on a span of days ``[since, until)`` and where it comes from."""

    name: str
    label: str
    unit: str
    value: Held
    since: dt.date
    until: dt.date | None
    cite: str
    layer: str
    assumed: bool


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of the law on a day. ``value`` is None where its parameter has none; ``read`` is the parameter read."""

    value: Decimal | None
    read: Resolved | None


def amount(layers: Sequence[Layer], number: Number, day: dt.date) -> Amount:
    """Return a number on a day: itself, or what its parameter holds.

    Raises:
        StopError: no layer declares the parameter, or it holds codes.
    """
    if isinstance(number, Decimal):
        return Amount(number, None)
    held = value_on(layers, number, day)
    if held is None:
        return Amount(None, None)
    return Amount(_number(held), held)


def amounts(
    layers: Sequence[Layer], number: Number
) -> Iterator[tuple[Decimal, dt.date | None, dt.date | None]]:
    """Yield a number's values in force with their spans ``[since, until)``; None has no end.

    Raises:
        StopError: no layer declares the parameter, or it holds codes.
    """
    if isinstance(number, Decimal):
        yield number, None, None
        return
    for span in resolve(layers, number):
        yield _number(span), span.since, span.until


def _number(held: Resolved) -> Decimal:
    if isinstance(held.value, tuple):
        raise StopError("parameter-no-number", name=held.name)
    return held.value


def shown_value(value: Held) -> str:
    """Return a value as people write it: a plain decimal, or the codes separated by ``;``."""
    if isinstance(value, tuple):
        return ";".join(value)
    return f"{value:f}" if abs(value.adjusted()) < _LONGEST else str(value)


def check_layers(layers: Sequence[Layer], unread: frozenset[str] | None = frozenset()) -> list[Problem]:
    """Return everything wrong with a chain of layers.

    Args:
        layers: from the general to the special.
        unread: parameters that a file names but that could not be read; None where there is no telling which.
            Of an override of theirs nothing is said.
    """
    found: list[Problem] = []
    first: dict[str, Declaration] = {}
    for depth, layer in enumerate(layers):
        for name, (file, declared) in layer.declarations.items():
            where = f"{file} [{name}]"
            base = first.setdefault(name, declared)
            found += _check_values(where, declared)
            if base is declared:
                missing = declared.label is None and (unread is None or name in unread)
                found += [] if missing else _check_first(where, declared)
            else:
                found += _check_override(layers[:depth], layer, name, where, base, declared)
            found += _check_bounds(where, base, declared)
    return found


def _check_values(where: str, declared: Declaration) -> list[Problem]:
    found: list[Problem] = []
    days = [each.since for each in declared.values]
    if days != sorted(set(days)):
        found.append(problem("parameter-days", where=where))
    unclear = [each for each in declared.values if each.inherit == (each.value is not None)]
    found += [problem("parameter-value", where=where, day=each.since) for each in unclear]
    return found


def _check_first(where: str, declared: Declaration) -> list[Problem]:
    found: list[Problem] = []
    if declared.replaces is not None:
        found.append(problem("override-of-nothing", where=where, given=shown_value(declared.replaces)))
    elif declared.label is None or declared.unit is None:
        found.append(problem("parameter-undeclared", where=where))
    found += [
        problem("parameter-value", where=where, day=each.since)
        for each in declared.values
        if each.inherit and each.value is None
    ]
    return found


def _check_override(
    above: Sequence[Layer], layer: Layer, name: str, where: str, base: Declaration, declared: Declaration
) -> list[Problem]:
    if not declared.values:
        return [problem("policy-missing-key", where=where, key="values")]
    found: list[Problem] = []
    if layer.level not in base.may_set and not layer.free:
        found.append(
            problem(
                "parameter-may-not-set", where=where, level=layer.level, may="、".join(base.may_set) or "—"
            )
        )
    start = declared.values[0].since
    inherited = [span for span in resolve(above, name) if span.until is None or span.until > start]
    if not inherited:
        if declared.replaces is not None:
            found.append(problem("override-of-nothing", where=where, given=shown_value(declared.replaces)))
        return found
    if declared.replaces is None:
        held = shown_value(inherited[0].value)
        found.append(problem("parameter-replaces-nothing", where=where, inherited=held))
        return found
    found += [
        problem(
            "parameter-stale",
            where=where,
            replaces=shown_value(declared.replaces),
            inherited=shown_value(span.value),
            day=max(span.since, start),
        )
        for span in _changes(inherited)
        if span.value != declared.replaces
    ]
    return found


def _changes(spans: Sequence[Resolved]) -> Iterator[Resolved]:
    """Yield the spans at which the value differs from the span before: one fault a change, not one a span."""
    last: Held | None = None
    for span in spans:
        if span.value != last:
            yield span
        last = span.value


def _check_bounds(where: str, base: Declaration, declared: Declaration) -> list[Problem]:
    low, high = base.minimum, base.maximum
    kinds = {isinstance(each.value, tuple) for each in (*base.values, *declared.values) if not each.inherit}
    codes = [each for each in declared.values if isinstance(each.value, tuple)]
    if len(kinds) > 1 or (codes and (low is not None or high is not None)):
        return [problem("parameter-kind", where=where)]
    return [
        problem(
            "parameter-bounds",
            where=where,
            value=each.value,
            low="—" if low is None else low,
            high="—" if high is None else high,
        )
        for each in declared.values
        if isinstance(each.value, Decimal)
        and ((low is not None and each.value < low) or (high is not None and each.value > high))
    ]


def value_on(layers: Sequence[Layer], name: str, day: dt.date) -> Resolved | None:
    """Return the value in force on a day, or None where nobody set one."""
    for span in resolve(layers, name):
        if span.since <= day and (span.until is None or day < span.until):
            return span
    return None


def resolve(layers: Sequence[Layer], name: str) -> tuple[Resolved, ...]:
    """Return every span of days with the value in force, in order; nothing where nothing is known yet.

    Raises:
        StopError: no layer declares the parameter.
    """
    declared = [(layer, *layer.declarations[name]) for layer in layers if name in layer.declarations]
    if not declared:
        raise StopError("parameter-unknown", name=name)
    base = declared[0][2]
    days = sorted({each.since for _, _, one in declared for each in one.values})
    spans: list[Resolved] = []
    for position, day in enumerate(days):
        until = days[position + 1] if position + 1 < len(days) else None
        for layer, _, one in reversed(declared):
            held = [each for each in one.values if each.since <= day]
            if not held or held[-1].inherit or held[-1].value is None:
                continue
            spans.append(
                Resolved(
                    name,
                    base.label or name,
                    base.unit or "",
                    held[-1].value,
                    day,
                    until,
                    held[-1].cite,
                    layer.name,
                    one.assumed or base.assumed,
                )
            )
            break
    return tuple(spans)
