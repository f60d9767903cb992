"""What the sync is measured against: rows written by hand as fast as each database takes them, nothing checked."""

import sqlite3
import time
from collections.abc import Callable

import psycopg
import sqlalchemy as sa

from benchmarks import sync_sources
from benchmarks.sync_sources import COLUMNS, DAY_COLUMNS

_NAMES = ", ".join(COLUMNS)
_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])


def sqlite_upsert(url: str, count: int) -> float:
    """Return the seconds of a bare ``executemany`` upsert, a commit per batch."""
    connection = sqlite3.connect(str(sa.make_url(url).database))
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(f"CREATE TABLE bare ({_NAMES}, PRIMARY KEY ({COLUMNS[0]}))")
    marks = ", ".join("?" for _ in COLUMNS)
    upsert = f"INSERT INTO bare VALUES ({marks}) ON CONFLICT DO UPDATE SET {_CHANGES}"
    made = sync_sources.made(sync_sources.mappings(count))
    begun = time.perf_counter()
    for rows in made:
        connection.executemany(upsert, [tuple(row.values()) for row in rows])
        connection.commit()
    taken = time.perf_counter() - begun
    connection.close()
    return taken


def postgresql_merge(url: str, count: int) -> float:
    """Return the seconds of COPY to a temporary table and one merge a batch, each committed."""
    kinds = ", ".join(f"{name} {'date' if name in DAY_COLUMNS else 'text'}" for name in COLUMNS)
    address = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE bare ({kinds}, PRIMARY KEY ({COLUMNS[0]}))")
        cursor.execute(f"CREATE TEMPORARY TABLE given ({kinds}) ON COMMIT DELETE ROWS")
        connection.commit()
        merge = f"INSERT INTO bare SELECT * FROM given ON CONFLICT ({COLUMNS[0]}) DO UPDATE SET {_CHANGES}"
        made = sync_sources.made(sync_sources.mappings(count))
        begun = time.perf_counter()
        for rows in made:
            with cursor.copy("COPY given FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(tuple(row.values()))
            cursor.execute(merge)
            connection.commit()
        return time.perf_counter() - begun


BARE: dict[str, Callable[[str, int], float]] = {"sqlite": sqlite_upsert, "postgresql": postgresql_merge}
"""By kind of store."""
