"""Tables in and out, many rows at a time: what was put in comes out again, or is refused."""

import contextlib
import datetime as dt
import sqlite3
from decimal import Decimal

import pyarrow as pa
import pytest
import sqlalchemy as sa

from jianheng.errors import StopError
from jianheng.store.bulk import MANY, insert_arrow, insert_rows, read_arrow

TABLE = sa.Table(
    "kept",
    sa.MetaData(),
    sa.Column("key", sa.String(10), primary_key=True),
    sa.Column("amount", sa.Numeric(18, 6)),
    sa.Column("day", sa.Date()),
    sa.Column("moment", sa.DateTime()),
    sa.Column("held", sa.Boolean()),
    sa.Column("run_id", sa.Integer()),
)
KINDS = {
    "key": pa.string(),
    "amount": pa.decimal128(18, 6),
    "day": pa.date32(),
    "moment": pa.timestamp("us"),
    "held": pa.bool_(),
    "run_id": pa.int64(),
}
DAY, MOMENT = dt.date(2025, 3, 4), dt.datetime(2025, 3, 4, 5, 6, 7, 89)  # noqa: DTZ001 wall time
EXACT = ["0", "0.1", "-0.000001", "0.333333", "1234567.125", "999999999.999999", "123456789012", "-4.35"]
ROWS = [
    (f"k{n}", Decimal(told).quantize(Decimal("0.000001")), DAY, MOMENT, n % 2 == 0, 7)
    for n, told in enumerate(EXACT)
]
ROWS.append(("none", None, None, None, None, 7))


def arrow(rows):
    columns = zip(*rows, strict=True)
    return pa.table(
        {name: pa.array(list(values), KINDS[name]) for name, values in zip(KINDS, columns, strict=True)}
    )


def by_rows(connection, rows):
    insert_rows(connection, TABLE, rows)


def by_arrow(connection, rows):
    insert_arrow(connection, TABLE, arrow(rows).drop_columns("run_id"), {"run_id": 7})


@pytest.fixture
def connection():
    engine = sa.create_engine("sqlite://")
    TABLE.create(engine)
    with engine.begin() as opened:
        yield opened
    engine.dispose()


@pytest.mark.parametrize("put", [by_rows, by_arrow])
def test_decimals_days_and_moments_come_back_as_they_were_put(connection, put):
    put(connection, ROWS)
    assert read_arrow(connection, TABLE, sa.select(TABLE).order_by("key")).equals(arrow(ROWS))


def test_both_ways_of_putting_write_the_same_to_the_last_character(connection):
    raw = sa.text(
        "SELECT typeof(amount), amount, typeof(day), day, typeof(moment), moment FROM kept ORDER BY key"
    )
    by_rows(connection, ROWS)
    rows = connection.execute(raw).fetchall()
    connection.execute(sa.delete(TABLE))
    by_arrow(connection, ROWS)
    assert connection.execute(raw).fetchall() == rows


@pytest.mark.parametrize("put", [by_rows, by_arrow])
@pytest.mark.parametrize("told", ["123456789012.123456", "-999999999999.999999", "99999999999.000001"])
def test_a_decimal_that_would_come_back_as_another_is_refused(connection, put, told):
    with pytest.raises(StopError) as stopped:
        put(connection, [("a", Decimal(told), DAY, MOMENT, True, 7)])
    assert stopped.value.problem.code == "store-decimal-inexact"
    assert told in stopped.value.problem.message().what
    assert connection.execute(sa.select(sa.func.count()).select_from(TABLE)).scalar() == 0


@pytest.mark.parametrize("put", [by_rows, by_arrow])
def test_of_many_rows_too_each_keeps_its_own(connection, put):
    """What is the same in all rows is bound once: nothing of it must reach a row that differs in its midst."""
    same = [(f"k{n:05d}", None, DAY, MOMENT, True, 7) for n in range(MANY)]
    odd = [*same[:300], ("odd", Decimal("0.5"), None, None, False, 7), *same[300:]]
    for rows in (same, odd):
        put(connection, rows)
        kept = read_arrow(connection, TABLE, sa.select(TABLE).order_by("key"))
        assert kept.equals(arrow(sorted(rows)))
        connection.execute(sa.delete(TABLE))


def test_nothing_stays_nothing_to_every_user_of_the_driver():
    """The answer we give for None serves all of this process."""
    with contextlib.closing(sqlite3.connect(":memory:")) as plain:
        (found,) = plain.execute("SELECT ?, typeof(?), ?", (None, None, "None"))
    assert found == (None, "null", "None")
