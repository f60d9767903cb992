"""What stands that somebody should hear of: sources not read, rows set aside, jobs failed, targets down, periods due.

Nothing is kept for it: an incident is read from what the store tells of runs, slots, quarantine and outbox, so that
no crash between a failure and the telling of it loses either. Its key is the same as long as it stands.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from jianheng.config.schedule import Job
from jianheng.contract import NoticeAbout
from jianheng.errors import Problem, problem
from jianheng.facts.time import SHANGHAI, wall_time
from jianheng.schedule import slots
from jianheng.schedule.status import is_read_now
from jianheng.scoring.law.period import Period
from jianheng.scoring.records.closed_periods import find_closed
from jianheng.store.engine import moment, now_us
from jianheng.store.operations import OUTBOX, SLOT
from jianheng.store.runs import PART
from jianheng.store.tables import QUARANTINE, RUN
from jianheng.sync.quarantine import unwaived

PATIENCE = 3
"""Attempts after which a target that may recover by itself is worth telling of."""
MOST_LOOKED_AT = 2_000
"""Entries of a source's quarantine whose reasons are counted."""

Told = Mapping[str, str]
"""A problem in words, by part: ``code``, ``what``, ``where``, ``why``, ``do``."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that stands; ``episode`` tells it from the one before of the same subject.

    Attributes:
        about: what it concerns.
        subject: which one.
        episode: since what, in a form that stays the same while it stands.
        at: since when, in microseconds since 1970.
        needs_person: whether somebody must do something.
        told: what is wrong, in words.
        held: too young to be told: it is being tried again just now.
    """

    about: NoticeAbout
    subject: str
    episode: str
    at: int
    needs_person: bool
    told: tuple[Told, ...]
    held: bool = False

    @property
    def key(self) -> str:
        """What tells it from every other of the office."""
        return f"{self.about}/{self.subject}/{self.episode}"


@dataclass(frozen=True, slots=True)
class Watched:
    """What is looked at: the sources and jobs of a deployment, and the periods that are to be closed by its policy."""

    office: str
    sources: Sequence[str]
    jobs: Mapping[str, Job]
    policy: str
    periods: Sequence[Period]


def incidents(connection: sa.Connection, watched: Watched) -> list[Incident]:
    """Return what stands, sources first."""
    office = watched.office
    busy = set(_tried_again(connection, watched))
    found = [each for name in watched.sources for each in _source(connection, office, name, name in busy)]
    wrong = {each.subject for each in found}
    for name, job in watched.jobs.items():
        # A sync that failed because of its sources is told by them.
        if job.run != "sync" or not wrong & set(job.sources or watched.sources):
            found += _job(connection, office, name)
    found += [each for name in watched.sources for each in _quarantine(connection, office, name)]
    return [*found, *_targets(connection, office), *_periods(connection, watched)]


def _tried_again(connection: sa.Connection, watched: Watched) -> Iterator[str]:
    """Yield the sources of jobs that wait for their next attempt or are at it."""
    for name, job in watched.jobs.items():
        if job.run == "sync":
            last = slots.recent(connection, watched.office, name, 1)
            if last and last[0].state in (slots.RETRYING, slots.RUNNING):
                yield from job.sources or watched.sources


def _source(connection: sa.Connection, office: str, name: str, busy: bool) -> Iterator[Incident]:
    """Yield a source whose last sync that meant to read all did not, since the first such after a good one."""
    mine = [RUN.c.office == office, RUN.c.kind == "sync", RUN.c.subject == name, RUN.c.state != PART]
    if is_read_now(connection, office, name):
        mine.append(RUN.c.finished_at.is_not(None))
    last = connection.execute(
        sa.select(RUN.c.state, RUN.c.detail).where(*mine).order_by(RUN.c.run_id.desc()).limit(1)
    ).first()
    if last is None or last.state == "done":
        return
    good = connection.scalar(sa.select(sa.func.max(RUN.c.run_id)).where(*mine, RUN.c.state == "done")) or 0
    first = connection.execute(
        sa.select(RUN.c.run_id, RUN.c.started_at)
        .where(*mine, RUN.c.run_id > good)
        .order_by(RUN.c.run_id)
        .limit(1)
    ).one()
    detail = json.loads(last.detail or "{}")
    streams = detail.get("streams", ())
    needed = {detail.get("recovery"), *(each.get("recovery") for each in streams)}
    told = [*detail.get("problems", ()), *(one for each in streams for one in each.get("problems", ()))]
    told = told or [words(problem("standing-source-broken", source=name))]
    needs_person = bool(needed & {"stop", "ask"})
    yield Incident(
        "source", name, str(first.run_id), int(first.started_at), needs_person, _once(told), held=busy
    )


def _job(connection: sa.Connection, office: str, name: str) -> Iterator[Incident]:
    """Yield a job that failed or was missed, and was not done since."""
    mine = (SLOT.c.office == office, SLOT.c.job == name)
    done = connection.scalar(sa.select(sa.func.max(SLOT.c.slot_at)).where(*mine, SLOT.c.state == slots.DONE))
    wrong = [*mine, SLOT.c.state.in_((slots.FAILED, slots.MISSED)), SLOT.c.slot_at > (done or 0)]
    rows = sa.select(SLOT.c.slot_at, SLOT.c.state, SLOT.c.detail).where(*wrong)
    first = connection.execute(rows.order_by(SLOT.c.slot_at).limit(1)).first()
    last = connection.execute(rows.order_by(SLOT.c.slot_at.desc()).limit(1)).first()
    if first is None or last is None:
        return
    attempts = json.loads(last.detail).get("attempts") or [{}]
    told = attempts[-1].get("problems") or [
        words(
            problem(
                f"standing-job-{last.state}",
                job=name,
                slot=wall_time(moment(int(last.slot_at))).isoformat(" ", "minutes"),
            )
        )
    ]
    yield Incident(
        "job", name, str(first.slot_at), int(first.slot_at), last.state == slots.FAILED, _once(told)
    )


def _quarantine(connection: sa.Connection, office: str, name: str) -> Iterator[Incident]:
    """Yield the open entries of a source; a new one, or a waiver that ran out, makes it worth telling again."""
    now = now_us()
    whole = (QUARANTINE.c.office == office, QUARANTINE.c.source == name)
    mine = (*whole, QUARANTINE.c.status == "open", unwaived(now))
    rows = connection.execute(
        sa.select(QUARANTINE.c.problems, QUARANTINE.c.first_seen, QUARANTINE.c.waived_until)
        .where(*mine)
        .order_by(QUARANTINE.c.quarantine_id.desc())
        .limit(MOST_LOOKED_AT)
    ).all()
    if not rows:
        return
    count = connection.scalar(sa.select(sa.func.count()).select_from(QUARANTINE).where(*mine)) or 0
    newest = connection.scalar(sa.select(sa.func.max(QUARANTINE.c.quarantine_id)).where(*whole))
    lapsed = max(int(row.waived_until or 0) for row in rows)
    codes = Counter(code for row in rows for code in {each["code"] for each in json.loads(row.problems)})
    reasons = "、".join(f"{code} × {many}" for code, many in codes.most_common())
    told = words(problem("standing-quarantine", source=name, count=count, reasons=reasons))
    yield Incident(
        "quarantine",
        name,
        f"{newest}.{lapsed}" if lapsed else f"{newest}",
        int(rows[0].first_seen),
        True,
        (told,),
    )


def _targets(connection: sa.Connection, office: str) -> Iterator[Incident]:
    """Yield the targets at which something has stopped, or was tried in vain."""
    tried = sa.and_(OUTBOX.c.state.in_(("waiting", "sending")), OUTBOX.c.attempts > 0)
    wrong = sa.or_(OUTBOX.c.state == "stopped", tried)
    names = ("outbox_id", "target", "state", "attempts", "created_at", "problems")
    columns = [OUTBOX.c[name] for name in names]
    rows = connection.execute(
        sa.select(*columns).where(OUTBOX.c.office == office, wrong).order_by(OUTBOX.c.outbox_id)
    ).all()
    by_target: dict[str, list[Any]] = {}
    for row in rows:
        by_target.setdefault(row.target, []).append(row)
    for target, held in sorted(by_target.items()):
        told = [
            words(Problem(each["code"], each["fields"])) for row in held for each in json.loads(row.problems)
        ]
        stopped = any(row.state == "stopped" for row in held)
        young = not stopped and all(row.attempts < PATIENCE for row in held)
        first = held[0]
        yield Incident(
            "target", target, str(first.outbox_id), int(first.created_at), stopped, _once(told), held=young
        )


def _periods(connection: sa.Connection, watched: Watched) -> Iterator[Incident]:
    """Yield the periods that have ended and are not closed."""
    today = wall_time(moment(now_us())).date()
    for each in watched.periods:
        closed = find_closed(connection, watched.office, watched.policy, each.id)
        if each.end <= today and closed is None:
            told = words(problem("standing-period-due", period=each.id, label=each.label, end=each.end))
            at = int(dt.datetime.combine(each.end, dt.time(), SHANGHAI).timestamp()) * 1_000_000
            yield Incident("period", each.id, watched.policy, at, True, (told,))


def words(each: Problem) -> Told:
    """Return a problem in words."""
    return each.message().as_json()


def _once(told: Iterable[Told]) -> tuple[Told, ...]:
    found: list[Told] = []
    for each in told:
        if each not in found:
            found.append(each)
    return tuple(found)
