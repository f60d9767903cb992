"""``jianheng schedule``: run the jobs of the deployment when they are due, or one of them now."""

import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

import click

from jianheng.cli.exit_codes import ExitCode
from jianheng.cli.notices import send_notices, takers, watched_of
from jianheng.cli.output import print_json, print_line, print_problems, print_table, problem_json
from jianheng.cli.runs import counts_told
from jianheng.cli.session import Session, pass_session, silent
from jianheng.cli.status import status_of
from jianheng.cli.storage import store_of
from jianheng.cli.timetables import coming, plans_of, when
from jianheng.config.faults import likely
from jianheng.errors import StopError
from jianheng.logs import configure_logs
from jianheng.messages import text
from jianheng.schedule.by_hand import run_by_hand
from jianheng.schedule.claims import Terms
from jianheng.schedule.incidents import Watched
from jianheng.schedule.listening import listen
from jianheng.schedule.metrics import Metrics
from jianheng.schedule.scheduler import Scheduler
from jianheng.schedule.timetable import Plan
from jianheng.schedule.work import Outcome, attempt
from jianheng.store.engine import told_time
from jianheng.store.leases import me, shown


def command() -> click.Command:
    """Return the group."""

    @click.group("schedule", help=text("cli-help-schedule"))
    def schedule() -> None:
        pass

    for make in (_start, _run, _list):
        schedule.add_command(make())
    return schedule


def terms_of(session: Session) -> Terms:
    """Return on what terms this process begins slots."""
    settings = session.deployment.schedule
    return Terms(session.deployment.office.code, me(), settings.lease_s, settings.late_s)


def _start() -> click.Command:
    @click.command("start", help=text("cli-help-schedule-start"))
    @click.option("--listen", "address", metavar="HOST:PORT", help=text("cli-help-schedule-listen"))
    @pass_session
    def start(session: Session, address: str | None) -> int:
        from jianheng.cli.jobs import works_of  # whatever a job may need is loaded before the first begins

        plans, works = plans_of(session), works_of(session)
        level = logging.DEBUG if session.flags.verbose else logging.INFO
        configure_logs(
            logging.WARNING if session.flags.quiet else level,
            as_json=session.flags.json or not sys.stderr.isatty(),
        )
        with store_of(session) as store:
            metrics = Metrics(lambda: status_of(session, store))
            quiet = silent(session)
            tell = partial(_tell_all, quiet, watched_of(quiet) if takers(quiet) else None)
            scheduler = Scheduler(store, terms_of(session), plans, works, metrics, tell=tell)
            left = _serve(session, scheduler, metrics, address)
        if left:  # their threads cannot be ended, only the process: what they committed is whole
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(ExitCode.RETRY)
        return ExitCode.OK

    return start


def _serve(session: Session, scheduler: Scheduler, metrics: Metrics, address: str | None) -> list[str]:
    """Run until somebody asks to stop; return the jobs that were released unended."""
    settings = session.deployment.schedule
    where = settings.listen if address is None else address
    server = listen(where, lambda: _health(scheduler), metrics.page) if where else None
    told = "" if server is None else "{}:{}".format(*server.server_address[:2])
    jobs = "、".join(settings.jobs)
    with _on_signals() as (stop, hurry):
        scheduler.start()
        print_line(text("cli-schedule-started", holder=shown(me()), jobs=jobs, address=told or "—"), err=True)
        stop.wait()
        waiting = "、".join(scheduler.running()) or "—"
        print_line(text("cli-schedule-draining", jobs=waiting), err=True)
        left = scheduler.drain(settings.drain_s, hurry)
    if server is not None:
        server.shutdown()
        server.server_close()
    print_line(
        text("cli-schedule-released" if left else "cli-schedule-ended", jobs="、".join(left)), err=True
    )
    return left


@contextmanager
def _on_signals() -> Iterator[tuple[threading.Event, threading.Event]]:
    """Yield what the first and the second request to stop set."""
    stop, hurry = threading.Event(), threading.Event()

    def asked(_signal: int, _frame: FrameType | None) -> None:
        (hurry if stop.is_set() else stop).set()

    before = {each: signal.signal(each, asked) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop, hurry
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _health(scheduler: Scheduler) -> tuple[bool, Mapping[str, Any]]:
    return scheduler.is_well(), {"leads": scheduler.leads, "running": scheduler.running()}


def _run() -> click.Command:
    @click.command("run", help=text("cli-help-schedule-run"))
    @click.argument("job", metavar=text("cli-column-job"))
    @pass_session
    def run(session: Session, job: str) -> int:
        from jianheng.cli.jobs import works_of

        plan = next((each for each in plans_of(session) if each.name == job), None)
        if plan is None:
            near = likely(job, session.deployment.schedule.jobs)
            raise StopError("schedule-no-such-job", job=job, nearest=near)
        with store_of(session) as store:
            state, outcome = run_by_hand(store, terms_of(session), plan, works_of(session)[job])
        quiet = silent(session)
        told = attempt(lambda: _tell_all(quiet), secrets.token_hex(4))
        if (
            not told.done and not session.flags.json
        ):  # it waits in the outbox, and is tried after the next job
            print_problems(told.problems, as_json=False)
        return _told(session, plan, state, outcome)

    return run


def _tell_all(session: Session, watched: Watched | None = None) -> Outcome:
    """Tell those who take notices what they were not told yet; what they do not take waits in the outbox."""
    failed = [each.error for each in send_notices(session, watched).failures]
    return Outcome(not failed, problems=tuple(one for error in failed for one in error.problems))


def _told(session: Session, plan: Plan, state: str, outcome: Outcome) -> int:
    if session.flags.json:
        told = {
            "job": plan.name,
            "state": state,
            "counts": dict(outcome.counts),
            "errors": [problem_json(each) for each in outcome.problems],
        }
        print_json(told, ok=outcome.done)
    else:
        print_problems(outcome.problems, as_json=False)
        print_line(text("cli-schedule-ran", job=plan.name, state=text(f"cli-slot-{state}")))
        counted = counts_told(outcome.counts)
        if counted:
            print_line(f"  {counted}")
    codes = {"retry": ExitCode.RETRY, "ask": ExitCode.ASK}
    return ExitCode.OK if outcome.done else codes.get(outcome.recovery or "", ExitCode.STOP)


def _list() -> click.Command:
    @click.command("list", help=text("cli-help-schedule-list"))
    @click.option(
        "--next", "count", type=click.IntRange(1, 50), default=1, help=text("cli-help-schedule-next")
    )
    @pass_session
    def list_(session: Session, count: int) -> None:
        plans, office = plans_of(session), session.deployment.office.code
        with store_of(session) as store:
            states = {each.job: each for each in status_of(session, store).jobs}
        nexts = {plan.name: coming(plan, office, count) for plan in plans}
        if session.flags.json:
            jobs = [
                {
                    "job": plan.name,
                    "run": plan.job.run,
                    "when": when(plan),
                    "next": [told_time(each) for each in nexts[plan.name]],
                    "state": states[plan.name].state,
                }
                for plan in plans
            ]
            print_json({"jobs": jobs})
            return
        columns = ("job", "work", "when", "next", "last", "state")
        rows = [
            (
                plan.name,
                plan.job.run,
                when(plan),
                "\n".join(told_time(each) for each in nexts[plan.name]),
                _moment(states[plan.name].slot_at),
                text(f"cli-slot-{states[plan.name].state}"),
            )
            for plan in plans
        ]
        print_table([text(f"cli-column-{each}") for each in columns], rows)

    return list_


def _moment(us: int | None) -> str:
    return "" if us is None else told_time(us)
