"""While batches are written into a server's store, the source is asked for the next: in order, none lost, none twice."""

import threading
import time

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite

from jianheng.contract import Batch, Stream
from jianheng.errors import StopError
from jianheng.store import moments
from jianheng.store.tables import OPEN
from jianheng.sync import overlap, shapes, stream
from jianheng.sync.engine import sync_source
from jianheng.sync.overlap import overlapped
from jianheng.sync.stream import Reader
from thoroughness import examples
from upstream import OFFICE, broken_chains, case, current, document, versions


class CrashError(BaseException):
    """Stands for what ends a process."""


class Store:
    """Stands for a store: of it only its kind is asked."""

    def __init__(self, dialect):
        self.dialect = dialect


SERVER, FILE = Store(postgresql.dialect()), Store(sqlite.dialect())


def batches(count, rows=1):
    return [Batch([{"n": number}] * rows, str(number)) for number in range(count)]


GONE = StopError("source-failed", source="up", told="gone")


def listened(found):
    """Return what was yielded, as cursors and what writing gave, and what was raised in the end."""
    heard = []
    try:
        for batch, done in found:
            heard.append((batch.cursor, done))
    except (StopError, ValueError, CrashError) as raised:
        return heard, raised
    return heard, None


def nothing_ahead(_batch, _enough):
    return ()


def told(found):
    return [(batch.cursor, done) for batch, done in found]


@settings(max_examples=examples(40), deadline=None)
@given(
    pace=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=12),
    refused=st.integers(0, 14),
    error=st.sampled_from([StopError("store-full", told="", doing=""), ValueError("odd"), CrashError()]),
    source_fails=st.booleans(),
    store=st.sampled_from([SERVER, FILE]),
)
def test_what_is_yielded_is_what_was_written_whatever_fails_and_whoever_is_slow(
    pace, refused, error, source_fails, store
):
    """All before the batch that is refused, and before the failure of the source; then what was raised."""
    committed = []

    def source():
        for number, (slow, _) in enumerate(pace):
            time.sleep(slow / 1000)
            yield Batch([{"n": number}], str(number))
        if source_fails:
            raise GONE

    def write(group):
        taken = []
        for batch, _ in group:
            number = int(batch.cursor)
            time.sleep(pace[number][1] / 1000)
            if number == refused:
                raise error
            taken.append(batch.cursor)
        committed.extend(taken)  # all of a transaction or nothing
        return taken

    found, raised = listened(overlapped(store, source(), nothing_ahead, write))
    expected = [str(number) for number in range(min(refused, len(pace)))]
    ends = refused < len(pace) and not isinstance(error, Exception)
    # Where the process is ending, what was to be written together with it is not written one by one.
    assert committed == (expected[: len(committed)] if ends else expected)
    assert found == [(each, each) for each in committed]
    assert raised is (error if refused < len(pace) else GONE if source_fails else None)


def test_what_came_while_others_were_written_is_written_in_one_transaction():
    came, groups = threading.Event(), []

    def source():
        yield from batches(5)
        came.set()

    def write(group):
        groups.append([batch.cursor for batch, _ in group])
        assert came.wait(10)
        return [None] * len(group)

    assert len(told(overlapped(SERVER, source(), nothing_ahead, write))) == 5
    assert groups == [["0"], ["1", "2", "3", "4"]]


@pytest.mark.parametrize(("arrow", "groups"), [(False, [1, 2, 2, 2, 1]), (True, [1, 4, 3])])
def test_mappings_count_for_more_than_rows_of_arrow(monkeypatch, arrow, groups):
    """What is written together is bounded by the room it takes."""
    monkeypatch.setattr(overlap, "TOGETHER", 8)
    rows = pa.table({"n": [1, 2]}) if arrow else [{"n": 1}, {"n": 2}]
    begun, written = threading.Event(), []

    def source():
        for number in range(8):
            yield Batch(rows, str(number))
            if number == 0:
                assert begun.wait(10)

    def write(group):
        written.append(len(group))
        begun.set()
        time.sleep(0.2)
        return [None] * len(group)

    assert len(told(overlapped(SERVER, source(), nothing_ahead, write))) == 8
    assert written == groups


def test_a_slow_source_delays_nothing_that_it_has_given():
    """Each batch is written before the source gives the next, which it does only then."""
    written = [threading.Event() for _ in range(3)]

    def source():
        for number, batch in enumerate(batches(3)):
            assert not number or written[number - 1].wait(10)
            yield batch

    def write(group):
        for batch, _ in group:
            written[int(batch.cursor)].set()
        return [len(group)] * len(group)

    assert told(overlapped(SERVER, source(), nothing_ahead, write)) == [("0", 1), ("1", 1), ("2", 1)]


def test_no_more_rows_wait_than_fit_together(monkeypatch):
    monkeypatch.setattr(overlap, "TOGETHER", 10)
    given, written, most = [0], [0], [0]

    def source():
        for batch in batches(30, rows=4):
            given[0] += len(batch.rows)
            most[0] = max(most[0], given[0] - written[0])
            yield batch

    def write(group):
        time.sleep(0.002)
        rows = sum(len(batch.rows) for batch, _ in group)
        assert rows < 10 + 4
        written[0] += rows
        return [None] * len(group)

    assert len(told(overlapped(SERVER, source(), nothing_ahead, write))) == 30
    assert most[0] <= 3 * (10 + 4)  # waiting, being written, in hand


def test_rows_are_checked_ahead_only_while_others_are_written():
    asked, ahead = [], []
    first = threading.Event()

    def check(batch, enough):
        asked.append((batch.cursor, enough()))
        if batch.cursor == "1":
            first.set()
        return (f"looked at {batch.cursor}",)

    def write(group):
        assert group[0][0].cursor != "0" or first.wait(10)
        ahead.extend(given for _, given in group)
        return [None] * len(group)

    assert len(told(overlapped(SERVER, batches(2), check, write))) == 2
    assert asked == [("1", False)]
    assert ahead == [(), ("looked at 1",)]


def test_when_nobody_listens_any_more_nothing_that_waits_is_written(monkeypatch):
    monkeypatch.setattr(overlap, "BATCHES_TOGETHER", 2)
    committed = []

    def write(group):
        time.sleep(0.01)
        committed.extend(batch.cursor for batch, _ in group)
        return [None] * len(group)

    found = overlapped(SERVER, iter(batches(30)), nothing_ahead, write)
    assert next(found)[0].cursor == "0"
    found.close()
    assert committed == [str(number) for number in range(len(committed))]
    assert len(committed) <= 5


def test_a_list_that_the_source_fills_again_is_written_as_it_was_given():
    def source():
        rows = []
        for number in range(5):
            rows.append({"n": number})
            yield Batch(rows, str(number))
            rows.clear()

    def write(group):
        time.sleep(0.002)
        return [[row["n"] for row in batch.rows] for batch, _ in group]

    assert told(overlapped(SERVER, source(), nothing_ahead, write)) == [(str(n), [n]) for n in range(5)]


def test_rows_that_are_none_are_told_after_what_came_before():
    committed = []

    def write(group):
        time.sleep(0.002)
        committed.extend(batch.cursor for batch, _ in group)
        return [None] * len(group)

    with pytest.raises(TypeError):
        told(overlapped(SERVER, [*batches(3), Batch(None, "3")], nothing_ahead, write))
    assert committed == ["0", "1", "2"]


def test_an_unforeseen_failure_of_the_store_is_raised_as_it_is():
    def write(_group):
        raise sa.exc.OperationalError("select 1", {}, Exception("gone"))

    with pytest.raises(sa.exc.OperationalError):
        told(overlapped(SERVER, batches(3), nothing_ahead, write))


on_servers = pytest.mark.parametrize(
    "every_store",
    [
        pytest.param("postgresql", marks=pytest.mark.postgresql),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ],
    indirect=True,
)
CHARGES = ("盗窃", "诈骗", "抢劫")


def changing(count, broken_at=None):
    """Batches in which one record changes each time, another never, and a third goes and comes."""
    for number in range(count):
        rows = [
            case("C1", charge_name=CHARGES[number % 3]),
            case("C2"),
            case("C3") if number % 2 == 0 else {"case_no": "C3", "_deleted": True},
            case(f"N{number:03}"),
        ]
        if number == broken_at:
            rows = [{"case_no": "C1", "charge": "盗窃"}]
        yield Batch(rows, str(number))


def up(read):
    """The reader of a source with one stream."""
    return Reader("up", lambda: [Stream("case", "case", "cursor")], read)


def slowly(monkeypatch):
    """Let the first transaction take its time, so that all that follows is written in the second."""
    came, plain = threading.Event(), stream.take_batches

    def take(connection, task, turns, looks):
        groups.append(len(turns))
        assert len(groups) > 1 or came.wait(20)
        return plain(connection, task, turns, looks)

    groups = []
    monkeypatch.setattr(stream, "take_batches", take)
    return came, groups


@on_servers
def test_what_changes_within_one_transaction_has_its_whole_history(every_store, lite_store, monkeypatch):
    """Batch by batch into a file, all but the first at once into a server: the same versions, counts and cursor."""
    came, groups = slowly(monkeypatch)

    def read(_stream, _cursor):
        yield from changing(9)
        came.set()

    def synced(store):
        return sync_source(store, OFFICE, up(read))

    report = synced(every_store)
    assert groups == [1, 8]
    monkeypatch.undo()
    assert report.counts == synced(lite_store).counts
    assert report.counts.balanced

    def history(store):
        return [
            (each["case_no"], each["charge_name"], bool(each["deleted"]), each["recorded_to"] == OPEN)
            for each in sorted(
                versions(store, "case"), key=lambda each: (each["case_no"], each["recorded_from"])
            )
        ]

    assert history(every_store) == history(lite_store)
    assert broken_chains(every_store, "case") == []
    assert len([each for each in history(every_store) if each[0] == "C1"]) == 9


@pytest.mark.postgresql
def test_of_batches_written_together_those_before_a_broken_one_are_kept(postgresql_store, monkeypatch):
    monkeypatch.setattr(shapes, "KNOWN_FROM", 1)
    assert sync_source(postgresql_store, OFFICE, up(lambda *_: changing(1))).state == "done"
    came, groups = slowly(monkeypatch)

    def read(_stream, _cursor):
        yield from changing(6, broken_at=4)
        came.set()

    report = sync_source(postgresql_store, OFFICE, up(read))
    assert groups == [1, 5, 1, 1, 1, 1]
    assert (report.state, report.streams[0].held_up) == ("failed", True)
    assert (report.counts.emitted, report.counts.balanced) == (16, True)
    assert [key for (key,) in current(postgresql_store, "case", "case_no") if key.startswith("N")] == [
        "N000",
        "N001",
        "N002",
        "N003",
    ]
    assert broken_chains(postgresql_store, "case") == []


@on_servers
def test_a_reference_that_no_key_can_be_keeps_its_own_row_out_and_no_other(every_store):
    """However many there are: what is asked ahead of the checks holds whatever the source gave."""
    rows = [document(f"D{number}", f"{number:0300}") for number in range(600)]

    def read(name, _cursor):
        yield Batch([case("C1")] if name == "case" else [*rows, document("D", "C1")], "1")

    streams = [Stream("case", "case", "cursor"), Stream("document", "document", "cursor")]
    report = sync_source(every_store, OFFICE, Reader("up", lambda: streams, read))
    assert report.state == "done"
    assert (report.counts.inserted, report.counts.quarantined) == (2, 600)
    assert current(every_store, "document", "document_key") == [("D",)]


@on_servers
def test_two_sources_that_tell_of_something_for_the_first_time_do_not_wait_for_each_other(every_store):
    with every_store.connect() as one, every_store.connect() as two:
        for connection in (one, two):
            wait = {
                "postgresql": "SET lock_timeout = '3s'",
                "mysql": "SET innodb_lock_wait_timeout = 3",
                "mariadb": "SET innodb_lock_wait_timeout = 3",
            }
            connection.exec_driver_sql(wait[every_store.dialect.name])
        for connection, source in ((one, "one"), (two, "two")):
            for at in (1, 3, 2):
                moments.mark(connection, OFFICE, source, "case", at)
        one.commit()
        two.commit()
        assert moments.sources_of(one, OFFICE, "case") == ["one", "two"]
        assert moments.last_recorded(one, OFFICE) == 3, "it never goes back"
