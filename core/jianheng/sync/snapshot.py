"""Reading all of a stream in one transaction: half a snapshot would look like a mass deletion."""

from jianheng.store import fact_versions
from jianheng.sync.apply import Seen
from jianheng.sync.batches import close_gone, keep_looks, looks_of, moment_in, take_batch
from jianheng.sync.counts import Counts
from jianheng.sync.fence import fenced
from jianheng.sync.guards import check_vanished, unreadable
from jianheng.sync.task import Task


def read_snapshot(task: Task) -> Counts:
    """Apply a full read, and bury what it does not hold any more.

    Raises:
        AskError: too much vanished at once, or the rows do not look as they did; nothing was written.
        StopError: the stream is empty and never was anything else.
    """
    place, stream = task.place, task.stream
    seen, counts = Seen(), Counts()
    rejected: set[str] = set()
    with fenced(task.fence) as connection:
        now = moment_in(connection, place)
        looks = looks_of(connection, task)
        before = fact_versions.live_keys(connection, place.entity, place.office, place.source, place.stream)
        for batch in task.reader.read(stream.name, None):
            applied = take_batch(connection, task, now, batch, seen, looks)
            rejected |= {reject.locator for reject in applied.rejects}
            counts = counts + applied.counts
            task.wish.progress(stream.name, counts.emitted)
        keep_looks(connection, place, looks)
        present = {key for key, fact in seen.keys.items() if not fact.deleted}
        place.met.update(present)
        gone = before - seen.keys.keys() - seen.rejected - place.met
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
