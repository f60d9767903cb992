"""The vendor guide, walked: its distribution installs, reads, publishes and passes the kit, and its code is short."""

import ast
import io
import json
import subprocess
import sys
import tokenize
import tomllib
import types
from pathlib import Path

import pytest

from adapters.sample_publication import sample_publication
from document_pages import blocks, files, page
from frozen_adapters.install import install
from jianheng import contract
from jianheng.config.options import Option, check_options
from jianheng.conformance.run import conform
from jianheng.errors import FaultsError, RetryError, StopError
from jianheng.registry.manifest import Manifest, read_manifest
from office_driver import jianheng

MOST_CODE_LINES = 25
GUIDE = "vendor-guide.md"
HEAD = '[office]\ncode = "990101"\nname = "东屿区院"\n[policy]\npack = "laoshan"\nperiods = ["2026"]\n'
BUILD = """
import os, sys
from hatchling.build import build_wheel
os.chdir(sys.argv[1])
build_wheel(sys.argv[2])
"""


def block(beginning: str) -> str:
    """Return the one code block of the guide that holds a text."""
    (found,) = [content for _, _, content in blocks(page(GUIDE)) if beginning in content]
    return found


def code_lines(source: str) -> int:
    """Return how many lines hold code: no blanks, comments or docstrings."""
    idle = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    tree = ast.parse(source)
    docstrings = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return len({token.start[0] for token in tokens if token.type not in idle} - docstrings)


@pytest.fixture
def project(tmp_path) -> Path:
    """The distribution of the guide, as one would type it in."""
    return files(page(GUIDE), tmp_path / "jianheng-acme")


@pytest.fixture
def office(project, tmp_path, monkeypatch) -> Path:
    """The folder of an office that has installed the distribution and uses it."""
    site = tmp_path / "site"
    site.mkdir()
    install(site, project)
    monkeypatch.syspath_prepend(site)
    folder = tmp_path / "office"
    (folder / "board").mkdir(parents=True)
    (folder / "deployment.toml").write_text(HEAD + block("[sources.hr]"), encoding="utf-8")
    (folder / "people.jsonl").write_text(block('{"id": 17'), encoding="utf-8")
    return folder


def synced(office: Path) -> tuple[int, int, list[str]]:
    """Sync; return rows inserted, rows in quarantine, and the codes of what failed."""
    told = jianheng("sync", "--json", "--config", office)
    streams = told.streams().values()
    return sum(each["inserted"] for each in streams), held(office), [*told.errors()]


def held(office: Path) -> int:
    """Return how many rows are in quarantine."""
    return len(jianheng("quarantine", "--json", "--config", office).json()["quarantine"])


def test_the_adapter_of_the_guide_syncs_quarantines_and_mends(office):
    people = office / "people.jsonl"
    assert synced(office) == (1, 1, [])
    mended = people.read_text(encoding="utf-8").replace('"no": ""', '"no": "0102"')
    people.write_text(mended, encoding="utf-8")
    assert synced(office) == (1, 0, [])
    assert synced(office) == (0, 0, [])
    people.unlink()
    assert synced(office) == (0, 0, ["acme-no-file"])


def test_the_target_of_the_guide_writes_whole_once_and_tells_unknown_as_unknown(project, tmp_path):
    module = types.ModuleType("acme_board")
    exec((project / "acme_board" / "__init__.py").read_text(encoding="utf-8"), vars(module))  # noqa: S102 the page's own code is what is tested
    publication = sample_publication()
    board = module.AcmeBoard(types.SimpleNamespace(options={"folder": tmp_path / "board"}))
    assert [each.problem.code for each in board.check()] == ["acme-no-folder"]
    with pytest.raises(StopError):
        board.write(publication)
    (tmp_path / "board").mkdir()
    receipts = [board.write(publication), board.write(publication)]
    (file,) = (tmp_path / "board").iterdir()
    told = json.loads(file.read_bytes())
    assert receipts == [contract.Receipt(str(file), len(publication.people))] * 2
    assert told == {
        "id": publication.id,
        "people": [[each.name, each.points, each.rank, each.note] for each in publication.people],
    }


def test_the_target_of_the_guide_takes_what_an_office_publishes(office):
    assert synced(office)[2] == []
    assert jianheng("score", "--accept-incomplete", "--config", office).code == 0
    told = jianheng("publish", "--json", "--config", office)
    assert told.code == 0, told.text
    assert [each.name for each in (office / "board").iterdir()] == ["laoshan-2026.json"]


def test_the_distribution_of_the_guide_is_packed_signed_handed_over_and_used(project, tmp_path):
    """The last two steps of the guide, with nothing of the vendor's on the office's own path."""
    wheels = tmp_path / "wheels"
    words = [sys.executable, "-c", BUILD, project, wheels]
    subprocess.run([str(each) for each in words], check=True, capture_output=True)
    key = jianheng("plugins", "keygen", tmp_path / "acme.key", "--json").json()["public_key"]
    words = ["plugins", "pack", *wheels.glob("*.whl"), "--key", tmp_path / "acme.key", "--out", tmp_path]
    assert jianheng(*words).code == 0
    (bundle,) = tmp_path.glob("jianheng-acme-*.jhplugin")
    assert jianheng("plugins", "verify", bundle, "--json").json()["key"] == key

    office = tmp_path / "office"
    (office / "board").mkdir(parents=True)
    trusted = block("publishers =").replace("ed25519:…", key)
    use = HEAD + block("[sources.hr]").replace('[plugins]\nallow = ["jianheng-acme"]\n', trusted)
    (office / "deployment.toml").write_text(use, encoding="utf-8")
    (office / "people.jsonl").write_text(block('{"id": 17'), encoding="utf-8")
    assert jianheng("plugins", "install", bundle, "--config", office).code == 0
    assert synced(office) == (1, 1, [])
    told = jianheng("plugins", "--json", "--config", office).json()["plugins"]
    mine = {each["id"]: (each["enabled"], each["signature"], each["publisher"]) for each in told}
    assert (mine["acme-hr"], mine["acme-board"]) == ((True, "signed", "acme"),) * 2


@pytest.mark.parametrize("name", ["acme_hr", "acme_board"])
def test_the_smallest_source_and_target_are_short(project, name):
    assert 0 < code_lines((project / name / "__init__.py").read_text(encoding="utf-8")) <= MOST_CODE_LINES


def test_the_adapter_of_the_guide_passes_the_kit_as_it_says(project):
    (project / "people.jsonl").write_text(block('{"id": 17'), encoding="utf-8")
    report = conform(project / "conform.toml")
    assert (report.tier, [each for each in report.outcomes if each.state == "failed"]) == ("bronze", [])


def test_the_reading_of_pages_that_the_guide_shows_reads_every_page_and_tries_again(
    project, monkeypatch, waited
):
    module = types.ModuleType("reading_in_pages")
    exec((project / "reading_in_pages.py").read_text(encoding="utf-8"), vars(module))  # noqa: S102
    book = {"": ([person(1), person(2)], "b"), "b": ([person(3)], None)}
    asked = []

    def ask(start, token):
        asked.append((start, token))
        if len(asked) == 1:
            raise RetryError("acme-away", after_s=3)
        return book[token]

    (batch,) = module.Pages(types.SimpleNamespace(ask=ask)).read("person", "2026-01-05T08:00:00")
    assert [row["staff_no"] for row in batch.rows] == ["1", "2", "3"]
    assert batch.cursor == "2026-01-05T08:00:03"
    start = "2026-01-05T07:50:00"
    assert (asked, waited) == ([(start, ""), (start, ""), (start, "b")], [3])


def person(number: int) -> dict[str, str]:
    return {"no": str(number), "changed": f"2026-01-05T08:00:{number:02}"}


# The manifest.


def test_every_key_of_a_manifest_has_an_example_on_the_pages(project):
    examples = [
        tomllib.loads(content)
        for name in (GUIDE, "contract.md")
        for _, file, content in blocks(page(name))
        if file.endswith("adapter.toml")
    ]
    assert {key for each in examples for key in each} == set(Manifest.model_fields)
    used = {key for each in examples for option in each.get("options", {}).values() for key in option}
    assert used == set(Option.model_fields)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"page_size": 200, "encoding": "utf-8", "inbox": None}),
        ({"encoding": "gb18030"}, {"page_size": 200, "encoding": "gb18030", "inbox": None}),
        ({"page_size": 1001}, "config-bad-value"),
        ({"page_size": 0}, "config-bad-value"),
        ({"page_size": "many"}, "config-wrong-type"),
        ({"encoding": "latin-1"}, "config-bad-value"),
        ({"pagesize": 5}, "config-unknown-option"),
    ],
    ids=str,
)
def test_the_options_of_the_example_manifest_hold_what_its_keys_say(given, expected, tmp_path):
    (example,) = [content for _, file, content in blocks(page("contract.md")) if file == "adapter.toml"]
    (tmp_path / "adapter.toml").write_text(example, encoding="utf-8")
    manifest = read_manifest(tmp_path / "adapter.toml")
    if isinstance(expected, dict):
        assert check_options(manifest, given, tmp_path) == expected
        return
    with pytest.raises(FaultsError) as raised:
        check_options(manifest, given, tmp_path)
    assert [each.code for each in raised.value.problems] == [expected]


def test_a_needed_option_of_the_guides_manifest_is_asked_for_and_paths_are_absolute(project, tmp_path):
    manifest = read_manifest(project / "acme_hr" / "adapter.toml")
    with pytest.raises(FaultsError) as raised:
        check_options(manifest, {}, tmp_path)
    assert [each.code for each in raised.value.problems] == ["config-missing-option"]
    assert check_options(manifest, {"file": "people.jsonl"}, tmp_path)["file"] == tmp_path / "people.jsonl"
