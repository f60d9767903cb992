"""The simulated office of the acceptance tests as a fixture: made and read once a session."""

import shutil
import sqlite3

import pytest

from acceptance_world import COLUMNS, PROVINCES, RARE, Accepted
from jianheng.scoring.records.scope import read_facts
from jianheng.store.engine import open_store
from jianheng_simulator import CLIENT_SECRET, World, create, running_archive, workbook_path
from office_driver import CODE, SECRET_VARIABLE, Office, deploy


@pytest.fixture(scope="session")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> Accepted:
    """A small simulated office with rare things in it, read once."""
    folder = tmp_path_factory.mktemp("accepted")
    create(folder / "upstream", World(people=16, cases=260, seed=7))
    cases = folder / "upstream" / "case.db"
    with sqlite3.connect(cases) as database:
        for table, columns in COLUMNS.items():
            known = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
            for column in set(columns) - known:
                database.execute(f"ALTER TABLE {table} ADD COLUMN {column} TEXT")
        database.executescript(RARE)
    database.close()
    shutil.copy(PROVINCES / "hainan" / "mapping.toml", folder / "mapping.toml")
    with pytest.MonkeyPatch.context() as patch, running_archive(folder / "upstream") as archive:
        patch.setenv(SECRET_VARIABLE, CLIENT_SECRET)
        office: Office = deploy(folder, archive, "2025")
        office.edit(
            r'url = "sqlite:///upstream/case.db"',
            'url = "sqlite:///upstream/case.db", mapping = "mapping.toml"',
        )
        told = office.run("sync", "--quiet")
        assert told.code == 0, told.text
    store = open_store(f"sqlite:///{office.store}")
    with store.connect() as connection:
        facts = read_facts(connection, CODE)
    store.dispose()
    return Accepted(cases, workbook_path(folder / "upstream"), facts)
