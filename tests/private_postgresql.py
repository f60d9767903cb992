"""A PostgreSQL of one's own, on loopback, that a test may stop and start as it likes."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

ACCOUNT = "postgres"
"""Whom the server runs as where the tests run as root, which it refuses."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One server with its data."""

    folder: Path
    programs: Path
    port: int
    user: str | None

    @property
    def url(self) -> str:
        """The address of the database ``postgres``."""
        return f"postgresql+psycopg://{ACCOUNT}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        settings += " -c fsync=off -c max_connections=30 -c shared_buffers=16MB"
        # Its own standard output would be inherited by the server, and nobody could read it to its end.
        self.run("pg_ctl", "-D", self.folder, "-w", "-l", self.folder / "log", "-o", settings, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: ``immediate`` is as good as pulling the plug."""
        self.run("pg_ctl", "-D", self.folder, "-m", mode, "-w", "stop")

    def execute(self, statement: str) -> list[sa.Row[tuple[object, ...]]]:
        """Run a statement outside any transaction."""
        engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            found = connection.exec_driver_sql(statement)
            return list(found) if found.returns_rows else []

    def end_backends(self) -> int:
        """Terminate every other connection; return how many there were."""
        return len(
            self.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where pid <> pg_backend_pid() and backend_type = 'client backend'"
            )
        )

    def run(self, program: str, *words: object) -> None:
        """Run one of PostgreSQL's programs."""
        command = [str(self.programs / program), *map(str, words)]
        subprocess.run(command, user=self.user, check=True, stdout=subprocess.DEVNULL, cwd="/")


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: int(each.parts[-3]))
    beside = shutil.which("initdb")
    if found:
        return found[-1].parent
    return None if beside is None else Path(beside).resolve().parent


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Make a server and start it; skip the test where there is no PostgreSQL to make one of."""
    programs = _programs()
    if programs is None:
        pytest.skip("no initdb: PostgreSQL's server programs are not installed")
    user = ACCOUNT if os.geteuid() == 0 else None
    # Not where the tests keep their files: only they themselves may walk there.
    with tempfile.TemporaryDirectory(prefix="jianheng-test-postgresql-") as folder:
        place = Path(folder)
        if user is not None:
            try:
                shutil.chown(place, user)
            except LookupError:
                pytest.skip(f"PostgreSQL does not run as root, and there is no account {user}")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        made = Cluster(place / "data", programs, port, user)
        made.run(
            "initdb", "-D", made.folder, "-U", ACCOUNT, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"
        )
        made.start()
        try:
            yield made
        finally:
            if (made.folder / "postmaster.pid").exists():
                made.stop()


def wait_until_ready(server: Cluster, patience_s: float = 30.0) -> None:
    """Wait until a server answers again, as after a crash from which it recovers by itself."""
    until = time.monotonic() + patience_s
    while True:
        try:
            server.execute("select 1")
        except sa.exc.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return
