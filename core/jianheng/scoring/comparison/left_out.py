"""What a comparison leaves out: the lines of a period that correct closed ones, which no policy tried now decides."""

from dataclasses import dataclass

import sqlalchemy as sa

from jianheng.scoring.explanation.words import corrected_period
from jianheng.scoring.law.period import Period
from jianheng.scoring.records.closed_periods import before
from jianheng.store.tables import ADJUSTS, CURRENT, LEDGER, SCOPE


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The corrections that a period bears.

    Attributes:
        period: which bears them.
        corrects: the closed periods that they correct.
        entries: how many lines; None where the period was not scored, and nobody knows yet.
        points: what they come to, in 0.001 point.
    """

    period: str
    corrects: tuple[str, ...]
    entries: int | None
    points: int


def left_out(connection: sa.Connection, office: str, policy: str, period: Period) -> LeftOut | None:
    """Return the corrections that a period bears, or would once it is scored; None where there are none.

    Args:
        connection: where the ledgers are.
        office: whose.
        policy: the id of the deployment's policy, under which periods are closed.
        period: the one compared.
    """
    scope = sa.select(SCOPE.c.scope_id).where(
        SCOPE.c.office == office, SCOPE.c.policy == policy, SCOPE.c.period == period.id
    )
    here = (LEDGER.c.scope_id == scope.scalar_subquery(), LEDGER.c.run_to == CURRENT)
    if connection.scalar(sa.select(LEDGER.c.entry_id).where(*here).limit(1)) is None:
        waiting = [
            each.period for each in before(connection, office, policy, period) if each.adjustments == "next"
        ]
        return LeftOut(period.id, tuple(sorted(waiting)), None, 0) if waiting else None
    lines = sa.select(LEDGER.c.reason, LEDGER.c.points).where(*here, LEDGER.c.reason.startswith(ADJUSTS))
    rows = connection.execute(lines).fetchall()
    corrects = sorted({corrected_period(reason) or "" for reason, _ in rows})
    return LeftOut(period.id, tuple(corrects), len(rows), sum(points for _, points in rows)) if rows else None
