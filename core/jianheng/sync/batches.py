"""One batch within its transaction: does it look as its stream did, are its rows rows, what becomes of each."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pyarrow as pa
import sqlalchemy as sa

from jianheng.contract import Batch
from jianheng.facts.columns import check
from jianheng.facts.entity import Entity
from jianheng.facts.given import Given, Rows, given_in
from jianheng.store import fact_versions, moments
from jianheng.store.copying import copies
from jianheng.store.engine import now_us
from jianheng.store.operations import STREAM
from jianheng.sync import cursors, quarantine
from jianheng.sync.apply import (
    Applied,
    Look,
    Looked,
    Seen,
    apply_rows,
    checked_ahead,
    first_part,
    ready_to_add,
)
from jianheng.sync.guards import check_books, fit_rows, trimmed
from jianheng.sync.place import Place
from jianheng.sync.references import ask_ahead
from jianheng.sync.shapes import Shape, check_codes, check_shape, merge, observe, shape_from, unknown_codes
from jianheng.sync.task import Task


@dataclass(slots=True)
class Looks:
    """What a stream looked like before this read, what it looks like now, and the unknown codes met so far."""

    known: Shape
    seen: Shape
    codes: Counter[tuple[str, str]] = field(default_factory=Counter)

    def copy(self) -> "Looks":
        """Return the same, for a transaction that may be rolled back."""
        return replace(self, codes=self.codes.copy())


def moment_in(connection: sa.Connection, place: Place) -> Place:
    """Return the place with the moment of this transaction, never before what is already recorded."""
    latest = moments.last_recorded(connection, place.office)  # of all: scoring asks for what came since
    return replace(place, at=max(now_us(), latest + 1))


def looks_of(connection: sa.Connection, task: Task) -> Looks:
    """Return what a stream is known to look like."""
    kept = connection.scalar(sa.select(STREAM.c.shape).where(*cursors.of_stream(task.place)))
    shape = shape_from(kept or "")
    return Looks(shape, shape)


@dataclass(frozen=True, slots=True)
class Turn:
    """A batch whose turn it is.

    Attributes:
        place: where its rows go, at a moment of its own.
        seen: what its read has met.
        first: what checking its first rows gave, where they were checked ahead.
    """

    batch: Batch
    place: Place
    seen: Seen
    first: Sequence[Looked] = ()


def take_batches(connection: sa.Connection, task: Task, turns: Sequence[Turn], looks: Looks) -> list[Applied]:
    """Apply batches within the caller's transaction, and account for every row.

    Raises:
        DriftError: its rows do not look as those of the stream did.
        StopError: a row is unaccounted for.
    """
    where = (task.place.entity, task.place.office, task.place.source, task.place.stream)
    if connection.dialect.name != "sqlite":  # in this process nobody waits for an answer: early spares none
        rows = [first_part(turn.batch.rows) for turn in turns]
        ask_ahead(connection, task.place, rows, turns[0].seen.known_refs)
    with fact_versions.adding(connection, *where) as adding:
        done = [_take(connection, task, turn, looks, adding) for turn in turns]
    held = quarantine.any_open(connection, task.place.office, task.place.source, task.place.stream)
    for turn, applied in zip(turns, done, strict=True):
        held = held or bool(applied.rejects)
        if held:
            settle(connection, turn.place, applied)
    return done


def _take(
    connection: sa.Connection, task: Task, turn: Turn, looks: Looks, adding: fact_versions.Adding
) -> Applied:
    now, rows = turn.place, turn.batch.rows
    reads = cursors.short(task.reader.fingerprint)
    looked = observe(rows, reads)
    names = (now.entity, now.source, now.stream)
    check_shape(looks.known, looked, rows, *names)
    done = apply_rows(
        connection, now, rows, turn.seen, adding, look_for(connection.dialect, turn.seen), turn.first
    )
    rejects = tuple(trimmed(each, now.entity) for each in done.rejects)
    applied = replace(done, rejects=rejects)
    check_books(now, len(rows), applied.counts)
    looks.codes.update(unknown_codes(rejects))
    check_codes(looks.known, looks.codes, *names, reads)
    looks.seen = merge(looks.seen, looked)
    return applied


def look_for(dialect: sa.Dialect, seen: Seen) -> Look:
    """Return how the rows of a read are looked at.

    Where nothing was held, nearly all will be new: what is copied in is then made ready by who checks it, who waits
    more than who writes.
    """
    if seen.highest is None or not copies(dialect):
        return _fit_and_checked
    return _fit_and_ready


def looked_ahead(entity: Entity, look: Look, batch: Batch, enough: Callable[[], bool]) -> list[Looked]:
    """Check the first rows of a batch while another is written, until it is enough."""
    return checked_ahead(entity, batch.rows, look, enough)


def _fit_and_ready(entity: Entity, rows: Rows) -> Looked:
    return ready_to_add(_fit_and_checked(entity, rows))


_SIMPLE = frozenset({str, float, bool, Decimal, dt.date, dt.datetime, type(None)})
"""Types whose values are neither deep nor big."""
_SMALL = range(-(2**63), 2**63)


def _fit_and_checked(entity: Entity, rows: Rows) -> Looked:
    """Check the rows that may be looked at closely, and tell of those that may not."""
    given = given_in(rows)
    if all(_is_simple(given, name) for name in given.columns):
        return Looked(check(entity, given))
    fit, unfit = fit_rows(entity, rows)
    return Looked(check(entity, fit), unfit)


def _is_simple(given: Given, name: str) -> bool:
    """Whether no cell of a column can be too deep or too big to be looked at closely."""
    cells = given.columns[name]
    if isinstance(cells, pa.ChunkedArray):
        return not pa.types.is_nested(cells.type)
    if given.texts(name) is not None:
        return True
    kinds = given.kinds(name)
    return kinds <= _SIMPLE or (
        kinds <= _SIMPLE | {int} and all(type(cell) is not int or cell in _SMALL for cell in cells)
    )


def keep_looks(connection: sa.Connection, place: Place, looks: Looks) -> None:
    """Remember what a stream looks like, in the transaction of the rows that showed it."""
    if looks.seen != looks.known:
        cursors.note(connection, place, {"shape": looks.seen.as_json()})


def settle(connection: sa.Connection, place: Place, applied: Applied) -> None:
    """Hold what was rejected; close what a good version of the same record mends."""
    where = (place.office, place.source, place.stream)
    opened = quarantine.held(connection, *where) if any(part.keys for part in applied.taken) else []
    rejects = applied.rejects
    if opened:
        good = {name for part in applied.taken for name in (*part.keys, *filter(None, part.locators))}
        bad = {reject.key for reject in rejects} | {reject.locator for reject in rejects if reject.locator}
        mended = [
            entry.quarantine_id
            for entry in opened
            if {entry.record_key, entry.locator} & good and not {entry.record_key, entry.locator} & bad
        ]
        quarantine.close(connection, mended, "mended", place.run_id)
    quarantine.hold(connection, *where, place.entity.name, rejects)


def close_gone(connection: sa.Connection, place: Place, rejected: set[str]) -> None:
    """Close what is in quarantine and was not rejected again in a read of everything: the source mended it away."""
    left = quarantine.held(connection, place.office, place.source, place.stream)
    vanished = [entry.quarantine_id for entry in left if entry.locator not in rejected]
    quarantine.close(connection, vanished, "gone", place.run_id)
