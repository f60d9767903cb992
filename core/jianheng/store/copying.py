"""Columns of values as the text PostgreSQL's COPY reads, and sending it."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import repeat
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

NULL = r"\N"
PART = 10_000
"""Rows sent at a time: what is held in memory does not grow with the rows."""
_MARKS = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def copies(connection: sa.Connection) -> bool:
    """Return whether rows can be copied in: PostgreSQL by its present driver."""
    return connection.dialect.driver == "psycopg"


@dataclass(frozen=True, slots=True)
class Same:
    """A column of one value."""

    value: Any


Cells: TypeAlias = Sequence[Any] | Same
"""A column to be inserted."""


def copy_columns(connection: sa.Connection, table: sa.Table, columns: Sequence[Cells], count: int) -> None:
    """Copy columns of equal length, in the table's order, into it; part of the connection's transaction.

    Raises:
        DBAPIError: the server refuses, as any statement of SQLAlchemy's would tell.
    """
    prepare = connection.dialect.identifier_preparer
    names = ", ".join(prepare.format_column(column) for column in table.columns)
    parts = (_text(columns, start, min(start + PART, count)) for start in range(0, count, PART))
    _send(connection, f"COPY {prepare.format_table(table)} ({names}) FROM STDIN", parts)


def _text(columns: Sequence[Cells], start: int, end: int) -> str:
    """Return some rows as COPY reads them."""
    part = [each if isinstance(each, Same) else each[start:end] for each in columns]
    count = end - start
    lines = _lines([_told(column, count, _as_it_is) for column in part])
    nothing = sum(_nothings(column, count) for column in part)
    marks = (count * (len(part) - 1), count - 1, 0, nothing)
    if tuple(map(lines.count, "\t\n\r\\")) != marks:  # a text has such a mark in it
        lines = _lines([_told(column, count, _escaped) for column in part])
    return f"{lines}\n"


def _lines(told: Sequence[Iterable[str]]) -> str:
    return "\n".join(map("\t".join, zip(*told, strict=True)))


def _nothings(column: Cells, count: int) -> int:
    if isinstance(column, Same):
        return count if column.value is None else 0
    return column.count(None)


def _send(connection: sa.Connection, statement: str, parts: Iterable[str]) -> None:
    driver: Any = connection.connection.driver_connection
    known: Any = connection.dialect.loaded_dbapi
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for part in parts:
                copy.write(part)
    except known.Error as refused:
        lost = connection.dialect.is_disconnect(refused, driver, None)
        raise DBAPIError.instance(
            statement, None, refused, known.Error, connection_invalidated=lost, dialect=connection.dialect
        ) from refused


def _as_it_is(text: str) -> str:
    return text


def _escaped(text: str) -> str:
    return text.translate(_MARKS)


def _told(column: Cells, count: int, tell: Callable[[str], str]) -> Iterable[str]:
    """Return each value as COPY reads it, texts by ``tell``."""
    if isinstance(column, Same):
        return repeat(_one(column.value, tell), count)
    kinds = set(map(type, column))
    nothing = type(None) in kinds
    kinds.discard(type(None))
    if not kinds:
        return repeat(NULL, count)
    if kinds == {str} and tell is _as_it_is:
        return [NULL if text is None else text for text in column] if nothing else column
    if kinds == {str} or len(kinds) > 1:
        return [_one(value, tell) for value in column]
    told = {value: _one(value, tell) for value in set(column)}
    return [told[value] for value in column]


def _one(value: Any, tell: Callable[[str], str]) -> str:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, dt.date):  # a moment too
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return tell(str(value))
