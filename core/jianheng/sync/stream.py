"""Reading one stream: a snapshot in one transaction, or changes batch by batch from a cursor on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from jianheng.contract import Batch, Stream
from jianheng.errors import AskError, EmptiedError, JianhengError, StopError
from jianheng.facts.convert import Fact, Reject
from jianheng.store import fact_versions
from jianheng.store.engine import now_us, writing
from jianheng.sync import cursors, quarantine
from jianheng.sync.apply import Place, Seen, apply_rows
from jianheng.sync.counts import Counts, StreamReport

Progress = Callable[[str, int], None]
"""Called with a stream's name and the rows read so far."""

MASS_CHANGE_PERCENT = 20
MASS_CHANGE_AT_LEAST = 10


@dataclass(frozen=True, slots=True)
class Reader:
    """A source as the engine sees it: calls already go through the adapter's boundary.

    ``fingerprint`` changes when the way the source is read changes (options, mapping): cursors from
    before are then not trusted and everything is compared again.
    """

    name: str
    streams: Callable[[], Sequence[Stream]]
    read: Callable[[str, str | None], Iterator[Batch]]
    fingerprint: str = ""


def sync_stream(
    store: sa.Engine,
    place: Place,
    reader: Reader,
    stream: Stream,
    accept_mass_change: bool,
    progress: Progress,
    *,
    full: bool,
) -> StreamReport:
    """Read everything new of one stream; what stopped it is in the report."""
    counts = Counts()
    try:
        if stream.mode == "snapshot":
            counts = counts + _read_snapshot(store, place, reader, stream, accept_mass_change, progress)
        else:
            cursor = _where_to_go_on(store, place, reader, full=full)
            if cursor is not None:
                counts = counts + _replay(store, place)
            for batch_counts in _read_cursor(
                store, place, reader, stream, cursor, accept_mass_change, progress
            ):
                counts = counts + batch_counts
    except JianhengError as error:
        return StreamReport(stream.name, stream.entity, "failed", counts, error.problems, error.recovery)
    return StreamReport(stream.name, stream.entity, "done", counts)


def _moment(connection: sa.Connection, place: Place) -> Place:
    """Return the place with the moment of this transaction, never before what is already recorded."""
    latest = fact_versions.last_recorded(connection, place.office)  # of all: scoring asks for what came since
    at = max(now_us(), latest + 1)
    return replace(place, at=at)


def _rows(batch: Batch) -> Sequence[Mapping[str, Any]]:
    return batch.rows.to_pylist() if isinstance(batch.rows, pa.Table) else batch.rows


def _where_to_go_on(store: sa.Engine, place: Place, reader: Reader, *, full: bool) -> str | None:
    """Return the cursor to read from; None to read everything again.

    What was rejected may be mended at the source without looking changed, so while something is in
    quarantine everything is read again, less and less often the longer it stays there.
    """
    with writing(store) as connection:
        again = full or quarantine.count_sync(connection, place.office, place.source, place.stream)
        return None if again else cursors.kept(connection, place, reader.fingerprint)


def _read_cursor(
    store: sa.Engine,
    place: Place,
    reader: Reader,
    stream: Stream,
    cursor: str | None,
    accept_mass_change: bool,
    progress: Progress,
) -> Iterator[Counts]:
    known_refs: dict[str, set[str]] = {}
    rejected: set[str] = set()
    read = 0
    try:
        for batch in reader.read(stream.name, cursor):
            rows = _rows(batch)
            with writing(store) as connection:
                now = _moment(connection, place)
                applied = apply_rows(connection, now, rows, Seen(known_refs=known_refs))
                _settle(connection, now, applied.taken, applied.rejects)
                place.met.update(fact.key for fact in applied.taken if not fact.deleted)
                if batch.cursor is not None:
                    cursors.keep(connection, now, batch.cursor, reader.fingerprint)
            rejected |= {reject.locator for reject in applied.rejects}
            read += len(rows)
            progress(stream.name, read)
            yield applied.counts
    except EmptiedError:
        read, cursor = 0, None
    if cursor is not None:
        return
    if read == 0:
        yield _empty(store, place, stream, accept_mass_change)
        return
    with writing(store) as connection:  # all was read: a row that did not come again is not there any more
        _close_gone(connection, place, rejected)


def _empty(store: sa.Engine, place: Place, stream: Stream, accept_mass_change: bool) -> Counts:
    """Everything of a stream vanished: believe it as of a snapshot, and read from the beginning next time."""
    with writing(store) as connection:
        now = _moment(connection, place)
        gone = fact_versions.live_keys(connection, place.entity, place.office, place.source, place.stream)
        if gone and not accept_mass_change:  # even a few: such a source marks what it deletes
            raise _mass_change(place, stream, len(gone), len(gone))
        if not gone and not stream.may_be_empty:
            raise _empty_source(place, stream)
        fact_versions.bury(connection, place.entity, place.office, place.source, gone, now.at, place.run_id)
        _close_gone(connection, now, set())
        cursors.forget(connection, now)
    return Counts(vanished=len(gone))


def _close_gone(connection: sa.Connection, place: Place, rejected: set[str]) -> None:
    """Close what is in quarantine and was not rejected again in a read of everything: the source mended it away."""
    left = quarantine.held(connection, place.office, place.source, place.stream)
    vanished = [entry.quarantine_id for entry in left if entry.locator not in rejected]
    quarantine.close(connection, vanished, "gone", place.run_id)


def _read_snapshot(
    store: sa.Engine,
    place: Place,
    reader: Reader,
    stream: Stream,
    accept_mass_change: bool,
    progress: Progress,
) -> Counts:
    """Apply a full read in one transaction: half a snapshot would look like a mass deletion."""
    seen = Seen()
    counts = Counts()
    with writing(store) as connection:
        now = _moment(connection, place)
        before = fact_versions.live_keys(connection, place.entity, place.office, place.source, place.stream)
        rejected: set[str] = set()
        for batch in reader.read(stream.name, None):
            rows = _rows(batch)
            applied = apply_rows(connection, now, rows, seen)
            _settle(connection, now, applied.taken, applied.rejects)
            rejected |= {reject.locator for reject in applied.rejects}
            counts = counts + applied.counts
            progress(stream.name, counts.emitted)
        present = {key for key, fact in seen.keys.items() if not fact.deleted}
        place.met.update(present)
        gone = before - seen.keys.keys() - seen.rejected - place.met
        gone -= _unreadable(connection, now, gone, rejected)
        _guard(place, stream, len(before), len(gone), bool(present or seen.rejected), accept_mass_change)
        fact_versions.bury(connection, place.entity, place.office, place.source, gone, now.at, place.run_id)
        _close_gone(connection, now, rejected)
    return counts + Counts(vanished=len(gone))


def _unreadable(connection: sa.Connection, place: Place, gone: set[str], places: set[str]) -> set[str]:
    """Return the keys whose record stands where a row was rejected: its key is what cannot be read now."""
    if not gone or not places:
        return set()
    sightings = fact_versions.sightings(connection, place.entity, place.office, gone)
    return {
        key
        for key, source, locator, *_ in sightings
        if source == place.source and locator and locator in places
    }


def _guard(
    place: Place, stream: Stream, before: int, gone: int, anything: bool, accept_mass_change: bool
) -> None:
    if not anything and not before and not stream.may_be_empty:
        raise _empty_source(place, stream)
    mass = gone >= MASS_CHANGE_AT_LEAST and gone * 100 > before * MASS_CHANGE_PERCENT
    emptied = bool(before) and gone == before and not stream.may_be_empty
    if (mass or emptied) and not accept_mass_change:
        raise _mass_change(place, stream, before, gone)


def _empty_source(place: Place, stream: Stream) -> StopError:
    return StopError("sync-empty-source", source=place.source, stream=stream.name, entity=place.entity.label)


def _mass_change(place: Place, stream: Stream, before: int, gone: int) -> AskError:
    return AskError(
        "sync-mass-change",
        source=place.source,
        stream=stream.name,
        entity=place.entity.label,
        gone=gone,
        before=before,
        percent=MASS_CHANGE_PERCENT,
    )


def _settle(
    connection: sa.Connection, place: Place, taken: Sequence[Fact], rejects: Sequence[Reject]
) -> None:
    """Hold what was rejected; close what a good version of the same record mends."""
    where = (place.office, place.source, place.stream)
    opened = quarantine.held(connection, *where) if taken else []
    if opened:
        good = {fact.key for fact in taken} | {fact.locator for fact in taken if fact.locator}
        bad = {reject.key for reject in rejects} | {reject.locator for reject in rejects if reject.locator}
        mended = [
            entry.quarantine_id
            for entry in opened
            if {entry.record_key, entry.locator} & good and not {entry.record_key, entry.locator} & bad
        ]
        quarantine.close(connection, mended, "mended", place.run_id)
    quarantine.hold(connection, *where, place.entity.name, rejects)


def _replay(store: sa.Engine, place: Place) -> Counts:
    """Try open entries again: what they lacked (a person, a case) may be there now.

    A row that only lost against another of the same key would win by being tried alone, so it waits
    until the source gives one of the two again.
    """
    with writing(store) as connection:
        opened = quarantine.held(connection, place.office, place.source, place.stream)
        again = [entry.row for entry in opened if not entry.lost_to_another]
        if not again:
            return Counts()
        now = _moment(connection, place)
        applied = apply_rows(connection, now, again, Seen())
        _settle(connection, now, applied.taken, applied.rejects)
    return applied.counts
