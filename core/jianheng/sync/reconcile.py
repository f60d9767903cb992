"""Counting live rows on both sides: what a system holds and what we hold of it, by unit and year of intake."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from jianheng.contract import LiveCount
from jianheng.facts.entities import CASE, ENTITIES
from jianheng.facts.entity import Entity
from jianheng.store.tables import CURSOR, FACTS, OPEN, QUARANTINE

Reason = Literal["quarantined", "never-read", "not-yet-read", "gone-unmarked"]
"""Why two counts may differ, the most telling first."""

Place = tuple[str, int | None]
"""A unit and a year of intake; an empty unit and None where rows have none."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A unit and year in which the two sides do not hold the same number.

    Attributes:
        there: live rows the system counted.
        here: current facts that came from the stream.
        reasons: what may explain it, with how many it concerns where that is known.
    """

    unit_code: str
    year: int | None
    there: int
    here: int
    reasons: tuple[tuple[Reason, int], ...]


@dataclass(frozen=True, slots=True)
class Reconciled:
    """One stream, counted on both sides."""

    stream: str
    entity: str
    there: int
    here: int
    differences: tuple[Difference, ...]


def reconcile(
    connection: sa.Connection,
    office: str,
    source: str,
    stream: str,
    entity: Entity,
    counted: Iterable[LiveCount],
) -> Reconciled:
    """Compare what a system counted with the current facts of the same stream."""
    placed = _is_placed(entity)
    there: Counter[Place] = Counter()
    for each in counted:
        there[(each.unit_code, each.year) if placed else ("", None)] += each.rows
    here = facts_by_place(connection, office, source, stream, entity)
    held = _quarantined(connection, office, source, stream)
    read = _was_read(connection, office, source, stream)
    places = sorted({*there, *here}, key=lambda place: (place[0], place[1] or 0))
    return Reconciled(
        stream,
        entity.name,
        sum(there.values()),
        sum(here.values()),
        tuple(
            Difference(
                *place, there[place], here[place], tuple(_reasons(there[place], here[place], held, read))
            )
            for place in places
            if there[place] != here[place]
        ),
    )


def _reasons(there: int, here: int, held: int, read: bool) -> Iterator[tuple[Reason, int]]:
    if here > there:
        yield "gone-unmarked", here - there
        return
    if held:
        yield "quarantined", held
    if not read and not here:
        yield "never-read", there
    elif held < there - here:
        yield "not-yet-read", there - here - held


def _is_placed(entity: Entity) -> bool:
    return "case_no" in entity.names or "unit_code" in entity.names


def facts_by_place(
    connection: sa.Connection, office: str, source: str, stream: str, entity: Entity
) -> Mapping[Place, int]:
    """Return how many current facts of a stream there are, by the unit and year of the case they hang on."""
    table, case = FACTS[entity.name], FACTS[CASE.name]
    mine = [table.c.source == source, table.c.stream == stream, *_current(table, office)]
    counted: sa.Executable
    if entity is CASE:
        places = [table.c.unit_code, sa.extract("year", table.c.accepted_on)]
        counted = sa.select(*places, sa.func.count()).where(*mine).group_by(*places)
    elif "case_no" in entity.names:
        # A case that several sources tell of is one case: of its rows here, those of the same source count.
        same = sa.and_(case.c.case_no == table.c.case_no, case.c.source == source, *_current(case, office))
        places = [case.c.unit_code, sa.extract("year", case.c.accepted_on)]
        joined = table.outerjoin(case, same)
        counted = sa.select(*places, sa.func.count()).select_from(joined).where(*mine).group_by(*places)
    elif "unit_code" in entity.names:
        unit = table.c.unit_code
        counted = sa.select(unit, sa.null(), sa.func.count()).where(*mine).group_by(unit)
    else:
        counted = sa.select(sa.literal(""), sa.null(), sa.func.count()).where(*mine)
    found: Counter[Place] = Counter()
    for row in connection.execute(counted):
        unit_code, year, rows = tuple(row)
        found[str(unit_code or ""), None if year is None else int(year)] += rows
    return +found  # nothing counted is no place


def _current(table: sa.Table, office: str) -> list[sa.ColumnElement[Any]]:
    return [table.c.office == office, table.c.recorded_to == OPEN, table.c.deleted.is_(sa.false())]


def _quarantined(connection: sa.Connection, office: str, source: str, stream: str) -> int:
    table = QUARANTINE
    mine = (table.c.office == office, table.c.source == source, table.c.stream == stream)
    counted = sa.select(sa.func.count()).select_from(table).where(*mine, table.c.status == "open")
    return int(connection.execute(counted).scalar_one())


def _was_read(connection: sa.Connection, office: str, source: str, stream: str) -> bool:
    table = CURSOR
    mine = (table.c.office == office, table.c.source == source, table.c.stream == stream)
    known = connection.execute(sa.select(sa.func.count()).select_from(table).where(*mine)).scalar_one()
    return bool(known)


def entity_named(name: str) -> Entity:
    """Return an entity by its name."""
    return ENTITIES[name]
