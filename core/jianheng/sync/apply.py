"""One batch of rows: check each, compare with what is held, write what differs, count all."""

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from typing import Any, TypeAlias

import pyarrow as pa
import sqlalchemy as sa

from jianheng.errors import problem
from jianheng.facts.columns import Checked, check
from jianheng.facts.convert import Reject
from jianheng.facts.entities import ENTITIES
from jianheng.facts.entity import Entity
from jianheng.facts.given import Rows
from jianheng.facts.vectors import at
from jianheng.store import fact_versions
from jianheng.sync.counts import Counts

REMEMBERED = 100_000
"""References that a read remembers as known before it begins anew: what it holds does not grow with the rows."""
PART = 20_000
"""Rows of a batch that are checked and written at a time: what is held of a large batch stays bounded."""
AHEAD = 2_500
"""Rows that are checked at a time while a server writes those before them."""

Ready: TypeAlias = Callable[[Entity, Rows], tuple[Checked, list[Reject]]]
"""Checks some rows; rows that may not even be looked at are left out and told beside."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows go: which office, source and stream, of which entity, by which run, recorded when.

    ``met`` collects the live keys that any stream of this run showed of the entity: a record that
    moved from one stream to another has not vanished.
    """

    office: str
    source: str
    stream: str
    entity: Entity
    run_id: int
    at: int
    met: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Highest:
    """The highest key that was written since a read began, of a source of which nothing was held then.

    No key above it can be held: most first reads come in the order of their keys and need not look at all.
    """

    key: str = ""


@dataclass(slots=True)
class Seen:
    """What this read has met so far. A snapshot remembers all its keys; a cursor read only a batch's.

    Attributes:
        hashes: content by key.
        deleted: the keys that were told as gone.
        locators: where a row was found, by key, if that was told.
        rejected: the keys of rows that could not be taken.
        known_refs: keys of other entities that are known to exist.
        highest: None when something may be held of any key.
    """

    hashes: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    locators: dict[str, str] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    known_refs: dict[str, set[str]] = field(default_factory=dict)
    highest: Highest | None = None

    @property
    def live(self) -> set[str]:
        """The keys that were met and not told as gone."""
        return self.hashes.keys() - self.deleted


@dataclass(frozen=True, slots=True)
class Taken:
    """Rows of a batch that are usable, changed or not: their keys, which of them are told as gone, where they are."""

    keys: Sequence[str]
    deleted: Sequence[bool]
    locators: Sequence[str]

    @property
    def live(self) -> Iterable[str]:
        """The keys of what is there."""
        if True not in self.deleted:
            return self.keys
        return (key for key, gone in zip(self.keys, self.deleted, strict=True) if not gone)


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one batch."""

    counts: Counts
    rejects: tuple[Reject, ...]
    taken: tuple[Taken, ...]

    @property
    def keys(self) -> list[str]:
        """The keys of all rows taken, in the order they came."""
        return [key for part in self.taken for key in part.keys]


def _only_check(entity: Entity, rows: Rows) -> tuple[Checked, list[Reject]]:
    return check(entity, rows), []


def apply_rows(
    connection: sa.Connection, place: Place, rows: Rows, seen: Seen, ready: Ready = _only_check
) -> Applied:
    """Apply one batch within the caller's transaction; an Arrow table stands for its rows."""
    counts = Counts()
    rejects: list[Reject] = []
    unknown: list[Reject] = []
    unfit: list[Reject] = []
    taken: list[Taken] = []
    ahead = connection.dialect.name != "sqlite"  # which would work in this process too, and wait for its turn
    where = (place.entity, place.office, place.source, place.stream)
    ask = partial(_ask_ahead, connection, place, rows, seen)
    with (
        fact_versions.adding(connection, *where) as adding,
        closing(_in_parts(place.entity, rows, ready, ask if ahead else None)) as checked,
    ):
        for batch, odd in checked:
            before = len(rejects)
            sifted = _sift(batch, rejects, place.entity, seen)
            refused = len(rejects) - before
            fresh = _refuse_unknown_references(connection, place, batch, sifted, unknown, seen, adding)
            counts += _write(connection, place, batch, fresh, seen.highest, adding)
            counts += Counts(
                emitted=len(batch) + len(odd),
                duplicate=len(batch) - len(sifted) - refused,
                quarantined=refused + len(sifted) - len(fresh) + len(odd),
            )
            taken.append(Taken(*(_at(each, fresh) for each in (batch.keys, batch.deleted, batch.locators))))
            unfit.extend(odd)
    for reject in unknown:  # not before: a row that says the same key again is told as one of the same batch
        del seen.hashes[reject.key]
        seen.deleted.discard(reject.key)
    seen.rejected.update(each.key for each in (*unknown, *unfit))
    return Applied(counts, (*rejects, *unknown, *unfit), tuple(taken))


def _in_parts(
    entity: Entity, rows: Rows, ready: Ready, meanwhile: Callable[[], None] | None
) -> Generator[tuple[Checked, list[Reject]], None, None]:
    """Yield the rows checked, in order; with ``meanwhile`` the next are while the caller writes those before.

    ``meanwhile`` is done while the first are checked.
    """
    size = PART if meanwhile is None else min(AHEAD, PART)
    starts = range(0, max(1, len(rows)), size)
    cut = (
        rows.slice(start, size) if isinstance(rows, pa.Table) else rows[start : start + size]
        for start in starts
    )
    if meanwhile is None or len(starts) == 1:
        yield from (ready(entity, part) for part in cut)
        return
    with ThreadPoolExecutor(1, "check") as aside:
        coming = aside.submit(ready, entity, next(cut))
        meanwhile()
        for part in cut:
            done = coming.result()
            coming = aside.submit(ready, entity, part)
            yield done
        yield coming.result()


def _at(values: Sequence[Any], places: Sequence[int]) -> Sequence[Any]:
    """Return the values at some places, all of them as they are."""
    if len(places) == len(values):
        return values
    return at(values, places) or []


def _sift(batch: Checked, rejects: list[Reject], entity: Entity, seen: Seen) -> Sequence[int]:
    """Return the places of usable rows whose keys are new to this read; add the others to ``rejects``.

    A row that says again what an earlier one said is neither.
    """
    keys = batch.keys
    if not batch.rejects and len({*keys}) == len(keys) and seen.hashes.keys().isdisjoint(keys):
        _remember(batch, range(len(keys)), seen)
        return range(len(keys))
    fresh: list[int] = []
    for place, key in enumerate(keys):
        reject = batch.rejects.get(place)
        if reject is not None:
            rejects.append(reject)
            seen.rejected.add(reject.key)
        elif key not in seen.hashes:
            _remember(batch, (place,), seen)
            fresh.append(place)
        elif (seen.hashes[key], key in seen.deleted) != (batch.hashes[place], batch.deleted[place]):
            rejects.append(_collision(entity, batch, place, seen))
    return fresh


def _remember(batch: Checked, places: Sequence[int], seen: Seen) -> None:
    keys = _at(batch.keys, places)
    seen.hashes.update(zip(keys, _at(batch.hashes, places), strict=True))
    if True in batch.deleted:
        seen.deleted.update(compress(keys, _at(batch.deleted, places)))
    told = _at(batch.locators, places)
    if any(told):
        seen.locators.update(zip(keys, told, strict=True))


def _collision(entity: Entity, batch: Checked, place: int, seen: Seen) -> Reject:
    key, locator = batch.keys[place], batch.locators[place]
    told = problem(
        "row-duplicate-key",
        entity=entity.label,
        entity_name=entity.name,
        value=key,
        at=locator,
        other=seen.locators.get(key, ""),
    )
    return Reject(key, locator, (told,), batch.row(place))


def _refuse_unknown_references(
    connection: sa.Connection,
    place: Place,
    batch: Checked,
    fresh: Sequence[int],
    rejects: list[Reject],
    seen: Seen,
    adding: fact_versions.Adding,
) -> Sequence[int]:
    """Return ``fresh`` without the rows whose strict references are unknown; those go to ``rejects``."""
    for vector, column in zip(batch.columns, place.entity.columns, strict=True):
        if not column.strict or column.ref is None:
            continue
        target = ENTITIES[column.ref]
        values = vector.values
        wanted = _named(values, batch.deleted, fresh)
        known = seen.known_refs.setdefault(column.ref, set())
        if len(known) > REMEMBERED:
            known.clear()
        if not wanted <= known:
            adding.settle()
            known |= fact_versions.known(connection, target, place.office, wanted - known)
        if wanted <= known:
            continue
        kept: list[int] = []
        for spot in fresh:
            value = values[spot]
            if value is None or batch.deleted[spot] or value in known:
                kept.append(spot)
                continue
            key, locator = batch.keys[spot], batch.locators[spot]
            told = problem(
                "row-unknown-reference",
                entity=place.entity.label,
                entity_name=place.entity.name,
                column=column.label,
                column_name=column.name,
                target=target.label,
                target_name=target.name,
                value=value,
                at=locator,
            )
            rejects.append(Reject(key, locator, (told,), batch.row(spot)))
        fresh = kept
    return fresh


def _ask_ahead(connection: sa.Connection, place: Place, rows: Rows, seen: Seen) -> None:
    """Ask once for what the first rows of a batch seem to name: their parts need not stop writing to ask."""
    for column in place.entity.columns:
        if not column.strict or column.ref is None:
            continue
        known = seen.known_refs.setdefault(column.ref, set())
        wanted = _seemingly_named(rows, column.name) - known
        if wanted and len(known) + len(wanted) <= REMEMBERED:
            known |= fact_versions.known(connection, ENTITIES[column.ref], place.office, wanted)


def _seemingly_named(rows: Rows, name: str) -> set[str]:
    """Return the texts in a column of the first rows, unchecked; what no key can be is left out."""
    cells: Iterable[object] = ()
    if not isinstance(rows, pa.Table):
        cells = (row.get(name) for row in rows[:PART])
    elif rows.column_names.count(name) == 1 and pa.types.is_string(rows.schema.field(name).type):
        cells = rows[name].slice(0, PART).unique().to_pylist()
    return {each.strip() for each in cells if isinstance(each, str) and each.isprintable()}


def _named(values: Sequence[Any], deleted: Sequence[bool], fresh: Sequence[int]) -> set[str]:
    """Return what the rows at some places name; what is deleted names nothing any more."""
    if len(fresh) == len(values) and True not in deleted:
        return {*values} - {None}
    return {values[spot] for spot in fresh if values[spot] is not None and not deleted[spot]}


@dataclass(frozen=True, slots=True)
class _Lots:
    """Places of rows by what is to be done with them; ``unseen`` are gone before we looked, but may still be named."""

    inserts: list[int]
    changes: list[int]
    unseen: list[int]
    deleted: list[str]

    def __len__(self) -> int:
        """Return how many rows say something new."""
        return len(self.inserts) + len(self.changes) + len(self.unseen) + len(self.deleted)


def _write(
    connection: sa.Connection,
    place: Place,
    batch: Checked,
    fresh: Sequence[int],
    highest: Highest | None,
    adding: fact_versions.Adding,
) -> Counts:
    where = (place.entity, place.office, place.source)
    keys = _at(batch.keys, fresh)
    held: dict[str, str] = {}
    buried: set[str] = set()
    if not _lies_above(keys, highest):
        adding.settle()
        held, buried = fact_versions.contents(connection, *where, keys)
    lots = _lots(batch, fresh, held, buried)
    if lots.changes:
        adding.settle()
        fact_versions.close(connection, *where, _at(batch.keys, lots.changes), place.at)
    adding.add(_new(batch, [*lots.inserts, *lots.changes, *lots.unseen]), place.at, place.run_id)
    if lots.deleted:
        adding.settle()
        fact_versions.bury(connection, *where, lots.deleted, place.at, place.run_id)
    return Counts(
        inserted=len(lots.inserts),
        changed=len(lots.changes),
        deleted=len(lots.deleted) + len(lots.unseen),
        unchanged=len(fresh) - len(lots),
    )


def _lots(batch: Checked, fresh: Sequence[int], held: dict[str, str], buried: set[str]) -> _Lots:
    """Return what is to be done with some rows of which this is held."""
    keys, hashes, gone = batch.keys, batch.hashes, batch.deleted
    if not held and True not in gone:
        return _Lots([*fresh], [], [], [])
    lots = _Lots([], [], [], [])
    unlike = [
        spot for spot in fresh if held.get(keys[spot]) != hashes[spot] or gone[spot] or keys[spot] in buried
    ]
    for spot in unlike:
        key = keys[spot]
        if not gone[spot]:
            (lots.changes if key in held else lots.inserts).append(spot)
        elif key not in held:
            lots.unseen.append(spot)
        elif key not in buried:
            lots.deleted.append(key)
    return lots


def _lies_above(keys: Sequence[str], highest: Highest | None) -> bool:
    """Return whether all of some keys, about to be written, lie above any that can be held."""
    if highest is None or not keys:
        return False
    lowest, last = min(keys), max(keys)
    above = lowest > highest.key
    highest.key = max(highest.key, last)
    return above


def _new(batch: Checked, places: Sequence[int]) -> fact_versions.New:
    """Return some rows of a batch as versions to add."""
    if len(places) == len(batch):  # the order of versions is of no account
        return fact_versions.New(batch.columns, batch.hashes, batch.deleted, batch.locators)
    return fact_versions.New(
        [values.take(places) for values in batch.columns],
        _at(batch.hashes, places),
        _at(batch.deleted, places),
        _at(batch.locators, places),
    )
