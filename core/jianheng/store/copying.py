"""Columns of values as the rows that PostgreSQL's COPY reads in binary, and sending them.

In binary a value is told by its length and its bytes: the server need not look for marks in texts, nor read numbers and
days from their digits.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Self, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, StatementError

from jianheng.facts.vectors import Lines, Vector, listed, utf8, word

PART = 2_500
"""Rows sent at a time: what is held in memory does not grow with the rows."""
MOST = 60_000
"""Rows of one COPY: a limit that the server has for the time of a statement is not met by large batches alone."""
_BEGINNING = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
"""What comes before all rows and after them (PostgreSQL's documentation of COPY, binary format)."""
_NUMBER, _COUNT = struct.Struct("!i").pack, struct.Struct("!h").pack
_MISSING = _NUMBER(-1)


def copies(dialect: sa.Dialect) -> bool:
    """Return whether rows can be copied in: PostgreSQL by its present driver."""
    return dialect.driver == "psycopg"


@dataclass(frozen=True, slots=True)
class Same:
    """A column of one value."""

    value: Any


@dataclass(frozen=True, slots=True)
class Packed:
    """Columns that stand side by side, made ready to be copied before their turn (:func:`packed`).

    Attributes:
        rows: their part of each row.
        width: how many columns they are.
    """

    rows: pa.Array
    width: int


Cells: TypeAlias = Sequence[Any] | Same | Vector | pa.Array
"""A column to be inserted."""


class Copying:
    """Columns on their way into a table by one COPY that stays open from part to part.

    The server works on what it has while the next part is made ready. Until it is settled the connection takes no
    other statement. Part of the connection's transaction.
    """

    def __init__(self, connection: sa.Connection, columns: Sequence[sa.Column[Any]]) -> None:
        prepare = connection.dialect.identifier_preparer
        names = ", ".join(map(prepare.format_column, columns))
        into = prepare.format_table(columns[0].table)
        self._statement = f"COPY {into} ({names}) FROM STDIN (FORMAT binary)"
        self._columns = columns
        self._connection = connection
        self._open = ExitStack()
        self._copy: Any = None
        self._sent = 0

    def __enter__(self) -> Self:
        """Begin; nothing is asked of the server before there is something to send."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        """End: what was sent is in the table; where something was raised, none of it is.

        Raises:
            DBAPIError: the server refuses.
        """
        if kind is None:
            self.settle()
            return
        with self._as_sqlalchemy_tells():
            self._copy = None
            self._open.__exit__(kind, *raised)  # type: ignore[arg-type]

    def settle(self) -> None:
        """Have all that was sent in the table, and the connection free again.

        Raises:
            DBAPIError: the server refuses, as any statement of SQLAlchemy's would tell.
        """
        with self._as_sqlalchemy_tells():
            copy, self._copy, self._sent = self._copy, None, 0
            try:
                if copy is not None:
                    copy.write(_END)
            finally:
                self._open.close()

    def send(self, columns: Sequence[Cells | Packed], count: int) -> None:
        """Send columns of equal length, in the order of those that were named in the beginning.

        Raises:
            DBAPIError: the server refuses, as any statement of SQLAlchemy's would tell.
        """
        for start in range(0, count, PART):
            end = min(start + PART, count)
            rows = Lines(end - start, _COUNT(len(self._columns)))
            _tell(rows, self._columns, columns, start, end)
            data = bytes(utf8(rows.joined()))
            with self._as_sqlalchemy_tells():
                if self._copy is None:
                    driver: Any = self._connection.connection.driver_connection
                    cursor = self._open.enter_context(driver.cursor())
                    self._copy = self._open.enter_context(cursor.copy(self._statement))
                    self._copy.write(_BEGINNING)
                self._copy.write(data)
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
    with Copying(connection, [*table.columns]) as copying:
        copying.send(columns, count)


def packed(columns: Sequence[sa.Column[Any]], cells: Sequence[Cells], count: int) -> Packed:
    """Make columns of equal length ready to be copied."""
    rows = Lines(count, b"")
    _tell(rows, columns, cells, 0, count)
    return Packed(rows.joined(), len(columns))


def _tell(
    rows: Lines[bytes],
    columns: Sequence[sa.Column[Any]],
    cells: Sequence[Cells | Packed],
    start: int,
    end: int,
) -> None:
    """Tell some rows of columns."""
    place = 0
    for each in cells:
        column = columns[place]
        place += each.width if isinstance(each, Packed) else 1
        if isinstance(each, Packed):
            rows.tell(each.rows.slice(start, end - start))
        elif isinstance(each, Same):
            value = None if each.value is None else _dumped(column, [each.value])[0]
            rows.say(_MISSING if value is None else _NUMBER(len(value)) + value)
        else:
            _tell_field(rows, _values(column, each, start, end))


def _tell_field(rows: Lines[bytes], values: pa.Array) -> None:
    """Tell a column: of each value how many bytes it has, and these."""
    if values.null_count == len(values):
        rows.say(_MISSING)
        return
    lengths = pc.binary_length(values)
    ends = pc.min_max(lengths)
    longest = ends["max"].as_py()
    if not values.null_count and ends["min"].as_py() == longest:
        rows.say(_NUMBER(longest))
        rows.tell(values)
        return
    if values.null_count:
        values, lengths = pc.fill_null(values, word(b"")), pc.fill_null(lengths, pa.scalar(-1, pa.int32()))
    rows.tell(_numbers(lengths, _LENGTHS))
    rows.tell(values)


_LENGTHS = range(-1, 4_096)
_DAYS = range(-36_524, 36_525)
"""Of the centuries on both sides of 2000-01-01, from which PostgreSQL counts days."""
_FROM_1970 = pa.scalar(10_957, pa.int32())
"""Days to that day from the one from which Arrow counts."""


@cache
def _told(usual: range) -> pa.Array:
    return pa.array(map(_NUMBER, usual), pa.binary())


def _numbers(numbers: pa.Array, usual: range) -> pa.Array:
    """Return whole numbers as COPY tells them; what is usual was told once for all."""
    ends = pc.min_max(numbers)
    if ends["min"].as_py() in usual and ends["max"].as_py() in usual:
        return _told(usual).take(pc.subtract(numbers, pa.scalar(usual.start, pa.int32())))
    coded = numbers.dictionary_encode()
    return pa.array(map(_NUMBER, coded.dictionary.to_pylist()), pa.binary()).take(coded.indices)


def _values(
    column: sa.Column[Any], cells: Sequence[Any] | Vector | pa.Array, start: int, end: int
) -> pa.Array:
    """Return the values of some rows as the bytes that COPY reads."""
    if isinstance(cells, Vector):
        cells = cells.values if cells.array is None else cells.array
    texts = isinstance(column.type, sa.String)
    if isinstance(cells, pa.Array):
        part = cells.slice(start, end - start)
        if texts and not pa.types.is_null(part.type):
            return part.cast(pa.string()).cast(pa.binary())
        if pa.types.is_date32(part.type):
            return _numbers(pc.subtract(part.cast(pa.int32()), _FROM_1970), _DAYS)
        cells, start, end = listed(part), 0, len(part)
    found = cells[start:end]
    if texts and {*map(type, found)} <= {str, type(None)}:
        return pa.array(found, pa.string()).cast(pa.binary())
    distinct = [*({*found} - {None})]
    told = dict(zip(distinct, _dumped(column, distinct), strict=True))
    return pa.array([*map(told.get, found)], pa.binary())


def _dumped(column: sa.Column[Any], values: Iterable[Any]) -> list[bytes]:
    """Return values as a column of the server holds them.

    Raises:
        StatementError: the column cannot hold one of them, as any statement of SQLAlchemy's would tell.
    """
    try:
        return [*map(bytes, map(_dumper(column), values))]
    except (struct.error, AttributeError, TypeError, ValueError, OverflowError) as unfit:
        told = f"a value does not fit {column.table.name}.{column.name}"
        raise StatementError(told, f"COPY {column.table.name}", None, unfit) from unfit


@lru_cache(maxsize=1_000)
def _dumper(column: sa.Column[Any]) -> Callable[[Any], bytes]:
    from psycopg.types import bool as boolean
    from psycopg.types import datetime, numeric, string

    dumpers: dict[type[sa.types.TypeEngine[Any]], Any] = {
        sa.BigInteger: numeric.Int8BinaryDumper(int),
        sa.Integer: numeric.Int4BinaryDumper(int),
        sa.Numeric: numeric.DecimalBinaryDumper(int),
        sa.Boolean: boolean.BoolBinaryDumper(bool),
        sa.Date: datetime.DateBinaryDumper(int),
        sa.DateTime: datetime.DatetimeNoTzBinaryDumper(int),
        sa.LargeBinary: string.BytesBinaryDumper(bytes),
    }
    if isinstance(column.type, sa.String):
        return lambda value: str(value).encode()
    dump: Callable[[Any], bytes] = dumpers[type(column.type)].dump
    return dump
