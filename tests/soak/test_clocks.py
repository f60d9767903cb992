"""Clocks that are wrong, jump back and forth, or stand in other zones: each slot once, the facts exact. ``make soak``."""

import os
import random
import signal
import time
from collections import Counter

import pytest
import sqlalchemy as sa

from fault_nursery import announce, eventually, nursery, taker
from fault_trials import Trials
from jianheng.facts.time import SHANGHAI
from jianheng.schedule import slots
from jianheng.schedule.turn import moment_of
from jianheng.store.engine import now_us
from schedule_process import DID
from upstream import OFFICE

ZONES = ("America/New_York", "Asia/Kolkata", "Pacific/Chatham", "UTC")
EACH_SECOND = {"lease_s": 2, "jobs": {"sync": {"run": "sync", "every": "1s"}}}
LONG_S = 20


@pytest.fixture(scope="module")
def children():
    with nursery() as made:
        yield made


@pytest.fixture
def trials(store, tmp_path, children):
    with taker() as service:
        made = Trials(store, tmp_path, children, service, random.Random(20260106), clock_moves=True)  # noqa: S311
        yield made


def notes(store):
    """Return how often each slot was worked on, and the slots."""
    with store.connect() as connection:
        did = Counter(row.slot for row in connection.execute(sa.select(DID)))
        rows = [
            each for each in slots.recent(connection, OFFICE, "sync", 100_000) if each.state != slots.BASELINE
        ]
    return did, rows


def told(slot):
    return moment_of(slot.slot_at).astimezone(SHANGHAI).isoformat()


def steps(chance):
    """Return an hour too early or too late, and jumps of up to an hour both ways, one each second or two."""
    return [[0, chance.uniform(-3600, 3600)]] + [
        [chance.uniform(0.5, 2), chance.choice([-3600, -60, -5, 5, 60, 3600])] for _ in range(12)
    ]


def test_three_schedulers_whose_clocks_differ_and_jump_run_each_slot_once(trials, capsys):
    """On PostgreSQL each has a clock of its own; on SQLite, where all are on one machine, all jump together."""
    store, chance = trials.store, trials.chance
    DID.metadata.create_all(store)
    alike = steps(chance)
    zones = chance.sample(ZONES, 3)
    clocks = [alike if store.dialect.name == "sqlite" else steps(chance) for _ in zones]
    running = [
        trials.start(schedule=EACH_SECOND, notes=True, steps=clock, zone=zone)
        for zone, clock in zip(zones, clocks, strict=True)
    ]
    time.sleep(LONG_S)
    for each in running:
        os.kill(each, signal.SIGTERM)
    assert [trials.nursery.wait(each) for each in running] == [0, 0, 0], trials.said()
    did, rows = notes(store)
    attempts = {told(each): each.detail.get("attempts", ()) for each in rows}
    worked = f"{len(rows)} slots, {sum(did.values())} times worked on"
    announce(capsys, f"clocks on {store.dialect.name}: {worked}")
    assert len(did) > LONG_S // 2
    assert did.keys() <= attempts.keys()
    for slot, count in did.items():
        ends = Counter(each["state"] for each in attempts[slot])
        assert ends[slots.DONE] <= 1
        # A clock that jumps ahead ends leases in SQLite: who is overtaken so is on record, and his end is refused.
        assert count <= ends[slots.DONE] + ends[slots.LOST], (slot, count, ends)
    if store.dialect.name == "postgresql":
        assert set(did.values()) == {1}


def test_a_scheduler_goes_on_when_its_clock_is_set_right(trials):
    """Two hours ahead for a while, then right: the slots of the time between run when that comes, none of them twice."""
    DID.metadata.create_all(trials.store)
    one = trials.start(schedule=EACH_SECOND, notes=True, steps=[[0, 7200], [4, -7200]])
    time.sleep(4)
    right = now_us()
    eventually(
        lambda: sum(right < each.slot_at < right + 60_000_000 for each in notes(trials.store)[1]) > 3,
        "slots of the right time",
    )
    os.kill(one, signal.SIGTERM)
    assert trials.nursery.wait(one) == 0
    did, _ = notes(trials.store)
    assert set(did.values()) == {1}


def test_facts_are_exact_whatever_the_clock_does(trials):
    """Moments are recorded in order although the clock goes back a day in the middle; a zone changes nothing."""
    trials.begin()
    for zone, jumps in zip(ZONES, ([86400], [-86400], [-86400, 86400], [3600, -7200]), strict=True):
        trials.world.change()
        trials.finish(zone=zone, steps=[[0, 0], *[[0.1, each] for each in jumps]])
    trials.check_ledger()
