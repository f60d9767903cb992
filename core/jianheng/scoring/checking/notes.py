"""What is worth a second look in a policy that is sound: nothing here stops anything."""

import datetime as dt
from collections.abc import Iterator

from jianheng.errors import Problem, problem
from jianheng.rules.measure import definitions
from jianheng.scoring.checking.coverage import said_by_itself
from jianheng.scoring.law.points_check import paid_twice
from jianheng.scoring.law.policy import Policy


def policy_notes(policy: Policy, day: dt.date) -> list[Problem]:
    """Return notes on a policy: what nobody verified within a year before a day, what nobody reads, what pays twice."""
    return [*not_verified(policy, day), *_unread(policy), *_twice(policy)]


def not_verified(policy: Policy, day: dt.date) -> Iterator[Problem]:
    """Yield the parameters and rows of points that nobody compared with their source within a year before a day.

    Those that never were are told together: a new pack has nothing else.
    """
    told: list[tuple[str, dt.date | None]] = [
        (f"{file} [{name}]", each.verified)
        for layer in policy.layers
        for name, (file, each) in layer.declarations.items()
    ]
    own = said_by_itself(policy)
    told += [(f"{where} {row.id}", row.verified) for where, row in own.points]
    for where, verified in told:
        if verified is not None and verified < _year_before(day):
            yield problem("note-verified-long-ago", where=where, verified=verified)
    never = [where for where, verified in told if verified is None]
    if never:
        yield problem("note-never-verified", where=never[0], count=len(never))


def _year_before(day: dt.date) -> dt.date:
    if day.year == dt.MINYEAR:
        return dt.date.min
    leap = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year - 1, day=28 if leap else day.day)


def _unread(policy: Policy) -> Iterator[Problem]:
    """Yield the parameters that nothing reads: a misspelt name elsewhere would look just so."""
    texts = [policy.file.model_dump_json()]
    for measure in policy.measures.values():
        texts += [each.model_dump_json() for _, each, _ in definitions(measure)]
    for layer in policy.layers:
        for name, (file, declared) in layer.declarations.items():
            quoted = (f'"{name}"', f"'{name}'")
            if declared.label is not None and not any(mark in text for text in texts for mark in quoted):
                yield problem("note-parameter-unread", where=f"{file} [{name}]", name=name)


def _twice(policy: Policy) -> Iterator[Problem]:
    own = said_by_itself(policy)
    for one, other in paid_twice(own.points):
        names = {"one": one.row.id, "other": other.row.id}
        yield problem("note-paid-twice", where=other.where, indicator=one.row.indicator, **names)
