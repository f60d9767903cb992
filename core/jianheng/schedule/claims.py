"""Claims: beginning a slot so that nobody else begins it, and writing how it ended if it is still ours."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from jianheng.errors import RetryError
from jianheng.schedule import slots
from jianheng.schedule.slots import Slot, lease_name
from jianheng.schedule.timetable import Plan
from jianheng.schedule.turn import Beginning, Settlement, decide
from jianheng.schedule.work import Outcome
from jianheng.store.engine import now_us, store_error, told_time, writing, writing_latest
from jianheng.store.leases import Held, Lease, fence, release, shown, take

SECOND_US = 1_000_000
MOST_WAIT_S = 3600


@dataclass(frozen=True, slots=True)
class Claim:
    """A slot that has begun here: the job's lease proves that it is ours."""

    plan: Plan
    slot: Slot
    lease: Lease


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms slots begin: for which office, by whom, for how long without a sign of life, how late at most."""

    office: str
    holder: str
    lease_s: float
    late_s: float


def claim(store: sa.Engine, terms: Terms, chain: Sequence[Plan], leader: Lease, now: int) -> Claim | None:
    """Begin what is due of a chain of jobs, if anything is and nobody runs one of them; settle what will not run.

    One of a chain at a time, and what follows first: a scoring must not read what the next sync is just writing.

    Args:
        store: where the slots are.
        terms: on what terms.
        chain: jobs that follow one another, the last one first.
        leader: the lease of leadership; without it nothing begins.
        now: the present moment in microseconds, by the scheduler's own clock.

    Raises:
        LeaseLostError: somebody else leads.
        RetryError: somebody else was in the way just now.
    """
    first = chain[0].first
    try:
        with store.connect() as connection:  # without a lock: most looks find nothing to do
            if slots.is_held(connection, terms.office, first):
                return None
            if not any(_is_due(connection, terms, plan, now) for plan in chain):
                return None
        with writing(store) as connection:
            fence(connection, leader)
            lease = take(connection, lease_name(terms.office, first), terms.holder, terms.lease_s)
            if isinstance(lease, Held):
                return None
            for plan in chain:
                begun = _begin(connection, terms, plan, lease, now)
                if begun is not None:
                    return begun
            release(connection, lease)
            return None
    except SQLAlchemyError as failed:  # another scheduler or a run by hand came first
        raise store_error(failed, f"schedule {first}") from failed


def _is_due(connection: sa.Connection, terms: Terms, plan: Plan, now: int) -> bool:
    rows = _recent(connection, terms, plan.name, now)
    if not _is_known(rows, now) or any(row.state == slots.RUNNING for row in rows):
        return True
    return bool(decide(plan, terms.office, rows, _before(connection, terms, plan, now), now, terms.late_s))


def _before(connection: sa.Connection, terms: Terms, plan: Plan, now: int) -> Sequence[Slot]:
    return () if plan.job.after is None else _recent(connection, terms, plan.job.after, now)


def _recent(connection: sa.Connection, terms: Terms, job: str, now: int) -> list[Slot]:
    """Return the recent slots of a job; where a clock that was ahead has left only later ones, also the last before now."""
    rows = slots.recent(connection, terms.office, job)
    if rows and not _is_known(rows, now):
        rows += slots.recent(connection, terms.office, job, limit=1, until=now)
    return rows


def _is_known(rows: Sequence[Slot], now: int) -> bool:
    """Whether anything tells since when a job is known to the timetable.

    What somebody began by hand does not, nor what is due only later, by a clock that was ahead and is right since.
    """
    return any(row.slot_at <= now and not row.by_hand for row in rows)


def _begin(connection: sa.Connection, terms: Terms, plan: Plan, lease: Lease, now: int) -> Claim | None:
    """With the chain's lease in hand: what still stands as running is of somebody who is gone."""
    rows = [
        _mark_lost(connection, terms.office, row) if row.state == slots.RUNNING else row
        for row in _recent(connection, terms, plan.name, now)
    ]
    if not _is_known(rows, now):
        since = now - now % SECOND_US
        first = Slot(plan.name, since, lease.epoch, terms.holder, slots.BASELINE, since, since, {})
        slots.add(connection, terms.office, first)
        return None
    turn = decide(plan, terms.office, rows, _before(connection, terms, plan, now), now, terms.late_s)
    for each in turn.settle:
        _settle(connection, terms, plan, lease, each)
    return None if turn.begin is None else _start(connection, terms, plan, lease, turn.begin)


def _start(
    connection: sa.Connection, terms: Terms, plan: Plan, lease: Lease, begin: Beginning
) -> Claim | None:
    started: dict[str, Any] = {
        "epoch": lease.epoch,
        "holder": terms.holder,
        "state": slots.RUNNING,
        "started_at": now_us(),
    }
    if begin.again is not None:
        slot = replace(begin.again, finished_at=None, **started)
        return Claim(plan, slot, lease) if slots.change(connection, terms.office, slot, begin.again) else None
    detail: dict[str, Any] = {"missed": begin.missed} if begin.missed else {}
    slot = Slot(plan.name, begin.slot_at, finished_at=None, detail=detail, **started)
    slots.add(connection, terms.office, slot)
    return Claim(plan, slot, lease)


def _settle(
    connection: sa.Connection, terms: Terms, plan: Plan, lease: Lease, settlement: Settlement
) -> None:
    detail: dict[str, Any] = {"why": settlement.why}
    detail |= {"missed": settlement.missed} if settlement.missed else {}
    at = now_us()
    if settlement.row is not None:
        was = settlement.row
        kept = {name: value for name, value in was.detail.items() if name != "retry_at"}
        changed = replace(was, state=settlement.state, finished_at=at, detail={**kept, **detail})
        slots.change(connection, terms.office, changed, was)
        return
    slot = Slot(plan.name, settlement.slot_at, lease.epoch, terms.holder, settlement.state, at, at, detail)
    slots.add(connection, terms.office, slot)


def _mark_lost(connection: sa.Connection, office: str, row: Slot) -> Slot:
    lost = slots.ended(row, slots.LOST, now_us(), {"state": slots.LOST})
    slots.change(connection, office, lost, row)
    return lost


def claim_by_hand(store: sa.Engine, terms: Terms, plan: Plan) -> Claim:
    """Begin a slot of somebody's own, whatever the timetable says.

    Raises:
        RetryError: the job runs already; the message names where and since when.
    """
    try:
        with writing(store) as connection:
            lease = take(connection, lease_name(terms.office, plan.first), terms.holder, terms.lease_s)
            if isinstance(lease, Held):
                raise RetryError(
                    "schedule-job-runs",
                    job=plan.name,
                    holder=shown(lease.holder),
                    since=told_time(lease.since),
                )
            for row in slots.recent(connection, terms.office, plan.name):
                if row.state == slots.RUNNING:
                    _mark_lost(connection, terms.office, row)
            at = now_us()
            detail = {"by": slots.HAND}
            slot = Slot(plan.name, at, lease.epoch, terms.holder, slots.RUNNING, at, None, detail)
            slots.add(connection, terms.office, slot)
            return Claim(plan, slot, lease)
    except SQLAlchemyError as failed:
        raise store_error(failed, f"schedule run {plan.name}") from failed


def finish(store: sa.Engine, office: str, claim: Claim, outcome: Outcome, now: int) -> str | None:
    """Write how a slot ended and give its lease back; return its state, or None when it is not ours any more."""
    tries = claim.slot.tries + (not outcome.done)
    again = outcome.recovery == "retry" and not claim.slot.by_hand and tries <= claim.plan.job.retries
    told: dict[str, Any] = {"state": slots.DONE if outcome.done else slots.FAILED}
    told |= {"problems": outcome.told()} if outcome.problems else {}
    more: dict[str, Any] = {"counts": dict(outcome.counts)} if outcome.counts else {}
    if again:
        wait_s = min(claim.plan.job.retry_wait_s * 2 ** (tries - 1), MOST_WAIT_S)
        more["retry_at"] = now + int(max(wait_s, outcome.after_s or 0) * SECOND_US)
    state = slots.RETRYING if again else str(told["state"])
    return _end(store, office, claim, slots.ended(claim.slot, state, now_us(), told, **more))


def give_up(store: sa.Engine, office: str, claim: Claim) -> str | None:
    """Release a slot that did not end in time, for another scheduler or the next start."""
    told = {"state": slots.RELEASED}
    return _end(store, office, claim, slots.ended(claim.slot, slots.RELEASED, now_us(), told))


def _end(store: sa.Engine, office: str, claim: Claim, ended: Slot) -> str | None:
    with writing_latest(store) as connection:  # a beat may be renewing the lease just now
        if not release(connection, claim.lease) or not slots.change(connection, office, ended, claim.slot):
            return None
    return ended.state
