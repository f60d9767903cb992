"""A target: one table of scores in a SQLite file, replaced period by period."""

import os
import sqlite3
from contextlib import closing

from jianheng.contract import Finding, Receipt
from jianheng.errors import StopError, problem
from jianheng.hookspecs import hookimpl

TABLE = (
    "CREATE TABLE IF NOT EXISTS score (period TEXT, person_key TEXT, name TEXT, points INTEGER, note TEXT)"
)


class Table:
    """The table in one folder."""

    def __init__(self, context):
        self.folder = context.options["folder"]

    def check(self):
        usable = self.folder.is_dir() and os.access(self.folder, os.W_OK)
        yield Finding("folder", None if usable else problem("zoo-no-folder", folder=self.folder))

    def write(self, publication):
        try:
            with closing(sqlite3.connect(self.folder / "scores.db")) as database:
                self.replace(database, publication)
        except sqlite3.Error:
            raise StopError("zoo-no-folder", folder=self.folder) from None
        return Receipt(f"{self.folder}/scores.db score", len(publication.people))

    def replace(self, database, publication):
        database.execute(TABLE)
        database.execute("DELETE FROM score WHERE period = ?", [publication.period])
        for person in publication.people:
            values = [publication.period, person.person_key, person.name, person.points, person.note]
            database.execute("INSERT INTO score VALUES (?, ?, ?, ?, ?)", values)
        database.commit()


@hookimpl
def targets():
    return {"zoo-table": Table}
