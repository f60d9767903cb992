"""One batch of rows: check each, compare with what is held, write what differs, count all."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa
import sqlalchemy as sa

from jianheng.errors import problem
from jianheng.facts.columns import Checked, check
from jianheng.facts.convert import Reject
from jianheng.facts.entities import ENTITIES
from jianheng.facts.entity import Entity
from jianheng.store import fact_versions
from jianheng.sync.counts import Counts

T = TypeVar("T")
REMEMBERED = 100_000
"""References that a read remembers as known before it begins anew: what it holds does not grow with the rows."""


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


class Sight(NamedTuple):
    """One usable row as the rest of a read remembers it."""

    key: str
    content_hash: str
    deleted: bool
    locator: str


@dataclass(slots=True)
class Seen:
    """What this read has met so far. A snapshot remembers all its keys; a cursor read only a batch's."""

    keys: dict[str, Sight] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    known_refs: dict[str, set[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one batch."""

    counts: Counts
    rejects: tuple[Reject, ...]
    taken: tuple[Sight, ...]


def apply_rows(
    connection: sa.Connection, place: Place, rows: Iterable[Mapping[str, Any]] | pa.Table, seen: Seen
) -> Applied:
    """Apply one batch within the caller's transaction; an Arrow table stands for its rows."""
    batch = check(place.entity, rows if isinstance(rows, pa.Table) else list(rows))
    sights = [*map(Sight._make, zip(batch.keys, batch.hashes, batch.deleted, batch.locators, strict=True))]
    rejects: list[Reject] = []
    fresh = _sift(batch, sights, rejects, place.entity, seen)
    duplicate = len(batch) - len(fresh) - len(rejects)
    fresh = _refuse_unknown_references(connection, place, batch, fresh, rejects, seen)
    counts = _write(connection, place, batch, fresh)
    total = counts + Counts(emitted=len(batch), duplicate=duplicate, quarantined=len(rejects))
    return Applied(total, tuple(rejects), tuple(sights if len(fresh) == len(sights) else _at(sights, fresh)))


def _at(values: Sequence[T], places: Sequence[int]) -> list[T]:
    return [values[place] for place in places]


def _sift(
    batch: Checked, sights: Sequence[Sight], rejects: list[Reject], entity: Entity, seen: Seen
) -> Sequence[int]:
    """Return the places of usable rows whose keys are new to this read; add the others to ``rejects``.

    A row that says again what an earlier one said is neither.
    """
    keys = batch.keys
    if not batch.rejects and len(set(keys)) == len(keys) and seen.keys.keys().isdisjoint(keys):
        seen.keys.update(zip(keys, sights, strict=True))
        return range(len(keys))
    fresh: list[int] = []
    for place, sight in enumerate(sights):
        reject = batch.rejects.get(place)
        if reject is not None:
            rejects.append(reject)
            seen.rejected.add(reject.key)
            continue
        before = seen.keys.get(sight.key)
        if before is None:
            seen.keys[sight.key] = sight
            fresh.append(place)
        elif (before.content_hash, before.deleted) != (sight.content_hash, sight.deleted):
            rejects.append(_collision(entity, sight, before, batch.row(place)))
    return fresh


def _collision(entity: Entity, sight: Sight, before: Sight, row: Mapping[str, Any]) -> Reject:
    told = problem(
        "row-duplicate-key",
        entity=entity.label,
        entity_name=entity.name,
        value=sight.key,
        at=sight.locator,
        other=before.locator,
    )
    return Reject(sight.key, sight.locator, (told,), row)


def _refuse_unknown_references(
    connection: sa.Connection,
    place: Place,
    batch: Checked,
    fresh: Sequence[int],
    rejects: list[Reject],
    seen: Seen,
) -> Sequence[int]:
    """Return ``fresh`` without the rows whose strict references are unknown; those go to ``rejects``."""
    for values, column in zip(batch.columns, place.entity.columns, strict=True):
        if not column.strict or column.ref is None:
            continue
        target = ENTITIES[column.ref]
        wanted = {str(values[at]) for at in fresh if values[at] is not None and not batch.deleted[at]}
        known = seen.known_refs.setdefault(column.ref, set())
        if len(known) > REMEMBERED:
            known.clear()
        known |= fact_versions.known(connection, target, place.office, wanted - known)
        if wanted <= known:
            continue
        kept: list[int] = []
        for at in fresh:
            value = values[at]
            if value is None or batch.deleted[at] or value in known:
                kept.append(at)
                continue
            key, locator = batch.keys[at], batch.locators[at]
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
            rejects.append(Reject(key, locator, (told,), batch.row(at)))
            seen.rejected.add(key)
            del seen.keys[key]
        fresh = kept
    return fresh


def _write(connection: sa.Connection, place: Place, batch: Checked, fresh: Sequence[int]) -> Counts:
    where = (place.entity, place.office, place.source)
    keys, hashes, gone = batch.keys, batch.hashes, batch.deleted
    held = fact_versions.held(connection, *where, _at(keys, fresh))
    inserts: list[int] = []
    changes: list[int] = []
    deleted: list[str] = []
    unseen: list[int] = []
    unchanged = 0
    for at in fresh:
        before = held.get(keys[at])
        if gone[at]:
            if before is None:
                unseen.append(at)  # gone before we looked, but old records may still name it
            elif before.deleted:
                unchanged += 1
            else:
                deleted.append(keys[at])
        elif before is None:
            inserts.append(at)
        elif before.deleted or before.content_hash != hashes[at]:
            changes.append(at)
        else:
            unchanged += 1
    fact_versions.close(connection, *where, _at(keys, changes), place.at)
    new = _new(batch, [*inserts, *changes, *unseen])
    fact_versions.add(connection, *where, place.stream, new, place.at, place.run_id)
    fact_versions.bury(connection, *where, deleted, place.at, place.run_id)
    return Counts(
        inserted=len(inserts), changed=len(changes), deleted=len(deleted) + len(unseen), unchanged=unchanged
    )


def _new(batch: Checked, places: Sequence[int]) -> fact_versions.New:
    """Return some rows of a batch as versions to add."""
    if len(places) == len(batch):  # the order of versions is of no account
        return fact_versions.New(batch.columns, batch.hashes, batch.deleted, batch.locators)
    return fact_versions.New(
        [_at(values, places) for values in batch.columns],
        _at(batch.hashes, places),
        _at(batch.deleted, places),
        _at(batch.locators, places),
    )
