"""The archive's own store: volumes, the due list, what it has answered before."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jianheng_simulator.view import Row

ARCHIVE_FILE = "archive.db"
WAITING, HANDED_OVER, ACCEPTED, RETURNED = "待交卷", "已交卷", "已归档", "退回"

_TABLES = """
create table if not exists volume (
    dh text not null, jh integer not null, bmsah text not null, unit text not null,
    volume_type text not null, year integer not null, retention text not null, state text not null,
    handed_over_at text, accepted_at text, returned_at text, return_reason text,
    updated_at text not null, deleted integer not null default 0,
    primary key (dh, jh)
);
create index if not exists volume_order on volume (updated_at, dh, jh);
create index if not exists volume_case on volume (bmsah);
create table if not exists due (
    bmsah text primary key, unit text not null, handler text, concluded_on text, received_at text not null
);
create table if not exists answer (key text primary key, body text not null);
create table if not exists clock (today text not null);
"""
_COLUMNS = (
    "dh",
    "jh",
    "bmsah",
    "unit",
    "volume_type",
    "year",
    "retention",
    "state",
    "handed_over_at",
    "accepted_at",
    "returned_at",
    "return_reason",
    "updated_at",
    "deleted",
)
_MARKS = ",".join(f":{name}" for name in _COLUMNS)
_PUT = f"insert or replace into volume ({','.join(_COLUMNS)}) values ({_MARKS})"  # noqa: S608


@contextmanager
def open_archive(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the store for one transaction."""
    connection = sqlite3.connect(folder / ARCHIVE_FILE, timeout=30)
    connection.row_factory = sqlite3.Row
    try:
        connection.executescript(_TABLES)
        with connection:
            yield connection
    finally:
        connection.close()


def set_day(connection: sqlite3.Connection, today: str) -> None:
    """Tell the archive which day it is."""
    connection.execute("delete from clock")
    connection.execute("insert into clock values (?)", (today,))


def get_day(connection: sqlite3.Connection) -> str:
    """The archive's day."""
    row = connection.execute("select today from clock").fetchone()
    return str(row["today"]) if row else "1970-01-01"


def put_volumes(connection: sqlite3.Connection, volumes: Sequence[Row]) -> None:
    """Store volumes, replacing earlier states."""
    connection.executemany(_PUT, volumes)


def read_volumes(connection: sqlite3.Connection, where: str = "1=1", values: Sequence[str] = ()) -> list[Row]:
    """Read volumes by a condition of our own, in the order of their last change."""
    found = connection.execute(f"select * from volume where {where} order by updated_at, dh, jh", values)  # noqa: S608
    return [dict(row) | {"deleted": bool(row["deleted"])} for row in found]


def read_page(connection: sqlite3.Connection, since: str, page: int, size: int) -> tuple[int, list[Row]]:
    """One page of what changed at or after a time, and how many there are."""
    total = connection.execute("select count(*) from volume where updated_at >= ?", (since,)).fetchone()[0]
    found = connection.execute(
        "select * from volume where updated_at >= ? order by updated_at, dh, jh limit ? offset ?",
        (since, size, (page - 1) * size),
    )
    return int(total), [dict(row) | {"deleted": bool(row["deleted"])} for row in found]


def read_due(connection: sqlite3.Connection) -> list[Row]:
    """The current due list."""
    return [dict(row) for row in connection.execute("select * from due order by received_at, bmsah")]


def take_due(connection: sqlite3.Connection, key: str, items: Sequence[Mapping[str, Any]]) -> Row:
    """Take a due list once; the same key gets the same answer without any effect."""
    # The lock comes first: two posts with one key must not both find nothing.
    connection.execute("begin immediate")
    before = connection.execute("select body from answer where key = ?", (key,)).fetchone()
    if before:
        return dict(json.loads(before["body"])) | {"repeated": True}
    received = f"{get_day(connection)}T18:00:00"
    new = sum(
        connection.execute(
            "insert or ignore into due values (?, ?, ?, ?, ?)",
            (item["bmsah"], item["unit"], item.get("handler"), item.get("concluded_on"), received),
        ).rowcount
        for item in items
    )
    answer = {"received": len(items), "new": new, "repeated": False}
    connection.execute("insert into answer values (?, ?)", (key, json.dumps(answer)))
    return answer
