"""Each slot runs once: whoever of several schedulers begins it, whoever is killed, whatever the clocks say."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

import schedule_process
from jianheng.config.schedule import Schedule
from jianheng.errors import RetryError, StopError, problem
from jianheng.facts.time import SHANGHAI
from jianheng.schedule import slots
from jianheng.schedule.by_hand import run_by_hand
from jianheng.schedule.claims import Terms, claim, finish
from jianheng.schedule.metrics import Metrics
from jianheng.schedule.scheduler import Scheduler
from jianheng.schedule.status import read_status
from jianheng.schedule.timetable import plans
from jianheng.schedule.turn import moment_of
from jianheng.schedule.work import Outcome, failed
from jianheng.store import leases
from jianheng.store.engine import now_us, writing
from jianheng.store.operations import LEASE

OFFICE = schedule_process.OFFICE
PATIENCE_S = 30.0


def eventually(look: Callable[[], Any], what: str) -> Any:
    """Look again and again until there is something to see."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come in {PATIENCE_S} s")


def history(store: sa.Engine, job: str | None = None) -> list[slots.Slot]:
    """The slots, the oldest first, without the rows that say since when a job is known."""
    with store.connect() as connection:
        found = slots.recent(connection, OFFICE, job, limit=100_000)
    return [each for each in reversed(found) if each.state != slots.BASELINE]


# Several processes.


@contextmanager
def schedulers(store: sa.Engine, skews: dict[str, float], **schedule: Any) -> Iterator[dict[str, int]]:
    """Run a scheduler a holder, each with its clock; yield their process ids."""
    schedule_process.DID.metadata.create_all(store)
    url = store.url.render_as_string(hide_password=False)
    takes_s = schedule.pop("takes_s", {})
    told = [
        {"url": url, "schedule": schedule, "holder": holder, "skew_s": skew_s, "takes_s": takes_s}
        for holder, skew_s in skews.items()
    ]
    script = Path(schedule_process.__file__)
    command = [sys.executable, script, json.dumps(told)]
    ids: dict[str, int] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for _ in told:
                _, holder, number = process.stdout.readline().split()
                ids[holder] = int(number)
            yield ids
            for each in ids.values():
                os.kill(each, signal.SIGTERM)
            ended = process.stdout.read().split()
            assert process.wait(PATIENCE_S) == 0
            assert Counter(ended)["ended"] == len(ids)
        finally:
            for each in ids.values():
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)


def test_three_schedulers_with_skewed_clocks_run_each_slot_once_though_the_leader_is_killed(store):
    """The one killed in the middle of a slot leaves it lost; another catches it up when the leases have ended."""
    jobs = {
        "sync": {"run": "sync", "every": "1s", "catch_up": "all"},
        "score": {"run": "score", "after": "sync", "catch_up": "all"},
    }
    skews = {"a": 0.0, "b": 1.2, "c": -1.2}
    with schedulers(store, skews, jobs=jobs, lease_s=1, takes_s={"sync": 0.2}) as ids:
        eventually(
            lambda: len([each for each in history(store, "score") if each.state == "done"]) > 1,
            "a second turn",
        )
        (running,) = eventually(
            lambda: [each for each in history(store, "sync") if each.state == "running"], "a running slot"
        )
        os.kill(ids.pop(running.holder), signal.SIGKILL)
        lost = eventually(
            lambda: [
                each
                for each in history(store, "sync")
                if each.state == "done"
                and [one["state"] for one in each.detail["attempts"]] == ["lost", "done"]
            ],
            "the lost slot caught up",
        )
        seen = len(history(store))
        eventually(lambda: len(history(store)) > seen + 2, "more turns")
    assert lost[0].detail["attempts"][0]["holder"] == running.holder != lost[0].holder
    done = history(store)
    assert {each.state for each in done} == {"done"}
    with store.connect() as connection:
        did = Counter((row.job, row.slot) for row in connection.execute(sa.select(schedule_process.DID)))
        held = read_status(connection, OFFICE, (), ()).leases
    expected = Counter({("sync", told(each)): 1 for each in done if each.job == "sync"})
    expected += Counter({("score", told(each)): 1 for each in done if each.job == "score"})
    twice = {("sync", told(each)) for each in lost}
    assert {
        slot: count for slot, count in did.items() if count > 1
    }.keys() <= twice  # killed, then done again
    assert did.keys() == expected.keys()
    times = [each.slot_at for each in done if each.job == "sync"]
    assert times == list(range(times[0], times[-1] + 1, 1_000_000))  # none lost, none between
    followed = [each.slot_at for each in done if each.job == "score"]
    assert followed == times[: len(followed)]
    assert len(followed) >= len(times) - 1
    assert held == ()


def told(slot: slots.Slot) -> str:
    return moment_of(slot.slot_at).astimezone(SHANGHAI).isoformat()


# One process, looked at closely.


def made(store: sa.Engine, works: dict[str, Any], jobs: dict[str, Any], **more: Any) -> Scheduler:
    """A scheduler that has not started: a test beats for it."""
    schedule = Schedule.model_validate({"jobs": jobs, "lease_s": 1, **more})
    terms = Terms(OFFICE, f"test-{id(works)}", schedule.lease_s, schedule.late_s)
    return Scheduler(store, terms, plans(schedule, None), works, Metrics())


def done() -> Outcome:
    return Outcome(done=True, counts={"rows": 7})


def away() -> Outcome:
    raise RetryError("store-unreachable", url="sqlite://", told="nobody answers")


def broken() -> Outcome:
    raise StopError("policy-not-found", pack="x", where="y")


def faulty() -> Outcome:
    raise ZeroDivisionError


def leaves() -> Outcome:
    raise SystemExit(3)


def test_a_failed_job_is_recorded_retried_by_its_rule_and_blocks_no_other(lite_store):
    works = {"away": away, "broken": broken, "faulty": faulty, "leaves": leaves, "fine": done}
    jobs = {name: {"run": "sync", "every": "1s", "retries": 1, "retry_wait_s": 0.01} for name in works}
    jobs["fine"]["every"] = "2s"
    scheduler = made(lite_store, works, jobs)
    scheduler.start()
    try:
        eventually(
            lambda: (
                any(each.tries > 1 for each in history(lite_store, "away"))
                and all(history(lite_store, name) for name in works)
            ),
            "the second attempt",
        )
    finally:
        assert scheduler.drain(PATIENCE_S) == []
    ended = {name: next(each for each in history(lite_store, name) if each.finished_at) for name in works}
    assert {name: each.state for name, each in ended.items() if name != "away"} == {
        "broken": "failed",
        "faulty": "failed",
        "leaves": "failed",
        "fine": "done",
    }
    codes = {
        name: [one["code"] for each in slot.detail["attempts"] for one in each.get("problems", ())]
        for name, slot in ended.items()
    }
    assert (codes["broken"], codes["faulty"], codes["leaves"]) == (
        ["policy-not-found"],
        ["internal-error"],
        ["internal-error"],
    )
    assert set(codes["away"]) == {"store-unreachable"}
    twice = next(each for each in history(lite_store, "away") if each.tries > 1)
    assert (twice.state, len(twice.detail["attempts"])) == ("failed", 2)
    assert ended["fine"].detail["counts"] == {"rows": 7}


def test_what_runs_too_long_at_a_stop_is_released_and_begun_again_by_the_next(lite_store):
    hold = threading.Event()
    began = threading.Event()

    def long() -> Outcome:
        began.set()
        hold.wait(PATIENCE_S)
        return done()

    jobs = {"long": {"run": "sync", "every": "1s"}}
    first = made(lite_store, {"long": long}, jobs)
    first.start()
    assert began.wait(PATIENCE_S)
    assert first.drain(0.1) == ["long"]
    (left,) = [each for each in history(lite_store) if each.state == "released"]
    hold.set()
    second = made(lite_store, {"long": done}, {"long": {"run": "sync", "every": "1d"}})
    second.start()
    try:
        (again,) = eventually(
            lambda: [
                each for each in history(lite_store) if each.slot_at == left.slot_at and each.state == "done"
            ],
            "the released slot",
        )
    finally:
        assert second.drain(PATIENCE_S) == []
    assert [each["state"] for each in again.detail["attempts"]] == ["released", "done"]


def test_a_stop_lets_end_what_runs_and_begins_nothing_more(lite_store):
    began, hold = threading.Event(), threading.Event()

    def work() -> Outcome:
        began.set()
        hold.wait(PATIENCE_S)
        return done()

    scheduler = made(lite_store, {"work": work}, {"work": {"run": "sync", "every": "1s"}})
    scheduler.start()
    assert began.wait(PATIENCE_S)
    threading.Timer(1.3, hold.set).start()  # longer than a lease: it is renewed while draining
    assert scheduler.drain(PATIENCE_S) == []
    (only,) = history(lite_store)
    assert only.state == "done"
    assert only.finished_at - only.started_at > 1_200_000


def test_who_slept_past_his_lease_writes_nothing_when_he_wakes(every_store):
    """Another took the slot over and ended it; the sleeper's result changes nothing."""
    store = every_store
    jobs = {"work": {"run": "sync", "every": "1s"}}
    (plan,) = plans(Schedule.model_validate({"jobs": jobs}), None)
    asleep, awake = (Terms(OFFICE, holder, 60, 300) for holder in ("asleep", "awake"))

    def lead(terms: Terms) -> leases.Lease:
        with writing(store) as connection:
            taken = leases.take(connection, f"schedule:{OFFICE}", terms.holder, terms.lease_s)
        assert isinstance(taken, leases.Lease)
        return taken

    leader = lead(asleep)
    assert claim(store, asleep, [plan], leader, now_us()) is None  # from now on the job is known
    late = now_us() + 1_500_000
    mine = claim(store, asleep, [plan], leader, late)
    assert mine is not None
    with pytest.raises(AssertionError):
        lead(awake)
    with writing(store) as connection:  # as if he had been asleep for longer than both
        connection.execute(sa.update(LEASE).values(expires_at=1))
    other = lead(awake)
    with pytest.raises(leases.LeaseLostError):
        claim(store, asleep, [plan], leader, late + 5_000_000)
    taken = claim(store, awake, [plan], other, mine.slot.slot_at)
    assert taken is not None
    assert taken.slot.slot_at == mine.slot.slot_at
    assert finish(store, OFFICE, mine, Outcome(done=False, problems=(problem("store-busy"),)), late) is None
    assert finish(store, OFFICE, taken, done(), late) == "done"
    assert finish(store, OFFICE, mine, done(), late) is None
    (only,) = history(store)
    assert [(each["holder"], each["state"]) for each in only.detail["attempts"]] == [
        ("asleep", "lost"),
        ("awake", "done"),
    ]


@pytest.mark.parametrize(("after_s", "waits_s"), [(None, 60), (7200.0, 7200)])
def test_a_retry_waits_as_long_as_the_other_side_asked(lite_store, after_s, waits_s):
    (plan,) = plans(Schedule.model_validate({"jobs": {"work": {"run": "sync", "every": "1h"}}}), None)
    terms, now = Terms(OFFICE, "host-a", 60, 300), now_us()
    with writing(lite_store) as connection:
        leader = leases.take(connection, f"schedule:{OFFICE}", "host-a", 60)
    assert claim(lite_store, terms, [plan], leader, now) is None
    begun = claim(lite_store, terms, [plan], leader, now + 3_600_000_000)
    away_for = RetryError("store-unreachable", url="x", told="y", after_s=after_s)
    assert finish(lite_store, OFFICE, begun, failed(away_for), now) == "retrying"
    (row,) = history(lite_store)
    assert row.detail["retry_at"] == now + waits_s * 1_000_000


def test_a_run_by_hand_is_refused_while_the_job_runs_and_names_who_runs_it(lite_store):
    (plan,) = plans(Schedule.model_validate({"jobs": {"work": {"run": "sync", "every": "1d"}}}), None)
    terms = Terms(OFFICE, "host-a", 60, 300)
    refused: list[RetryError] = []

    def work() -> Outcome:
        with pytest.raises(RetryError) as error:
            run_by_hand(lite_store, Terms(OFFICE, "host-b", 60, 300), plan, done)
        refused.append(error.value)
        return done()

    state, outcome = run_by_hand(lite_store, terms, plan, work)
    assert (state, outcome.counts) == ("done", {"rows": 7})
    assert refused[0].code == "schedule-job-runs"
    assert refused[0].problem.fields["holder"] == "host-a"
    assert [each.state for each in history(lite_store)] == ["done"]


def test_the_metrics_can_be_read_and_tell_of_the_store(lite_store):
    run_by_hand(
        lite_store,
        Terms(OFFICE, "host-a", 60, 300),
        plans(Schedule.model_validate({"jobs": {"work": {"run": "sync", "every": "1d"}}}), None)[0],
        done,
    )

    def status() -> Any:
        with lite_store.connect() as connection:
            return read_status(connection, OFFICE, ("ucs",), ("work",))

    metrics = Metrics(status)
    metrics.beat(leads=True, well=True)
    metrics.ended("work", "done", 1.5)
    page = metrics.page().decode()
    samples = {
        (each.name, *each.labels.values()): each.value
        for family in text_string_to_metric_families(page)
        for each in family.samples
    }
    assert samples["jianheng_scheduler_leads",] == 1
    assert samples["jianheng_job_attempts_total", "work", "done"] == 1
    assert samples["jianheng_store_up",] == 1
    assert samples["jianheng_source_incomplete", "ucs"] == 1
    assert samples["jianheng_job_last_done_timestamp_seconds", "work"] == pytest.approx(time.time(), abs=60)
    assert ("jianheng_source_last_good_timestamp_seconds", "ucs") not in samples  # unknown is not zero


def test_a_store_that_is_away_is_told_not_raised():
    def status() -> Any:
        raise RetryError("store-unreachable", url="x", told="nobody answers")

    assert "jianheng_store_up 0.0" in Metrics(status).page().decode()
