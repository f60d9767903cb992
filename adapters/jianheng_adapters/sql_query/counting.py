"""Counts what is live in the database, by unit and year: one side of a reconciliation."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from jianheng.contract import LiveCount
from jianheng_adapters.mapping import StreamMapping
from jianheng_adapters.sql_query.query import Column, From, in_scope, live

_CASE = "case"


def count_statement(
    stream: StreamMapping, source: From, units: Sequence[str], connection: sa.Connection
) -> sa.Select[Any, Any, int]:
    """Return the statement that counts a stream's live rows; columns: unit, year of intake, rows.

    Only a case tells its unit and year by itself; of anything else the unit is known where one column says which.
    """
    unit = _plain(stream, source, "unit_code") if stream.entity == _CASE else None
    if unit is None and len(stream.scope) == 1:
        unit = source.columns[stream.scope[0]]
    day = _plain(stream, source, "accepted_on") if stream.entity == _CASE else None
    year = None if day is None else _year(day, connection)
    told = [sa.literal("") if each is None else each for each in (unit, year)]
    statement = (
        sa.select(told[0].label("unit"), told[1].label("year"), sa.func.count())
        .select_from(source.clause)
        .where(*in_scope(stream, source.columns, units), *live(stream, source.columns))
    )
    named = [each for each in (unit, year) if each is not None]
    return statement.group_by(*named) if named else statement


def counted(rows: Iterable[Any]) -> list[LiveCount]:
    """Return the counts; units that differ in blanks only are one."""
    found: Counter[tuple[str, int | None]] = Counter()
    for unit, year, count in rows:
        told = (
            str(int(year)) if isinstance(year, int | float) or hasattr(year, "__int__") else str(year or "")
        )
        found[str(unit or "").strip(), int(told) if told.isdigit() else None] += count
    return [LiveCount(unit, year, count) for (unit, year), count in found.items() if count]


def _plain(stream: StreamMapping, source: From, column: str) -> Column | None:
    told = stream.columns.get(column)
    return None if told is None or told.column is None else source.columns.get(told.column)


def _year(day: Column, connection: sa.Connection) -> Column:
    """Return the year of a column: of text its first four characters."""
    stamp = connection.execute(sa.select(day).where(day.is_not(None)).limit(1)).scalar()
    return sa.extract("year", day) if isinstance(stamp, dt.date) else sa.func.substr(day, 1, 4)
