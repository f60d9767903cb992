"""What the database has of what the mapping names, compared without regard to case."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from jianheng.errors import FaultsError, Problem, problem
from jianheng_adapters.mapping import MappingFile, StreamMapping
from jianheng_adapters.mapping.load import nearest
from jianheng_adapters.mapping.model import CASE_STREAM

CASE_ALIAS = "@case"
"""The alias of the case table beside a stream that is read through its cases."""


@dataclass(frozen=True, slots=True)
class Place:
    """A table as it really is, under the alias a statement gives it."""

    table: sa.FromClause
    columns: Mapping[str, sa.ColumnClause[Any]]
    types: Mapping[str, Any]

    def __getitem__(self, name: str) -> sa.ColumnClause[Any]:
        return self.columns[name.upper()]


@dataclass(slots=True)
class Catalogue:
    """The tables, views and columns of one connection, asked for once each."""

    connection: sa.Connection
    schema: str | None = None
    _inspector: sa.Inspector = field(init=False)
    _names: dict[str, str] = field(init=False)
    _columns: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._inspector = sa.inspect(self.connection)
        names = [*self._inspector.get_table_names(self.schema), *self._inspector.get_view_names(self.schema)]
        self._names = {name.upper(): name for name in names}

    @property
    def tables(self) -> Iterable[str]:
        """The names of all tables and views."""
        return self._names.values()

    def find(self, table: str) -> str | None:
        """Return a table's name as the database writes it; None when there is none."""
        return self._names.get(table.upper())

    def columns(self, table: str) -> Mapping[str, Any]:
        """Return the columns of a table that is there: name as written, and type, by upper name."""
        if table not in self._columns:
            found = self._inspector.get_columns(table, schema=self.schema)
            self._columns[table] = {each["name"].upper(): (each["name"], each["type"]) for each in found}
        return self._columns[table]

    def place(self, table: str, alias: str) -> Place:
        """Return a table that is there, ready for a statement."""
        name = self.find(table) or table
        found = self.columns(name)
        # Columns carry no type on purpose: a driver's own value reaches the mapping, so that one
        # broken date in a text column can't stop the whole stream.
        clause = sa.table(name, *(sa.column(real) for real, _ in found.values()), schema=self.schema).alias(
            alias
        )
        return Place(
            clause,
            {upper: clause.c[real] for upper, (real, _) in found.items()},
            {upper: kind for upper, (_, kind) in found.items()},
        )


def needs(mapping: MappingFile, stream: StreamMapping) -> Mapping[str, tuple[str, set[str]]]:
    """Return which tables and columns a stream reads: alias to table name and column names."""
    own: set[str] = {*stream.order, *stream.exclude, *stream.scope}
    found: dict[str, tuple[str, set[str]]] = {"": (mapping.table_name(stream.table or ""), own)}
    own |= {each for each in (stream.cursor, stream.via_case) if each is not None}
    if stream.ancestors:
        own |= {stream.ancestors.key, stream.ancestors.parent}
    for alias, join in stream.join.items():
        extra = {join.cursor} if join.cursor else set()
        extra |= {join.deleted.column} if join.deleted else set()
        found[alias] = (mapping.table_name(join.table), {*join.on, *extra})
        own |= {*join.on.values()}
    for name in stream.sources():
        alias, dot, column = name.partition(".")
        if dot and alias in stream.join:
            found[alias][1].add(column)
        else:
            own.add(name)
    if stream.via_case is not None:
        case = mapping.streams[CASE_STREAM]
        columns = {case_key(case), *case.exclude, *case.scope}
        columns |= {case.cursor} if stream.follow_case and case.cursor else set()
        found[CASE_ALIAS] = (mapping.table_name(case.table or ""), columns)
    return found


def case_key(case: StreamMapping) -> str:
    """Return the column of the case table that holds the case number."""
    return case.columns["case_no"].column or next(case.columns["case_no"].sources())


def find_missing(catalogue: Catalogue, mapping: MappingFile, stream: str) -> Iterator[Problem]:
    """Yield a problem for every table and column that a stream needs and the database lacks."""
    for wanted, columns in needs(mapping, mapping.streams[stream]).values():
        table = catalogue.find(wanted)
        if table is None:
            yield problem(
                "ucs-table-missing", stream=stream, table=wanted, nearest=nearest(wanted, catalogue.tables)
            )
            continue
        known = catalogue.columns(table)
        written = [name for name, _ in known.values()]
        for column in sorted(columns):
            if column.upper() not in known:
                yield problem(
                    "ucs-column-missing",
                    stream=stream,
                    table=table,
                    column=column,
                    nearest=nearest(column, written),
                )


def places(catalogue: Catalogue, mapping: MappingFile, stream: str) -> Mapping[str, Place]:
    """Return the tables a stream reads, by alias.

    Raises:
        FaultsError: the tables and columns that are missing.
    """
    missing = list(find_missing(catalogue, mapping, stream))
    if missing:
        raise FaultsError(missing)
    wanted = needs(mapping, mapping.streams[stream])
    return {
        alias: catalogue.place(table, f"j_{alias}" if alias else "own")
        for alias, (table, _) in wanted.items()
    }
