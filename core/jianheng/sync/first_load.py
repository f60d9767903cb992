"""The first load of a table in PostgreSQL: its index by case is made at the end, of all rows at once.

Row by row that index costs as much as a fifth of writing them, more where cases do not come in their order. Made at
the end it costs a third of that. It is only left away from a table that held nothing of anybody when the read began;
a load that died without making it is found at the next sync of whatever source that is alone.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, DropIndex

from jianheng.facts.entity import Entity
from jianheng.logs import get_log
from jianheng.store import leases
from jianheng.store.tables import FACTS
from jianheng.sync.fence import SYNCS, Fence, fenced

MANY = 20_000
"""Rows after which a load is a large one: of fewer the index is made as they come."""
WAIT_S = 1
"""How long others who use the table are waited for, who wait for us too: the index may as well stay."""
MAKING_WAIT_S = 60
"""How long others who write the table are waited for when the index is made: the next sync tries again."""


_INDEXES = sa.text(
    "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " WHERE i.indrelid IN (SELECT to_regclass(t) FROM unnest(:tables) AS t)"
).bindparams(sa.bindparam("tables", type_=sa.ARRAY(sa.Text())))
_MAY_MAKE = sa.func.has_schema_privilege(sa.func.current_schema(), "CREATE")


def _by_case(table: sa.Table) -> list[sa.Index]:
    return [each for each in table.indexes if each.dialect_options["postgresql"]["using"] != "brin"]


def left_away(connection: sa.Connection, entity: Entity) -> list[sa.Index]:
    """Return the indexes that a read may do without: the table holds nothing of anybody, and they can be made again."""
    table = FACTS[entity.name]
    if connection.dialect.name != "postgresql":
        return []
    may = sa.and_(~sa.exists(sa.select(table.c.office)), _MAY_MAKE)
    return _by_case(table) if connection.scalar(sa.select(may)) else []


@contextmanager
def loading(fence: Fence, indexes: Sequence[sa.Index]) -> Iterator[Callable[[int], None]]:
    """Let a read that may be a first load tell of rows about to be written.

    Once they are many the indexes are taken away, and made however the read ends. Telling raises ``LeaseLostError``
    where another run has taken the source.
    """
    come, waiting = 0, indexes
    taken: Sequence[sa.Index] = ()

    def coming(rows: int) -> None:
        nonlocal come, waiting, taken
        come += rows
        if waiting and come >= MANY:
            waiting, taken = (), indexes  # whatever ends this, what may be gone is made again
            if not _take_away(fence, indexes):
                taken = ()

    try:
        yield coming
    finally:
        _make(fence.store, taken)


def _take_away(fence: Fence, indexes: Sequence[sa.Index]) -> bool:
    """Take indexes away; return whether they may be gone."""
    try:
        with fenced(fence) as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{WAIT_S}s'")
            present = _present(connection)
            for each in indexes:
                if each.name in present:  # or it would be one of another schema
                    connection.execute(DropIndex(each))
    except SQLAlchemyError as refused:  # in use, or not ours to take away: it is slower, that is all
        names = [str(each.name) for each in indexes]
        get_log("jianheng.sync").info("index stays", indexes=names, told=type(refused).__name__)
        # They may be gone where the line broke: the answer to the commit is lost.
        return isinstance(refused, DBAPIError) and refused.connection_invalidated
    return True


def _present(connection: sa.Connection) -> set[str]:
    """Return the names of the indexes that our tables of facts have."""
    return {*connection.scalars(_INDEXES, {"tables": [table.name for table in FACTS.values()]})}


def mend(fence: Fence) -> None:
    """Make the indexes that a first load which died left away, unless another sync is under way, which may be one."""
    store = fence.store
    if store.dialect.name != "postgresql":
        return
    with store.connect() as connection:
        present = _present(connection)
        gone = [one for table in FACTS.values() for one in _by_case(table) if one.name not in present]
        busy = gone and any(each.name != fence.lease.name for each in leases.in_force(connection, SYNCS))
    if gone and not busy:
        _make(store, gone)


def _make(store: sa.Engine, indexes: Sequence[sa.Index]) -> None:
    for each in indexes:
        try:
            with store.begin() as connection:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{MAKING_WAIT_S}s'")
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                connection.execute(CreateIndex(each, if_not_exists=True))
        except SQLAlchemyError as refused:  # the facts are right without it
            get_log("jianheng.sync").warning(
                "index not made", index=str(each.name), told=type(refused).__name__
            )
