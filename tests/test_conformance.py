"""The conformance kit: its file, its tiers, its exemptions, its results and reports, its command and its pytest plugin."""

import contextlib
import datetime as dt
import json
import os
import socket
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import BaseModel

from conformance_zoo.zoo import put_up
from document_pages import files, first_cells, page, section, table
from jianheng import messages
from jianheng.cli import ExitCode, main
from jianheng.conformance.outcome import CHECKS, TIERS, Outcome, tier_of
from jianheng.conformance.proxy import proxied
from jianheng.conformance.reading import rows_of
from jianheng.conformance.report import verdicts
from jianheng.conformance.result import FILE, result_of, standing, write_result
from jianheng.conformance.run import FUNCTIONS, Report, conform
from jianheng.conformance.settings import Settings, read_settings
from jianheng.conformance.watch import Watch
from jianheng.errors import FaultsError, StopError

QUICK = ("manifest", "options")
APART = ("network", "memory", "kill", "elsewhere", "leaks", "hangs")
"""Checks that start processes or wait."""

SOAK = pytest.mark.skipif(not os.environ.get("JIANHENG_SOAK"), reason="takes long: make soak")
COUNT = '    def count(self, stream):\n        from jianheng.contract import LiveCount\n\n        return [LiveCount("990101", None, 6)]\n\n'
TODAY = dt.datetime.now(dt.UTC).astimezone().date()


@pytest.fixture(autouse=True)
def _texts(monkeypatch):
    """Texts of one adapter are not another's."""
    monkeypatch.setattr(messages, "_added", {})


@pytest.fixture
def zoo(tmp_path):
    """A copy of the good source."""
    return put_up("zoo-rest", tmp_path)


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


# The page.


def keys(model: type[BaseModel]) -> set[str]:
    """Return the keys of conform.toml as its page names them."""
    found = set()
    for name, field in model.model_fields.items():
        inner = [each for each in _models(field.annotation) if issubclass(each, BaseModel)]
        under = f"{name}.NAME" if name == "streams" else name
        found |= {f"{under}.{each}" for each in inner[0].model_fields} if inner else {name}
    return found


def _models(annotation: object) -> list[type]:
    from typing import get_args

    return [each for each in (annotation, *get_args(annotation)) if isinstance(each, type)] + [
        deep for each in get_args(annotation) for deep in _models(each)
    ]


def test_every_key_of_the_file_is_documented_and_no_other():
    assert keys(Settings) == first_cells(section(page("conformance.md"), "The file"))


def test_every_check_is_documented_under_its_tier_and_no_other():
    told = section(page("conformance.md"), "The checks")
    for tier in TIERS:
        assert first_cells(table(told, tier)) == {name for name, each in CHECKS.items() if each.tier == tier}
    kinds = {name: each.kind or "both" for name, each in CHECKS.items()}
    assert all(f"| `{name}` | {kind} |" in told for name, kind in kinds.items())
    firm = {name for name, each in CHECKS.items() if not each.exemptible}
    assert all(f"`{name}`" in told.rpartition("can't be exempted")[0].splitlines()[-1] for name in firm)
    assert set(FUNCTIONS) == set(CHECKS)


@pytest.fixture
def example(tmp_path):
    """The files of the page, its rig beside."""
    folder = files(page("conformance.md"), tmp_path / "people")
    (folder / "rig.py").rename(tmp_path / "rig.py")
    return folder


def with_rig(folder: Path) -> None:
    (folder.parent / "rig.py").rename(folder / "rig.py")
    edit(folder / "conform.toml", "[good]", 'rig = "rig.py"\n\n[good]')
    edit(folder / "conform.toml", "rows = 2", 'rows = 2\ntext = "name"')


def in_process(*tiers: str) -> list[str]:
    return [name for name, each in CHECKS.items() if each.tier in tiers and name not in APART]


def states(report: Report) -> set[str]:
    return {each.state for each in report.outcomes}


def test_the_example_of_the_page_passes_without_python_and_with_its_rig(example, capsys):
    assert states(conform(example, only=in_process("bronze"))) == {"passed", "not-applicable"}
    assert "not-shown" in states(conform(example, only=in_process("silver")))
    with_rig(example)
    words = [word for name in in_process("silver") for word in ("--only", name)]
    assert main(["conform", str(example), "--accept-schema", *words]) == ExitCode.OK
    assert "conform.schema.json" in capsys.readouterr().out
    assert states(conform(example, only=in_process("silver"))) == {"passed", "not-applicable"}


@SOAK
def test_the_example_of_the_page_is_bronze_without_python_and_gold_with_its_rig(example):
    bronze = conform(example)
    assert ([each.check.name for each in bronze.failed], bronze.tier) == ([], "bronze")
    with_rig(example)
    assert main(["conform", str(example), "--accept-schema", "--write", "--tier", "gold"]) == ExitCode.OK
    assert standing(example).tier == "gold"


# The file.


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("kit = 1", "kit = 2", "conform-format"),
        ("kit = 1", "kit = 1\ncolour = 1", "config-unknown-key"),
        ("puts = 11", "puts = 1", "config-bad-value"),
        ("[good]", "[best]", "config-missing-key"),
        ('rig = "rig.py"', 'rig = "none.py"', "conform-rig-missing"),
        (
            "[limits]",
            '[[exempt]]\ncheck = "slow"\nuntil = 2026-01-01\nreason = "short"\n[limits]',
            "config-empty",
        ),
    ],
)
def test_a_fault_of_the_file_is_told(zoo, old, new, code):
    edit(zoo / "conform.toml", old, new)
    with pytest.raises(StopError) as raised:
        read_settings(zoo / "conform.toml")
    found = raised.value.problems if isinstance(raised.value, FaultsError) else (raised.value.problem,)
    assert code in {each.code for each in found}


@pytest.mark.parametrize(
    ("file", "old", "new", "code"),
    [
        ("pyproject.toml", 'zoo-rest = "zoo_rest"', "", "conform-no-entry-point"),
        (
            "pyproject.toml",
            "[project.entry-points.jianheng]",
            "[project.entry-points]",
            "conform-no-entry-point",
        ),
        ("pyproject.toml", 'zoo-rest = "zoo_rest"', 'zoo-rest = "zoo_gone"', "conform-no-module"),
        (
            "pyproject.toml",
            'zoo-rest = "zoo_rest"',
            'a = "zoo_rest"\nb = "zoo_rest"',
            "conform-several-adapters",
        ),
        ("conform.toml", "kit = 1", 'kit = 1\nadapter = "zoo-rust"', "conform-unknown-adapter"),
        ("rig.py", "def upstream(folder):", "def upstreem(folder):", "conform-rig-no-upstream"),
        ("rig.py", "import base64", "import base65", "conform-rig-raised"),
        ("conform.toml", "kit = 1", 'kit = 1\nkind = "target"', "conform-kind"),
    ],
)
def test_a_fault_of_the_project_is_told(zoo, file, old, new, code):
    edit(zoo / file, old, new)
    with pytest.raises(StopError) as raised:
        conform(zoo, only=QUICK)
    assert raised.value.code == code


def test_a_rig_that_fails_is_blamed_and_not_the_adapter(zoo):
    edit(
        zoo / "rig.py",
        "        self.write(number, changed, values",
        "        1 / 0\n        self.write(number, changed, values",
    )
    report = conform(zoo, only=["changes"])
    assert [each.code for each in report.failed[0].problems] == ["conform-rig-raised"]


def test_what_the_rig_cannot_do_is_not_shown_and_its_tier_not_reached(zoo):
    edit(zoo / "rig.py", "    def delete(", "    def remove(")
    report = conform(zoo, only=["deletes"])
    assert [(each.state, each.problems[0].code) for each in report.outcomes] == [
        ("not-shown", "conform-rig-lacks")
    ]


@pytest.mark.parametrize(
    ("file", "old", "new", "check", "code"),
    [
        ("rig.py", "    def address(", "    def place(", "options", "conform-no-address"),
        (
            "zoo_rest/__init__.py",
            "    def streams(",
            COUNT + "    def streams(",
            "rows",
            "conform-count-itself",
        ),
        ("conform.toml", 'name = "示例3"', 'nam = "示例3"', "rows", "conform-golden-column"),
        ("conform.toml", 'keys = ["990101-9001"', 'keys = ["990101-0000"', "rows", "conform-key-missing"),
        (
            "conform.toml",
            "[streams.person]",
            "[streams.case]\n[streams.person]",
            "streams",
            "conform-stream-unknown",
        ),
        ("conform.toml", '"made-up-password"', '"geheim"', "secret-marking", "conform-secret-short"),
        ("conform.schema.json", '"format": 1', '"format": ', "schema-stable", "conform-schema-unreadable"),
        ("conform.toml", 'text = "name"', 'text = "nom"', "values", "conform-golden-column"),
        ("conform.toml", 'text = "name"', 'follows = "unit"', "changes", "conform-follows-nothing"),
        ("rig.py", 'return f"{UNIT}-{number:04d}"', "return UNIT", "changes", "conform-rig-keys"),
    ],
)
def test_what_does_not_fit_together_is_told(zoo, file, old, new, check, code):
    edit(zoo / file, old, new)
    report = conform(zoo, only=[check])
    assert code in {told.code for each in report.failed for told in each.problems}


def test_rows_may_come_as_a_table():
    import pyarrow as pa

    from jianheng.contract import Batch

    assert rows_of(Batch(pa.table({"person_key": ["1", None]}))) == [
        {"person_key": "1"},
        {"person_key": None},
    ]
    assert rows_of(Batch(({"person_key": "1"},))) == [{"person_key": "1"}]
    assert rows_of(Batch(5)) == [5]


# Tiers and exemptions.


def outcome(name: str, state: str) -> Outcome:
    return Outcome(CHECKS[name], state)


@pytest.mark.parametrize(
    ("states", "tier"),
    [
        ({}, "gold"),
        ({"kill": "failed"}, "silver"),
        ({"kill": "not-shown"}, "silver"),
        ({"kill": "exempt", "hangs": "not-applicable"}, "gold"),
        ({"resume": "not-shown"}, "bronze"),
        ({"rows": "failed", "kill": "failed"}, ""),
    ],
)
def test_a_tier_needs_all_its_checks_and_those_below(states, tier):
    assert tier_of(outcome(name, states.get(name, "passed")) for name in CHECKS) == tier


def exempted(zoo: Path, until: dt.date, check: str = "late-commit", stream: str = "person") -> None:
    told = f'[[exempt]]\ncheck = "{check}"\nstream = "{stream}"\nreason = "no overlap yet"\nuntil = {until}\n\n[limits]'
    edit(zoo / "conform.toml", "[limits]", told)
    edit(zoo / "zoo_rest" / "__init__.py", "timedelta(minutes=5)", "timedelta(0)")


@pytest.mark.parametrize(
    ("days", "stream", "state", "codes"),
    [
        (30, "person", "exempt", set()),
        (0, "person", "exempt", set()),
        (-1, "person", "failed", {"conform-exempt-expired"}),
        (400, "person", "failed", {"conform-exempt-far"}),
        (30, "case", "failed", set()),
    ],
)
def test_an_exemption_stands_until_its_day_for_its_stream(zoo, days, stream, state, codes):
    exempted(zoo, TODAY + dt.timedelta(days=days), stream=stream)
    report = conform(zoo, only=["late-commit", "exemptions"])
    found = {each.check.name: each for each in report.outcomes}
    assert found["late-commit"].state == state
    assert {each.code for each in found["exemptions"].problems} == codes


# Results.


@pytest.fixture
def tested(zoo):
    """An adapter with a result beside it."""
    told = {
        "adapter": "zoo-rest", "kind": "source", "distribution": "zoo-rest", "version": "1.0.0", "tier": "silver",
        "began": "2026-11-22T10:00:00", "counts": {"passed": 30, "failed": 0},
        "exemptions": [{"check": "kill", "stream": None, "reason": "r", "until": "2027-01-31"}],
    }  # fmt: skip
    write_result([told], ["source"], zoo / "zoo_rest")
    return zoo / "zoo_rest"


def test_a_result_is_the_lowest_of_all_kinds_and_none_where_one_was_not_tried(zoo):
    source = {
        "adapter": "both", "kind": "source", "distribution": "d", "version": "1", "tier": "gold",
        "began": "2026-11-22T10:00:00", "counts": {"passed": 30}, "exemptions": [],
    }  # fmt: skip
    target = {**source, "kind": "target", "tier": "silver", "counts": {"passed": 20, "exempt": 1}}
    both = result_of([source, target], ["source", "target"], zoo)
    assert (both["tier"], both["kinds"], both["checks"]) == (
        "silver",
        ["source", "target"],
        {"passed": 50, "exempt": 1},
    )
    assert result_of([source], ["source", "target"], zoo)["tier"] == ""
    assert result_of([source], ["source"], zoo)["tier"] == "gold"


def test_a_result_tells_its_tier_where_an_adapter_is_listed(tested):
    found = standing(tested, dt.date(2026, 12, 1))
    assert (found.tier, found.state, found.exemptions, found.tested_on) == (
        "silver",
        "tested",
        1,
        dt.date(2026, 11, 22),
    )
    assert found.shown() == "银级（1 项豁免）"
    assert standing(tested, dt.date(2027, 1, 31)).tier == "silver"


def test_a_result_lapses_with_an_exemption(tested):
    assert (standing(tested, dt.date(2027, 2, 1)).tier, standing(tested, dt.date(2027, 2, 1)).state) == (
        "",
        "expired",
    )


@pytest.mark.parametrize("change", ["edit", "add", "rename"])
def test_a_result_lapses_when_a_file_was_changed_after_it(tested, change):
    if change == "edit":
        edit(tested / "__init__.py", "minutes=5", "minutes=6")
    elif change == "add":
        (tested / "more.py").write_text("", encoding="utf-8")
    else:
        (tested / "messages.toml").rename(tested / "texts.toml")
    assert (standing(tested, dt.date(2026, 12, 1)).tier, standing(tested).state) == ("", "altered")


def test_what_python_leaves_behind_changes_no_result(tested):
    (tested / "__pycache__").mkdir()
    (tested / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"x")
    assert standing(tested, dt.date(2026, 12, 1)).tier == "silver"


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"tier": "platinum"}'])
def test_a_damaged_result_is_none(tested, content):
    (tested / FILE).write_bytes(content)
    assert (standing(tested).tier, standing(tested).state) == ("", "unreadable")
    assert standing(None).state == standing(tested.parent).state == "untested"


# The command.


def test_the_command_tells_what_failed_in_four_parts_in_both_languages(zoo, capsys):
    edit(zoo / "zoo_rest" / "adapter.toml", 'id = "zoo-rest"', 'id = "zoo-people"')
    assert main(["conform", str(zoo), "--only", "manifest"]) == ExitCode.STOP
    chinese = capsys.readouterr().out
    assert "[conform-id-differs] 清单写 zoo-people，登记写 zoo-rest" in chinese
    assert all(word in chinese for word in ("位置", "影响", "处理", "未通过"))
    assert main(["conform", str(zoo), "--only", "manifest", "--lang", "en"]) == ExitCode.STOP
    english = capsys.readouterr().out
    assert "[conform-id-differs] The manifest says zoo-people, the entry point zoo-rest" in english


def test_the_command_writes_reports_and_takes_no_other_form(zoo, tmp_path, capsys):
    page_file, json_file = tmp_path / "r.html", tmp_path / "r.json"
    words = ["conform", str(zoo), "--only", "options", "-o", str(page_file), "-o", str(json_file), "--json"]
    assert main(words) == ExitCode.OK
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], [each["check"] for each in told["reports"][0]["checks"]]) == (True, ["options"])
    assert json.loads(json_file.read_text(encoding="utf-8"))["reports"] == told["reports"]
    assert "<td>options</td>" in page_file.read_text(encoding="utf-8")
    assert "src=" not in page_file.read_text(encoding="utf-8")
    assert main(["conform", str(zoo), "-o", str(tmp_path / "r.pdf")]) == ExitCode.STOP
    assert "conform-output-form" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code"), [(["--only", "rowz"], "conform-unknown-check"), (["--tier", "tin"], "cli-")]
)
def test_a_wrong_word_is_told(zoo, capsys, words, code):
    assert main(["conform", str(zoo), *words]) == ExitCode.STOP
    assert f"[{code}" in capsys.readouterr().err


def test_a_folder_without_a_rig_is_told(tmp_path, capsys):
    assert main(["conform", str(tmp_path)]) == ExitCode.STOP
    assert "[conform-none]" in capsys.readouterr().err


def test_a_claim_above_the_tier_and_a_tier_below_the_wish_are_told(zoo):
    report = conform(zoo, only=["manifest"])
    assert verdicts(report, "gold") == ()  # of some checks no tier can be told
    failed = replace(report, whole=True, outcomes=(*report.outcomes, outcome("resume", "failed")))
    assert (failed.tier, [each.code for each in verdicts(failed)]) == ("bronze", ["conform-claim"])
    assert [each.code for each in verdicts(failed, "silver")] == ["conform-claim", "conform-below"]
    assert verdicts(replace(report, whole=True), "gold") == ()


# pytest.


def run_pytest(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    idle = ("cacheprovider", "randomly", "xdist", "hypothesispytest")
    words = (*(word for each in idle for word in ("-p", f"no:{each}")), *words)
    environ = {**os.environ, "PYTEST_ADDOPTS": "", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *words],
        cwd=folder, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_pytest_makes_a_test_of_each_check_and_fails_where_the_kit_does(zoo):
    edit(zoo / "zoo_rest" / "__init__.py", 'person["no"],\n        "name"', 'None,\n        "name"')
    done = run_pytest(zoo, "--conform", ".", "-k", "rows or manifest or receipt or resume")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "[conform-rejects]" in done.stdout
    assert "1 failed, 2 passed, 1 skipped" in done.stdout


def test_pytest_lets_alone_what_nobody_asked_for(zoo):
    (zoo / "test_nothing.py").write_text("def test_nothing():\n    pass\n", encoding="utf-8")
    assert "1 passed" in run_pytest(zoo).stdout


@SOAK
def test_pytest_collects_what_the_project_asks_for(zoo):
    (zoo / "pytest.ini").write_text("[pytest]\njianheng_conform = true\n", encoding="utf-8")
    assert "1 passed" in run_pytest(zoo, "-k", "manifest").stdout
    assert "there is no conform*.toml" in run_pytest(zoo, "--conform", "zoo_rest").stderr
    done = run_pytest(zoo, "-k", "receipt or schema", "--conform-tier", "silver")
    assert "1 passed, 1 skipped" in done.stdout
    (zoo / "conform.schema.json").unlink()
    assert "[conform-no-schema]" in run_pytest(zoo, "-k", "schema", "--conform-tier", "silver").stdout


def test_the_plugin_is_registered_where_pytest_looks():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    assert project["entry-points"]["pytest11"] == {
        "jianheng-conformance": "jianheng.conformance.pytest_plugin"
    }


# Parts.


def test_a_secret_is_found_in_every_form_it_commonly_takes():
    import base64

    watch = Watch()
    watch.guard({"password": "ge/heim 3+"})
    for said in (
        "x ge/heim 3+",
        "u=ge%2Fheim%203%2B",
        "u=ge%2Fheim+3%2B",
        base64.b64encode(b"jianheng:ge/heim 3+").decode(),
        {"deep": ["ge/heim 3+"]},
    ):
        watch.seen.clear()
        watch.look("log", said)
        assert list(watch.seen) == [("log", "password")], said
    watch.seen.clear()
    watch.look("log", "geheim", 3, None, b"\x00")
    assert not watch.seen


@pytest.fixture
def echo():
    """A server that answers each line with itself."""
    import socketserver
    import threading

    class Echo(socketserver.StreamRequestHandler):
        def handle(self):
            for line in self.rfile:
                self.wfile.write(line)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server.server_address
        server.shutdown()
        thread.join()


def said(address: str, timeout: float = 2.0) -> bytes:
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=timeout) as connection:
        connection.settimeout(timeout)
        connection.sendall(b"here\n")
        return connection.recv(100)


def test_the_proxy_passes_on_lets_wait_falls_silent_and_breaks(echo):
    with proxied(echo, 0.2) as proxy:
        assert said(proxy.address) == b"here\n"
        proxy.set("slow")
        began = time.monotonic()
        assert said(proxy.address) == b"here\n"
        assert time.monotonic() - began >= 0.2
        proxy.set("silent")
        with pytest.raises(TimeoutError):
            said(proxy.address, 0.2)
        proxy.set("down")
        with contextlib.suppress(ConnectionError):  # broken before or while it was asked: both are down
            assert said(proxy.address) == b""
        proxy.set("")
        assert said(proxy.address) == b"here\n"


def test_a_report_of_some_checks_has_no_tier(zoo):
    report = conform(zoo, only=["manifest"])
    assert (report.tier, report.whole) == ("", False)
    assert replace(report, whole=True).tier == "gold"


def test_the_vendors_files_are_left_as_they_are(zoo):
    before = {each: each.read_bytes() for each in zoo.rglob("*") if each.is_file()}
    conform(zoo, only=["changes", "deletes"])
    assert {each: each.read_bytes() for each in zoo.rglob("*") if each.is_file()} == before
