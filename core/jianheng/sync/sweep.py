"""The key sweep: comparing all keys of a stream with the source's, for what no cursor can show.

A row that was committed late lies before the cursor when it appears; a row that was removed leaves nothing to
read. Where the source can list its keys, the lists are compared; else everything is read and compared.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import sqlalchemy as sa

from jianheng.store import fact_versions
from jianheng.store.engine import now_us
from jianheng.sync import cursors, quarantine
from jianheng.sync.apply import Applied
from jianheng.sync.batches import moment_in
from jianheng.sync.counts import Counts
from jianheng.sync.fence import fenced
from jianheng.sync.guards import check_vanished, unreadable
from jianheng.sync.task import Task


@dataclass(slots=True)
class Met:
    """What a read of everything has met: live keys, and keys and places of what could not be taken."""

    rows: int = 0
    keys: set[str] = field(default_factory=set)
    rejected: set[str] = field(default_factory=set)
    places: set[str] = field(default_factory=set)

    def add(self, applied: Applied) -> None:
        """Add a batch."""
        self.rows += applied.counts.emitted
        self.keys.update(*(part.live for part in applied.taken))
        self.rejected.update(reject.key for reject in applied.rejects)
        self.places.update(reject.locator for reject in applied.rejects)


@dataclass(frozen=True, slots=True)
class Apart:
    """The difference of two lists of keys: ``gone`` only here, ``missing`` only there, ``there`` how many there."""

    gone: frozenset[str]
    missing: frozenset[str]
    there: int


def is_due(connection: sa.Connection, task: Task) -> bool:
    """Whether the keys of a stream are to be compared now: somebody asked, or it is time."""
    if task.wish.sweep:
        return True
    every = task.wish.sweep_every_s
    return every is not None and now_us() - cursors.swept_at(connection, task.place) >= every * 1_000_000


def keys_apart(task: Task) -> Apart:
    """Compare the keys that the source lists with those held; the source is asked first, outside any transaction."""
    place = task.place
    there = {key for some in _listed(task) for each in some if (key := str(each).strip())}
    with fenced(task.fence) as connection:
        here = fact_versions.live_keys(connection, place.entity, place.office, place.source, place.stream)
        missing = there - here
        elsewhere = fact_versions.held(connection, place.entity, place.office, place.source, missing)
        waiting = {
            each.record_key for each in quarantine.held(connection, place.office, place.source, place.stream)
        }
    place.met.update(there)
    live = {key for key, each in elsewhere.items() if not each.deleted}
    return Apart(frozenset(here - place.met), frozenset(missing - live - waiting), len(there))


def mark_swept(task: Task, apart: Apart) -> Counts:
    """Bury what the source's list lacks, if so much can be believed, and remember that the keys were compared."""
    return _bury(task, set(apart.gone), set(), anything=apart.there > 0)


def bury_unmet(task: Task, met: Met) -> Counts:
    """Bury what a read of everything did not meet, if so much can be believed."""
    place = task.place
    with fenced(task.fence) as connection:
        here = fact_versions.live_keys(connection, place.entity, place.office, place.source, place.stream)
    return _bury(task, here - met.keys - met.rejected - place.met, met.places, anything=met.rows > 0)


def _bury(task: Task, gone: set[str], places: set[str], *, anything: bool) -> Counts:
    place = task.place
    with fenced(task.fence) as connection:
        now = moment_in(connection, place)
        before = fact_versions.live_keys(connection, place.entity, place.office, place.source, place.stream)
        gone = (gone & before) - unreadable(connection, now, gone, places)
        check_vanished(
            place,
            task.stream,
            len(before),
            len(gone),
            anything=anything,
            accept_mass_change=task.wish.accept_mass_change,
        )
        fact_versions.bury(connection, place.entity, place.office, place.source, gone, now.at, place.run_id)
        cursors.note(connection, place, {"swept_at": now.at})
    return Counts(vanished=len(gone))


def _listed(task: Task) -> Iterable[Iterable[str]]:
    return () if task.reader.keys is None else task.reader.keys(task.stream.name)
