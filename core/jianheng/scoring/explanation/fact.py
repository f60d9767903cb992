"""The facts behind entries: every column of the version that was scored, and where and when it was read."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from jianheng.facts.entities import CASE, ENTITIES, PERSON
from jianheng.facts.entity import Entity
from jianheng.scoring.kernel.directory import Member
from jianheng.store.chunks import chunks
from jianheng.store.engine import moment
from jianheng.store.tables import FACTS, OPEN

Version = Mapping[str, Any]

_CATEGORY = CASE.column("category")


def facts_of(
    connection: sa.Connection,
    office: str,
    entries: Iterable[Mapping[str, Any]],
    source_order: Sequence[str],
    members: Mapping[str, Member],
    names: Mapping[str, str],
) -> dict[str, dict[str, Any]]:
    """Return the facts of some entries by ``kind/key``: the value of each column, what it means, what is denied.

    Of a record that several sources tell of, the version that was scored is made of one of each: per column
    the first value that any source has.

    Args:
        connection: where to read.
        office: whose facts.
        entries: ledger lines.
        source_order: the sources, the more trusted first.
        members: who is who, to name people.
        names: the names of case categories.
    """
    wanted: dict[str, dict[str, str]] = {}
    for entry in entries:
        wanted.setdefault(entry["item_kind"], {})[entry["item_key"]] = entry["fact_hash"]
    order = {name: position for position, name in enumerate(source_order)}
    found: dict[str, dict[str, Any]] = {}
    for kind in sorted(wanted):
        entity = ENTITIES[kind]
        for key, versions in _versions(connection, entity, office, wanted[kind]).items():
            ranked = sorted(versions, key=lambda row: (order.get(row["source"], len(order)), row["source"]))
            scored = _scored(ranked, wanted[kind][key])
            found[f"{kind}/{key}"] = {
                "entity": kind,
                "key": key,
                **_told(entity, scored, members, names),
                "records": [_record(each) for each in scored],
            }
    return found


def _versions(
    connection: sa.Connection, entity: Entity, office: str, keys: Iterable[str]
) -> dict[str, list[Version]]:
    """Return every version of some records, from every source, oldest first."""
    table = FACTS[entity.name]
    key = table.c[entity.key.name]
    found: dict[str, list[Version]] = {}
    for some in chunks(sorted(keys)):
        statement = sa.select(table).where(table.c.office == office, key.in_(some))
        for row in connection.execute(statement.order_by(key, table.c.recorded_from)).mappings():
            found.setdefault(row[entity.key.name], []).append(dict(row))
    return found


def _scored(versions: Sequence[Version], content: str) -> list[Version]:
    """Return the versions that together have the content that was scored, in the order of their sources.

    Where none has it any more, those that hold now, or held last.
    """
    moments = sorted({each["recorded_from"] for each in versions}, reverse=True)
    held = [
        [
            each
            for each in versions
            if each["recorded_from"] <= at < each["recorded_to"] and not each["deleted"]
        ]
        for at in moments
    ]
    together = [each for each in held if each]
    return next((each for each in together if content in _contents(each)), together[0] if together else [])


def _contents(versions: Sequence[Version]) -> tuple[str, str]:
    """Return by what hash a record is known that one source tells of, and by what one merged from several."""
    hashes = [str(each["content_hash"]) for each in versions]
    merged = hashlib.md5("|".join(hashes).encode(), usedforsecurity=False).hexdigest()
    return (hashes[0] if len(hashes) == 1 else merged), merged


def entities_of(facts: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what the entities of some facts and their columns are called."""
    return {
        name: {
            "label": ENTITIES[name].label,
            "columns": {column.name: column.label for column in ENTITIES[name].columns},
        }
        for name in sorted({fact["entity"] for fact in facts})
    }


def _told(
    entity: Entity, versions: Sequence[Version], members: Mapping[str, Member], names: Mapping[str, str]
) -> dict[str, Any]:
    """Return every column of a fact; personal data of parties is not told."""
    values: dict[str, Any] = {}
    means: dict[str, str] = {}
    denied: list[str] = []
    for column in entity.columns:
        value = next((each[column.name] for each in versions if each[column.name] is not None), None)
        if value is not None and column.privacy == "party":
            value, denied = None, [*denied, column.name]
        values[column.name] = value if value is None or isinstance(value, bool | int) else _text(value)
        if column.ref == PERSON.name and str(value) in members:
            means[column.name] = members[str(value)].name
        elif column is _CATEGORY and str(value) in names:
            means[column.name] = names[str(value)]
    return {"values": values, "means": means, "denied": denied}


def _text(value: object) -> str:
    """Return a value as people write it; the store fills decimals up to six places."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _record(version: Version) -> dict[str, Any]:
    return {
        "source": version["source"],
        "stream": version["stream"],
        "locator": version["locator"],
        "recorded_at": moment(version["recorded_from"]).isoformat(timespec="seconds"),
        "run": version["run_id"],
        "content_hash": version["content_hash"],
        "current": version["recorded_to"] == OPEN,
    }
