"""The source: streams as mapped, checked against the database, read in batches that can be gone on from."""

import datetime as dt
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from jianheng.contract import AdapterContext, Batch, Finding, LiveCount, Row, Stream
from jianheng.errors import EmptiedError, JianhengError, Problem, StopError, problem
from jianheng.facts.entities import ENTITIES
from jianheng.messages import text
from jianheng_adapters.mapping import MappingFile, RowMaker, StreamMapping, row_maker
from jianheng_adapters.mapping.position import Marks, Position
from jianheng_adapters.mapping.records import origins
from jianheng_adapters.relational.connection import make_engine, reading
from jianheng_adapters.sql_query.counting import count_statement, counted
from jianheng_adapters.sql_query.query import From, as_kept, first_position, in_scope, live, read_from

_CODES = "sql"
Record = Sequence[Any]


@dataclass(frozen=True, slots=True)
class _Reading:
    """One stream made ready.

    Attributes:
        rows: the statement of all rows in scope, unordered.
        make: makes a row of a record.
        places: where each source column stands in a record.
    """

    source: From
    rows: sa.Select[Any]
    make: RowMaker
    places: Mapping[str, int]

    def made(self, records: Iterable[Record]) -> list[Row]:
        return [self.make(record, 0) for record in records]


class QuerySource:
    """Reads tables, views and queries of any database."""

    def __init__(self, context: AdapterContext, mapping: MappingFile) -> None:
        self._context = context
        self._mapping = mapping

    def streams(self) -> Sequence[Stream]:
        """Name the mapped streams."""
        return [
            Stream(name, stream.entity, stream.mode, stream.may_be_empty)
            for name, stream in self._mapping.streams.items()
        ]

    def check(self) -> Iterable[Finding]:
        """Check the connection, then every stream: its table or query, its columns, and that there is something to read."""
        subject = text("sql-check-connection")
        try:
            with reading(make_engine(self._context, _CODES), self._context, _CODES):
                yield Finding(subject)
        except JianhengError as error:
            yield Finding(subject, error.problem)
            return
        for name in self._mapping.streams:
            yield from self._check_stream(name)

    def _check_stream(self, name: str) -> Iterator[Finding]:
        subject, stream = text("sql-check-stream", stream=name), self._mapping.streams[name]
        try:
            # A connection each: a query that fails ends the transaction on some databases.
            with reading(make_engine(self._context, _CODES), self._context, _CODES) as connection:
                began = time.monotonic()
                made = self._prepare(connection, name, None)
                found = connection.execute(_count(made.rows)).scalar_one()
                took = time.monotonic() - began
                if stream.mode == "cursor" and made.source.stamp is not None:
                    self._check_position(name, stream, [made.source.stamp])
        except JianhengError as error:
            for each in error.problems:
                yield Finding(subject, each)
            return
        told: Problem | None = None
        if not found and not stream.may_be_empty:
            told = problem("sql-nothing-in-scope", stream=name, units="、".join(self._context.units))
        elif took > int(self._context.options.get("slow_s") or 30):
            told = problem("sql-slow", stream=name, seconds=round(took))
        yield Finding(subject, told, warning=True, detail=text("sql-check-rows", rows=found))

    def read(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        """Read a stream: what changed, with some overlap, or all of it.

        Rows come in the order of their cursor, so every batch is a safe place to stop. The lower bound is closed and
        overlaps; rows without any position are read every time, last.
        """
        described = self._described(stream)
        with self._reading() as connection:
            if described.mode == "snapshot":
                made = self._prepare(connection, stream, None)
                for records in self._partitions(connection, made.rows):
                    yield Batch(made.made(records))
            else:
                yield from self._read_changes(connection, stream, described, cursor)

    def _read_changes(
        self, connection: sa.Connection, name: str, stream: StreamMapping, cursor: str | None
    ) -> Iterator[Batch]:
        marks = self._marks(stream)
        reached = marks.parse(cursor, stream=name).reached
        options = self._context.options.get
        since = marks.back(
            reached, int(options("overlap_minutes") or 0), int(options("overlap_numbers") or 0)
        )
        made = self._prepare(connection, name, since)
        changed = made.source.columns[str(stream.cursor)]
        statement = made.rows
        if since is not None:
            bound = sa.literal(made.source.bound(since))
            statement = statement.where(sa.or_(changed >= bound, changed.is_(None)))
        order = [made.source.columns[each] for each in stream.order or _key_sources(stream)]
        # Databases differ on where nulls stand, so it is said.
        statement = statement.order_by(sa.case((changed.is_(None), 1), else_=0), changed, *order)
        place, anything = made.places[str(stream.cursor)], False
        for records in self._partitions(connection, statement):
            values = [record[place] for record in records]
            if not anything:
                self._check_position(name, stream, values)
            reached, anything = marks.advance(reached, values), True
            yield Batch(made.made(records), marks.cursor(reached))
        # The row that gave the cursor comes again for as long as it exists, so nothing at all is worth a look.
        if since is not None and not anything:
            everything = self._prepare(connection, name, None)
            if not connection.execute(_count(everything.rows)).scalar_one():
                raise EmptiedError

    def keys(self, stream: str) -> Iterator[Sequence[str]]:
        """Yield the keys of the live rows of a stream in scope, without reading the rows."""
        described = self._described(stream)
        key = ENTITIES[described.entity].key.name
        only = described.model_copy(
            update={"columns": {key: described.columns[key]}, "attributes": {}, "locator": (), "order": ()}
        )
        with self._reading() as connection:
            made = self._prepare(connection, stream, None, only)
            for records in self._partitions(connection, made.rows.where(*live(only, made.source.columns))):
                rows = made.made(records)
                yield [str(row[key]) for row in rows if row[key] is not None and not row["_deleted"]]

    def count(self, stream: str) -> Iterable[LiveCount]:
        """Count the live rows of a stream by unit, and cases by year of intake, in the database itself."""
        described = self._described(stream)
        with self._reading() as connection:
            made = self._prepare(connection, stream, None)
            statement = count_statement(described, made.source, self._context.units, connection)
            return counted(connection.execute(statement))

    def read_range(self, stream: str, start: dt.date, end: dt.date, cursor: str | None) -> Iterator[Batch]:
        """Yield the rows of a stream whose business time lies in ``[start, end)``; begun again where it was broken off.

        Raises:
            StopError: the stream has no business time in a column of its own.
        """
        del cursor
        described = self._described(stream)
        entity = ENTITIES[described.entity]
        told = described.columns.get(entity.business_time or "")
        column = None if told is None else told.column
        if column is None:
            raise StopError("sql-no-span", stream=stream, column=entity.business_time or "-")
        with self._reading() as connection:
            made = self._prepare(connection, stream, None)
            when = made.source.columns[column]
            stamp = connection.execute(sa.select(when).where(when.is_not(None)).limit(1)).scalar()
            first, last = (
                sa.literal(as_kept(dt.datetime(day.year, day.month, day.day), stamp))  # noqa: DTZ001 -- wall time
                for day in (start, end)
            )
            for records in self._partitions(connection, made.rows.where(when >= first, when < last)):
                yield Batch(made.made(records))

    def preview(self, stream: str) -> Iterator[tuple[Mapping[str, Any], Row]]:
        """Yield what is read of each record, and the row made of it, from the beginning of a stream."""
        self._described(stream)
        with self._reading() as connection:
            made = self._prepare(connection, stream, None)
            for records in self._partitions(connection, made.rows):
                for record in records:
                    yield {name: record[place] for name, place in made.places.items()}, made.make(record, 0)

    def origins(self, stream: str) -> Mapping[str, Sequence[str]]:
        """Return the source columns that each canonical column of a stream is made of."""
        return origins(self._described(stream))

    def _described(self, stream: str) -> StreamMapping:
        found = self._mapping.streams.get(stream)
        if found is None:
            raise StopError("mapping-stream-unknown", source=self._context.name, stream=stream)
        return found

    def _reading(self) -> Any:
        return reading(make_engine(self._context, _CODES), self._context, _CODES)

    def _marks(self, stream: StreamMapping) -> Marks:
        return Marks(stream.cursor_kind, self._mapping.normalise.date_formats)

    def _prepare(
        self,
        connection: sa.Connection,
        name: str,
        since: Position | None,
        described: StreamMapping | None = None,
    ) -> _Reading:
        """Return a stream made ready; ``since`` fills the parameter of a query that asks for one."""
        stream = described or self._mapping.streams[name]
        stream = stream if stream.locator else stream.model_copy(update={"locator": _key_sources(stream)})
        table, schema = self._mapping.table_name(stream.table or ""), self._context.options.get("schema")
        units = list(self._context.units)
        least = first_position(stream.cursor_kind)
        source = read_from(connection, stream, name, table, schema, {"cursor": least, "units": units})
        if stream.cursor is not None and stream.mode == "cursor":
            changed = source.columns[stream.cursor]
            stamp = connection.execute(sa.select(changed).where(changed.is_not(None)).limit(1)).scalar()
            filled = {"cursor": as_kept(since if since is not None else least, stamp), "units": units}
            again = read_from(connection, stream, name, table, schema, filled) if stream.sql else source
            source = replace(again, stamp=stamp)
        rows = sa.select(*source.columns.values()).where(*in_scope(stream, source.columns, units))
        places = {each: place for place, each in enumerate(source.columns)}
        mapping = self._mapping.model_copy(update={"streams": {**self._mapping.streams, name: stream}})
        make = row_maker(mapping, name, places, place=source.place, pseudonym=self._context.pseudonym)
        return _Reading(source, rows, make, places)

    def _partitions(self, connection: sa.Connection, statement: sa.Select[Any]) -> Iterator[Sequence[Record]]:
        size = int(self._context.options.get("batch_size") or 5000)
        options = {"yield_per": size, "stream_results": True}
        with connection.execute(statement, execution_options=options) as result:
            yield from result.partitions()

    def _check_position(self, name: str, stream: StreamMapping, values: Sequence[Any]) -> None:
        marks = self._marks(stream)
        told = [value for value in values if value is not None]
        if told and all(marks.position(value) is None for value in told):
            raise StopError("sql-cursor-unreadable", stream=name, column=stream.cursor)


def _key_sources(stream: StreamMapping) -> tuple[str, ...]:
    return tuple(stream.columns[ENTITIES[stream.entity].key.name].sources())


def _count(rows: sa.Select[Any]) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(rows.subquery())
