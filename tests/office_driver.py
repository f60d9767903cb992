"""A simulated office driven as an operator drives it, through the command line, and looked into by SQL.

What a test counts, it counts by statements of its own over the simulator's tables and over the store's,
never by asking the program twice.
"""

import contextlib
import io
import json
import re
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa

from jianheng.cli import main
from jianheng.facts.entities import ENTITIES
from jianheng_simulator import CLIENT_SECRET, World, database_url, load_world

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"

CODE, NAME = "990101", "滨海市东屿区人民检察院"
OPEN = 253_402_300_799_999_999
SMALL = World(people=14, cases=40)
"""Fourteen people fill every department; forty cases hold every kind of record but few of each."""

SECRET_VARIABLE = "ARCHIVE_CLIENT_SECRET"


@dataclass(frozen=True, slots=True)
class Told:
    """What one command said."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Everything, stdout first."""
        return self.out + self.err

    def json(self) -> dict[str, Any]:
        """The document that ``--json`` prints."""
        told: dict[str, Any] = json.loads(self.out)
        return told

    def errors(self) -> dict[str, dict[str, str]]:
        """The four parts of every error of a JSON document, by code."""
        return {each["code"]: each for each in self.json()["errors"]}

    def streams(self) -> dict[str, dict[str, Any]]:
        """What a sync did, by ``source/stream``."""
        return {
            f"{source['source']}/{stream['stream']}": stream
            for source in self.json()["sources"]
            for stream in source["streams"]
        }


def jianheng(*words: object) -> Told:
    """Run one command in this process. Nobody, whatever happens, is shown a traceback or a secret."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    told = Told(code, out.getvalue(), err.getvalue())
    assert "Traceback (most recent call last)" not in told.text, told.text
    assert CLIENT_SECRET not in told.text
    return told


@dataclass(frozen=True, slots=True)
class Office:
    """A deployment with the systems it reads.

    Attributes:
        folder: holds ``deployment.toml``, ``upstream/`` and the store.
        archive: address of the archive service.
    """

    folder: Path
    archive: str

    @property
    def upstream(self) -> Path:
        """Where the simulated systems are."""
        return self.folder / "upstream"

    @property
    def store(self) -> Path:
        """The SQLite file of the store: the only database beside the deployment."""
        (file,) = self.folder.glob("*.db")
        return file

    @property
    def file(self) -> Path:
        """The deployment's file."""
        return self.folder / "deployment.toml"

    def run(self, *words: object) -> Told:
        """Run a command on this deployment."""
        return jianheng(*words, "--config", self.folder)

    def sync(self, *words: object) -> Told:
        """Sync, answering in JSON; every row read is accounted for, whatever happened."""
        told = self.run("sync", "--json", *words)
        for name, stream in told.streams().items():
            ended = ("inserted", "changed", "deleted", "unchanged", "duplicate", "quarantined")
            assert stream["emitted"] == sum(stream[each] for each in ended), name
        return told

    def score(self, *words: object) -> list[dict[str, Any]]:
        """Score and return what each run says of itself."""
        told = self.run("score", "--json", *words)
        assert told.code == 0, told.text
        runs: list[dict[str, Any]] = told.json()["runs"]
        return runs

    def quarantine(self) -> list[dict[str, Any]]:
        """The records that could not be taken."""
        held: list[dict[str, Any]] = self.run("quarantine", "--json").json()["quarantine"]
        return held

    def edit(self, pattern: str, replacement: str) -> None:
        """Change one place of the deployment's file."""
        text, count = re.subn(pattern, replacement, self.file.read_text(encoding="utf-8"), count=1)
        assert count == 1, pattern
        self.file.write_text(text, encoding="utf-8")

    def fault(self, **fault: object) -> None:
        """Let the archive service misbehave."""
        requests.post(f"{self.archive}/_simulator/faults", json=fault, timeout=5).raise_for_status()

    def no_faults(self) -> None:
        """Let the archive service behave again."""
        requests.delete(f"{self.archive}/_simulator/faults", timeout=5).raise_for_status()

    def mend(self, whole: "Whole") -> None:
        """Let the case database and the workbook be as they were made."""
        pristine = whole.synced / self.upstream.name
        shutil.copytree(
            pristine, self.upstream, dirs_exist_ok=True, ignore=shutil.ignore_patterns("archive.db*")
        )

    def case_rows(self, statement: str, **values: object) -> list[dict[str, Any]]:
        """Read from the simulated case database."""
        return rows(database_url(self.upstream, load_world(self.upstream)), statement, **values)

    def change_cases(self, statement: str, **values: object) -> int:
        """Change the simulated case database; return how many rows that touched."""
        engine = sa.create_engine(database_url(self.upstream, load_world(self.upstream)))
        with engine.begin() as connection:
            count = connection.execute(sa.text(statement), values).rowcount
        engine.dispose()
        return count

    def facts(self, statement: str, **values: object) -> list[dict[str, Any]]:
        """Read from the store."""
        with contextlib.closing(sqlite3.connect(self.store)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(statement, values)]

    def versions(self) -> dict[str, int]:
        """How many versions of facts the store holds, by entity."""
        return {name: self.facts(f"select count(*) as n from fact_{name}")[0]["n"] for name in ENTITIES}

    def current(self, entity: str) -> int:
        """How many facts of an entity hold now."""
        told = self.facts(
            f"select count(*) as n from fact_{entity} where recorded_to = {OPEN} and not deleted"
        )
        return int(told[0]["n"])

    def known(self) -> dict[str, list[tuple[str, ...]]]:
        """All that holds now, by entity: source, key and a digest of the content, every one as often as it is there."""
        found = {}
        for name, entity in ENTITIES.items():
            # Pseudonyms are of this deployment alone.
            hidden = any(column.privacy == "party" for column in entity.columns)
            content = "''" if hidden else "content_hash"
            held = self.facts(
                f"select source, {entity.key.name}, {content} from fact_{name}"
                f" where recorded_to = {OPEN} and not deleted order by 1, 2, 3"
            )
            found[name] = [tuple(row.values()) for row in held]
        return found


def rows(url: str, statement: str, **values: object) -> list[dict[str, Any]]:
    """Read rows of a database by a statement of the test's own."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.text(statement), values).mappings()]
    finally:
        engine.dispose()


def deploy(folder: Path, archive: str, *periods: str) -> Office:
    """Write the deployment of the simulated office with ``jianheng init``."""
    words = ["--folder", folder, "--office-code", CODE, "--office-name", NAME, "--policy", "laoshan"]
    for period in periods or ("2024", "2025"):
        words += ["--period", period]
    words += ["--ucs-url", "sqlite:///upstream/case.db", "--personnel", "upstream/personnel"]
    words += ["--archive-url", archive, "--archive-client-id", "jianheng"]
    words += ["--workbook", "out", "--report", "out", "--force"]
    told = jianheng("init", *words)
    assert told.code == 0, told.text
    return Office(folder, archive)


@dataclass(frozen=True, slots=True)
class Whole:
    """What the small office comes to when nothing went wrong.

    Attributes:
        known: all that is known in the end.
        digests: of the scores.
        synced: the office's folder when it had read everything and scored nothing, to be copied.
    """

    known: dict[str, list[tuple[str, ...]]]
    digests: list[str]
    synced: Path

    def count(self, entity: str) -> int:
        """How many facts of an entity there are."""
        return len(self.known[entity])
