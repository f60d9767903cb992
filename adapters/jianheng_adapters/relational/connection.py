"""Opens a database for reading, and says in the words of an adapter what goes wrong with it.

Each adapter has texts of its own; the codes differ in what they begin with.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import exc
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random

from jianheng.contract import AdapterContext
from jianheng.errors import JianhengError, RetryError, StopError

# How each driver calls the longest wait for a connection.
_TIMEOUT_NAMES = {"psycopg": "connect_timeout", "pymysql": "connect_timeout", "pysqlite": "timeout"}
# Said before the transaction begins; SQLite files are opened read-only and PostgreSQL has an option.
_READ_ONLY = {
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
    "oracle": "SET TRANSACTION READ ONLY",
}
# What tells a refusal, which only people can mend, from a server that may come back: the text of
# drivers that give no code while connecting, SQLSTATE, and the numbers of MariaDB.
_REFUSED_TEXTS = (
    "authentication failed",
    "no password supplied",
    "does not exist",
    "认证失败",
    "不存在",
    "ora-01017",
)
_REFUSED_STATES = ("28000", "28P01", "3D000")
_REFUSED_NUMBERS = (1044, 1045, 1049, 1698)
_LONGEST_WAIT_S = 5.0


def make_engine(context: AdapterContext, codes: str) -> sa.Engine:
    """Return the engine for the URL in the options, the password put in from the secrets.

    Args:
        context: the adapter's.
        codes: what the codes of its messages begin with.

    Raises:
        StopError: the URL can't be read, its driver is not installed, or the SQLite file isn't there.
    """
    try:
        url = sa.make_url(context.options["url"])
        password = context.secrets.get("password")
        if url.get_backend_name() == "sqlite":
            url = _read_only_file(url, codes)  # a file has no password, and its URL no place for one
        elif password is not None:
            url = url.set(password=password.reveal())
        driver = url.get_driver_name()
    except (exc.NoSuchModuleError, ImportError):
        raise StopError(
            f"{codes}-driver-missing", source=context.name, driver=_named_driver(context)
        ) from None
    except (exc.ArgumentError, ValueError):  # ValueError: a port that is no number
        raise StopError(f"{codes}-url-wrong", source=context.name) from None
    arguments: dict[str, Any] = {}
    if driver in _TIMEOUT_NAMES:
        arguments[_TIMEOUT_NAMES[driver]] = context.options.get("connect_timeout_s") or 10
    options = {"postgresql_readonly": True} if url.get_backend_name() == "postgresql" else {}
    try:
        return sa.create_engine(
            url,
            poolclass=sa.NullPool,
            hide_parameters=True,  # parameters are unit codes and moments, yet logs need none of them
            connect_args=arguments,
            execution_options=options,
        )
    except (exc.NoSuchModuleError, ImportError):
        raise StopError(f"{codes}-driver-missing", source=context.name, driver=driver) from None
    except (exc.ArgumentError, TypeError):
        raise StopError(f"{codes}-url-wrong", source=context.name) from None


def _named_driver(context: AdapterContext) -> str:
    return str(context.options["url"]).partition("://")[0]


def _read_only_file(url: sa.URL, codes: str) -> sa.URL:
    file = Path(url.database or "")
    if not file.is_file():
        raise StopError(f"{codes}-file-missing", file=str(file))
    return url.set(database=f"file:{quote(str(file))}", query={"mode": "ro", "uri": "true"})


@contextmanager
def reading(engine: sa.Engine, context: AdapterContext, codes: str) -> Iterator[sa.Connection]:
    """Open a read-only connection, and turn what the database says into coded errors.

    Args:
        engine: of :func:`make_engine`; disposed at the end.
        context: the adapter's.
        codes: what the codes of its messages begin with.

    Raises:
        RetryError: the database can't be reached, or went away.
        StopError: it refuses the login or the statement.
    """
    connection = _connect(engine, context, codes)
    try:
        with connection:
            yield connection
    except exc.DBAPIError as error:
        raise _translated(error, context, codes) from None
    finally:
        engine.dispose()


def _connect(engine: sa.Engine, context: AdapterContext, codes: str) -> sa.Connection:
    attempts = Retrying(
        retry=retry_if_exception_type(RetryError),
        stop=stop_after_attempt(int(context.options.get("connect_attempts") or 3)),
        wait=wait_exponential(multiplier=0.2, max=_LONGEST_WAIT_S) + wait_random(0, 0.2),
        reraise=True,
    )
    return attempts(_open, engine, context, codes)


def _open(engine: sa.Engine, context: AdapterContext, codes: str) -> sa.Connection:
    try:
        connection = engine.connect()
        statement = _READ_ONLY.get(engine.dialect.name)
        if statement is not None:
            connection.execute(sa.text(statement))
            connection.rollback()  # it holds from the next transaction on
    except exc.DBAPIError as error:
        if _is_refusal(error.orig):
            raise StopError(f"{codes}-login-refused", **_place(engine), source=context.name) from None
        raise RetryError(f"{codes}-unreachable", **_place(engine), source=context.name) from None
    return connection


def _is_refusal(error: BaseException | None) -> bool:
    number = error.args[0] if error is not None and error.args else None
    if number in _REFUSED_NUMBERS or getattr(error, "sqlstate", None) in _REFUSED_STATES:
        return True
    return any(sign in str(error).lower() for sign in _REFUSED_TEXTS)


def _place(engine: sa.Engine) -> dict[str, Any]:
    """Where the database is, without who asks and with which password."""
    url = engine.url
    host = url.host or "-"
    database = (url.database or "-").removeprefix("file:")
    return {"host": f"{host}:{url.port}" if url.port else host, "database": database}


def _translated(error: exc.DBAPIError, context: AdapterContext, codes: str) -> JianhengError:
    fields: Mapping[str, Any] = {"source": context.name, "reason": _reason(error, context)}
    passing = isinstance(error, exc.OperationalError | exc.InterfaceError | exc.InternalError)
    if error.connection_invalidated or passing:
        return RetryError(f"{codes}-connection-lost", **fields)
    return StopError(f"{codes}-query-failed", **fields)


def _reason(error: exc.DBAPIError, context: AdapterContext) -> str:
    """The first line of what the driver says, without the password."""
    lines = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
    password = context.secrets.get("password")
    return (
        lines[0].replace(password.reveal(), "***")[:200] if password and password.reveal() else lines[0][:200]
    )
