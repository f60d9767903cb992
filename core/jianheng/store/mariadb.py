"""What MariaDB and MySQL need to hold a store: exact texts, one moment for a reader, no silent overwriting."""

from contextlib import closing

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

NAMES = frozenset({"mysql", "mariadb"})
"""The dialects that speak to it."""
CHARSET, COLLATION = "utf8mb4", "utf8mb4_bin"
"""Keys that differ in case, accent or width are two keys."""

_IN_THE_WAY = frozenset({1020, 1205, 1213})
"""Changed since it was read, waited too long, deadlock."""
_FULL = frozenset({1021, 1114})
"""The disk is full, the table is full."""
_UPGRADE_WAITS_S = 600


def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """Set up a new connection: what does not fit is refused, and so is a write over what another has just written."""
    with closing(connection.cursor()) as cursor:
        cursor.execute("SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')")
        cursor.execute("SHOW VARIABLES LIKE 'innodb_snapshot_isolation'")  # since 10.6; MySQL has none
        if cursor.fetchone():
            cursor.execute("SET SESSION innodb_snapshot_isolation = ON")


def in_the_way(failed: SQLAlchemyError) -> bool:
    """Return whether a statement failed only because another job was at the same rows."""
    return _number(failed) in _IN_THE_WAY


def is_full(failed: SQLAlchemyError) -> bool:
    """Return whether a statement failed for want of space."""
    return _number(failed) in _FULL


def _number(failed: SQLAlchemyError) -> object:
    told: tuple[object, ...] = getattr(getattr(failed, "orig", None), "args", ())
    return told[0] if told else None


def hold_upgrade(connection: sa.Connection) -> None:
    """Let one upgrade of this database go on and others wait, until the connection ends or lets go."""
    connection.execute(sa.select(sa.func.get_lock(_lock(), _UPGRADE_WAITS_S)))


def release_upgrade(connection: sa.Connection) -> None:
    """Let the next upgrade go on."""
    connection.execute(sa.select(sa.func.release_lock(_lock())))


def _lock() -> sa.ColumnElement[str]:
    return sa.func.concat("jianheng:", sa.func.database())  # such locks are the server's, not a database's


def keep_texts_exact(connection: sa.Connection, tables: frozenset[str]) -> None:
    """Make the database's new tables compare texts by their characters; mend those of ours that do not."""
    prepare_name = connection.dialect.identifier_preparer.quote
    database = str(connection.scalar(sa.select(sa.func.database())))
    how = f"CHARACTER SET {CHARSET} COLLATE {COLLATION}"
    now = connection.scalar(
        sa.text("SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = :name"),
        {"name": database},
    )
    if now != COLLATION:
        connection.exec_driver_sql(f"ALTER DATABASE {prepare_name(database)} {how}")
    loose = connection.execute(
        sa.text(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = :name AND table_collation <> :collation"
        ),
        {"name": database, "collation": COLLATION},
    )
    for name in sorted(tables & set(loose.scalars())):
        connection.exec_driver_sql(f"ALTER TABLE {prepare_name(name)} CONVERT TO {how}")
