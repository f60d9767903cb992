"""For adapters that read page by page, by cursor, from systems that are away at times: use what fits, none of it is needed.

Part of the contract: what stands here changes only as docs/contract.md allows.
"""

import datetime as dt
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import ParamSpec, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from jianheng.contract import Batch, Row
from jianheng.errors import RetryError, StopError

ROWS_AT_ONCE = 1000
"""Rows of a batch where nobody says otherwise: small enough to be stored at once, big enough to be quick."""
OVERLAP = dt.timedelta(minutes=10)
"""How far back a read goes behind its cursor: what was committed late stands there with an earlier time."""

P = ParamSpec("P")
T = TypeVar("T")
Mark = TypeVar("Mark", bound=Hashable)


def pages(fetch: Callable[[Mark], tuple[Sequence[T], Mark | None]], start: Mark) -> Iterator[Sequence[T]]:
    """Yield page after page of a system that says with each page where the next one is.

    For what does not change while it is read, or where the mark is a token that keeps the system's own place.

    Args:
        fetch: takes the mark of a page (a number, an offset, a token, a link) and returns what is on it,
            and the mark of the next page or None after the last.
        start: the mark of the first page.

    Raises:
        StopError: ``reading-page-again``: the system sends back to a page that was read.
    """
    seen: set[Mark] = set()
    mark: Mark | None = start
    while mark is not None:
        if mark in seen:
            raise StopError("reading-page-again", page=mark)
        seen.add(mark)
        found, mark = fetch(mark)
        yield found


def numbered_pages(
    fetch: Callable[[int], Sequence[T]], size: int, *, first: int = 1
) -> Iterator[Sequence[T]]:
    """Yield page after page of a system that knows only numbers: the last page is the first that is not full.

    For what does not change while it is read: pages move when it does, and records fall between two.

    Args:
        fetch: takes the number of a page and returns what is on it, at most ``size``.
        size: how much a full page holds.
        first: the number of the first page.

    Raises:
        StopError: ``reading-page-size``: a page holds more than was asked for, so that no page can be
            known to be the last.
    """
    number = first
    while True:
        found = fetch(number)
        if len(found) > size:
            raise StopError("reading-page-size", page=number, given=len(found), asked=size)
        if found:
            yield found
        if len(found) < size:
            return
        number += 1


def by_change(
    fetch: Callable[[str | None, int], Sequence[T]],
    start: str | None,
    *,
    changed: Callable[[T], str],
    size: int = 500,
    most: int | None = None,
) -> Iterator[T]:
    """Yield every record that changed since a moment, each once, from a system that tells the earliest changes first.

    Each question begins at the last moment of the answer before it. So nothing is missed when records change,
    come or go in the meantime, as it is with page numbers and offsets: there the pages move.

    Args:
        fetch: takes a moment, or None for the beginning, and a number; returns at most so many of the records that
            changed then or later, earliest first.
        start: the moment to begin with, best from :func:`since`.
        changed: when a record was changed: text of one form throughout that sorts as time does (ISO 8601).
        size: how many to ask for.
        most: how many the system gives at most, however many are asked for; ``size`` when nothing is known.
            So many are asked for where more than ``size`` share one moment.

    Raises:
        StopError: ``reading-moment-full``: more records than ``most`` share one moment;
            ``reading-not-in-order``: an answer goes back in time.
    """
    known: list[T] = []
    moment, asked = start, size
    while True:
        found = fetch(moment, asked)
        yield from (each for each in found if each not in known)
        if len(found) < asked:
            return
        last = changed(found[-1])
        if moment is not None and last < moment:
            raise StopError("reading-not-in-order", moment=last, before=moment)
        if last != moment:
            asked = size
        elif asked < (most or size):
            asked = min(asked * 2, most or size)
        else:
            raise StopError("reading-moment-full", moment=last, count=asked)
        moment, known = last, [each for each in found if changed(each) == last]


def batches(rows: Iterable[Row], size: int = ROWS_AT_ONCE) -> Iterator[Batch]:
    """Yield rows as batches without a cursor: for streams that are read whole each time."""
    held: list[Row] = []
    for row in rows:
        held.append(row)
        if len(held) == size:
            yield Batch(held)
            held = []
    if held:
        yield Batch(held)


def since(cursor: str | None, overlap: dt.timedelta = OVERLAP) -> str | None:
    """Return the moment from which to read on, in ISO 8601: the cursor's less the overlap; None from the beginning.

    Raises:
        StopError: ``reading-cursor``: the cursor is no moment.
    """
    if cursor is None:
        return None
    try:
        moment = (dt.datetime.fromisoformat(cursor) - overlap).isoformat()
    except (ValueError, OverflowError):
        raise StopError("reading-cursor", cursor=cursor[:40]) from None
    return moment.replace("+00:00", "Z") if cursor.endswith("Z") else moment


def in_order(
    records: Iterable[T],
    cursor: str | None,
    *,
    changed: Callable[[T], str],
    row: Callable[[T], Row],
    size: int = ROWS_AT_ONCE,
) -> Iterator[Batch]:
    """Yield records that come in the order of their changes as batches, each with a cursor to go on from.

    The cursor is the latest change that was read and never moves back. Whoever reads on must include it
    (``>=``), best from :func:`since`: rows that come again cost nothing.

    Args:
        records: what the system gave, earliest change first.
        cursor: from where this read began.
        changed: when a record was changed: text of one form throughout that sorts as time does (ISO 8601).
        row: makes the row of a record.
        size: rows of a batch.

    Raises:
        StopError: ``reading-not-in-order``: a record was changed before the one that came before it.
    """
    held: list[Row] = []
    reached, last = cursor, ""
    for record in records:
        moment = changed(record)
        if moment < last:
            raise StopError("reading-not-in-order", moment=moment, before=last)
        last = moment
        if len(held) == size:
            yield Batch(held, reached)
            held = []
        held.append(row(record))
        reached = max(reached or "", moment)
    if held:
        yield Batch(held, reached)


def retried(call: Callable[P, T], *, attempts: int = 4, longest_s: float = 30.0) -> Callable[P, T]:
    """Return a function that calls again when a :class:`~jianheng.errors.RetryError` says that it may help.

    It waits as long as the other side asked (``after_s``), otherwise longer each time. What still fails
    then, or asks to be left alone for longer than ``longest_s``, is raised: core comes again later.

    Args:
        call: what to call.
        attempts: how often at most.
        longest_s: seconds to wait at most before a call.
    """
    growing = wait_random_exponential(multiplier=1, max=longest_s)

    def asked(state: RetryCallState) -> float | None:
        error = state.outcome.exception() if state.outcome else None
        return error.after_s if isinstance(error, RetryError) else None

    def wait(state: RetryCallState) -> float:
        seconds = asked(state)
        return growing(state) if seconds is None else seconds

    enough = stop_after_attempt(attempts)

    def stop(state: RetryCallState) -> bool:
        return enough(state) or (asked(state) or 0) > longest_s

    def within(*args: P.args, **kwargs: P.kwargs) -> T:
        retrying = Retrying(retry=retry_if_exception_type(RetryError), wait=wait, stop=stop, reraise=True)
        return retrying(call, *args, **kwargs)

    return within
