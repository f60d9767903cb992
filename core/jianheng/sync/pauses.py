"""What is not to be read until somebody says so: a source, or one of its streams."""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from jianheng.errors import Problem, problem
from jianheng.store.engine import now_us, told_time
from jianheng.store.operations import PAUSE

WHOLE = ""
"""Stands for all streams of a source."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause, with who wanted it, when (microseconds since 1970) and why."""

    stream: str
    at: int
    by: str
    reason: str


def pause(connection: sa.Connection, office: str, source: str, stream: str, by: str, reason: str) -> None:
    """Pause a source or a stream; pausing again changes who and why."""
    resume(connection, office, source, stream)
    values = {"paused_at": now_us(), "paused_by": by[:100], "reason": reason}
    connection.execute(sa.insert(PAUSE).values(office=office, source=source, stream=stream, **values))


def resume(connection: sa.Connection, office: str, source: str, stream: str) -> bool:
    """Take a pause back; False when there was none."""
    named = (PAUSE.c.office == office, PAUSE.c.source == source, PAUSE.c.stream == stream)
    return connection.execute(sa.delete(PAUSE).where(*named)).rowcount > 0


def pauses(connection: sa.Connection, office: str, source: str) -> Mapping[str, Pause]:
    """Return the pauses of a source by stream; that of the whole source under an empty name."""
    rows = connection.execute(sa.select(PAUSE).where(PAUSE.c.office == office, PAUSE.c.source == source))
    return {row.stream: Pause(row.stream, int(row.paused_at), row.paused_by, row.reason) for row in rows}


def told(source: str, stream: str, found: Pause) -> Problem:
    """Return what to tell of a stream that is not read because somebody paused it."""
    at = told_time(found.at)
    return problem(
        "sync-paused", source=source, stream=stream, by=found.by, since=at, reason=found.reason or "—"
    )
