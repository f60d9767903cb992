"""How far a line's points reach: from which day on items must be known, and what shares a cap with what.

A cap asks what its rules gave earlier in its unit; what they gave may hang on an earlier cap, that binds
them together with others, in turn. So reach is followed from the last cap to the first.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from jianheng.scoring.law.pack import Calendar, Cap
from jianheng.scoring.law.period import Period, unit_start
from jianheng.scoring.law.policy import Known, Policy

_TIMES = ("day", "month", "quarter", "year")
_CAPS = ("case", "month", "year")


def horizon(policy: Policy, measure: str, period: Period) -> dt.date:
    """Return from which day on a measure's items must be known to judge those of a period.

    What is limited per case or per fault looks at the whole life of the case, what is limited per year
    at the year so far; otherwise the parts of a year would give more than the year.
    """
    rules = [row for row in policy.points if row.measure == measure]
    if any(row.per_case is not None or row.fault for row in rules):
        return _life(policy, period)
    needed = cap_horizons(policy, period)
    return min([period.start, *(needed[row.id] for row in rules)])


def cap_horizons(policy: Policy, period: Period) -> Mapping[str, dt.date]:
    """Return for each rule from which day on its lines must be known to grant those of a period."""
    return _cap_horizons(Known(policy), period)


@lru_cache(maxsize=64)
def _cap_horizons(known: Known, period: Period) -> Mapping[str, dt.date]:
    policy = known.policy
    needed = {row.id: period.start for row in policy.points}
    for cap in reversed(policy.file.caps):
        bound = bound_by(policy, cap)
        first = min((needed[rule] for rule in bound), default=period.start)
        # The largest are granted first within the period; what was before it is asked for by others only.
        if cap.allot == "day" or first < period.start:
            first = _unit_start(policy, period, cap.per, first)
        needed |= {rule: min(needed[rule], first) for rule in bound}
    for row in policy.points:
        for unit in ("year", "month", "case"):
            if getattr(row, f"{unit}_cap") is not None:
                needed[row.id] = _unit_start(policy, period, (unit,), needed[row.id])
    return needed


def bound_by(policy: Policy, cap: Cap) -> set[str]:
    """Return the rules a cap binds together."""
    return {row.id for row in policy.points if row.id in cap.rules or row.indicator in cap.indicators}


def beyond_case(policy: Policy) -> set[str]:
    """Return the rules whose points may hang on other cases, and those that share any cap with one of them."""
    return set(_beyond_case(Known(policy)))


@lru_cache(maxsize=64)
def _beyond_case(known: Known) -> frozenset[str]:
    policy = known.policy
    found = {row.id for row in policy.points if row.month_cap is not None or row.year_cap is not None}
    together = [(bound_by(policy, cap), cap) for cap in policy.file.caps]
    found = found.union(*(rules for rules, cap in together if "case" not in cap.per))
    while wider := set().union(*(rules for rules, _ in together if rules & found)) - found:
        found |= wider
    return frozenset(found)


def companies(policy: Policy) -> Mapping[str, tuple[frozenset[str], str | None]]:
    """Return for each rule beyond a case which rules share caps with it, and within which unit of time.

    None for the unit: within no unit of time, since one of their caps holds per case or for ever.
    """
    return _companies(Known(policy))


@lru_cache(maxsize=64)
def _companies(known: Known) -> Mapping[str, tuple[frozenset[str], str | None]]:
    policy = known.policy
    beyond = beyond_case(policy)
    bonds = [
        ({row.id}, unit) for row in policy.points for unit in _CAPS if getattr(row, f"{unit}_cap") is not None
    ]
    bonds += [(bound_by(policy, cap), unit) for cap in policy.file.caps for unit in _times(cap) or ["case"]]
    found: dict[str, tuple[frozenset[str], str | None]] = {}
    for rule in sorted(beyond):
        rules = {rule}
        while wider := set().union(*(bound for bound, _ in bonds if bound & rules)) - rules:
            rules |= wider
        units = {unit for bound, unit in bonds if bound & rules}
        widest = None if "case" in units else max(units, key=_TIMES.index)
        found[rule] = frozenset(rules), widest
    return found


def _times(cap: Cap) -> list[str]:
    """Return the unit of time a cap holds for; nothing where it holds per case or for ever."""
    return [] if "case" in cap.per else [unit for unit in _TIMES if unit in cap.per]


def caps_reach(policy: Policy, period: Period) -> str:
    """Return how far a line's points depend on others: on its ``case``, its ``person``'s, or ``all``.

    ``all`` also where a cap looks at days before the period, which this period's ledger does not hold.
    """
    beyond = beyond_case(policy)
    if not beyond:
        return "case"
    needed = cap_horizons(policy, period)
    shared = any("person" not in cap.per for cap in policy.file.caps if bound_by(policy, cap) & beyond)
    return "all" if shared or any(needed[rule] < period.start for rule in beyond) else "person"


def _life(policy: Policy, period: Period) -> dt.date:
    return min(policy.file.since, period.start)


def _unit_start(policy: Policy, period: Period, per: tuple[str, ...], day: dt.date) -> dt.date:
    """Return the first day of the unit that a day lies in; a unit that no time bounds is as old as the policy."""
    for unit in per:
        if unit in _TIMES:
            return max(unit_start(day, unit, policy.file.calendar), _life(policy, period))
    return _life(policy, period)


@dataclass(frozen=True, slots=True)
class Under:
    """What may share a cap with a line: a person's lines under some rules in ``[start, end)``."""

    person_key: str
    rules: frozenset[str]
    start: dt.date
    end: dt.date


class Standing(Protocol):
    """A line as caps see it."""

    @property
    def person_key(self) -> str:
        """Whose it is."""

    @property
    def rule_id(self) -> str:
        """By which rule."""

    @property
    def day(self) -> dt.date:
        """On which day."""


def shared_caps(policy: Policy, spots: Iterable[Standing]) -> set[Under]:
    """Return where lines lie that share a cap, directly or through others, with any of some lines."""
    company = companies(policy)
    found = set()
    for each in spots:
        if each.rule_id in company:
            rules, unit = company[each.rule_id]
            found.add(Under(each.person_key, rules, *_span(policy, each.day, unit)))
    return found


def _span(policy: Policy, day: dt.date, unit: str | None) -> tuple[dt.date, dt.date]:
    if unit is None:
        return dt.date.min, dt.date.max
    start = unit_start(day, unit, policy.file.calendar)
    return start, _end(start, unit, policy.file.calendar)


@lru_cache(maxsize=1024)
def _end(start: dt.date, unit: str, calendar: Calendar | None) -> dt.date:
    """Return the first day after the unit that begins on a day."""
    end = start + dt.timedelta(days=1)
    while unit_start(end, unit, calendar) == start:
        end += dt.timedelta(days=1)
    return end
