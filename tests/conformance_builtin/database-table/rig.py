"""A SQLite file, read with the standard library."""

import sqlite3
from contextlib import closing, contextmanager

COLUMNS = ("person_key", "name", "points", "final", "grade", "note", "state", "cases", "entries")


class Board:
    def __init__(self, folder):
        self.file = folder / "board" / "scores.db"
        self.file.parent.mkdir()

    def held(self, publication):
        if not self.file.exists():
            return []
        with closing(sqlite3.connect(self.file)) as database:
            found = database.execute(
                f"SELECT {', '.join('s.' + each for each in COLUMNS)} FROM jianheng_person_score s "
                "JOIN jianheng_publication p USING (publication_id) "
                "WHERE p.is_current AND p.office = ? AND p.period = ?",
                [publication.office, publication.period],
            ).fetchall()
        rows = [dict(zip(COLUMNS, each, strict=True)) for each in found]
        for row in rows:
            row |= {name: row[name] and round(row[name] * 1000) for name in ("points", "final")}
        return rows


@contextmanager
def upstream(folder):
    yield Board(folder)
