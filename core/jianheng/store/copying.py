"""Columns of values as the text PostgreSQL's COPY reads, and sending it."""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from jianheng.facts.vectors import Lines, Vector, utf8, word

NULL = r"\N"
PART = 2_500
"""Rows sent at a time: what is held in memory does not grow with the rows."""
MOST = 20_000
"""Rows of one COPY: a limit that the server has for the time of a statement is not met by large batches alone."""
_MARKS = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}
"""What COPY would misread in a text, and how it is written; the stroke itself comes first."""
_TRANSLATED = str.maketrans(_MARKS)


def copies(connection: sa.Connection) -> bool:
    """Return whether rows can be copied in: PostgreSQL by its present driver."""
    return connection.dialect.driver == "psycopg"


@dataclass(frozen=True, slots=True)
class Same:
    """A column of one value."""

    value: Any


Cells: TypeAlias = Sequence[Any] | Same | Vector | pa.Array
"""A column to be inserted."""


class Copying:
    """Columns on their way into a table by one COPY that stays open from part to part.

    The server works on what it has while the next part is made ready. Until it is settled the connection takes no
    other statement. Part of the connection's transaction.
    """

    def __init__(self, connection: sa.Connection, table: sa.Table) -> None:
        prepare = connection.dialect.identifier_preparer
        names = ", ".join(prepare.format_column(column) for column in table.columns)
        self._statement = f"COPY {prepare.format_table(table)} ({names}) FROM STDIN"
        self._connection = connection
        self._open = ExitStack()
        self._copy: Any = None
        self._sent = 0

    def __enter__(self) -> Self:
        """Begin; nothing is asked of the server before there is something to send."""
        return self

    def __exit__(self, *raised: object) -> None:
        """End: what was sent is in the table; where something was raised, none of it is.

        Raises:
            DBAPIError: the server refuses.
        """
        with self._as_sqlalchemy_tells():
            self._copy = None
            self._open.__exit__(*raised)  # type: ignore[arg-type]

    def settle(self) -> None:
        """Have all that was sent in the table, and the connection free again.

        Raises:
            DBAPIError: the server refuses, as any statement of SQLAlchemy's would tell.
        """
        with self._as_sqlalchemy_tells():
            self._copy, self._sent = None, 0
            self._open.close()

    def send(self, columns: Sequence[Cells], count: int) -> None:
        """Send columns of equal length, in the table's order.

        Raises:
            DBAPIError: the server refuses, as any statement of SQLAlchemy's would tell.
        """
        for start in range(0, count, PART):
            end = min(start + PART, count)
            text = _text(columns, start, end)
            with self._as_sqlalchemy_tells():
                if self._copy is None:
                    driver: Any = self._connection.connection.driver_connection
                    cursor = self._open.enter_context(driver.cursor())
                    self._copy = self._open.enter_context(cursor.copy(self._statement))
                self._copy.write(text)
            self._sent += end - start
            if self._sent >= MOST:
                self.settle()

    @contextmanager
    def _as_sqlalchemy_tells(self) -> Iterator[None]:
        dialect = self._connection.dialect
        known: Any = dialect.loaded_dbapi
        try:
            yield
        except known.Error as refused:
            driver: Any = self._connection.connection.driver_connection
            lost = dialect.is_disconnect(refused, driver, None)
            raise DBAPIError.instance(
                self._statement, None, refused, known.Error, connection_invalidated=lost, dialect=dialect
            ) from refused


def copy_columns(connection: sa.Connection, table: sa.Table, columns: Sequence[Cells], count: int) -> None:
    """Copy columns of equal length, in the table's order, into it; part of the connection's transaction.

    Raises:
        DBAPIError: the server refuses, as any statement of SQLAlchemy's would tell.
    """
    with Copying(connection, table) as copying:
        copying.send(columns, count)


def _text(columns: Sequence[Cells], start: int, end: int) -> bytes:
    """Return some rows as COPY reads them."""
    lines = Lines(end - start)
    for place, column in enumerate(columns):
        lines.say("\t" if place else "")
        if isinstance(column, Same):
            lines.say(_one(column.value))
        else:
            lines.tell(_words(column, start, end))
    lines.say("\n")
    return bytes(utf8(lines.joined()))


def _words(column: Sequence[Any] | Vector | pa.Array, start: int, end: int) -> pa.Array:
    """Return the values of some rows as COPY reads them."""
    if isinstance(column, Vector):
        column = column.values if column.array is None else column.array
    part: pa.Array = column.slice(start, end - start) if isinstance(column, pa.Array) else None
    if part is None:
        cells = column[start:end]
        kinds = {*map(type, cells)}
        if not kinds <= {str, type(None)}:
            return _told(cells, kinds)
        part = pa.array(cells, pa.string())
    words = _escaped(part if pa.types.is_string(part.type) else part.cast(pa.string()))
    return pc.coalesce(words, word(NULL)) if words.null_count else words


def _escaped(texts: pa.Array) -> pa.Array:
    """Return texts with the marks that COPY would misread written otherwise."""
    given = bytes(utf8(texts))
    for mark, written in _MARKS.items():
        if mark.encode() in given:
            texts = pc.replace_substring(texts, mark, written)
    return texts


def _told(cells: Sequence[Any], kinds: set[type]) -> pa.Array:
    """Return values of other kinds than text; of one kind each is told once, however often it comes."""
    if len(kinds - {type(None)}) > 1:
        return pa.array([*map(_one, cells)], pa.string())
    told = {cell: _one(cell) for cell in {*cells}}
    return pa.array([*map(told.__getitem__, cells)], pa.string())


def _one(value: Any) -> str:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, dt.date):  # a moment too
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value).translate(_TRANSLATED)
