"""Timetables: when a job is due, counted from the configuration alone, so that every scheduler counts the same slots."""

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from jianheng.config.schedule import Job, Schedule, seconds_of
from jianheng.facts.time import SHANGHAI
from jianheng.logs import get_log
from jianheng.rules.workdays import WorkCalendar

HORIZON = dt.timedelta(days=7)
"""How far back missed slots are looked for."""

_ANCHOR = dt.datetime(2000, 1, 1, tzinfo=SHANGHAI)
"""Intervals are counted from here, not from when a scheduler happened to start."""
_TICK = dt.timedelta(milliseconds=1)
_DAY = dt.timedelta(days=1)
_DAY_MINUTES = 24 * 60
_SATURDAY = 5
_MOST_SLOTS = 20_000

Span = tuple[int, int]
"""A quiet window in minutes of the day, begin and end; one whose end comes first crosses midnight."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A job of the configuration with its timetable.

    Attributes:
        name: the job's name in the configuration.
        job: what the configuration says of it.
        trigger: counts its times; None where it only follows another job.
        quiet: when it may not begin.
        chain: the jobs before it, the first one first; of jobs with the same first one runs at a time.
    """

    name: str
    job: Job
    trigger: Any
    quiet: tuple[Span, ...] = ()
    chain: tuple[str, ...] = ()

    @property
    def first(self) -> str:
        """The job that its chain begins with."""
        return self.chain[0] if self.chain else self.name


class WorkdayTrigger(BaseTrigger):  # type: ignore[misc]  # the library has no types
    """Fires at one time of every working day; where the calendar ends, Monday to Friday, and the log says so."""

    __slots__ = ("_calendar", "_time", "_told")

    def __init__(self, calendar: WorkCalendar, time: dt.time) -> None:
        self._calendar, self._time, self._told = calendar, time, False

    def get_next_fire_time(self, previous_fire_time: dt.datetime | None, now: dt.datetime) -> dt.datetime:
        """Return the first time after the previous one, and not before now."""
        earliest = now if previous_fire_time is None else max(now, previous_fire_time + _TICK)
        day = earliest.astimezone(SHANGHAI).date()
        while True:
            found = dt.datetime.combine(day, self._time, SHANGHAI)
            if found >= earliest and self._is_workday(day):
                return found
            day += _DAY

    def _is_workday(self, day: dt.date) -> bool:
        try:
            return self._calendar.is_workday(day)
        except KeyError:
            if not self._told:
                self._told = True
                get_log("jianheng.schedule").warning(
                    "calendar ends", calendar=self._calendar.id, last=self._calendar.last.isoformat()
                )
            return day.weekday() < _SATURDAY


class Wake(BaseTrigger):  # type: ignore[misc]  # the library has no types
    """Fires when a slot of a job begins, quiet windows and jitter reckoned in."""

    __slots__ = ("_office", "_plan")

    def __init__(self, plan: "Plan", office: str) -> None:
        self._plan, self._office = plan, office

    def get_next_fire_time(
        self, previous_fire_time: dt.datetime | None, now: dt.datetime
    ) -> dt.datetime | None:
        """Return the first beginning after now."""
        earliest = now if previous_fire_time is None else max(now, previous_fire_time)
        slot = next_slot(self._plan, earliest - dt.timedelta(seconds=self._plan.job.jitter_s) - _TICK)
        while slot is not None:
            begins = begins_at(self._plan, self._office, slot)
            if begins > earliest:
                return begins.astimezone(SHANGHAI)
            slot = next_slot(self._plan, slot)
        return None


def plans(schedule: Schedule, calendar: WorkCalendar | None) -> tuple[Plan, ...]:
    """Return the jobs of a configuration with their timetables.

    Args:
        schedule: the checked configuration.
        calendar: the working calendar; needed where a job runs on working days.
    """
    return tuple(
        Plan(
            name,
            job,
            _trigger(job, calendar),
            tuple(_span(each) for each in (schedule.quiet if job.quiet is None else job.quiet)),
            _chain(schedule, job),
        )
        for name, job in schedule.jobs.items()
    )


def chains(several: Iterable[Plan]) -> dict[str, tuple[Plan, ...]]:
    """Return jobs by the one that their chain begins with, those that follow before what they follow."""
    found: dict[str, tuple[Plan, ...]] = {}
    for plan in sorted(several, key=lambda each: -len(each.chain)):
        found[plan.first] = (*found.get(plan.first, ()), plan)
    return found


def _chain(schedule: Schedule, job: Job) -> tuple[str, ...]:
    return () if job.after is None else (*_chain(schedule, schedule.jobs[job.after]), job.after)


def _trigger(job: Job, calendar: WorkCalendar | None) -> BaseTrigger | None:
    if job.every is not None:
        return IntervalTrigger(seconds=seconds_of(job.every), start_date=_ANCHOR, timezone=SHANGHAI)
    if job.cron is not None:
        return CronTrigger.from_crontab(job.cron, timezone=SHANGHAI)
    if job.workdays is not None:
        if calendar is None:
            raise ValueError("a job on working days needs a calendar")
        return WorkdayTrigger(calendar, dt.time.fromisoformat(job.workdays))
    return None


def _span(window: str) -> Span:
    begin, end = (int(each[:2]) * 60 + int(each[3:]) for each in window.split("-"))
    return begin, end


def next_slot(plan: Plan, after: dt.datetime) -> dt.datetime | None:
    """Return the first slot after a moment; None for a job that follows another.

    A time within a quiet window is moved to the window's end.
    """
    if plan.trigger is None:
        return None
    begin = _quiet_begin(plan.quiet, after)
    found = (after if begin is None else begin - _TICK) + _TICK
    while True:
        raw = plan.trigger.get_next_fire_time(None, found)
        if raw is None:
            return None
        slot = _out_of_quiet(plan.quiet, raw)
        if slot > after:
            return slot
        found = max(raw, slot) + _TICK


def slots_between(plan: Plan, after: dt.datetime, until: dt.datetime) -> Iterator[dt.datetime]:
    """Yield the slots after one moment up to and with another; at most the last week of them."""
    span = HORIZON
    if plan.job.every is not None:
        span = min(span, dt.timedelta(seconds=seconds_of(plan.job.every) * _MOST_SLOTS))
    slot = next_slot(plan, max(after, until - span))
    while slot is not None and slot <= until:
        yield slot
        slot = next_slot(plan, slot)


def begins_at(plan: Plan, office: str, slot: dt.datetime) -> dt.datetime:
    """Return when a slot begins: its time and its jitter, the same for every scheduler.

    The jitter reaches neither the next slot nor a quiet window.
    """
    if not plan.job.jitter_s:
        return slot
    told = f"{office}/{plan.name}/{int(slot.timestamp())}".encode()
    number = int.from_bytes(hashlib.blake2b(told, digest_size=8).digest())
    begins = slot + dt.timedelta(seconds=number % (plan.job.jitter_s + 1))
    following = next_slot(plan, slot)
    if following is not None and begins >= following:
        begins = slot + (begins - slot) % (following - slot)
    quiet = _quiet_begin(plan.quiet, begins)
    return begins if quiet is None else max(slot, quiet - dt.timedelta(seconds=1))


def is_quiet(plan: Plan, moment: dt.datetime) -> bool:
    """Return whether the job may not begin at a moment."""
    return _quiet_begin(plan.quiet, moment) is not None


def _out_of_quiet(spans: Sequence[Span], moment: dt.datetime) -> dt.datetime:
    """Return a moment, or where it is quiet then the end of that; windows may touch each other."""
    for _ in range(len(spans) + 1):
        span = _span_at(spans, moment)
        if span is None:
            return moment
        local = moment.astimezone(SHANGHAI)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        crossing = span[0] >= span[1] and _minute(local) >= span[0]
        moment = midnight + dt.timedelta(minutes=span[1] + (_DAY_MINUTES if crossing else 0))
    return moment


def _quiet_begin(spans: Sequence[Span], moment: dt.datetime) -> dt.datetime | None:
    """Return since when it is quiet at a moment; None where it is not."""
    begin = None
    for _ in range(len(spans) + 1):
        span = _span_at(spans, moment)
        if span is None:
            return begin
        local = moment.astimezone(SHANGHAI)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        before = span[0] >= span[1] and _minute(local) < span[1]
        begin = midnight + dt.timedelta(minutes=span[0] - (_DAY_MINUTES if before else 0))
        moment = begin - _TICK
    return begin


def _span_at(spans: Sequence[Span], moment: dt.datetime) -> Span | None:
    minute = _minute(moment.astimezone(SHANGHAI))
    for begin, end in spans:
        if begin <= minute < end if begin < end else minute >= begin or minute < end:
            return begin, end
    return None


def _minute(local: dt.datetime) -> int:
    return local.hour * 60 + local.minute
