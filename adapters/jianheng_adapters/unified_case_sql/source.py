"""The source: streams as mapped, checked against the database, read in batches."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jianheng.contract import AdapterContext, Batch, Finding, LiveCount, Row, Stream
from jianheng.errors import EmptiedError, FaultsError, JianhengError, Problem, StopError, problem
from jianheng.facts.entities import ENTITIES
from jianheng.messages import text
from jianheng_adapters.mapping import (
    MappingFile,
    RowMaker,
    advance,
    format_cursor,
    load_mapping,
    parse_cursor,
    row_maker,
)
from jianheng_adapters.unified_case_sql import marks
from jianheng_adapters.unified_case_sql.connection import make_engine, reading
from jianheng_adapters.unified_case_sql.groups import format_parts, groups, parse_parts
from jianheng_adapters.unified_case_sql.keys import only_key, pages
from jianheng_adapters.unified_case_sql.live import live_counts
from jianheng_adapters.unified_case_sql.schema import Catalogue, Place, find_missing, places
from jianheng_adapters.unified_case_sql.spans import (
    Span,
    business_time,
    format_place,
    in_span,
    parse_place,
    within,
)
from jianheng_adapters.unified_case_sql.statements import Statement, build, count, read_parents

_FOLDER = Path(__file__).with_name("mappings")
SHIPPED = tuple(
    _FOLDER / f"ucs-1-{theme}.toml"
    for theme in (
        "organisation",
        "cases",
        "outcomes",
        "suspects",
        "documents",
        "supervision",
        "civil",
        "management",
    )
)
"""System 1.x, one file a theme."""
VERSIONS = {1: SHIPPED, 2: (*SHIPPED, _FOLDER / "ucs-2.toml")}
"""What each version is read by: 2.0 is what differs from 1.x, laid over it."""
_READ = "read"
"""Stands for the cursor of a part whose span was read to its end."""
_DEEPEST = 10  # units above a unit; more means that the tree bites its own tail


@dataclass(frozen=True, slots=True)
class _Reading:
    """One stream made ready: its tables, its statement, and what makes rows of its records."""

    places: Mapping[str, Place]
    statement: Statement
    make: RowMaker

    def rows(self, records: Iterable[Sequence[Any]]) -> list[Row]:
        return [self.make(record, 0) for record in records]


class UnifiedCaseSource:
    """Reads the unified case system from its database; see the mapping for what and from where."""

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._mapping = load_mapping(
            VERSIONS[int(context.options.get("version") or 1)],
            context.options.get("mapping"),
            placement="table",
            allow_sensitive=context.options.get("allow_sensitive") or (),
        )

    def streams(self) -> Sequence[Stream]:
        """Name the mapped streams."""
        made = []
        for name, parts in groups(self._mapping).items():
            first = self._mapping.streams[parts[0]]
            empty = all(self._mapping.streams[part].may_be_empty for part in parts)
            made.append(Stream(name, first.entity, first.mode, empty))
        return made

    def check(self) -> Iterable[Finding]:
        """Check the connection, then every mapped table and column, then that there is something to read."""
        try:
            with self._reading() as connection:
                yield Finding(text("ucs-check-connection"))
                yield from self._check_streams(connection)
        except JianhengError as error:
            yield Finding(text("ucs-check-connection"), error.problem)

    def _check_streams(self, connection: sa.Connection) -> Iterator[Finding]:
        catalogue = self._catalogue(connection)
        told: set[tuple[str, str]] = set()
        for name, stream in self._mapping.streams.items():
            subject = text("ucs-check-stream", stream=name)
            missing = list(find_missing(catalogue, self._mapping, name))
            for each in missing:
                what = (str(each.fields["table"]), str(each.fields.get("column", "")))
                if what not in told:  # several streams need the case table: once is enough
                    told.add(what)
                    yield Finding(subject, each)
            if not missing:
                found = connection.execute(count(self._statement(connection, catalogue, name))).scalar_one()
                empty: Problem | None = None
                if not found and not stream.may_be_empty:
                    units = "、".join(self._context.units)
                    empty = problem("ucs-nothing-in-scope", stream=name, table=stream.table, units=units)
                yield Finding(subject, empty, warning=True, detail=text("ucs-check-rows", rows=found))

    def read(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        """Read a stream: what changed, with some overlap, or all of it.

        A cursor is the latest time of change seen. Because the lower bound is closed and overlaps,
        rows that share that time, or were committed a little late, come again rather than not at all.
        Rows without any time of change are read every time, last.
        """
        parts = self._parts(stream)
        with self._reading() as connection:
            catalogue = self._catalogue(connection)
            if parts == (stream,):
                yield from self._read_one(connection, catalogue, stream, cursor)
            else:
                yield from self._read_parts(connection, catalogue, parts, parse_parts(cursor, stream=stream))

    def _parts(self, stream: str) -> tuple[str, ...]:
        known = groups(self._mapping)
        if stream not in known and stream not in self._mapping.streams:
            raise StopError("mapping-stream-unknown", source=self._context.name, stream=stream)
        return tuple(known.get(stream, (stream,)))

    def _read_one(
        self, connection: sa.Connection, catalogue: Catalogue, name: str, cursor: str | None
    ) -> Iterator[Batch]:
        made = self._prepare(connection, catalogue, name)
        if made.statement.tokens:
            yield from self._read_marked(connection, made, marks.parse_marks(cursor, stream=name))
        elif self._mapping.streams[name].mode == "cursor":
            yield from self._read_changes(connection, made, parse_cursor(cursor, stream=name))
        else:
            for records in self._partitions(connection, made.statement.rows):
                yield Batch(made.rows(records))

    def _read_parts(
        self, connection: sa.Connection, catalogue: Catalogue, parts: Sequence[str], cursors: dict[str, str]
    ) -> Iterator[Batch]:
        """Read every part from where it was; one that cannot be read is told at the end and keeps no other back.

        Raises:
            EmptiedError: something was read before, and nothing is there now.
            FaultsError: what is wrong with the parts that could not be read.
        """
        faults: list[Problem] = []
        emptied, anything = [], False
        size = int(self._context.options.get("batch_size") or 5000)
        waiting: list[Row] = []  # most parts have little to tell: together they make a batch
        tokens = False
        for name in parts:
            try:
                for batch in self._read_part(connection, catalogue, name, cursors.get(name)):
                    waiting += batch.rows
                    anything = anything or bool(batch.rows)
                    if batch.cursor is not None:
                        cursors[name] = batch.cursor
                        tokens = tokens or not batch.rows  # of a part by itself: its rows need not come again
                    if len(waiting) >= size:
                        yield from _together(waiting, cursors, tokens)
                        waiting = []
            except EmptiedError:
                emptied.append(name)
            except FaultsError as error:
                faults += error.problems
        if waiting or tokens:
            yield from _together(waiting, cursors, tokens)
        if faults:
            raise FaultsError(faults)
        if emptied and not anything and len(emptied) == len(cursors):
            raise EmptiedError

    def _read_part(
        self, connection: sa.Connection, catalogue: Catalogue, name: str, cursor: str | None
    ) -> Iterator[Batch]:
        """Read a part unless its table is empty, as most are in an office that handles few categories."""
        if not self._is_empty(connection, catalogue, name):
            yield from self._read_one(connection, catalogue, name, cursor)
        elif cursor is not None:
            raise EmptiedError

    def _is_empty(self, connection: sa.Connection, catalogue: Catalogue, name: str) -> bool:
        """Whether a part's table is there and holds no row at all, of any unit."""
        table = catalogue.find(self._mapping.table_name(self._mapping.streams[name].table or ""))
        return table is not None and connection.execute(catalogue.first(table)).first() is None

    def keys(self, stream: str) -> Iterator[Sequence[str]]:
        """Yield the keys of the live rows of a stream in scope, without reading the rows."""
        size = int(self._context.options.get("batch_size") or 5000)
        with self._reading() as connection:
            yield from pages(self._keys(connection, stream), size)

    def _keys(self, connection: sa.Connection, stream: str) -> Iterator[str]:
        catalogue = self._catalogue(connection)
        for name in self._parts(stream):
            mapping = only_key(self._mapping, name)
            made = self._prepare(connection, catalogue, name, mapping)
            key = ENTITIES[mapping.streams[name].entity].key.name
            for records in self._partitions(connection, made.statement.rows):
                rows = made.rows(records)
                yield from (str(row[key]) for row in rows if row[key] is not None and not row["_deleted"])

    def read_range(self, stream: str, start: dt.date, end: dt.date, cursor: str | None) -> Iterator[Batch]:
        """Yield the rows of a stream whose business time lies in ``[start, end)``; what has none comes whole."""
        parts = self._parts(stream)
        reached = parse_parts(cursor, stream=stream)
        with self._reading() as connection:
            catalogue = self._catalogue(connection)
            for name in parts:
                if reached.get(name) == _READ:
                    continue
                for batch in self._read_span(connection, catalogue, name, (start, end), reached.get(name)):
                    if batch.cursor is not None:
                        reached[name] = batch.cursor
                    yield Batch(batch.rows, format_parts(reached))
                reached[name] = _READ
                yield Batch((), format_parts(reached))

    def _read_span(
        self, connection: sa.Connection, catalogue: Catalogue, name: str, span: Span, cursor: str | None
    ) -> Iterator[Batch]:
        made, stream = self._prepare(connection, catalogue, name), self._mapping.streams[name]
        width = len(made.statement.order)
        after = parse_place(cursor, width, stream=name)
        found = in_span(made.statement, stream, made.places, span, after)
        column = business_time(stream)
        for records in self._partitions(connection, found):
            rows = [row for row in made.rows(records) if within(row, column, span)]
            yield Batch(rows, format_place(records[-1], width))

    def count(self, stream: str) -> Iterable[LiveCount]:
        """Count the live rows of a stream by unit and year of intake, in the database itself."""
        found: Counter[tuple[str, int | None]] = Counter()
        parts = self._parts(stream)
        with self._reading() as connection:
            catalogue = self._catalogue(connection)
            for name in parts:
                known = places(catalogue, self._mapping, name)
                statement = self._build(connection, known, name)
                dialect = connection.dialect.name
                for unit, year, rows in connection.execute(
                    live_counts(self._mapping, name, known, statement, dialect)
                ):
                    found[str(unit or "").strip(), _year(year)] += rows
        return [LiveCount(unit, year, rows) for (unit, year), rows in found.items()]

    def _reading(self) -> AbstractContextManager[sa.Connection]:
        return reading(make_engine(self._context), self._context)

    def _catalogue(self, connection: sa.Connection) -> Catalogue:
        return Catalogue(connection, self._context.options.get("schema"), self._mapping.database_link)

    def _prepare(
        self,
        connection: sa.Connection,
        catalogue: Catalogue,
        name: str,
        mapping: MappingFile | None = None,
    ) -> _Reading:
        told = mapping or self._mapping
        found = places(catalogue, told, name)
        statement = self._build(connection, found, name, told)
        make = row_maker(
            told,
            name,
            statement.index,
            place=told.table_name(told.streams[name].table or ""),
            pseudonym=self._context.pseudonym,
        )
        return _Reading(found, statement, make)

    def _statement(self, connection: sa.Connection, catalogue: Catalogue, name: str) -> Statement:
        return self._build(connection, places(catalogue, self._mapping, name), name)

    def _build(
        self,
        connection: sa.Connection,
        found: Mapping[str, Place],
        name: str,
        mapping: MappingFile | None = None,
    ) -> Statement:
        told = mapping or self._mapping
        stream = told.streams[name]
        units = tuple(self._context.units)
        if stream.ancestors:
            units = _with_ancestors(
                connection, found[""], stream.ancestors.key, stream.ancestors.parent, units
            )
        return build(told, name, found, units, connection.dialect.name)

    def _partitions(
        self, connection: sa.Connection, statement: sa.Select[Any]
    ) -> Iterator[Sequence[Sequence[Any]]]:
        size = int(self._context.options.get("batch_size") or 5000)
        result = connection.execution_options(yield_per=size, stream_results=True).execute(statement)
        yield from result.partitions()

    def _read_changes(
        self, connection: sa.Connection, made: _Reading, since: dt.datetime | None
    ) -> Iterator[Batch]:
        overlap = dt.timedelta(minutes=int(self._context.options.get("overlap_minutes") or 0))
        reached, read = since, 0
        for records in self._partitions(connection, made.statement.since(since and since - overlap)):
            reached, read = advance(reached, (record[-1] for record in records)), read + len(records)
            yield Batch(made.rows(records), format_cursor(reached))
        # The row that gave the cursor comes again for as long as it exists, so nothing at all is worth a look.
        if since is not None and not read and not connection.execute(count(made.statement)).scalar_one():
            raise EmptiedError

    def _read_marked(
        self, connection: sa.Connection, made: _Reading, before: Mapping[str, str]
    ) -> Iterator[Batch]:
        """Read the groups of rows in which a change token changed; only at the end is a safe place to stop."""
        now = marks.digests(
            record for part in self._partitions(connection, made.statement.marks()) for record in part
        )
        if before and not now:
            raise EmptiedError
        for group in marks.changed(before, now):
            for records in self._partitions(connection, made.statement.of_group(group)):
                yield Batch(made.rows(records))
        yield Batch((), marks.format_marks(now))


def _together(rows: Sequence[Row], cursors: Mapping[str, str], tokens: bool) -> Iterator[Batch]:
    """Yield rows of several parts with where each goes on: apart from them where a part reads by tokens."""
    if not tokens:
        yield Batch(rows, format_parts(cursors))
        return
    yield Batch(rows)
    yield Batch((), format_parts(cursors))


def _with_ancestors(
    connection: sa.Connection, place: Place, key: str, parent: str, units: Sequence[str]
) -> tuple[str, ...]:
    known = dict.fromkeys(units)
    level: Sequence[str] = units
    for _ in range(_DEEPEST):
        above = connection.execute(read_parents(place, key, parent, level)).scalars()
        level = [unit for each in above if (unit := str(each).strip()) and unit not in known]
        if not level:
            break
        known.update(dict.fromkeys(level))
    return tuple(known)


def _year(told: Any) -> int | None:
    """Return the year as a number, however the database writes it."""
    try:
        return int(told)
    except (TypeError, ValueError):
        return None
