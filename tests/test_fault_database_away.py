"""A database that stops in the middle of a run, or ends its connections: told as such, and the next run completes."""

import time

import pytest
import sqlalchemy as sa

from jianheng.contract import Batch, Stream
from jianheng.errors import RetryError
from jianheng.store import leases
from jianheng.store.copying import PART, Copying
from jianheng.store.engine import open_store, store_error, writing_latest
from jianheng.store.tables import RUN
from jianheng.sync.engine import sync_source
from jianheng.sync.stream import Reader
from private_postgresql import cluster
from upstream import OFFICE, broken_chains, case, current, sync, table, versions

ROWS = [case(f"C{n:02}") for n in range(12)]


@pytest.fixture(scope="module")
def server():
    with cluster() as made:
        yield made


@pytest.fixture
def store(server):
    server.execute("drop database if exists office with (force)")
    server.execute("create database office")
    engine = open_store(server.url.removesuffix("postgres") + "office")
    yield engine
    engine.dispose()


def disturbed(store, mode, disturb):
    """Sync while the database is disturbed after the second of four batches; return the error.

    The source is asked for a batch while those before are written: it takes its time.
    """

    def read(_stream, _cursor):
        for number in range(4):
            if number == 2:
                while mode == "cursor" and len(current(store, "case", "case_no")) < 6:
                    time.sleep(0.01)
                disturb()
            yield Batch(ROWS[number * 3 : number * 3 + 3], str(number) if mode == "cursor" else None)

    with pytest.raises(RetryError) as caught:
        sync_source(store, OFFICE, Reader("up", lambda: [Stream("case", "case", mode)], read))
    return caught.value


@pytest.mark.parametrize(
    ("how", "mode"), [("stopped", "cursor"), ("restarted", "snapshot"), ("disconnected", "cursor")]
)
def test_a_sync_whose_database_goes_away_says_so_and_the_next_one_completes(server, store, how, mode):
    """What was committed before counts; of the rest there is nothing."""

    def disturb():
        if how == "disconnected":
            assert server.end_backends() > 0
            return
        server.stop()
        if how == "restarted":
            server.start()

    error = disturbed(store, mode, disturb)
    assert error.code == "store-away"
    assert all((error.problem.message().what, error.problem.message().do))
    if how == "stopped":
        with pytest.raises(RetryError) as refused:
            sync(store, table("case", *ROWS, mode=mode))
        assert refused.value.code == "store-away"
        server.start()
    assert len(current(store, "case", "case_no")) == (6 if mode == "cursor" else 0)
    assert sync(store, table("case", *ROWS, mode=mode)).state == "done"
    assert current(store, "case", "case_no") == [(f"C{n:02}",) for n in range(12)]
    assert (len(versions(store, "case")), broken_chains(store, "case")) == (12, [])
    with store.connect() as connection:
        states = list(connection.scalars(sa.select(RUN.c.state).order_by(RUN.c.run_id)))
    assert states == ["broken", "done"]


class _ServerError(Exception):
    def __init__(self, sqlstate):
        super().__init__("what the server said")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("sqlstate", "code"),
    [
        ("57P01", "store-away"),
        ("57P03", "store-away"),
        ("08006", "store-away"),
        ("25P03", "store-away"),
        ("53300", "store-away"),
        ("53100", "store-full"),
        ("40001", "store-busy"),
        ("42P01", "store-failed"),
    ],
)
def test_what_a_server_says_decides_whether_to_try_again(sqlstate, code):
    error = store_error(sa.exc.OperationalError("select 1", {}, _ServerError(sqlstate)), "sync")
    assert error.code == code
    assert error.recovery == ("retry" if code in ("store-away", "store-busy") else "stop")


@pytest.mark.postgresql
def test_who_falls_silent_while_he_holds_a_leases_row_holds_it_no_longer_than_the_lease(postgresql_store):
    """A machine that is gone in the middle of a beat must not keep all others from ever leading again."""
    with postgresql_store.begin() as connection:
        lease = leases.take(connection, "test", "one", 0.3)
    silent = postgresql_store.connect()
    assert leases.renew(silent, lease, 0.3)
    time.sleep(0.35)
    with writing_latest(
        postgresql_store
    ) as connection:  # waits for the row until the server ends the silent one
        found = leases.take(connection, "test", "two", 60)
    assert isinstance(found, leases.Lease)
    with pytest.raises(sa.exc.DBAPIError) as ended:
        silent.execute(sa.select(1))
    assert store_error(ended.value, "test").code == "store-away"
    silent.invalidate()
    silent.close()


@pytest.mark.postgresql
def test_who_is_stopped_in_the_middle_of_a_copy_holds_a_lease_no_longer_than_it_lasts(
    postgresql_store, monkeypatch
):
    """Of a transaction that only waits PostgreSQL tires by itself; for the rest of a COPY it would wait for ever."""
    with postgresql_store.begin() as connection:
        connection.execute(sa.text("CREATE TABLE sent (key text)"))
        lease = leases.take(connection, "test", "one", 0.3)
    stopped, other = postgresql_store.connect(), postgresql_store.connect()
    time.sleep(0.25)  # what is renewed now, and not committed, nobody sees
    assert leases.renew(stopped, lease, 0.3)
    sent = sa.Table("sent", sa.MetaData(), sa.Column("key", sa.Text()))
    copying = Copying(stopped, [*sent.columns])
    copying.send([[f"key {number}" for number in range(PART)]], PART)
    other.begin()
    with Copying(other, [*sent.columns]) as elsewhere:  # holds no lease: nobody waits for him
        elsewhere.send([["other"]], 1)
        time.sleep(0.1)
        looks = iter([time.sleep] * 50)  # a fault is told, not waited for

        def look(seconds: float) -> None:
            next(looks)(seconds)

        monkeypatch.setattr(time, "sleep", look)
        with writing_latest(postgresql_store) as connection:
            found = leases.take(connection, "test", "two", 0.3)
        assert isinstance(found, leases.Lease)
    other.commit()
    other.close()
    with pytest.raises(sa.exc.DBAPIError) as ended:
        copying.settle()
    assert store_error(ended.value, "test").code == "store-away"
    stopped.invalidate()
    stopped.close()
    with postgresql_store.connect() as connection:
        assert connection.scalars(sa.select(sent.c.key)).all() == ["other"]


def test_a_lease_that_could_not_be_given_back_does_not_keep_its_own_process_away(lite_store, monkeypatch):
    """The store was away at the end of a run; the process lives on and runs the source again."""
    with writing_latest(lite_store) as connection:
        lease = leases.take(connection, "test", leases.me(), 600)
    with monkeypatch.context() as patch:
        patch.setattr(leases, "release", _away)
        leases.give_back(lite_store, lease)
    with writing_latest(lite_store) as connection:
        again = leases.take(connection, "test", leases.me(), 600)
        assert isinstance(again, leases.Lease)
        assert isinstance(leases.take(connection, "test", leases.me(), 600), leases.Held)


def _away(*_):
    raise sa.exc.OperationalError("update", {}, _ServerError("57P01"))
