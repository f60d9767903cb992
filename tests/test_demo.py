"""The demonstration: one command does the whole job on simulated systems, another goes on with it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from jianheng.cli import demo, main


def run(*words: str) -> Mapping[str, Any]:
    """Run the command as a user does and return its JSON."""
    command = [sys.executable, "-m", "jianheng", "demo", "--json", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told: Mapping[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demonstration") / "demo"


@pytest.fixture(scope="module")
def first(folder: Path) -> Mapping[str, Any]:
    return run("--folder", str(folder), "--people", "12", "--cases", "60")


@pytest.fixture(scope="module")
def later(folder: Path, first: Mapping[str, Any]) -> Mapping[str, Any]:
    assert first["ok"]
    return run("--folder", str(folder), "--days", "10")


def counts(told: Mapping[str, Any]) -> dict[str, int]:
    """Return what all sources together did."""
    names = ("emitted", "inserted", "changed")
    return {name: sum(source["counts"][name] for source in told["sync"]) for name in names}


def test_it_reads_three_systems_and_scores_two_years(first):
    """Case system, personnel and archive are read to their ends; each year has points."""
    assert [source["source"] for source in first["sync"]] == ["ucs", "personnel", "archive"]
    assert {source["state"] for source in first["sync"]} == {"done"}
    assert counts(first)["inserted"] > 1000
    assert [each["period"] for each in first["score"]] == ["2024", "2025"]
    assert all(each["points"] > 0 and each["mode"] == "full" for each in first["score"])


def test_it_leaves_a_workbook_a_report_and_an_explanation(folder, first):
    """What is printed as published stands there, and the explanation reaches a source record."""
    assert sorted(Path(each).suffix for each in first["publish"]) == [".html", ".xlsx"]
    assert all(Path(each).is_file() for each in first["publish"])
    text = (folder / "explain.json").read_text(encoding="utf-8")
    assert "YX_WS_SL" in text
    assert json.loads(text)["sheets"][0]["points"] != "0.000"


def test_going_on_does_only_what_changed(first, later):
    """Ten days later little is read and written, and the cases that changed are scored alone."""
    assert 0 < counts(later)["inserted"] + counts(later)["changed"] < counts(first)["inserted"] / 4
    assert {each["mode"] for each in later["score"]} <= {"incremental", "unchanged"}
    assert sum(each["added"] for each in later["score"]) < sum(each["added"] for each in first["score"]) / 2


def test_a_folder_that_is_no_demonstration_is_left_alone(tmp_path, capsys):
    """Neither beginning nor going on touches somebody's files."""
    (tmp_path / "mine").write_text("x", encoding="utf-8")
    assert main(["demo", "--folder", str(tmp_path)]) == 2
    assert "demo-folder-in-use" in capsys.readouterr().err
    assert main(["demo", "--folder", str(tmp_path), "--days", "3"]) == 2
    assert "demo-nothing-to-go-on" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]


def test_publishing_does_not_outlive_what_fails_beside_it(tmp_path, monkeypatch):
    """The processes that publish are ended when the work next to them stops."""
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 60\n", encoding="utf-8")
    slow.chmod(0o755)
    monkeypatch.setattr(demo.sys, "executable", str(slow))
    running: list[subprocess.Popen[str]] = []

    def fail_beside_it() -> None:
        with demo._publishing(tmp_path, "2025") as processes:
            running.extend(processes)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_beside_it()
    assert len(running) == 2
    assert all(process.returncode is not None for process in running)
