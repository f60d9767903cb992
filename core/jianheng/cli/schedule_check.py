"""What ``jianheng doctor`` says of the schedule: what each job does next, and what no job does."""

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from jianheng.cli.opening import plugin_of_target
from jianheng.cli.session import Session
from jianheng.cli.storage import bare_store_of
from jianheng.cli.timetables import calendar_of, coming, plans_of, when
from jianheng.config.schedule import Job
from jianheng.contract import Finding
from jianheng.errors import JianhengError, problem
from jianheng.facts.time import wall_time
from jianheng.messages import text
from jianheng.store import leases
from jianheng.store.engine import moment, now_us, told_time

ENDS_SOON = dt.timedelta(days=60)
"""A working calendar that ends sooner is worth a warning: the next one takes a while to be published."""


def check_schedule(session: Session) -> Iterable[Finding]:
    """Say when each job runs next, what no job does, and whether a scheduler runs now; change nothing.

    Raises:
        StopError: the working calendar that a job needs is not installed.
        FaultsError: what is wrong with it.
    """
    schedule = session.deployment.schedule
    if not schedule.jobs:
        yield Finding("", detail=text("cli-doctor-schedule-none"))
        return
    for plan in plans_of(session):
        following = [told_time(each) for each in coming(plan, session.deployment.office.code, 1)]
        told = {"run": plan.job.run, "when": when(plan), "next": "".join(following) or "—"}
        yield Finding(plan.name, detail=text("cli-doctor-schedule-job", **told))
    yield from _unserved(session, schedule.jobs.values())
    if any(job.workdays is not None for job in schedule.jobs.values()):
        calendar = calendar_of(session)
        if calendar.last - wall_time(moment(now_us())).date() < ENDS_SOON:
            ends = problem("schedule-calendar-ends", calendar=calendar.id, last=calendar.last)
            yield Finding("", ends, warning=True)
    yield Finding("", detail=_leader(session))


def _unserved(session: Session, jobs: Iterable[Job]) -> Iterator[Finding]:
    """Warn of what the deployment has and no job ever touches."""
    deployment, given = session.deployment, list(jobs)
    runs = {job.run for job in given}
    read = {name for job in given if job.run == "sync" for name in job.sources or deployment.sources}
    for name in deployment.sources:
        if name not in read:
            yield Finding("", problem("schedule-source-unread", source=name), warning=True)
    served = {name for job in given if job.run == "publish" for name in job.targets or deployment.targets}
    for name in deployment.targets:
        if name not in served and not _hears_only(session, name):
            yield Finding("", problem("schedule-target-unserved", target=name), warning=True)
    if served and "outbox" not in runs:
        yield Finding("", problem("schedule-no-outbox"), warning=True)


def _hears_only(session: Session, target: str) -> bool:
    """Whether a target takes nothing but notices, which come without a job of their own."""
    with suppress(JianhengError):
        return set(plugin_of_target(session, target).publications) <= {"notices"}
    return True  # its adapter is told of already


def _leader(session: Session) -> str:
    with (
        suppress(JianhengError, SQLAlchemyError),
        bare_store_of(session) as store,
        store.connect() as connection,
    ):
        found = leases.held(connection, f"schedule:{session.deployment.office.code}")
        if found is not None:
            since = told_time(found.since)
            return text("cli-doctor-schedule-led", holder=leases.shown(found.holder), since=since)
    return text("cli-doctor-schedule-unled")
