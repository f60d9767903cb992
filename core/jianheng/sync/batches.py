"""One batch within its transaction: does it look as its stream did, are its rows rows, what becomes of each."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pyarrow as pa
import sqlalchemy as sa

from jianheng.contract import Batch
from jianheng.facts.columns import Checked, check
from jianheng.facts.convert import Reject
from jianheng.facts.entity import Entity
from jianheng.facts.given import Given, Rows, given_in
from jianheng.store import fact_versions
from jianheng.store.engine import now_us
from jianheng.store.operations import STREAM
from jianheng.sync import cursors, quarantine
from jianheng.sync.apply import Applied, Place, Seen, apply_rows
from jianheng.sync.guards import check_books, fit_rows, trimmed
from jianheng.sync.shapes import Shape, check_codes, check_shape, merge, observe, shape_from, unknown_codes
from jianheng.sync.task import Task


@dataclass(slots=True)
class Looks:
    """What a stream looked like before this read, what it looks like now, and the unknown codes met so far."""

    known: Shape
    seen: Shape
    codes: Counter[tuple[str, str]] = field(default_factory=Counter)


def moment_in(connection: sa.Connection, place: Place) -> Place:
    """Return the place with the moment of this transaction, never before what is already recorded."""
    latest = fact_versions.last_recorded(connection, place.office)  # of all: scoring asks for what came since
    return replace(place, at=max(now_us(), latest + 1))


def looks_of(connection: sa.Connection, task: Task) -> Looks:
    """Return what a stream is known to look like."""
    kept = connection.scalar(sa.select(STREAM.c.shape).where(*cursors.of_stream(task.place)))
    shape = shape_from(kept or "")
    return Looks(shape, shape)


def take_batch(
    connection: sa.Connection, task: Task, now: Place, batch: Batch, seen: Seen, looks: Looks
) -> Applied:
    """Apply one batch within the caller's transaction, and account for every row.

    Raises:
        DriftError: its rows do not look as those of the stream did.
        StopError: a row is unaccounted for.
    """
    reads = cursors.short(task.reader.fingerprint)
    looked = observe(batch.rows, reads)
    names = (now.entity, now.source, now.stream)
    check_shape(looks.known, looked, batch.rows, *names)
    done = apply_rows(connection, now, batch.rows, seen, _fit_and_checked)
    rejects = tuple(trimmed(each, now.entity) for each in done.rejects)
    applied = replace(done, rejects=rejects)
    check_books(now, len(batch.rows), applied.counts)
    looks.codes.update(unknown_codes(rejects))
    check_codes(looks.known, looks.codes, *names, reads)
    looks.seen = merge(looks.seen, looked)
    settle(connection, now, applied)
    return applied


_SIMPLE = frozenset({str, float, bool, Decimal, dt.date, dt.datetime, type(None)})
"""Types whose values are neither deep nor big."""
_SMALL = range(-(2**63), 2**63)


def _fit_and_checked(entity: Entity, rows: Rows) -> tuple[Checked, list[Reject]]:
    """Check the rows that may be looked at closely, and tell of those that may not."""
    given = given_in(rows)
    if all(_is_simple(given, name) for name in given.columns):
        return check(entity, given), []
    fit, unfit = fit_rows(entity, rows)
    return check(entity, fit), unfit


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
