"""Target: results in four tables of any database that SQLAlchemy reaches, current ones and their history."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, Table, delete, false, insert, select, update

from jianheng.contract import AdapterContext, Finding, Publication, Receipt, TargetFactory
from jianheng.errors import JianhengError
from jianheng.hookspecs import hookimpl
from jianheng_adapters.database_table.database import Database
from jianheng_adapters.database_table.rows import (
    entry_rows,
    indicator_rows,
    publication_row,
    score_rows,
    slot,
)
from jianheng_adapters.database_table.tables import Tables

_BATCH = 2_000


class DatabaseTable:
    """Writes publications into a database: one transaction each, one current one a period."""

    def __init__(self, context: AdapterContext) -> None:
        options = context.options
        self._database = Database(options["url"], context.secrets, options.get("prefix", "jianheng_"))
        self._log = context.log

    def check(self) -> Iterable[Finding]:
        """Say whether the database answers and lets us create and write the tables; leave nothing behind."""
        subject = "database"
        try:
            subject = self._database.shown
            tables = self._database.tables
            with self._database.transaction(undo=True) as connection:
                self._try_writing(connection, tables)
        except JianhengError as error:
            return [Finding(subject, error.problem)]
        return [Finding(subject)]

    def write(self, publication: Publication) -> Receipt:
        """Make a publication the current one of its office, policy and period.

        A publication that is already current changes nothing; one that was superseded becomes
        current again.

        Raises:
            StopError: the deployment, the rights or the tables are wrong.
            RetryError: the database does not answer or is busy.
        """
        tables = self._database.tables
        location = f"{self._database.shown} {tables.ledger_entry.name}"
        with self._database.transaction() as connection:
            self._database.create_missing(connection, tables)
        with self._database.transaction() as connection:
            written = _replace(connection, tables, publication)
        self._log.info("tables written" if written else "tables already current", publication=publication.id)
        return Receipt(location, len(publication.entries), "" if written else "unchanged")

    def _try_writing(self, connection: Connection, tables: Tables) -> None:
        """Ask for every right that write() needs, in a transaction that is undone."""
        missing = self._database.create_missing(connection, tables, only_look=True)
        if missing:
            probe = Table(f"{tables.publication.name}_probe", MetaData(), Column("probe", Integer))
            probe.create(connection)
            probe.drop(connection)  # some databases cannot undo the creation of a table
            return
        for table in (tables.publication, *tables.details):
            nothing = select(table).where(false())
            connection.execute(insert(table).from_select(list(table.columns), nothing))
            connection.execute(delete(table).where(false()))
        connection.execute(update(tables.publication).where(false()).values(is_current=False))


def _replace(connection: Connection, tables: Tables, publication: Publication) -> bool:
    """Put a publication in the place of the current one; return whether anything had to change."""
    table = tables.publication
    current = connection.execute(
        select(table.c.publication_id).where(table.c.current_slot == slot(publication)).with_for_update()
    ).scalar_one_or_none()
    if current == publication.id:
        return False
    for stale in (current, publication.id):
        for detail in tables.details if stale else ():
            connection.execute(delete(detail).where(detail.c.publication_id == stale))
    if current:
        connection.execute(
            update(table).where(table.c.publication_id == current).values(is_current=False, current_slot=None)
        )
    connection.execute(delete(table).where(table.c.publication_id == publication.id))
    connection.execute(insert(table), publication_row(publication))
    _insert(connection, tables.person_score, score_rows(publication))
    _insert(connection, tables.indicator_value, indicator_rows(publication))
    _insert(connection, tables.ledger_entry, entry_rows(publication))
    return True


def _insert(connection: Connection, table: Table, rows: Iterator[dict[str, Any]]) -> None:
    while batch := list(islice(rows, _BATCH)):
        connection.execute(insert(table), batch)


@hookimpl
def targets() -> Mapping[str, TargetFactory]:
    """Return this target."""
    return {"database-table": DatabaseTable}
