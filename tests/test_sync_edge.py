"""The edge of a read: a source that leaves out what shares its last time of change loses no record all the same."""

import dataclasses

import pytest
import sqlalchemy as sa

from jianheng.contract import Batch
from jianheng.store.tables import CURSOR
from jianheng.sync import cursors
from jianheng.sync.edge import MOST
from jianheng.sync.engine import sync_source
from upstream import OFFICE, case, reader, table


def codes(report):
    return [each.code for stream in report.streams for each in stream.notes]


def asks(report):
    return [each.code for each in report.problems]


def live(store):
    with store.connect() as connection:
        return set(
            connection.scalars(
                sa.text(
                    "SELECT case_no FROM fact_case WHERE recorded_to > 253402300799999998 AND deleted = :no"
                ),
                {"no": False},
            )
        )


def at_times(made, behind=0, alone=False):
    """Return a reader of a table whose rows change at whole times, several at one time.

    Args:
        made: the table; the time of a row is its ``ticket``.
        behind: by how much reading begins behind the cursor; 1 leaves out what shares its time.
        alone: the cursor comes by itself.
    """

    def read(_stream, cursor):
        made.asked.append(cursor)
        since = -1 if cursor is None else int(cursor) + behind
        rows = sorted((row for _, row in made.cells.values()), key=lambda row: row["tick"])
        found = [row for row in rows if row["tick"] >= since]
        told = [{name: value for name, value in row.items() if name != "tick"} for row in found]
        if alone and found:
            yield Batch(told)
            yield Batch((), str(found[-1]["tick"]))
        elif found:
            yield Batch(told, str(found[-1]["tick"]))

    return dataclasses.replace(reader(made), read=read)


def world(*ticks):
    made = table("case", mode="cursor")
    for number, tick in enumerate(ticks):
        made.put(case(f"C{number}", tick=tick))
    return made


def test_a_source_that_reads_on_behind_its_cursor_is_read_whole_and_loses_nothing(store):
    made = world(1, 2)
    wrong = at_times(made, behind=1)
    assert codes(sync_source(store, OFFICE, wrong)) == []
    made.put(case("late", tick=2))  # committed when its time had been read already
    made.put(case("new", tick=3))
    report = sync_source(store, OFFICE, wrong)
    assert (report.state, codes(report), made.asked) == ("done", ["sync-edge-torn"], [None, "2", None])
    assert live(store) == {"C0", "C1", "late", "new"}


def test_a_source_that_repeats_its_last_rows_is_never_read_whole(lite_store):
    made = world(1, 2, 2)
    right = at_times(made)
    for tick in (2, 3):
        sync_source(lite_store, OFFICE, right)
        made.put(case(f"T{tick}", tick=tick))
    assert codes(sync_source(lite_store, OFFICE, right)) == []
    assert made.asked == [None, "2", "2"]


def test_a_cursor_that_comes_without_rows_promises_no_repetition(lite_store):
    made = world(1, 2)
    token = at_times(made, behind=1, alone=True)
    sync_source(lite_store, OFFICE, token)
    made.put(case("new", tick=3))
    assert codes(sync_source(lite_store, OFFICE, token)) == []
    assert made.asked == [None, "2"]


def test_where_the_last_rows_were_removed_what_else_was_removed_is_found_too(lite_store):
    made = world(*range(20))
    right = at_times(made)
    sync_source(lite_store, OFFICE, right)
    made.remove("C19")
    made.remove("C3")
    report = sync_source(lite_store, OFFICE, right)
    assert (codes(report), report.counts.vanished) == (["sync-edge-torn"], 2)
    assert codes(sync_source(lite_store, OFFICE, right)) == []


def test_too_much_removed_is_asked_about_each_time_until_somebody_says_so(lite_store):
    made = world(*range(40))
    right = at_times(made)
    sync_source(lite_store, OFFICE, right)
    for number in range(20, 40):
        made.remove(f"C{number}")
    for _ in range(2):
        assert asks(sync_source(lite_store, OFFICE, right)) == ["sync-mass-change"]
    assert len(live(lite_store)) == 40
    report = sync_source(lite_store, OFFICE, right, accept_mass_change=True)
    assert (report.state, report.counts.vanished) == ("done", 20)


def test_what_is_remembered_of_an_edge_does_not_grow_with_the_batch(lite_store):
    made = world(*range(MOST + 200))
    sync_source(lite_store, OFFICE, at_times(made))
    with lite_store.connect() as connection:
        kept = cursors.unpack(connection.scalar(sa.select(CURSOR.c.cursor)), "up", "case")
    assert len(kept.edge) == MOST * 8
    assert "C1" not in kept.edge


@pytest.mark.parametrize("days", [1, 30])
def test_everything_is_read_again_when_the_last_time_lies_further_back(lite_store, monkeypatch, days):
    made = world(1, 2)
    right, week = at_times(made), 7 * 86_400.0
    sync_source(lite_store, OFFICE, right, full_every_s=week)
    clock = cursors.now_us
    for module in (cursors, __import__("jianheng.sync.stream", fromlist=["now_us"])):
        monkeypatch.setattr(module, "now_us", lambda: clock() + days * 86_400_000_000)
    sync_source(lite_store, OFFICE, right, full_every_s=week)
    sync_source(lite_store, OFFICE, right, full_every_s=week)
    assert made.asked == ([None, "2", "2"] if days == 1 else [None, None, "2"])
