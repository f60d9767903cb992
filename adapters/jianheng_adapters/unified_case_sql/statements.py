"""Builds the statement of a stream: its columns, its joins, what is in scope, what has changed."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import sqlalchemy as sa

from jianheng.facts.time import SHANGHAI
from jianheng_adapters.mapping import MappingFile, StreamMapping
from jianheng_adapters.mapping.model import CASE_STREAM
from jianheng_adapters.unified_case_sql.schema import CASE_ALIAS, Place, case_category, case_key

Column = sa.ColumnElement[Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """What reads a stream.

    Attributes:
        rows: the rows in scope, unordered; with a cursor, the time of change comes last.
        index: where each source column stands in a row.
        changes: the times of change of everything a row is made of.
        order: what breaks ties.
        as_text: the times are kept as text, so a bound must be text too.
        zoned: the times carry a zone, so a bound must too.
        tokens: the change tokens of everything a row is made of; none where a table has none.
        group: what the tokens are compared by.
    """

    rows: sa.Select[Any]
    index: Mapping[str, int]
    changes: tuple[Column, ...]
    order: tuple[Column, ...]
    as_text: bool = False
    zoned: bool = False
    tokens: tuple[Column, ...] = ()
    group: Column | None = None

    def marks(self) -> sa.Select[Any]:
        """The group and the tokens of every row in scope."""
        group = sa.literal("") if self.group is None else self.group
        return self.rows.with_only_columns(group.label("held"), *self.tokens)

    def of_group(self, group: Any) -> sa.Select[Any]:
        """All rows of a group; the time of change comes last, as always."""
        if self.group is None:
            return self.rows.order_by(*self.order)
        held = self.group.is_(None) if group is None else self.group == group
        return self.rows.where(held).order_by(*self.order)

    def since(self, moment: dt.datetime | None) -> sa.Select[Any]:
        """The rows that changed at or after a moment, oldest change first.

        Rows that don't say when they changed come last, and each time: nobody can tell.
        """
        last = latest(self.changes)
        statement = self.rows
        if moment is not None:
            bound = self._bound(moment)
            statement = statement.where(
                sa.or_(*(change >= bound for change in self.changes), *self._timeless())
            )
        # Databases differ on where nulls stand, so it is said.
        return statement.order_by(sa.case((last.is_(None), 1), else_=0), last, *self.order)

    def _timeless(self) -> list[Column]:
        return [sa.and_(*(change.is_(None) for change in self.changes))]

    def _bound(self, moment: dt.datetime) -> sa.BindParameter[Any]:
        if self.as_text:
            return sa.literal(moment.isoformat(" ", "seconds"), sa.String())
        if self.zoned:
            return sa.literal(moment.replace(tzinfo=SHANGHAI), sa.DateTime(timezone=True))
        return sa.literal(moment, sa.DateTime())


def latest(changes: Sequence[Column]) -> Column:
    """Return the greatest of several columns, null only when all are: GREATEST differs by database."""

    def later(one: Column, other: Column) -> Column:
        return sa.case((sa.or_(other.is_(None), one >= other), one), else_=other)

    return reduce(later, changes)


def build(
    mapping: MappingFile, name: str, places: Mapping[str, Place], units: Sequence[str], dialect: str
) -> Statement:
    """Build the statement of a stream from the tables as they are."""
    stream = mapping.streams[name]
    own = places[""]
    source: sa.FromClause = own.table
    changes: list[Column] = [own[stream.cursor]] if stream.cursor and stream.mode == "cursor" else []
    for alias, join in stream.join.items():
        beside = places[alias]
        match = sa.and_(*(beside[theirs] == _plain(ours, stream, places) for theirs, ours in join.on.items()))
        source = source.outerjoin(beside.table, match)
        if join.cursor and changes:
            changes.append(beside[join.cursor])
    scope = _scope(stream, own, units)
    if stream.via_case is not None:
        case, cases = mapping.streams[CASE_STREAM], places[CASE_ALIAS]
        of_case = _plain(stream.via_case, stream, places)
        source = source.join(cases.table, cases[case_key(case)] == of_case)
        scope += _scope(case, cases, units)
        if stream.categories:
            scope.append(cases[case_category(case)].in_(stream.categories))
        if stream.follow_case and case.cursor and changes:
            changes.append(cases[case.cursor])
    names = stream.sources()
    shown = [_shown(each, stream, places).label(f"c{position}") for position, each in enumerate(names)]
    if changes:
        shown.append(latest(changes).label("changed"))
    kind = own.types[stream.cursor.upper()] if changes and stream.cursor else None
    return Statement(
        sa.select(*shown).select_from(source).where(*scope),
        {each: position for position, each in enumerate(names)},
        tuple(changes),
        tuple(own[column] for column in stream.order),
        as_text=dialect == "sqlite" or isinstance(kind, sa.String),
        zoned=bool(getattr(kind, "timezone", False)),
        tokens=_tokens(mapping, stream, places),
        group=_group(mapping, own),
    )


def _tokens(mapping: MappingFile, stream: StreamMapping, places: Mapping[str, Place]) -> tuple[Column, ...]:
    """Return the change token of every table whose change brings a row; nothing unless each has one."""
    wanted = mapping.change_token.upper()
    if not wanted or stream.mode != "cursor":
        return ()
    aliases = ["", *(alias for alias, join in stream.join.items() if join.cursor)]
    aliases += [CASE_ALIAS] if stream.via_case is not None and stream.follow_case else []
    if any(wanted not in places[alias].columns for alias in aliases):
        return ()
    return tuple(places[alias][wanted].label(f"k{position}") for position, alias in enumerate(aliases))


def _group(mapping: MappingFile, own: Place) -> Column | None:
    known = mapping.token_partition.upper() in own.columns
    return own[mapping.token_partition] if known else None


def _scope(stream: StreamMapping, place: Place, units: Sequence[str]) -> list[Column]:
    """Which rows of a table are ours. NOT IN would also lose rows that have no value at all."""
    found: list[Column] = []
    if stream.scope:
        found.append(sa.or_(*(place[column].in_(units) for column in stream.scope)))
    for column, values in stream.exclude.items():
        found.append(sa.or_(place[column].is_(None), place[column].not_in(values)))
    found += [place[column].in_(values) for column, values in stream.only.items()]
    return found


def _plain(name: str, stream: StreamMapping, places: Mapping[str, Place]) -> Column:
    alias, dot, column = name.partition(".")
    return places[alias][column] if dot and alias in stream.join else places[""][name]


def _shown(name: str, stream: StreamMapping, places: Mapping[str, Place]) -> Column:
    alias, dot, column = name.partition(".")
    if not dot or alias not in stream.join:
        return places[""][name]
    joined, place = stream.join[alias], places[alias]
    if joined.deleted is None:
        return place[column]
    gone = place[joined.deleted.column].in_(joined.deleted.values)
    return sa.case((gone, sa.null()), else_=place[column])


def count(statement: Statement) -> sa.Select[Any]:
    """Return the statement that counts a stream's rows in scope."""
    return sa.select(sa.func.count()).select_from(statement.rows.subquery())


def read_parents(place: Place, key: str, parent: str, units: Sequence[str]) -> sa.Select[Any]:
    """Return the statement that names the units right above some units."""
    return sa.select(place[parent]).where(place[key].in_(units), place[parent].is_not(None)).distinct()
