"""A first load into PostgreSQL does without the index by case until its end; whatever happens, it is there again."""

import time
import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from jianheng.contract import Batch
from jianheng.errors import StopError
from jianheng.store.engine import open_engine
from jianheng.store.leases import give_back
from jianheng.store.tables import FACTS
from jianheng.sync import first_load
from jianheng.sync.fence import take_fence
from jianheng.sync.task import Reader
from upstream import OFFICE, Table, case, current, document, sync, sync_source, table

INDEX = "ix_fact_document_case"
ROWS, SIZE = 200, 20
pytestmark = pytest.mark.postgresql


@pytest.fixture(autouse=True)
def _many(monkeypatch):
    monkeypatch.setattr(first_load, "MANY", 3 * SIZE)


@pytest.fixture
def store(postgresql_store):
    sync(postgresql_store, table("case", case("1"), case("2")))
    return postgresql_store


def is_there(store) -> bool:
    with store.connect() as connection:
        return connection.scalar(sa.select(sa.func.to_regclass(INDEX))) is not None


def written(store) -> int:
    with store.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(FACTS["document"]))


def documents(count=ROWS) -> Table:
    rows = [document(f"d{number:04}", "12"[number % 2]) for number in range(count)]
    return table("document", *rows, mode="cursor", size=SIZE)


def load(
    store, upstream: Table, *, fails: bool = False, office: str = OFFICE, name: str = "up"
) -> list[bool]:
    """Sync, and tell whether the index was there before the last batch, once those before were written."""
    seen: list[bool] = []

    def read(_stream: str, cursor: str | None) -> Iterator[Batch]:
        batches = list(upstream.read(cursor))
        yield from batches[:-1]
        until = time.monotonic() + 20
        given = sum(len(each.rows) for each in batches[:-1])
        while written(store) < given and time.monotonic() < until:
            time.sleep(0.02)
        seen.append(is_there(store))
        if fails:
            raise StopError("sync-edge-torn", source=name, stream="document", entity="")
        yield from batches[-1:]

    sync_source(store, office, Reader(name, lambda: [upstream.stream], read))
    return seen


def test_the_index_is_left_away_while_much_is_loaded_and_made_at_the_end(store):
    assert load(store, documents()) == [False]
    assert is_there(store)
    assert len(current(store, "document")) == ROWS


def test_a_load_that_fails_leaves_the_index_made(store):
    assert load(store, documents(), fails=True) == [False]
    assert is_there(store)
    assert 3 * SIZE <= len(current(store, "document")) < ROWS


def test_of_a_load_that_died_the_next_sync_of_whatever_makes_the_index(store):
    with store.begin() as connection:
        connection.exec_driver_sql(f"DROP INDEX {INDEX}")
        connection.exec_driver_sql("DROP INDEX ix_fact_approval_case")
    sync(store, table("person"), name="another")
    declared = {index.name for held in FACTS.values() for index in held.indexes}
    with store.connect() as connection:
        names = connection.scalars(sa.text("select indexname from pg_indexes where schemaname = 'public'"))
        assert declared <= {*names}


def test_what_may_be_under_way_elsewhere_is_left_to_the_next_sync(store):
    """Another sync may be the first load that left the index away: it will make it itself."""
    with store.begin() as connection:
        connection.exec_driver_sql(f"DROP INDEX {INDEX}")
    other = take_fence(store, "990102", "up")
    sync(store, table("person"), name="another")
    assert not is_there(store)
    give_back(store, other.lease)
    sync(store, table("person"), name="another")
    assert is_there(store)


@pytest.mark.parametrize("office", [OFFICE, "990102"])
def test_what_holds_anything_of_anybody_keeps_its_index(store, office):
    """Also of another source or office: they must not wait, nor look through everything."""
    sync_source(store, "990102", _reader_of(table("case", case("1"), case("2"))))
    sync(store, table("document", document("x", "1")), name="another")
    assert load(store, documents(), office=office) == [True]
    assert is_there(store)


def test_few_rows_are_indexed_as_they_come(store):
    assert load(store, documents(2 * SIZE)) == [True]
    assert is_there(store)


def test_where_somebody_uses_the_table_the_index_stays_and_nothing_is_lost(store):
    with store.connect() as reading:
        reading.execute(sa.select(FACTS["document"].c.office)).all()  # holds the table until it ends
        assert load(store, documents()) == [True]
    assert is_there(store)
    assert len(current(store, "document")) == ROWS


def test_who_could_not_make_the_index_again_does_not_take_it_away(store):
    """A role may own the tables and yet make nothing in their schema: what it dropped would be gone for good."""
    role = f"jianheng_test_{uuid.uuid4().hex[:8]}"
    with store.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role}")
        connection.exec_driver_sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        connection.exec_driver_sql(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
        connection.exec_driver_sql(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}")
        connection.exec_driver_sql(f"GRANT CREATE ON SCHEMA public TO {role}")
        connection.exec_driver_sql(f"ALTER TABLE fact_document OWNER TO {role}")
        connection.exec_driver_sql(f"REVOKE CREATE ON SCHEMA public FROM {role}")
    limited = open_engine(store.url)
    event.listen(limited, "connect", lambda made, _record: made.execute(f"SET ROLE {role}").close())
    event.listen(limited, "connect", lambda made, _record: made.commit())
    try:
        assert load(limited, documents()) == [True]
        assert is_there(store)
        assert len(current(store, "document")) == ROWS
    finally:
        limited.dispose()
        with store.begin() as connection:
            connection.exec_driver_sql(f"REASSIGN OWNED BY {role} TO CURRENT_USER")
            connection.exec_driver_sql(f"DROP OWNED BY {role}")
            connection.exec_driver_sql(f"DROP ROLE {role}")


def _reader_of(upstream: Table) -> Reader:
    return Reader("up", lambda: [upstream.stream], lambda _stream, cursor: upstream.read(cursor))
