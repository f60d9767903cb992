"""What stops a stream before harm is done: much vanished at once, nothing came, rows that are no rows, books that do not balance."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import pyarrow as pa
import sqlalchemy as sa

from jianheng.contract import Stream
from jianheng.errors import AskError, Problem, StopError, problem
from jianheng.facts.convert import KEY_LIMIT, Reject, shown
from jianheng.facts.entity import Entity
from jianheng.store import fact_versions
from jianheng.sync.counts import Counts
from jianheng.sync.place import Place

MASS_CHANGE_PERCENT = 20
MASS_CHANGE_AT_LEAST = 10

DEPTH_LIMIT = 4
"""How deep lists and mappings may lie in each other within a cell."""
PARTS_LIMIT = 1000
"""How many values a cell may be made of."""
ROW_LIMIT = 100_000
"""Characters of a row that are kept when it cannot be taken."""
DIGITS_LIMIT = 1000
_PLAIN = frozenset({str, int, float, bool, Decimal, dt.date, dt.datetime, type(None)})
_MOST_INTEGER = 10**DIGITS_LIMIT

Rows: TypeAlias = Sequence[Mapping[str, Any]] | pa.Table


def fit_rows(entity: Entity, rows: Rows) -> tuple[Rows, list[Reject]]:
    """Return the rows that may be looked at closely, and those whose cells are too deep or too big for that."""
    if isinstance(rows, pa.Table):
        if not any(pa.types.is_nested(each.type) for each in rows.schema):
            return rows, []
        rows = rows.to_pylist()
    if _all_plain(rows):
        return rows, []
    odd = [place for place, row in enumerate(rows) if not _is_plain(row)]
    found = {place: told for place in odd if (told := _over_limits(entity, rows[place])) is not None}
    if not found:
        return rows, []
    return [row for place, row in enumerate(rows) if place not in found], list(found.values())


def trimmed(reject: Reject, entity: Entity) -> Reject:
    """Return a rejected row with no more of it than is worth keeping; it says so itself."""
    size = sum(len(str(value)) for value in reject.row.values() if not isinstance(value, int))
    if size <= ROW_LIMIT:
        return reject
    told = _told("row-too-large", entity, reject.locator, length=size, limit=ROW_LIMIT)
    row = {str(name)[:KEY_LIMIT]: _cut(value) for name, value in [*reject.row.items()][:PARTS_LIMIT]}
    return Reject(reject.key, reject.locator, (*reject.problems, told), row)


def check_books(place: Place, given: int, counts: Counts) -> None:
    """Refuse to commit a batch of which a row is unaccounted for.

    Raises:
        StopError: ``sync-books``: a fault of the program.
    """
    if given == counts.emitted and counts.balanced:
        return
    accounted = counts.applied + counts.unchanged + counts.duplicate + counts.quarantined
    raise StopError("sync-books", source=place.source, stream=place.stream, given=given, accounted=accounted)


def check_vanished(
    place: Place, stream: Stream, before: int, gone: int, *, anything: bool, accept_mass_change: bool
) -> None:
    """Look at how much of a stream vanished before it is believed.

    Raises:
        AskError: too much at once for anybody to believe it unasked.
        StopError: there is nothing, and never was.
    """
    if not anything and not before and not stream.may_be_empty:
        raise empty_source(place, stream)
    mass = gone >= MASS_CHANGE_AT_LEAST and gone * 100 > before * MASS_CHANGE_PERCENT
    emptied = bool(before) and gone == before and not stream.may_be_empty
    if (mass or emptied) and not accept_mass_change:
        raise mass_change(place, stream, before, gone)


def empty_source(place: Place, stream: Stream) -> StopError:
    """Return what to raise of a stream that holds nothing and never did."""
    return StopError("sync-empty-source", source=place.source, stream=stream.name, entity=place.entity.label)


def mass_change(place: Place, stream: Stream, before: int, gone: int) -> AskError:
    """Return what to raise when much vanished at once."""
    return AskError(
        "sync-mass-change",
        source=place.source,
        stream=stream.name,
        entity=place.entity.label,
        gone=gone,
        before=before,
        percent=MASS_CHANGE_PERCENT,
    )


def unreadable(connection: sa.Connection, place: Place, gone: set[str], places: set[str]) -> set[str]:
    """Return the keys whose record stands where a row was rejected: its key is what cannot be read now."""
    if not gone or not places:
        return set()
    sightings = fact_versions.sightings(connection, place.entity, place.office, gone)
    return {
        key
        for key, source, locator, *_ in sightings
        if source == place.source and locator and locator in places
    }


def _all_plain(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether no row of a batch can need a second look: told by the kinds of all its cells together."""
    kinds: set[type] = set()
    for row in rows:
        kinds.update(map(type, row.values()))
    return kinds <= _PLAIN - {int}


def _is_plain(row: Mapping[str, Any]) -> bool:
    """Whether a row holds nothing that needs a second look; every row passes here, so it must be quick."""
    values = row.values()
    if not _PLAIN.issuperset(map(type, values)):
        return False
    return not any(type(value) is int and not -_MOST_INTEGER < value < _MOST_INTEGER for value in values)


def _over_limits(entity: Entity, row: Mapping[str, Any]) -> Reject | None:
    at = str(row.get("_locator") or "")[:KEY_LIMIT]
    problems: list[Problem] = []
    for name, value in row.items():
        depth, parts = _measure(value)
        if depth > DEPTH_LIMIT:
            problems.append(_told("row-too-deep", entity, at, column_name=name, limit=DEPTH_LIMIT))
        elif parts > PARTS_LIMIT:
            problems.append(_told("row-too-many-parts", entity, at, column_name=name, limit=PARTS_LIMIT))
    if not problems:
        return None
    key = row.get(entity.key.name)
    cut = {str(name)[:KEY_LIMIT]: _cut(value) for name, value in row.items()}
    return Reject(str(key)[:KEY_LIMIT] if isinstance(key, str | int) else "", at, tuple(problems), cut)


def _measure(value: object) -> tuple[int, int]:
    """Return how deep and of how many parts a value is, giving up where a limit is passed."""
    if isinstance(value, int):
        return 0, 1 if -_MOST_INTEGER < value < _MOST_INTEGER else PARTS_LIMIT + 1
    level: list[object] = [value]
    depth = parts = 0
    while level and depth <= DEPTH_LIMIT and parts <= PARTS_LIMIT:
        inner: list[object] = []
        for each in level:
            held: Iterable[object] = ()
            if isinstance(each, Mapping):
                held = each.values()
            elif isinstance(each, list | tuple | set | frozenset):
                held = each
            inner.extend(held)
        parts += len(level)
        depth += bool(inner)
        level = inner
    return depth, parts


def _cut(value: object) -> object:
    """Return what is kept of a cell: enough to find it at the source."""
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return f"<{type(value).__name__}: {len(value)}>"
    if isinstance(value, int) and not -_MOST_INTEGER < value < _MOST_INTEGER:
        return f"<int: {value.bit_length()} bit>"
    return value if isinstance(value, int | float | bool | type(None)) else shown(value)


def _told(code: str, entity: Entity, at: str, **more: object) -> Problem:
    return problem(code, entity=entity.label, entity_name=entity.name, at=at, **more)
