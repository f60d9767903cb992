"""Politeness towards a source: hours in which it is left alone, and how many rows a minute are asked of it."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from jianheng.contract import Batch
from jianheng.errors import RetryError
from jianheng.facts.time import wall_time
from jianheng.store.engine import moment, now_us

MOST_WAIT_S = 600.0
"""The longest wait between two batches: the lease of a run must outlive it."""
_DAY_M = 24 * 60


@dataclass(frozen=True, slots=True)
class Pace:
    """How a source wants to be treated.

    Attributes:
        quiet: spans of minutes of the day (Shanghai wall time) in which it is not read; one may cross midnight.
        rows_per_minute: rows asked of it; None for as many as it gives.
    """

    quiet: tuple[tuple[int, int], ...] = ()
    rows_per_minute: int | None = None


def pace_from(quiet: Sequence[str], rows_per_minute: int | None) -> Pace:
    """Return a pace from windows written ``22:00-06:00``."""
    spans = [[int(part[:2]) * 60 + int(part[3:]) for part in window.split("-")] for window in quiet]
    return Pace(tuple((begin, end) for begin, end in spans), rows_per_minute)


def quiet_minutes(pace: Pace, minute: int) -> int:
    """Return for how many minutes more the source is left alone; 0 when it may be read."""
    left = 0
    while left < _DAY_M and any(_within(span, (minute + left) % _DAY_M) for span in pace.quiet):
        left += 1
    return left


def check_quiet(pace: Pace, source: str, now: Callable[[], int] = now_us) -> None:
    """Refuse to read a source that is to be left alone now.

    Raises:
        RetryError: ``sync-quiet``, with the seconds until it may be read.
    """
    at = wall_time(moment(now()))
    left = quiet_minutes(pace, at.hour * 60 + at.minute)
    if left:
        end = (at.hour * 60 + at.minute + left) % _DAY_M
        until = f"{end // 60:02}:{end % 60:02}"
        raise RetryError("sync-quiet", after_s=left * 60.0, source=source, until=until)


def paced(
    batches: Iterator[Batch],
    pace: Pace,
    source: str,
    *,
    now: Callable[[], int] = now_us,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Batch]:
    """Yield batches no faster than a source wants, and stop where its quiet hours begin.

    Raises:
        RetryError: ``sync-quiet``; what was committed before is kept.
    """
    began, rows = clock(), 0
    for batch in batches:
        check_quiet(pace, source, now)
        yield batch
        rows += len(batch.rows)
        if pace.rows_per_minute is not None:
            wait = rows * 60 / pace.rows_per_minute - (clock() - began)
            if wait > 0:
                sleep(min(wait, MOST_WAIT_S))


def _within(span: tuple[int, int], minute: int) -> bool:
    begin, end = span
    return begin <= minute < end if begin < end else minute >= begin or minute < end
