"""The small database behind ``mapping.toml``."""

import sqlite3
from contextlib import closing, contextmanager
from datetime import timedelta

UNIT = "990101"
SETUP = """
CREATE TABLE t_person (unit TEXT, no TEXT PRIMARY KEY, name TEXT, changed TEXT, gone TEXT);
CREATE VIEW v_person AS SELECT * FROM t_person;
"""


class Database:
    def __init__(self, folder):
        self.file = folder / "hr.db"
        self.last = {}
        # Whoever reads must keep nobody from writing; the log of writes lives as long as somebody has it open.
        self.open = sqlite3.connect(self.file, check_same_thread=False)
        self.open.execute("PRAGMA journal_mode=WAL")
        self.open.executescript(SETUP)
        self._write([(UNIT, "0101", "示例甲", "2026-01-05 08:00:00", None)])
        self._write([(UNIT, "0102", "示例乙", "2026-01-05 09:00:00", None)])

    def close(self):
        self.open.close()

    def _write(self, rows):
        with closing(sqlite3.connect(self.file)) as opened, opened:
            opened.executemany("INSERT OR REPLACE INTO t_person VALUES (?, ?, ?, ?, ?)", rows)

    def put(self, stream, number, changed, values):
        self.last[number] = changed
        name = values.get("name", f"某人{number}")
        self._write([(UNIT, str(1000 + number), name, changed.isoformat(" "), None)])
        return f"{UNIT}-{1000 + number}"

    def delete(self, stream, number):
        changed = max(self.last.values()) + timedelta(seconds=1)
        self._write([(UNIT, str(1000 + number), None, changed.isoformat(" "), "Y")])


@contextmanager
def upstream(folder):
    with closing(Database(folder)) as database:
        yield database
