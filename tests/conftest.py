"""What all tests share: Chinese as the language each begins with, and an empty store of each kind.

A test that needs a server carries the mark ``postgresql`` or ``mariadb``. Without the server it is
skipped and the end of the session says so; with ``JIANHENG_REQUIRE_DATABASES=1`` it fails instead.
"""

import os
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings

import database_servers
import jianheng_adapters.mapping
import jianheng_adapters.web_service  # noqa: F401  # both add their words once a process, not while a test has put them aside
from jianheng.conformance.rig import quiet_servers
from jianheng.messages import speaking
from jianheng.store.engine import open_store
from jianheng.store.operations import METADATA

KINDS: tuple[database_servers.Kind, ...] = ("postgresql", "mariadb")
SERVERS = pytest.StashKey[dict[database_servers.Kind, database_servers.Server]]()
_REQUIRED = "databases are required here (JIANHENG_REQUIRE_DATABASES=1)"

collect_ignore = [] if os.environ.get("JIANHENG_SOAK") else ["soak"]
"""Trials that take long are run by ``make soak`` only."""

settings.register_profile("jianheng", derandomize=True, database=None, deadline=None, print_blob=False)
settings.load_profile("jianheng")


def _keep_bytecode(config: pytest.Config) -> None:
    """Keep what is compiled in pytest's cache where it may not stand beside the sources.

    Otherwise each of the hundreds of processes that tests start would compile everything anew, and so would each
    look at the migrations.
    """
    cache: pytest.Cache | None = getattr(config, "cache", None)
    if sys.dont_write_bytecode and cache is not None:
        sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(cache.mkdir("bytecode"))
        sys.dont_write_bytecode = False
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_configure(config: pytest.Config) -> None:
    """Where several processes share the tests, wake the servers before any of them looks, and until all have ended."""
    _keep_bytecode(config)
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        config.stash[SERVERS] = {kind: database_servers.find(kind) for kind in KINDS}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Look for the servers that the chosen tests need, before the first of them runs."""
    if SERVERS in session.config.stash:
        return
    wanted = {kind for kind in KINDS for item in session.items if item.get_closest_marker(kind)}
    running = (
        {} if session.config.option.collectonly else {kind: database_servers.find(kind) for kind in wanted}
    )
    session.config.stash[SERVERS] = running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip for want of a database into a failure where databases are required."""
    report = yield
    needs = [kind for kind in KINDS if item.get_closest_marker(kind)]
    required = os.environ.get("JIANHENG_REQUIRE_DATABASES") == "1"
    if required and report.skipped and needs and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{_REQUIRED}: {reason}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which databases were not tested, and why; and what tests have to say of themselves."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if name == "told":
                terminalreporter.write_line(str(value))
    servers = config.stash.get(SERVERS, {})
    left_out = [each for kind in ("skipped", "failed", "error") for each in terminalreporter.getreports(kind)]
    for kind in KINDS:
        mine = [report for report in left_out if kind in getattr(report, "keywords", ())]
        if any(report.outcome == "skipped" or _REQUIRED in str(report.longrepr) for report in mine):
            missing = servers[kind].missing if kind in servers else ""
            terminalreporter.write_line(
                f"NOT TESTED on {kind}: {missing or 'its tests were skipped'}", yellow=True
            )


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started for the tests."""
    for server in config.stash.get(SERVERS, {}).values():
        server.stop()


@pytest.fixture(autouse=True, scope="session")
def _quiet_servers() -> Iterator[None]:
    """A server of one test whose asker has left must not print its frames into the output another test looks at."""
    with quiet_servers():
        yield


@pytest.fixture(autouse=True)
def _chinese() -> Iterator[None]:
    """Speak Chinese at the start of each test, whatever an earlier one asked for."""
    with speaking("zh"):
        yield


def _made_database(config: pytest.Config, kind: database_servers.Kind, template: str = "") -> Iterator[str]:
    """Create a database, yield its address, drop it."""
    server = config.stash[SERVERS][kind]
    if server.missing:
        pytest.skip(server.missing)
    name = f"jianheng_test_{secrets.token_hex(6)}"
    database_servers.execute(server, f"CREATE DATABASE {name}{template}")
    try:
        yield server.url.set(database=name).render_as_string(hide_password=False)
    finally:
        force = " WITH (FORCE)" if kind == "postgresql" else ""
        database_servers.execute(server, f"DROP DATABASE {name}{force}")


@pytest.fixture
def postgresql_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty PostgreSQL database; its test carries the mark ``postgresql``."""
    yield from _made_database(request.config, "postgresql")


@pytest.fixture(scope="module")
def shared_postgresql_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A PostgreSQL database that is empty when the first test of a module asks for it."""
    yield from _made_database(request.config, "postgresql")


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the seconds that the test's own thread would have waited; others wait as ever."""
    told: list[float] = []
    own, sleep = threading.get_ident(), time.sleep

    def wait(seconds: float) -> None:
        (told.append if threading.get_ident() == own else sleep)(seconds)

    monkeypatch.setattr(time, "sleep", wait)
    return told


@pytest.fixture
def mariadb_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty MariaDB database; its test carries the mark ``mariadb``."""
    yield from _made_database(request.config, "mariadb", " CHARACTER SET utf8mb4")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of each kind that a store may be in."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url


def _copied_store(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Iterator[sa.Engine]:
    """Open a copy of a store that was set up once: setting up each anew would be most of the tests' time."""
    if kind == "sqlite":
        file = tmp_path / "store.db"
        shutil.copyfile(request.getfixturevalue("set_up_file"), file)
        copies = iter([f"sqlite:///{file}"])
    else:
        template = request.getfixturevalue("set_up_database")
        copies = _made_database(request.config, "postgresql", f" TEMPLATE {template}")
    for url in copies:
        engine = open_store(url)
        yield engine
        engine.dispose()


@pytest.fixture(scope="session")
def set_up_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store with its tables and nothing else, to be copied."""
    file = tmp_path_factory.mktemp("store") / "empty.db"
    engine = open_store(f"sqlite:///{file}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return file


@pytest.fixture(scope="session")
def set_up_database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a PostgreSQL store with its tables and nothing else, to be copied."""
    for url in _made_database(request.config, "postgresql"):
        engine = open_store(url)
        engine.dispose()
        yield str(engine.url.database)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """An empty store of each kind."""
    yield from _copied_store(request, request.param, tmp_path)


@pytest.fixture(scope="session")
def set_up_mariadb(request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    """A store in MariaDB, made once: setting up its tables takes seconds, emptying them a moment."""
    for url in _made_database(request.config, "mariadb", " CHARACTER SET utf8mb4"):
        engine = open_store(url)
        yield engine
        engine.dispose()


def _emptied(engine: sa.Engine) -> sa.Engine:
    """Delete whatever the last test left."""
    with engine.begin() as connection:
        for table in METADATA.tables.values():
            connection.execute(sa.delete(table))
    return engine


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.postgresql),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ]
)
def every_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """An empty store of every kind, MariaDB too: for what each database does in its own way."""
    if request.param == "mariadb":
        yield _emptied(request.getfixturevalue("set_up_mariadb"))
    else:
        yield from _copied_store(request, request.param, tmp_path)


@pytest.fixture
def lite_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """An empty store in a SQLite file, for what does not depend on the kind of store."""
    yield from _copied_store(request, "sqlite", tmp_path)


@pytest.fixture
def postgresql_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """An empty store in PostgreSQL; its test carries the mark ``postgresql``."""
    yield from _copied_store(request, "postgresql", tmp_path)
