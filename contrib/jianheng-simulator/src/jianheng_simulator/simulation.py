"""Creating a folder with the three systems, and letting its time pass."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from jianheng_simulator.archive_store import ARCHIVE_FILE, open_archive
from jianheng_simulator.archive_volume import fill_archive, pass_archive_days
from jianheng_simulator.database import apply_changes, make_engine, write_database
from jianheng_simulator.workbook import write_workbook
from jianheng_simulator.world import (
    World,
    all_rows,
    changed_rows,
    database_url,
    load_world,
    on_day,
    save_world,
)

Summary = dict[str, Any]


def create(folder: Path, world: World) -> Summary:
    """Make all three systems anew in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ARCHIVE_FILE).unlink(missing_ok=True)
    counts = fill_database(folder, world)
    with open_archive(folder) as connection:
        volumes = fill_archive(connection, world)
    sheets = write_workbook(folder, world)
    save_world(folder, world)
    return {"today": str(world.today), "rows": counts, "volumes": volumes, "workbook": sheets}


def fill_database(folder: Path, world: World) -> dict[str, int]:
    """Write the case database as of today into fresh tables."""
    engine = make_engine(database_url(folder, world))
    try:
        with engine.begin() as connection:
            return dict(write_database(connection, all_rows(world)))
    finally:
        engine.dispose()


def pass_time(folder: Path, days: int) -> Summary:
    """Let some days pass in all three systems and count what changed."""
    before = load_world(folder)
    after = on_day(before, before.today + timedelta(days=days))
    engine = make_engine(database_url(folder, before))
    try:
        with engine.begin() as connection:
            inserted, changed = apply_changes(connection, changed_rows(before, after))
    finally:
        engine.dispose()
    with open_archive(folder) as connection:
        archive = pass_archive_days(connection, before.seed, before.today, days)
    sheets = write_workbook(folder, after)
    save_world(folder, after)
    return {
        "today": str(after.today),
        "inserted": _by_table(inserted),
        "changed": _by_table(changed),
        "archive": archive,
        "workbook": sheets,
    }


def _by_table(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in sorted(counts.items()) if count}


def break_workbook(folder: Path, fault: str) -> Summary:
    """Rewrite the workbook with one more fault in it."""
    world = load_world(folder)
    world = replace(world, workbook_faults=(*world.workbook_faults, fault))
    write_workbook(folder, world)
    save_world(folder, world)
    return {"workbook_faults": list(world.workbook_faults)}
