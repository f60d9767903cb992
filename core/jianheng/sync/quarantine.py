"""Quarantine: rows that cannot be taken, kept with every reason until they can or are gone.

An entry is identified by where the row is in its source (locator) or, without one, by its payload.
The payload is the row under canonical names, parties already pseudonymised by the adapter.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from jianheng.errors import Problem
from jianheng.facts.convert import Reject
from jianheng.store.bulk import chunks
from jianheng.store.engine import now_us
from jianheng.store.tables import QUARANTINE

LOST = "row-duplicate-key"
"""The code of a row that lost against another of the same key: tried alone it would win."""


@dataclass(frozen=True, slots=True)
class Held:
    """One open entry, ready to be tried again."""

    quarantine_id: int
    record_key: str
    locator: str
    lost_to_another: bool
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as a person reads it."""

    quarantine_id: int
    source: str
    stream: str
    entity: str
    record_key: str
    locator: str
    problems: tuple[Problem, ...]
    first_seen: int
    attempts: int


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    return value if isinstance(value, str | int | None) else str(value)


def _json(value: object) -> str:
    """Return JSON text that every database can hold: half a character is written as its escape."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text.encode(errors="backslashreplace").decode()


def _payload(row: Mapping[str, Any]) -> tuple[str, str]:
    text = _json(_plain(row))
    return text, hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _told(problems: Iterable[Problem]) -> str:
    return _json([{"code": each.code, "fields": _plain(each.fields)} for each in problems])


def hold(
    connection: sa.Connection, office: str, source: str, stream: str, entity: str, rejects: Sequence[Reject]
) -> None:
    """Keep rejected rows; one already held is updated, not doubled."""
    now = now_us()
    opened = _open_by_place(connection, office, source, stream) if rejects else {}
    for reject in rejects:
        payload, payload_hash = _payload(reject.row)
        place = reject.locator or payload_hash
        seen = {
            "problems": _told(reject.problems),
            "payload": payload,
            "payload_hash": payload_hash,
            "last_seen": now,
        }
        if place in opened:
            connection.execute(
                sa.update(QUARANTINE)
                .where(QUARANTINE.c.quarantine_id == opened[place])
                .values(**seen, record_key=reject.key, attempts=QUARANTINE.c.attempts + 1)
            )
            continue
        added = sa.insert(QUARANTINE).values(
            office=office,
            source=source,
            stream=stream,
            entity=entity,
            record_key=reject.key,
            locator=reject.locator,
            **seen,
            first_seen=now,
            attempts=1,
            status="open",
        )
        opened[place] = int(connection.execute(added.returning(QUARANTINE.c.quarantine_id)).scalar_one())


def count_sync(connection: sa.Connection, office: str, source: str, stream: str) -> bool:
    """Count one more sync for what nothing tries again; return whether it is time to read everything again.

    It is when an entry has been tried once, twice, four times, eight times: the mend usually comes soon,
    and a row that nobody ever mends must not make every sync a full one.
    """
    opened = _is_open(office, source, stream)
    tried = list(connection.scalars(sa.select(QUARANTINE.c.attempts).where(*opened)))
    if any(count & (count - 1) == 0 for count in tried):
        return True
    lost = QUARANTINE.c.problems.contains(LOST)
    connection.execute(sa.update(QUARANTINE).where(*opened, lost).values(attempts=QUARANTINE.c.attempts + 1))
    return False


def _open_by_place(connection: sa.Connection, office: str, source: str, stream: str) -> dict[str, int]:
    rows = connection.execute(
        sa.select(QUARANTINE.c.quarantine_id, QUARANTINE.c.locator, QUARANTINE.c.payload_hash).where(
            *_is_open(office, source, stream)
        )
    )
    return {locator or payload_hash: quarantine_id for quarantine_id, locator, payload_hash in rows}


def _is_open(office: str, source: str, stream: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        QUARANTINE.c.office == office,
        QUARANTINE.c.source == source,
        QUARANTINE.c.stream == stream,
        QUARANTINE.c.status == "open",
    )


def held(connection: sa.Connection, office: str, source: str, stream: str) -> list[Held]:
    """Return the open entries of a stream, oldest first."""
    rows = connection.execute(
        sa.select(QUARANTINE).where(*_is_open(office, source, stream)).order_by(QUARANTINE.c.quarantine_id)
    )
    return [
        Held(
            row.quarantine_id,
            row.record_key,
            row.locator,
            any(each["code"] == LOST for each in json.loads(row.problems)),
            json.loads(row.payload),
        )
        for row in rows
    ]


def close(connection: sa.Connection, ids: Iterable[int], status: str, run_id: int) -> None:
    """Close entries: ``mended`` (a good version was taken), ``gone`` (the source no longer has the row)."""
    for some in chunks(sorted(ids)):
        connection.execute(
            sa.update(QUARANTINE)
            .where(QUARANTINE.c.quarantine_id.in_(some))
            .values(status=status, closed_run=run_id, last_seen=now_us())
        )


def open_count(connection: sa.Connection, office: str, source: str | None = None) -> int:
    """Return how many entries are open."""
    statement = sa.select(sa.func.count()).select_from(QUARANTINE)
    statement = statement.where(QUARANTINE.c.office == office, QUARANTINE.c.status == "open")
    if source is not None:
        statement = statement.where(QUARANTINE.c.source == source)
    return connection.execute(statement).scalar_one()


def entries(connection: sa.Connection, office: str) -> list[Entry]:
    """Return the open entries of an office as people read them."""
    rows = connection.execute(
        sa.select(QUARANTINE)
        .where(QUARANTINE.c.office == office, QUARANTINE.c.status == "open")
        .order_by(QUARANTINE.c.source, QUARANTINE.c.stream, QUARANTINE.c.quarantine_id)
    )
    return [
        Entry(
            row.quarantine_id,
            row.source,
            row.stream,
            row.entity,
            row.record_key,
            row.locator,
            tuple(Problem(each["code"], each["fields"]) for each in json.loads(row.problems)),
            row.first_seen,
            row.attempts,
        )
        for row in rows
    ]
