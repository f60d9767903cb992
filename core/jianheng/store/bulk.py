"""Rows into tables and out of them, many at a time. The one place that knows what is fast where.

SQLAlchemy compiles each statement once; the rows then go to the driver as tuples, which costs a
third of what dictionaries cost. Values are bound, never written into the text.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import repeat
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from jianheng.errors import StopError

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
    return str(
        sa.insert(table).compile(dialect=dialect, column_keys=[column.name for column in table.columns])
    )


@lru_cache(maxsize=64)
def _to_text(table: sa.Table) -> tuple[int, ...]:
    kinds = (sa.Date, sa.DateTime, sa.Numeric)
    return tuple(place for place, column in enumerate(table.columns) if isinstance(column.type, kinds))


def _bound(table: sa.Table, row: tuple[Any, ...]) -> Sequence[Any]:
    bound = list(row)
    for place in _to_text(table):
        if bound[place] is not None:
            bound[place] = _sqlite_value(bound[place])
    return bound


def insert_rows(connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows whose values stand in the table's column order.

    Raises:
        StopError: SQLite cannot keep a decimal exactly.
    """
    if not rows:
        return
    dialect = connection.dialect
    if dialect.paramstyle == "qmark":
        bound = [tuple(_bound(table, row)) for row in rows]
        connection.exec_driver_sql(_insert_text(table, dialect), bound)
        return
    names = [column.name for column in table.columns]
    connection.execute(sa.insert(table), [dict(zip(names, row, strict=True)) for row in rows])


def insert_arrow(
    connection: sa.Connection, table: sa.Table, rows: pa.Table, fixed: Mapping[str, Any]
) -> None:
    """Insert an Arrow table; columns in ``fixed`` have one value for all rows.

    Raises:
        StopError: SQLite cannot keep a decimal exactly.
    """
    if not rows.num_rows:
        return
    textual = connection.dialect.paramstyle == "qmark"
    lists: list[Iterable[Any]] = []
    for column in table.columns:
        if column.name in fixed:
            lists.append(repeat(fixed[column.name], rows.num_rows))
            continue
        values = rows[column.name]
        if textual and pa.types.is_date(values.type):
            values = values.cast(pa.string())  # many times faster than one by one
        told = values.to_pylist()
        if textual and (pa.types.is_decimal(values.type) or pa.types.is_timestamp(values.type)):
            told = [_sqlite_value(value) for value in told]
        lists.append(told)
    bound = list(zip(*lists, strict=True))
    if textual:
        connection.exec_driver_sql(_insert_text(table, connection.dialect), bound)
    else:
        insert_rows(connection, table, bound)


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


def read_arrow(connection: sa.Connection, table: sa.Table, statement: sa.Select[Any]) -> pa.Table:
    """Run a select of a table's own columns and return an Arrow table with their types."""
    columns: list[sa.Column[Any]] = [table.c[name] for name in statement.selected_columns.keys()]  # noqa: SIM118
    raw: Any = statement
    if connection.dialect.name == "sqlite":  # let the driver's values through: converting columns is faster
        raw = sa.select(
            *(sa.type_coerce(column, sa.types.NullType()).label(column.name) for column in columns)
        )
        if statement.whereclause is not None:
            raw = raw.where(statement.whereclause)
    rows = connection.execute(raw).fetchall()
    held: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    return pa.table(
        {
            column.name: _array(list(values), arrow_type(column))
            for column, values in zip(columns, held, strict=True)
        }
    )
