"""Parameters: dated values of the law, in layers. An override names what it replaces.

The chain runs from the general to the special (nation, province, city, office). For a name and a
day the most special layer in force wins; a value may hand back (``inherit = true``). Before the
first day of a parameter there is no value, and asking is an error.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from jianheng.errors import Problem, StopError, problem


class DatedValue(BaseModel):
    """A value from a day on, and the text it comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: dt.date = Field(alias="from")
    value: Decimal | None = None
    inherit: bool = False
    cite: str


class Declaration(BaseModel):
    """What one layer says of one parameter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str | None = None
    unit: str | None = None
    minimum: Decimal | None = Field(default=None, alias="min")
    maximum: Decimal | None = Field(default=None, alias="max")
    may_set: tuple[str, ...] = ()
    assumed: bool = False
    replaces: Decimal | None = None
    verified: dt.date | None = None
    values: tuple[DatedValue, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Layer:
    """One jurisdiction's parameters: its level, its name, the file each came from."""

    level: str
    name: str
    declarations: Mapping[str, tuple[str, Declaration]]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A value in force on a span of days ``[since, until)`` and where it comes from."""

    name: str
    label: str
    unit: str
    value: Decimal
    since: dt.date
    until: dt.date | None
    cite: str
    layer: str
    assumed: bool


def check_layers(layers: Sequence[Layer]) -> list[Problem]:
    """Return everything wrong with a chain of layers."""
    found: list[Problem] = []
    first: dict[str, Declaration] = {}
    for depth, layer in enumerate(layers):
        for name, (file, declared) in layer.declarations.items():
            where = f"{file} [{name}]"
            days = [each.since for each in declared.values]
            if days != sorted(set(days)):
                found.append(problem("parameter-days", where=where))
            unclear = [each for each in declared.values if each.inherit == (each.value is not None)]
            found += [problem("parameter-value", where=where, day=each.since) for each in unclear]
            base = first.get(name)
            if base is None:
                first[name] = declared
                if declared.label is None or declared.unit is None:
                    found.append(problem("parameter-undeclared", where=where))
                if any(each.inherit for each in declared.values):
                    found.append(problem("parameter-value", where=where, day=declared.values[0].since))
            else:
                found += _check_override(layers[:depth], layer, name, where, base, declared)
            found += _check_bounds(where, base or declared, declared)
    return found


def _check_override(
    above: Sequence[Layer], layer: Layer, name: str, where: str, base: Declaration, declared: Declaration
) -> list[Problem]:
    found: list[Problem] = []
    if layer.level not in base.may_set:
        found.append(
            problem("parameter-may-not-set", where=where, level=layer.level, may="、".join(base.may_set))
        )
    if declared.replaces is None:
        found.append(problem("parameter-replaces-nothing", where=where))
        return found
    start = declared.values[0].since
    changes = {start} | {span.since for span in resolve(above, name) if span.since > start}
    for day in sorted(changes):
        inherited = value_on(above, name, day)
        if inherited is not None and inherited.value != declared.replaces:
            found.append(
                problem(
                    "parameter-stale",
                    where=where,
                    replaces=declared.replaces,
                    inherited=inherited.value,
                    day=day,
                )
            )
    return found


def _check_bounds(where: str, base: Declaration, declared: Declaration) -> list[Problem]:
    low, high = base.minimum, base.maximum
    return [
        problem("parameter-bounds", where=where, value=each.value, low=low, high=high)
        for each in declared.values
        if each.value is not None
        and ((low is not None and each.value < low) or (high is not None and each.value > high))
    ]


def value_on(layers: Sequence[Layer], name: str, day: dt.date) -> Resolved | None:
    """Return the value in force on a day, or None where nobody set one."""
    for span in resolve(layers, name):
        if span.since <= day and (span.until is None or day < span.until):
            return span
    return None


def resolve(layers: Sequence[Layer], name: str) -> tuple[Resolved, ...]:
    """Return every span of days with the value in force, in order.

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
