"""What the database has of what the mapping names, compared without regard to case."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import quoted_name

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
    link: str = ""
    _inspector: sa.Inspector = field(init=False)
    _names: dict[str, str] = field(init=False)
    _columns: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._inspector = sa.inspect(self.connection)
        far = self._far
        names = [
            *self._inspector.get_table_names(self.schema, **far),
            *self._inspector.get_view_names(self.schema, **far),
        ]
        self._names = {name.upper(): name for name in names}

    @property
    def _far(self) -> Mapping[str, Any]:
        """What tells the inspector to look over the link; only dialects with links know the word."""
        return {"dblink": self.link} if self.link else {}

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
            found = self._inspector.get_columns(table, schema=self.schema, **self._far)
            self._columns[table] = {each["name"].upper(): (each["name"], each["type"]) for each in found}
        return self._columns[table]

    def place(self, table: str, alias: str, wanted: Iterable[str]) -> Place:
        """Return a table that is there, with those of its columns that are wanted, ready for a statement."""
        name = self.find(table) or table
        known = {each.upper() for each in wanted}
        found = {upper: column for upper, column in self.columns(name).items() if upper in known}
        # Columns carry no type on purpose: a driver's own value reaches the mapping, so that one
        # broken date in a text column can't stop the whole stream.
        return place(name, alias, found, schema=self.schema, link=self.link)

    def first(self, table: str) -> sa.Select[Any]:
        """Return the statement that gives a row of a table if it holds any."""
        return sa.select(sa.literal_column("1")).select_from(_clause(table, self.schema, self.link)).limit(1)


def _clause(name: str, schema: str | None, link: str, *columns: sa.ColumnClause[Any]) -> sa.TableClause:
    # TABLE@LINK is one name to us and two to the database, so it must not be quoted as one.
    told = quoted_name(f"{name}@{link}", quote=False) if link else name
    return sa.table(told, *columns, schema=schema)


def place(
    name: str,
    alias: str,
    columns: Mapping[str, tuple[str, Any]],
    *,
    schema: str | None = None,
    link: str = "",
) -> Place:
    """Return a table under an alias; ``columns`` by upper name: as written, and the type."""
    clause = _clause(name, schema, link, *(sa.column(real) for real, _ in columns.values())).alias(alias)
    return Place(
        clause,
        {upper: clause.c[real] for upper, (real, _) in columns.items()},
        {upper: kind for upper, (_, kind) in columns.items()},
    )


def needs(mapping: MappingFile, stream: StreamMapping) -> Mapping[str, tuple[str, set[str]]]:
    """Return which tables and columns a stream reads: alias to table name and column names."""
    own: set[str] = {*stream.order, *stream.exclude, *stream.only, *stream.scope}
    found: dict[str, tuple[str, set[str]]] = {"": (mapping.table_name(stream.table or ""), own)}
    own |= {stream.cursor} if stream.cursor is not None else set()
    if stream.ancestors:
        own |= {stream.ancestors.key, stream.ancestors.parent}
    for alias, join in stream.join.items():
        extra = {join.cursor} if join.cursor else set()
        extra |= {join.deleted.column} if join.deleted else set()
        found[alias] = (mapping.table_name(join.table), {*join.on, *extra})
    via = (stream.via_case,) if stream.via_case is not None else ()
    for name in (
        *stream.sources(),
        *(ours for join in stream.join.values() for ours in join.on.values()),
        *via,
    ):
        alias, dot, column = name.partition(".")
        if dot and alias in stream.join:
            found[alias][1].add(column)
        else:
            own.add(name)
    if stream.via_case is not None:
        case = mapping.streams[CASE_STREAM]
        columns = {
            case_key(case),
            case_category(case),
            case_accepted(case),
            *case.exclude,
            *case.only,
            *case.scope,
        }
        columns |= {case.cursor} if stream.follow_case and case.cursor else set()
        found[CASE_ALIAS] = (mapping.table_name(case.table or ""), columns)
    return found


def case_key(case: StreamMapping) -> str:
    """Return the column of the case table that holds the case number."""
    return case.columns["case_no"].column or next(case.columns["case_no"].sources())


def case_category(case: StreamMapping) -> str:
    """Return the column of the case table that holds the category."""
    return next(case.columns["category"].sources())


def case_accepted(case: StreamMapping) -> str:
    """Return the column of the case table that holds the day of intake."""
    return next(case.columns["accepted_on"].sources())


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
    more = (mapping.change_token, mapping.token_partition)
    return {
        alias: catalogue.place(table, f"j_{alias}" if alias else "own", (*columns, *more))
        for alias, (table, columns) in wanted.items()
    }
