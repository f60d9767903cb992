"""Schedulers killed at random for as long as one likes: no slot lost, none done twice. Run by ``make soak``.

``JIANHENG_SOAK_KILLS`` says how many (default 40); each is followed by a new process in the place of the killed one.
"""

import os
import random
import signal
import time
from collections import Counter

import sqlalchemy as sa

import schedule_process
from test_scheduler import eventually, history, schedulers, told

KILLS = int(os.environ.get("JIANHENG_SOAK_KILLS", "40"))
JOBS = {
    "sync": {"run": "sync", "every": "1s", "catch_up": "all", "retries": 20},
    "score": {"run": "score", "after": "sync", "catch_up": "all", "retries": 20},
    "outbox": {"run": "outbox", "every": "2s", "catch_up": "all", "retries": 20},
}


def test_schedulers_killed_at_random_lose_and_double_nothing(store):
    chance = random.Random(20260101)  # noqa: S311  # the same trial every time
    takes_s = {"sync": 0.2, "score": 0.1, "outbox": 0.05}
    killed = 0
    while killed < KILLS:
        skews = {f"{name}{killed}": chance.uniform(-1.5, 1.5) for name in "abc"}
        with schedulers(store, skews, jobs=JOBS, lease_s=1, takes_s=takes_s) as ids:
            for name in chance.sample(sorted(ids), 2):  # the third goes on
                time.sleep(chance.uniform(0.2, 2))
                os.kill(ids.pop(name), signal.SIGKILL)
                killed += 1
            seen = len(history(store, "score"))
            eventually(lambda seen=seen: len(history(store, "score")) > seen + 1, "more turns")
    ended = [each for each in history(store) if each.state not in ("lost", "released")]
    assert {each.state for each in ended} == {"done"}
    for job, step in (("sync", 1_000_000), ("outbox", 2_000_000)):
        times = [each.slot_at for each in history(store, job)]
        assert times == list(range(times[0], times[-1] + 1, step))
    with store.connect() as connection:
        did = Counter((row.job, row.slot) for row in connection.execute(sa.select(schedule_process.DID)))
    attempts = {(each.job, told(each)): len(each.detail.get("attempts", ())) for each in history(store)}
    assert all(count <= attempts[slot] for slot, count in did.items())
    done = {(each.job, told(each)) for each in history(store) if each.state == "done"}
    assert done <= did.keys()
