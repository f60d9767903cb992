"""A scheduler whose clock is set, or whose jobs somebody ran by hand before it began: its timetable goes on."""

import datetime as dt

import time_machine

from jianheng.config.schedule import Schedule
from jianheng.schedule import slots
from jianheng.schedule.by_hand import run_by_hand
from jianheng.schedule.claims import Terms, claim
from jianheng.schedule.timetable import plans
from jianheng.store import leases
from jianheng.store.engine import now_us, writing
from test_scheduler import OFFICE, PATIENCE_S, done, eventually, history, made

HOUR_S, SECOND = 3600, 1_000_000
JOBS = {"work": {"run": "sync", "every": "1s"}}


def test_a_scheduler_whose_clock_goes_back_goes_on_at_once(lite_store):
    """It does not wait until the time has come that it once thought it was, and no slot runs twice."""
    ahead = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2 * HOUR_S)
    scheduler = made(lite_store, {"work": done}, JOBS)
    with time_machine.travel(ahead, tick=True) as clock:
        scheduler.start()
        try:
            eventually(lambda: history(lite_store), "a slot of the wrong time")
            clock.shift(-2 * HOUR_S)
            right = now_us()
            eventually(
                lambda: [each for each in history(lite_store) if right < each.slot_at < right + 60 * SECOND],
                "a slot of the right time",
            )
        finally:
            assert scheduler.drain(PATIENCE_S) == []
    assert {each.state for each in history(lite_store)} == {"done"}


def test_what_was_run_by_hand_first_is_no_timetable(lite_store):
    """As the operator's guide has it: each job once by hand, then the scheduler."""
    (plan,) = plans(Schedule.model_validate({"jobs": JOBS}), None)
    terms = Terms(OFFICE, "host-a", 60, 300)
    run_by_hand(lite_store, terms, plan, done)
    with writing(lite_store) as connection:
        leader = leases.take(connection, f"schedule:{OFFICE}", "host-a", 60)
    now = now_us() + 10 * SECOND
    assert claim(lite_store, terms, [plan], leader, now) is None  # from now on the timetable is known
    begun = claim(lite_store, terms, [plan], leader, now + 2 * SECOND)
    assert begun is not None
    assert begun.slot.slot_at > now
    with lite_store.connect() as connection:
        states = [each.state for each in slots.recent(connection, OFFICE, "work")]
    assert states == [slots.RUNNING, slots.BASELINE, slots.DONE]
