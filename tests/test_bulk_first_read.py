"""Many rows in one batch: checked part by part, looked up or not, they end as rows that come one by one do."""

import datetime as dt

import pyarrow as pa
import pytest

from jianheng.facts.columns import check
from jianheng.facts.convert import Reject, convert
from jianheng.facts.entities import ENTITIES
from jianheng.facts.vectors import listed
from jianheng.store.bulk import AT_ONCE
from jianheng.sync import apply
from upstream import broken_chains, case, current, document, person, sync, table, versions

ROWS = AT_ONCE * 3 + 7


@pytest.fixture
def store(lite_store):
    return lite_store


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(apply, "PART", 10)


@pytest.fixture
def looked_up(monkeypatch):
    """The keys that were looked up in the store, call by call."""
    asked, real = [], apply.fact_versions.contents

    def contents(connection, entity, office, source, keys):
        asked.append(sorted(keys))
        return real(connection, entity, office, source, keys)

    monkeypatch.setattr(apply.fact_versions, "contents", contents)
    return asked


def people(numbers, **columns):
    return [person(f"p{number:04d}", **columns) for number in numbers]


def names(store):
    return dict(current(store, "person", "person_key", "name"))


def test_a_first_read_in_the_order_of_its_keys_looks_nothing_up(store, looked_up):
    source = table("person", *people(range(ROWS)), mode="cursor", size=AT_ONCE)
    assert sync(store, source).counts.inserted == ROWS
    assert looked_up == []
    source.put(person("p0003", name="改"))
    source.put(person("p9999"))
    counts = sync(store, source).counts
    assert (counts.changed, counts.inserted, counts.unchanged) == (1, 1, 1)
    assert looked_up == [["p0003", "p0156", "p9999"]]
    assert names(store)["p0003"] == "改"
    assert broken_chains(store, "person") == []


def test_a_first_read_out_of_order_finds_what_it_has_written_itself(store, looked_up):
    source = table("person", *people([5, 3, 7]), mode="cursor", size=2)
    source.put(person("p0003", name="改"), "again")
    source.put(person("p0001"), "late")
    counts = sync(store, source).counts
    assert (counts.inserted, counts.changed) == (4, 1)
    assert looked_up == [["p0003", "p0007"], ["p0001"]]
    assert names(store)["p0003"] == "改"
    assert len(versions(store, "person")) == 5


def test_a_read_that_begins_with_something_held_looks_every_key_up(store, looked_up):
    sync(store, table("person", person("a"), mode="cursor"))
    del looked_up[:]
    again = sync(store, table("person", person("a", name="改"), person("z"), mode="cursor"), fingerprint="2")
    assert (again.counts.changed, again.counts.inserted) == (1, 1)
    assert looked_up == [["a", "z"]]


def test_what_another_source_told_is_no_reason_to_look(store, looked_up):
    sync(store, table("person", person("a"), mode="cursor"))
    del looked_up[:]
    assert sync(store, table("person", person("a"), mode="cursor"), name="other").counts.inserted == 1
    assert looked_up == []


@pytest.mark.parametrize("mode", ["cursor", "snapshot"])
def test_parts_of_a_batch_know_of_each_other(every_store, small_parts, mode):
    store = every_store
    rows = people(range(35))
    source = table("person", *rows, mode=mode, size=1000)
    source.put(rows[2], "said again")
    source.put(person("p0004", name="异"), "another")
    source.put({**person("p0050"), "quota_since": "?"}, "bad")
    source.put(person(""), "keyless")
    counts = sync(store, source).counts
    assert (counts.emitted, counts.inserted, counts.duplicate, counts.quarantined) == (39, 35, 1, 3)
    assert names(store)["p0004"] == "化名p0004"


def test_a_key_refused_in_one_part_is_not_taken_from_the_next(store, small_parts):
    """Whether two rows of a batch are told apart as one key must not hang on where the batch is cut."""
    sync(store, table("case", case("C")))
    good = [document(f"d{number:03d}", "C") for number in range(20)]
    source = table("document", document("twice", "unknown"), *good, mode="cursor", size=1000)
    source.put(document("twice", "C"), "second")
    counts = sync(store, source).counts
    assert (counts.inserted, counts.quarantined) == (20, 2)
    mended = sync(store, source, full=True).counts
    assert (mended.unchanged, mended.quarantined) == (20, 2)


def test_references_to_records_of_any_source_are_known(every_store):
    store = every_store
    for number in range(3):
        sync(store, table("case", case(f"C{number}")), name=f"source {number}")
    source = table("document", *(document(f"d{number}", f"C{number}") for number in range(4)), size=1000)
    counts = sync(store, source).counts
    assert (counts.inserted, counts.quarantined) == (3, 1)


EDGES = [
    "",
    " ",
    "a",
    " a",
    "a ",
    "a b",
    "it's",
    "a\\b",
    "a\tb",
    "　a",
    "é",
    "𠮷",
    "x" * 200,
    "é" * 200,
    "x" * 201,
    None,
]
DAYS = ["2025-03-04", "2025-3-4  ", "2025/03/04", "20250304", "2025-W10-2", "2025-02-30", "1900-01-01", "1900-01-02",
        "2199-12-31", "2200-01-01", "0000-00-00", "+025-03-04", "２０２５-3-4", "2025-03-0４", "", None]  # fmt: skip


@pytest.mark.parametrize(("name", "cells"), [("person_key", EDGES), ("name", EDGES), ("quota_since", DAYS)])
@pytest.mark.parametrize("many", [1, 3])
@pytest.mark.parametrize("arrow", [False, True])
def test_a_column_of_one_kind_of_cell_reads_as_each_row_does(name, cells, many, arrow):
    entity = ENTITIES["person"]
    for cell in cells:
        rows = [person("k", quota_since=None), *[person("k", quota_since=None) | {name: cell}] * many]
        batch = check(entity, pa.Table.from_pylist(rows) if arrow else rows)
        for place, row in enumerate(rows):
            alone = convert(entity, row)
            if isinstance(alone, Reject):
                assert batch.rejects[place].problems == alone.problems
                continue
            assert place not in batch.rejects
            assert tuple(each.values[place] for each in batch.columns) == alone.values
            assert batch.hashes[place] == alone.content_hash


def test_days_outside_the_calendar_of_python_are_refused_in_arrow_too():
    days = pa.array([dt.date(2025, 3, 4), None, dt.date(1899, 1, 1)], pa.date32())
    rows = pa.table(
        {"person_key": ["a", "b", "c"], "unit_code": ["u"] * 3, "staff_no": ["1"] * 3, "quota_since": days}
    )
    batch = check(ENTITIES["person"], rows)
    assert sorted(batch.rejects) == [2]
    assert batch.rejects[2].problems[0].code == "row-date-out-of-range"
    assert batch.hashes[:2] == [convert(ENTITIES["person"], row).content_hash for row in rows.to_pylist()[:2]]


@pytest.mark.parametrize("distinct", [1, 7, 200, 5_000])
@pytest.mark.parametrize("missing", [0, 3])
def test_texts_are_listed_as_they_are_however_often_they_come_again(distinct, missing):
    told = [None if missing and not n % missing else f"单处{n % distinct}" for n in range(2_000)]
    array = pa.array([*told, *told], pa.string())
    assert listed(array) == [*told, *told]
    assert listed(array.slice(1_999, 1_500)) == [told[-1], *told[:1_499]]
