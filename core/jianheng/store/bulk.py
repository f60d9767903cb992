"""Rows into tables and out of them, many at a time. The one place that knows what is fast where.

SQLAlchemy compiles each statement once; the rows then go to the driver as tuples, which costs a
third of what dictionaries cost. Values are bound, never written into the text.
"""

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import repeat
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.schema import CreateTable

from jianheng.errors import StopError
from jianheng.store import mariadb
from jianheng.store.copying import Cells, Same, copies, copy_columns

CHUNK = 500
"""Keys per ``IN`` list: well under every database's limit of bound values."""


def chunks(values: Iterable[Any], size: int = CHUNK) -> Iterable[list[Any]]:
    """Yield lists of at most ``size`` values."""
    held: list[Any] = []
    for value in values:
        held.append(value)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held


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


def _for_sqlite(column: sa.Column[Any], values: Cells) -> Cells:
    """Return a column as SQLite keeps it; each day is converted once, however many rows have it."""
    if isinstance(values, Same):
        return Same(_sqlite_value(values.value))
    if not isinstance(column.type, sa.Date | sa.DateTime | sa.Numeric):
        return values
    distinct = set(values)
    if distinct == {None}:
        return values
    kept = {value: _sqlite_value(value) for value in distinct}
    return [kept[value] for value in values]


def insert_columns(connection: sa.Connection, table: sa.Table, columns: Sequence[Cells], count: int) -> None:
    """Insert rows given as columns of equal length, in the table's order: the quickest way each database has.

    PostgreSQL copies them in; MariaDB gets statements of many rows; SQLite one statement run many times.

    Raises:
        StopError: SQLite cannot keep a decimal exactly.
    """
    if not count:
        return
    dialect = connection.dialect
    if copies(connection):
        copy_columns(connection, table, columns, count)
        return
    if dialect.paramstyle == "qmark":
        kept = [_for_sqlite(column, values) for column, values in zip(table.columns, columns, strict=True)]
        connection.exec_driver_sql(_insert_text(table, dialect), _rows(kept, count))
        return
    rows = _rows(columns, count)
    if dialect.name in mariadb.NAMES:
        connection.exec_driver_sql(_insert_text(table, dialect), rows)
        return
    names = [column.name for column in table.columns]
    connection.execute(sa.insert(table), [dict(zip(names, row, strict=True)) for row in rows])


def _rows(columns: Sequence[Cells], count: int) -> list[tuple[Any, ...]]:
    full = [repeat(each.value, count) if isinstance(each, Same) else each for each in columns]
    return list(zip(*full, strict=True))


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
        Same(fixed[column.name]) if column.name in fixed else _listed(rows[column.name])
        for column in table.columns
    ]
    insert_columns(connection, table, columns, rows.num_rows)


def _listed(column: pa.ChunkedArray) -> list[Any]:
    """Return an Arrow column's values; days and codes come often, and each is made once."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray) or pa.types.is_null(array.type):
        return list(column.to_pylist())
    coded = array.dictionary_encode()
    values = [*coded.dictionary.to_pylist(), None]
    return [values[place] for place in coded.indices.fill_null(len(values) - 1).to_pylist()]


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
    temporary table, which the next call fills anew. SQLite and PostgreSQL get the keys as one value.
    """
    wanted = sorted(set(keys))
    name = connection.dialect.name
    if len(wanted) <= CHUNK:
        return column.in_(wanted)
    if name == "sqlite":
        each = sa.func.json_each(json.dumps(wanted, ensure_ascii=False)).table_valued("value")
        return column.in_(sa.select(each.c.value))
    if name == "postgresql":
        return column == sa.any_(sa.literal(wanted, postgresql.ARRAY(sa.Text())))
    connection.execute(CreateTable(_KEYS, if_not_exists=True))
    connection.execute(sa.delete(_KEYS))
    insert_columns(connection, _KEYS, [wanted], len(wanted))
    return column == _KEYS.c.record_key


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
    columns: list[sa.Column[Any]] = [table.c[name] for name in statement.selected_columns.keys()]  # noqa: SIM118
    raw: Any = statement
    if connection.dialect.name == "sqlite":
        raw = _as_kept(statement) if values is None else _as_kept_once(statement)
    rows = connection.execute(raw, values or {}).fetchall()
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
