"""What crosses between host and child arrives as it left, and what is forged is refused."""

import datetime as dt
import json
import math
import os
import struct
import threading
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jianheng.contract import Batch, CaseText, Entry, Publication, Stream
from jianheng.isolation import batches, columns, wire
from jianheng.isolation.values import decode, encode
from thoroughness import examples

LIMITS = (1 << 20, 1 << 20)

zones = st.sampled_from(
    [None, dt.UTC, ZoneInfo("Asia/Shanghai"), dt.timezone(dt.timedelta(hours=-3, minutes=-30))]
)
moments = st.datetimes(timezones=zones, allow_imaginary=False)
texts = st.text(max_size=20) | st.text(alphabet=st.characters(codec=None), max_size=5)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | texts
    | st.decimals(allow_nan=False)
    | st.dates()
    | moments
    | st.times()
    | st.timedeltas()
    | st.binary(max_size=10)
)
nested = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(texts | st.integers() | st.just("$"), inner, max_size=4)
    ),
    max_leaves=8,
)
one_column = st.one_of(
    *(
        st.lists(st.none() | each, max_size=5)
        for each in (texts, st.decimals(allow_nan=False), st.dates(), moments)
    ),
    st.lists(nested, max_size=5),
)


def same(left, right):
    """Say whether two values are of the same types and equal throughout, zones and exponents too."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return same(list(left), list(right)) and same([*left.values()], [*right.values()])
    if isinstance(left, dt.datetime):
        return (left.isoformat(), left.fold, left.utcoffset()) == (
            right.isoformat(),
            right.fold,
            right.utcoffset(),
        )
    if isinstance(left, Decimal):
        return left.as_tuple() == right.as_tuple()
    return left == right and str(left) == str(right)


def crossed(value):
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))


@settings(max_examples=examples(200), deadline=None)
@given(nested)
def test_a_value_arrives_exactly(value):
    assert same(decode(crossed(encode(value))), value)


@settings(max_examples=examples(200), deadline=None)
@given(one_column)
def test_a_column_arrives_exactly(column):
    assert same(columns.unpack(crossed(columns.pack(column, encode)), decode), column)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.dictionaries(texts, nested, max_size=4), max_size=6), st.none() | texts)
def test_rows_arrive_exactly_whatever_columns_each_has(rows, cursor):
    told, payload = batches.pack(Batch(rows, cursor))
    found = batches.unpack(crossed(told), payload)
    assert same(found.rows, rows)
    assert found.cursor == cursor


def test_numbers_that_are_none_and_very_long_ones_arrive():
    assert math.isnan(decode(crossed(encode(float("nan")))))
    assert decode(crossed(encode([math.inf, -math.inf]))) == [math.inf, -math.inf]
    assert str(decode(crossed(encode(Decimal("sNaN"))))) == "sNaN"
    assert decode(crossed(encode(7**9000))) == 7**9000


def test_what_is_too_deep_or_knows_itself_ends_as_something_foreign():
    ring: list[object] = []
    ring.append(ring)
    found = decode(crossed(encode(ring)))
    while isinstance(found, list):
        (found,) = found
    assert type(found).__name__ == "list"


def test_only_dataclasses_of_the_contract_are_made():
    sent = Publication(
        "i", "scores", "o", "n", "p", "l", "v", "2026", "y", dt.date(2026, 1, 1), dt.date(2027, 1, 1),
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC), cases={"c": CaseText("c", "1", "n", None, None, True)},
        entries=tuple(
            Entry(str(n), "p", "r", "i", "c", "k", "k", "l", dt.date(2026, 1, n), 1, 1, 1, 1, n, 0, "final", "", "")
            for n in range(1, 9)
        ),
    )  # fmt: skip
    assert decode(crossed(encode(sent))) == sent
    assert decode(crossed(encode([Stream("a", "b")] * 5))) == [Stream("a", "b")] * 5
    for kind in ("Popen", "Secret", "AdapterContextt"):
        with pytest.raises(wire.WireError):
            decode({"$": "record", "kind": kind, "of": {}})


@pytest.mark.parametrize(
    "told",
    [
        {"$": "decimal", "of": "x"},
        {"$": "day", "of": 5},
        {"$": "moment", "at": "2026-01-01", "fold": 0, "zone": "../../etc/passwd"},
        {"$": "set", "of": [[1]]},
        {"$": ["decimal"]},
        {"$": "unheard"},
        {"$": "map", "of": [[1]]},
        {"$": "span", "of": [10**30, 0, 0]},
        {"$": "records", "kind": "Entry", "names": ["x"], "of": [[1], [2]]},
    ],
)
def test_a_forged_value_is_refused_and_nothing_else(told):
    with pytest.raises(wire.WireError):
        decode(told)


@pytest.mark.parametrize(
    "told",
    [
        {"cursor": None, "parts": [{"count": 5, "names": ["a"], "columns": [[1, 2]]}], "tuple": False},
        {"cursor": None, "parts": [{"count": 1, "names": ["a", "b"], "columns": [[1]]}], "tuple": False},
        {"cursor": None, "parts": [{}], "tuple": False},
        {"cursor": None, "parts": [{"count": "x", "names": [], "columns": []}], "tuple": False},
        {"cursor": None},
        {"table": 5, "cursor": None},
    ],
)
def test_a_forged_batch_is_refused(told):
    with pytest.raises(wire.WireError):
        batches.unpack(told, b"no Arrow at all")


@settings(max_examples=examples(200), deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_an_arrow_stream_that_was_tampered_with_is_refused_or_valid(place, value):
    table = pa.table(
        {"a": ["x", None, "yy"], "b": pa.array(["p", "q", "p"]).dictionary_encode(), "c": [1, 2, 3]}
    )
    told, payload = batches.pack(Batch(table))
    bad = bytearray(payload)
    bad[place % len(bad)] = value
    try:
        found = batches.unpack(told, bytes(bad))
    except wire.WireError:
        return
    found.rows.validate(full=True)


def test_compressed_arrow_is_refused_before_it_is_unpacked():
    for column in (["x"] * 1000, pa.array(["x"] * 1000).dictionary_encode()):
        sink = pa.BufferOutputStream()
        table = pa.table({"a": column})
        with pa.ipc.new_stream(
            sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
        ) as writer:
            writer.write_table(table)
        with pytest.raises(wire.WireError, match="compressed"):
            batches.unpack({"table": 1000, "cursor": None}, sink.getvalue())


def sent(data):
    """Return what is received of some bytes, and of nothing after them."""
    read, write = os.pipe()
    worker = threading.Thread(target=lambda: (os.write(write, data), os.close(write)))
    worker.start()
    try:
        return wire.receive(read, limits=LIMITS)
    finally:
        worker.join()
        os.close(read)


def test_a_message_arrives_with_its_bytes():
    read, write = os.pipe()
    wire.send(write, {"a": "示例\ud800"}, b"123", limits=LIMITS)
    assert wire.receive(read, limits=LIMITS) == ({"a": "示例\ud800"}, bytearray(b"123"))
    os.close(read)
    os.close(write)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", wire.EndedError),
        (b"JHI1", wire.EndedError),
        (b"HTTP/1.1 200 OK\r\n\r\n", wire.WireError),
        (struct.pack(">4sIQ", b"JHI1", 1 << 30, 0), wire.OversizeError),
        (struct.pack(">4sIQ", b"JHI1", 2, 1 << 60) + b"{}", wire.OversizeError),
        (struct.pack(">4sIQ", b"JHI1", 2, 0) + b"[]", wire.WireError),
        (struct.pack(">4sIQ", b"JHI1", 2, 0) + b"\xff\xff", wire.WireError),
        (struct.pack(">4sIQ", b"JHI1", 20_000, 0) + b"[" * 20_000, wire.WireError),
        (struct.pack(">4sIQ", b"JHI1", 9, 9) + b"{}", wire.EndedError),
    ],
)
def test_what_is_no_message_is_refused_before_it_takes_memory(data, kind):
    with pytest.raises(kind):
        sent(data)
