"""What people may do to the state of a source: pause and resume it, and, while it is paused, move its cursors.

Everything is recorded with who did it. Cursors are moved under the source's own lease, so that no run is
under way that would write its own over them.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from jianheng.errors import StopError
from jianheng.store import audit, leases
from jianheng.store.engine import now_us, writing
from jianheng.store.operations import STREAM
from jianheng.store.tables import CURSOR
from jianheng.sync import cursors, pauses
from jianheng.sync.fence import fenced, lease_name, take_fence
from jianheng.sync.shapes import accepted, shape_from

EXPORT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a stream was read, or a span of it, and when its keys were last compared; moments in microseconds."""

    stream: str
    partition: str
    cursor: str
    moved_at: int
    run_id: int
    swept_at: int


@dataclass(frozen=True, slots=True)
class State:
    """The state of a source: its streams, what is paused, and who reads it just now."""

    source: str
    standings: tuple[Standing, ...]
    paused: Mapping[str, pauses.Pause]
    running: leases.Held | None


def state_of(connection: sa.Connection, office: str, source: str) -> State:
    """Return the state of a source."""
    mine = (CURSOR.c.office == office, CURSOR.c.source == source)
    kept = connection.execute(
        sa.select(CURSOR).where(*mine).order_by(CURSOR.c.stream, CURSOR.c.partition)
    ).all()
    streams = sa.select(STREAM.c.stream, STREAM.c.swept_at).where(
        STREAM.c.office == office, STREAM.c.source == source
    )
    swept: dict[str, int] = {row.stream: int(row.swept_at) for row in connection.execute(streams)}
    found = [
        Standing(
            row.stream,
            row.partition,
            _shown(row.cursor),
            int(row.moved_at),
            row.run_id,
            swept.get(row.stream, 0),
        )
        for row in kept
    ]
    known = {each.stream for each in found}
    found += [Standing(name, "", "", 0, 0, at) for name, at in swept.items() if name not in known]
    return State(
        source,
        tuple(sorted(found, key=lambda each: (each.stream, each.partition))),
        pauses.pauses(connection, office, source),
        leases.held(connection, lease_name(office, source)),
    )


def pause(store: sa.Engine, office: str, source: str, stream: str, *, by: str, reason: str) -> None:
    """Pause a source, or one stream; a run under way ends the stream it is at."""
    with writing(store) as connection:
        pauses.pause(connection, office, source, stream, by, reason)
        audit.record(connection, office, by, "state pause", _subject(source, stream), {"reason": reason})


def resume(store: sa.Engine, office: str, source: str, stream: str, *, by: str) -> list[str]:
    """Resume a source with all its streams, or one stream; return what was paused.

    What a stream looks like now is accepted: it was paused for somebody to look at it.

    Raises:
        StopError: nothing is paused there.
    """
    with writing(store) as connection:
        found = [name for name in pauses.pauses(connection, office, source) if stream in ("", name)]
        if not found:
            raise StopError("state-not-paused", source=source, stream=stream or "—")
        for name in found:
            pauses.resume(connection, office, source, name)
        for name in _accept(connection, office, source, stream):
            audit.record(connection, office, by, "state accept", _subject(source, name), {})
        audit.record(connection, office, by, "state resume", _subject(source, stream), {"paused": found})
    return found


def rewind(store: sa.Engine, office: str, source: str, stream: str, *, by: str, to: str | None = None) -> int:
    """Let a stream, or all of a source, be read from the beginning, or from a cursor of the source; return how many moved.

    Raises:
        StopError: it is not paused, or the stream was never read so that its cursor could be moved.
        RetryError: a run is under way.
    """
    with _paused(store, office, source, stream) as connection:
        mine = [CURSOR.c.office == office, CURSOR.c.source == source]
        if stream:
            mine.append(CURSOR.c.stream == stream)
        before = [dict(row) for row in connection.execute(sa.select(CURSOR).where(*mine)).mappings()]
        if to is None:
            connection.execute(sa.delete(CURSOR).where(*mine))
        else:
            moved = sa.update(CURSOR).where(*mine, CURSOR.c.partition == "")
            if connection.execute(moved.values(cursor=cursors.pack(to), moved_at=now_us())).rowcount == 0:
                raise StopError("state-no-cursor", source=source, stream=stream)
        detail = {"to": to, "before": before}
        audit.record(connection, office, by, "state rewind", _subject(source, stream), detail)
    return len(before)


def export(connection: sa.Connection, office: str, source: str) -> dict[str, Any]:
    """Return the cursors of a source as they are kept, for :func:`import_`."""
    mine = (CURSOR.c.office == office, CURSOR.c.source == source)
    told = sa.select(CURSOR.c.stream, CURSOR.c.partition, CURSOR.c.cursor, CURSOR.c.mapping_hash)
    rows = connection.execute(told.where(*mine).order_by(CURSOR.c.stream, CURSOR.c.partition)).mappings()
    return {"v": EXPORT_VERSION, "office": office, "source": source, "cursors": [dict(row) for row in rows]}


def import_(store: sa.Engine, office: str, source: str, told: object, *, by: str) -> int:
    """Replace the cursors of a source by exported ones; return how many there are.

    Raises:
        StopError: the source is not paused, or this is no export of its cursors.
        RetryError: a run is under way.
    """
    rows = _exported(told, office, source)
    with _paused(store, office, source, "") as connection:
        before = export(connection, office, source)["cursors"]
        connection.execute(sa.delete(CURSOR).where(CURSOR.c.office == office, CURSOR.c.source == source))
        fixed = {"office": office, "source": source, "moved_at": now_us(), "run_id": 0}
        for row in rows:
            connection.execute(sa.insert(CURSOR).values(**fixed, **row))
        detail = {"before": before, "after": rows}
        audit.record(connection, office, by, "state import", _subject(source, ""), detail)
    return len(rows)


def _exported(told: object, office: str, source: str) -> list[dict[str, str]]:
    names = ("stream", "partition", "cursor", "mapping_hash")
    if not isinstance(told, Mapping) or told.get("v") != EXPORT_VERSION:
        raise StopError("state-bad-export", source=source, version=EXPORT_VERSION)
    if (told.get("office"), told.get("source")) != (office, source):
        of = f"{told.get('office')} {told.get('source')}"
        raise StopError("state-export-of-another", source=source, of=of)
    rows = told.get("cursors")
    good = isinstance(rows, list) and all(
        isinstance(row, Mapping)
        and row.keys() == set(names)
        and all(isinstance(row[name], str) for name in names)
        for row in rows
    )
    if not good or not isinstance(rows, list):
        raise StopError("state-bad-export", source=source, version=EXPORT_VERSION)
    for row in rows:
        cursors.unpack(row["cursor"], source, row["stream"])
    return [{name: row[name] for name in names} for row in rows]


@contextmanager
def _paused(store: sa.Engine, office: str, source: str, stream: str) -> Iterator[sa.Connection]:
    """Open a transaction that may move cursors: what it concerns is paused, and no run is under way."""
    with store.connect() as connection:
        found = pauses.pauses(connection, office, source)
    if pauses.WHOLE not in found and (not stream or stream not in found):
        raise StopError("state-pause-first", source=source, stream=stream or "—")
    fence = take_fence(store, office, source)
    try:
        with fenced(fence) as connection:
            yield connection
    finally:
        with writing(store) as connection:
            leases.release(connection, fence.lease)


def _accept(connection: sa.Connection, office: str, source: str, stream: str) -> list[str]:
    """Expect from now on what was held up, and return the streams it concerns."""
    mine = [STREAM.c.office == office, STREAM.c.source == source, STREAM.c.pending != ""]
    if stream:
        mine.append(STREAM.c.stream == stream)
    rows = connection.execute(sa.select(STREAM).where(*mine)).all()
    for row in rows:
        shape = accepted(shape_from(row.shape), shape_from(row.pending)).as_json()
        one = sa.update(STREAM).where(*mine, STREAM.c.stream == row.stream)
        connection.execute(one.values(shape=shape, pending=""))
    return [row.stream for row in rows]


def _shown(envelope: str) -> str:
    try:
        return str(json.loads(envelope)["cursor"])
    except (ValueError, KeyError, TypeError):
        return envelope


def _subject(source: str, stream: str) -> str:
    return f"{source}/{stream}" if stream else source
