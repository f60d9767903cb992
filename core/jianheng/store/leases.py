"""Leases: one process at a time may do a thing, and one that slept too long can do no harm when it wakes.

Each taking raises the lease's epoch. A transaction that begins with :func:`renew` or :func:`fence` locks the
lease's row until its end: either the row is still its own and nobody can take it before the commit, or somebody
took it and nothing is written. Time is the database's, so the clocks of hosts may differ.
"""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from jianheng.errors import RetryError
from jianheng.logs import get_log
from jianheng.store.engine import now_us, writing_latest
from jianheng.store.operations import LEASE

_LOOK_S = 0.1
"""How often is looked whether a lease's row is free."""
SILENT_S = 30.0
"""How long a transaction that only gives a lease back, or only shows that it is held, may do nothing; a COPY of some
thousand rows too, once its lease has run out and somebody else wants it."""


_LEFT: set[tuple[str, str, int]] = set()
"""Takings of this process that ended while their store was away: address, name, epoch."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as its holder knows it; ``epoch`` tells this taking from every other."""

    name: str
    holder: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that somebody else holds: since and until when, in microseconds since 1970."""

    name: str
    holder: str
    since: int
    until: int
    epoch: int


class LeaseLostError(RetryError):
    """Somebody else has taken the lease since: nothing may be written any more."""

    def __init__(self, name: str, holder: str) -> None:
        super().__init__("store-lease-lost", name=name, holder=shown(holder) or "—")


def take(connection: sa.Connection, name: str, holder: str, ttl_s: float) -> Lease | Held:
    """Take a lease that is free, has expired, or whose holder on this machine is dead.

    Args:
        connection: a writing transaction.
        name: of what is to be held.
        holder: who takes it, see :func:`me`.
        ttl_s: how long it lasts without being renewed.
    """
    _limit_silence(connection, ttl_s)
    row = _row(connection, name)
    now = database_now(connection)
    taken = {"holder": holder, "taken_at": now, "expires_at": _after(now, ttl_s)}
    if row is None:
        connection.execute(sa.insert(LEASE).values(name=name, epoch=1, **taken))
        return Lease(name, holder, 1)
    if _is_in_force(connection, row):
        return _held(row)
    _wait_for(connection, name, min(ttl_s, SILENT_S))
    mine = sa.update(LEASE).where(LEASE.c.name == name, LEASE.c.epoch == row.epoch)
    if not _is_over(connection, row):  # it may be renewed before we get the row's lock
        mine = mine.where(LEASE.c.expires_at <= now)
    if connection.execute(mine.values(epoch=row.epoch + 1, **taken)).rowcount != 1:
        return _held(_row(connection, name))
    return Lease(name, holder, int(row.epoch) + 1)


def renew(connection: sa.Connection, lease: Lease, ttl_s: float) -> bool:
    """Let a lease last longer and lock it until the end of the transaction; False when it is not ours any more."""
    _limit_silence(connection, ttl_s)
    until = _after(database_now(connection), ttl_s)
    return connection.execute(_mine(lease).values(expires_at=until)).rowcount == 1


def fence(connection: sa.Connection, lease: Lease) -> None:
    """Lock a lease until the end of the transaction.

    Raises:
        LeaseLostError: it is not ours any more.
    """
    _limit_silence(connection, SILENT_S)
    if connection.execute(_mine(lease).values(holder=lease.holder)).rowcount != 1:
        raise lost(connection, lease)


@contextmanager
def fenced(store: sa.Engine, lease: Lease, seconds: float) -> Iterator[sa.Connection]:
    """Open a writing transaction that only the holder of a lease can commit, and hold it so much longer.

    Args:
        store: where to write.
        lease: what gives the right to.
        seconds: how long the lease lasts from now on without being renewed.

    Raises:
        LeaseLostError: somebody else has taken it; nothing was written.
    """
    with writing_latest(store) as connection:
        if not renew(connection, lease, seconds):
            raise lost(connection, lease)
        yield connection


def lost(connection: sa.Connection, lease: Lease) -> LeaseLostError:
    """Return what to raise of a lease that is not ours any more: it names who has it."""
    row = _row(connection, lease.name)
    return LeaseLostError(lease.name, "" if row is None else str(row.holder))


def release(connection: sa.Connection, lease: Lease) -> bool:
    """Give a lease back; False when it is not ours any more. Its epoch goes on rising from where it stood."""
    _limit_silence(connection, SILENT_S)
    given = _mine(lease).values(epoch=LEASE.c.epoch + 1, holder="", expires_at=0)
    return connection.execute(given).rowcount == 1


def give_back(store: sa.Engine, lease: Lease) -> None:
    """Give a lease back in a transaction of its own; where the store is away just now, this process knows that it has.

    A process that lives on would else be kept from its own work until the lease has run out.
    """
    try:
        with writing_latest(store) as connection:
            release(connection, lease)
    except SQLAlchemyError as error:
        _LEFT.add((str(store.url), lease.name, lease.epoch))
        get_log("jianheng.store").warning("lease not given back", lease=lease.name, told=type(error).__name__)


def held(connection: sa.Connection, name: str) -> Held | None:
    """Return who holds a lease; None when it is free."""
    row = _row(connection, name)
    return _held(row) if row is not None and _is_in_force(connection, row) else None


def in_force(connection: sa.Connection, beginning: str = "") -> list[Held]:
    """Return the leases that somebody holds whose names begin so, by name."""
    now = database_now(connection).label("now")
    mine = (LEASE.c.expires_at > now, LEASE.c.name.startswith(beginning, autoescape=True))
    rows = connection.execute(sa.select(LEASE, now).where(*mine).order_by(LEASE.c.name))
    return [_held(row) for row in rows if not _is_over(connection, row)]


def last_holder(connection: sa.Connection, name: str) -> Held | None:
    """Return who took a lease last and has neither given it back nor died, expired or not."""
    row = _row(connection, name)
    return None if row is None or not row.holder or _is_over(connection, row) else _held(row)


def database_now(connection: sa.Connection) -> sa.ColumnElement[int]:
    """Return the database's own clock in microseconds since 1970, as an expression."""
    if connection.dialect.name == "postgresql":
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()) * 1_000_000, sa.BigInteger())
    if connection.dialect.name in {"mysql", "mariadb"}:
        # Written out: SQLAlchemy's sysdate takes no argument, and would tell whole seconds.
        return sa.cast(sa.literal_column("unix_timestamp(sysdate(6))") * 1_000_000, sa.BigInteger())
    return sa.literal(now_us(), sa.BigInteger())


def database_now_us(connection: sa.Connection) -> int:
    """Return the database's own clock in microseconds since 1970."""
    return int(connection.execute(sa.select(database_now(connection))).scalar_one())


def me() -> str:
    """Return who this process is, so that another on the same machine can tell whether it still lives."""
    return f"{socket.gethostname()[:80]}/{os.getpid()}/{_began(os.getpid())}/{_machine()}"


def shown(holder: str) -> str:
    """Return a holder as people read it: host and process."""
    host, process, *_ = [*holder.split("/"), ""]
    return f"{host} ({process})" if process else host


def is_dead(holder: str) -> bool:
    """Whether a holder is a process of this machine that is no more; of another machine nobody can tell."""
    parts = holder.split("/")
    if len(parts) != 4 or not parts[3] or parts[3] != _machine() or not parts[1].isdigit():  # noqa: PLR2004 see me()
        return False
    return _began(int(parts[1])) != parts[2]


def _limit_silence(connection: sa.Connection, seconds: float) -> None:
    """Who is stopped in the middle of a transaction must not hold the lease's row for ever: nobody could take it."""
    if connection.dialect.name == "postgresql":
        silent = max(round(seconds * 1000), 1)
        connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = {silent}")


_SILENT_COPIES = f"""
SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a
JOIN pg_locks l ON l.pid = a.pid AND l.granted AND l.relation = to_regclass('{LEASE.name}') AND l.mode = 'RowExclusiveLock'
WHERE a.datname = current_database() AND a.usename = current_user AND a.wait_event = 'ClientRead'
  AND starts_with(a.query, 'COPY ') AND a.query_start < clock_timestamp() - make_interval(secs => %(seconds)s)
"""  # noqa: S608 a name of ours


def _wait_for(connection: sa.Connection, name: str, seconds: float) -> None:
    """Lock a lease's row, whoever holds it now.

    Who was stopped so many seconds ago while he sent rows under a lease is ended: of a transaction that only waits
    PostgreSQL tires by itself (:func:`_limit_silence`), for the rest of a COPY it would wait for ever.
    """
    if connection.dialect.name != "postgresql":
        return
    free = sa.select(LEASE.c.epoch).where(LEASE.c.name == name).with_for_update(skip_locked=True)
    while connection.execute(free).first() is None:
        ended = connection.exec_driver_sql(_SILENT_COPIES, {"seconds": seconds}).scalar_one()
        if ended:
            get_log("jianheng.store").warning("silent writers ended", count=ended, seconds=seconds)
        time.sleep(_LOOK_S)


def _mine(lease: Lease) -> sa.Update:
    return sa.update(LEASE).where(LEASE.c.name == lease.name, LEASE.c.epoch == lease.epoch)


def _after(now: sa.ColumnElement[int], seconds: float) -> sa.ColumnElement[int]:
    return now + round(seconds * 1_000_000)


def _row(connection: sa.Connection, name: str) -> Any:
    now = database_now(connection).label("now")
    return connection.execute(sa.select(LEASE, now).where(LEASE.c.name == name)).first()


def _is_in_force(connection: sa.Connection, row: Any) -> bool:
    return bool(row.expires_at > row.now and not _is_over(connection, row))


def _is_over(connection: sa.Connection, row: Any) -> bool:
    """Whether whoever took a lease will not come back to it."""
    return is_dead(row.holder) or (str(connection.engine.url), row.name, int(row.epoch)) in _LEFT


def _held(row: Any) -> Held:
    return Held(row.name, row.holder, int(row.taken_at), int(row.expires_at), int(row.epoch))


def _began(process: int) -> str:
    """Return when a process began, in its machine's ticks; empty when there is none, or no telling."""
    with suppress(OSError):
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        state, *rest = stat.rpartition(")")[2].split()
        return "" if state in "ZX" else rest[18]
    return ""


@cache
def _machine() -> str:
    """Return what tells this machine's processes from those of others; empty where nothing does."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8")
        return f"{boot.strip()[:13]}:{Path('/proc/self/ns/pid').readlink().name.strip('pid:[]')}"
    return ""
