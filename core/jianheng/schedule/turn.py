"""Whose turn it is: what to do about a job now, decided from its timetable and its slots alone."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jianheng.schedule import slots
from jianheng.schedule.slots import Slot
from jianheng.schedule.timetable import Plan, begins_at, is_quiet, slots_between

DAY_US = 86_400_000_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_UNSETTLED = (slots.RETRYING, slots.LOST, slots.RELEASED)


@dataclass(frozen=True, slots=True)
class Beginning:
    """A slot that is to begin: when it was due, the row it has if it began before, how many older were passed over."""

    slot_at: int
    again: Slot | None = None
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Settlement:
    """A slot that will not run: the row it has, or none, and the state and reason it gets."""

    slot_at: int
    row: Slot | None
    state: str
    why: str
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """What to do about a job now."""

    begin: Beginning | None = None
    settle: tuple[Settlement, ...] = ()

    def __bool__(self) -> bool:
        return self.begin is not None or bool(self.settle)


def moment_of(us: int) -> dt.datetime:
    """Return microseconds since 1970 as a moment."""
    return _EPOCH + dt.timedelta(microseconds=us)


def us_of(moment: dt.datetime) -> int:
    """Return a moment as microseconds since 1970."""
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def decide(
    plan: Plan, office: str, rows: Sequence[Slot], before: Sequence[Slot], now: int, late_s: float
) -> Turn:
    """Return what to do about a job that nobody runs just now.

    Args:
        plan: the job.
        office: for which office.
        rows: its recent slots, none of them running.
        before: the recent slots of the job it follows.
        now: the present moment in microseconds, by the scheduler's own clock.
        late_s: a slot that begins later than this after its time was missed, unless the job catches up.
    """
    mine = [row for row in rows if not row.by_hand and row.slot_at <= now + DAY_US]
    if is_quiet(plan, moment_of(now)) or not rows:
        return Turn()
    dropped: list[Slot] = []
    if plan.job.after is None:
        fresh = _due(plan, office, mine, now)
    else:
        fresh, dropped = _following(rows, before)
    settle = [Settlement(each.slot_at, None, slots.SKIPPED, each.state) for each in dropped]
    if plan.job.catch_up == "none":
        late = [each for each in fresh if now - each[1] > late_s * 1_000_000]
        fresh = [each for each in fresh if each not in late]
        settle += _missed(plan, late)
    settle += [_worn_out(row) for row in _unsettled(plan, mine) if _is_worn_out(plan, row)]
    left = [row for row in _unsettled(plan, mine) if not _is_worn_out(plan, row)]
    if plan.job.catch_up == "all":
        return _oldest(fresh, left, settle, now)
    return _newest(plan, fresh, left, settle, now)


def _missed(plan: Plan, late: Sequence[tuple[int, int]]) -> list[Settlement]:
    """One entry tells of all; of a job that follows another each slot has one, or it would be asked about again."""
    if plan.job.after is not None:
        return [Settlement(slot_at, None, slots.MISSED, "late") for slot_at, _ in late]
    return [Settlement(late[-1][0], None, slots.MISSED, "late", len(late) - 1)] if late else []


def _due(plan: Plan, office: str, mine: Sequence[Slot], now: int) -> list[tuple[int, int]]:
    """Return slots after the last known one as (time, begin), the oldest first."""
    last = max((row.slot_at for row in mine if row.slot_at <= now), default=now)
    due = slots_between(plan, moment_of(last), moment_of(now))
    both = [(us_of(slot), us_of(begins_at(plan, office, slot))) for slot in due]
    return [each for each in both if each[1] <= now]


def _following(rows: Sequence[Slot], before: Sequence[Slot]) -> tuple[list[tuple[int, int]], list[Slot]]:
    """Return slots whose forerunner is done, as (time, its end), and forerunners that leave nothing to follow."""
    have = {row.slot_at for row in rows}
    since = min(have)
    new = [row for row in before if row.slot_at > since and row.slot_at not in have]
    new.sort(key=lambda row: row.slot_at)
    done = [(row.slot_at, row.finished_at or row.slot_at) for row in new if row.state == slots.DONE]
    over = (slots.FAILED, slots.MISSED, slots.SKIPPED)
    return done, [row for row in new if row.state in over and not row.by_hand]


def _unsettled(plan: Plan, mine: Sequence[Slot]) -> list[Slot]:
    """Return slots that began and are to begin again, the oldest first; only the last one unless all are caught up."""
    states = (slots.RETRYING,) if plan.job.catch_up == "none" else _UNSETTLED
    shown = mine if plan.job.catch_up == "all" else mine[:1]
    return [row for row in reversed(shown) if row.state in states]


def _is_worn_out(plan: Plan, row: Slot) -> bool:
    return row.tries > plan.job.retries


def _worn_out(row: Slot) -> Settlement:
    """A slot whose every attempt ended its process: trying on would only end more."""
    return Settlement(row.slot_at, row, slots.FAILED, "tries")


def _oldest(
    fresh: Iterable[tuple[int, int]], left: Sequence[Slot], settle: Sequence[Settlement], now: int
) -> Turn:
    waiting = [(row.slot_at, row) for row in left] + [(each[0], None) for each in fresh]
    if not waiting:
        return Turn(None, tuple(settle))
    slot_at, row = min(waiting, key=lambda each: each[0])
    ready = row is None or _may_retry(row, now)
    return Turn(Beginning(slot_at, row) if ready else None, tuple(settle))


def _newest(
    plan: Plan,
    fresh: Sequence[tuple[int, int]],
    left: Sequence[Slot],
    settle: Sequence[Settlement],
    now: int,
) -> Turn:
    if fresh:
        newest = fresh[-1][0]
        settled = [*settle, *(_overtaken(row) for row in left if row.state == slots.RETRYING)]
        if plan.job.after is not None:  # each has a forerunner of its own: none may be asked about again
            settled += [Settlement(slot_at, None, slots.MISSED, "overtaken") for slot_at, _ in fresh[:-1]]
        return Turn(Beginning(newest, None, len(fresh) - 1), tuple(settled))
    ready = [row for row in left if _may_retry(row, now)]
    return Turn(Beginning(ready[-1].slot_at, ready[-1]) if ready else None, tuple(settle))


def _overtaken(row: Slot) -> Settlement:
    return Settlement(row.slot_at, row, slots.FAILED, "overtaken")


def _may_retry(row: Slot, now: int) -> bool:
    return row.state != slots.RETRYING or int(row.detail.get("retry_at", 0)) <= now
