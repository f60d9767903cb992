"""One run of a source at a time: a second is refused by name, and one that slept too long cannot write."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from jianheng.contract import Batch, Stream
from jianheng.errors import RetryError
from jianheng.store import leases
from jianheng.store.engine import open_store, writing
from jianheng.store.operations import LEASE
from jianheng.store.runs import begin_run, ended_well
from jianheng.store.tables import RUN
from jianheng.sync.engine import sync_source
from jianheng.sync.fence import Fence, fenced, lease_name, take_fence
from jianheng.sync.stream import Reader
from upstream import OFFICE, broken_chains, case, current, person, sync, table

NAME = "test"
ELSEWHERE = "elsewhere/17/1/another-machine"


def taken(store, holder="one", ttl_s=60.0):
    with writing(store) as connection:
        return leases.take(connection, NAME, holder, ttl_s)


def expire(store):
    with writing(store) as connection:
        connection.execute(sa.update(LEASE).values(expires_at=1))


def run_states(store):
    with store.connect() as connection:
        return list(connection.scalars(sa.select(RUN.c.state).order_by(RUN.c.run_id)))


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.postgresql),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ]
)
def any_store(request, tmp_path):
    """A store of each kind, MariaDB too."""
    if request.param == "mariadb":
        engine = open_store(request.getfixturevalue("mariadb_url"))
        yield engine
        engine.dispose()
        return
    yield request.getfixturevalue("lite_store" if request.param == "sqlite" else "postgresql_store")


def test_a_lease_is_taken_renewed_given_back_and_its_epoch_only_rises(any_store):
    first = taken(any_store)
    assert first == leases.Lease(NAME, "one", 1)
    refused = taken(any_store, "two")
    assert isinstance(refused, leases.Held)
    assert (refused.holder, refused.since < refused.until) == ("one", True)
    with writing(any_store) as connection:
        assert abs(leases.database_now_us(connection) - refused.since) < 60_000_000
        assert leases.renew(connection, first, 120)
        assert leases.held(connection, NAME).until > refused.until
        assert leases.release(connection, first)
        assert not leases.release(connection, first)
        assert leases.held(connection, NAME) is None
    second = taken(any_store, "two")
    assert second.epoch > first.epoch
    expire(any_store)
    third = taken(any_store, "one")
    assert third.epoch > second.epoch
    with writing(any_store) as connection:
        assert not leases.renew(connection, second, 60)
        assert not leases.renew(connection, first, 60)
        leases.fence(connection, third)
        with pytest.raises(leases.LeaseLostError) as lost:
            leases.fence(connection, first)
    assert lost.value.problem.fields["holder"] == "one"


def test_a_lease_that_ran_out_and_that_nobody_took_is_still_its_holders(lite_store):
    mine = taken(lite_store)
    expire(lite_store)
    with writing(lite_store) as connection:
        assert leases.renew(connection, mine, 60)
    assert isinstance(taken(lite_store, "two"), leases.Held)


def test_the_lease_of_a_dead_process_of_this_machine_is_free_and_of_a_living_or_distant_one_is_not(
    lite_store,
):
    ended = subprocess.run(
        [sys.executable, "-c", "from jianheng.store import leases; print(leases.me())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert leases.is_dead(ended)
    assert not leases.is_dead(leases.me())
    assert not leases.is_dead(ELSEWHERE)
    assert not leases.is_dead("")
    assert leases.is_dead(
        "/".join([*leases.me().split("/")[:2], "1", leases.me().split("/")[3]])
    )  # its number, reused
    taken(lite_store, ended)
    assert taken(lite_store, ELSEWHERE).epoch == 2
    assert isinstance(taken(lite_store, leases.me()), leases.Held)


def test_a_second_run_of_a_source_is_refused_with_who_and_since_when(store):
    """Also in the middle of a transaction of the first; another source is none of its business."""
    refused = []

    def read(_stream, _cursor):
        yield Batch([person("p1")])
        with pytest.raises(RetryError) as told:
            sync(store, table("person", person("p2")))
        refused.append(told.value)
        yield Batch([person("p3")])

    report = sync_source(store, OFFICE, Reader("up", lambda: [Stream("person", "person")], read))
    assert (report.state, current(store, "person", "person_key")) == ("done", [("p1",), ("p3",)])
    (error,) = refused
    assert error.code == "sync-running"
    assert f"({os.getpid()})" in error.problem.fields["holder"]
    assert str(error.problem.fields["since"]).startswith("20")
    assert run_states(store) == ["done"]
    assert sync(store, table("person", person("p1"), person("p3"))).state == "done"


def test_a_run_that_never_said_how_it_ended_is_recorded_as_broken_by_the_next(lite_store):
    with writing(lite_store) as connection:
        begin_run(connection, OFFICE, "sync", "up")
    sync(lite_store, table("person", person("p1")))
    assert run_states(lite_store) == ["broken", "done"]


def test_what_fails_gives_its_lease_back(lite_store):
    broken = table("person", person("p1"))
    broken.error = ValueError("unforeseen")
    with pytest.raises(ValueError, match="unforeseen"):
        sync(lite_store, broken)
    with lite_store.connect() as connection:
        assert leases.held(connection, lease_name(OFFICE, "up")) is None


@pytest.mark.parametrize("mode", ["cursor", "snapshot"])
def test_who_was_overtaken_writes_nothing_more(store, mode):
    """The first run stops between two batches for longer than its lease; a second reads all; the first wakes."""
    rows = {"case": [case(f"C{n}") for n in range(4)]}
    seconds = []

    def read(_stream, _cursor):
        if mode == "snapshot":
            yield from ()
        else:
            yield Batch(rows["case"][:1], "1")
        if not seconds:
            while mode == "cursor" and not current(store, "case", "case_no"):  # it may still be being written
                time.sleep(0.01)
            seconds.append(None)
            overtake(store)
            sync_source(store, OFFICE, Reader("up", lambda: [Stream("case", "case", "cursor")], second))
        yield Batch([case("C1", category="9999")], "9")

    def second(_stream, _cursor):
        yield Batch(rows["case"], "4")

    if (
        mode == "snapshot"
    ):  # the transaction of a snapshot holds the lease's row: overtaken is who has not begun it
        fence = take_fence(store, OFFICE, "up")
        overtake(store)
        sync_source(store, OFFICE, Reader("up", lambda: [Stream("case", "case", "cursor")], second))
        with pytest.raises(leases.LeaseLostError), fenced(fence) as connection:
            connection.execute(sa.delete(RUN))
    else:
        with pytest.raises(leases.LeaseLostError):
            sync_source(store, OFFICE, Reader("up", lambda: [Stream("case", "case", "cursor")], read))
    assert current(store, "case", "case_no", "category") == [(f"C{n}", "0301") for n in range(4)]
    assert broken_chains(store, "case") == []
    assert run_states(store)[-1] == "done"
    with store.connect() as connection:
        assert ended_well(connection, OFFICE, "sync", "up")


def overtake(store):
    """Let the lease in force look as if its holder had been silent for too long."""
    with writing(store) as connection:
        connection.execute(sa.update(LEASE).values(expires_at=1))


SLEEPER = """
import sys
from jianheng.contract import Batch, Stream
from jianheng.store.engine import open_store
from jianheng.sync.engine import sync_source
from jianheng.sync.stream import Reader
from upstream import OFFICE, case

def read(_stream, _cursor):
    yield Batch([case("A")], "1")
    print("stop me", flush=True)
    sys.stdin.readline()
    yield Batch([case("B"), case("A", category="9999")], "2")

store = open_store(sys.argv[1])
try:
    stream = Stream("case", "case", sys.argv[2])
    print(sync_source(store, OFFICE, Reader("up", lambda: [stream], read), lease_s=float(sys.argv[3])).state)
except Exception as error:
    print(getattr(error, "code", type(error).__name__), flush=True)
"""


@contextmanager
def stopped(url, mode):
    """Start a sync with a short lease, stop its process for real, and let it go on at the end."""
    run = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, url, mode, "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )
    try:
        assert run.stdout.readline() == "stop me\n"
        run.send_signal(signal.SIGSTOP)
        yield run
    finally:
        run.kill()
        run.communicate()


def overtaken_for_real(url, mode):
    """Return what the woken process says, after another has read the source while it was stopped."""
    store = open_store(url)
    try:
        with stopped(url, mode) as run:
            with pytest.raises(RetryError) as refused:
                sync(store, table("case", case("C"), mode="cursor"))
            assert refused.value.code == "sync-running"
            wait_for_expiry(store)
            assert sync(store, table("case", case("A"), case("C"), mode="cursor")).state == "done"
            run.send_signal(signal.SIGCONT)
            told = run.communicate("go on\n", timeout=30)[0]
        assert current(store, "case", "case_no", "category") == [("A", "0301"), ("C", "0301")]
        assert broken_chains(store, "case") == []
        assert run_states(store)[-1] == "done"
        return told.strip()
    finally:
        store.dispose()


def wait_for_expiry(store):
    with store.connect() as connection:
        while leases.held(connection, lease_name(OFFICE, "up")) is not None:
            connection.rollback()


def test_a_stopped_process_that_wakes_cannot_write(tmp_path):
    assert overtaken_for_real(f"sqlite:///{tmp_path / 'stopped.db'}", "cursor") == "store-lease-lost"


@pytest.mark.postgresql
def test_a_stopped_process_that_wakes_cannot_write_to_postgresql(postgresql_url):
    assert overtaken_for_real(postgresql_url, "cursor") == "store-lease-lost"


@pytest.mark.postgresql
def test_a_process_stopped_within_a_transaction_does_not_hold_the_source_for_ever(postgresql_url):
    """Its transaction is ended by the server when its lease has run out, and it finds so when it wakes."""
    assert overtaken_for_real(postgresql_url, "snapshot") in {"store-failed", "store-lease-lost"}


def test_a_fence_says_who_took_its_place(lite_store):
    fence = take_fence(lite_store, OFFICE, "up")
    assert isinstance(fence, Fence)
    overtake(lite_store)
    with writing(lite_store) as connection:
        leases.take(connection, lease_name(OFFICE, "up"), ELSEWHERE, 60)
    with pytest.raises(leases.LeaseLostError) as lost, fenced(fence):
        pass
    assert lost.value.problem.fields["holder"] == "elsewhere (17)"
    assert lost.value.recovery == "retry"
