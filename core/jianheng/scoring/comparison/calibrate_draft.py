"""Proposed coefficients as a draft that ``whatif`` takes: which parameter of a policy each would go into."""

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import sqlglot
from sqlglot import exp

from jianheng.messages import text
from jianheng.scoring.comparison.calibrate import PLACES, Calibration, CaseType
from jianheng.scoring.kernel.engine import connection
from jianheng.scoring.law.compiled import CompiledFactor
from jianheng.scoring.law.exact import rounded
from jianheng.scoring.law.parameters import resolve
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.points import SCALE, shown
from jianheng.scoring.law.policy import Policy

GROUP = "case_weight"
"""The group of parameters that a policy without any of its own is offered."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A coefficient for one parameter, or for a new one where the policy has no factor by case type.

    Attributes:
        parameter: its name.
        label: what it is called.
        types: the case types it holds for.
        cases: of those types, as many as the coefficient was taken of.
        held: thousandths; what it is when the change would begin. None for a new parameter.
        value: thousandths; what is proposed.
        since: the day on which the change would begin.
        low, high: the bounds the law sets.
    """

    parameter: str
    label: str
    types: tuple[str, ...]
    cases: int
    held: int | None
    value: int
    since: dt.date
    low: Decimal | None = None
    high: Decimal | None = None

    @property
    def within(self) -> bool:
        """Whether the bounds that the law sets leave room for it."""
        value = Fraction(self.value, SCALE)
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    @property
    def changes(self) -> bool:
        """Whether it is to be written into a draft."""
        return self.within and self.value != self.held


def proposals(policy: Policy, period: Period, calibration: Calibration, by: str) -> tuple[Proposal, ...]:
    """Return where the proposed coefficients would go.

    Where the policy has one factor whose choices depend on the case type alone, each choice takes the mean
    of its types' coefficients, by their cases. Where it has none, a new parameter a type is proposed.
    """
    weighed = [each for each in calibration.types if each.weight is not None]
    levers = [
        lever
        for factor in policy.factors
        if (lever := _lever(factor, [each.id for each in weighed], by)) is not None
    ]
    if len(levers) != 1:
        return tuple(_new(each, period) for each in weighed)
    types: dict[str, list[CaseType]] = {}
    for each in weighed:
        if each.id in levers[0]:
            types.setdefault(levers[0][each.id], []).append(each)
    return tuple(_set(policy, period, name, of) for name, of in sorted(types.items()))


def _lever(factor: CompiledFactor, types: Sequence[str], by: str) -> dict[str, str] | None:
    """Return the parameter that a factor takes for each case type; None where the type alone does not decide it."""
    names: dict[str, str] = {}
    for each in factor.choices:
        if factor.over != "case" or each.declared or each.when_sql is None or not isinstance(each.value, str):
            return None
        tree = sqlglot.parse_one(each.when_sql, dialect="duckdb")
        if {column.name for column in tree.find_all(exp.Column)} != {by} or tree.find(exp.Select):
            return None
        for name in _holding(each.when_sql, types, by):
            if names.setdefault(name, each.value) != each.value and factor.take == "best":
                return None  # which of two parameters is taken depends on their values
    return names


def _holding(condition: str, types: Sequence[str], by: str) -> list[str]:
    with connection() as engine:
        listed = engine.execute(
            f"SELECT {by} FROM (SELECT unnest($types) AS {by}) t WHERE ({condition})",  # noqa: S608 checked
            {"types": list(types)},
        )
        return [str(row[0]) for row in listed.fetchall()]


def _set(policy: Policy, period: Period, name: str, types: Sequence[CaseType]) -> Proposal:
    spans = resolve(policy.layers, name)
    since = max(period.start, spans[-1].since)
    base = next(layer.declarations[name][1] for layer in policy.layers if name in layer.declarations)
    held = spans[-1].value
    return Proposal(
        name,
        spans[-1].label,
        tuple(each.id for each in types),
        sum(each.kept for each in types),
        int(held * SCALE) if isinstance(held, Decimal) else None,
        _pooled(types),
        since,
        base.minimum,
        base.maximum,
    )


def _pooled(types: Sequence[CaseType]) -> int:
    cases = sum(each.kept for each in types)
    total = sum((each.weight * each.kept for each in types if each.weight is not None), start=Fraction(0))
    return rounded(total / cases, PLACES)


def _new(case_type: CaseType, period: Period) -> Proposal:
    name = re.sub(r"[^a-z0-9]+", "_", case_type.id.lower())
    return Proposal(
        f"{GROUP}.t_{name}",
        case_type.id,
        (case_type.id,),
        case_type.kept,
        None,
        case_type.coefficient or 0,
        period.start,
    )


def draft_text(
    proposed: Iterable[Proposal], period: Period, names: Mapping[str, str], told: Iterable[str]
) -> str:
    """Return the draft's file; empty if nothing would change.

    Args:
        proposed: what it sets; what would change nothing or is out of bounds is left out.
        period: the window in which effort was observed.
        names: what case types are called.
        told: how it was worked out, for whoever reads the file.
    """
    sections = [_section(each, period, names) for each in proposed if each.changes]
    head = "".join(f"# {line}\n" for line in told)
    return "\n".join([head, *sections]) if sections else ""


def _section(proposal: Proposal, period: Period, names: Mapping[str, str]) -> str:
    types = "、".join(names.get(one, one) for one in proposal.types)
    cite = text("calibrate-cite", period=period.label, types=types, cases=proposal.cases)
    lines = [f"[{proposal.parameter}]"]
    if proposal.held is None:
        lines += [f"label = {_quoted(types)}", f"unit = {_quoted(text('calibrate-unit'))}"]
    else:
        lines.append(f"replaces = {shown(proposal.held)}")
    value = f"{{ from = {proposal.since}, value = {shown(proposal.value)}, cite = {_quoted(cite)} }}"
    return "\n".join([*lines, f"values = [{value}]"]) + "\n"


def _quoted(told: str) -> str:
    return json.dumps(told, ensure_ascii=False)  # what JSON escapes, TOML reads the same
