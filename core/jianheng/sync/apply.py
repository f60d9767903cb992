"""One batch of rows: check each, compare with what is held, write what differs, count all."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from jianheng.errors import problem
from jianheng.facts.convert import Fact, Reject, convert
from jianheng.facts.entities import ENTITIES
from jianheng.facts.entity import Entity
from jianheng.store import fact_versions
from jianheng.sync.counts import Counts


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
class Seen:
    """What this read has met so far. A snapshot remembers all its keys; a cursor read only a batch's."""

    keys: dict[str, Fact] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    known_refs: dict[str, set[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one batch."""

    counts: Counts
    rejects: tuple[Reject, ...]
    taken: tuple[Fact, ...]


def apply_rows(
    connection: sa.Connection, place: Place, rows: Iterable[Mapping[str, Any]], seen: Seen
) -> Applied:
    """Apply one batch within the caller's transaction."""
    emitted = duplicate = 0
    rejects: list[Reject] = []
    fresh: dict[str, tuple[Fact, Mapping[str, Any]]] = {}
    for row in rows:
        emitted += 1
        fact = convert(place.entity, row)
        if isinstance(fact, Reject):
            rejects.append(fact)
            seen.rejected.add(fact.key)
            continue
        before = seen.keys.get(fact.key)
        if before is None:
            seen.keys[fact.key] = fact
            fresh[fact.key] = (fact, row)
        elif (before.content_hash, before.deleted) == (fact.content_hash, fact.deleted):
            duplicate += 1
        else:
            rejects.append(_collision(place.entity, fact, before, row))
    _refuse_unknown_references(connection, place, fresh, rejects, seen)
    facts = [fact for fact, _ in fresh.values()]
    counts = _write(connection, place, facts)
    total = counts + Counts(emitted=emitted, duplicate=duplicate, quarantined=len(rejects))
    return Applied(total, tuple(rejects), tuple(facts))


def _collision(entity: Entity, fact: Fact, before: Fact, row: Mapping[str, Any]) -> Reject:
    told = problem(
        "row-duplicate-key",
        entity=entity.label,
        entity_name=entity.name,
        value=fact.key,
        at=fact.locator,
        other=before.locator,
    )
    return Reject(fact.key, fact.locator, (told,), row)


def _refuse_unknown_references(
    connection: sa.Connection,
    place: Place,
    fresh: dict[str, tuple[Fact, Mapping[str, Any]]],
    rejects: list[Reject],
    seen: Seen,
) -> None:
    """Move rows whose strict references are unknown from ``fresh`` to ``rejects``."""
    for index, column in enumerate(place.entity.columns):
        if not column.strict or column.ref is None:
            continue
        target = ENTITIES[column.ref]
        wanted = {
            str(fact.values[index]) for fact, _ in fresh.values() if fact.values[index] and not fact.deleted
        }
        known = seen.known_refs.setdefault(column.ref, set())
        known |= fact_versions.known(connection, target, place.office, wanted - known)
        for key, (fact, row) in list(fresh.items()):
            value = fact.values[index]
            if value is None or fact.deleted or value in known:
                continue
            told = problem(
                "row-unknown-reference",
                entity=place.entity.label,
                entity_name=place.entity.name,
                column=column.label,
                column_name=column.name,
                target=target.label,
                target_name=target.name,
                value=value,
                at=fact.locator,
            )
            rejects.append(Reject(key, fact.locator, (told,), row))
            seen.rejected.add(key)
            del fresh[key], seen.keys[key]


def _write(connection: sa.Connection, place: Place, facts: Sequence[Fact]) -> Counts:
    held = fact_versions.held(
        connection, place.entity, place.office, place.source, (fact.key for fact in facts)
    )
    inserts: list[Fact] = []
    changes: list[Fact] = []
    deleted: list[str] = []
    unseen: list[Fact] = []
    unchanged = 0
    for fact in facts:
        before = held.get(fact.key)
        if fact.deleted:
            if before is None:
                unseen.append(fact)  # gone before we looked, but old records may still name it
            elif before.deleted:
                unchanged += 1
            else:
                deleted.append(fact.key)
        elif before is None:
            inserts.append(fact)
        elif before.deleted or before.content_hash != fact.content_hash:
            changes.append(fact)
        else:
            unchanged += 1
    where = (place.entity, place.office, place.source)
    fact_versions.close(connection, *where, (fact.key for fact in changes), place.at)
    fact_versions.add(connection, *where, place.stream, [*inserts, *changes, *unseen], place.at, place.run_id)
    fact_versions.bury(connection, *where, deleted, place.at, place.run_id)
    return Counts(
        inserted=len(inserts), changed=len(changes), deleted=len(deleted) + len(unseen), unchanged=unchanged
    )
