"""Stores that many tests begin with alike: filled once a process, then copied."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from jianheng.store.tables import RUN

Made = TypeVar("Made")
_MADE: dict[tuple[str, ...], tuple[bytes, Any]] = {}


def filled(store: sa.Engine, make: Callable[[], Made], *what: str) -> Made:
    """Fill an empty store, where it is a SQLite file with a copy of what was made of the same before.

    Args:
        store: still without a run.
        make: fills it; called once a process for the same, but each time for another database than SQLite.
        what: all that decides what it makes.
    """
    with store.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(RUN)) == 0
    if store.dialect.name != "sqlite":
        return make()
    file = Path(str(store.url.database))
    store.dispose()
    if what in _MADE:
        content, made = _MADE[what]
        file.write_bytes(content)
        return made
    made = make()
    store.dispose()  # the last connection to a file leaves nothing beside it
    _MADE[what] = file.read_bytes(), made
    return made
