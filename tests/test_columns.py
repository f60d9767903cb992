"""Rows checked in columns give what they give one by one: the same facts, hashes and rejects, in every shape."""

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest
from benchmarks import sync_sources
from hypothesis import given, settings
from hypothesis import strategies as st

from jianheng.facts.columns import check
from jianheng.facts.convert import Fact, Reject, convert
from jianheng.facts.entities import ENTITIES
from jianheng.facts.entity import Column, Entity
from thoroughness import examples

THING = Entity(
    "thing",
    "物",
    "一行一物",
    (
        Column("thing_key", "键", required=True),
        Column("owner", "主", required=True, ref="person"),
        Column("note", "注"),
        Column("kind", "类", "code", allowed=("a", "b")),
        Column("day", "日", "date"),
        Column("moment", "时", "datetime"),
        Column("number", "数", "integer"),
        Column("share", "额", "decimal"),
        Column("held", "否", "boolean"),
        Column("attributes", "余", "attributes"),
    ),
)
CHINA = dt.timezone(dt.timedelta(hours=8))
MIDNIGHT = dt.datetime(2025, 3, 4)  # noqa: DTZ001 wall time
ODD = [
    "", " ", "　全角　", "a", " a ", "A", "b", "1", "1.0", "1e3", "-0", "y", "N", "是", "it's", 'a"b', "\\", "a\tb", "a\nb",
    "\x00", "\x1c", "\u200b", "𠮷", "\ud800", "x" * 101, "x" * 201, "x" * 4001, "2025-03-04", "2025-03-04 05:06:07.000890",
    "2025-03-04T05:06:07+00:00", "1899-01-01", "2025-13-01", 0, 1, -1, 2**63, 10**13, 1.0, -0.0, 0.1, float("nan"),
    True, False, Decimal("1.0"), Decimal("1.00"), Decimal("0.3333333"), Decimal("NaN"), dt.date(2025, 3, 4),
    dt.date(1, 1, 1), MIDNIGHT, MIDNIGHT.replace(fold=1), dt.datetime(2025, 3, 4, tzinfo=dt.UTC),
    dt.datetime(2025, 3, 4, 8, tzinfo=CHINA), {"a": "1", "b": None}, {}, {"a": "\x00"}, b"bytes", [1], None,
]  # fmt: skip
CELL = st.sampled_from(ODD) | st.text(max_size=6) | st.integers(-9, 9) | st.none()
NAMES = [*THING.names, "_deleted", "_locator", "stranger"]


def told(outcome):
    """Return an outcome so that two can be compared to the last character and type."""
    if isinstance(outcome, Reject):
        return ("reject", outcome.key, outcome.locator, outcome.problems, repr(outcome.row))
    return ("fact", outcome.key, repr(outcome.values), outcome.content_hash, outcome.deleted, outcome.locator)


def in_columns(rows):
    batch = check(THING, rows)
    return [
        told(
            batch.rejects.get(at)
            or Fact(
                batch.keys[at],
                tuple(each.values[at] for each in batch.columns),
                batch.hashes[at],
                batch.deleted[at],
                batch.locators[at],
            )
        )
        for at in range(len(batch))
    ]


def one_by_one(rows):
    return [told(convert(THING, row)) for row in rows]


@st.composite
def any_rows(draw):
    """Rows with good keys more often than not, so that whole facts come too, and columns of one kind or of many."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True))
    same = {name: draw(st.sampled_from([CELL, st.sampled_from(ODD[:31]), st.none()])) for name in names}
    good = {"thing_key": st.sampled_from(["k1", " k2", "k3 "]), "owner": st.just("p")}
    whole = st.fixed_dictionaries(
        good | {name: draw(st.just(same[name])) for name in names if name not in good}
    )
    part = st.fixed_dictionaries({}, optional=same)
    return draw(st.lists(whole | part if draw(st.booleans()) else whole, max_size=8))


@settings(max_examples=examples(400))
@given(any_rows())
def test_a_batch_of_mappings_gives_what_its_rows_give(rows):
    assert in_columns(rows) == one_by_one(rows)


@pytest.mark.parametrize("name", THING.names)
def test_every_odd_cell_in_every_column_alone_and_among_all_others(name):
    good = {"thing_key": "k", "owner": "p"}
    mixed = [good | {name: cell} for cell in ODD]
    assert in_columns(mixed) == one_by_one(mixed)
    for row in mixed:
        assert in_columns([row, good, row]) == one_by_one([row, good, row])


KINDS = {
    pa.string(): st.sampled_from([cell for cell in ODD if isinstance(cell, str) and cell != "\ud800"]),
    pa.dictionary(pa.int8(), pa.string()): st.sampled_from(["a", "b", " a", "c"]),
    pa.int32(): st.integers(-3, 3),
    pa.uint64(): st.sampled_from([0, 1, 2**64 - 1]),
    pa.bool_(): st.booleans(),
    pa.float64(): st.sampled_from([0.0, -0.0, 1.5, float("nan"), 1e300]),
    pa.decimal128(20, 8): st.sampled_from([Decimal(1), Decimal("0.10000000"), Decimal("0.12345678")]),
    pa.date32(): st.dates(),
    pa.timestamp("us"): st.datetimes(dt.datetime(1850, 1, 1), dt.datetime(2250, 1, 1)),  # noqa: DTZ001 wall time
    pa.timestamp("s", "UTC"): st.just(dt.datetime(2025, 3, 4, tzinfo=dt.UTC)),
    pa.binary(): st.just(b"x"),
    pa.null(): st.none(),
    pa.struct([("a", pa.string())]): st.just({"a": "1"}),
}


@st.composite
def any_table(draw):
    size = draw(st.integers(0, 6))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True))
    columns = {}
    for name in dict.fromkeys(["thing_key", "owner", *names] if draw(st.booleans()) else names):
        kind = draw(st.sampled_from(list(KINDS))) if name in names else pa.string()
        cells = draw(st.lists(KINDS[kind] | st.none(), min_size=size, max_size=size))
        cut = draw(st.integers(0, size))
        columns[name] = pa.chunked_array([pa.array(cells[:cut], kind), pa.array(cells[cut:], kind)])
    return pa.table(columns)


@settings(max_examples=examples(400))
@given(any_table())
def test_an_arrow_table_gives_what_its_rows_give(table):
    assert in_columns(table) == one_by_one(table.to_pylist())


def test_what_the_benchmark_of_the_sync_reads_is_the_same_in_both_forms():
    entity = ENTITIES["organisation_suspect"]
    rows, table = next(sync_sources.mappings(300)), next(sync_sources.tables(300))
    one, other = check(entity, rows), check(entity, table)
    assert (one.rejects, other.rejects) == ({}, {})
    assert [[*each.values] for each in one.columns] == [[*each.values] for each in other.columns]
    assert one.hashes == other.hashes == [convert(entity, row).content_hash for row in rows]
