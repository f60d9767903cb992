"""A new plugin is whole from the first minute, and an update never takes away what its vendor changed."""

import hashlib
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from jianheng.conformance.outcome import CHECKS, GOOD, TIERS
from jianheng.conformance.run import conform, settings_files
from jianheng.registry import discover
from jianheng.registry.manifest import read_manifest
from jianheng.scaffold import KINDS, answers_for, update_project, write_project
from jianheng.scaffold.project import ANSWERS
from jianheng.scaffold.template import rendered
from office_driver import jianheng

VERSION = "0.1.0"
LABEL = 'Anna\'s "green" adapter \\ 1'

BUILD = """
import os, sys
from hatchling.build import build_wheel
for project in sys.argv[2:]:
    os.chdir(project)
    build_wheel(sys.argv[1])
"""


def make(folder: Path, kind: str, *more: str) -> Path:
    """Write a new project with the command; return its folder."""
    project = folder / f"jianheng-new-{kind}"
    words = [
        "new",
        kind,
        f"new-{kind}",
        "--folder",
        project,
        "--label-zh",
        "“绿”色\\适配器",
        "--label-en",
        LABEL,
    ]
    told = jianheng(*words, *more)
    assert told.code == 0, told.text
    return project


@pytest.fixture(scope="module")
def projects(tmp_path_factory) -> dict[str, Path]:
    """One new project of each kind."""
    folder = tmp_path_factory.mktemp("projects")
    return {kind: make(folder, kind) for kind in KINDS}


@pytest.fixture(scope="module")
def site(projects, tmp_path_factory) -> Path:
    """Where the wheels of all four are installed."""
    folder = tmp_path_factory.mktemp("wheels")
    words = [sys.executable, "-c", BUILD, folder, *projects.values()]
    subprocess.run([str(each) for each in words], check=True, capture_output=True)
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "site")
    return folder / "site"


def test_a_new_project_of_each_kind_passes_its_own_tests_as_installed(projects, site, tmp_path):
    """All four in one process: of the adapter's and the target's ``rig.py`` only the adapter's is imported by tests."""
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "-W",
        "error",
    ]
    words += ["-c", os.devnull, "--rootdir", tmp_path, *(each / "tests" for each in projects.values())]
    path = os.pathsep.join(str(each) for each in (site, projects["adapter"]))
    done = subprocess.run(
        [str(each) for each in words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["adapter", "target"])
def test_a_new_adapter_passes_the_kit_up_to_the_tier_it_claims(projects, kind):
    """And more: gold, which takes longer, where ``JIANHENG_SOAK`` is set."""
    tiers = TIERS if os.environ.get("JIANHENG_SOAK") else TIERS[:2]
    (file,) = settings_files(projects[kind])
    report = conform(file, only=[each.name for each in CHECKS.values() if each.tier in tiers])
    assert [each for each in report.outcomes if each.state not in GOOD] == []
    assert {each.check.name for each in report.outcomes} >= {"manifest", "network", "schema-stable"}
    assert report.claim == "silver"


def test_a_new_project_of_each_kind_is_found_when_installed_and_allowed(site, monkeypatch):
    monkeypatch.syspath_prepend(site)
    found = {each.id: each for each in discover([f"jianheng-new-{kind}" for kind in KINDS])}
    mine = {kind: found[f"new-{kind}"] for kind in KINDS}
    assert dict.fromkeys(KINDS, True) == {kind: each.enabled for kind, each in mine.items()}
    assert [each.label["en"] for each in mine.values()] == [LABEL] * 4
    assert {*mine["policy"].folders, *mine["rulepack"].folders} == {"new-policy", "new-rulepack"}


def test_a_new_project_is_documented_and_says_what_it_was_made_of(projects):
    for kind, project in projects.items():
        (package,) = project.glob("jianheng_new_*")
        manifest = read_manifest(package / "adapter.toml")
        told = (project / "README.md").read_text(encoding="utf-8")
        assert [each for each in (*manifest.options, *manifest.secrets) if f"`{each}`" not in told] == []
        record = tomllib.loads((project / ANSWERS).read_text(encoding="utf-8"))
        assert (record["kind"], record["name"], record["label"]["en"]) == (kind, f"new-{kind}", LABEL)
        assert {each for each in record["files"] if not (project / each).is_file()} == set()
        tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))


def test_a_rulepack_rests_on_the_policy_it_names(tmp_path):
    project = make(tmp_path, "rulepack", "--extends", "laoshan")
    policy = project / "jianheng_new_rulepack" / "new-rulepack" / "policy.toml"
    assert tomllib.loads(policy.read_text(encoding="utf-8"))["extends"] == "laoshan"


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        (["new"], ["new-missing", "new-missing"]),
        (["new", "adapter"], ["new-missing"]),
        (["new", "adapters", "acme"], ["cli-bad-value"]),
        (["new", "adapter", "Acme HR"], ["new-name-bad"]),
        (["new", "adapter", "a" * 41], ["new-name-bad"]),
        (["new", "adapter", "acme--hr"], ["new-name-bad"]),
        (["new", "adapter", "acme", "--label-en", "two\nlines", "--label-zh", ""], ["new-label-bad"] * 2),
        (["new", "adapter", "table-file"], ["new-name-taken"]),
        (["new", "adapter", "plugins"], ["new-name-taken"]),
        (["new", "policy", "national"], ["new-name-taken"]),
        (["new", "policy", "acme", "--extends", "national"], ["new-does-not-go-with"]),
        (["new", "rulepack", "acme", "--extends", "nowhere"], ["policy-not-found"]),
        (["new", "adapter", "acme", "--update"], ["new-does-not-go-with"]),
        (["new", "--update", "--label-en", "x"], ["new-does-not-go-with"]),
        (["new", "--update"], ["new-no-record"]),
        (["new", "adapter", "acme", "--folder", "full"], ["new-exists"]),
        (["new", "adapter", "acme", "--folder", "file"], ["new-exists"]),
        (["new", "adapter", "acme", "--folder", "file/below"], ["cli-file-unwritable"]),
    ],
    ids=" ".join,
)
def test_what_makes_no_project_is_told_and_nothing_is_written(words, codes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    (tmp_path / "file").touch()
    told = jianheng(*words, "--json")
    assert ([each["code"] for each in told.json()["errors"]], told.code) == (codes, 2)
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["file", "full", "mine.txt"]


# Updates.


@pytest.fixture
def project(tmp_path) -> Path:
    """A project that was made from other templates than those of today."""
    answers = answers_for("adapter", "acme", "例", "Acme")
    folder = tmp_path / "project"
    write_project(answers, folder, VERSION, {})
    record = (folder / ANSWERS).read_text(encoding="utf-8")
    now = rendered(answers, VERSION)

    def as_if_made(path: str, text: str) -> None:
        nonlocal record
        hashes = [hashlib.sha256(each.encode()).hexdigest() for each in (now.get(path, ""), text)]
        record = record.replace(f'"{path}" = "{hashes[0]}"', f'"{path}" = "{hashes[1]}"')
        (folder / path).write_text(text, encoding="utf-8")

    for path in ("README.md", "conform.toml", "rig.py", "pyproject.toml"):
        as_if_made(path, f"# {path} of an older template\n")
    record += f'"old.txt" = "{"0" * 64}"\n'
    (folder / "old.txt").touch()
    record = "\n".join(line for line in record.splitlines() if not line.startswith('".gitignore"')) + "\n"
    (folder / ".gitignore").unlink()
    (folder / ANSWERS).write_text(record, encoding="utf-8")
    return folder


def test_an_update_brings_what_is_new_and_never_takes_what_the_vendor_changed(project):
    mine = project / "conform.toml"
    mine.write_text("# mine\n", encoding="utf-8")
    (project / "rig.py").unlink()
    kept = project / "jianheng_acme" / "__init__.py"
    kept.write_text("# mine as well\n", encoding="utf-8")
    # an editor that changed the ends of lines changed nothing
    (project / "pyproject.toml").write_bytes(b"# pyproject.toml of an older template\r\n")
    changes = {each.path: each.fate for each in update_project(project, VERSION)}
    assert changes == {
        ".gitignore": "added",
        "README.md": "replaced",
        "conform.toml": "beside",
        "old.txt": "dropped",
        "pyproject.toml": "replaced",
        "rig.py": "left-out",
    }
    today = rendered(answers_for("adapter", "acme", "例", "Acme"), VERSION)
    assert mine.read_text(encoding="utf-8") == "# mine\n"
    assert (project / "conform.toml.new").read_text(encoding="utf-8") == today["conform.toml"]
    assert (project / "README.md").read_text(encoding="utf-8") == today["README.md"]
    assert kept.read_text(encoding="utf-8") == "# mine as well\n", (
        "its template is as it was: nothing to take over"
    )
    assert update_project(project, VERSION) == (), "an update is told once"


def test_an_update_says_what_it_did(project):
    told = jianheng("new", "--update", "--folder", project)
    assert (told.code, "更新 README.md" in told.out) == (0, True)
    assert "已与模板一致" in jianheng("new", "--update", "--folder", project).out
    assert jianheng("new", "--update", "--folder", project, "--json").json() == {
        "ok": True,
        "folder": str(project),
        "changes": {},
    }


@pytest.mark.parametrize("spoil", ["kind = 7", 'colour = "red"', "kind ="])
def test_a_damaged_record_is_told_and_nothing_changes(project, spoil):
    record = project / ANSWERS
    record.write_text(f"{spoil}\n", encoding="utf-8")
    before = {file: file.read_bytes() for file in project.rglob("*") if file.is_file()}
    told = jianheng("new", "--update", "--folder", project, "--json")
    assert told.code == 2
    assert {each["code"].partition("-")[0] for each in told.json()["errors"]} == {"config"}
    assert before == {file: file.read_bytes() for file in project.rglob("*") if file.is_file()}


def test_the_file_list_is_json_for_scripts(tmp_path):
    told = jianheng("new", "target", "acme", "--folder", tmp_path / "it", "--json").json()
    assert [Path(each).is_file() for each in told["files"]] == [True] * len(told["files"])
    assert json.dumps(told["folder"]) == json.dumps(str(tmp_path / "it"))
