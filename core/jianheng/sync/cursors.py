"""How far a stream was read: kept with the rows it speaks of, forgotten when it can't be trusted.

What the source gave is opaque; it is kept in an envelope of ours, whose version says who can read it. Beside it
stand the edge, by which the next read is held to its promise (:mod:`jianheng.sync.edge`), and since when everything
was read. A partition is a range that is read by itself (a backfill); the empty one is the stream as it goes on.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from jianheng.errors import StopError
from jianheng.store.engine import now_us
from jianheng.store.operations import STREAM
from jianheng.store.tables import CURSOR
from jianheng.sync.place import Place

VERSION = 2
"""Of the envelope."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How far a stream was read.

    Attributes:
        cursor: what the source gave.
        edge: marks of the last rows that came with it; none where it came by itself.
        full_at: when the read of everything began that this one goes on from (µs); 0 where that is not known.
    """

    cursor: str
    edge: str = ""
    full_at: int = 0


def pack(cursor: str, edge: str = "", full_at: int = 0) -> str:
    """Put a source's cursor into its envelope."""
    told = {"v": VERSION, "cursor": cursor} | ({"edge": edge} if edge else {})
    return json.dumps(told | ({"full_at": full_at} if full_at else {}), ensure_ascii=False)


def unpack(envelope: str, source: str, stream: str) -> Kept:
    """Take a source's cursor out of its envelope.

    Raises:
        StopError: a newer version wrote it, or it is none of ours.
    """
    try:
        told = json.loads(envelope)
        version, cursor = told["v"], str(told["cursor"])
        found = Kept(cursor, str(told.get("edge", "")), int(told.get("full_at", 0)))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StopError("sync-cursor-unreadable", source=source, stream=stream) from None
    if not isinstance(version, int) or version > VERSION:
        raise StopError("sync-cursor-newer", source=source, stream=stream, version=version, known=VERSION)
    return found


def kept(connection: sa.Connection, place: Place, fingerprint: str, partition: str = "") -> Kept | None:
    """Return how far a stream was read, if it was read the way it is read now.

    Raises:
        StopError: what is kept cannot be read by this version.
    """
    row = connection.execute(sa.select(CURSOR).where(*_of(place, partition))).first()
    if row is None or row.mapping_hash != short(fingerprint):
        return None
    return unpack(row.cursor, place.source, place.stream)


def keep(
    connection: sa.Connection, place: Place, reached: Kept, fingerprint: str, partition: str = ""
) -> None:
    """Remember how far a stream was read, in the transaction of the rows."""
    values = {
        "cursor": pack(reached.cursor, reached.edge, reached.full_at),
        "mapping_hash": short(fingerprint),
        "moved_at": place.at,
        "run_id": place.run_id,
    }
    moved = connection.execute(sa.update(CURSOR).where(*_of(place, partition)).values(**values))
    if moved.rowcount == 0:
        key = {"office": place.office, "source": place.source, "stream": place.stream, "partition": partition}
        connection.execute(sa.insert(CURSOR).values(**key, **values))


def forget(connection: sa.Connection, place: Place, partition: str = "") -> None:
    """Let the next read begin at the beginning."""
    connection.execute(sa.delete(CURSOR).where(*_of(place, partition)))


def is_stale(known: Kept | None, every_s: float | None) -> bool:
    """Whether everything of a stream was last read longer ago than wanted."""
    return known is not None and every_s is not None and now_us() - known.full_at >= every_s * 1_000_000


def swept_at(connection: sa.Connection, place: Place) -> int:
    """Return when all keys of a stream were last compared with the source's; 0 for never."""
    found = connection.scalar(sa.select(STREAM.c.swept_at).where(*of_stream(place)))
    return int(found or 0)


def note(connection: sa.Connection, place: Place, values: Mapping[str, Any]) -> None:
    """Remember something of a stream: its ``shape``, what is ``pending``, when it was ``swept_at``."""
    if connection.execute(sa.update(STREAM).where(*of_stream(place)).values(**values)).rowcount == 0:
        key = {"office": place.office, "source": place.source, "stream": place.stream}
        connection.execute(
            sa.insert(STREAM).values(**key, **{"shape": "", "pending": "", "swept_at": 0, **values})
        )


def of_stream(place: Place) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the condition that picks a stream in the table of streams."""
    return (STREAM.c.office == place.office, STREAM.c.source == place.source, STREAM.c.stream == place.stream)


def short(fingerprint: str) -> str:
    """Return a fingerprint as it is kept."""
    return hashlib.blake2b(fingerprint.encode(), digest_size=16).hexdigest()


def _of(place: Place, partition: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        CURSOR.c.office == place.office,
        CURSOR.c.source == place.source,
        CURSOR.c.stream == place.stream,
        CURSOR.c.partition == partition,
    )
