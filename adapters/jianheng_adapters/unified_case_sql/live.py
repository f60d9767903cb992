"""Counts what is live in the case database, by unit and year: one side of a reconciliation.

The statement shares what is in scope with reading, but nothing of how rows are made.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from jianheng_adapters.mapping import MappingFile, StreamMapping
from jianheng_adapters.mapping.model import CASE_STREAM
from jianheng_adapters.unified_case_sql.schema import CASE_ALIAS, Place, case_accepted
from jianheng_adapters.unified_case_sql.statements import Column, Statement


def live_counts(
    mapping: MappingFile, name: str, places: Mapping[str, Place], statement: Statement, dialect: str
) -> sa.Select[Any, Any, int]:
    """Return the statement that counts a stream's live rows; columns: unit, year of intake, rows.

    The unit and the year are those of the case a row hangs on. What hangs on no case has no year, and a unit
    only where one column says which.
    """
    stream = mapping.streams[name]
    unit: Column = sa.literal("")
    year: Column = sa.literal("")
    of_case = CASE_ALIAS if stream.via_case is not None else "" if name == CASE_STREAM else None
    case = mapping.streams[CASE_STREAM] if of_case is not None else None
    if case is not None and of_case is not None:
        unit = places[of_case][case.scope[0]]
        year = _year(places[of_case], case_accepted(case), dialect)
    elif len(stream.scope) == 1:
        unit = places[""][stream.scope[0]]
    counted = statement.rows.with_only_columns(unit.label("unit"), year.label("year"), sa.func.count())
    counted = counted.where(*_live(mapping, stream, places, dialect))
    named = [each for each in (unit, year) if not isinstance(each, sa.BindParameter)]
    return counted.group_by(*named) if named else counted


def _is_text(place: Place, column: str, dialect: str) -> bool:
    return dialect == "sqlite" or isinstance(place.types[column.upper()], sa.String)


def _year(place: Place, column: str, dialect: str) -> Column:
    if _is_text(place, column, dialect):
        return sa.func.substr(place[column], 1, 4)
    return sa.extract("year", place[column])


def _live(
    mapping: MappingFile, stream: StreamMapping, places: Mapping[str, Place], dialect: str
) -> Iterator[Column]:
    if stream.deleted is not None:
        mark = _column(stream.deleted.column, stream, places)[2]
        yield sa.or_(mark.is_(None), mark.not_in(stream.deleted.values))
    if stream.only_with:
        yield sa.or_(*(_told(mapping, name, stream, places, dialect) for name in stream.only_with))


def _column(name: str, stream: StreamMapping, places: Mapping[str, Place]) -> tuple[Place, str, Column]:
    alias, dot, column = name.partition(".")
    beside, bare = (alias, column) if dot and alias in stream.join else ("", name)
    return places[beside], bare, places[beside][bare]


def _told(
    mapping: MappingFile, name: str, stream: StreamMapping, places: Mapping[str, Place], dialect: str
) -> Column:
    """Whether a column holds anything: not null, no blanks, no day that means none."""
    place, bare, column = _column(name, stream, places)
    parts: list[Column] = [column.is_not(None)]
    if _is_text(place, bare, dialect):
        parts.append(sa.func.length(sa.func.trim(column)) > 0)  # Oracle takes an empty text for null
        parts += [column.not_like(f"{day}%") for day in mapping.normalise.null_dates]
    elif isinstance(place.types[bare.upper()], sa.Date | sa.DateTime):
        moments = (dt.datetime.fromisoformat(day) for day in mapping.normalise.null_dates)
        parts += [column != sa.literal(moment, sa.DateTime()) for moment in moments]
    return sa.and_(*parts)
