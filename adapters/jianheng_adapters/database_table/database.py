"""One connection to the results database, with everything it says told in coded errors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, NullPool, create_engine, inspect, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)

from jianheng.contract import Secret
from jianheng.errors import JianhengError, RetryError, StopError
from jianheng_adapters.database_table.tables import PREFIX, Tables, make_tables

_BUSY = ("locked", "deadlock", "lock wait", "serialize")
_RIGHTS = ("denied", "readonly", "read-only", "permission")
_TOLD_LENGTH = 200


class Database:
    """A database by URL; every connection is its own and is closed after use."""

    def __init__(self, url: str, secrets: Mapping[str, Secret], prefix: str) -> None:
        self._given, self._secrets, self._prefix = url, secrets, prefix

    @property
    def tables(self) -> Tables:
        """The tables under the prefix.

        Raises:
            StopError: the prefix cannot begin a table's name.
        """
        if not PREFIX.fullmatch(self._prefix):
            raise StopError("database-prefix-invalid", prefix=self._prefix)
        return make_tables(self._prefix)

    @property
    def shown(self) -> str:
        """The URL as it may be shown: without the password."""
        return self._url().render_as_string(hide_password=True)

    @contextmanager
    def transaction(self, *, undo: bool = False) -> Iterator[Connection]:
        """Give a connection in a transaction: all of it happens, or nothing.

        Args:
            undo: undo everything at the end, for a trial.

        Raises:
            StopError: the URL, the driver or the rights are wrong.
            RetryError: the database does not answer or is busy.
        """
        engine = self._engine()
        try:
            with engine.connect() as connection:
                try:
                    with connection.begin() as transaction:
                        yield connection
                        if undo:
                            transaction.rollback()
                except SQLAlchemyError as error:
                    raise self._failure(error) from None  # the driver's text may quote whole rows
        except SQLAlchemyError as error:
            raise RetryError("database-unreachable", url=self.shown, reason=self._told(error)) from None
        finally:
            engine.dispose()

    def create_missing(self, connection: Connection, tables: Tables, *, only_look: bool = False) -> list[str]:
        """Create the tables that are not there and return their names.

        Args:
            connection: where.
            tables: which.
            only_look: create nothing.

        Raises:
            StopError: a table of one of the names is there and is not ours.
        """
        found = inspect(connection)
        absent = []
        for table in tables.metadata.sorted_tables:
            if not found.has_table(table.name):
                absent.append(table.name)
                continue
            there = {column["name"] for column in found.get_columns(table.name)}
            lacking = ", ".join(column.name for column in table.columns if column.name not in there)
            if lacking:
                raise StopError("database-table-mismatch", table=table.name, columns=lacking, url=self.shown)
        if absent and not only_look:
            tables.metadata.create_all(connection)
        return absent

    def _url(self) -> URL:
        try:
            url = make_url(self._given)
        except (ArgumentError, ValueError):  # ValueError: a port that is no number
            raise StopError("database-url-invalid") from None
        secret = self._secrets.get("password")
        return url.set(password=secret.reveal()) if secret else url

    def _engine(self) -> Engine:
        url = self._url()
        try:
            return create_engine(url, poolclass=NullPool)
        except NoSuchModuleError:
            raise StopError("database-driver-missing", driver=url.drivername, url=self.shown) from None
        except ImportError as error:
            driver = error.name or url.drivername
            raise StopError("database-driver-missing", driver=driver, url=self.shown) from None
        except (ArgumentError, TypeError):
            raise StopError("database-url-invalid") from None

    def _failure(self, error: SQLAlchemyError) -> JianhengError:
        reason = _kind(error)
        text = str(getattr(error, "orig", "")).lower()
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return RetryError("database-unreachable", url=self.shown, reason=reason)
        if isinstance(error, IntegrityError) or any(word in text for word in _BUSY):
            return RetryError("database-busy", url=self.shown, reason=reason)
        lost = isinstance(error, OperationalError | InterfaceError | InternalError)
        if lost and not any(word in text for word in _RIGHTS) and "disk" not in text and "space" not in text:
            return RetryError("database-unreachable", url=self.shown, reason=reason)
        return StopError("database-refused", url=self.shown, reason=reason, prefix=self._prefix)

    def _told(self, error: SQLAlchemyError) -> str:
        """Return why a connection failed: the driver's first line, without the password."""
        lines = str(getattr(error, "orig", error)).strip().splitlines() or [type(error).__name__]
        password = self._url().password
        text = lines[0] if not password else lines[0].replace(str(password), "***")
        return text[:_TOLD_LENGTH]


def _kind(error: SQLAlchemyError) -> str:
    """Return the kind of a failed statement: never the driver's text, which quotes the rows it refused."""
    orig = getattr(error, "orig", None)
    code = getattr(orig, "sqlstate", None) or getattr(orig, "sqlite_errorname", None)
    if code is None and orig is not None and orig.args and isinstance(orig.args[0], int):
        code = orig.args[0]
    return f"{type(error).__name__} {code}" if code else type(error).__name__
