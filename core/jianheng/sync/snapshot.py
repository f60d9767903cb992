"""Reading all of a stream, then applying it in one transaction: half a snapshot would look like a mass deletion."""

from collections.abc import Iterator
from functools import partial

from jianheng.contract import Batch
from jianheng.store import fact_versions
from jianheng.sync.apply import Seen
from jianheng.sync.batches import Turn, close_gone, keep_looks, looks_of, moment_in, take_batches
from jianheng.sync.counts import Counts
from jianheng.sync.fence import fenced
from jianheng.sync.guards import check_vanished, unreadable
from jianheng.sync.spool import spooled
from jianheng.sync.task import Task

SIGNS = 10
"""Signs of life in the time of one lease, while a slow source is waited for."""


def read_snapshot(task: Task) -> Counts:
    """Apply a full read, and bury what it does not hold any more.

    Raises:
        AskError: too much vanished at once, or the rows do not look as they did; nothing was written.
        StopError: the stream is empty and never was anything else.
    """
    place, stream = task.place, task.stream
    seen, counts = Seen(), Counts()
    rejected: set[str] = set()
    sign = partial(_show_life, task)
    with (
        spooled(_told(task), place.source, sign, task.fence.lease_s / SIGNS) as batches,
        fenced(task.fence) as connection,
    ):
        now = moment_in(connection, place)
        looks = looks_of(connection, task)
        before = fact_versions.live_keys(connection, place.entity, place.office, place.source, place.stream)
        for batch in batches:
            (applied,) = take_batches(connection, task, [Turn(batch, now, seen)], looks)
            rejected |= {reject.locator for reject in applied.rejects}
            counts = counts + applied.counts
        keep_looks(connection, place, looks)
        present = seen.live
        place.met.update(present)
        gone = before - seen.hashes.keys() - seen.rejected - place.met
        gone -= unreadable(connection, now, gone, rejected)
        check_vanished(
            place,
            stream,
            len(before),
            len(gone),
            anything=bool(present or seen.rejected),
            accept_mass_change=task.wish.accept_mass_change,
        )
        fact_versions.bury(connection, place.entity, place.office, place.source, gone, now.at, place.run_id)
        close_gone(connection, now, rejected)
    return counts + Counts(vanished=len(gone))


def _told(task: Task) -> Iterator[Batch]:
    """Yield what the source gives, telling how far it is."""
    rows = 0
    for batch in task.reader.read(task.stream.name, None):
        rows += len(batch.rows)
        task.wish.progress(task.stream.name, rows)
        yield batch


def _show_life(task: Task) -> None:
    """Keep the source ours while it is waited for."""
    with fenced(task.fence):
        pass
