"""Quarantine: a bad row is kept with every reason until it is mended or gone, and is never told twice."""

import datetime as dt
from decimal import Decimal

import pytest
import sqlalchemy as sa

from jianheng.errors import RetryError
from jianheng.messages import speaking
from jianheng.store.tables import QUARANTINE
from jianheng.sync import entries, quarantine
from jianheng.sync.counts import Counts
from upstream import OFFICE, case, current, document, person, sync, table

BAD = {"quota_since": "不详", "gender": "男"}


def opened(store):
    with store.connect() as connection:
        return entries.entries(connection, OFFICE)


def statuses(store):
    """Return every entry there ever was: its place and what became of it."""
    with store.connect() as connection:
        rows = connection.execute(
            sa.select(QUARANTINE.c.locator, QUARANTINE.c.status).order_by(QUARANTINE.c.quarantine_id)
        )
        return [tuple(row) for row in rows]


def test_an_entry_says_where_the_row_is_and_everything_that_is_wrong_with_it(store):
    sync(store, table("person", person("p1", quota_since="不详", suspended="也许", unit_code=None)))
    (entry,) = opened(store)
    assert (entry.source, entry.stream, entry.entity) == ("up", "person", "person")
    assert (entry.record_key, entry.locator, entry.attempts) == ("p1", "p1", 1)
    assert [each.code for each in entry.problems] == [
        "row-missing-value",
        "row-not-a-date",
        "row-not-a-boolean",
    ]
    assert "不详" in entry.problems[1].message().what


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_reason_is_told_with_everything_its_text_needs(lite_store, language):
    people = table("person", person("p1"), person("p2", **BAD, suspended="也许", stranger=1))
    people.put(person("p1", post="乙"), "other")
    events = table(
        "event", {"event_key": "e", "case_no": "A", "kind": "x\x00", "attributes": 1, "at": "1800-01-01"}
    )
    cases = table("case", case("A", handler_key="p9", status="?", handling_days="1.5", accepted_on="2025"))
    papers = table("document", document("d", "A", name="长" * 5000), document("e", "A"))
    shares = table(
        "participation", {"participation_key": "s", "share": "1e20"}, {"participation_key": "", "share": "x"}
    )
    sync(lite_store, people, cases, events, papers, shares)
    with speaking(language):
        told = {each.code: each.message() for entry in opened(lite_store) for each in entry.problems}
    assert len(told) >= 12
    assert [text.as_text() for text in told.values() if "{" in text.as_text()] == []


def test_a_row_that_stays_bad_stays_one_entry(store):
    people = table("person", person("p1", **BAD), person("p2"))
    sync(store, people)
    report = sync(store, people)
    assert report.counts == Counts(emitted=2, unchanged=1, quarantined=1)
    (entry,) = opened(store)
    assert entry.attempts == 2
    assert report.open_quarantine == 1


def test_a_row_that_turns_bad_in_another_way_tells_the_new_reason(store):
    people = table("person", person("p1", **BAD), person("p2"))
    sync(store, people)
    people.put(person("p1", suspended="也许"))
    sync(store, people)
    (entry,) = opened(store)
    assert [each.code for each in entry.problems] == ["row-not-a-boolean"]


@pytest.mark.parametrize("mode", ["snapshot", "cursor"])
def test_a_mended_row_closes_its_entry(store, mode):
    people = table("person", person("p1", **BAD), person("p2"), mode=mode)
    sync(store, people)
    people.put(person("p1", quota_since="2020-01-01"))
    report = sync(store, people)
    assert (report.counts.inserted, report.open_quarantine) == (1, 0)
    assert statuses(store) == [("p1", "mended")]


@pytest.mark.parametrize("mode", ["snapshot", "cursor"])
def test_a_row_mended_without_looking_changed_is_found(store, mode):
    """The upstream corrected it in place and left its mark of change alone."""
    people = table("person", person("p1", **BAD), person("p2"), mode=mode)
    sync(store, people)
    people.put(person("p3"))
    sync(store, people)
    number, _ = people.cells["p1"]
    people.cells["p1"] = (number, {"_locator": "p1", **person("p1")})
    for _ in range(3):
        sync(store, people)
    assert statuses(store) == [("p1", "mended")]
    assert current(store, "person", "person_key") == [("p1",), ("p2",), ("p3",)]


def test_a_bad_row_that_vanished_from_a_snapshot_closes_its_entry(store):
    people = table("person", person("p1", **BAD), person("p2"))
    sync(store, people)
    people.remove("p1")
    assert sync(store, people).open_quarantine == 0
    assert statuses(store) == [("p1", "gone")]


def test_a_bad_row_marked_deleted_closes_its_entry(store):
    people = table("person", person("p1", **BAD), person("p2"), mode="cursor")
    sync(store, people)
    people.put({"person_key": "p1", "_deleted": True})
    assert sync(store, people).open_quarantine == 0
    assert current(store, "person", "person_key") == [("p2",)]


def test_a_failed_snapshot_leaves_the_quarantine_as_it_was(store):
    people = table("person", person("p1", **BAD), person("p2"))
    sync(store, people)
    before = opened(store)
    people.put(person("p1"))
    people.put(person("p3", **BAD))
    people.error = RetryError("test-broken")
    sync(store, people)
    assert opened(store) == before


def test_an_entry_comes_back_when_the_row_turns_bad_again(store):
    people = table("person", person("p1", **BAD), person("p2"))
    sync(store, people)
    people.put(person("p1"))
    sync(store, people)
    people.put(person("p1", **BAD))
    sync(store, people)
    assert statuses(store) == [("p1", "mended"), ("p1", "open")]


def test_rows_without_a_place_are_told_apart_by_what_they_say(store):
    rows = [person("", quota_since=each) for each in ("甲", "乙", "甲")]
    people = table("person", person("p1"))
    for number, row in enumerate(rows):
        people.cells[str(number)] = (number + 10, row)
    report = sync(store, people)
    assert (report.counts.quarantined, report.open_quarantine) == (3, 2)
    assert sync(store, people).open_quarantine == 2


@pytest.mark.parametrize("mode", ["snapshot", "cursor"])
def test_the_loser_of_two_rows_of_one_key_waits_until_one_of_them_is_left(store, mode):
    """It must not win by being tried alone."""
    people = table("person", mode=mode)
    people.put(person("p1", post="甲"), "first")
    people.put(person("p1", post="乙"), "second")
    people.put(person("p2"))
    for _ in range(6):
        report = sync(store, people)
        assert report.counts.balanced
        assert (report.open_quarantine, len(opened(store))) == (1, 1)
        assert current(store, "person", "person_key", "post") == [("p1", "甲"), ("p2", None)]
    people.remove("first")
    people.put(person("p1", post="乙"), "second")
    sync(store, people)
    assert opened(store) == []
    assert current(store, "person", "person_key", "post") == [("p1", "乙"), ("p2", None)]


def test_a_chain_of_missing_records_mends_itself_from_its_root(store):
    """A document waits for its case, the case for its handler: one run after he arrives all are there."""
    people = table("person", person("p1"))
    cases = table("case", case("A", handler_key="p2"), mode="cursor")
    papers = table("document", document("d", "A"), mode="cursor")
    assert sync(store, people, cases, papers).open_quarantine == 2
    people.put(person("p2"))
    report = sync(store, people, cases, papers)
    assert (report.open_quarantine, report.counts.balanced) == (0, True)
    assert current(store, "document", "document_key", "case_no") == [("d", "A")]


def test_what_is_held_can_be_tried_again_whatever_it_held(store):
    """Dates, decimals, truth, nested attributes and half characters survive being put away."""
    row = {
        "event_key": "e1",
        "case_no": "missing",
        "kind": "k\ud800",
        "at": dt.datetime.fromisoformat("2025-03-04T05:06:07"),
        "attributes": {"day": dt.date(2025, 3, 4), "amount": Decimal("0.10"), "none": None, "字": "𠮷"},
    }
    events = table("event", row, mode="cursor")
    assert sync(store, events).counts.quarantined == 1
    events.put(row | {"kind": "k"})
    assert sync(store, events).counts.quarantined >= 1
    cases = table("case", case("missing"))
    assert sync(store, cases, events).open_quarantine == 0
    ((attributes, moment),) = current(store, "event", "attributes", "at")
    assert attributes == '{"amount": "0.10", "day": "2025-03-04", "字": "𠮷"}'
    assert moment == dt.datetime.fromisoformat("2025-03-04T05:06:07")


def test_a_key_no_database_can_hold_is_quarantined_like_any_other(store):
    people = table("person", person("p\x001"), person("长" * 300), person("p2"))
    report = sync(store, people)
    assert (report.counts.quarantined, report.counts.inserted) == (2, 1)
    assert {each.code for entry in opened(store) for each in entry.problems} == {
        "row-control-character",
        "row-text-too-long",
    }


def test_sources_and_streams_have_their_own_entries(store):
    bad = table("person", person("p1", **BAD))
    sync(store, bad, name="a")
    sync(store, bad, name="b")
    with store.connect() as connection:
        assert quarantine.open_count(connection, OFFICE) == 2
        assert quarantine.open_count(connection, OFFICE, "a") == 1
        assert quarantine.open_count(connection, "elsewhere") == 0
    bad.put(person("p1"))
    sync(store, bad, name="a")
    assert [each.source for each in opened(store)] == ["b"]
