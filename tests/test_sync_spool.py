"""A stream that is read whole is read to its end first: a slow source keeps nobody from writing to the store."""

import dataclasses
import errno
import tempfile

import pytest
import sqlalchemy as sa

from jianheng.contract import Batch
from jianheng.store import audit
from jianheng.store.engine import writing
from jianheng.store.leases import LeaseLostError, take
from jianheng.store.operations import LEASE
from jianheng.sync import spool
from jianheng.sync.engine import sync_source
from jianheng.sync.fence import lease_name
from upstream import OFFICE, current, person, reader, table


def people(count):
    return table("person", *(person(f"p{number}") for number in range(count)), size=10)


def live(store):
    return len([*current(store, "person", "person_key")])


def watched(made, look):
    """Return a reader of a table that does something after each batch it gives."""

    def read(_stream, cursor):
        for batch in made.read(cursor):
            yield batch
            look()

    return dataclasses.replace(reader(made), read=read)


def test_others_write_to_the_store_while_a_slow_source_is_read(store):
    written = []

    def write():
        with writing(store) as connection:
            audit.record(connection, OFFICE, "我", "test", "other", {})
        written.append(live(store))

    report = sync_source(store, OFFICE, watched(people(40), write))
    assert (report.state, live(store)) == ("done", 40)
    assert written == [0] * 4  # nothing of it is there before all of it is


@pytest.mark.parametrize("in_memory", [0, 15, 1000])
def test_what_was_set_down_is_applied_whole_and_in_its_order(lite_store, monkeypatch, in_memory):
    monkeypatch.setattr(spool, "IN_MEMORY", in_memory)
    given = [Batch([person(f"p{10 * each + at}") for at in range(10)]) for each in range(5)]
    with spool.spooled(iter(given), "up", lambda: None, 60.0) as batches:
        assert [batch.rows for batch in batches] == [batch.rows for batch in given]
    report = sync_source(lite_store, OFFICE, reader(people(50)))
    assert (report.counts.inserted, report.counts.emitted) == (50, 50)


def test_values_that_cannot_be_set_down_are_judged_as_ever(lite_store, monkeypatch):
    made = people(12)
    deep = []
    for _ in range(20_000):
        deep = [deep]
    made.put(person("deep", name=deep))
    monkeypatch.setattr(spool, "IN_MEMORY", 0)
    report = sync_source(lite_store, OFFICE, reader(made))
    assert (report.counts.inserted, report.counts.quarantined) == (12, 1)


def test_where_there_is_no_room_it_is_said_and_nothing_is_written(lite_store, monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    def none_there(**_):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(spool, "IN_MEMORY", 0)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    report = sync_source(lite_store, OFFICE, reader(people(12)))
    assert [each.code for each in report.problems] == ["sync-no-room"]
    assert live(lite_store) == 0
    monkeypatch.setattr(tempfile, "TemporaryFile", none_there)
    report = sync_source(lite_store, OFFICE, reader(people(12)))
    assert [each.code for each in report.problems] == ["sync-no-room"]
    monkeypatch.setattr(spool, "IN_MEMORY", 1000)  # what is little needs none
    assert sync_source(lite_store, OFFICE, reader(people(12))).state == "done"


def test_the_source_stays_ours_however_long_it_is_waited_for(lite_store, monkeypatch):
    ends, clock = [], iter(range(0, 100_000, 700))
    monkeypatch.setattr(spool.time, "monotonic", lambda: float(next(clock)))

    def look():
        with lite_store.connect() as connection:
            ends.append(
                connection.scalar(
                    sa.select(LEASE.c.expires_at).where(LEASE.c.name == lease_name(OFFICE, "up"))
                )
            )

    assert sync_source(lite_store, OFFICE, watched(people(30), look)).state == "done"
    assert ends == sorted(ends)
    assert len(set(ends)) == len(ends)


def test_who_lost_the_source_while_waiting_applies_nothing(lite_store, monkeypatch):
    def steal():
        with writing(lite_store) as connection:
            connection.execute(sa.update(LEASE).values(expires_at=0))
            take(connection, lease_name(OFFICE, "up"), "other/1/1/x", 60.0)

    report = watched(people(10), steal)
    with pytest.raises(LeaseLostError):
        sync_source(lite_store, OFFICE, report)
    assert live(lite_store) == 0
