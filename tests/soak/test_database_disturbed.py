"""PostgreSQL stopped, started and its connections ended while schedulers work: nothing lost, nothing doubled. ``make soak``."""

import os
import random
import time

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from fault_nursery import announce, nursery, taker
from fault_trials import Trials
from jianheng.store.engine import open_store
from private_postgresql import cluster, wait_until_ready

TRIALS = int(os.environ.get("JIANHENG_SOAK_DISTURBANCES", "12"))


@pytest.fixture(scope="module")
def server():
    with cluster() as made:
        yield made


@pytest.fixture
def office(server):
    """A store on the server; the test's own connections are made anew each time, since the server stops."""
    server.execute("create database office")
    url = server.url.removesuffix("postgres") + "office"
    open_store(url).dispose()
    return sa.create_engine(url, poolclass=NullPool, isolation_level="REPEATABLE READ")


def test_a_database_that_stops_in_the_middle_loses_and_doubles_nothing(server, office, tmp_path, capsys):
    chance = random.Random(20260104)  # noqa: S311  # the same trials every time

    def pull_the_plug():
        server.stop("immediate")
        time.sleep(chance.uniform(0, 1.5))
        server.start()

    def restart():
        server.stop("fast")
        server.start()

    def end_connections():
        for _ in range(3):
            server.end_backends()
            time.sleep(chance.uniform(0, 0.4))

    def crash_one():
        """A backend that dies takes all the others with it, and the server recovers by itself."""
        server.execute("select 1")
        for row in server.execute(
            "select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
        )[:1]:
            os.kill(int(str(row[0])), 9)
        wait_until_ready(server)

    with nursery() as children, taker() as service:
        trials = Trials(office, tmp_path, children, service, chance)
        trials.begin()
        for number in range(TRIALS):
            trials.disturbed_trial((pull_the_plug, restart, end_connections, crash_one)[number % 4])
        announce(capsys, f"disturbances of postgresql: {trials.tally}")
        assert (trials.tally.lost, trials.tally.doubled) == (0, 0)
