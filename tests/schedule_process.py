"""Schedulers as processes of their own: ``python schedule_process.py`` with their settings as JSON on the command line.

One Python is started and forks a process for each of them. Their jobs write a line into a table of their own, so
that a slot that ran twice is seen. ``skew_s`` moves a scheduler's clock.
"""

import json
import os
import signal
import sys
import threading
import time
from typing import Any

import sqlalchemy as sa
from structlog.contextvars import get_contextvars

from jianheng.config.schedule import Schedule
from jianheng.schedule.claims import Terms
from jianheng.schedule.metrics import Metrics
from jianheng.schedule.scheduler import Scheduler
from jianheng.schedule.timetable import plans
from jianheng.schedule.work import Outcome
from jianheng.store.engine import now_us, open_store, writing

OFFICE = "990101"
DID = sa.Table(
    "did",
    sa.MetaData(),
    sa.Column("job", sa.String(40)),
    sa.Column("slot", sa.String(40)),
    sa.Column("holder", sa.String(40)),
)


def run(told: dict[str, Any]) -> int:
    """Run one scheduler until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    store = open_store(told["url"])
    schedule = Schedule.model_validate(told["schedule"])
    holder = told["holder"]

    def work(job: str) -> Outcome:
        with writing(store) as connection:
            slot = get_contextvars()["slot"]
            connection.execute(sa.insert(DID).values(job=job, slot=slot, holder=holder))
        time.sleep(told["takes_s"].get(job, 0))
        return Outcome(done=True)

    works = {name: lambda name=name: work(name) for name in schedule.jobs}
    terms = Terms(OFFICE, holder, schedule.lease_s, schedule.late_s)
    skew_us = int(told["skew_s"] * 1_000_000)
    scheduler = Scheduler(store, terms, plans(schedule, None), works, Metrics(), lambda: now_us() + skew_us)
    scheduler.start()
    say(f"started {holder} {os.getpid()}")
    stop.wait()
    left = scheduler.drain(schedule.drain_s)
    say(f"ended {holder} {len(left)}")
    return 0


def say(line: str) -> None:
    """Write a whole line at once: several processes share the pipe."""
    os.write(1, f"{line}\n".encode())


def main(several: list[dict[str, Any]]) -> None:
    """Fork a process for each scheduler and wait for all of them."""
    for told in several:
        if os.fork() == 0:
            os._exit(run(told))
    for _ in several:
        os.wait()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
