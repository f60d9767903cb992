"""Opens the case database for reading; what goes wrong with it is told in the words of this adapter."""

from contextlib import AbstractContextManager

import sqlalchemy as sa

from jianheng.contract import AdapterContext
from jianheng_adapters.relational import connection

_CODES = "ucs"


def make_engine(context: AdapterContext) -> sa.Engine:
    """Return the engine for the URL in the options, the password put in from the secrets.

    Raises:
        StopError: the URL can't be read, its driver is not installed, or the SQLite file isn't there.
    """
    return connection.make_engine(context, _CODES)


def reading(engine: sa.Engine, context: AdapterContext) -> AbstractContextManager[sa.Connection]:
    """Open a read-only connection, and turn what the database says into coded errors.

    Raises:
        RetryError: the database can't be reached, or went away.
        StopError: it refuses the login or the statement.
    """
    return connection.reading(engine, context, _CODES)
