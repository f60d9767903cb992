"""Closed periods: which there are, the law each was closed by, which of them a period has to correct."""

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import sqlalchemy as sa

from jianheng.errors import StopError
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy, load_policy_from
from jianheng.store.tables import ARCHIVED_POLICY, CLOSED

_KIND = re.compile(r"\d{4}(?:-(?P<kind>[QH]|\d\d).*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClosedPeriod:
    """A closed period, without its receipt.

    Attributes:
        start_day, end_day: its window ``[start_day, end_day)``.
        adjustments: what its law does with facts that come to light later.
        facts_at: the recorded moment whose facts were used.
        run_id: the scoring run whose values and standings were closed.
        receipt_hash: the root of its receipt.
    """

    office: str
    policy: str
    period: str
    start_day: dt.date
    end_day: dt.date
    adjustments: str
    policy_version: str
    engine_version: str
    facts_at: int
    run_id: int
    closed_at: int
    closed_by: str
    receipt_hash: str

    @property
    def window(self) -> Period:
        """The period itself."""
        return Period(self.period, self.period, self.start_day, self.end_day)


_COLUMNS = tuple(CLOSED.c[each.name] for each in fields(ClosedPeriod))


def closed_periods(connection: sa.Connection, office: str, policy: str) -> list[ClosedPeriod]:
    """Return what an office has closed by a policy, in the order of their days."""
    statement = sa.select(*_COLUMNS).where(CLOSED.c.office == office, CLOSED.c.policy == policy)
    statement = statement.order_by(CLOSED.c.start_day, CLOSED.c.end_day, CLOSED.c.period)
    return [ClosedPeriod(*row) for row in connection.execute(statement)]


def find_closed(connection: sa.Connection, office: str, policy: str, period: str) -> ClosedPeriod | None:
    """Return a closed period, or None while it is open."""
    where = (CLOSED.c.office == office, CLOSED.c.policy == policy, CLOSED.c.period == period)
    row = connection.execute(sa.select(*_COLUMNS).where(*where)).first()
    return None if row is None else ClosedPeriod(*row)


def get_closed(connection: sa.Connection, office: str, policy: str, period: str) -> ClosedPeriod:
    """Return a closed period.

    Raises:
        StopError: it is open.
    """
    found = find_closed(connection, office, policy, period)
    if found is None:
        raise StopError("close-not-closed", policy=policy, period=period)
    return found


def receipt_text(connection: sa.Connection, closed: ClosedPeriod) -> str:
    """Return the receipt of a closed period as it is kept."""
    where = (
        CLOSED.c.office == closed.office,
        CLOSED.c.policy == closed.policy,
        CLOSED.c.period == closed.period,
    )
    return str(connection.scalar(sa.select(CLOSED.c.receipt).where(*where)))


def archived_texts(connection: sa.Connection, closed: ClosedPeriod) -> dict[str, str] | None:
    """Return the texts of the law by which a period was closed; None if somebody took or broke them."""
    statement = sa.select(ARCHIVED_POLICY.c.sources).where(ARCHIVED_POLICY.c.version == closed.policy_version)
    kept = connection.scalar(statement)
    try:
        texts = json.loads(kept or "")
    except ValueError:
        return None
    readable = isinstance(texts, dict) and all(isinstance(text, str) for text in texts.values())
    return texts if readable else None


def law_of(connection: sa.Connection, closed: ClosedPeriod) -> Policy:
    """Return the law by which a period was closed, from the texts kept with it.

    Raises:
        StopError: the texts are gone.
        FaultsError: they no longer make a policy.
    """
    texts = archived_texts(connection, closed)
    if texts is None:
        lost = {"policy": closed.policy, "period": closed.period, "version": closed.policy_version}
        raise StopError("close-law-lost", **lost)
    return load_archived(texts, closed.policy)


def law_as_closed(connection: sa.Connection, closed: ClosedPeriod) -> Policy:
    """Return the law of a closed period under the version it was closed by, to read its result with.

    A later program may reckon versions otherwise; the texts are what was in force.

    Raises:
        StopError: the texts are gone.
        FaultsError: they no longer make a policy.
    """
    return replace(law_of(connection, closed), version=closed.policy_version)


def load_archived(texts: Mapping[str, str], policy: str) -> Policy:
    """Return a law from its texts; a few are held, since the same ones are asked for again and again.

    Raises:
        FaultsError: they no longer make a policy.
    """
    return _loaded(tuple(sorted(texts.items())), policy)


@lru_cache(maxsize=16)
def _loaded(texts: tuple[tuple[str, str], ...], policy: str) -> Policy:
    return load_policy_from(dict(texts), policy)


def before(connection: sa.Connection, office: str, policy: str, period: Period) -> list[ClosedPeriod]:
    """Return the closed periods that lead up to a period without a gap, the last first.

    They are of its kind (years lead up to a year, quarters to a quarter), each ends where the next begins.
    What their law enters later belongs in this period, as long as it is open.
    """
    ends = {
        each.end_day: each
        for each in closed_periods(connection, office, policy)
        if kind_of(each.period) == kind_of(period.id)
    }
    found: list[ClosedPeriod] = []
    day = period.start
    while day in ends:
        found.append(ends[day])
        day = ends[day].start_day
    return found


def kind_of(period: str) -> str:
    """Return whether a period is a year, a half, a quarter, a month, or of the calendar's own naming."""
    match = _KIND.fullmatch(period)
    if match is None:
        return "named"
    kind = match["kind"] or "year"
    return "month" if kind.isdigit() else kind
