"""One policy over past periods, on the facts as they are known now, against what was in force. Nothing is kept."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from jianheng.errors import StopError
from jianheng.messages import text
from jianheng.scoring.comparison.compare import compare, side, totals_of
from jianheng.scoring.comparison.comparison import Comparison, SheetComparison, Side, Totals
from jianheng.scoring.comparison.distribution import Distribution, distribution
from jianheng.scoring.law.period import Period, period
from jianheng.scoring.law.policy import Policy, varied
from jianheng.scoring.records.closed_periods import find_closed, law_of
from jianheng.scoring.records.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class SheetLine:
    """The sheet of one role in one period.

    Attributes:
        grades: how many people have which grade, best first; empty where the policy gives none.
        against: how it differs from what the policy in force then gives; None where there is no other.
    """

    role: str
    label: str
    spread: Distribution | None
    grades: tuple[tuple[str, int], ...]
    against: SheetComparison | None


@dataclass(frozen=True, slots=True)
class PeriodLine:
    """One period.

    Attributes:
        as_if: it begins before the policy's first day, and is worked out as if it had been in force.
        in_force: what the policy in force then is called; empty where none is known.
        same: the policy tried is the one in force.
    """

    period: Period
    as_if: bool
    in_force: str
    same: bool
    totals: Totals
    sheets: tuple[SheetLine, ...]


Law = tuple[str, Policy]
"""What a policy is called, and the policy."""


def laws_then(connection: sa.Connection, office: str, now: Law, names: Sequence[str]) -> dict[str, Law]:
    """Return the law that was in force in each period, as far as known.

    A period that was closed has the law it was closed by; any other the law in force now, from its first
    day on. Before that day nobody knows.

    Raises:
        StopError: the law by which a period was closed is lost.
    """
    label, policy = now
    found: dict[str, Law] = {}
    for name in names:
        closed = find_closed(connection, office, policy.id, name)
        if closed is not None:
            found[name] = (text("backtest-closed-by", label=label), law_of(connection, closed))
        elif period(name, policy.file.calendar).start >= policy.file.since:
            found[name] = now
    return found


def check_periods(policy: Policy, periods: Sequence[Period]) -> None:
    """Refuse periods that begin before the policy's first day, all of them by name.

    Raises:
        StopError: there are such periods.
    """
    early = [each.id for each in periods if each.start < policy.file.since]
    if early:
        raise StopError(
            "backtest-not-in-force", policy=policy.id, since=policy.file.since, periods="、".join(early)
        )


def backtest(
    snapshot: Snapshot,
    label: str,
    policy: Policy,
    names: Sequence[str],
    in_force: Mapping[str, Law],
    *,
    as_if: bool = False,
) -> list[PeriodLine]:
    """Return what a policy gives in each of some periods, the earliest first.

    Args:
        snapshot: the facts as they are known now.
        label: what the policy is called.
        policy: the policy tried.
        names: the periods; each policy has its own calendar.
        in_force: the law that was in force in each period (:func:`laws_then`), as far as known.
        as_if: work out periods before the policy's first day as if it had been in force.

    Raises:
        StopError: a period begins before the policy's first day and ``as_if`` is not set, or nobody is
            scored in any of them.
    """
    periods = sorted((period(name, policy.file.calendar) for name in names), key=lambda each: each.start)
    if not as_if:
        check_periods(policy, periods)
    earlier = (
        varied(policy, since=periods[0].start) if periods and periods[0].start < policy.file.since else policy
    )
    lines = []
    for each in periods:
        early = each.start < policy.file.since
        own = side(snapshot, earlier if early else policy, each, label, as_if=early)
        lines.append(_line(snapshot, own, in_force.get(each.id)))
    if not any(each.totals.people for each in lines):
        told = "、".join(each.id for each in periods)
        raise StopError("compare-nobody", period=told, a=label, b="—")
    return lines


def _line(snapshot: Snapshot, own: Side, then: Law | None) -> PeriodLine:
    if then is None:
        return PeriodLine(own.period, own.as_if, "", False, totals_of(own.result), _sheets(own, None))
    name, law = then
    same = law.version == own.policy.version
    against: Comparison | None = None
    if not same:
        before = side(snapshot, law, period(own.period.id, law.file.calendar), name)
        if before.result.standings or own.result.standings:
            against = compare(snapshot, before, own)
    return PeriodLine(own.period, own.as_if, name, same, totals_of(own.result), _sheets(own, against))


def _sheets(own: Side, against: Comparison | None) -> tuple[SheetLine, ...]:
    compared = {each.role: each for each in against.sheets} if against is not None else {}
    found = []
    for sheet in own.policy.file.sheets:
        placed = [each for each in own.result.standings if each.sheet == sheet.id]
        if not placed:
            continue
        counted = Counter(each.grade for each in placed if each.grade)
        grades = tuple((label, counted[grade]) for grade, label in own.grades.items())
        spread = distribution(each.points for each in placed if each.points is not None)
        found.append(SheetLine(sheet.role, sheet.label, spread, grades, compared.get(sheet.role)))
    return tuple(found)
