"""The store: nothing is overwritten, nothing is written twice, and every database tells the same."""

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from jianheng.errors import RetryError, StopError
from jianheng.facts.entities import ENTITIES
from jianheng.store import engine as store_engine
from jianheng.store import fact_versions, moments
from jianheng.store.engine import open_engine, open_store, schema_state, upgrade
from jianheng.store.runs import begin_run, end_run, ended_well, last_run
from jianheng.store.tables import FACTS, METADATA, OPEN
from upstream import (
    OFFICE,
    broken_chains,
    case,
    current,
    document,
    facts_of,
    person,
    sync,
    table,
    versions,
)


@pytest.fixture
def store(every_store):
    return every_store


def known_at(store, entity, moment):
    """Return key and content of what the store knew at a moment: the as-of query, written out."""
    held = FACTS[entity]
    statement = sa.select(held.c[ENTITIES[entity].key.name], held.c.content_hash).where(
        held.c.recorded_from <= moment, held.c.recorded_to > moment, held.c.deleted.is_(sa.false())
    )
    with store.connect() as connection:
        return {tuple(row) for row in connection.execute(statement)}


def test_migrations_give_exactly_the_declared_tables(store):
    with store.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_an_empty_store_is_set_up_on_opening_and_left_alone_afterwards(store_url):
    first = open_store(store_url)
    has, wanted = schema_state(first)
    first.dispose()
    second = open_store(store_url)
    assert schema_state(second) == (wanted, wanted) == (has, wanted)
    second.dispose()


def contents(engine):
    """Return every table with its number of rows."""
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        count = {name: connection.scalar(sa.text(f"SELECT count(*) FROM {name}")) for name in names}
        return count, connection.scalar(sa.text("SELECT version_num FROM alembic_version"))


@pytest.mark.parametrize(("revision", "code"), [("0000", "store-outdated"), ("9999", "store-newer")])
def test_a_store_of_another_version_is_refused_and_not_touched(store_url, monkeypatch, revision, code):
    opened = open_store(store_url)
    with opened.begin() as connection:
        connection.execute(sa.text("DROP TABLE publication"))
        connection.execute(sa.text(f"UPDATE alembic_version SET version_num = '{revision}'"))
    before = contents(opened)
    known = store_engine._known_revisions()
    monkeypatch.setattr(store_engine, "_known_revisions", lambda: known | {"0000"})
    with pytest.raises(StopError) as refused:
        open_store(store_url)
    assert refused.value.code == code
    assert contents(opened) == before
    opened.dispose()


def test_upgrading_twice_is_upgrading_once(store):
    with store.connect() as connection:
        before = sorted(sa.inspect(connection).get_table_names())
    assert upgrade(store) == schema_state(store)[1]
    with store.connect() as connection:
        assert sorted(sa.inspect(connection).get_table_names()) == before


@pytest.mark.parametrize(
    ("url", "error", "code"),
    [
        ("not an address", StopError, "store-bad-url"),
        ("strangedb://x/y", StopError, "store-no-driver"),
        ("sqlite:////no/such/folder/x.db", StopError, "store-no-folder"),
        ("postgresql+psycopg://nobody:secret@127.0.0.1:1/x", RetryError, "store-unreachable"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_by_code_and_without_its_password(url, error, code):
    with pytest.raises(error) as refused:
        open_store(url)
    assert refused.value.code == code
    assert "secret" not in str(refused.value)


def test_a_file_that_is_no_database_is_told_by_code(tmp_path):
    (tmp_path / "x.db").write_text("这不是数据库" * 100, encoding="utf-8")
    with pytest.raises(StopError) as refused:
        open_store(f"sqlite:///{tmp_path / 'x.db'}")
    assert refused.value.code == "store-unusable"


def test_writing_the_same_again_writes_nothing(store):
    people = table("person", person("p1"), person("p2"))
    assert sync(store, people).counts.written == 2
    before = versions(store, "person")
    again = sync(store, people)
    assert (again.counts.written, again.counts.unchanged) == (0, 2)
    assert versions(store, "person") == before


def test_a_change_closes_the_old_version_where_the_new_one_begins(store):
    people = table("person", person("p1", post="检察官"))
    sync(store, people)
    people.put(person("p1", post="部门负责人"))
    sync(store, people)
    first, second = versions(store, "person")
    assert [first["post"], second["post"]] == ["检察官", "部门负责人"]
    assert first["recorded_from"] < first["recorded_to"] == second["recorded_from"]
    assert second["recorded_to"] == OPEN
    assert broken_chains(store, "person") == []


def test_a_deletion_is_a_version_that_keeps_the_last_values(store):
    people = table("person", person("p1", post="检察官"), person("p2"))
    sync(store, people)
    people.put({"person_key": "p1", "_deleted": True})
    assert sync(store, people).counts.deleted == 1
    assert current(store, "person", "person_key") == [("p2",)]
    assert current(store, "person", "person_key", "post", deleted=True) == [("p1", "检察官")]
    assert broken_chains(store, "person") == []
    assert sync(store, people).counts.written == 0


def test_what_is_deleted_can_come_back(store):
    people = table("person", person("p1"), person("p2"))
    sync(store, people)
    people.put({"person_key": "p1", "_deleted": True})
    sync(store, people)
    people.put(person("p1"))
    assert sync(store, people).counts.changed == 1
    assert current(store, "person", "person_key") == [("p1",), ("p2",)]
    assert [row["deleted"] for row in versions(store, "person") if row["person_key"] == "p1"] == [
        False,
        True,
        False,
    ]
    assert broken_chains(store, "person") == []


def test_a_deleted_record_is_hidden_from_reading_but_known_to_references(store):
    people = table("person", person("p1"), person("p2"))
    sync(store, people)
    people.put({"person_key": "p1", "_deleted": True})
    sync(store, people)
    entity = ENTITIES["person"]
    with store.connect() as connection:
        live = fact_versions.read_current(connection, entity, OFFICE)["person_key"].to_pylist()
        every = fact_versions.read_current(connection, entity, OFFICE, with_deleted=True)
        assert live == ["p2"]
        assert sorted(every["person_key"].to_pylist()) == ["p1", "p2"]
        assert fact_versions.known(connection, entity, OFFICE, ["p1", "p2", "p3"]) == {"p1", "p2"}
        assert fact_versions.live_keys(connection, entity, OFFICE, "up", "person") == {"p2"}


def test_any_past_moment_can_be_read_as_it_was_known_then(store):
    """After each sync the as-of query for that moment gives what was current then, for ever."""
    people = table("person", person("p1"), person("p2"), may_be_empty=True)
    told = []
    steps = [
        lambda: None,
        lambda: people.put(person("p1", post="检察长")),
        lambda: people.put({"person_key": "p2", "_deleted": True}),
        lambda: people.put(person("p3")),
        lambda: people.remove("p1"),
        lambda: people.put(person("p2")),
    ]
    for step in steps:
        step()
        sync(store, people)
        with store.connect() as connection:
            moment = moments.last_recorded(connection, OFFICE)
        told.append((moment, set(current(store, "person", "person_key", "content_hash"))))
    assert [known_at(store, "person", moment) for moment, _ in told] == [then for _, then in told]
    assert known_at(store, "person", told[0][0] - 1) == set()
    assert len({moment for moment, _ in told}) == len(steps)


def test_two_sources_may_tell_of_the_same_record_each_with_its_own_history(store):
    sync(store, table("person", person("p1", post="甲")), name="cases")
    sync(store, table("person", person("p1", post="乙")), name="staff")
    sync(store, table("person", person("p1", post="丙")), name="staff")
    assert current(store, "person", "source", "post") == [("cases", "甲"), ("staff", "丙")]
    assert broken_chains(store, "person") == []


def stream(name, *rows):
    """Return a snapshot stream of people under a name of its own."""
    made = table("person", *rows)
    made.stream = type(made.stream)(name, "person", "snapshot", may_be_empty=True)
    return made


def test_streams_of_one_source_do_not_bury_each_others_records(store):
    old, new = stream("a", person("p1"), person("p2")), stream("b", person("p3"))
    sync(store, old, new)
    old.remove("p1")
    report = sync(store, old, new)
    assert report.counts.vanished == 1
    assert current(store, "person", "person_key") == [("p2",), ("p3",)]


@pytest.mark.parametrize(("here", "there"), [("a", "b"), ("b", "a")])
def test_a_record_that_moves_to_another_stream_is_not_lost(store, here, there):
    """Whichever of the two is read first."""
    left, right = stream(here, person("p1"), person("p2")), stream(there, person("p3"))
    sync(store, left, right)
    left.remove("p1")
    right.put(person("p1"))
    sync(store, left, right)
    assert current(store, "person", "person_key") == [("p1",), ("p2",), ("p3",)]
    assert sync(store, left, right).counts.written == 0
    right.remove("p1")
    sync(store, left, right)
    assert current(store, "person", "person_key") == [("p2",), ("p3",)]
    assert broken_chains(store, "person") == []


def test_offices_in_one_store_know_nothing_of_each_other(store):
    sync(store, table("person", person("p1")))
    with store.connect() as connection:
        elsewhere = fact_versions.read_current(connection, ENTITIES["person"], "other")
        assert elsewhere.num_rows == 0
        assert moments.last_recorded(connection, "other") == 0


RICH = {
    "person": [person("p1", name="𠮷田〇〇 'x' \"y\" \\ %s ?", suspended="Y", quota_since="2019-02-28")],
    "case": [
        case(
            "A",
            is_supervised="N",
            handling_days=-3,
            attributes={"𠮷": "值", "a": "b'\"\\"},
            charge_name="盗窃\n罪",
        ),
        case("B", handling_days=999_999_999_999, concluded_on="2199-12-31", accepted_on="1900-01-02"),
    ],
    "event": [
        {"event_key": "e1", "case_no": "A", "kind": "k", "at": "2025-03-04 05:06:07.000890"},
        {"event_key": "e2", "case_no": "A", "kind": "k", "at": "2025-03-04"},
    ],
    "participation": [
        {"participation_key": "t1", "case_no": "A", "person_key": "p1", "role": "clerk", "share": "0.333333"},
        {"participation_key": "t2", "case_no": "B", "person_key": "p1", "role": "clerk", "share": "0.1"},
        {"participation_key": "t3", "case_no": "B", "person_key": "p9", "role": "clerk"},
    ],
    "document": [document("d1", "A", in_dossier=True), document("d2", "A", drafted_on=None)],
}


def read_back(store, entity):
    key = ENTITIES[entity].key.name
    with store.connect() as connection:
        held = fact_versions.read_current(connection, ENTITIES[entity], OFFICE)
    return held.sort_by(key).select(ENTITIES[entity].names)


def test_values_come_back_as_they_went_in(store):
    """Dates, moments, truth, decimals, large integers, attributes, nothing, and text beyond the basic plane."""
    tables = [table(name, *rows) for name, rows in RICH.items()]
    report = sync(store, *tables)
    assert report.counts.inserted == sum(len(rows) for rows in RICH.values())
    for name, expected in facts_of(RICH).items():
        assert read_back(store, name).equals(expected.select(ENTITIES[name].names)), name
    case_table = read_back(store, "case")
    assert case_table.schema.field("is_supervised").type == pa.bool_()
    assert case_table["handling_days"].to_pylist() == [-3, 999_999_999_999]
    assert case_table["concluded_on"].to_pylist() == [None, dt.date(2199, 12, 31)]
    shares = read_back(store, "participation")["share"].to_pylist()
    assert shares == [Decimal("0.333333"), Decimal("0.100000"), None]
    moments = read_back(store, "event")["at"].to_pylist()
    assert [each.microsecond for each in moments] == [890, 0]


def test_reading_some_cases_reads_only_those(store):
    rows = {name: RICH[name] for name in ("person", "case", "participation")}
    sync(store, *(table(name, *each) for name, each in rows.items()))
    with store.connect() as connection:
        entity = ENTITIES["participation"]
        some = fact_versions.read_current(connection, entity, OFFICE, ["B", "nowhere"])
        none = fact_versions.read_current(connection, entity, OFFICE, [])
        assert sorted(some["participation_key"].to_pylist()) == ["t2", "t3"]
        assert none.num_rows == 0
        assert none.schema.equals(some.schema)


def test_a_case_that_a_record_left_is_touched_like_the_one_it_moved_to(store):
    cases, papers = table("case", case("A"), case("B"), case("C")), table("document", document("d", "A"))
    sync(store, cases, papers)
    with store.connect() as connection:
        since = moments.last_recorded(connection, OFFICE)
    papers.put(document("d", "B"))
    sync(store, cases, papers)
    with store.connect() as connection:
        entity = ENTITIES["document"]
        assert fact_versions.touched(connection, entity, OFFICE, "case_no", since) == {"A", "B"}
        now = moments.last_recorded(connection, OFFICE)
        assert fact_versions.touched(connection, entity, OFFICE, "case_no", now) == set()


def test_a_record_tells_its_origin(store):
    people = table("person", person("p1"))
    run = sync(store, people)
    with store.connect() as connection:
        (version,) = fact_versions.origin(connection, ENTITIES["person"], OFFICE, "p1")
        assert fact_versions.locators(connection, ENTITIES["person"], OFFICE) == {"p1": "up: p1"}
    told = (version["source"], version["stream"], version["locator"], version["run_id"])
    assert told == ("up", "person", "p1", run.run_id)


def test_a_run_is_well_only_when_the_last_of_its_kind_ended_so(store):
    with store.begin() as connection:
        assert not ended_well(connection, OFFICE, "sync", "up")
        first = begin_run(connection, OFFICE, "sync", "up")
        assert not ended_well(connection, OFFICE, "sync", "up")
        end_run(connection, first, "done", {"n": 1, "字": "值"})
        assert ended_well(connection, OFFICE, "sync", "up")
        begin_run(connection, OFFICE, "sync", "up")
        assert not ended_well(connection, OFFICE, "sync", "up")
        assert last_run(connection, OFFICE, "sync", "up") == (first, {"n": 1, "字": "值"})
        assert last_run(connection, OFFICE, "score", "up") is None


def test_an_engine_for_a_store_does_not_need_the_store(tmp_path):
    """Opening an engine writes nothing; only opening the store does."""
    engine = open_engine(f"sqlite:///{tmp_path / 'x.db'}")
    engine.dispose()
    assert list(tmp_path.iterdir()) == []
