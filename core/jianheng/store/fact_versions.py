"""Versions of facts: what is current, closing and adding versions, what changed since a moment."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import compress
from typing import Any, NamedTuple

import pyarrow as pa
import sqlalchemy as sa

from jianheng.facts.entities import ENTITIES
from jianheng.facts.entity import Entity
from jianheng.facts.vectors import Vector
from jianheng.store import moments
from jianheng.store.bulk import among, insert_columns, read_arrow
from jianheng.store.chunks import chunks
from jianheng.store.copying import Cells, Copying, Packed, Same, copies, packed
from jianheng.store.tables import FACTS, OPEN


class Held(NamedTuple):
    """The current version of a fact, as far as a comparison needs it."""

    content_hash: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class New:
    """Versions to add, in columns of equal length: those of the entity, then what is told of each row.

    Attributes:
        ready: all that is told of each row made ready to be sent, where that was done before (:func:`made_ready`).
    """

    columns: Sequence[Vector]
    hashes: Sequence[str]
    deleted: Sequence[bool]
    locators: Sequence[str]
    ready: Packed | None = None

    @property
    def told(self) -> Sequence[Cells]:
        """What differs from row to row."""
        return (
            *self.columns,
            self.hashes,
            self.deleted if True in self.deleted else Same(False),
            self.locators if any(self.locators) else Same(""),
        )


def held(
    connection: sa.Connection, entity: Entity, office: str, source: str, keys: Iterable[str]
) -> dict[str, Held]:
    """Return the current versions of some keys from one source."""
    hashes, deleted = contents(connection, entity, office, source, keys)
    return {key: Held(content_hash, key in deleted) for key, content_hash in hashes.items()}


def contents(
    connection: sa.Connection, entity: Entity, office: str, source: str, keys: Iterable[str]
) -> tuple[dict[str, str], set[str]]:
    """Return the content hashes of the current versions of some keys from one source, and which are deleted."""
    table = FACTS[entity.name]
    key = table.c[entity.key.name]
    statement = sa.select(
        key, table.c.content_hash, sa.type_coerce(table.c.deleted, sa.types.NullType())
    ).where(
        table.c.office == office,
        table.c.source == source,
        among(connection, key, keys),
        table.c.recorded_to == OPEN,
    )
    rows = connection.execute(statement).fetchall()
    found, hashes, deleted = zip(*rows, strict=True) if rows else ((), (), ())
    return dict(zip(found, hashes, strict=True)), set(compress(found, deleted))


def known(connection: sa.Connection, entity: Entity, office: str, keys: Iterable[str]) -> set[str]:
    """Return which of some keys are known from any source, deleted ones included: they did exist."""
    table = FACTS[entity.name]
    key = table.c[entity.key.name]
    told = moments.sources_of(connection, office, entity.name)
    sources = table.c.source.in_(told)  # or everything of the office is gone through
    wanted = among(connection, key, keys)
    statement = sa.select(key).where(table.c.office == office, sources, wanted, table.c.recorded_to == OPEN)
    return set(connection.scalars(statement).all())


def live_keys(connection: sa.Connection, entity: Entity, office: str, source: str, stream: str) -> set[str]:
    """Return the keys that exist now as far as one stream of a source has told."""
    table = FACTS[entity.name]
    statement = sa.select(table.c[entity.key.name]).where(
        table.c.office == office,
        table.c.source == source,
        table.c.stream == stream,
        table.c.recorded_to == OPEN,
        table.c.deleted.is_(sa.false()),
    )
    return set(connection.scalars(statement))


def close(
    connection: sa.Connection, entity: Entity, office: str, source: str, keys: Iterable[str], at: int
) -> None:
    """End the current versions of some keys."""
    table = FACTS[entity.name]
    key = table.c[entity.key.name]
    named = set(keys)
    if not named:
        return
    connection.execute(
        sa.update(table)
        .where(
            table.c.office == office,
            table.c.source == source,
            among(connection, key, named),
            table.c.recorded_to == OPEN,
        )
        .values(recorded_to=at)
    )


_TOLD = ("content_hash", "deleted", "locator")
"""What is told of each row beside what the entity holds."""
_COMMON = ("office", "source", "recorded_to", "recorded_from", "stream", "run_id")
"""What is the same in all rows that are added at a time."""


def _told_columns(entity: Entity) -> list[sa.Column[Any]]:
    return [FACTS[entity.name].c[name] for name in (*entity.names, *_TOLD)]


def made_ready(entity: Entity, facts: New) -> New:
    """Return versions with what takes longest of sending them to a server done already."""
    return replace(facts, ready=packed(_told_columns(entity), facts.told, len(facts.hashes)))


class Adding:
    """Current versions on their way into a store, part after part; see :func:`adding`."""

    def __init__(
        self, connection: sa.Connection, entity: Entity, told: tuple[str, str, str], copying: Copying | None
    ) -> None:
        self._connection = connection
        self._entity = entity
        self._told = told[:2]
        self._latest = 0
        self._office, self._source, self._stream = map(Same, told)
        self._copying = copying

    def settle(self) -> None:
        """Have all there that was added: only then may anything else be asked of the connection."""
        if self._copying is not None:
            self._copying.settle()
        if self._latest:
            moments.mark(self._connection, *self._told, self._entity.name, self._latest)
            self._latest = 0

    def add(self, facts: New, at: int, run_id: int) -> None:
        """Add current versions."""
        count = len(facts.hashes)
        if not count:
            return
        self._latest = max(self._latest, at)
        common = (self._office, self._source, Same(OPEN), Same(at), self._stream, Same(run_id))
        if self._copying is not None:
            told = facts.told if facts.ready is None else (facts.ready,)
            self._copying.send((*told, *common), count)
            return
        table, names = FACTS[self._entity.name], (*self._entity.names, *_TOLD, *_COMMON)
        named = dict(zip(names, (*facts.told, *common), strict=True))
        insert_columns(self._connection, table, [named[column.name] for column in table.columns], count)


@contextmanager
def adding(
    connection: sa.Connection, entity: Entity, office: str, source: str, stream: str
) -> Iterator[Adding]:
    """Let current versions be added part after part; all are there at the end, none where something is raised."""
    table = FACTS[entity.name]
    with ExitStack() as end:
        copying = None
        if copies(connection.dialect):
            columns = [*_told_columns(entity), *(table.c[name] for name in _COMMON)]
            copying = end.enter_context(Copying(connection, columns))
        begun = Adding(connection, entity, (office, source, stream), copying)
        yield begun
        begun.settle()


def bury(
    connection: sa.Connection,
    entity: Entity,
    office: str,
    source: str,
    keys: Iterable[str],
    at: int,
    run_id: int,
) -> None:
    """Record that some keys vanished from the source: the last version stays, marked deleted."""
    table = FACTS[entity.name]
    key = table.c[entity.key.name]
    new = {"recorded_from": sa.literal(at), "deleted": sa.true(), "run_id": sa.literal(run_id)}
    named = set(keys)
    if not named:
        return
    closing = (table.c.office == office, table.c.source == source, among(connection, key, named))
    connection.execute(sa.update(table).where(*closing, table.c.recorded_to == OPEN).values(recorded_to=at))
    columns = [new.get(c.name, sa.literal(OPEN) if c.name == "recorded_to" else c) for c in table.columns]
    copied = sa.select(*columns).where(*closing, table.c.recorded_to == at)
    connection.execute(sa.insert(table).from_select([c.name for c in table.columns], copied))
    moments.mark(connection, office, source, entity.name, at)


def read_current(
    connection: sa.Connection,
    entity: Entity,
    office: str,
    case_nos: Iterable[str] | None = None,
    *,
    with_deleted: bool = False,
    at: int | None = None,
) -> pa.Table:
    """Return the current, not deleted versions as Arrow, with ``source``, ``content_hash`` and ``locator``.

    With ``case_nos`` only what belongs to those cases is read. ``with_deleted`` is for people: who has
    left is still the author of what he wrote. With ``at`` what was current at that recorded moment
    (microseconds since 1970) is read: the versions that began then or before and ended later or never.
    """
    table = FACTS[entity.name]
    statement = _current(entity, with_deleted, at is not None, case_nos is not None)
    values: dict[str, Any] = {"of_office": office} | ({} if at is None else {"at": at})
    if case_nos is None:
        return read_arrow(connection, table, statement, values)
    parts = [
        read_arrow(connection, table, statement, values | {"of_cases": some})
        for some in chunks(sorted(set(case_nos)))
    ]
    return pa.concat_tables(parts or [read_arrow(connection, table, statement, values | {"of_cases": []})])


@cache
def _current(entity: Entity, with_deleted: bool, at: bool, of_cases: bool) -> sa.Select[Any]:
    """Return the question of :func:`read_current`: asking it takes less than putting it together."""
    table = FACTS[entity.name]
    names = ("source", *entity.names, "content_hash", "locator")
    holds = table.c.recorded_to == OPEN
    if at:
        holds = sa.and_(table.c.recorded_from <= sa.bindparam("at"), table.c.recorded_to > sa.bindparam("at"))
    office = table.c.office == sa.bindparam("of_office")
    statement = sa.select(*(table.c[name] for name in names)).where(office, holds)
    if not with_deleted:
        statement = statement.where(table.c.deleted.is_(sa.false()))
    if of_cases:
        statement = statement.where(table.c.case_no.in_(sa.bindparam("of_cases", expanding=True)))
    return statement


def read_links(connection: sa.Connection, office: str, case_nos: Iterable[str]) -> pa.Table:
    """Return the current links that begin or end at some cases."""
    table, entity = FACTS["case_link"], ENTITIES["case_link"]
    names = ("source", *entity.names, "content_hash", "locator")
    statement = sa.select(*(table.c[name] for name in names)).where(
        table.c.office == office, table.c.recorded_to == OPEN, table.c.deleted.is_(sa.false())
    )
    parts = [read_arrow(connection, table, statement.where(sa.false()))]
    for some in chunks(sorted(set(case_nos))):
        ends = sa.or_(table.c.from_case_no.in_(some), table.c.to_case_no.in_(some))
        parts.append(read_arrow(connection, table, statement.where(ends)))
    joined = pa.concat_tables(parts)
    return joined.group_by(joined.column_names).aggregate([]) if joined.num_rows else joined


def touched(connection: sa.Connection, entity: Entity, office: str, column: str, since: int) -> set[str]:
    """Return the values of a column in everything that changed after a moment, former values included.

    Every version that ends is followed by one that begins (a deletion by a version marked deleted), so
    what began tells all that happened.
    """
    table = FACTS[entity.name]
    key = table.c[entity.key.name]
    began = (table.c.office == office, table.c.recorded_from > since)
    rows = connection.execute(sa.select(table.c[column], table.c.source, key).where(*began)).fetchall()
    found = {row[0] for row in rows}
    if column != entity.key.name:  # a record that moved to another case touches the case it left
        keys: dict[str, set[str]] = {}
        for _, source, name in rows:
            keys.setdefault(source, set()).add(name)
        for source in sorted(keys):  # by source too: their index begins with it
            for some in chunks(sorted(keys[source])):
                former = (table.c.office == office, table.c.source == source, key.in_(some))
                found |= set(connection.scalars(sa.select(table.c[column]).where(*former)))
    return {value for value in found if value is not None}


def keys_where(
    connection: sa.Connection, entity: Entity, office: str, column: str, values: Iterable[str], wanted: str
) -> set[str]:
    """Return the ``wanted`` column of current facts whose ``column`` is one of some values."""
    table = FACTS[entity.name]
    found: set[str] = set()
    for some in chunks(sorted(set(values))):
        statement = sa.select(table.c[wanted]).where(
            table.c.office == office, table.c[column].in_(some), table.c.recorded_to == OPEN
        )
        found.update(value for value in connection.scalars(statement) if value is not None)
    return found


def origin(connection: sa.Connection, entity: Entity, office: str, key: str) -> list[dict[str, Any]]:
    """Return every version of one record, oldest first, as mappings."""
    table = FACTS[entity.name]
    statement = (
        sa.select(table)
        .where(table.c.office == office, table.c[entity.key.name] == key)
        .order_by(table.c.source, table.c.recorded_from)
    )
    return [dict(row) for row in connection.execute(statement).mappings()]


def locators(connection: sa.Connection, entity: Entity, office: str) -> dict[str, str]:
    """Return for every current record where a person finds it: the source's name and its own locator."""
    table = FACTS[entity.name]
    statement = sa.select(table.c[entity.key.name], table.c.source, table.c.locator).where(
        table.c.office == office, table.c.recorded_to == OPEN
    )
    return {
        key: f"{source}: {locator}" if locator else source
        for key, source, locator in connection.execute(statement)
    }


def sightings(
    connection: sa.Connection, entity: Entity, office: str, keys: Iterable[str]
) -> list[tuple[str, str, str, int, int, str]]:
    """Return every version of some records: key, source, locator, recorded from and to, content hash; oldest first."""
    table = FACTS[entity.name]
    key = table.c[entity.key.name]
    told = (
        key,
        table.c.source,
        table.c.locator,
        table.c.recorded_from,
        table.c.recorded_to,
        table.c.content_hash,
    )
    found: list[tuple[str, str, str, int, int, str]] = []
    for some in chunks(sorted(set(keys))):
        statement = sa.select(*told).where(table.c.office == office, key.in_(some))
        found.extend(tuple(row) for row in connection.execute(statement.order_by(key, table.c.recorded_from)))
    return found
