"""The database servers that tests may use: where they are, and waking one that is installed but asleep.

Nothing is installed and nothing is opened to a network: a server that this module starts listens
on the loopback address only, and is stopped again when the tests end.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

Kind = Literal["postgresql", "mariadb"]

ADDRESSES: dict[Kind, tuple[str, str]] = {
    "postgresql": ("JIANHENG_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"),
    "mariadb": ("JIANHENG_TEST_MARIADB", "mysql+pymysql://root@127.0.0.1:3306"),
}
"""By kind: the variable that names another server, and where one is looked for without it."""

START_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Server:
    """One server as the tests found it: ``missing`` says why it cannot be used; empty when it can."""

    kind: Kind
    url: sa.URL
    missing: str = ""
    stop: Callable[[], None] = lambda: None


def find(kind: Kind) -> Server:
    """Return a server of a kind, started if the machine has one that sleeps."""
    variable, usual = ADDRESSES[kind]
    url = sa.make_url(os.environ.get(variable) or usual)
    refused = _refusal(url)
    if not refused:
        return Server(kind, url)
    elsewhere = bool(os.environ.get(variable))
    stop = None if elsewhere else {"postgresql": _start_postgresql, "mariadb": _start_mariadb}[kind](url)
    if stop is None:
        how = f"{variable} names another" if not elsewhere else f"{variable} says so"
        return Server(kind, url, f"no {kind} answers at {url.host}:{url.port} ({how}): {refused}")
    until = time.monotonic() + START_WITHIN_S
    while refused and time.monotonic() < until:
        time.sleep(0.2)
        refused = _refusal(url)
    told = f"{kind} was started but does not answer: {refused}" if refused else ""
    return Server(kind, url, told, stop)


def execute(server: Server, statement: str) -> None:
    """Run one statement outside any transaction, as creating and dropping databases needs."""
    engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(statement))


def _refusal(url: sa.URL) -> str:
    """Return why a server cannot be used; empty when it answers."""
    engine = sa.create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 3})
    try:
        with engine.connect() as connection:
            connection.execute(sa.select(1))
    except SQLAlchemyError as error:
        return (str(getattr(error, "orig", None) or error).strip().splitlines() or ["?"])[0]
    return ""


def _start_postgresql(url: sa.URL) -> Callable[[], None] | None:
    """Start the Debian cluster of the wanted port; its own configuration keeps it on loopback."""
    if shutil.which("pg_ctlcluster") is None or shutil.which("pg_lsclusters") is None:
        return None
    listed = subprocess.run(["pg_lsclusters", "-h"], capture_output=True, text=True, check=False).stdout
    for version, name, port, status, *_ in (line.split() for line in listed.splitlines()):
        if port == str(url.port) and status.startswith("down"):
            cluster = ["pg_ctlcluster", version, name]
            start = [*cluster, "start", "-o", "-c listen_addresses=127.0.0.1"]
            if subprocess.run(start, capture_output=True, check=False).returncode == 0:
                return lambda: _run([*cluster, "stop"])
    return None


def _start_mariadb(url: sa.URL) -> Callable[[], None] | None:
    """Start the server over the machine's own data folder."""
    if shutil.which("mariadbd") is None:
        return None
    user = ["--user=mysql"] if os.geteuid() == 0 else []
    place = f"{tempfile.gettempdir()}/jianheng-test-mariadb-{url.port}"
    server = subprocess.Popen(
        [
            "mariadbd",
            *user,
            "--bind-address=127.0.0.1",
            f"--port={url.port}",
            "--skip-networking=0",
            f"--socket={place}.sock",  # the usual folder for these is made by the service manager
            f"--pid-file={place}.pid",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def stop() -> None:
        server.terminate()
        server.wait(timeout=START_WITHIN_S)

    return stop


def _run(command: list[str]) -> None:
    subprocess.run(command, capture_output=True, check=False)
