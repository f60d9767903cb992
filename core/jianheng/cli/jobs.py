"""What the jobs of the schedule do: the same functions that the commands call, without their words on the terminal."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from jianheng.cli.publish import publish_all
from jianheng.cli.score import score_all
from jianheng.cli.session import Session, silent
from jianheng.cli.sync import sync_all
from jianheng.config.schedule import Job
from jianheng.errors import JianhengError, Problem, Recovery
from jianheng.schedule.work import Outcome, Work, asked_wait
from jianheng.sync.counts import SourceReport

WORST: tuple[Recovery, ...] = ("retry", "stop", "ask", "quarantine")
"""What counts where several things went wrong: as long as one may recover by itself, the job is tried again."""


def works_of(session: Session) -> dict[str, Work]:
    """Return what each job of the deployment does."""
    quiet = silent(session)
    return {name: _work(quiet, job) for name, job in session.deployment.schedule.jobs.items()}


def _work(session: Session, job: Job) -> Work:
    kinds = {"sync": _sync, "score": _score, "publish": _publish, "outbox": _outbox}
    do = kinds[job.run]
    return lambda: do(session, job)


def _sync(session: Session, job: Job) -> Outcome:
    """Each source by itself: what one of them did stays told, whatever the next one does."""
    reports: list[SourceReport] = []
    failed: list[JianhengError] = []
    for name in job.sources or tuple(session.deployment.sources):
        told, wrong = sync_all(session, [name])
        reports += told
        failed += wrong
    needed = [each.recovery for each in failed]
    needed += [
        stream.recovery for report in reports for stream in report.streams if stream.recovery is not None
    ]
    counts: Counter[str] = Counter()
    for report in reports:
        counts.update({name: number for name, number in asdict(report.counts).items() if number})
    problems = _problems(failed) + tuple(each for report in reports for each in report.problems)
    done = not failed and all(report.state == "done" for report in reports)
    runs = [report.run_id for report in reports]
    recovery = None if done else _recovery(needed)
    waits = [each.after_s for report in reports for each in report.streams if each.after_s is not None]
    after_s = max([*waits, asked_wait(failed) or 0]) or None
    return Outcome(done, recovery, problems, {**counts, "runs": runs}, after_s)


def _score(session: Session, job: Job) -> Outcome:
    reports = score_all(session, job.periods)
    counts = {
        report.period: {name: getattr(report, name) for name in ("cases", "added", "closed", "people")}
        for report in reports
    }
    return Outcome(done=True, counts=counts)


def _publish(session: Session, job: Job) -> Outcome:
    deliveries, failed = publish_all(session, job.targets, job.periods)
    counts = {"publications": len(deliveries), "written": sum(each.written for each in deliveries)}
    recovery = _recovery([each.recovery for each in failed]) if failed else None
    return Outcome(not failed, recovery, _problems(failed), counts, asked_wait(failed))


def _outbox(session: Session, job: Job) -> Outcome:
    from jianheng.cli.outbox import send_all

    del job  # it sends whatever waits
    report = send_all(session)
    failed = [each.error for each in report.failures]
    recovery = _recovery([each.recovery for each in failed]) if failed else None
    return Outcome(not failed, recovery, _problems(failed), report.as_json(), asked_wait(failed))


def _problems(failed: Sequence[JianhengError]) -> tuple[Problem, ...]:
    return tuple(each for error in failed for each in error.problems)


def _recovery(needed: Sequence[Recovery]) -> Recovery:
    return next((each for each in WORST if each in needed), "stop")
