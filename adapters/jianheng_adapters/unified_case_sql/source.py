"""The source: streams as mapped, checked against the database, read in batches."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jianheng.contract import AdapterContext, Batch, Finding, Row, Stream
from jianheng.errors import EmptiedError, JianhengError, Problem, StopError, problem
from jianheng.messages import text
from jianheng_adapters.mapping import (
    RowMaker,
    advance,
    format_cursor,
    load_mapping,
    parse_cursor,
    row_maker,
)
from jianheng_adapters.unified_case_sql.connection import make_engine, reading
from jianheng_adapters.unified_case_sql.schema import Catalogue, Place, find_missing, places
from jianheng_adapters.unified_case_sql.statements import Statement, build, count, read_parents

SHIPPED = Path(__file__).with_name("mappings") / "ucs-1.toml"
_DEEPEST = 10  # units above a unit; more means that the tree bites its own tail


@dataclass(frozen=True, slots=True)
class _Reading:
    """One stream made ready: its statement and what makes rows of its records."""

    statement: Statement
    make: RowMaker

    def rows(self, records: Iterable[Sequence[Any]]) -> list[Row]:
        return [self.make(record, 0) for record in records]


class UnifiedCaseSource:
    """Reads the unified case system from its database; see the mapping for what and from where."""

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._mapping = load_mapping(
            SHIPPED,
            context.options.get("mapping"),
            placement="table",
            allow_sensitive=context.options.get("allow_sensitive") or (),
        )

    def streams(self) -> Sequence[Stream]:
        """Name the mapped streams."""
        return [
            Stream(name, stream.entity, stream.mode, stream.may_be_empty)
            for name, stream in self._mapping.streams.items()
        ]

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
        if stream not in self._mapping.streams:
            raise StopError("mapping-stream-unknown", source=self._context.name, stream=stream)
        with self._reading() as connection:
            made = self._prepare(connection, stream)
            if self._mapping.streams[stream].mode == "cursor":
                yield from self._read_changes(connection, made, parse_cursor(cursor, stream=stream))
            else:
                for records in self._partitions(connection, made.statement.rows):
                    yield Batch(made.rows(records))

    def _reading(self) -> AbstractContextManager[sa.Connection]:
        return reading(make_engine(self._context), self._context)

    def _catalogue(self, connection: sa.Connection) -> Catalogue:
        return Catalogue(connection, self._context.options.get("schema"))

    def _prepare(self, connection: sa.Connection, name: str) -> _Reading:
        statement = self._statement(connection, self._catalogue(connection), name)
        make = row_maker(
            self._mapping,
            name,
            statement.index,
            place=self._mapping.table_name(self._mapping.streams[name].table or ""),
            pseudonym=self._context.pseudonym,
        )
        return _Reading(statement, make)

    def _statement(self, connection: sa.Connection, catalogue: Catalogue, name: str) -> Statement:
        stream = self._mapping.streams[name]
        found: Mapping[str, Place] = places(catalogue, self._mapping, name)
        units = tuple(self._context.units)
        if stream.ancestors:
            units = _with_ancestors(
                connection, found[""], stream.ancestors.key, stream.ancestors.parent, units
            )
        return build(self._mapping, name, found, units, connection.dialect.name)

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
        for records in self._partitions(connection, made.statement.timeless()):
            read += len(records)
            yield Batch(made.rows(records), format_cursor(reached))
        # The row that gave the cursor comes again for as long as it exists, so nothing at all is worth a look.
        if since is not None and not read and not connection.execute(count(made.statement)).scalar_one():
            raise EmptiedError


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
