"""The right to write of one run: a lease that every transaction of the run renews before it does anything else."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from jianheng.errors import RetryError
from jianheng.store import leases
from jianheng.store.engine import told_time, writing_latest

LEASE_S = 660.0
"""How long a run may be silent: the time an adapter has for one step, and a minute."""
WAIT_S = 10
"""How long PostgreSQL lets a second run wait for a first that is writing just now."""


SYNCS = "sync:"
"""Begins the names of the leases of syncs."""


@dataclass(frozen=True, slots=True)
class Fence:
    """A store, and the lease without which nothing is written to it."""

    store: sa.Engine
    lease: leases.Lease
    lease_s: float


def lease_name(office: str, source: str) -> str:
    """Return the name under which the right to sync a source is leased."""
    return f"{SYNCS}{office}:{source}"


def take_fence(store: sa.Engine, office: str, source: str, lease_s: float = LEASE_S) -> Fence:
    """Take the right to sync a source.

    Raises:
        RetryError: ``sync-running``: another run has it; the message names who and since when.
    """
    name = lease_name(office, source)
    with store.connect() as connection:  # by reading only: who wants to write to SQLite waits for who writes
        found = leases.held(connection, name)
    if found is not None:
        raise _running(source, found)
    try:
        with writing_latest(store) as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{WAIT_S}s'")
            got = leases.take(connection, name, leases.me(), lease_s)
    except DBAPIError:  # another was quicker, or the holder is in the middle of writing
        with store.connect() as connection:
            found = leases.last_holder(connection, name)
        if found is not None:
            raise _running(source, found) from None
        raise
    if isinstance(got, leases.Held):
        raise _running(source, got)
    return Fence(store, got, lease_s)


@contextmanager
def fenced(fence: Fence) -> Iterator[sa.Connection]:
    """Open a transaction that will write, renew the lease in it.

    Raises:
        LeaseLostError: another run has taken the source; nothing was written.
    """
    with leases.fenced(fence.store, fence.lease, fence.lease_s) as connection:
        yield connection


def _running(source: str, found: leases.Held) -> RetryError:
    return RetryError(
        "sync-running", source=source, holder=leases.shown(found.holder), since=told_time(found.since)
    )
