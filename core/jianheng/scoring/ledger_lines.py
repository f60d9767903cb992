"""Keeping ledger lines: never edited; a line that no longer holds is closed by the run that found out."""

import hashlib
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute
import sqlalchemy as sa

from jianheng.errors import StopError
from jianheng.scoring.standing import Sum
from jianheng.store.bulk import chunks, insert_arrow
from jianheng.store.tables import CURRENT, LEDGER, NO_RULE, SCOPE


def scope_id(connection: sa.Connection, office: str, policy: str, period: str) -> int:
    """Return the number of the ledger of an office, policy and period; a new one is opened."""
    where = (SCOPE.c.office == office, SCOPE.c.policy == policy, SCOPE.c.period == period)
    found = connection.scalar(sa.select(SCOPE.c.scope_id).where(*where))
    if found is None:
        opened = (
            sa.insert(SCOPE).values(office=office, policy=policy, period=period).returning(SCOPE.c.scope_id)
        )
        found = connection.execute(opened).scalar_one()
    return int(found)


def move_ledger(
    connection: sa.Connection, ledger_id: int, cases: Sequence[str] | None, ledger: pa.Table, run_id: int
) -> tuple[int, int]:
    """Close lines that no longer hold, add new ones; return how many were added and closed."""
    if cases is not None:
        mask = pa.compute.is_in(ledger["case_no"], pa.array(list(cases), pa.string()))
        ledger = ledger.filter(mask)
    ids = ledger["entry_id"].to_pylist()
    if len(set(ids)) != len(ids):
        raise StopError("score-entry-twice", ledger=ledger_id)
    holds = _holding(connection, ledger_id, cases)
    gone = holds - set(ids)
    for some in chunks(sorted(gone)):
        connection.execute(
            sa.update(LEDGER)
            .where(LEDGER.c.scope_id == ledger_id, LEDGER.c.entry_id.in_(some), LEDGER.c.run_to == CURRENT)
            .values(run_to=run_id)
        )
    fresh = ledger if not holds else ledger.filter(_outside(ledger["entry_id"], holds))
    insert_arrow(connection, LEDGER, fresh, {"scope_id": ledger_id, "run_from": run_id, "run_to": CURRENT})
    return fresh.num_rows, len(gone)


def _outside(ids: pa.ChunkedArray, holds: set[str]) -> pa.ChunkedArray:
    return pa.compute.invert(pa.compute.is_in(ids, pa.array(sorted(holds), pa.string())))


def _current(ledger_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (LEDGER.c.scope_id == ledger_id, LEDGER.c.run_to == CURRENT)


def _holding(connection: sa.Connection, ledger_id: int, cases: Sequence[str] | None) -> set[str]:
    statement = sa.select(LEDGER.c.entry_id).where(*_current(ledger_id))
    if cases is None:
        return set(connection.scalars(statement))
    found: set[str] = set()
    for some in chunks(cases):
        found.update(connection.scalars(statement.where(LEDGER.c.case_no.in_(some))))
    return found


def ledger_sums(connection: sa.Connection, ledger_id: int) -> list[Sum]:
    """Return the current ledger summed per person, sheet and indicator."""
    whole = sa.BigInteger()
    provisional = sa.func.sum(sa.case((LEDGER.c.state == "provisional", LEDGER.c.points), else_=0))
    statement = (
        sa.select(
            LEDGER.c.person_key,
            LEDGER.c.sheet,
            LEDGER.c.indicator,
            sa.cast(sa.func.sum(LEDGER.c.points), whole),
            sa.cast(provisional, whole),
            sa.cast(sa.func.sum(LEDGER.c.withheld), whole),
            sa.func.count(),
        )
        .where(
            *_current(ledger_id),
            LEDGER.c.rule_id != NO_RULE,
            LEDGER.c.reason.notin_(("outside-office", "unknown-person")),
        )
        .group_by(LEDGER.c.person_key, LEDGER.c.sheet, LEDGER.c.indicator)
        .order_by(LEDGER.c.person_key, LEDGER.c.sheet, LEDGER.c.indicator)
    )
    return [Sum(*row) for row in connection.execute(statement) if row.sheet]


def count(connection: sa.Connection, ledger_id: int) -> int:
    """Return how many lines hold."""
    statement = sa.select(sa.func.count()).select_from(LEDGER).where(*_current(ledger_id))
    return connection.execute(statement).scalar_one()


def uncounted_items(connection: sa.Connection, ledger_id: int) -> int:
    """Return how many items of the period no rule speaks of."""
    statement = sa.select(sa.func.count()).select_from(LEDGER)
    return connection.execute(statement.where(*_current(ledger_id), LEDGER.c.rule_id == NO_RULE)).scalar_one()


def case_counts(connection: sa.Connection, ledger_id: int) -> dict[tuple[str, str], int]:
    """Return in how many cases each person has counted entries, per sheet."""
    statement = (
        sa.select(LEDGER.c.person_key, LEDGER.c.sheet, sa.func.count(LEDGER.c.case_no.distinct()))
        .where(*_current(ledger_id), LEDGER.c.state != "void")
        .group_by(LEDGER.c.person_key, LEDGER.c.sheet)
    )
    return {(person, sheet): count for person, sheet, count in connection.execute(statement)}


def ledger_digest(connection: sa.Connection, ledger_id: int) -> str:
    """Return a hash over the current ledger: equal digests mean equal ledgers, line by line."""
    digest = hashlib.sha256()
    for entry_id in sorted(_holding(connection, ledger_id, None)):
        digest.update(entry_id.encode())
    return digest.hexdigest()
