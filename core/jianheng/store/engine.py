"""Opening a store: the engine, its settings, and whether its tables are those this version needs."""

import datetime as dt
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.pool import ConnectionPoolEntry
from tenacity import retry, retry_if_exception_message, stop_after_delay, wait_random

from jianheng.errors import JianhengError, RetryError, StopError
from jianheng.facts.time import wall_time
from jianheng.store import mariadb
from jianheng.store.tables import METADATA

if TYPE_CHECKING:
    from alembic.config import Config

REVISION = "0006"
"""The revision of the tables that this version needs: that of the last migration."""
_MIGRATIONS = "migrations"
_VERSION = sa.table("alembic_version", sa.column("version_num", sa.String()))
_WRITES = "jianheng_writes"
_IN_THE_WAY = ("40001", "40P01")
"""PostgreSQL: could not serialise, deadlock."""
_AWAY = ("57P01", "57P02", "57P03", "57P05", "25P03", "53300")
"""PostgreSQL: shut down, crashed, starting up, silent too long (twice), too many connections; all of class 08 as well."""
_FULL = "53100"
"""PostgreSQL: the disk is full."""
_SILENT_MS = 900_000
"""How long PostgreSQL lets a transaction of ours do nothing: the locks of a machine that is gone must end some day."""
_UPGRADE_LOCK = 1_952_870_259
"""PostgreSQL: the number of the lock that one upgrade holds while another waits."""


def now_us() -> int:
    """Return the present moment in microseconds since 1970: the only clock of the store."""
    return int(dt.datetime.now(dt.UTC).timestamp() * 1_000_000)


def moment(us: int) -> dt.datetime:
    """Return a recorded moment as an aware UTC datetime."""
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=us)


def told_time(us: int) -> str:
    """Return a recorded moment as people here read it."""
    return f"{wall_time(moment(us)):%Y-%m-%d %H:%M:%S}"


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions begin where we say, not at the first write
    with closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA busy_timeout=60000")
        _write_ahead(cursor)
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA temp_store=MEMORY")
        # A batch's pages stay in memory until its commit, and reach the database's file some batches at a time: 64 MB.
        cursor.execute("PRAGMA cache_size=-16384")
        cursor.execute("PRAGMA wal_autocheckpoint=16000")


# A file's change to a write-ahead log needs it alone and does not wait for the busy timeout: of two first runs
# the second would be refused.
@retry(
    retry=retry_if_exception_message(match="database is locked"),
    wait=wait_random(0.01, 0.1),
    stop=stop_after_delay(60),
    reraise=True,
)
def _write_ahead(cursor: DBAPICursor) -> None:
    cursor.execute("PRAGMA journal_mode=WAL")


def _limit_silence(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """Let PostgreSQL end what is silent for too long within a transaction, unless it is set up to do so sooner."""
    name = "idle_in_transaction_session_timeout"
    with closing(connection.cursor()) as cursor:
        cursor.execute(
            f"SELECT set_config('{name}', '{_SILENT_MS}', false) WHERE current_setting('{name}') = '0'"
        )
    connection.commit()


def _begin_sqlite(connection: sa.Connection) -> None:
    """Reads see one moment; who will write takes his place in the queue before he reads."""
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a transaction that will write: what it reads first cannot change before it writes."""
    with engine.execution_options(**{_WRITES: True}).begin() as connection:
        yield connection


@contextmanager
def writing_latest(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a transaction that will write and in which each statement sees all that was committed before it.

    Who waits for a row that another holds must see, once he has it, what the other did; PostgreSQL would show what
    was so before.
    """
    latest = {"isolation_level": "READ COMMITTED"} if engine.dialect.name == "postgresql" else {}
    with writing(engine.execution_options(**latest)) as connection:
        yield connection


def _first_line(failed: SQLAlchemyError) -> str:
    """Return what the driver said, without the statement and its values."""
    cause = getattr(failed, "orig", None) or failed
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]


def store_error(failed: SQLAlchemyError, doing: str) -> JianhengError:
    """Return what to tell of a failing store: the driver's first line, never the statement's values.

    Two jobs in each other's way are no fault of the store: the later one may simply run again. So may what a database
    that stopped, or a line that broke, has ended.
    """
    told = _first_line(failed)
    code = str(getattr(getattr(failed, "orig", None), "sqlstate", None) or "")
    if (
        isinstance(failed, IntegrityError)
        or code in _IN_THE_WAY
        or "database is locked" in told
        or mariadb.in_the_way(failed)
    ):
        return RetryError("store-busy", told=told, doing=doing)
    if _is_away(failed, code):
        return RetryError("store-away", told=told, doing=doing)
    if code == _FULL or "database or disk is full" in told or mariadb.is_full(failed):
        return StopError("store-full", told=told, doing=doing)
    return StopError("store-failed", told=told, doing=doing)


def _is_away(failed: SQLAlchemyError, code: str) -> bool:
    """Return whether the database, or the line to it, was gone: nothing is wrong with what was asked."""
    if not isinstance(failed, DBAPIError):
        return False
    if failed.connection_invalidated or code in _AWAY or code.startswith("08"):
        return True
    by_server = not isinstance(failed.orig, sqlite3.Error)
    return by_server and isinstance(failed, OperationalError) and failed.statement is None and not code


def _settings(address: sa.URL) -> dict[str, Any]:
    """Return how an engine is made: what a report reads must be of one moment on every database."""
    backend = address.get_backend_name()
    if backend == "postgresql":
        how: dict[str, Any] = {"isolation_level": "REPEATABLE READ"}
        if address.get_driver_name() == "psycopg":  # a plan kept from a small table is wrong for a large one
            how["connect_args"] = {"prepare_threshold": None}
        return how
    return {"isolation_level": "REPEATABLE READ"} if backend in mariadb.NAMES else {}


def open_engine(url: str | sa.URL) -> sa.Engine:
    """Return an engine for a store.

    Raises:
        StopError: the address is unusable or its driver is not installed.
    """
    try:
        address = sa.make_url(url)
    except ArgumentError:
        raise StopError("store-bad-url") from None
    try:
        engine = sa.create_engine(address, **_settings(address))
    except (NoSuchModuleError, ModuleNotFoundError) as missing:
        raise StopError("store-no-driver", dialect=address.drivername, missing=str(missing)) from None
    if engine.dialect.name == "sqlite":
        if address.database and address.database != ":memory:":
            folder = Path(address.database).parent
            if not folder.is_dir():
                raise StopError("store-no-folder", folder=str(folder))
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    if engine.dialect.name in mariadb.NAMES:
        sa.event.listen(engine, "connect", mariadb.prepare)
    if engine.dialect.name == "postgresql":
        sa.event.listen(engine, "connect", _limit_silence)
    return engine


def check_connection(engine: sa.Engine) -> None:
    """Connect once.

    Raises:
        RetryError: nobody answers, or the password is refused.
        StopError: the file is no SQLite database.
    """
    try:
        with engine.connect() as connection:
            connection.execute(sa.select(1))
    except SQLAlchemyError as refused:
        told = _first_line(refused)
        if engine.dialect.name == "sqlite" and "locked" not in told:
            raise StopError("store-unusable", file=str(engine.url.database), told=told) from None
        raise RetryError(
            "store-unreachable", url=engine.url.render_as_string(hide_password=True), told=told
        ) from None


def _configuration(connection: sa.Connection, scripts: Path) -> "Config":
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(scripts).replace("%", "%%"))
    configuration.attributes["connection"] = connection
    return configuration


def schema_state(engine: sa.Engine) -> tuple[str | None, str]:
    """Return the revision the store has (None: an empty store) and the one this version needs.

    Each command asks, and nearly always both are the same: what can migrate is loaded only where they are not.
    """
    with engine.connect() as connection:
        has = None
        if sa.inspect(connection).has_table(_VERSION.name):
            has = connection.scalar(sa.select(_VERSION.c.version_num))
        return has, REVISION


def upgrade(engine: sa.Engine) -> str | None:
    """Bring the store's tables to what this version needs; return the revision."""
    from alembic import command

    postgresql, maria = engine.dialect.name == "postgresql", engine.dialect.name in mariadb.NAMES
    whole = engine.execution_options(isolation_level="READ COMMITTED") if postgresql or maria else engine
    with as_file(files("jianheng.store") / _MIGRATIONS) as scripts, writing(whole) as connection:
        # Two first runs at once: one sets up, the other waits and finds it done. SQLite's writers queue anyway.
        if postgresql:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
        if maria:
            mariadb.hold_upgrade(connection)
            mariadb.keep_texts_exact(connection, frozenset(METADATA.tables))
        command.upgrade(_configuration(connection, scripts), "head")
        if maria:
            mariadb.release_upgrade(connection)
    return schema_state(engine)[0]


def open_store(url: str | sa.URL) -> sa.Engine:
    """Open a store ready for use: an empty one is set up, an older one is never changed unasked.

    Raises:
        StopError: the store is of another version; the message names the command to run.
        RetryError: nobody answers.
    """
    engine = open_engine(url)
    try:
        _make_ready(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _make_ready(engine: sa.Engine) -> None:
    check_connection(engine)
    has, wanted = schema_state(engine)
    if has is None:
        upgrade(engine)
    elif has != wanted:
        known = has in _known_revisions()
        raise StopError("store-outdated" if known else "store-newer", has=has, wanted=wanted)


def _known_revisions() -> set[str]:
    from alembic.script import ScriptDirectory

    with as_file(files("jianheng.store") / _MIGRATIONS) as scripts:
        return {script.revision for script in ScriptDirectory(str(scripts)).walk_revisions()}
