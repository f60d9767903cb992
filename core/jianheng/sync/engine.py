"""The sync of one source: streams in order of what they need, each batch in one transaction.

Rows, cursor and quarantine of a batch are committed together, so a crash between batches loses
nothing and repeats nothing. A stream that fails keeps what it committed; streams that need it wait.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from structlog.contextvars import bound_contextvars

from jianheng.contract import Stream
from jianheng.errors import JianhengError, Problem, StopError, problem
from jianheng.facts.entities import ENTITIES
from jianheng.logs import get_log
from jianheng.store.engine import store_error, writing
from jianheng.store.leases import LeaseLostError, give_back
from jianheng.store.runs import PART, begin_run, end_abandoned, end_run
from jianheng.sync import first_load, pauses, quarantine
from jianheng.sync.counts import Counts, SourceReport, StreamReport, told_problems
from jianheng.sync.fence import LEASE_S, Fence, fenced, take_fence
from jianheng.sync.place import Place
from jianheng.sync.stream import sync_stream
from jianheng.sync.task import Affects, Progress, Reader, Span, Task, Wish


def sync_source(
    store: sa.Engine,
    office: str,
    reader: Reader,
    *,
    only: Iterable[str] = (),
    whole: bool = True,
    full: bool = False,
    sweep: bool = False,
    sweep_every_s: float | None = None,
    full_every_s: float | None = None,
    span: Span | None = None,
    accept_mass_change: bool = False,
    progress: Progress = lambda _stream, _rows: None,
    affects: Affects = lambda _entity, _column: "",
    lease_s: float = LEASE_S,
) -> SourceReport:
    """Read everything new of one source into the store.

    Args:
        store: where to.
        office: for which office.
        reader: the source.
        only: the streams to read; all when empty.
        whole: these streams are all that this deployment reads; a run of fewer does not make the source complete.
        full: read everything again, whatever the cursors say.
        sweep: compare all keys with the source's, for late commits and removed rows.
        sweep_every_s: do so when the last time lies further back; never by itself when None.
        full_every_s: read everything again when the last time lies further back; never by itself when None.
        span: read only this span of business time; the source does not count as read to its end then.
        accept_mass_change: somebody has confirmed that many records did vanish.
        progress: told as rows come.
        affects: says what reads a column of an entity; asked where a source changed it.
        lease_s: how long the run may be silent before another may take its place.

    Raises:
        StopError: the source's streams are not usable at all, or the store fails.
        RetryError: another run of the source is under way, or took the place of this one.
        JianhengError: whatever the source raised while naming its streams.
    """
    streams = _ordered(reader, only)
    with _coded_store_failures(f"sync {reader.name}"):
        fence = take_fence(store, office, reader.name, lease_s)
        try:
            first_load.mend(fence)
            with fenced(fence) as connection:
                end_abandoned(connection, office, "sync", reader.name)
                run_id = begin_run(connection, office, "sync", reader.name)
            wish = Wish(full, sweep, sweep_every_s, full_every_s, span, accept_mass_change, progress, affects)
            with bound_contextvars(office=office, source=reader.name, run=run_id):
                done = _read_all(fence, office, reader, streams, run_id, wish, whole=whole and span is None)
        finally:
            give_back(store, fence.lease)
    return done


def _read_all(
    fence: Fence, office: str, reader: Reader, streams: list[Stream], run_id: int, wish: Wish, *, whole: bool
) -> SourceReport:
    """Read streams one after the other, and record how the run ended, however it did."""
    reports: list[StreamReport] = []
    why: dict[str, Any] = {}
    try:
        reports.extend(  # what came before a failure stays
            _logged(_reports(fence, office, reader, streams, run_id, wish))
        )
    except SQLAlchemyError as failed:
        why = _told(store_error(failed, f"sync {reader.name}"))
        raise
    finally:
        try:
            with fenced(fence) as connection:
                left = quarantine.open_count(connection, office, reader.name)
                done = SourceReport(reader.name, run_id, tuple(reports), left)
                state = done.state if len(reports) == len(streams) else "broken"
                state = PART if state == "done" and not whole else state
                end_run(connection, run_id, state, {**done.as_json(), **why})
        except LeaseLostError:
            with writing(fence.store) as connection:  # of our own run only: nothing it read is written
                end_run(connection, run_id, "broken", {"lease_lost": True})
            raise
    return done


def _logged(reports: Iterable[StreamReport]) -> Iterator[StreamReport]:
    """Say of each stream how it ended; office, source and run are in the context of the log."""
    log = get_log("jianheng.sync")
    for each in reports:
        counts = {name: number for name, number in asdict(each.counts).items() if number}
        told = [one.code for one in (*each.problems, *each.notes)]
        log.info("stream ended", stream=each.stream, state=each.state, problems=told, counts=counts)
        yield each


def _reports(
    fence: Fence, office: str, reader: Reader, streams: list[Stream], run_id: int, wish: Wish
) -> Iterator[StreamReport]:
    """Yield how each stream ended."""
    broken: set[str] = set()
    failures: list[tuple[Problem, ...]] = []
    met: dict[str, set[str]] = {stream.entity: set() for stream in streams}
    given = Counter(stream.entity for stream in streams)
    for stream in streams:
        entity = ENTITIES[stream.entity]
        waits_for = broken & set(entity.refs)
        with fence.store.connect() as connection:
            paused = pauses.pauses(connection, office, reader.name)
        why = paused.get(stream.name) or paused.get(pauses.WHOLE)
        if why is not None:  # what it gave before is still known, so that nothing waits for it
            told = pauses.told(reader.name, stream.name, why)
            yield StreamReport(stream.name, stream.entity, "skipped", Counts(), (told,), "ask")
            continue
        if len(failures) > 1 and failures[-1] == failures[-2]:
            # Two streams failed alike: it is the source, and asking on could lock an account.
            report = StreamReport(stream.name, stream.entity, "skipped", Counts(), failures[-1])
        elif waits_for:
            names = "、".join(ENTITIES[name].label for name in sorted(waits_for))
            told = problem("sync-stream-waits", source=reader.name, stream=stream.name, waits_for=names)
            report = StreamReport(stream.name, stream.entity, "skipped", Counts(), (told,))
        else:
            place = Place(office, reader.name, stream.name, entity, run_id, at=0, met=met[stream.entity])
            report = sync_stream(Task(fence, place, reader, stream, wish, shared=given[stream.entity] > 1))
            failures += [report.problems] if report.state == "failed" else []
        if report.state != "done" and not report.held_up:
            broken.add(stream.entity)
        yield report


def record_unread(store: sa.Engine, office: str, source: str, why: JianhengError) -> None:
    """Record that a source could not even be opened, and why: it is not complete until it was read again."""
    try:
        with writing(store) as connection:
            end_run(connection, begin_run(connection, office, "sync", source), "broken", _told(why))
    except (
        SQLAlchemyError
    ) as failed:  # what is to be told is why the source was not read, not that this failed too
        get_log("jianheng.sync").warning("run not recorded", source=source, told=type(failed).__name__)


def _told(why: JianhengError) -> dict[str, Any]:
    """Return why a run was broken, as its record keeps it."""
    return {"problems": told_problems(why.problems), "recovery": why.recovery}


@contextmanager
def _coded_store_failures(doing: str) -> Iterator[None]:
    """Tell of a failing store by code, with the driver's first line, never the statement's values."""
    try:
        yield
    except SQLAlchemyError as failed:
        raise store_error(failed, doing) from failed


def _ordered(reader: Reader, only: Iterable[str]) -> list[Stream]:
    """Return the streams to read: strict references first, as the entities are declared."""
    streams = list(reader.streams())
    unknown = sorted({stream.entity for stream in streams} - ENTITIES.keys())
    if unknown:
        raise StopError("sync-unknown-entity", source=reader.name, entities="、".join(unknown))
    wanted = set(only)
    check_streams(reader.name, wanted, streams)
    rank = {name: position for position, name in enumerate(ENTITIES)}
    chosen = [stream for stream in streams if not wanted or stream.name in wanted]
    return sorted(chosen, key=lambda stream: (rank[stream.entity], stream.name))


def check_streams(source: str, wanted: Iterable[str], streams: Sequence[Stream]) -> None:
    """See that a source has the streams somebody asks for.

    Raises:
        StopError: it has not; the message names those it has.
    """
    missing = sorted(set(wanted) - {stream.name for stream in streams})
    if missing:
        have = "、".join(stream.name for stream in streams)
        raise StopError("sync-unknown-stream", source=source, streams="、".join(missing), have=have)
