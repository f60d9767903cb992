"""The right to make or take bundles of an office: one at a time, and none while its sources are being read."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from jianheng.errors import RetryError
from jianheng.store import leases
from jianheng.store.engine import told_time, writing_latest
from jianheng.sync.fence import lease_name

LEASE_S = 900.0
"""How long an export or import may be silent: a part takes seconds."""


@contextmanager
def bundling(store: sa.Engine, office: str, *, alone: bool = False) -> Iterator[leases.Lease]:
    """Hold the right to make or take bundles of an office.

    Args:
        store: whose.
        office: which.
        alone: also refuse while a source of the office is being read.

    Raises:
        RetryError: another process is at it, or reads a source; the message names it.
    """
    with writing_latest(store) as connection:
        for each in leases.in_force(connection, lease_name(office, "")) if alone else ():
            raise _running("bundle-sync-running", office, each)
        taken = leases.take(connection, f"bundle:{office}", leases.me(), LEASE_S)
    if isinstance(taken, leases.Held):
        raise _running("bundle-running", office, taken)
    try:
        yield taken
    finally:
        with suppress(SQLAlchemyError), writing_latest(store) as connection:
            leases.release(connection, taken)


def _running(code: str, office: str, found: leases.Held) -> RetryError:
    since = told_time(found.since)
    return RetryError(code, office=office, holder=leases.shown(found.holder), since=since)
