"""Batches into a store that is a server: while some are written, the source is asked for the next.

A server works on what it was given while this process would only wait. So batches are written in a thread of their
own, in order, and meanwhile the next are fetched and their first rows are checked. What has come by the end of a
transaction is written in the next one together, which spares most of what a transaction costs beside its rows.
Whatever is raised, by the source or by the store, comes after what was written before it, as it would without a thread.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from typing import Generic, TypeVar

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from jianheng.contract import Batch
from jianheng.store.leases import LeaseLostError

TOGETHER = 60_000
"""Rows that wait for their turn, and rows of one transaction, but for the batch that goes beyond: what is held is bounded."""
MAPPINGS_WEIGH = 2
"""How many rows of an Arrow table a mapping counts for: it takes more room."""
BATCHES_TOGETHER = 50
"""Batches of one transaction, at most: some hold few rows or none."""

Ahead = TypeVar("Ahead")
"""What was made of some rows before their turn."""
Done = TypeVar("Done")

Check = Callable[[Batch, Callable[[], bool]], Sequence[Ahead]]
"""Makes of the first rows of a batch what can be made, until told that it is their turn."""
Write = Callable[[Sequence[tuple[Batch, Sequence[Ahead]]]], Sequence[Done]]
"""Writes batches in one transaction, each given with what was made of its first rows."""


def overlapped(
    store: sa.Engine, batches: Iterable[Batch], check: Check[Ahead], write: Write[Ahead, Done]
) -> Iterator[tuple[Batch, Done]]:
    """Yield each batch with what writing it gave, once it is written.

    A store in this process would only wait for its turn: there one thing is done after the other.
    """
    if store.dialect.name == "sqlite":
        for batch in batches:
            yield batch, *write([(batch, ())])  # type: ignore[misc]
        return
    coming = iter(batches)
    with ThreadPoolExecutor(1, "write") as beside:
        line = _Line(write)
        turns: deque[Future[list[tuple[Batch, Done]]]] = deque()
        failed: BaseException | None = None
        try:
            while line.failed is None:
                following, failed = _fetched(coming)
                if following is None:
                    break
                line.join(following, check(following, turns[-1].done) if turns else ())
                turns.append(beside.submit(copy_context().run, line.write))
                while turns and (turns[0].done() or line.full):
                    yield from turns.popleft().result()
            for turn in turns:
                yield from turn.result()
        finally:  # who was told of each batch has left: what still waits must not be written unseen
            line.closed = True
        failed = line.failed or failed
        if failed is not None:
            raise failed


def _fetched(coming: Iterator[Batch]) -> tuple[Batch | None, Exception | None]:
    """Return the next batch, or what fetching it raised: what came before it is to be written first.

    Its list of rows is our own: a source may fill the same one again before these are written.
    """
    try:
        batch = next(coming, None)
        if batch is not None and not isinstance(batch.rows, pa.Table):
            batch = replace(batch, rows=[*batch.rows])
    except Exception as error:  # noqa: BLE001 raised again in its turn
        return None, error
    return batch, None


def _weight(batch: Batch) -> int:
    """Return for how many rows a batch counts."""
    return len(batch.rows) * (1 if isinstance(batch.rows, pa.Table) else MAPPINGS_WEIGH)


def _is_final(error: Exception) -> bool:
    """Return whether nothing more can be written, whatever it is: the line to the store is gone, or the lease."""
    return isinstance(error, LeaseLostError) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )


class _Line(Generic[Ahead, Done]):
    """Batches that wait to be written: one thread lets them join, another writes them.

    Attributes:
        failed: what ended the writing, if anything did.
        closed: nothing is to be written any more.
    """

    def __init__(self, write: Write[Ahead, Done]) -> None:
        self._write = write
        self._waiting: deque[tuple[Batch, Sequence[Ahead]]] = deque()
        self._joined = self._taken = 0
        self.failed: BaseException | None = None
        self.closed = False

    def join(self, batch: Batch, ahead: Sequence[Ahead]) -> None:
        """Let a batch wait for its turn."""
        self._joined += _weight(batch)
        self._waiting.append((batch, ahead))

    @property
    def full(self) -> bool:
        """Whether so many rows wait that no more are to be fetched."""
        return self._joined - self._taken >= TOGETHER or len(self._waiting) >= BATCHES_TOGETHER

    def write(self) -> list[tuple[Batch, Done]]:
        """Write what waits, in one transaction; where that is refused, batch by batch as far as it goes.

        Nothing where it was written in the turn before, after a failure, or once closed.
        """
        group: list[tuple[Batch, Sequence[Ahead]]] = []
        weight = 0
        over = self.closed or self.failed is not None
        while self._waiting and not over and weight < TOGETHER and len(group) < BATCHES_TOGETHER:
            group.append(self._waiting.popleft())
            weight += _weight(group[-1][0])
        self._taken += weight
        done: list[Done] = []
        parts = [group] if group else []
        while parts and self.failed is None:
            try:
                done += self._write(parts[0])
            except BaseException as error:  # noqa: BLE001 raised again, by the thread that asked
                if len(parts[0]) == 1 or not isinstance(error, Exception) or _is_final(error):
                    self.failed = error
                parts = [[each] for each in parts[0]]  # which of them? each by itself
            else:
                parts = parts[1:]
        return [(batch, each) for (batch, _), each in zip(group, done, strict=False)]
