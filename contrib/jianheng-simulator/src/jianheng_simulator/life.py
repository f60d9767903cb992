"""The lives of cases: pure plans that reach beyond the visible day.

A life is planned to its end when its matter begins. What a database shows on a day is the part
of every life that lies before the end of that day, so passing time is nothing but looking again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from jianheng_simulator.catalogue import Category, Charge
from jianheng_simulator.office import (
    HandlingUnit,
    Office,
    Person,
)
from jianheng_simulator.worktime import SHIFT, end_of, ordinal_of

NEVER = 1 << 60
"""A moment that does not come."""

ADULT = 18


@dataclass(frozen=True, slots=True)
class Suspect:
    """One suspect with the outcome of the case for them; `number` stays through the chain."""

    number: int
    name: str
    male: bool
    born_year: int
    age_then: int
    custody: bool
    outcome: str
    sentence: str
    months: int


@dataclass(frozen=True, slots=True)
class Life:
    """One case from intake to archiving; all moments are planned, later ones are not yet seen."""

    key: str
    matter: str
    category: Category
    charge: Charge | None
    department: str
    handler: Person
    unit: HandlingUnit | None
    members: tuple[tuple[Person, str], ...]
    suspects: tuple[Suspect, ...]
    tags: frozenset[str]
    outcome: str
    accepted: int
    started: int
    warned: int
    returned: tuple[int, ...]
    resubmitted: tuple[int, ...]
    extended: int
    concluded: int
    judged: int
    completed: int
    archived: int
    deleted: int
    redated: int
    redated_days: int
    parent: str
    relation: str
    supervised: bool
    plea: bool
    helper: Person | None


@dataclass(frozen=True, slots=True)
class Numbered:
    """A life with the numbers its office gave it at intake."""

    life: Life
    case_no: str
    chain_no: str
    ordinal: int


def limit_day(life: Life, now: int) -> int:
    """Ordinal of the day the case is due as seen before a moment, 0 for no limit."""
    if not life.category.limit:
        return 0
    start = max(
        (moment for moment in (life.accepted, *life.resubmitted) if moment < now), default=life.accepted
    )
    extension = 15 if life.extended < now else 0
    return ordinal_of(start) + life.category.limit + extension


def last_touch(life: Life) -> int:
    """No row of the case changes after this moment."""
    settled = life.archived if life.archived != NEVER else life.completed
    return max(settled, life.deleted if life.deleted != NEVER else 0) + 25 * SHIFT


def number_cases(office: Office, lives: Sequence[Life], until: date) -> dict[str, Numbered]:
    """Give numbers to the cases taken in until a day; later cases never change earlier numbers."""
    now = end_of(until)
    serials: dict[tuple[str, int], int] = {}
    matters: dict[str, str] = {}
    numbered: dict[str, Numbered] = {}
    code = office.place.code
    for life in lives:
        if life.accepted >= now:
            break
        year = date.fromordinal(ordinal_of(life.accepted)).year
        for key in ((life.category.short, year), ("*", year)):
            serials[key] = serials.get(key, 0) + 1
        if life.matter not in matters:
            serials["matter", year] = serials.get(("matter", year), 0) + 1
            matters[life.matter] = f"{code}{year}{serials['matter', year]:07d}"
        serial = serials[life.category.short, year]
        case_no = f"{office.place.short}检{life.category.short}受[{year}]{code}{serial:05d}号"
        numbered[life.key] = Numbered(
            life, case_no, matters[life.matter], year * 1_000_000 + serials["*", year]
        )
    return numbered
