"""How far a stream was read: kept with the rows it speaks of, forgotten when it can't be trusted.

What the source gave is opaque; it is kept in an envelope of ours, whose version says who can read it. A
partition is a range that is read by itself (a backfill); the empty one is the stream as it goes on.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from jianheng.errors import StopError
from jianheng.store.operations import STREAM
from jianheng.store.tables import CURSOR
from jianheng.sync.apply import Place

VERSION = 1
"""Of the envelope."""


def pack(cursor: str) -> str:
    """Put a source's cursor into its envelope."""
    return json.dumps({"v": VERSION, "cursor": cursor}, ensure_ascii=False)


def unpack(envelope: str, source: str, stream: str) -> str:
    """Take a source's cursor out of its envelope.

    Raises:
        StopError: a newer version wrote it, or it is none of ours.
    """
    try:
        told = json.loads(envelope)
        version, cursor = told["v"], told["cursor"]
    except (ValueError, KeyError, TypeError):
        raise StopError("sync-cursor-unreadable", source=source, stream=stream) from None
    if not isinstance(version, int) or version > VERSION:
        raise StopError("sync-cursor-newer", source=source, stream=stream, version=version, known=VERSION)
    return str(cursor)


def kept(connection: sa.Connection, place: Place, fingerprint: str, partition: str = "") -> str | None:
    """Return how far a stream was read, if it was read the way it is read now.

    Raises:
        StopError: what is kept cannot be read by this version.
    """
    row = connection.execute(sa.select(CURSOR).where(*_of(place, partition))).first()
    if row is None or row.mapping_hash != short(fingerprint):
        return None
    return unpack(row.cursor, place.source, place.stream)


def keep(connection: sa.Connection, place: Place, cursor: str, fingerprint: str, partition: str = "") -> None:
    """Remember how far a stream was read, in the transaction of the rows."""
    values = {
        "cursor": pack(cursor),
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
