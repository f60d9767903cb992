"""How far a stream was read: kept with the rows it speaks of, forgotten when it can't be trusted."""

import hashlib

import sqlalchemy as sa

from jianheng.store.tables import CURSOR
from jianheng.sync.apply import Place


def kept(connection: sa.Connection, place: Place, fingerprint: str) -> str | None:
    """Return how far a stream was read, if it was read the way it is read now."""
    row = connection.execute(sa.select(CURSOR.c.cursor, CURSOR.c.mapping_hash).where(*_of(place))).first()
    return row.cursor if row is not None and row.mapping_hash == _short(fingerprint) else None


def keep(connection: sa.Connection, place: Place, cursor: str, fingerprint: str) -> None:
    """Remember how far a stream was read, in the transaction of the rows."""
    values = {
        "cursor": cursor,
        "mapping_hash": _short(fingerprint),
        "moved_at": place.at,
        "run_id": place.run_id,
    }
    moved = connection.execute(sa.update(CURSOR).where(*_of(place)).values(**values))
    if moved.rowcount == 0:
        key = {"office": place.office, "source": place.source, "stream": place.stream}
        connection.execute(sa.insert(CURSOR).values(**key, **values))


def forget(connection: sa.Connection, place: Place) -> None:
    """Let the next read begin at the beginning."""
    connection.execute(sa.delete(CURSOR).where(*_of(place)))


def _of(place: Place) -> tuple[sa.ColumnElement[bool], ...]:
    return (CURSOR.c.office == place.office, CURSOR.c.source == place.source, CURSOR.c.stream == place.stream)


def _short(fingerprint: str) -> str:
    return hashlib.blake2b(fingerprint.encode(), digest_size=16).hexdigest()
