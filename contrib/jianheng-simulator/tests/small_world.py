"""The small world of the tests and how to look into it."""

from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from jianheng_simulator import World, database_url, load_world

SMALL = World(people=14, cases=160)


def rows_in(folder: Path, statement: str) -> list[sa.RowMapping]:
    """Read from the case database of a folder."""
    engine = sa.create_engine(database_url(folder, load_world(folder)))
    try:
        with engine.connect() as connection:
            return list(connection.execute(sa.text(statement)).mappings())
    finally:
        engine.dispose()


def elsewhere(url: str) -> World:
    """The small world in another database."""
    return replace(SMALL, database=url)
