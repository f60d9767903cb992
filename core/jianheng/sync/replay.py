"""Trying rows in quarantine again by hand: the same checks as in a sync, without asking the source."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from jianheng.facts.entities import ENTITIES
from jianheng.store.leases import give_back
from jianheng.store.runs import PART, begin_run, end_run
from jianheng.sync import quarantine
from jianheng.sync.counts import Counts, SourceReport, StreamReport
from jianheng.sync.entries import Entry, Wanted, entries
from jianheng.sync.fence import Fence, fenced, take_fence
from jianheng.sync.place import Place
from jianheng.sync.stream import replay


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one stream's entries; ``waiting`` are those that only their source can show again."""

    source: str
    stream: str
    counts: Counts
    waiting: int

    def as_json(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        tried, left = self.counts.emitted, self.counts.quarantined
        return {
            "source": self.source,
            "stream": self.stream,
            "tried": tried,
            "taken": tried - left,
            "left": left,
            "waiting": self.waiting,
        }


def replay_entries(store: sa.Engine, office: str, wanted: Wanted) -> list[Replayed]:
    """Try entries again, one source after the other, what others need first.

    Raises:
        RetryError: a sync of one of the sources is under way; those before it were tried.
        StopError: the store failed.
    """
    with store.connect() as connection:
        found = [each for each in entries(connection, office, wanted) if each.state in ("open", "waived")]
    by_source: dict[str, list[Entry]] = {}
    for each in found:
        by_source.setdefault(each.source, []).append(each)
    return [one for source, held in by_source.items() for one in _replay_source(store, office, source, held)]


def _replay_source(store: sa.Engine, office: str, source: str, found: Sequence[Entry]) -> list[Replayed]:
    fence = take_fence(store, office, source)
    try:
        with fenced(fence) as connection:
            run_id = begin_run(connection, office, "sync", source)
        done: list[Replayed] = []
        try:
            done += _replay_streams(fence, office, source, found, run_id)
        finally:
            with fenced(fence) as connection:
                left = quarantine.open_count(connection, office, source)
                reports = tuple(StreamReport(each.stream, each.stream, "done", each.counts) for each in done)
                report = SourceReport(source, run_id, reports, left)
                end_run(connection, run_id, PART, {**report.as_json(), "replay": True})
    finally:
        give_back(store, fence.lease)
    return done


def _replay_streams(
    fence: Fence, office: str, source: str, found: Iterable[Entry], run_id: int
) -> list[Replayed]:
    rank = {name: position for position, name in enumerate(ENTITIES)}
    streams: dict[tuple[int, str, str], set[int]] = {}
    for each in found:
        streams.setdefault((rank[each.entity], each.stream, each.entity), set()).add(each.quarantine_id)
    done = []
    for (_, stream, entity), numbers in sorted(streams.items()):
        place = Place(office, source, stream, ENTITIES[entity], run_id, at=0)
        counts = replay(fence, place, numbers)
        done.append(Replayed(source, stream, counts, len(numbers) - counts.emitted))
    return done
