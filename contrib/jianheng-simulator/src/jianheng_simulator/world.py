"""The whole simulated world: its settings, and what each upstream system shows of it on a day."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from jianheng_simulator.casefile import case_rows
from jianheng_simulator.directory import directory_rows
from jianheng_simulator.life import Life, Numbered, last_touch, number_cases
from jianheng_simulator.lifeplan import begin_matters
from jianheng_simulator.office import Office
from jianheng_simulator.paper import Bosses, find_bosses, plan_papers
from jianheng_simulator.paperfile import paper_rows
from jianheng_simulator.staffing import make_office, places
from jianheng_simulator.view import Rows, View
from jianheng_simulator.worktime import end_of

STATE_FILE = "simulation.json"
FEWEST_PEOPLE = 12


@dataclass(frozen=True, slots=True)
class World:
    """Everything that determines the rows: the settings, the simulated day, and what was broken."""

    seed: int = 20240101
    offices: int = 1
    people: int = 60
    cases: int = 6000
    first: date = date(2024, 1, 1)
    last: date = date(2025, 12, 31)
    today: date = date(2025, 12, 31)
    database: str = ""
    workbook_faults: tuple[str, ...] = ()
    late_rows: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Read the settings back from their stored form."""
        days = {name: date.fromisoformat(stored[name]) for name in ("first", "last", "today")}
        lists = {name: tuple(stored[name]) for name in ("workbook_faults", "late_rows")}
        return cls(**{**stored, **days, **lists})


@dataclass(frozen=True, slots=True)
class Scene:
    """One office with the lives of its cases, those taken in until a day numbered."""

    office: Office
    bosses: Bosses
    cases: dict[str, Numbered]


def save_world(folder: Path, world: World) -> None:
    """Store the settings beside the systems made from them."""
    text = json.dumps(asdict(world), default=str, ensure_ascii=False, indent=2)
    (folder / STATE_FILE).write_text(text + "\n", encoding="utf-8")


def load_world(folder: Path) -> World:
    """Read the stored settings of a folder."""
    return World.from_dict(json.loads((folder / STATE_FILE).read_text(encoding="utf-8")))


def database_url(folder: Path, world: World) -> str:
    """Where the case database is; a SQLite file in the folder unless said otherwise."""
    return world.database or f"sqlite:///{(folder / 'case.db').resolve()}"


@lru_cache(maxsize=8)
def make_offices(seed: int, count: int, people: int, first: date, last: date) -> tuple[Office, ...]:
    """Make up the offices of a world."""
    return tuple(make_office(seed, place, people, first, last) for place in places(count))


def offices_of(world: World) -> tuple[Office, ...]:
    """The offices of a world."""
    if world.people < FEWEST_PEOPLE:
        message = (
            f"an office needs at least {FEWEST_PEOPLE} people to fill its departments, not {world.people}"
        )
        raise ValueError(message)
    return make_offices(world.seed, world.offices, world.people, world.first, world.last)


def scenes(world: World) -> Iterator[Scene]:
    """Plan every office's cases, one office at a time."""
    offices_of(world)
    for place in range(world.offices):
        yield _make_scene(
            world.seed, world.offices, world.people, world.cases, world.first, world.last, world.today, place
        )


@lru_cache(maxsize=2)
def _make_scene(
    seed: int, count: int, people: int, cases: int, first: date, last: date, today: date, place: int
) -> Scene:
    # Database, archive and workbook are made one after the other from the same plans.
    office = make_offices(seed, count, people, first, last)[place]
    lives = begin_matters(seed, office, cases, first, last, today)
    return Scene(office, find_bosses(office), number_cases(office, lives, today))


def rows_of(world: World, scene: Scene, numbered: Numbered, now: int) -> Rows:
    """All rows of one case as seen before a moment."""
    view = View(scene.office.place, scene.cases, now)
    rows = case_rows(view, numbered)
    rows |= paper_rows(view, numbered, plan_papers(world.seed, scene.bosses, numbered.life))
    return rows


def all_rows(world: World) -> Iterator[Rows]:
    """All rows of the world as seen today: the organisation first, then portions of cases."""
    now = end_of(world.today)
    yield directory_rows(offices_of(world), now)
    for scene in scenes(world):
        portion: Rows = {}
        for count, numbered in enumerate(scene.cases.values(), start=1):
            for table, rows in rows_of(world, scene, numbered, now).items():
                portion.setdefault(table, []).extend(rows)
            if count % 1000 == 0:
                yield portion
                portion = {}
        yield portion


def changed_rows(before: World, after: World) -> Iterator[tuple[Rows, Rows]]:
    """Pairs of rows as seen on two days, for the organisation and each case that may have changed."""
    old, new = end_of(before.today), end_of(after.today)
    yield directory_rows(offices_of(before), old), directory_rows(offices_of(after), new)
    for scene in scenes(after):
        for numbered in scene.cases.values():
            life: Life = numbered.life
            if last_touch(life) >= old:
                seen = rows_of(before, scene, numbered, old) if life.accepted < old else {}
                yield seen, rows_of(after, scene, numbered, new)


def on_day(world: World, today: date) -> World:
    """The same world on another day."""
    return replace(world, today=today)
