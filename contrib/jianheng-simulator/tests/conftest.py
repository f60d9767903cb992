"""One small world for all tests; whoever changes it gets a copy."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from small_world import SMALL

from jianheng_simulator import create


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    create(folder, SMALL)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    return copy


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    server = "postgresql+psycopg://postgres@127.0.0.1:5432"
    admin = sa.create_engine(
        f"{server}/postgres", isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 2}
    )
    name = f"jianheng_sim_test_{secrets.token_hex(6)}"  # several processes may share the tests
    try:
        try:
            with admin.connect() as connection:
                connection.execute(sa.text(f"create database {name}"))
        except sa.exc.OperationalError as error:
            pytest.skip(f"no PostgreSQL at 127.0.0.1:5432: {error.orig}")
        yield f"{server}/{name}"
        with admin.connect() as connection:
            connection.execute(sa.text(f"drop database {name}"))
    finally:
        admin.dispose()
