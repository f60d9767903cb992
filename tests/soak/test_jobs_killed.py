"""Jobs killed at every named point and at random, started again, compared: nothing lost, nothing doubled. ``make soak``.

``JIANHENG_SOAK_TRIALS`` says how many deaths there are over SQLite and PostgreSQL, schedulers included (default 200);
MariaDB has half as many more.
"""

import os
import random

import pytest

import fault_points
from fault_nursery import AT_RANDOM, announce, nursery, taker
from fault_trials import Trials, points_in_turn

TRIALS = int(os.environ.get("JIANHENG_SOAK_TRIALS", "200"))
JOBS = TRIALS * 35 // 100
"""On each kind of store; the other three tenths of SQLite and PostgreSQL are schedulers."""
SCHEDULERS = TRIALS * 15 // 100


@pytest.fixture(scope="module")
def children():
    with nursery() as made:
        yield made


@pytest.fixture
def service():
    with taker() as server:
        yield server


def told(capsys, store, what, tally):
    announce(capsys, f"{what} on {store.dialect.name}: {tally}")


def test_jobs_killed_at_every_point_and_at_random(every_store, tmp_path, children, service, capsys):
    chance = random.Random(20260101)  # noqa: S311  # the same trials every time
    trials = Trials(every_store, tmp_path, children, service, chance)
    trials.begin()
    points = points_in_turn(chance)
    while sum(trials.tally.kills.values()) < JOBS:
        point = next(points)
        often = chance.randint(1, 30) if point in fault_points.TRANSACTIONS else 1
        assert trials.trial(point, often) or not point, point
    trials.check_ledger()
    told(capsys, every_store, "jobs", trials.tally)
    assert (trials.tally.lost, trials.tally.doubled) == (0, 0)


def test_schedulers_killed_in_the_middle_of_real_jobs(every_store, tmp_path, children, service, capsys):
    chance = random.Random(20260102)  # noqa: S311
    trials = Trials(every_store, tmp_path, children, service, chance)
    trials.begin()
    points = points_in_turn(chance, (*fault_points.JOB, *fault_points.OF_SLOTS))
    while sum(trials.tally.kills.values()) < SCHEDULERS:
        point = next(points)
        often = chance.randint(1, 60) if point in fault_points.TRANSACTIONS else 1
        assert trials.scheduled_trial(point, often), point
    named = sum(trials.tally.kills.values()) - trials.tally.kills[AT_RANDOM]
    assert named >= SCHEDULERS // 4
    trials.check_slots()
    trials.check_ledger()
    told(capsys, every_store, "schedulers", trials.tally)
    assert (trials.tally.lost, trials.tally.doubled) == (0, 0)


FROZEN_AT = (
    "between two sources",
    "before the scoring",
    "before the publication",
    "a lease is taken",
    "rows are written, the cursor is not",
    "what vanished is half buried",
    "a slot has begun, uncommitted",
    "a slot is about to end",
    "before a transaction",
    "just before a commit",
)


@pytest.mark.postgresql
def test_schedulers_frozen_for_longer_than_their_leases(
    postgresql_store, tmp_path, children, service, capsys
):
    """Another takes over, also when the frozen one holds locks; woken, it writes nothing and ends in peace.

    Not on SQLite: who is frozen there within a transaction holds the file, and all others wait until he wakes.
    """
    trials = Trials(postgresql_store, tmp_path, children, service, random.Random(20260103))  # noqa: S311
    trials.begin()
    for point in FROZEN_AT:
        assert trials.scheduled_trial(point, by="SIGSTOP"), point
    told(capsys, postgresql_store, "frozen schedulers", trials.tally)
    assert (trials.tally.lost, trials.tally.doubled) == (0, 0)
