"""The outbox as people see it: what waits and why, tried again or dropped by hand."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from jianheng.contract import Receipt
from jianheng.errors import Problem, StopError, problem
from jianheng.publish.enqueue import LISTED, OPEN_STATES, ended, receipt_of
from jianheng.publish.outbox import MARGIN_S, holding
from jianheng.store import audit
from jianheng.store.leases import fenced
from jianheng.store.operations import OUTBOX


@dataclass(frozen=True, slots=True)
class Entry:
    """One publication for one target; moments in microseconds since 1970, ``problems`` why it is where it is."""

    outbox_id: int
    target: str
    kind: str
    subject: str
    key: str
    state: str
    attempts: int
    next_at: int
    created_at: int
    ended_at: int | None
    problems: tuple[Problem, ...]
    receipt: Receipt | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What has not left: how many entries wait or are being sent, how many have stopped, since when, until when.

    ``oldest_at`` is when the oldest of them was put in, ``next_at`` when the next is due, in microseconds since 1970.
    """

    waiting: int
    sending: int
    stopped: int
    oldest_at: int | None
    next_at: int | None


def waiting(store: sa.Engine, office: str) -> Waiting:
    """Return how much of an office has not left."""
    counted = sa.select(
        OUTBOX.c.state,
        sa.func.count().label("entries"),
        sa.func.min(OUTBOX.c.created_at).label("oldest_at"),
        sa.func.min(OUTBOX.c.next_at).label("next_at"),
    )
    mine = (OUTBOX.c.office == office, OUTBOX.c.state.in_(OPEN_STATES))
    with store.connect() as connection:
        found = {row.state: row for row in connection.execute(counted.where(*mine).group_by(OUTBOX.c.state))}
    return Waiting(
        **{state: int(found[state].entries) if state in found else 0 for state in OPEN_STATES},
        oldest_at=min((int(row.oldest_at) for row in found.values()), default=None),
        next_at=min((int(row.next_at) for state, row in found.items() if state != "stopped"), default=None),
    )


def entries(
    connection: sa.Connection, office: str, *, ids: Collection[int] = (), also_ended: bool = False
) -> list[Entry]:
    """Return the entries of an office in the order in which they were put in.

    Args:
        connection: where the outbox is.
        office: whose.
        ids: these only.
        also_ended: what was sent, superseded or dropped too.

    Raises:
        StopError: there is none of a given number.
    """
    wanted = [OUTBOX.c.office == office]
    wanted += [OUTBOX.c.outbox_id.in_(ids)] if ids else []
    wanted += [] if ids or also_ended else [OUTBOX.c.state.in_(OPEN_STATES)]
    rows = connection.execute(sa.select(*LISTED).where(*wanted).order_by(OUTBOX.c.outbox_id)).fetchall()
    for unknown in sorted({*ids} - {row.outbox_id for row in rows}):
        raise StopError("outbox-no-such-entry", id=unknown)
    return [_entry(connection, row) for row in rows]


def retry(store: sa.Engine, office: str, ids: Sequence[int], who: str, now: int) -> list[int]:
    """Let entries be due now, whatever they waited or stopped for; all that have not left where no ids are given.

    Also where their target asked to be left alone.

    Raises:
        StopError: there is no such entry, or it has ended.
        RetryError: it is being sent just now.
    """
    with store.connect() as connection:
        chosen = entries(connection, office, ids=ids)
    _check_open(chosen)
    for each in chosen:
        with holding(store, office, each.target) as lease, fenced(store, lease, MARGIN_S) as connection:
            _change(connection, each, {"state": "waiting", "next_at": now})
            whole = (OUTBOX.c.office == office, OUTBOX.c.target == each.target)
            connection.execute(sa.update(OUTBOX).where(*whole).values(rest_until=0))
            detail = {"target": each.target, "subject": each.subject, "was": each.state}
            audit.record(connection, office, who, "outbox-retry", f"outbox {each.outbox_id}", detail)
    return [each.outbox_id for each in chosen]


def drop(store: sa.Engine, office: str, ids: Sequence[int], who: str, reason: str, now: int) -> list[Entry]:
    """Decide that entries shall not be sent; the reason stays with them.

    Raises:
        StopError: there is no such entry, or it has ended.
        RetryError: it is being sent just now.
    """
    with store.connect() as connection:
        chosen = entries(connection, office, ids=ids)
    _check_open(chosen)
    for each in chosen:
        with holding(store, office, each.target) as lease, fenced(store, lease, MARGIN_S) as connection:
            why = problem("outbox-dropped", id=each.outbox_id, who=who, reason=reason)
            _change(connection, each, ended("dropped", now, why, *each.problems))
            detail = {"target": each.target, "subject": each.subject, "key": each.key, "reason": reason}
            audit.record(connection, office, who, "outbox-drop", f"outbox {each.outbox_id}", detail)
    return chosen


def _check_open(chosen: Sequence[Entry]) -> None:
    for each in chosen:
        if each.state not in OPEN_STATES:
            raise StopError("outbox-ended", id=each.outbox_id, state=each.state)


def _change(connection: sa.Connection, entry: Entry, values: dict[str, object]) -> None:
    still = (OUTBOX.c.outbox_id == entry.outbox_id, OUTBOX.c.state.in_(OPEN_STATES))
    if connection.execute(sa.update(OUTBOX).where(*still).values(values)).rowcount != 1:
        raise StopError("outbox-ended", id=entry.outbox_id, state="—")


def _entry(connection: sa.Connection, row: sa.Row[tuple[object, ...]]) -> Entry:
    sent = row.state == "sent"
    return Entry(
        outbox_id=int(row.outbox_id),
        target=row.target,
        kind=row.kind,
        subject=row.subject,
        key=row.idempotency_key,
        state=row.state,
        attempts=int(row.attempts),
        next_at=int(row.next_at),
        created_at=int(row.created_at),
        ended_at=row.ended_at,
        problems=tuple(Problem(each["code"], each["fields"]) for each in json.loads(row.problems)),
        receipt=receipt_of(connection, row.target, row.idempotency_key) if sent else None,
    )
