"""Reading one stream: changes batch by batch from a cursor on, each written in one transaction with its cursor."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial

import sqlalchemy as sa

from jianheng.contract import Batch
from jianheng.errors import AskError, EmptiedError, JianhengError, Problem, RetryError, StopError, problem
from jianheng.store import audit, fact_versions, moments
from jianheng.store.engine import now_us
from jianheng.store.leases import LeaseLostError
from jianheng.sync import cursors, first_load, pauses, quarantine
from jianheng.sync.apply import Applied, Highest, Looked, Seen, apply_rows
from jianheng.sync.batches import (
    Looks,
    Turn,
    close_gone,
    keep_looks,
    look_for,
    looked_ahead,
    looks_of,
    moment_in,
    settle,
    take_batches,
)
from jianheng.sync.counts import Counts, StreamReport
from jianheng.sync.edge import Edge, marks_of
from jianheng.sync.fence import Fence, fenced
from jianheng.sync.guards import (
    MASS_CHANGE_AT_LEAST,
    MASS_CHANGE_PERCENT,
    check_books,
    empty_source,
    mass_change,
)
from jianheng.sync.overlap import overlapped
from jianheng.sync.place import Place
from jianheng.sync.shapes import DriftError
from jianheng.sync.snapshot import read_snapshot
from jianheng.sync.sweep import Met, bury_unmet, is_due, keys_apart, mark_swept
from jianheng.sync.task import Progress, Reader, Span, Task, Wish

__all__ = [
    "MASS_CHANGE_AT_LEAST",
    "MASS_CHANGE_PERCENT",
    "Progress",
    "Reader",
    "Wish",
    "replay",
    "sync_stream",
]


def sync_stream(task: Task) -> StreamReport:
    """Read everything new of one stream; what stopped it is in the report.

    Raises:
        LeaseLostError: another run has taken the source.
    """
    stream = task.stream
    counts = Counts()
    try:
        for more in _read(task):
            counts = counts + more
    except LeaseLostError:
        raise
    except DriftError as drift:
        changed = _with_readers(task, drift)
        _hold_up(task, drift, changed)
        why = (changed, drift.recovery)
        return StreamReport(stream.name, stream.entity, "failed", counts, *why, held_up=True)
    except JianhengError as error:
        asked = error.after_s if isinstance(error, RetryError) else None
        told = (error.problems, error.recovery)
        return StreamReport(stream.name, stream.entity, "failed", counts, *told, after_s=asked)
    return StreamReport(stream.name, stream.entity, "done", counts, notes=tuple(task.notes))


def _read(task: Task) -> Iterator[Counts]:
    if task.wish.span is not None and task.stream.mode == "cursor":  # what is read whole is read whole anyway
        yield from _read_span(task, task.wish.span)
    elif task.stream.mode == "snapshot":
        yield read_snapshot(task)
    else:
        yield from _read_on(task)


def _read_on(task: Task) -> Iterator[Counts]:
    """Read what is new, and compare all keys when somebody asked or it is time."""
    with fenced(task.fence) as connection:
        due = is_due(connection, task)
        known = cursors.kept(connection, task.place, task.reader.fingerprint)
        again = (
            task.wish.full
            or quarantine.count_sync(connection, task.place.office, task.place.source, task.place.stream)
            or cursors.is_stale(known, task.wish.full_every_s)
        )
    by_keys = due and task.reader.keys is not None
    known = None if again or (due and not by_keys) else known
    if known is not None:
        yield replay(task.fence, task.place)
    met = Met() if known is None else None
    edge = Edge.of("" if known is None else known.edge)
    yield from _read_cursor(task, known, met, edge, with_keys=due and not by_keys)
    if known is not None and edge.torn:
        yield from _read_again(task, known)
    elif due and not by_keys and met is not None and met.rows:
        yield bury_unmet(task, met)
    elif by_keys:
        yield from _sweep(task)


def _read_again(task: Task, known: cursors.Kept) -> Iterator[Counts]:
    """Nothing of what came with the cursor came again: read and compare everything.

    Raises:
        AskError: too much is gone to be believed; the next read begins where this one did, and asks again.
    """
    where = {"source": task.place.source, "stream": task.stream.name, "entity": task.place.entity.label}
    task.notes.append(problem("sync-edge-torn", **where))
    met = Met()
    yield from _read_cursor(task, None, met)
    if not met.rows:
        return
    try:
        yield bury_unmet(task, met)
    except AskError:
        with fenced(task.fence) as connection:
            cursors.keep(connection, moment_in(connection, task.place), known, task.reader.fingerprint)
        raise


def _sweep(task: Task) -> Iterator[Counts]:
    """Compare keys: what is gone at the source is buried, for what was never seen everything is read once."""
    apart = keys_apart(task)
    if apart.missing:
        yield from _read_cursor(task, None, Met(), with_keys=False)
    yield mark_swept(task, apart)


def _read_cursor(
    task: Task,
    known: cursors.Kept | None,
    met: Met | None,
    edge: Edge | None = None,
    *,
    with_keys: bool = True,
) -> Iterator[Counts]:
    """Read from a cursor on; with ``met`` what was met is collected there, since all is being read.

    Keys are collected only if somebody will look at them: they are as many as the rows.
    """
    place, reader, edge = task.place, task.reader, edge or Edge()
    cursor, full_at = (None, now_us()) if known is None else (known.cursor, known.full_at)
    known_refs: dict[str, set[str]] = {}
    read = 0
    try:
        with fenced(task.fence) as connection:
            looks = looks_of(connection, task)
            anything = moments.is_told(connection, place.office, place.source, place.entity.name)
            left_away = [] if anything else first_load.left_away(connection, place.entity)
        highest = None if anything else Highest()

        def seen() -> Seen:
            return Seen(known_refs=known_refs, highest=highest)

        def keep(connection: sa.Connection, now: Place, reached: str, applied: Applied) -> None:
            kept = cursors.Kept(reached, marks_of(applied), full_at)
            cursors.keep(connection, now, kept, reader.fingerprint)

        with first_load.loading(task.fence, left_away) as coming:
            batches = reader.read(task.stream.name, cursor)
            for batch, applied in _written(task, batches, looks, seen, keep, coming):
                edge.look(applied)
                if task.shared:
                    place.met.update(*(part.live for part in applied.taken))
                if met is not None:
                    _meet(met, applied, with_keys=with_keys)
                read += len(batch.rows)
                task.wish.progress(task.stream.name, read)
                yield applied.counts
    except EmptiedError:
        read, cursor, edge.met = 0, None, True
    if cursor is not None:
        return
    if read == 0:
        yield _empty(task)
        return
    if met is not None:
        with fenced(task.fence) as connection:  # a row that did not come again is not there any more
            close_gone(connection, place, met.places)


def _written(
    task: Task,
    batches: Iterator[Batch],
    looks: Looks,
    seen: Callable[[], Seen],
    keep: Callable[[sa.Connection, Place, str, Applied], None],
    coming: Callable[[int], None] = lambda _rows: None,
) -> Iterator[tuple[Batch, Applied]]:
    """Yield batches as they are written, each transaction with the cursor its last batch reached."""

    def write(group: Sequence[tuple[Batch, Sequence[Looked]]]) -> list[Applied]:
        nonlocal looks
        coming(sum(len(batch.rows) for batch, _ in group))
        with fenced(task.fence) as connection:
            now, looked = moment_in(connection, task.place), looks.copy()
            turns = [  # a record may change from one batch to the next: its versions must not begin at one moment
                Turn(batch, replace(now, at=now.at + after), seen(), first)
                for after, (batch, first) in enumerate(group)
            ]
            done = take_batches(connection, task, turns, looked)
            reached = [
                (turn.batch.cursor, turn.place, applied)
                for turn, applied in zip(turns, done, strict=True)
                if turn.batch.cursor is not None
            ]
            for cursor, place, applied in reached[-1:]:
                keep(connection, place, cursor, applied)
            keep_looks(connection, task.place, looked)
        looks = looked
        return done

    check = partial(looked_ahead, task.place.entity, look_for(task.fence.store.dialect, seen()))
    return overlapped(task.fence.store, batches, check, write)


def _meet(met: Met, applied: Applied, *, with_keys: bool) -> None:
    if with_keys:
        met.add(applied)
        return
    met.rows += applied.counts.emitted
    met.places.update(reject.locator for reject in applied.rejects)


def _read_span(task: Task, span: Span) -> Iterator[Counts]:
    """Read a span of business time; killed in the middle, the next sync of the same span goes on from there.

    Raises:
        StopError: the source offers no spans.
    """
    place, reader = task.place, task.reader
    if reader.read_range is None:
        raise StopError("sync-no-ranges", source=place.source)
    partition = "..".join(day.isoformat() for day in span)
    with fenced(task.fence) as connection:
        known = cursors.kept(connection, place, reader.fingerprint, partition)
        cursor = None if known is None else known.cursor
        looks = looks_of(connection, task)
    read = 0

    def keep(connection: sa.Connection, now: Place, reached: str, _applied: Applied) -> None:
        cursors.keep(connection, now, cursors.Kept(reached), reader.fingerprint, partition)

    given = reader.read_range(task.stream.name, span, cursor)
    known_refs: dict[str, set[str]] = {}
    for batch, applied in _written(task, given, looks, lambda: Seen(known_refs=known_refs), keep):
        read += len(batch.rows)
        task.wish.progress(task.stream.name, read)
        yield applied.counts
    with fenced(task.fence) as connection:
        cursors.forget(connection, place, partition)


def _empty(task: Task) -> Counts:
    """Everything of a stream vanished: believe it as of a snapshot, and read from the beginning next time."""
    place, stream = task.place, task.stream
    with fenced(task.fence) as connection:
        now = moment_in(connection, place)
        gone = fact_versions.live_keys(connection, place.entity, place.office, place.source, place.stream)
        if gone and not task.wish.accept_mass_change:  # even a few: such a source marks what it deletes
            raise mass_change(place, stream, len(gone), len(gone))
        if not gone and not stream.may_be_empty:
            raise empty_source(place, stream)
        fact_versions.bury(connection, place.entity, place.office, place.source, gone, now.at, place.run_id)
        close_gone(connection, now, set())
        cursors.forget(connection, now)
    return Counts(vanished=len(gone))


def _with_readers(task: Task, drift: DriftError) -> tuple[Problem, ...]:
    """Return what changed, with everything that is affected: entities, and what else reads the column."""
    found = []
    for each in drift.problems:
        more = task.wish.affects(task.place.entity.name, str(each.fields.get("column_name", "")))
        affects = "; ".join(part for part in (str(each.fields["affects"]), more) if part)
        found.append(Problem(each.code, {**each.fields, "affects": affects}))
    return tuple(found)


def _hold_up(task: Task, drift: DriftError, problems: Sequence[Problem]) -> None:
    """Pause a stream that does not look as it did, and remember what it looks like now."""
    place = task.place
    told = [each.code for each in problems]
    with fenced(task.fence) as connection:
        cursors.note(connection, place, {"pending": drift.seen.as_json()})
        pauses.pause(connection, place.office, place.source, place.stream, "jianheng", ", ".join(told))
        subject = f"{place.source}/{place.stream}"
        detail = {"problems": [each.message().as_json() for each in problems], "run": place.run_id}
        audit.record(connection, place.office, "jianheng", "state pause", subject, detail)


def replay(fence: Fence, place: Place, numbers: Collection[int] = ()) -> Counts:
    """Try open entries again, all or those of some numbers: what they lacked (a person, a case) may be there now.

    A row that only lost against another of the same key would win by being tried alone, so it waits
    until the source gives one of the two again.
    """
    with fenced(fence) as connection:
        opened = quarantine.held(connection, place.office, place.source, place.stream)
        wanted = [entry for entry in opened if not numbers or entry.quarantine_id in numbers]
        again = [entry.row for entry in wanted if not entry.awaits_source]
        if not again:
            return Counts()
        now = moment_in(connection, place)
        with fact_versions.adding(
            connection, place.entity, place.office, place.source, place.stream
        ) as adding:
            applied = apply_rows(connection, now, again, Seen(), adding)
        check_books(place, len(again), applied.counts)
        settle(connection, now, applied)
    return applied.counts
