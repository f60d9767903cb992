"""When the jobs of the deployment's schedule run, without what they do."""

from jianheng.cli.session import Session
from jianheng.errors import FaultsError, StopError
from jianheng.messages import text
from jianheng.rules.workdays import WorkCalendar, read_calendar
from jianheng.schedule.timetable import Plan, begins_at, next_slot, plans
from jianheng.schedule.turn import moment_of, us_of
from jianheng.store.engine import now_us


def plans_of(session: Session) -> tuple[Plan, ...]:
    """Return the jobs of the deployment with their timetables.

    Raises:
        StopError: there are none, or the working calendar is not installed.
        FaultsError: what is wrong with the calendar.
    """
    schedule = session.deployment.schedule
    if not schedule.jobs:
        raise StopError("schedule-no-jobs", file=str(session.deployment.file))
    needed = any(job.workdays is not None for job in schedule.jobs.values())
    return plans(schedule, calendar_of(session) if needed else None)


def calendar_of(session: Session) -> WorkCalendar:
    """Return the working calendar that the deployment's jobs go by.

    Raises:
        StopError: it is not installed.
        FaultsError: what is wrong with it.
    """
    name = session.deployment.schedule.calendar
    files = session.registry.calendar_files()
    if name not in files:
        raise StopError("schedule-no-calendar", name=name, known="、".join(sorted(files)) or "—")
    found = read_calendar(files[name].read_text(encoding="utf-8"), f"{name}.toml", name)
    if not isinstance(found, WorkCalendar):
        raise FaultsError(found)
    return found


def coming(plan: Plan, office: str, count: int) -> list[int]:
    """Return when a job begins next, in microseconds since 1970; nothing for one that follows another."""
    found: list[int] = []
    slot = next_slot(plan, moment_of(now_us()))
    while slot is not None and len(found) < count:
        found.append(us_of(begins_at(plan, office, slot)))
        slot = next_slot(plan, slot)
    return found


def when(plan: Plan) -> str:
    """Return when a job runs, in words."""
    job = plan.job
    whens = {"every": job.every, "cron": job.cron, "workdays": job.workdays, "after": job.after}
    kind, value = next((kind, value) for kind, value in whens.items() if value is not None)
    return text(f"cli-when-{kind}", value=value)
