"""A scheduler whose database goes away and comes back: it says so, begins nothing meanwhile, and goes on by itself."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import sqlalchemy as sa

from jianheng.config.schedule import Schedule
from jianheng.schedule.claims import Terms
from jianheng.schedule.metrics import Metrics
from jianheng.schedule.scheduler import Scheduler
from jianheng.schedule.timetable import plans
from jianheng.schedule.work import Outcome
from test_scheduler import OFFICE, PATIENCE_S, eventually, history


class Line:
    """A connection on loopback to a server, which can be cut and mended."""

    def __init__(self, host: str, port: int) -> None:
        self._server, self._ends, self._cut = (host, port), [], False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listening.accept()
                if self._cut:
                    here.close()
                    continue
                there = socket.create_connection(self._server)
                self._ends += [here, there]
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=self._carry, args=[one, other], daemon=True).start()

    @staticmethod
    def _carry(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while told := one.recv(65536):
                other.sendall(told)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """End every connection and refuse new ones."""
        self._cut = True
        for each in self._ends:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let connections through again."""
        self._cut = False

    def close(self) -> None:
        """End everything."""
        self.cut()
        self._listening.close()
        for each in self._ends:
            each.close()


@pytest.fixture
def line(postgresql_store: sa.Engine) -> Iterator[Line]:
    """The line to the store."""
    url = postgresql_store.url
    made = Line(url.host or "127.0.0.1", url.port or 5432)
    yield made
    made.close()


@pytest.mark.postgresql
def test_a_database_that_is_away_for_a_while_stops_nobody(postgresql_store: sa.Engine, line: Line):
    url = postgresql_store.url.set(host="127.0.0.1", port=line.port)
    store = sa.create_engine(url, isolation_level="REPEATABLE READ", connect_args={"connect_timeout": 2})
    schedule = Schedule.model_validate({"jobs": {"work": {"run": "sync", "every": "1s"}}, "lease_s": 1})
    terms = Terms(OFFICE, "far", schedule.lease_s, schedule.late_s)
    works = {"work": lambda: Outcome(done=True)}
    metrics = Metrics()
    scheduler = Scheduler(store, terms, plans(schedule, None), works, metrics)
    scheduler.start()
    try:
        eventually(lambda: history(postgresql_store), "a first turn")
        assert scheduler.is_well()
        line.cut()
        eventually(lambda: not scheduler.is_well(), "a word that the store is away")
        seen = len(history(postgresql_store))
        time.sleep(1.2)
        assert len(history(postgresql_store)) == seen
        line.mend()
        eventually(lambda: len(history(postgresql_store)) > seen + 1, "turns after the line was mended")
        assert scheduler.is_well()
    finally:
        assert scheduler.drain(PATIENCE_S) == []
        store.dispose()
    assert {each.state for each in history(postgresql_store)} <= {"done", "lost"}
    assert b'jianheng_scheduler_beats_total{result="failed"}' in metrics.page()
