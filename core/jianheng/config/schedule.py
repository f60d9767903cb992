"""What a deployment says about when things run: the only truth about jobs, read when the scheduler starts."""

import datetime as dt
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from jianheng.config.faults import likely
from jianheng.config.kinds import DAY_S, Name, Seconds, Table, Text, Texts
from jianheng.errors import Problem, problem

CatchUp = Literal["latest", "all", "none"]
Work = Literal["sync", "score", "publish", "outbox"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY_S}
_INTERVAL = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_WINDOW = re.compile(rf"{_TIME.pattern}-(?:{_TIME.pattern}|24:00)")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")
_MOST_PORT = 65_535
_CRON_FIELDS = 5
_MOST_INTERVAL_S = 366 * DAY_S


def _check_interval(value: str) -> str:
    if not _INTERVAL.fullmatch(value) or seconds_of(value) > _MOST_INTERVAL_S:
        raise PydanticCustomError("config-bad-interval", "not an interval")
    return value


def _check_cron(value: str) -> str:
    from apscheduler.triggers.cron import CronTrigger

    fields = value.split()
    # Cron counts weekdays from Sunday, the library from Monday: only names say which is meant.
    if len(fields) != _CRON_FIELDS or re.search(r"[0-9]", fields[4].partition("/")[0]):
        raise PydanticCustomError("config-bad-cron", "not a cron line")
    try:
        CronTrigger.from_crontab(value, timezone=dt.UTC)
    except ValueError:
        raise PydanticCustomError("config-bad-cron", "not a cron line") from None
    return value


def _check_time(value: str) -> str:
    if not _TIME.fullmatch(value):
        raise PydanticCustomError("config-bad-time", "not a time of day")
    return value


def _check_windows(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        begin, _, end = value.partition("-")
        if not _WINDOW.fullmatch(value) or begin == end:
            raise PydanticCustomError("config-bad-window", "not a window")
    if values and all(_quiet_at(values, minute) for minute in range(24 * 60)):
        raise PydanticCustomError("config-bad-window", "the whole day")
    return values


def _quiet_at(windows: Collection[str], minute: int) -> bool:
    spans = [[_minutes(part) for part in each.split("-")] for each in windows]
    return any(a <= minute < b if a < b else minute >= a or minute < b for a, b in spans)


def _minutes(time: str) -> int:
    hours, _, minutes = time.partition(":")
    return int(hours) * 60 + int(minutes)


def _check_address(value: str) -> str:
    found = _ADDRESS.fullmatch(value)
    if value and (found is None or int(found[2]) > _MOST_PORT):
        raise PydanticCustomError("config-bad-address", "not an address")
    return value


def seconds_of(interval: str) -> int:
    """Return the seconds of an interval such as ``30m``."""
    return int(interval[:-1]) * _UNITS[interval[-1]]


Interval = Annotated[str, AfterValidator(_check_interval)]
Cron = Annotated[str, AfterValidator(_check_cron)]
TimeOfDay = Annotated[str, AfterValidator(_check_time)]
Windows = Annotated[tuple[Text, ...], Field(strict=False), AfterValidator(_check_windows)]
Address = Annotated[str, AfterValidator(_check_address)]


class Job(Table):
    """One thing that runs again and again: what, and exactly one of when or after what."""

    run: Work
    every: Interval | None = None
    cron: Cron | None = None
    workdays: TimeOfDay | None = None
    after: Name | None = None
    sources: Texts = ()
    targets: Texts = ()
    periods: Texts = ()
    jitter_s: Annotated[int, Field(ge=0, le=3600)] = 0
    catch_up: CatchUp = "latest"
    retries: Annotated[int, Field(ge=0, le=20)] = 3
    retry_wait_s: Seconds = 60.0
    quiet: Windows | None = None


class Schedule(Table):
    """When things run, who may start them, and where the scheduler tells how it is."""

    jobs: Mapping[Name, Job] = Field(default_factory=dict)
    calendar: Text = "china"
    quiet: Windows = ()
    lease_s: Annotated[Seconds, Field(ge=1)] = 30.0
    drain_s: Seconds = 300.0
    late_s: Seconds = 300.0
    listen: Address = "127.0.0.1:9464"


def schedule_faults(
    schedule: Schedule, sources: Collection[str], targets: Collection[str], file: str
) -> Iterator[Problem]:
    """Yield what is wrong between the jobs, and between them and what else the deployment names."""
    for name, job in schedule.jobs.items():
        path = f"schedule.jobs.{name}"
        when = [each for each in (job.every, job.cron, job.workdays, job.after) if each is not None]
        if len(when) != 1:
            yield problem("config-job-when", file=file, path=path, count=len(when))
        if job.after is not None and (job.after not in schedule.jobs or name in _before(schedule, name)):
            others = sorted(set(schedule.jobs) - {name})
            near = likely(job.after, others)
            yield problem("config-job-after", file=file, path=f"{path}.after", given=job.after, nearest=near)
        known: Mapping[str, tuple[str, Collection[str]]] = {
            "sources": ("sync", sources),
            "targets": ("publish", targets),
        }
        for key, (work, names) in known.items():
            for each in getattr(job, key):
                if job.run != work or each not in names:
                    near = likely(each, names) if job.run == work else f'run = "{work}"'
                    yield problem(
                        "config-job-subject", file=file, path=f"{path}.{key}", given=each, nearest=near
                    )
        if job.run == "sync" and job.periods:
            given = "、".join(job.periods)
            yield problem(
                "config-job-subject", file=file, path=f"{path}.periods", given=given, nearest='run = "score"'
            )


def _before(schedule: Schedule, name: str) -> set[str]:
    """Return the jobs that come before one, up to where the chain ends or runs into itself."""
    found: set[str] = set()
    here = schedule.jobs[name].after
    while here is not None and here in schedule.jobs and here not in found:
        found.add(here)
        here = schedule.jobs[here].after
    return found
