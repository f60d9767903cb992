"""Notices: what stands is told once to whoever takes notices, and once more when it is over, whatever crashes between."""

import dataclasses
import datetime as dt
import io
import json
import logging
import threading

import pytest
import sqlalchemy as sa
import structlog

from compare_world import WORLD, deployment, run
from jianheng.config.schedule import Job, Schedule
from jianheng.contract import Receipt
from jianheng.errors import RetryError, StopError, problem
from jianheng.facts.time import wall_time
from jianheng.logs import configure_logs
from jianheng.publish.content import packed, unpacked
from jianheng.publish.outbox import OpenedTarget, send_due
from jianheng.publish.outbox_entries import retry
from jianheng.schedule import slots
from jianheng.schedule.by_hand import run_by_hand
from jianheng.schedule.claims import Terms
from jianheng.schedule.incidents import Incident, Watched, incidents
from jianheng.schedule.metrics import Metrics
from jianheng.schedule.notices import Sender, publication, queue_notices, told_before, waiting
from jianheng.schedule.run_history import read_runs
from jianheng.schedule.scheduler import Scheduler
from jianheng.schedule.status import read_status
from jianheng.schedule.timetable import Plan, plans
from jianheng.schedule.work import Outcome
from jianheng.scoring.law.period import period
from jianheng.store import leases
from jianheng.store.engine import moment, now_us, writing
from jianheng.store.operations import OUTBOX
from jianheng.store.runs import begin_run
from jianheng.sync.engine import record_unread
from jianheng.sync.entries import waive
from jianheng.sync.fence import take_fence
from upstream import OFFICE, case, person, sync, sync_world, table

NOW = 1_800_000_000_000_000
NIGHTLY = Job(run="sync", workdays="01:30")
HOURLY = Job(run="score", every="1h")
SENDER = Sender(OFFICE, "东屿区院")
TERMS = Terms(OFFICE, "host/1/1/x", 30.0, 300.0)


def watched(jobs=None, periods=()):
    return Watched(OFFICE, ("up", "other"), jobs or {}, "mini", periods)


def standing(store, **more):
    with store.connect() as connection:
        return incidents(connection, watched(**more))


def shown(store, **more):
    return [(each.about, each.subject, each.needs_person) for each in standing(store, **more)]


class Post:
    """Targets that take notices and remember them; one named in ``down`` takes nothing."""

    def __init__(self):
        self.got, self.down = [], {}

    def opened(self, name):
        def write(told):
            if name in self.down:
                raise self.down[name]
            self.got.append((name, told.notice.key, told.notice.over))
            return Receipt("there", 1)

        return OpenedTarget(write, 5.0, lambda: None)


def tell(store, post, *targets, at=NOW, **more):
    """Look once, as is done after every job; return what was delivered."""
    before = len(post.got)
    queue_notices(store, SENDER, standing(store, **more), targets, at)
    with store.connect() as connection:
        due = waiting(connection, OFFICE, at)
    send_due(store, OFFICE, post.opened, at, only=due)
    return post.got[before:]


def good():
    return table("person", *(person(f"p{each}") for each in range(12)))


def broken(error=None):
    made = good()
    made.error, made.fails_after = error or StopError("sync-no-ranges", source="up"), 0
    return made


# What stands.


def test_a_source_stands_from_its_first_bad_run_until_it_was_read_to_its_end(lite_store):
    sync(lite_store, good())
    assert standing(lite_store) == []
    first = sync(lite_store, broken()).run_id
    sync(lite_store, broken(RetryError("sync-quiet", source="up", until="06:00")))
    (found,) = standing(lite_store)
    assert (found.key, found.needs_person) == (f"source/up/{first}", False)
    assert [each["code"] for each in found.told] == ["sync-quiet"]
    sync(lite_store, good())
    assert standing(lite_store) == []


def test_a_source_that_could_not_even_be_opened_says_why(lite_store):
    record_unread(lite_store, OFFICE, "other", StopError("sync-no-ranges", source="other"))
    (found,) = standing(lite_store)
    assert (found.subject, found.needs_person, found.told[0]["code"]) == ("other", True, "sync-no-ranges")


def test_a_sync_whose_process_is_gone_stands_though_nobody_was_left_to_say_so(lite_store):
    sync(lite_store, good())
    fence = take_fence(lite_store, OFFICE, "up")
    with writing(lite_store) as connection:
        run_id = begin_run(connection, OFFICE, "sync", "up")
    with lite_store.connect() as connection:
        status = read_status(connection, OFFICE, ["up"], [])
    assert (status.sources[0].state, standing(lite_store)) == ("running", [])
    with writing(lite_store) as connection:
        leases.release(connection, fence.lease)
    (found,) = standing(lite_store)
    assert (found.key, found.told[0]["code"]) == (f"source/up/{run_id}", "standing-source-broken")
    with lite_store.connect() as connection:
        status = read_status(connection, OFFICE, ["up"], [])
        (last, _) = read_runs(connection, OFFICE, "sync", "up", 10)
    assert (status.sources[0].state, status.sources[0].complete, last.state) == ("broken", False, "broken")


def test_rows_in_quarantine_stand_with_their_codes_until_they_are_mended_or_waived(lite_store):
    people, cases = good(), table("case", case("C1"), case("C2", accepted_on="昨天"))
    sync(lite_store, people, cases)
    (found,) = standing(lite_store)
    assert (found.about, found.subject) == ("quarantine", "up")
    assert "row-not-a-date × 1" in found.told[0]["what"]
    assert "昨天" not in str(found.told)
    with writing(lite_store) as connection:
        number = int(found.episode)
        waive(
            connection,
            OFFICE,
            [number],
            wall_time(moment(now_us())).date() + dt.timedelta(days=2),
            "原件在卷",
            "王检",
        )
    assert standing(lite_store) == []


def test_a_waiver_that_ran_out_is_told_again(lite_store, monkeypatch):
    sync(lite_store, good(), table("case", case("C2", accepted_on="昨天")))
    (before,) = standing(lite_store)
    tomorrow = wall_time(moment(now_us())).date() + dt.timedelta(days=1)
    with writing(lite_store) as connection:
        waive(connection, OFFICE, [int(before.episode)], tomorrow, "原件在卷", "王检")
    later = now_us() + 5 * 86_400_000_000
    monkeypatch.setattr("jianheng.schedule.incidents.now_us", lambda: later)
    (after,) = standing(lite_store)
    assert after.key != before.key
    assert after.key.startswith(before.key)


def by_hand(store, job, outcome, name="score"):
    return run_by_hand(store, TERMS, Plan(name, job, None), lambda: outcome)[0]


def test_a_job_stands_from_its_first_failure_until_it_is_done(lite_store):
    jobs = {"score": HOURLY}
    wrong = Outcome(done=False, recovery="stop", problems=(problem("sync-no-ranges", source="up"),))
    assert by_hand(lite_store, HOURLY, wrong) == slots.FAILED
    (first,) = standing(lite_store, jobs=jobs)
    by_hand(lite_store, HOURLY, wrong)
    (again,) = standing(lite_store, jobs=jobs)
    assert (first.about, first.subject, first.needs_person, first.key) == ("job", "score", True, again.key)
    assert first.told[0]["code"] == "sync-no-ranges"
    by_hand(lite_store, HOURLY, Outcome(done=True))
    assert standing(lite_store, jobs=jobs) == []


def test_a_sync_that_failed_because_of_its_sources_is_told_by_them_alone(lite_store):
    sync(lite_store, broken())
    by_hand(lite_store, NIGHTLY, Outcome(done=False, recovery="stop"), "nightly")
    assert shown(lite_store, jobs={"nightly": NIGHTLY}) == [("source", "up", True)]
    by_hand(lite_store, NIGHTLY, Outcome(done=False, recovery="stop"), "nightly")
    sync(lite_store, good())
    assert shown(lite_store, jobs={"nightly": NIGHTLY}) == [("job", "nightly", True)]


def test_a_period_stands_when_it_has_ended_and_is_not_closed(lite_store):
    past, future = period("2020"), period("2099")
    assert shown(lite_store, periods=[past, future]) == [("period", "2020", True)]


# What is told.


def test_what_stands_is_told_once_to_each_target_and_its_end_once(lite_store):
    post = Post()
    run_id = sync(lite_store, broken()).run_id
    key = f"source/up/{run_id}"
    assert tell(lite_store, post, "mail", "hook") == [("hook", key, False), ("mail", key, False)]
    assert tell(lite_store, post, "mail", "hook") == []
    sync(lite_store, broken())
    assert tell(lite_store, post, "mail", "hook") == []
    sync(lite_store, good())
    assert tell(lite_store, post, "mail", "hook") == [("hook", key, True), ("mail", key, True)]
    assert tell(lite_store, post, "mail", "hook") == []
    again = sync(lite_store, broken()).run_id
    assert tell(lite_store, post, "mail") == [("mail", f"source/up/{again}", False)]


def test_a_target_that_is_down_gets_all_of_it_later_in_its_order(lite_store):
    post = Post()
    post.down["mail"] = RetryError("sync-quiet", source="mail", until="06:00")
    run_id = sync(lite_store, broken()).run_id
    assert tell(lite_store, post, "mail") == []
    sync(lite_store, good())
    assert tell(lite_store, post, "mail") == []
    post.down.clear()
    hour = 3_600_000_000
    assert tell(lite_store, post, "mail", at=NOW + 2 * hour) == [
        ("mail", f"source/up/{run_id}", False),
        ("mail", f"source/up/{run_id}", True),
    ]


def test_a_crash_between_queueing_and_sending_loses_and_doubles_nothing(lite_store, monkeypatch):
    post = Post()
    sync(lite_store, broken())
    with monkeypatch.context() as patch:
        patch.setattr(
            "jianheng.publish.outbox._keep_receipt", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            tell(lite_store, post, "mail")
    tell(lite_store, post, "mail")
    with lite_store.connect() as connection:
        names = connection.execute(sa.select(OUTBOX.c.idempotency_key, OUTBOX.c.state)).all()
    assert [state for _, state in names] == ["sent"]
    assert (
        len({key for _, key, _ in post.got}) == 1
    )  # given twice under one id: the target's promise makes it one


def test_a_target_is_not_told_of_its_own_trouble_and_the_others_are_once(lite_store):
    post = Post()
    post.down["mail"] = StopError("sync-no-ranges", source="mail")
    sync(lite_store, broken())
    for each in range(3):
        tell(lite_store, post, "mail", "hook", at=NOW + each)
    assert [(name, key.split("/")[0]) for name, key, _ in post.got] == [
        ("hook", "source"),
        ("hook", "target"),
    ]
    with lite_store.connect() as connection:
        assert len(told_before(connection, OFFICE, "mail")) == 1
    post.down.clear()
    retry(lite_store, OFFICE, [], "我", NOW)
    assert [name for name, key, over in tell(lite_store, post, "mail", "hook", at=NOW + 9) if over] == []
    assert [(name, over) for name, key, over in tell(lite_store, post, "mail", "hook", at=NOW + 10)] == [
        ("hook", True)
    ]


def test_what_is_tried_again_just_now_is_not_told_yet_and_not_over_either(lite_store):
    post, jobs = Post(), {"nightly": NIGHTLY}
    sync(lite_store, broken())
    slot = slots.Slot("nightly", NOW, 1, "x", slots.RETRYING, NOW, NOW, {})
    with writing(lite_store) as connection:
        slots.add(connection, OFFICE, slot)
    assert tell(lite_store, post, "mail", jobs=jobs) == []
    with writing(lite_store) as connection:
        slots.change(connection, OFFICE, dataclasses.replace(slot, state=slots.FAILED), slot)
    assert [over for _, _, over in tell(lite_store, post, "mail", jobs=jobs)] == [False]
    with writing(lite_store) as connection:
        slots.add(connection, OFFICE, dataclasses.replace(slot, slot_at=NOW + 1))
    assert tell(lite_store, post, "mail", jobs=jobs) == []


def test_a_notice_says_what_where_why_and_what_to_do_and_hides_what_is_secret(lite_store):
    told = {"code": "x", "what": "电话 13812345678", "where": "某处", "why": "因为", "do": "去做"}
    incident = Incident("source", "up", "7", NOW, True, (told,) * 1)
    queue_notices(lite_store, SENDER, [incident], ["mail"], NOW)
    post = Post()
    kept = []
    opened = OpenedTarget(lambda each: kept.append(each) or Receipt("", 1), 5.0, lambda: None)
    send_due(lite_store, OFFICE, lambda _name: opened, NOW)
    (found,) = kept
    assert found.notice.text.splitlines() == [
        "[x] 电话 " + "*" * 11,
        "  位置: 某处",
        "  影响: 因为",
        "  处理: 去做",
    ]
    assert (found.kind, found.period, found.notice.title) == ("notices", "", "数据源 up 没有读全")
    assert unpacked(packed(found)) == found
    assert publication(SENDER, found.notice, NOW + 5).id == found.id
    del post


# By whom.


def scheduler(store, work, tell):
    made = plans(Schedule(jobs={"score": Job(run="score", every="1s")}, lease_s=2), None)
    terms = dataclasses.replace(TERMS, lease_s=2.0)
    return Scheduler(store, terms, made, {"score": work}, Metrics(), tell=tell)


def test_the_scheduler_tells_after_every_job_whatever_telling_comes_to(lite_store):
    told, both = [], threading.Event()

    def tell():
        told.append(1)
        if len(told) > 1:
            both.set()
        raise StopError("sync-no-ranges", source="up")

    running = scheduler(lite_store, lambda: Outcome(done=True), tell)
    running.start()
    try:
        assert both.wait(20)
    finally:
        assert running.drain(5) == []


def test_telling_that_hangs_keeps_no_job_and_no_stop_waiting(lite_store):
    done, more, go_on = [], threading.Event(), threading.Event()

    def work():
        done.append(1)
        if len(done) > 2:
            more.set()
        return Outcome(done=True)

    running = scheduler(lite_store, work, lambda: Outcome(go_on.wait(60)))
    running.start()
    try:
        assert more.wait(30)
    finally:
        left = running.drain(0.2)
        go_on.set()
    assert left == ["notices"]


def test_notices_from_the_command_line_reach_the_folder_once(tmp_path, lite_store, monkeypatch):
    sync_world(lite_store, WORLD)
    folder = deployment(tmp_path, lite_store, monkeypatch)
    file = folder / "deployment.toml"
    text = file.read_text(encoding="utf-8")
    told = run(folder, "notices")
    assert told.code == 0
    assert "standing-period-due" in told.out
    assert run(folder, "notices", "--send", "--json").errors().keys() == {"notices-no-target"}
    file.write_text(
        text + '[targets.sms]\nadapter = "notice-folder"\noptions = { folder = "sms" }\n', encoding="utf-8"
    )
    count = len(run(folder, "notices", "--json").json()["notices"])
    assert count > 0
    assert run(folder, "notices", "--send", "--json").json()["counts"] == {"sent": count, "failed": 0}
    assert run(folder, "notices", "--send", "--json").json()["counts"] == {"sent": 0, "failed": 0}
    made = [json.loads(each.read_text(encoding="utf-8")) for each in (folder / "sms").iterdir()]
    assert len(made) == count
    assert {each["state"] for each in made} == {"began"}
    assert run(folder, "publish").code == 0  # nothing of a period goes to a target of notices
    assert len([*(folder / "sms").iterdir()]) == count


def test_every_stream_leaves_a_line_in_the_log_with_office_source_and_run(lite_store):
    lines = io.StringIO()
    configure_logs(logging.INFO, as_json=True, stream=lines)
    try:
        report = sync(lite_store, good(), broken_case())
    finally:
        structlog.reset_defaults()
        drop_handlers()
    told = [json.loads(each) for each in lines.getvalue().splitlines()]
    ended = {each["stream"]: each for each in told if each["event"] == "stream ended"}
    assert {(each["office"], each["source"], each["run"]) for each in ended.values()} == {
        (OFFICE, "up", report.run_id)
    }
    assert ended["person"]["counts"] == {"emitted": 12, "inserted": 12}
    assert (ended["case"]["state"], ended["case"]["problems"]) == ("failed", ["sync-no-ranges"])


def broken_case():
    made = table("case", case("C1"))
    made.error, made.fails_after = StopError("sync-no-ranges", source="up"), 0
    return made


def drop_handlers():
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(handler)
