"""Opening a store: the engine, its settings, and whether its tables are those this version needs."""

import datetime as dt
from contextlib import closing
from importlib.resources import as_file, files
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from jianheng.errors import RetryError, StopError

_MIGRATIONS = "migrations"


def now_us() -> int:
    """Return the present moment in microseconds since 1970: the only clock of the store."""
    return int(dt.datetime.now(dt.UTC).timestamp() * 1_000_000)


def moment(us: int) -> dt.datetime:
    """Return a recorded moment as an aware UTC datetime."""
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=us)


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA busy_timeout=10000")
        cursor.execute("PRAGMA temp_store=MEMORY")


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
        engine = sa.create_engine(address)
    except (NoSuchModuleError, ModuleNotFoundError) as missing:
        raise StopError("store-no-driver", dialect=address.drivername, missing=str(missing)) from None
    if engine.dialect.name == "sqlite":
        if address.database and address.database != ":memory:":
            folder = Path(address.database).parent
            if not folder.is_dir():
                raise StopError("store-no-folder", folder=str(folder))
        sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def check_connection(engine: sa.Engine) -> None:
    """Connect once.

    Raises:
        RetryError: nobody answers, or the password is refused.
    """
    try:
        with engine.connect() as connection:
            connection.execute(sa.select(1))
    except SQLAlchemyError as refused:
        cause = getattr(refused, "orig", None) or refused
        told = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        raise RetryError(
            "store-unreachable", url=engine.url.render_as_string(hide_password=True), told=told
        ) from None


def _configuration(connection: sa.Connection, scripts: Path) -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(scripts).replace("%", "%%"))
    configuration.attributes["connection"] = connection
    return configuration


def schema_state(engine: sa.Engine) -> tuple[str | None, str | None]:
    """Return the revision the store has and the one this version needs (None: an empty store)."""
    with as_file(files("jianheng.store") / _MIGRATIONS) as scripts, engine.connect() as connection:
        wanted = ScriptDirectory.from_config(_configuration(connection, scripts)).get_current_head()
        return MigrationContext.configure(connection).get_current_revision(), wanted


def upgrade(engine: sa.Engine) -> str | None:
    """Bring the store's tables to what this version needs; return the revision."""
    with as_file(files("jianheng.store") / _MIGRATIONS) as scripts, engine.begin() as connection:
        command.upgrade(_configuration(connection, scripts), "head")
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
    with as_file(files("jianheng.store") / _MIGRATIONS) as scripts:
        return {script.revision for script in ScriptDirectory(str(scripts)).walk_revisions()}
