"""How it stands: sources, jobs, quarantine, outbox, leases and pauses of an office, as the store tells it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from jianheng.publish.enqueue import OPEN_STATES
from jianheng.schedule import slots
from jianheng.store import leases
from jianheng.store.leases import database_now_us, in_force, shown
from jianheng.store.operations import OUTBOX, PAUSE, SLOT
from jianheng.store.runs import PART
from jianheng.store.tables import RUN
from jianheng.sync import quarantine
from jianheng.sync.fence import lease_name


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A source: how its last sync stands, when one last read all of it, and what is set aside; moments in µs.

    ``complete`` speaks of the last sync that ended and meant to read all.
    """

    source: str
    state: str
    complete: bool
    last_run: int | None
    last_good: int | None
    quarantine: int


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job: its last slot, what became of it, and when the job was last done; moments in µs."""

    job: str
    state: str
    slot_at: int | None
    last_done: int | None


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """How many entries for a target are in a state, and since when the oldest (µs)."""

    target: str
    state: str
    count: int
    since: int


@dataclass(frozen=True, slots=True)
class LeaseStatus:
    """Who holds what, since and until when (µs)."""

    name: str
    holder: str
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class PauseStatus:
    """What is not read until somebody says so; an empty stream means the whole source."""

    source: str
    stream: str
    by: str
    since: int
    reason: str


@dataclass(frozen=True, slots=True)
class Status:
    """All of it, as of ``now`` (µs, by the database's clock)."""

    now: int
    sources: tuple[SourceStatus, ...]
    jobs: tuple[JobStatus, ...]
    outbox: tuple[OutboxStatus, ...]
    leases: tuple[LeaseStatus, ...]
    paused: tuple[PauseStatus, ...]


def read_status(
    connection: sa.Connection, office: str, sources: Sequence[str], jobs: Sequence[str]
) -> Status:
    """Return how an office stands.

    Args:
        connection: of the store.
        office: which.
        sources: those of the deployment, in its order.
        jobs: those of the configuration, in its order.
    """
    now, alive = database_now_us(connection), alive_now(connection)
    return Status(
        now,
        tuple(_source(connection, office, name) for name in sources),
        tuple(_job(connection, office, name, alive) for name in jobs),
        _outbox(connection, office),
        _leases(connection),
        _paused(connection, office),
    )


def _source(connection: sa.Connection, office: str, name: str) -> SourceStatus:
    mine = (RUN.c.office == office, RUN.c.kind == "sync", RUN.c.subject == name)
    last = connection.execute(
        sa.select(RUN.c.state, RUN.c.started_at).where(*mine).order_by(RUN.c.run_id.desc()).limit(1)
    ).first()
    good = connection.scalar(sa.select(sa.func.max(RUN.c.finished_at)).where(*mine, RUN.c.state == "done"))
    ended = connection.scalar(
        sa.select(RUN.c.state)
        .where(*mine, RUN.c.finished_at.is_not(None), RUN.c.state != PART)
        .order_by(RUN.c.run_id.desc())
        .limit(1)
    )
    held = quarantine.open_count(connection, office, name)
    if last is None:
        return SourceStatus(name, "never", complete=False, last_run=None, last_good=None, quarantine=held)
    gone = last.state == "running" and not is_read_now(connection, office, name)
    state = "broken" if gone else last.state
    return SourceStatus(name, state, ended == "done" and not gone, last.started_at, good, held)


def is_read_now(connection: sa.Connection, office: str, source: str) -> bool:
    """Return whether somebody who is alive reads a source; a run without him was cut off, whatever it says itself."""
    return leases.held(connection, lease_name(office, source)) is not None


def _job(connection: sa.Connection, office: str, name: str, alive: Collection[tuple[str, int]]) -> JobStatus:
    last = next(
        (each for each in slots.recent(connection, office, name) if each.state != slots.BASELINE), None
    )
    done = connection.scalar(
        sa.select(sa.func.max(SLOT.c.finished_at)).where(
            SLOT.c.office == office, SLOT.c.job == name, SLOT.c.state == slots.DONE
        )
    )
    if last is None:
        return JobStatus(name, "never", None, None)
    return JobStatus(name, state_now(last, alive), last.slot_at, done)


def state_now(slot: slots.Slot, alive: Collection[tuple[str, int]]) -> str:
    """Return a slot's state as it is, also where nobody was left to write it down.

    Args:
        slot: as it stands in the store.
        alive: holder and epoch of the leases in force.
    """
    gone = slot.state == slots.RUNNING and (slot.holder, slot.epoch) not in alive
    return slots.LOST if gone else slot.state


def alive_now(connection: sa.Connection) -> set[tuple[str, int]]:
    """Return holder and epoch of the leases in force."""
    return {(each.holder, each.epoch) for each in in_force(connection)}


def _outbox(connection: sa.Connection, office: str) -> tuple[OutboxStatus, ...]:
    rows = connection.execute(
        sa.select(OUTBOX.c.target, OUTBOX.c.state, sa.func.count(), sa.func.min(OUTBOX.c.created_at))
        .where(OUTBOX.c.office == office, OUTBOX.c.state.in_(OPEN_STATES))
        .group_by(OUTBOX.c.target, OUTBOX.c.state)
        .order_by(OUTBOX.c.target, OUTBOX.c.state)
    )
    return tuple(OutboxStatus(*row) for row in rows)


def _leases(connection: sa.Connection) -> tuple[LeaseStatus, ...]:
    return tuple(
        LeaseStatus(each.name, shown(each.holder), each.since, each.until) for each in in_force(connection)
    )


def _paused(connection: sa.Connection, office: str) -> tuple[PauseStatus, ...]:
    rows = connection.execute(
        sa.select(PAUSE).where(PAUSE.c.office == office).order_by(PAUSE.c.source, PAUSE.c.stream)
    )
    return tuple(
        PauseStatus(row.source, row.stream, row.paused_by, row.paused_at, row.reason) for row in rows
    )
