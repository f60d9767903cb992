"""Simulated offices as fixtures: a world is made once a session and copied for each test that changes it."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from jianheng_simulator import CLIENT_SECRET, create, running_archive
from office_driver import SECRET_VARIABLE, SMALL, Office, Whole, deploy


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment of whoever runs the jobs; logging is left as it was found."""
    monkeypatch.setenv(SECRET_VARIABLE, CLIENT_SECRET)
    for name in ("JIANHENG_CONFIG", "JIANHENG_LANG"):
        monkeypatch.delenv(name, raising=False)
    yield
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(handler)


@pytest.fixture(scope="session")
def small_upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The systems of one small office, to be copied."""
    folder = tmp_path_factory.mktemp("small") / "upstream"
    create(folder, SMALL)
    return folder


@pytest.fixture
def office(operator: None, small_upstream: Path, tmp_path: Path) -> Iterator[Office]:
    """A small office of one's own, nothing read yet."""
    folder = tmp_path / "office"
    shutil.copytree(small_upstream, folder / "upstream")
    with running_archive(folder / "upstream") as archive:
        yield deploy(folder, archive, "2025")


@pytest.fixture
def synced_office(office: Office, whole: Whole) -> Office:
    """A small office of one's own that has read everything once."""
    for file in whole.synced.iterdir():
        if (
            file.is_file() and file.name != office.file.name
        ):  # that names the archive's address, which is another
            shutil.copy(file, office.folder)
    shutil.copytree(whole.synced / "secrets", office.folder / "secrets", dirs_exist_ok=True)
    return office


@pytest.fixture(scope="session")
def whole(small_upstream: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The small office read and scored without any mishap: what every mended one must come to."""
    folder, synced = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("synced")
    shutil.copytree(small_upstream, folder / "upstream")
    with pytest.MonkeyPatch.context() as patch, running_archive(folder / "upstream") as archive:
        patch.setenv(SECRET_VARIABLE, CLIENT_SECRET)
        made = deploy(folder, archive, "2025")
        assert made.sync().code == 0
        shutil.copytree(folder, synced, dirs_exist_ok=True)
        return Whole(made.known(), [run["digest"] for run in made.score()], synced)
