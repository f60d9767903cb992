"""What stops a stream before harm is done, and only that stream: changed tables, odd rows, books that do not balance."""

import json
from dataclasses import replace

import pyarrow as pa
import pytest
import sqlalchemy as sa

from jianheng.contract import Batch, Stream
from jianheng.facts.entities import ENTITIES
from jianheng.store.operations import AUDIT, STREAM
from jianheng.store.tables import QUARANTINE
from jianheng.sync import batches, shapes, steer
from jianheng.sync.counts import Counts
from jianheng.sync.engine import sync_source
from jianheng.sync.guards import DEPTH_LIMIT, PARTS_LIMIT, ROW_LIMIT
from jianheng.sync.shapes import KNOWN_FROM, NEW_CODE_FROM
from jianheng.sync.stream import Reader
from upstream import OFFICE, case, current, document, person, sync, table, versions

MANY = KNOWN_FROM + 10


def codes(report):
    return [each.code for each in report.problems]


def states(report):
    return {each.stream: each.state for each in report.streams}


def held_codes(store):
    with store.connect() as connection:
        told = connection.scalars(sa.select(QUARANTINE.c.problems).where(QUARANTINE.c.status == "open"))
        return sorted(each["code"] for one in told for each in json.loads(one))


def actions(store):
    with store.connect() as connection:
        return [
            tuple(row) for row in connection.execute(sa.select(AUDIT.c.who, AUDIT.c.action, AUDIT.c.subject))
        ]


# The books.


@pytest.mark.parametrize("mode", ["snapshot", "cursor"])
@pytest.mark.parametrize("wrong", [{"emitted": 1}, {"unchanged": 1}, {"emitted": 1, "inserted": 1}])
def test_a_batch_that_does_not_balance_is_not_committed(lite_store, monkeypatch, mode, wrong):
    """Also when the numbers fit each other but not what the source gave."""
    plain = batches.apply_rows

    def miscounted(*arguments):
        done = plain(*arguments)
        return replace(done, counts=done.counts + Counts(**wrong))

    monkeypatch.setattr(batches, "apply_rows", miscounted)
    report = sync(lite_store, table("case", case("A"), case("B"), mode=mode))
    assert (report.state, codes(report), report.counts) == ("failed", ["sync-books"], Counts())
    assert versions(lite_store, "case") == []


# Rows that are no rows.


def nested(depth):
    value = "x"
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize("mode", ["snapshot", "cursor"])
def test_rows_too_deep_or_too_big_are_set_aside_and_the_others_taken(lite_store, mode):
    """Before, a cell of a hundred thousand levels, or a number of as many digits, ended the whole run."""
    made = table("case", case("A"), case("B", attributes={"k": "v"}), mode=mode)
    made.put(case("deep", attributes=nested(100_000)))
    made.put(case("wide", attributes={str(n): "x" for n in range(PARTS_LIMIT + 1)}))
    made.put(case("number", accepted_on=10**5000))
    made.put(case("long", name="字" * (ROW_LIMIT + 1)))
    report = sync(lite_store, made)
    assert report.counts == Counts(emitted=6, inserted=2, quarantined=4)
    assert current(lite_store, "case", "case_no") == [("A",), ("B",)]
    found = held_codes(lite_store)
    assert [each for each in found if each in ("row-too-deep", "row-too-many-parts", "row-too-large")] == [
        "row-too-deep",
        "row-too-large",
        "row-too-many-parts",
        "row-too-many-parts",
    ]
    with lite_store.connect() as connection:
        sizes = connection.scalars(sa.select(sa.func.length(QUARANTINE.c.payload)))
        assert max(sizes) < 10_000
    for key in ("deep", "wide", "number", "long"):
        made.put(case(key))
    assert sync(lite_store, made, full=True).open_quarantine == 0


def test_a_cell_just_within_the_limits_is_looked_at_as_ever(lite_store):
    rows = [case("A", attributes=nested(DEPTH_LIMIT)), case("B", attributes={"k": 10**20})]
    assert sync(lite_store, table("case", *rows)).counts == Counts(emitted=2, inserted=2)


def test_nested_arrow_columns_are_checked_as_rows_are(lite_store):
    wide = [{"name": str(n), "value": "x"} for n in range(PARTS_LIMIT)]
    rows = pa.table(
        {
            "case_no": ["A"],
            "unit_code": ["1"],
            "category": ["0301"],
            "accepted_on": ["2025-01-02"],
            "attributes": [wide],
        }
    )
    reader = Reader("up", lambda: [Stream("case", "case")], lambda _stream, _cursor: iter([Batch(rows)]))
    assert sync_source(lite_store, OFFICE, reader).counts == Counts(emitted=1, quarantined=1)
    assert held_codes(lite_store) == ["row-too-many-parts"]


# Tables that changed.


def known(store, **more):
    """Sync people and enough cases, each with a stage and a court, to know what both look like."""
    everyone = table("person", person("p1"))
    rows = [case(f"C{n}", current_stage="审查", handler_key="p1") | more for n in range(MANY)]
    cases = table("case", *rows, mode="cursor")
    assert sync(store, everyone, cases).state == "done"
    return everyone, cases


def change(made, how):
    """Change every row of a table in place, as the source's own change of the table does."""
    for place, (number, row) in made.cells.items():
        made.cells[place] = (number, how(row))


def without(row, name):
    return {each: value for each, value in row.items() if each != name}


CHANGES = {
    "sync-drift-gone": lambda row: without(row, "current_stage"),
    "sync-drift-new": lambda row: row | {"surprise": "x"},
    "sync-drift-kind": lambda row: row | {"current_stage": 7},
}


@pytest.mark.parametrize("code", CHANGES)
def test_a_stream_whose_table_changed_is_paused_before_anything_is_applied_and_no_other_is(lite_store, code):
    everyone, cases = known(lite_store)
    before = versions(lite_store, "case")
    cases.put(case("N1", current_stage="审查", handler_key="p1"))
    change(cases, CHANGES[code])
    everyone.put(person("p2"))
    papers = table("document", document("d1", "C1"))
    report = sync(lite_store, everyone, cases, papers)
    assert states(report) == {"person": "done", "case": "failed", "document": "done"}
    (told,) = report.problems
    assert told.code == code
    assert told.fields["affects"].startswith(ENTITIES["case"].label)
    assert ENTITIES["document"].label in told.fields["affects"]
    assert (report.state, versions(lite_store, "case")) == ("failed", before)
    report = sync(lite_store, everyone, cases, papers)
    assert (states(report)["case"], codes(report), cases.asked[-1]) == ("skipped", ["sync-paused"], str(MANY))
    assert steer.resume(lite_store, OFFICE, "up", "case", by="tester") == ["case"]
    report = sync(lite_store, everyone, cases, papers)
    assert report.state == "done"
    assert report.counts.quarantined == (2 if code == "sync-drift-new" else 0)
    assert actions(lite_store) == [
        ("jianheng", "state pause", "up/case"),
        ("tester", "state accept", "up/case"),
        ("tester", "state resume", "up/case"),
    ]


def coded():
    """Return an entity and a column of it that takes certain codes only, and one of these."""
    return next(
        (entity.name, column.name, column.allowed[0])
        for entity in ENTITIES.values()
        for column in entity.columns
        if column.allowed and entity.name == "posting"
    )


def test_a_new_code_in_many_rows_is_a_change_and_in_few_a_fault_of_these(lite_store):
    name, column, good = coded()
    base = {"person_key": "p1", "unit_code": "990101", "role": "quota_prosecutor", "valid_from": "2000-01-01"}
    rows = [base | {"posting_key": f"k{n}", column: good} for n in range(MANY)]
    everyone, posts = table("person", person("p1")), table(name, *rows)
    assert sync(lite_store, everyone, posts).state == "done"
    for number in range(NEW_CODE_FROM - 1):
        posts.put(base | {"posting_key": f"n{number}", column: "new way"})
    report = sync(lite_store, everyone, posts)
    assert (report.state, report.counts.quarantined) == ("done", NEW_CODE_FROM - 1)
    posts.put(base | {"posting_key": "last", column: "new way"})
    report = sync(lite_store, everyone, posts)
    assert codes(report) == ["sync-drift-code"]
    assert (report.problems[0].fields["code"], report.problems[0].fields["rows"]) == (
        "new way",
        NEW_CODE_FROM,
    )
    steer.resume(lite_store, OFFICE, "up", "", by="tester")
    for _ in range(2):
        report = sync(lite_store, everyone, posts)
        assert (report.state, report.open_quarantine) == ("done", NEW_CODE_FROM)


def test_another_way_of_reading_is_no_change_at_the_source(lite_store):
    _, cases = known(lite_store)
    change(cases, CHANGES["sync-drift-gone"])
    assert sync(lite_store, cases, fingerprint="new mapping").state == "done"


def test_rows_marked_deleted_and_columns_that_come_and_go_are_no_change(lite_store):
    everyone, cases = known(lite_store)
    cases.put({"case_no": "C1", "_deleted": True})
    assert sync(lite_store, everyone, cases).state == "done"
    cases.put(case("N1", current_stage="审查", handler_key="p1", attributes=None))
    assert sync(lite_store, everyone, cases).state == "done"
    cases.put(case("N2", current_stage="审查", handler_key="p1"))
    assert sync(lite_store, everyone, cases).state == "done"


def test_the_kinds_of_rows_and_of_the_same_rows_as_arrow_are_alike():
    rows = [case(f"C{n}", attributes=None, handler_key=None) for n in range(3)]
    listed, arrow = shapes.observe(rows), shapes.observe(pa.Table.from_pylist(rows))
    assert (listed.columns, listed.kinds) == (arrow.columns, arrow.kinds)
    assert shapes.shape_from(listed.as_json()) == listed


def test_a_stream_paused_by_hand_is_left_alone_until_it_is_resumed(lite_store):
    cases = table("case", case("A"), mode="cursor")
    steer.pause(lite_store, OFFICE, "up", "", by="tester", reason="moving house")
    report = sync(lite_store, cases)
    assert (report.state, codes(report), cases.asked) == ("failed", ["sync-paused"], [])
    assert {"by": "tester", "reason": "moving house"}.items() <= report.problems[0].fields.items()
    steer.resume(lite_store, OFFICE, "up", "", by="tester")
    assert sync(lite_store, cases).state == "done"
    with lite_store.connect() as connection:
        assert connection.scalar(sa.select(STREAM.c.pending)) == ""
