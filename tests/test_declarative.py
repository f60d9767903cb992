"""docs/declarative.md tells the truth: every example of it is taken out of the page, run and synced."""

import re
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).with_name("adapters")))

from loopback import Asked, Told, serving

from document_pages import blocks, files, page
from jianheng.cli.session import Session
from jianheng.cli.sync import sync_all
from office_driver import jianheng

PAGE = page("declarative.md")
EXAMPLES = {
    "json-api": {"person": 2, "posting": 3},
    "soap-service": {"person": 2},
    "sql-query": {"person": 2, "posting": 2},
    "drop-folder": {"person": 2},
    "singer-tap": {"person": 2},
}
"""What each example reads: rows by stream."""
SECRET = "made-up"


def json_service(folder: Path) -> Callable[[Asked], Told]:
    def answer(asked: Asked) -> Told:
        if asked.path == "/api/oauth/token":
            return Told({"access_token": "t", "expires_in": 60})
        kind = {"Content-Type": "application/json"}
        if asked.query.get("page", "1") != "1" or "changedSince" in asked.query:
            return Told('{"code": 0, "data": {"total": 0, "list": []}}', headers=kind)
        return Told((folder / "answer.json").read_bytes(), headers=kind)

    return answer


def soap_service(folder: Path) -> Callable[[Asked], Told]:
    return lambda _: Told((folder / "answer.xml").read_bytes(), headers={"Content-Type": "text/xml"})


SERVERS = {"json-api": json_service, "soap-service": soap_service}


@pytest.fixture(params=EXAMPLES)
def office(request, tmp_path, monkeypatch) -> Iterator[tuple[str, Path]]:
    """One example of the page, its files in a folder and its other side running."""
    name = request.param
    folder = files(PAGE, tmp_path) / name
    head = next(content for _, label, content in blocks(PAGE) if not label and content.startswith("[office]"))
    deployment = folder / "deployment.toml"
    text = head + deployment.read_text(encoding="utf-8")
    monkeypatch.setenv("HR_SECRET", SECRET)
    if name == "sql-query":
        with sqlite3.connect(folder / "hr.db") as database:
            database.executescript((folder / "hr.sql").read_text(encoding="utf-8"))
        database.close()
    if name == "singer-tap":
        tap = (folder / "tap-people.py").rename(folder / "tap-people")
        tap.write_text(
            re.sub(r"^#!.*", f"#!{sys.executable}", tap.read_text(encoding="utf-8")), encoding="utf-8"
        )
        tap.chmod(tap.stat().st_mode | stat.S_IXUSR)
    if name == "drop-folder":
        text += "quiet_s = 0\n"
        file = folder / "in" / "people-20260301.csv"
        file.write_bytes(file.read_text(encoding="utf-8").encode("gb18030"))
    with ExitStack() as stack:
        if name in SERVERS:
            server = stack.enter_context(serving(SERVERS[name](folder)))
            text = text.replace("127.0.0.1:8001", server.host)
        deployment.write_text(text, encoding="utf-8")
        yield name, folder


def test_an_example_of_the_page_is_checked_previewed_and_synced(office):
    name, folder = office
    session = Session({"JIANHENG_CONFIG": str(folder), "HR_SECRET": SECRET})
    before = sorted(each.name for each in folder.rglob("*"))
    previewed = jianheng("adapter", "preview", "hr", "--config", folder)
    assert previewed.code == 0, previewed.text
    assert "示例甲" not in previewed.text
    assert "990101-0101" in previewed.text
    assert sorted(each.name for each in folder.rglob("*")) == before
    reports, failed = sync_all(session)
    assert failed == []
    streams = {stream.stream: stream for report in reports for stream in report.streams}
    assert [problem.message().as_text() for each in streams.values() for problem in each.problems] == []
    assert {stream: each.counts.inserted for stream, each in streams.items()} == EXAMPLES[name]
    again, failed = sync_all(session)
    assert failed == []
    assert [problem.code for report in again for problem in report.problems] == []
    assert sum(report.counts.written for report in again) == 0


def test_every_adapter_of_the_page_has_an_example():
    named = set(re.findall(r"^\| \[`([a-z-]+)`\]", PAGE, re.MULTILINE))
    assert named == set(EXAMPLES)
