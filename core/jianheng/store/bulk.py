"""Rows into tables and out of them, many at a time. The one place that knows what is fast where.

SQLAlchemy compiles each statement once; the rows then go to the driver as tuples, which costs a
third of what dictionaries cost. Values are bound, never written into the text.
"""

import datetime as dt
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import repeat
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.schema import CreateTable

from jianheng.errors import StopError
from jianheng.facts.vectors import Vector, listed
from jianheng.store import mariadb
from jianheng.store.chunks import CHUNK
from jianheng.store.copying import Cells, Same, copies, copy_columns

FEW = 20
"""Keys that are quicker bound one by one than as one value."""
AT_ONCE = 50
"""Rows per statement of SQLite's: enough that its own work outweighs ours."""
MANY = 1_000
"""Rows from which on it pays to look for columns that are the same in all of them."""

# CPython's driver asks each None whether it can adapt itself, and words an error for every answer: a quarter of the
# time of an insert. It asks nobody where somebody answers for None; what is answered is what a dictionary lacks: None.
sqlite3.register_adapter(type(None), dict[None, None]().get)


def _sqlite_value(value: Any) -> Any:
    """SQLite has no dates and no decimals: what SQLAlchemy would write, so that both ways read alike."""
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="microseconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    return _sqlite_number(value) if isinstance(value, Decimal) else value


def _sqlite_number(value: Decimal) -> float:
    """Return the number SQLite keeps for a decimal: one that reads back as the same, to the last place.

    Raises:
        StopError: there is none; about 15 digits fit, 18 may come.
    """
    kept = float(value)
    if Decimal(repr(kept)) != value:
        raise StopError("store-decimal-inexact", value=value)
    return kept


@lru_cache(maxsize=64)
def _insert_text(table: sa.Table, dialect: sa.Dialect) -> str:
    names = [column.name for column in table.columns]
    if dialect.name in mariadb.NAMES:  # the marks PyMySQL rewrites to one statement of many rows
        return str(sa.insert(table).compile(dialect=mysql.dialect(paramstyle="format"), column_keys=names))
    return str(sa.insert(table).compile(dialect=dialect, column_keys=names))


@lru_cache(maxsize=256)
def _insert_many_text(table: sa.Table, dialect: sa.Dialect, same: tuple[bool, ...], count: int) -> str:
    """Return SQLite's insert of many rows; what is the same in all of them is bound once, before all else."""
    head = _insert_text(table, dialect).partition(" VALUES ")[0]
    bound = iter(range(1, sum(same) + 1))
    fixed = [next(bound) if each else None for each in same]
    others = iter(range(sum(same) + 1, 1 + sum(same) + count * (len(same) - sum(same))))
    rows = (", ".join(f"?{next(others) if each is None else each}" for each in fixed) for _ in range(count))
    return f"{head} VALUES ({'), ('.join(rows)})"


def _for_sqlite(column: sa.Column[Any], values: Cells) -> Sequence[Any] | Same:
    """Return a column as SQLite keeps it; each day is converted once, however many rows have it."""
    if isinstance(values, Same):
        return Same(_sqlite_value(values.value))
    if isinstance(values, Vector) and values.texts is not None:
        return values.texts
    array = values.array if isinstance(values, Vector) else values
    if isinstance(array, pa.Array) and pa.types.is_date32(array.type):
        return listed(array.cast(pa.string()))
    if isinstance(values, Vector):
        values = values.values  # keys were listed before, to be looked at
    elif isinstance(values, pa.Array):
        values = listed(values)
    if not isinstance(column.type, sa.Date | sa.DateTime | sa.Numeric):
        return values
    distinct = set(values)
    if distinct == {None}:
        return values
    kept = {value: _sqlite_value(value) for value in distinct}
    return [*map(kept.__getitem__, values)]


def _insert_sqlite(connection: sa.Connection, table: sa.Table, columns: Sequence[Cells], count: int) -> None:
    """Insert by statements of many rows: the driver lets others work while SQLite goes through one."""
    kept: list[Any] = [_for_sqlite(column, each) for column, each in zip(table.columns, columns, strict=True)]
    if count >= MANY:
        kept = [*map(_once, kept)]
    same = tuple(isinstance(each, Same) for each in kept)
    fixed = [each.value for each in kept if isinstance(each, Same)]
    width = len(same) - len(fixed)
    cells = _row_by_row([each for each in kept if not isinstance(each, Same)], count)
    driver: Any = connection.connection.driver_connection
    at_once = max(1, min(AT_ONCE, driver.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(same)))
    whole = count - count % at_once
    for start, end, size in ((0, whole, at_once), (whole, count, 1)):
        parts = [(*fixed, *cells[row * width : (row + size) * width]) for row in range(start, end, size)]
        if parts:
            connection.exec_driver_sql(_insert_many_text(table, connection.dialect, same, size), parts)


def _once(cells: Sequence[Any] | Same) -> Sequence[Any] | Same:
    """Return cells that are all the same, such as those of a column nobody fills, as one."""
    if isinstance(cells, Same) or cells[0] != cells[-1] or cells.count(cells[0]) != len(cells):
        return cells
    return Same(cells[0])


def _row_by_row(columns: Sequence[Sequence[Any]], count: int) -> list[Any]:
    """Return the cells of columns of equal length one row after the other."""
    cells: list[Any] = [None] * (count * len(columns))
    for place, column in enumerate(columns):
        cells[place :: len(columns)] = column
    return cells


def insert_columns(connection: sa.Connection, table: sa.Table, columns: Sequence[Cells], count: int) -> None:
    """Insert rows given as columns of equal length, in the table's order: the quickest way each database has.

    PostgreSQL copies them in; MariaDB and SQLite get statements of many rows.

    Raises:
        StopError: SQLite cannot keep a decimal exactly.
    """
    if not count:
        return
    dialect = connection.dialect
    if copies(dialect):
        copy_columns(connection, table, columns, count)
        return
    if dialect.name == "sqlite":
        _insert_sqlite(connection, table, columns, count)
        return
    rows = _rows(columns, count)
    if dialect.name in mariadb.NAMES:
        connection.exec_driver_sql(_insert_text(table, dialect), rows)
        return
    names = [column.name for column in table.columns]
    connection.execute(sa.insert(table), [dict(zip(names, row, strict=True)) for row in rows])


def _rows(columns: Sequence[Cells], count: int) -> list[tuple[Any, ...]]:
    return list(zip(*(_cells(each, count) for each in columns), strict=True))


def _cells(column: Cells, count: int) -> Iterable[Any]:
    if isinstance(column, Same):
        return repeat(column.value, count)
    if isinstance(column, Vector):
        return column.values
    return listed(column) if isinstance(column, pa.Array) else column


def insert_rows(connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows whose values stand in the table's column order.

    Raises:
        StopError: SQLite cannot keep a decimal exactly.
    """
    insert_columns(connection, table, list(zip(*rows, strict=True)), len(rows))


def insert_arrow(
    connection: sa.Connection, table: sa.Table, rows: pa.Table, fixed: Mapping[str, Any]
) -> None:
    """Insert an Arrow table; columns in ``fixed`` have one value for all rows.

    Raises:
        StopError: SQLite cannot keep a decimal exactly.
    """
    if not rows.num_rows:
        return
    columns = [
        Same(fixed[column.name]) if column.name in fixed else _whole(rows[column.name])
        for column in table.columns
    ]
    insert_columns(connection, table, columns, rows.num_rows)


def _whole(column: pa.ChunkedArray) -> Cells:
    """Return an Arrow column as one array."""
    array = column.combine_chunks()
    return [*column.to_pylist()] if isinstance(array, pa.ChunkedArray) else array


_KEYS = sa.Table(
    "jianheng_keys",
    sa.MetaData(),
    sa.Column("record_key", sa.String(200), primary_key=True),
    prefixes=["TEMPORARY"],
    mysql_engine="InnoDB",
    mysql_charset=mariadb.CHARSET,
    mysql_collate=mariadb.COLLATION,
)


def among(connection: sa.Connection, column: sa.Column[Any], keys: Iterable[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a column is one of some keys, however many: one statement does for all.

    Use it in the next statement of this connection and in no more than one place of it: MariaDB joins a
    temporary table, which the next call fills anew. SQLite and PostgreSQL get the keys as one value; PostgreSQL is
    asked which of them are the first and the last.
    """
    wanted = sorted(set(keys))
    name = connection.dialect.name
    if len(wanted) <= (FEW if name in {"sqlite", "postgresql"} else CHUNK):
        return column.in_(wanted)
    if name == "sqlite":
        each = sa.func.json_each(json.dumps(wanted, ensure_ascii=False)).table_valued("value")
        return column.in_(sa.select(each.c.value))
    if name == "postgresql":
        told = _as_one_value(wanted)
        return sa.and_(_within(connection, column, told), column == sa.any_(told))
    connection.execute(CreateTable(_KEYS, if_not_exists=True))
    connection.execute(sa.delete(_KEYS))
    insert_columns(connection, _KEYS, [wanted], len(wanted))
    return column == _KEYS.c.record_key


def _within(
    connection: sa.Connection, column: sa.Column[Any], keys: sa.ColumnElement[Any]
) -> sa.ColumnElement[bool]:
    """Return that a column lies between the first and the last of some keys, in the order the server has them.

    PostgreSQL holds a thousand look-ups in an index to be dearer than going through all there is of an office, the
    more so of a table that is new to it. Keys of a batch mostly lie side by side: what is between them is little.
    """
    each = sa.func.unnest(keys).column_valued("each")
    first, last = connection.execute(sa.select(sa.func.min(each), sa.func.max(each))).one()
    return column.between(first, last)


_BETWEEN = "\x1f"
"""Between the keys of a list sent as one text: no key of ours holds it."""


def _as_one_value(keys: Sequence[str]) -> sa.ColumnElement[Any]:
    """Return keys as PostgreSQL's array; as one text they get there in a tenth of the time."""
    told = _BETWEEN.join(keys)
    if told.count(_BETWEEN) != len(keys) - 1:  # a source listed a key that cannot be
        return sa.literal(keys, postgresql.ARRAY(sa.Text()))
    return sa.func.string_to_array(sa.literal(told, sa.Text()), _BETWEEN, type_=postgresql.ARRAY(sa.Text()))


_ARROW: dict[type[sa.types.TypeEngine[Any]], pa.DataType] = {
    sa.Date: pa.date32(),
    sa.DateTime: pa.timestamp("us"),
    sa.Boolean: pa.bool_(),
    sa.Integer: pa.int64(),
    sa.BigInteger: pa.int64(),
    sa.Numeric: pa.decimal128(18, 6),
}


def arrow_type(column: sa.Column[Any]) -> pa.DataType:
    """Return the Arrow type of a column of ours."""
    return _ARROW.get(type(column.type), pa.string())


def _array(values: list[Any], wanted: pa.DataType) -> pa.Array:
    """Build a typed array from driver values; SQLite hands dates over as text and booleans as integers."""
    sample = next((value for value in values if value is not None), None)
    if isinstance(sample, str) and not pa.types.is_string(wanted):
        return pa.array(values, pa.string()).cast(wanted)
    if pa.types.is_boolean(wanted) and not isinstance(sample, bool | None):
        return pa.array(values, pa.int64()).cast(wanted)
    if pa.types.is_decimal(wanted) and sample is not None:
        exact = [
            None if value is None else Decimal(str(value)).quantize(Decimal("0.000001")) for value in values
        ]
        return pa.array(exact, wanted)
    return pa.array(values, wanted)


def read_arrow(
    connection: sa.Connection,
    table: sa.Table,
    statement: sa.Select[Any],
    values: Mapping[str, Any] | None = None,
) -> pa.Table:
    """Run a select of a table's own columns and return an Arrow table with their types.

    With ``values`` for its parameters the statement is one that is asked again and again.
    """
    raw: Any = statement
    if connection.dialect.name == "sqlite":
        raw = _as_kept(statement) if values is None else _as_kept_once(statement)
    return _as_arrow(table, statement, connection.execute(raw, values or {}).fetchall())


def arrow_pages(
    connection: sa.Connection, table: sa.Table, statement: sa.Select[Any], size: int
) -> Iterator[pa.Table]:
    """Run a select of a table's own columns; yield Arrow tables of that many rows, the last of those left.

    The database is asked once and hands over page by page: until the last the connection takes no other statement.
    """
    raw = _as_kept(statement) if connection.dialect.name == "sqlite" else statement
    with connection.execute(raw, execution_options={"stream_results": True}) as found:
        # The rows of a page are let go before the next are fetched.
        while (page := _as_arrow(table, statement, found.fetchmany(size))).num_rows:
            yield page


def _as_arrow(table: sa.Table, statement: sa.Select[Any], rows: Sequence[Sequence[Any]]) -> pa.Table:
    columns: list[sa.Column[Any]] = [table.c[name] for name in statement.selected_columns.keys()]  # noqa: SIM118
    held: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    return pa.table(
        {
            column.name: _array(list(values), arrow_type(column))
            for column, values in zip(columns, held, strict=True)
        }
    )


def _as_kept(statement: sa.Select[Any]) -> sa.Select[Any]:
    """Let the driver's values through: converting columns is faster."""
    kept: Any = statement.with_only_columns(
        *(sa.type_coerce(each, sa.types.NullType()).label(each.name) for each in statement.selected_columns)
    )
    return kept  # type: ignore[no-any-return]


_as_kept_once = lru_cache(maxsize=256)(_as_kept)
