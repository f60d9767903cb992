"""Sync: every row accounted for, nothing lost, nothing twice, whatever the upstream does and whenever we die."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from jianheng.contract import Batch, Stream
from jianheng.errors import RetryError, StopError
from jianheng.store.engine import open_store
from jianheng.store.runs import ended_well
from jianheng.store.tables import CURSOR
from jianheng.sync import cursors, entries, quarantine
from jianheng.sync.counts import Counts
from jianheng.sync.engine import sync_source
from jianheng.sync.stream import MASS_CHANGE_AT_LEAST, MASS_CHANGE_PERCENT, Reader
from thoroughness import examples
from upstream import OFFICE, broken_chains, case, current, document, person, posting, sync, table, versions

BROKEN = RetryError("test-broken")


def people(count, **options):
    return table("person", *(person(f"p{number:02}") for number in range(count)), **options)


def codes(report):
    return [each.code for each in report.problems]


def states(report):
    return {each.stream: each.state for each in report.streams}


def cursor_of(store, stream):
    with store.connect() as connection:
        kept = connection.scalar(sa.select(CURSOR.c.cursor).where(CURSOR.c.stream == stream))
    return cursors.unpack(kept, "up", stream).cursor


def test_counts_tell_what_became_of_every_row(store):
    mode = {"mode": "cursor"}
    cases = table("case", case("A"), case("B"), case("C"), **mode)
    report = sync(store, cases)
    assert report.counts == Counts(emitted=3, inserted=3)
    cases.put(case("B", category="0201"))
    cases.put({"case_no": "C", "_deleted": True})
    cases.put(case("D", accepted_on="昨天"))
    cases.put(case("E"))
    cases.put(case("E"), "E again")
    report = sync(store, cases)
    assert report.counts == Counts(emitted=5, inserted=1, changed=1, deleted=1, duplicate=1, quarantined=1)
    assert report.counts.balanced
    assert (report.state, report.open_quarantine) == ("done", 1)


def test_a_second_run_with_nothing_changed_writes_no_version(store):
    tables = [
        people(3),
        table("posting", posting("p01")),
        table("case", case("A", handler_key="p01"), case("B"), mode="cursor"),
        table("document", document("d1", "A"), mode="cursor"),
    ]
    sync(store, *tables)
    before = [versions(store, name) for name in ("person", "posting", "case", "document")]
    report = sync(store, *tables)
    assert (report.counts.written, report.counts.balanced, report.state) == (0, True, "done")
    assert [versions(store, name) for name in ("person", "posting", "case", "document")] == before


def test_a_stream_with_a_cursor_reads_on_from_where_it_stood(store):
    cases = table("case", case("A"), case("B"), mode="cursor")
    sync(store, cases)
    cases.put(case("C"))
    report = sync(store, cases)
    assert cases.asked == [None, "2"]
    assert report.counts == Counts(emitted=2, inserted=1, unchanged=1)


def test_batches_before_a_failure_are_kept_and_the_next_run_goes_on_after_them(store):
    cases = table("case", *(case(name) for name in "ABCDEF"), mode="cursor", size=2)
    cases.fails_after, cases.error = 2, BROKEN
    report = sync(store, cases)
    assert (report.state, codes(report)) == ("failed", ["test-broken"])
    assert report.counts == Counts(emitted=4, inserted=4)
    assert current(store, "case", "case_no") == [("A",), ("B",), ("C",), ("D",)]
    assert cursor_of(store, "case") == "4"
    cases.error = None
    report = sync(store, cases)
    assert cases.asked == [None, "4"]
    assert (report.state, report.counts) == ("done", Counts(emitted=3, inserted=2, unchanged=1))
    assert len(versions(store, "case")) == 6


def test_a_batch_without_a_cursor_is_no_place_to_stop(store):
    """Its rows are kept, but reading goes on from the last safe place."""
    batches = [Batch([case("A")], "1"), Batch([case("B")]), Batch([case("C")], "3")]
    asked = []

    def read(_stream, cursor):
        asked.append(cursor)
        yield from batches[:2]
        raise BROKEN

    reader = Reader("up", lambda: [Stream("case", "case", "cursor")], read)
    sync_source(store, OFFICE, reader)
    assert cursor_of(store, "case") == "1"
    sync_source(store, OFFICE, reader)
    assert asked == [None, "1"]
    assert current(store, "case", "case_no") == [("A",), ("B",)]


def test_half_a_snapshot_changes_nothing(store):
    everyone = people(6, size=2)
    sync(store, everyone)
    everyone.put(person("p00", post="检察长"))
    everyone.put(person("p99"))
    everyone.fails_after, everyone.error = 2, BROKEN
    before = versions(store, "person")
    report = sync(store, everyone)
    assert (report.state, report.counts) == ("failed", Counts())
    assert versions(store, "person") == before
    everyone.error = None
    assert sync(store, everyone).counts == Counts(emitted=7, inserted=1, changed=1, unchanged=5)


def test_a_source_that_is_read_differently_is_read_from_the_beginning(store):
    """Everything is compared again, and what is equal is not written again."""
    cases = table("case", case("A"), case("B"), mode="cursor")
    sync(store, cases, fingerprint="mapping 1")
    report = sync(store, cases, fingerprint="mapping 2")
    assert cases.asked == [None, None]
    assert report.counts == Counts(emitted=2, unchanged=2)
    sync(store, cases, fingerprint="mapping 2")
    assert cases.asked[-1] == "2"


def test_rows_may_come_as_an_arrow_table(store):
    rows = pa.table(
        {"case_no": ["A"], "unit_code": ["1"], "category": ["0301"], "accepted_on": ["2025-01-02"]}
    )
    reader = Reader("up", lambda: [Stream("case", "case")], lambda _stream, _cursor: iter([Batch(rows)]))
    assert sync_source(store, OFFICE, reader).counts == Counts(emitted=1, inserted=1)
    listed = Reader("up", reader.streams, lambda _stream, _cursor: iter([Batch(rows.to_pylist())]))
    assert sync_source(store, OFFICE, listed).counts == Counts(emitted=1, unchanged=1)


def test_the_same_row_twice_is_a_duplicate_and_another_row_of_its_key_is_refused(store):
    papers = table("person", person("p1", post="甲"))
    papers.put(person("p1", post="甲"), "copy")
    papers.put(person("p1", post="乙"), "other")
    report = sync(store, papers)
    assert report.counts == Counts(emitted=3, inserted=1, duplicate=1, quarantined=1)
    assert current(store, "person", "post") == [("甲",)]
    with store.connect() as connection:
        (entry,) = entries.entries(connection, OFFICE)
    assert [each.code for each in entry.problems] == ["row-duplicate-key"]
    assert (entry.locator, entry.record_key) == ("other", "p1")


def test_a_row_that_names_somebody_unknown_waits_in_quarantine_until_he_is_known(store):
    cases = table("case", case("A", handler_key="p2"), case("B"), mode="cursor")
    everyone = table("person", person("p1"))
    report = sync(store, everyone, cases)
    assert report.counts.quarantined == 1
    assert current(store, "case", "case_no") == [("B",)]
    everyone.put(person("p2"))
    report = sync(store, everyone, cases)
    assert report.open_quarantine == 0
    assert report.counts.balanced
    assert current(store, "case", "case_no", "handler_key") == [("A", "p2"), ("B", None)]


def test_streams_are_read_in_the_order_of_what_they_need(store):
    """Whatever order the source names them in, nothing is refused for want of what comes in the same run."""
    papers = table("document", document("d", "A"))
    cases = table("case", case("A", handler_key="p1"))
    everyone = table("person", person("p1"))
    report = sync(store, papers, cases, everyone)
    assert [each.stream for each in report.streams] == ["person", "case", "document"]
    assert (report.counts.inserted, report.counts.quarantined) == (3, 0)


def test_streams_that_need_a_failed_one_wait_and_the_others_do_not(store):
    everyone = people(2)
    everyone.error = BROKEN
    tables = (
        everyone,
        table("unit", {"unit_code": "1", "name": "一院"}),
        table("posting", posting("p00")),
        table("case", case("A", handler_key="p00")),
        table("document", document("d", "A")),
    )
    report = sync(store, *tables)
    assert states(report) == {
        "unit": "done",
        "person": "failed",
        "posting": "skipped",
        "case": "skipped",
        "document": "skipped",
    }
    assert codes(report).count("sync-stream-waits") == 3
    assert report.state == "failed"
    with store.connect() as connection:
        assert not ended_well(connection, OFFICE, "sync", "up")
        assert quarantine.open_count(connection, OFFICE) == 0
    everyone.error = None
    assert sync(store, *tables).state == "done"
    with store.connect() as connection:
        assert ended_well(connection, OFFICE, "sync", "up")


def test_a_row_marked_deleted_hides_the_record(store):
    cases = table("case", case("A"), case("B"), mode="cursor")
    sync(store, cases)
    cases.put({"case_no": "A", "_deleted": True})
    assert sync(store, cases).counts == Counts(emitted=2, deleted=1, unchanged=1)
    assert current(store, "case", "case_no") == [("B",)]


def test_a_key_that_a_snapshot_no_longer_holds_has_vanished(store):
    everyone = people(3)
    sync(store, everyone)
    everyone.remove("p01")
    report = sync(store, everyone)
    assert report.counts == Counts(emitted=2, unchanged=2, vanished=1)
    assert current(store, "person", "person_key") == [("p00",), ("p02",)]
    assert sync(store, everyone).counts.written == 0


def test_a_row_that_turned_bad_has_not_vanished(store):
    """What was known of it stays until it is mended or gone, also under a long key."""
    key = "k" * 150
    everyone = table("person", person(key, staff_no="1", post="甲"), person("p2"))
    sync(store, everyone)
    everyone.put(person(key, staff_no="1", post="乙", quota_since="不详"))
    report = sync(store, everyone)
    assert (report.counts.quarantined, report.counts.vanished) == (1, 0)
    assert current(store, "person", "person_key", "post") == [(key, "甲"), ("p2", None)]


def vanishing(store, before, gone):
    """Return the report of a sync in which some of many people vanished."""
    everyone = people(before)
    sync(store, everyone)
    for number in range(gone):
        everyone.remove(f"p{number:02}")
    return everyone, sync(store, everyone)


@pytest.mark.parametrize(
    ("before", "gone", "held_up"),
    [
        (50, MASS_CHANGE_AT_LEAST - 1, False),
        (50, 50 * MASS_CHANGE_PERCENT // 100, False),
        (50, 50 * MASS_CHANGE_PERCENT // 100 + 1, True),
        (12, MASS_CHANGE_AT_LEAST - 1, False),
        (12, MASS_CHANGE_AT_LEAST, True),
        (3, 3, True),
        (1, 1, True),
    ],
)
def test_when_many_vanish_at_once_somebody_is_asked_first(lite_store, before, gone, held_up):
    everyone, report = vanishing(lite_store, before, gone)
    assert codes(report) == (["sync-mass-change"] if held_up else [])
    assert report.counts.vanished == (0 if held_up else gone)
    assert len(current(lite_store, "person", "person_key")) == (before if held_up else before - gone)
    report = sync(lite_store, everyone, accept_mass_change=True)
    assert report.state == "done"
    assert len(current(lite_store, "person", "person_key")) == before - gone


@pytest.mark.parametrize("mode", ["snapshot", "cursor"])
def test_an_empty_first_read_is_an_error_unless_it_is_declared_normal(lite_store, mode):
    report = sync(lite_store, table("person", mode=mode))
    assert (report.state, codes(report)) == ("failed", ["sync-empty-source"])
    report = sync(lite_store, table("person", mode=mode, may_be_empty=True))
    assert (report.state, codes(report)) == ("done", [])


def test_a_first_read_of_nothing_but_bad_rows_is_not_empty(lite_store):
    report = sync(lite_store, table("person", person("p1", quota_since="不详")))
    assert (report.state, report.counts.quarantined) == ("done", 1)


@pytest.mark.parametrize(
    ("streams", "only", "code"),
    [
        ([Stream("x", "spaceship")], (), "sync-unknown-entity"),
        ([Stream("person", "person")], ("persons",), "sync-unknown-stream"),
    ],
)
def test_what_nobody_declared_is_refused_before_anything_is_read(lite_store, streams, only, code):
    def read(_stream, _cursor):
        raise AssertionError

    with pytest.raises(StopError) as refused:
        sync_source(lite_store, OFFICE, Reader("up", lambda: streams, read), only=only)
    assert refused.value.code == code


def test_only_the_named_streams_are_read(lite_store):
    report = sync(lite_store, people(2), table("case", case("A")), only=["case"])
    assert states(report) == {"case": "done"}
    assert current(lite_store, "person", "person_key") == []


@pytest.mark.parametrize("lost", [["fact_person"], ["fact_person", "quarantine"], ["run"]])
def test_a_failing_store_is_told_by_code_and_without_the_rows(lite_store, lost):
    with lite_store.begin() as connection:
        for name in lost:
            connection.execute(sa.text(f"DROP TABLE {name}"))
    with pytest.raises(StopError) as failed:
        sync(lite_store, table("person", person("p1", name="不得外泄")))
    assert failed.value.code == "store-failed"
    assert "不得外泄" not in str(failed.value)


def test_a_reader_that_breaks_in_an_unforeseen_way_leaves_an_unfinished_run(lite_store):
    """The boundary turns such errors into coded ones; should one slip through, the source is not taken for read."""
    everyone = people(2)
    everyone.error = ValueError("unforeseen")
    with pytest.raises(ValueError, match="unforeseen"):
        sync(lite_store, everyone)
    with lite_store.connect() as connection:
        assert not ended_well(connection, OFFICE, "sync", "up")


def test_progress_is_told_as_rows_come(lite_store):
    told = []
    everyone = people(5, size=2)
    sync(lite_store, everyone, progress=lambda stream, rows: told.append((stream, rows)))
    assert told == [("person", 2), ("person", 4), ("person", 5)]


KEYS = ["a", "b", "c", "d"]
POSTS = st.sampled_from(["甲", "乙", "丙"])
OPERATION = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(KEYS), POSTS),
    st.tuples(st.just("spoil"), st.sampled_from(KEYS), POSTS),
    st.tuples(st.just("delete"), st.sampled_from(KEYS), st.just("")),
    st.tuples(st.just("remove"), st.sampled_from(KEYS), st.just("")),
)


def do(snapshot, cursor, operation):
    """Do one operation on both tables; a stream with a cursor cannot see a row vanish, so there it stays."""
    kind, key, post = operation
    if kind == "write":
        snapshot.put(person(key, post=post))
        cursor.put(case(key, current_stage=post))
    elif kind == "spoil":
        snapshot.put(person(key, post=post, quota_since="不详"))
        cursor.put(case(key, current_stage=post, accepted_on="不详"))
    elif kind == "delete":
        snapshot.put({"person_key": key, "_deleted": True})
        cursor.put({"case_no": key, "_deleted": True})
    elif key in snapshot.cells:
        snapshot.remove(key)


def told(made, known, column, spoilt):
    """Return what a perfect reader knows after reading a table: what is spoilt it keeps as it knew it."""
    now = {}
    for key, (_, row) in made.cells.items():
        if row.get(spoilt) == "不详":
            now |= {key: known[key]} if key in known else {}
        elif "_deleted" not in row:
            now[key] = row[column]
    return now


@settings(max_examples=examples(40))
@given(
    rounds=st.lists(st.lists(OPERATION, min_size=1, max_size=5), min_size=1, max_size=5),
    size=st.integers(1, 3),
)
def test_after_any_history_the_store_is_what_the_upstream_was(set_up_file, rounds, size):
    """Inserts, changes, soft deletions, vanished, spoilt and mended rows, over a snapshot and a cursor."""
    source = sa.create_engine(f"sqlite:///{set_up_file}")
    store = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    with source.connect() as full, store.connect() as empty:
        full.connection.driver_connection.backup(empty.connection.driver_connection)
    source.dispose()
    snapshot = table("person", size=size, may_be_empty=True)
    cursor = table("case", mode="cursor", size=size, may_be_empty=True)
    people, cases = {}, {}
    for operations in rounds:
        for operation in operations:
            do(snapshot, cursor, operation)
        report = sync(store, snapshot, cursor, accept_mass_change=True)
        assert (report.state, report.counts.balanced) == ("done", True)
        people = told(snapshot, people, "post", "quota_since")
        cases = told(cursor, cases, "current_stage", "accepted_on")
        assert dict(current(store, "person", "person_key", "post")) == people
        assert dict(current(store, "case", "case_no", "current_stage")) == cases
    assert broken_chains(store, "person") == broken_chains(store, "case") == []
    again = sync(store, snapshot, cursor, accept_mass_change=True)
    assert again.counts.written == 0
    bad = {key for key, (_, row) in snapshot.cells.items() if "quota_since" in row}
    with store.connect() as connection:
        held = {each.record_key for each in quarantine.held(connection, OFFICE, "up", "person")}
    assert held == bad
    store.dispose()


SLOW_SYNC = """
import sys, time
import sqlalchemy as sa
from jianheng.store.engine import open_store
from upstream import case, document, person, sync, table

def slowly(made):
    plain = made.read
    def read(cursor):
        for batch in plain(cursor):
            time.sleep(0.01)
            yield batch
    return read

class Slow:
    def __init__(self, made):
        self.stream, self.read = made.stream, slowly(made)

def tables():
    yield table("person", *(person(f"p{n:02}") for n in range(30)), size=5)
    yield table("case", *(case(f"c{n:03}", handler_key=f"p{n % 30:02}") for n in range(60)), mode="cursor", size=5)
    yield table("document", *(document(f"d{n:03}", f"c{n % 60:03}") for n in range(120)), mode="cursor", size=5)

store = open_store(sys.argv[1])
print("ready", flush=True)
report = sync(store, *(Slow(each) for each in tables()))
store.dispose()
print(report.state, flush=True)
"""


def start(url):
    folder = Path(__file__).parent
    run = subprocess.Popen(
        [sys.executable, "-c", SLOW_SYNC, url],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(folder)},
    )
    assert run.stdout.readline() == "ready\n"
    return run


def kill_often(url, trials):
    """Kill a slow sync at random moments, then let it end; return how often it was caught in the middle."""
    caught = 0
    for trial in range(trials):
        run = start(url)
        time.sleep(random.Random(trial).uniform(0.0, 0.45))  # noqa: S311 moments, not secrets
        run.send_signal(signal.SIGKILL)
        run.communicate()
        caught += run.returncode == -signal.SIGKILL
    last = start(url)
    assert last.communicate()[0] == "done\n"
    return caught


def check_whole(url):
    store = open_store(url)
    assert len(current(store, "person", "person_key")) == 30
    assert len(current(store, "case", "case_no")) == 60
    assert len(current(store, "document", "document_key")) == 120
    for name, count in (("person", 30), ("case", 60), ("document", 120)):
        assert len(versions(store, name)) == count
        assert broken_chains(store, name) == []
    with store.connect() as connection:
        assert quarantine.open_count(connection, OFFICE) == 0
    store.dispose()


def test_killed_at_any_moment_and_run_again_nothing_is_lost_or_doubled(tmp_path):
    url = f"sqlite:///{tmp_path / 'killed.db'}"
    assert kill_often(url, 6) > 0
    check_whole(url)


@pytest.mark.postgresql
def test_killed_at_any_moment_on_postgresql_nothing_is_lost_or_doubled(postgresql_url):
    assert kill_often(postgresql_url, 3) > 0
    check_whole(postgresql_url)
