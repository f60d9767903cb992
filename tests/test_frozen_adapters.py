"""Adapters that were written for contract 1 work as on the day they were written, and nobody mends them to make it so."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from frozen_adapters.install import FROZEN, install
from jianheng.contract import CONTRACT_VERSION, SUPPORTED_CONTRACTS
from jianheng.registry import discovery, manifest, served
from office_driver import Told, jianheng

HASHES = FROZEN.with_suffix(".sha256")
PROJECTS = sorted(each for each in FROZEN.iterdir() if each.is_dir())

PEOPLE = [
    {"kind": "person", "person_key": "990101-1", "unit_code": "990101", "no": "1", "name": "示例甲"},
    {"kind": "person", "person_key": "990101-2", "unit_code": "990101", "no": "", "name": "示例乙"},
    {
        "kind": "posting",
        "posting_key": "p1",
        "person_key": "990101-1",
        "unit_code": "990101",
        "role": "quota_prosecutor",
        "valid_from": "2020-01-01",
    },
    {
        "kind": "case",
        "case_no": "A",
        "unit_code": "990101",
        "category": "0301",
        "accepted_on": "2026-02-27",
        "handler_key": "990101-1",
    },
    {"kind": "suspect", "suspect_key": "A1", "case_no": "A", "suspect_no": "1", "name": "示例丙"},
]


def document(number: int, day: str, changed: str, **more: object) -> dict[str, object]:
    """Return a document as the sample's file holds it."""
    told = {"document_key": f"d{number}", "case_no": "A", "template_code": "report", "name": "审查报告"}
    told |= {"drafter_key": "990101-1", "drafted_on": f"{day}T09:00:00", "year": 2026, "changed": changed}
    return told | more


DOCUMENTS = [
    document(1, "2026-03-04", "2026-03-04T10:00:00"),
    document(2, "2026-03-05", "2026-03-05T10:00:00"),
    document(3, "2026-03-06", "2026-03-05T10:00:00"),
]

OFFICE = """
[office]
code = "990101"
name = "东屿区院"
[policy]
pack = "frozen"
periods = ["2026"]
[plugins]
allow = ["frozen-rows", "frozen-arrow", "frozen-target", "frozen-policy", "frozen-calendar"]
[sources.rows]
adapter = "frozen-rows"
options = { file = "people.jsonl" }
secrets = { password = "env:FROZEN_PASSWORD" }
[sources.tables]
adapter = "frozen-arrow"
options = { file = "documents.jsonl" }
[targets.folder]
adapter = "frozen-target"
options = { folder = "out" }
"""


def lines(file: Path, told: list[dict[str, Any]]) -> None:
    """Write one JSON object a line."""
    file.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in told), encoding="utf-8")


@pytest.fixture
def office(tmp_path, monkeypatch) -> Callable[..., Told]:
    """An office that uses every frozen sample; call it to run a command there."""
    site = tmp_path / "site"
    site.mkdir()
    for each in PROJECTS:
        install(site, each)
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("FROZEN_PASSWORD", "made-up")
    folder = tmp_path / "office"
    (folder / "out").mkdir(parents=True)
    (folder / "deployment.toml").write_text(OFFICE, encoding="utf-8")
    lines(folder / "people.jsonl", PEOPLE)
    lines(folder / "documents.jsonl", DOCUMENTS)
    return lambda *words: jianheng(*words, "--config", folder)


@pytest.fixture
def reading_office(office, tmp_path) -> Callable[..., Told]:
    """The same under a policy of our own, which is quicker: no command has to look into other processes for packs."""
    text = OFFICE.replace('pack = "frozen"', 'pack = "laoshan"')
    text = text.replace(', "frozen-policy", "frozen-calendar"', "")
    (tmp_path / "office" / "deployment.toml").write_text(text, encoding="utf-8")
    return office


def test_the_frozen_samples_of_contract_1_were_not_edited():
    """They were published. What they no longer can do is a break of contract 1: mend core, not them."""
    now = {
        file.relative_to(FROZEN).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(FROZEN.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    }
    kept = dict(reversed(line.split(maxsplit=1)) for line in HASHES.read_text(encoding="utf-8").splitlines())
    assert kept == now


def test_the_frozen_samples_read_score_and_publish_as_they_did(office, tmp_path):
    assert office("policy", "check").text.count("1 个算例") == 1

    told = office("sync", "--json").streams()
    read = {name: (each["inserted"], each["quarantined"]) for name, each in told.items()}
    assert read == {
        "rows/person": (1, 1),
        "rows/posting": (1, 0),
        "rows/case": (1, 0),
        "rows/suspect": (1, 0),
        "tables/document": (3, 0),
    }
    assert office("score", "--accept-incomplete").code == 0
    published = office("publish", "--json")
    assert published.code == 0
    written = [json.loads(each.read_bytes()) for each in (tmp_path / "office" / "out").iterdir()]
    sent = {each["kind"]: each for each in written}
    scores = sent["scores"]
    assert [(each[0], each[5], each[8]) for each in scores["people"]] == [("990101-1", 3000, 1)]
    assert (scores["office"], len(scores["entries"])) == (["990101", "东屿区院"], 2)
    assert (len(written), sent["archive-due"]["due"]) == (2, [])


def test_the_frozen_samples_go_on_sweep_read_spans_and_count_as_they_did(reading_office, tmp_path):
    file = tmp_path / "office" / "documents.jsonl"
    reading_office("sync")
    late = document(4, "2026-03-02", "2026-03-01T00:00:00")
    lines(file, [*DOCUMENTS[1:], late, document(5, "2026-04-01", "2026-04-01T00:00:00", name="补充报告")])
    went_on = reading_office("sync", "tables", "--json").streams()["tables/document"]
    assert (went_on["inserted"], went_on["unchanged"]) == (1, 2), "the boundary again, then what is new"
    span = reading_office("sync", "tables", "--from", "2026-03-01", "--to", "2026-03-03", "--json")
    assert span.streams()["tables/document"]["inserted"] == 1
    swept = reading_office("sync", "tables", "--sweep", "--json").streams()["tables/document"]
    assert swept["vanished"] == 1
    counted = reading_office("reconcile", "tables", "--json").json()
    assert counted["ok"], counted


def test_the_frozen_samples_fail_as_they_did(reading_office, tmp_path, monkeypatch):
    folder = tmp_path / "office"
    told = []

    def sync(source):
        done = reading_office("sync", source, "--json")
        told.append((done.code, [code for code in done.errors() if code != "sync-stream-waits"]))

    monkeypatch.setenv("FROZEN_PASSWORD", "made-up-frozen-word")
    sync("rows")
    monkeypatch.setenv("FROZEN_PASSWORD", "made-up")
    (folder / "people.lock").touch()
    sync("rows")
    (folder / "people.lock").unlink()
    (folder / "people.jsonl").unlink()
    sync("rows")
    lines(folder / "people.jsonl", PEOPLE)
    reading_office("sync")
    lines(folder / "documents.jsonl", [])
    sync("tables")
    assert told == [
        (2, ["frozen-rows-password"]),
        (3, ["frozen-rows-busy"]),
        (2, ["frozen-rows-missing"]),
        (5, ["sync-mass-change"]),
    ]


def test_beside_a_second_contract_the_frozen_samples_go_on_and_say_until_when(reading_office, monkeypatch):
    """As it will be when contract 2 is made: the current one and the one before it are served, no other."""
    for module in (discovery, manifest):
        monkeypatch.setattr(module, "SUPPORTED_CONTRACTS", (1, 2))
    monkeypatch.setattr(served, "CONTRACT_VERSION", 2)
    monkeypatch.setattr(served, "ENDS", {1: dt.date(2028, 1, 1)})
    mine = {"frozen-rows", "frozen-arrow", "frozen-target"}
    told = reading_office("plugins", "--json")
    listed = {each["id"]: each for each in told.json()["plugins"] if each["id"] in mine}
    assert (len(listed), told.code) == (len(mine), 0), "an announcement sets nothing aside"
    assert {(each["enabled"], *(one["code"] for one in each["notices"])) for each in listed.values()} == {
        (True, "plugin-contract-former")
    }
    assert reading_office("sync", "rows", "--json").streams()["rows/case"]["inserted"] == 1
    monkeypatch.setattr(discovery, "SUPPORTED_CONTRACTS", (2, 3))
    monkeypatch.setattr(served, "CONTRACT_VERSION", 3)
    gone = reading_office("plugins", "--json").json()["plugins"]
    assert {each["reason"]["code"] for each in gone if each["id"] in mine} == {"plugin-contract"}


def test_every_former_contract_that_is_served_has_a_day_on_which_it_ends():
    assert set(served.ENDS) == {each for each in SUPPORTED_CONTRACTS if each != CONTRACT_VERSION}
