"""Quarantine: rows that cannot be taken, kept with every reason until they can or are gone.

An entry is identified by where the row is in its source (locator) or, without one, by its payload.
The payload is the row under canonical names, parties already pseudonymised by the adapter. It is kept
sealed, or not at all where there is no key: then only its source can show the row again. What it may
touch, a day and a case, is kept beside it, so that nobody needs the key to close a period.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from jianheng.errors import Problem
from jianheng.facts.convert import KEY_LIMIT, Reject
from jianheng.facts.entities import ENTITIES
from jianheng.facts.entity import Entity
from jianheng.facts.time import wall_time
from jianheng.logs import MASK, redact
from jianheng.store import audit
from jianheng.store.chunks import chunks
from jianheng.store.engine import now_us
from jianheng.store.tables import QUARANTINE
from jianheng.sync.seal import Keyring, keyring_of, prefixes, seal, unseal

LOST = "row-duplicate-key"
"""The code of a row that lost against another of the same key: tried alone it would win."""

PAYLOAD_LIMIT = 60_000
"""Characters of a sealed payload: more does not fit a text of every database, and is not kept."""

_EARLIEST, _LATEST = 1900, 2199
"""Years in which a day is believed; any other is as good as none."""


@dataclass(frozen=True, slots=True)
class Held:
    """One open entry, ready to be tried again.

    ``awaits_source`` says that nothing but its source can try it: it lost to another row of the same key,
    or its payload is not kept or opens with no key there is.
    """

    quarantine_id: int
    record_key: str
    locator: str
    lost: bool
    payload: str = field(repr=False)
    belongs_to: str = field(repr=False)
    keys: Keyring | None = field(repr=False)

    @property
    def awaits_source(self) -> bool:
        """Whether only its source can show the row again."""
        return self.lost or unseal(self.keys, self.payload, self.belongs_to) is None

    @property
    def row(self) -> Mapping[str, Any]:
        """The row as it was set aside; nothing where that cannot be opened."""
        opened = unseal(self.keys, self.payload, self.belongs_to)
        found: dict[str, Any] = {} if opened is None else json.loads(opened)
        return found


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    return value if isinstance(value, str | int | None) else str(value)


def _json(value: object) -> str:
    """Return JSON text that every database can hold: half a character is written as its escape."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text.encode(errors="backslashreplace").decode()


def _told(entity: Entity, problems: Iterable[Problem]) -> str:
    return _json([{"code": each.code, "fields": _plain(_shown(entity, each))} for each in problems])


def _shown(entity: Entity, told: Problem) -> Mapping[str, object]:
    """Return a problem's fields without values from columns that hold names or free text."""
    fields = {name: redact(each) if isinstance(each, str) else each for name, each in told.fields.items()}
    if "value" in fields and fields.get("column_name") in entity.names:
        column = entity.column(str(fields["column_name"]))
        free = column.type in ("text", "attributes") and column.ref is None and column is not entity.key
        if free or column.privacy != "none":
            fields["value"] = MASK
    return fields


def _day(entity: Entity, row: Mapping[str, Any]) -> dt.date | None:
    """Return the day a row speaks of; None when none can be read."""
    try:
        day = wall_time(dt.datetime.fromisoformat(str(row.get(entity.business_time or "")))).date()
    except (ValueError, OverflowError):
        return None
    return day if _EARLIEST <= day.year <= _LATEST else None


def _case(entity: Entity, row: Mapping[str, Any]) -> str | None:
    told = row.get("case_no") if "case_no" in entity.names else None
    good = isinstance(told, str) and 0 < len(told.strip()) <= KEY_LIMIT and told.isprintable()
    return told.strip() if good and isinstance(told, str) else None


def belongs_to(office: str, source: str, stream: str, payload_hash: str) -> str:
    """Return what a sealed payload is bound to: moved to another entry it does not open."""
    return f"{office}\0{source}\0{stream}\0{payload_hash}"


def _seen(
    keys: Keyring | None, place: tuple[str, str, str], entity: Entity, reject: Reject
) -> dict[str, Any]:
    text = _json(_plain(reject.row))
    payload_hash = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    sealed = "" if keys is None else seal(keys, text, belongs_to(*place, payload_hash))
    return {
        "record_key": reject.key,
        "problems": _told(entity, reject.problems),
        "payload": sealed if len(sealed) <= PAYLOAD_LIMIT else "",
        "payload_hash": payload_hash,
        "last_seen": now_us(),
        "day": _day(entity, reject.row),
        "case_no": _case(entity, reject.row),
    }


def hold(
    connection: sa.Connection, office: str, source: str, stream: str, entity: str, rejects: Sequence[Reject]
) -> None:
    """Keep rejected rows; one already held is updated, not doubled.

    A waiver was given for what was wrong then: it ends when something else is wrong now.
    """
    opened = _open_by_place(connection, office, source, stream) if rejects else {}
    keys = keyring_of(connection)
    for reject in rejects:
        seen = _seen(keys, (office, source, stream), ENTITIES[entity], reject)
        place = reject.locator or seen["payload_hash"]
        if place in opened:
            number, codes = opened[place]
            if codes and codes != _codes(seen["problems"]):
                seen |= {"waived_until": None, "waived_by": "", "waiver": ""}
                audit.record(connection, office, "sync", "quarantine-waiver-ended", f"#{number}", {})
            connection.execute(
                sa.update(QUARANTINE)
                .where(QUARANTINE.c.quarantine_id == number)
                .values(**seen, attempts=QUARANTINE.c.attempts + 1)
            )
            continue
        added = sa.insert(QUARANTINE).values(
            office=office,
            source=source,
            stream=stream,
            entity=entity,
            locator=reject.locator,
            **seen,
            first_seen=seen["last_seen"],
            attempts=1,
            status="open",
        )
        opened[place] = (
            int(connection.execute(added.returning(QUARANTINE.c.quarantine_id)).scalar_one()),
            frozenset(),
        )


def _codes(problems: str) -> frozenset[str]:
    return frozenset(each["code"] for each in json.loads(problems))


def _open_by_place(
    connection: sa.Connection, office: str, source: str, stream: str
) -> dict[str, tuple[int, frozenset[str]]]:
    """Return the open entries by their place: number, and for a waived one the codes it was waived with."""
    columns = ("quarantine_id", "locator", "payload_hash", "problems", "waived_until")
    rows = connection.execute(
        sa.select(*(QUARANTINE.c[name] for name in columns)).where(*_is_open(office, source, stream))
    )
    return {
        locator or payload_hash: (number, frozenset() if waived is None else _codes(problems))
        for number, locator, payload_hash, problems, waived in rows
    }


def count_sync(connection: sa.Connection, office: str, source: str, stream: str) -> bool:
    """Count one more sync for what nothing tries again; return whether it is time to read everything again.

    It is when an entry has been tried once, twice, four times, eight times: the mend usually comes soon,
    and a row that nobody ever mends must not make every sync a full one.
    """
    opened = _is_open(office, source, stream)
    tried = list(connection.scalars(sa.select(QUARANTINE.c.attempts).where(*opened)))
    if any(count & (count - 1) == 0 for count in tried):
        return True
    opens = [QUARANTINE.c.payload.startswith(each) for each in prefixes(keyring_of(connection))]
    untried = sa.or_(QUARANTINE.c.problems.contains(LOST), sa.not_(sa.or_(sa.false(), *opens)))
    connection.execute(
        sa.update(QUARANTINE).where(*opened, untried).values(attempts=QUARANTINE.c.attempts + 1)
    )
    return False


def _is_open(office: str, source: str, stream: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        QUARANTINE.c.office == office,
        QUARANTINE.c.source == source,
        QUARANTINE.c.stream == stream,
        QUARANTINE.c.status == "open",
    )


def held(connection: sa.Connection, office: str, source: str, stream: str) -> list[Held]:
    """Return the open entries of a stream, oldest first."""
    columns = ("quarantine_id", "record_key", "locator", "problems", "payload", "payload_hash")
    rows = connection.execute(
        sa.select(*(QUARANTINE.c[name] for name in columns))
        .where(*_is_open(office, source, stream))
        .order_by(QUARANTINE.c.quarantine_id)
    )
    keys = keyring_of(connection)
    return [
        Held(
            row.quarantine_id,
            row.record_key,
            row.locator,
            LOST in row.problems,
            row.payload,
            belongs_to(office, source, stream, row.payload_hash),
            keys,
        )
        for row in rows
    ]


def any_open(connection: sa.Connection, office: str, source: str, stream: str) -> bool:
    """Return whether a stream has an open entry."""
    first = sa.select(QUARANTINE.c.quarantine_id).where(*_is_open(office, source, stream)).limit(1)
    return connection.scalar(first) is not None


def close(connection: sa.Connection, ids: Iterable[int], status: str, run_id: int) -> None:
    """Close entries: ``mended`` (a good version was taken), ``gone`` (the source no longer has the row).

    What was wrong stays on record; the row itself is not kept any longer.
    """
    for some in chunks(sorted(ids)):
        connection.execute(
            sa.update(QUARANTINE)
            .where(QUARANTINE.c.quarantine_id.in_(some))
            .values(status=status, closed_run=run_id, last_seen=now_us(), payload="")
        )


def open_count(
    connection: sa.Connection, office: str, source: str | None = None, *, with_waived: bool = False
) -> int:
    """Return how many entries are open; those somebody waived are left out until that ends."""
    statement = sa.select(sa.func.count()).select_from(QUARANTINE)
    statement = statement.where(QUARANTINE.c.office == office, QUARANTINE.c.status == "open")
    if source is not None:
        statement = statement.where(QUARANTINE.c.source == source)
    if not with_waived:
        statement = statement.where(unwaived(now_us()))
    return connection.execute(statement).scalar_one()


def unwaived(at: int) -> sa.ColumnElement[bool]:
    """Return the condition that nobody has waived an entry, or only until before a moment."""
    return sa.or_(QUARANTINE.c.waived_until.is_(None), QUARANTINE.c.waived_until <= at)
