"""Entries of the quarantine as people read them and look after them: owners, waivers, what the row said."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from jianheng.errors import Problem, StopError
from jianheng.facts.time import SHANGHAI
from jianheng.store import audit
from jianheng.store.chunks import chunks
from jianheng.store.engine import now_us
from jianheng.store.tables import QUARANTINE
from jianheng.sync.quarantine import belongs_to
from jianheng.sync.seal import Keyring, keyring_of, prefix, prefixes, seal, unseal

State = Literal["open", "waived", "mended", "gone"]
STATES: tuple[State, ...] = ("open", "waived", "mended", "gone")

REASON_LIMIT = 500
OWNER_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as a person reads it. Moments are microseconds since 1970, UTC.

    Attributes:
        state: ``waived`` while somebody's waiver holds; afterwards it is ``open`` again.
        kept: whether the row is kept and can be opened here.
        day: the business day of the row, where one can be read.
    """

    quarantine_id: int
    source: str
    stream: str
    entity: str
    record_key: str
    locator: str
    problems: tuple[Problem, ...]
    first_seen: int
    last_seen: int
    attempts: int
    state: State
    owner: str
    waived_until: int | None
    waived_by: str
    waiver: str
    kept: bool
    day: dt.date | None
    case_no: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: what is empty does not narrow. Without states those that are open or waived."""

    numbers: tuple[int, ...] = ()
    source: str = ""
    stream: str = ""
    owner: str = ""
    code: str = ""
    states: tuple[State, ...] = ()


def entries(connection: sa.Connection, office: str, wanted: Wanted = Wanted()) -> list[Entry]:
    """Return the entries of an office that are wanted, in the order of their sources."""
    statement = sa.select(QUARANTINE).where(QUARANTINE.c.office == office)
    for name in ("source", "stream", "owner"):
        if getattr(wanted, name):
            statement = statement.where(QUARANTINE.c[name] == getattr(wanted, name))
    if wanted.numbers:
        statement = statement.where(QUARANTINE.c.quarantine_id.in_(wanted.numbers))
    elif not wanted.states:
        statement = statement.where(QUARANTINE.c.status == "open")
    order = (QUARANTINE.c.source, QUARANTINE.c.stream, QUARANTINE.c.quarantine_id)
    keys, now = keyring_of(connection), now_us()
    found = [_entry(row, keys, now) for row in connection.execute(statement.order_by(*order))]
    return [
        each
        for each in found
        if (not wanted.states or each.state in wanted.states)
        and (not wanted.code or wanted.code in {told.code for told in each.problems})
    ]


def _entry(row: Any, keys: Keyring | None, now: int) -> Entry:
    waived = row.status == "open" and row.waived_until is not None and row.waived_until > now
    return Entry(
        row.quarantine_id,
        row.source,
        row.stream,
        row.entity,
        row.record_key,
        row.locator,
        tuple(Problem(each["code"], each["fields"]) for each in json.loads(row.problems)),
        row.first_seen,
        row.last_seen,
        row.attempts,
        "waived" if waived else row.status,
        row.owner,
        row.waived_until,
        row.waived_by,
        row.waiver,
        row.payload.startswith(prefixes(keys)),
        row.day,
        row.case_no,
    )


def _these(connection: sa.Connection, office: str, numbers: Sequence[int]) -> list[Entry]:
    """Return open entries by number.

    Raises:
        StopError: some are not there, or closed; nothing is to be done to any then.
    """
    found = [
        each
        for each in entries(connection, office, Wanted(numbers=tuple(numbers)))
        if each.state in ("open", "waived")
    ]
    missing = sorted(set(numbers) - {each.quarantine_id for each in found})
    if missing:
        raise StopError("quarantine-unknown", numbers="、".join(map(str, missing)))
    return found


def assign(connection: sa.Connection, office: str, numbers: Sequence[int], owner: str, by: str) -> None:
    """Say who is to see that some entries are mended; an empty owner takes that back.

    Raises:
        StopError: there is no such open entry, or the name is too long.
    """
    if len(owner) > OWNER_LIMIT:
        raise StopError("quarantine-too-long", limit=OWNER_LIMIT, length=len(owner))
    for each in _these(connection, office, numbers):
        told = {"owner": owner, "before": each.owner}
        _change(connection, each, owner=owner)
        audit.record(connection, office, by, "quarantine-owner", f"#{each.quarantine_id}", told)


def waive(
    connection: sa.Connection, office: str, numbers: Sequence[int], until: dt.date, reason: str, by: str
) -> None:
    """Accept, until the end of a day in Shanghai, that some entries are not mended.

    Raises:
        StopError: there is no such open entry, nobody says why or who, or the day is over.
    """
    end = dt.datetime.combine(until + dt.timedelta(days=1), dt.time(), SHANGHAI)
    end_us = int(end.timestamp() * 1_000_000)
    if end_us <= now_us():
        raise StopError("quarantine-waiver-past", day=until)
    if not reason.strip() or not by.strip():
        raise StopError("quarantine-waiver-why")
    if len(reason) > REASON_LIMIT:
        raise StopError("quarantine-too-long", limit=REASON_LIMIT, length=len(reason))
    for each in _these(connection, office, numbers):
        _change(connection, each, waived_until=end_us, waived_by=by[:OWNER_LIMIT], waiver=reason)
        told = {"until": until.isoformat(), "reason": reason, "codes": [one.code for one in each.problems]}
        audit.record(connection, office, by, "quarantine-waive", f"#{each.quarantine_id}", told)


def unwaive(connection: sa.Connection, office: str, numbers: Sequence[int], by: str) -> None:
    """End waivers before their day.

    Raises:
        StopError: there is no such open entry.
    """
    for each in _these(connection, office, numbers):
        _change(connection, each, waived_until=None, waived_by="", waiver="")
        audit.record(connection, office, by, "quarantine-unwaive", f"#{each.quarantine_id}", {})


def _change(connection: sa.Connection, entry: Entry, **values: object) -> None:
    one = QUARANTINE.c.quarantine_id == entry.quarantine_id
    connection.execute(sa.update(QUARANTINE).where(one).values(**values))


def rows_of(connection: sa.Connection, office: str, numbers: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    """Return what the rows said, by number; those that are not kept or cannot be opened are left out."""
    keys = keyring_of(connection)
    found: dict[int, Mapping[str, Any]] = {}
    for some in chunks(sorted(set(numbers))):
        statement = sa.select(QUARANTINE).where(
            QUARANTINE.c.office == office, QUARANTINE.c.quarantine_id.in_(some)
        )
        for row in connection.execute(statement):
            bound = belongs_to(office, row.source, row.stream, row.payload_hash)
            text = unseal(keys, row.payload, bound)
            if text is not None:
                found[row.quarantine_id] = json.loads(text)
    return found


def reseal(connection: sa.Connection, office: str, limit: int) -> tuple[int, int, int]:
    """Seal up to ``limit`` payloads with the current key; return how many were, could not be, and are left.

    One that no key opens is emptied: its source shows the row again.

    Raises:
        StopError: there is no key.
    """
    keys = keyring_of(connection)
    if keys is None:
        raise StopError("quarantine-no-key")
    current = QUARANTINE.c.payload.startswith(prefix(keys.current))
    old = (QUARANTINE.c.office == office, QUARANTINE.c.payload != "", sa.not_(current))
    opened = lost = 0
    rows = connection.execute(sa.select(QUARANTINE).where(*old).limit(limit)).fetchall()
    for row in rows:
        bound = belongs_to(office, row.source, row.stream, row.payload_hash)
        text = unseal(keys, row.payload, bound)
        opened, lost = opened + (text is not None), lost + (text is None)
        # Tried once: the next sync reads everything of its stream again.
        values = {"payload": "", "attempts": 1} if text is None else {"payload": seal(keys, text, bound)}
        one = QUARANTINE.c.quarantine_id == row.quarantine_id
        connection.execute(sa.update(QUARANTINE).where(one).values(**values))
    left = connection.scalar(sa.select(sa.func.count()).select_from(QUARANTINE).where(*old))
    return opened, lost, int(left or 0)
