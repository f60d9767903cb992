"""When a job is due: counted from the configuration alone, the same by everybody, never within a quiet window."""

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jianheng.config.schedule import Schedule
from jianheng.facts.time import SHANGHAI
from jianheng.rules.workdays import WorkCalendar, read_calendar
from jianheng.schedule import slots
from jianheng.schedule.slots import Slot
from jianheng.schedule.timetable import Plan, Wake, begins_at, is_quiet, next_slot, plans, slots_between
from jianheng.schedule.turn import decide, us_of
from upstream import CHINA

OFFICE = "990101"


def at(text: str) -> dt.datetime:
    """A moment in Shanghai."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def us(text: str) -> int:
    return us_of(at(text))


def plan(calendar: WorkCalendar | None = None, quiet: tuple[str, ...] = (), **job: object) -> Plan:
    jobs = {"before": {"run": "sync", "every": "1h"}, "job": {"run": "score", **job}}
    return plans(Schedule.model_validate({"jobs": jobs, "quiet": quiet}), calendar)[1]


def shown(moments: object) -> list[str]:
    return [each.astimezone(SHANGHAI).strftime("%m-%d %H:%M") for each in moments]


@pytest.fixture(scope="module")
def china() -> WorkCalendar:
    found = read_calendar(CHINA.read_text(encoding="utf-8"), "china.toml", "china")
    assert isinstance(found, WorkCalendar)
    return found


def test_intervals_are_counted_from_a_fixed_day_not_from_the_start_of_a_scheduler():
    due = slots_between(plan(every="7h"), at("2026-03-01T00:00"), at("2026-03-02T00:00"))
    again = slots_between(plan(every="7h"), at("2026-03-01T05:13"), at("2026-03-02T00:00"))
    both = shown(due), shown(again)
    assert set(both[1]) <= set(both[0])
    assert len(both[0]) == 3


def test_cron_speaks_of_shanghai():
    due = slots_between(plan(cron="30 1 * * mon-fri"), at("2026-03-05T00:00"), at("2026-03-10T00:00"))
    assert shown(due) == ["03-05 01:30", "03-06 01:30", "03-09 01:30"]


def test_working_days_are_those_of_the_calendar(china):
    """1 to 3 January 2026 are off, Sunday the 4th is worked."""
    due = slots_between(plan(china, workdays="01:30"), at("2025-12-31T00:00"), at("2026-01-06T00:00"))
    assert shown(due) == ["12-31 01:30", "01-04 01:30", "01-05 01:30"]


def test_where_the_calendar_ends_monday_to_friday_are_worked(china):
    year = china.last.year + 1
    begin = dt.datetime(year, 3, 1, tzinfo=SHANGHAI)
    due = list(slots_between(plan(china, workdays="01:30"), begin, begin + dt.timedelta(days=7)))
    assert [each.weekday() for each in due] == sorted(range(5), key=lambda day: (day - begin.weekday()) % 7)


def test_a_slot_within_a_quiet_window_is_moved_to_its_end_once():
    due = slots_between(
        plan(every="1h", quiet=("07:30-12:00", "12:00-19:30")), at("2026-03-05T06:00"), at("2026-03-05T21:00")
    )
    assert shown(due) == ["03-05 07:00", "03-05 19:30", "03-05 20:00", "03-05 21:00"]


def test_the_moved_slot_is_found_from_within_the_window():
    """A scheduler that starts at noon knows that something from the morning waits for the evening."""
    daily = plan(cron="0 8 * * *", quiet=("07:30-19:00",))
    assert next_slot(daily, at("2026-03-05T12:00")) == at("2026-03-05T19:00")


def test_a_quiet_window_may_cross_midnight():
    daily = plan(cron="30 0 * * *", quiet=("22:00-06:00",))
    assert next_slot(daily, at("2026-03-05T23:00")) == at("2026-03-06T06:00")
    assert is_quiet(daily, at("2026-03-05T23:00"))
    assert not is_quiet(daily, at("2026-03-05T06:00"))


minutes = st.integers(0, 24 * 60 - 1)
windows = st.lists(st.tuples(minutes, st.integers(1, 20 * 60)), max_size=2).map(
    lambda spans: tuple(
        f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"
        for begin, length in spans
        for end in [(begin + length) % (24 * 60)]
    )
)


@given(
    every=st.sampled_from(["17m", "1h", "5h", "1d"]),
    quiet=windows,
    jitter_s=st.sampled_from([0, 90, 3600]),
    start=st.integers(0, 10**6),
    stop=st.integers(0, 60 * 24 * 60),
)
def test_slots_do_not_depend_on_who_asks_and_never_begin_when_it_is_quiet(
    every, quiet, jitter_s, start, stop
):
    begin = at("2026-01-01T00:00") + dt.timedelta(seconds=start)
    try:
        job = plan(every=every, quiet=quiet, jitter_s=jitter_s)
    except ValueError:  # the windows fill the day
        return
    whole = list(slots_between(job, begin, begin + dt.timedelta(days=2)))
    middle = begin + dt.timedelta(seconds=stop % 170_000)
    parts = [*slots_between(job, begin, middle), *slots_between(job, middle, begin + dt.timedelta(days=2))]
    assert parts == whole
    begun = [begins_at(job, OFFICE, each) for each in whole]
    assert not any(is_quiet(job, each) for each in [*whole, *begun])
    assert all(slot <= each <= slot + dt.timedelta(hours=1) for slot, each in zip(whole, begun, strict=True))
    assert all(one < following for one, following in pairwise(begun))
    assert all(each < following for each, following in zip(begun, whole[1:], strict=False))


def test_the_jitter_is_the_slots_own():
    jittered = plan(cron="30 1 * * *", jitter_s=600)
    due = list(slots_between(jittered, at("2026-03-01T00:00"), at("2026-03-08T00:00")))
    offsets = {(begins_at(jittered, OFFICE, each) - each).total_seconds() for each in due}
    assert len(offsets) > 3
    assert {(begins_at(jittered, OFFICE, each) - each).total_seconds() for each in due} == offsets
    assert begins_at(jittered, "990102", due[0]) != begins_at(jittered, OFFICE, due[0])


def test_the_scheduler_is_woken_when_a_slot_begins():
    jittered = plan(cron="30 1 * * *", jitter_s=600)
    wake = Wake(jittered, OFFICE)
    first = wake.get_next_fire_time(None, at("2026-03-01T00:00"))
    assert first == begins_at(jittered, OFFICE, at("2026-03-01T01:30"))
    assert wake.get_next_fire_time(first, first) == begins_at(jittered, OFFICE, at("2026-03-02T01:30"))


# Whose turn it is.


def slot(when: str, state: str, job: str = "job", **detail: object) -> Slot:
    begun = us(when)
    return Slot(job, begun, 1, "a", state, begun, begun + 1_000_000, detail)


def turn(job: Plan, now: str, *rows: Slot, before: tuple[Slot, ...] = (), late_s: float = 300) -> tuple:
    """What begins (and how many were passed over), and what is settled how."""
    newest_first = sorted(rows, key=lambda row: -row.slot_at)
    made = decide(job, OFFICE, newest_first, before, us(now), late_s)
    begins = made.begin and (
        shown([at("1970-01-01T08:00") + dt.timedelta(microseconds=made.begin.slot_at)])[0],
        made.begin.missed,
    )
    return begins, [(each.state, each.why) for each in made.settle]


BEGUN = slot("2026-03-05T00:30", "begun")


def test_a_job_that_is_not_due_waits():
    assert turn(plan(every="1h"), "2026-03-05T00:59", BEGUN) == (None, [])


def test_what_was_due_before_the_job_was_known_is_nobodys_debt():
    assert turn(plan(every="1h"), "2026-03-05T01:00:05", BEGUN) == (("03-05 01:00", 0), [])


@pytest.mark.parametrize(
    ("rule", "begins", "settled"),
    [
        ("latest", ("03-05 05:00", 4), []),
        ("all", ("03-05 01:00", 0), []),
        ("none", None, [("missed", "late")]),
    ],
)
def test_missed_slots_are_caught_up_by_the_rule(rule, begins, settled):
    assert turn(plan(every="1h", catch_up=rule), "2026-03-05T05:30", BEGUN) == (begins, settled)


@pytest.mark.parametrize(
    ("rule", "begins"), [("latest", ("03-05 01:00", 0)), ("all", ("03-05 01:00", 0)), ("none", None)]
)
@pytest.mark.parametrize("state", ["lost", "released"])
def test_a_slot_whose_process_is_gone_begins_again_by_the_rule(rule, begins, state):
    job = plan(every="1h", catch_up=rule)
    assert turn(job, "2026-03-05T01:20", BEGUN, slot("2026-03-05T01:00", state)) == (begins, [])


def test_a_slot_that_ends_every_process_is_given_up():
    attempts = [{"state": "lost"}] * 4
    row = slot("2026-03-05T01:00", "lost", attempts=attempts)
    assert turn(plan(every="1h"), "2026-03-05T01:20", BEGUN, row) == (None, [("failed", "tries")])


def test_a_failed_slot_waits_for_its_time_and_gives_way_to_a_newer_one():
    row = slot("2026-03-05T01:00", "retrying", retry_at=us("2026-03-05T01:30"))
    job = plan(every="1h")
    assert turn(job, "2026-03-05T01:29", BEGUN, row) == (None, [])
    assert turn(job, "2026-03-05T01:30", BEGUN, row) == (("03-05 01:00", 0), [])
    assert turn(job, "2026-03-05T02:00:10", BEGUN, row) == (("03-05 02:00", 0), [("failed", "overtaken")])


def test_nothing_begins_when_it_is_quiet():
    job = plan(every="1h", quiet=("01:10-02:30",))
    row = slot("2026-03-05T01:00", "lost")
    assert turn(job, "2026-03-05T01:20", BEGUN, row) == (None, [])
    assert turn(job, "2026-03-05T02:31", BEGUN, row) == (("03-05 02:30", 0), [])


def test_a_run_by_hand_takes_no_slot_of_the_timetable():
    by_hand = slot("2026-03-05T01:00:30", "done", by="hand")
    assert turn(plan(every="1h"), "2026-03-05T01:01", BEGUN, by_hand) == (("03-05 01:00", 0), [])


def test_a_slot_that_a_fast_clock_began_is_not_begun_again():
    ahead = slot("2026-03-05T02:00", "done")
    assert turn(plan(every="1h"), "2026-03-05T02:00:01", BEGUN, ahead) == (None, [])


def test_a_slot_far_in_the_future_stops_nothing():
    """Somebody's clock was wrong by a year."""
    astray = slot("2027-03-05T02:00", "done")
    assert turn(plan(every="1h"), "2026-03-05T01:00:01", BEGUN, astray) == (("03-05 01:00", 0), [])


def test_a_job_follows_what_is_done_and_skips_what_failed():
    job = plan(after="before")
    done, failed = slot("2026-03-05T01:00", "done", "before"), slot("2026-03-05T02:00", "failed", "before")
    waiting = slot("2026-03-05T03:00", "retrying", "before")
    assert turn(job, "2026-03-05T03:10", BEGUN, before=(waiting, failed, done)) == (
        ("03-05 01:00", 0),
        [("skipped", "failed")],
    )
    mine = (slot("2026-03-05T01:00", "done"), slot("2026-03-05T02:00", "skipped"))
    assert turn(job, "2026-03-05T03:10", BEGUN, *mine, before=(waiting, failed, done)) == (None, [])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("latest", (("03-05 02:00", 1), [("missed", "overtaken")])),
        ("all", (("03-05 01:00", 0), [])),
        ("none", (None, [("missed", "late"), ("missed", "late")])),
    ],
)
def test_what_was_done_before_is_followed_by_the_rule(rule, expected):
    done = tuple(slot(f"2026-03-05T0{hour}:00", "done", "before") for hour in (2, 1))
    assert turn(plan(after="before", catch_up=rule), "2026-03-05T02:30", BEGUN, before=done) == expected


def test_a_run_by_hand_is_followed_too():
    by_hand = slot("2026-03-05T01:07:30", "done", "before", by=slots.HAND)
    assert turn(plan(after="before"), "2026-03-05T01:08", BEGUN, before=(by_hand,)) == (
        ("03-05 01:07", 0),
        [],
    )
