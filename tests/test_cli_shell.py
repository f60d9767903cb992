"""The command line: in the asked-for language, errors in four parts, exit codes as documented."""

import dataclasses
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from jianheng.cli import ExitCode, main, plugins
from jianheng.cli.doctor import examine
from jianheng.cli.init import Answers, deployment_text
from jianheng.cli.opening import open_source, open_target
from jianheng.cli.session import Session
from jianheng.contract import Finding
from jianheng.errors import AskError, FaultsError, RetryError, StopError
from jianheng.messages import set_language
from plugins_zoo.install import install

OFFICE = """
[office]
code = "990101"
name = "滨海市东屿区人民检察院"
[policy]
pack = "laoshan"
periods = ["2024"]
[plugins]
allow = ["zoo-good", "zoo-target", "zoo-hangs"]
"""
SOURCE = """
[sources.animals]
adapter = "zoo-good"
[sources.animals.options]
url = "sqlite:///zoo.db"
folder = "in"
[sources.animals.secrets]
password = "env:ZOO_PASSWORD"
"""
TARGET = """
[targets.cage]
adapter = "zoo-target"
"""


@pytest.fixture(autouse=True)
def _clean(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("JIANHENG_CONFIG", "JIANHENG_LANG", "ZOO_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    yield
    set_language("zh")
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in [
        each for each in root.handlers if isinstance(each.formatter, structlog.stdlib.ProcessorFormatter)
    ]:
        root.removeHandler(handler)


@pytest.fixture
def office(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path / "site")
    install(tmp_path / "site", "zoo-good", "zoo-target", "zoo-raises")

    def write(*parts: str) -> Path:
        file = tmp_path / "deployment.toml"
        file.write_text(OFFICE + "".join(parts), encoding="utf-8")
        return file

    return write


def told(capsys) -> dict:
    return json.loads(capsys.readouterr().out)


def test_without_a_command_it_explains_itself(capsys):
    assert main([]) == 0
    assert "用法" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--lang", "en", "plugins", "--help"], ["plugins", "--help", "--lang=en"]])
def test_help_speaks_the_language_asked_for_anywhere(words, capsys):
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "Usage: jianheng plugins [OPTIONS]" in out
    assert "用法" not in out


def test_the_environment_chooses_the_language(monkeypatch, capsys):
    monkeypatch.setenv("JIANHENG_LANG", "en")
    assert main(["--help"]) == 0
    assert "Commands:" in capsys.readouterr().out
    assert main(["--help", "--lang", "zh"]) == 0
    assert "命令:" in capsys.readouterr().out


def test_every_help_page_is_in_chinese(capsys):
    for words in ([], ["init"], ["doctor"], ["plugins"], ["config"], ["config", "show"]):
        assert main([*words, "--help"]) == 0
        out = capsys.readouterr().out
        assert not {"Usage", "Options", "Commands", "Show"} & set(out.replace(":", " ").split())


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (["plugin"], "cli-unknown-command", "plugins"),
        (["config", "shwo"], "cli-unknown-command", "show"),
        (["plugins", "--jsn"], "cli-unknown-option", "--json"),
        (["status", "x", "y"], "cli-extra-arguments", "x y"),
        (["init", "--folder"], "cli-option-value", "--folder"),
        (["init", "--force=3"], "cli-option-value", "--force"),
        (["--lang", "fr", "plugins"], "cli-bad-language", "fr"),
        (["plugins", "--lang"], "cli-bad-language", "zh, en"),
    ],
)
def test_what_was_typed_wrongly_is_told_in_our_words(words, code, named, capsys):
    assert main(words) == ExitCode.STOP
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"[{code}]" in captured.err
    assert named in captured.err


def test_wrong_words_are_json_when_json_was_asked_for(capsys):
    assert main(["plugins", "--jsn", "--json"]) == ExitCode.STOP
    answer = told(capsys)
    assert answer["ok"] is False
    assert set(answer["errors"][0]) == {"code", "what", "where", "why", "do"}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (StopError("zoo"), 2),
        (RetryError("zoo"), 3),
        (AskError("zoo"), 5),
        (KeyboardInterrupt(), 130),
        (RuntimeError("a bug at 13912345678"), 1),
        (BrokenPipeError(32, "gone"), 1),
    ],
)
def test_each_kind_of_error_has_its_exit_code(monkeypatch, capsys, error, expected):
    def fail(_session):
        raise error

    monkeypatch.setattr(Session, "registry", property(fail))
    assert main(["plugins"]) == expected
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert "a bug" not in captured.err


def test_a_bug_is_told_with_a_reference_and_logged_when_asked(monkeypatch, capsys):
    def fail(_session):
        raise RuntimeError("a bug at 13912345678")

    monkeypatch.setattr(Session, "registry", property(fail))
    assert main(["plugins", "-v"]) == ExitCode.UNEXPECTED
    err = capsys.readouterr().err
    log, message = err.split("[internal-error]")
    line = json.loads(log)
    assert line["reference"] in message
    assert "RuntimeError" in line["exception"]
    assert "13912345678" not in err


def test_plugins_are_listed_with_why_not(office, capsys):
    office()
    assert main(["plugins", "--json"]) in (ExitCode.OK, ExitCode.SET_ASIDE)
    plugins = {each["id"]: each for each in told(capsys)["plugins"]}
    assert plugins["zoo-good"]["enabled"]
    assert plugins["zoo-raises"]["reason"]["code"] == "plugin-not-allowed"
    assert main(["plugins"]) in (ExitCode.OK, ExitCode.SET_ASIDE)
    assert "zoo-good" in capsys.readouterr().out


def test_plugins_are_listed_without_a_deployment(capsys):
    assert main(["plugins", "--json"]) in (ExitCode.OK, ExitCode.SET_ASIDE)
    assert {"unified-case-sql", "excel-workbook"} <= {each["id"] for each in told(capsys)["plugins"]}


def test_a_broken_deployment_is_told_whatever_the_command(office, capsys):
    office("[sources.x]\nadaptor = 3\n")
    assert main(["plugins", "--json"]) == ExitCode.STOP
    codes = [each["code"] for each in told(capsys)["errors"]]
    assert codes == ["config-unknown-key", "config-missing-key"]


def test_config_show_names_origins_and_references_only(office, capsys, monkeypatch):
    monkeypatch.setenv("ZOO_PASSWORD", "very-secret")
    file = office(SOURCE)
    assert main(["config", "show", "--json", "--config", str(file)]) == 0
    out = capsys.readouterr().out
    values = json.loads(out)["values"]
    assert values["sources.animals.secrets.password"]["value"] == "env:ZOO_PASSWORD"
    assert values["sources.animals.timeout_s"]["layer"] == "default"
    assert values["office.code"] == {"value": "990101", "layer": "deployment.toml", "file": str(file)}
    assert "very-secret" not in out
    assert main(["config", "show", "sources.animals"]) == 0
    out = capsys.readouterr().out
    assert "env:ZOO_PASSWORD" in out
    assert "office.code" not in out


def test_config_show_names_the_nearest_key(office, capsys):
    office()
    assert main(["config", "show", "ofice"]) == ExitCode.STOP
    assert "office" in capsys.readouterr().err.splitlines()[-1]


def test_opening_a_source_checks_options_and_resolves_secrets(office, monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_PASSWORD", "very-secret")
    office(SOURCE, TARGET)
    session = Session()
    opened = open_source(session, "animals")
    assert opened.context.options == {
        "url": f"sqlite:///{tmp_path}/zoo.db",
        "size": 3,
        "sick": False,
        "folder": tmp_path / "in",
    }
    assert opened.context.secrets["password"].reveal() == "very-secret"
    assert opened.context.units == ("990101",)
    batches = list(opened.boundary.iterate("read", opened.source.read, "unit", None))
    assert batches[0].rows[0]["unit_code"] == "990101"
    assert open_target(session, "cage").boundary.label == "cage"
    with pytest.raises(StopError) as raised:
        open_source(session, "animal")
    assert raised.value.problem.fields["nearest"] == "animals"


def test_everything_wrong_with_a_source_is_told_together(office):
    office(SOURCE.replace("folder", "foldr"), 'token = "env:NO_SUCH"\n[sources.more]\nadapter = "zoo-good"\n')
    deployment = Path("deployment.toml")
    text = deployment.read_text(encoding="utf-8").replace(
        'adapter = "zoo-good"\n[sources.animals.options]',
        'adapter = "zoo-good"\nstreams = ["unitt"]\n[sources.animals.options]',
    )
    deployment.write_text(text, encoding="utf-8")
    with pytest.raises(FaultsError) as raised:
        open_source(Session(), "animals")
    assert [each.code for each in raised.value.problems] == [
        "config-unknown-stream",
        "config-unknown-option",
        "config-unknown-option",
        "secret-variable-missing",
        "secret-variable-missing",
    ]


def test_doctor_passes_a_healthy_deployment(office, monkeypatch, capsys):
    monkeypatch.setenv("ZOO_PASSWORD", "very-secret")
    office(SOURCE, TARGET)
    assert main(["doctor", "--json"]) == ExitCode.OK
    answer = told(capsys)
    assert answer["ok"] is True
    states = {(each["area"], each["subject"]): each["state"] for each in answer["checks"]}
    assert states["source", "animals zoo-good"] == "ok"
    assert states["target", "cage"] == "ok"


def test_doctor_tells_everything_at_once(office, monkeypatch, capsys):
    monkeypatch.setenv("ZOO_PASSWORD", "very-secret")
    office(
        SOURCE.replace("[sources.animals.secrets]", "sick = true\n[sources.animals.secrets]"),
        '[sources.gone]\nadapter = "zoo-goood"\n[targets.cage]\nadapter = "zoo-target"\n',
        '[targets.cage.secrets]\nkey = "env:NO_SUCH"\n',
    )
    assert main(["doctor"]) == ExitCode.STOP
    captured = capsys.readouterr()
    for code in ("zoo-sick", "adapter-unknown", "secret-variable-missing", "config-unknown-option"):
        assert f"[{code}]" in captured.out
    assert "very-secret" not in captured.out + captured.err
    assert captured.out.count("[secret-variable-missing]") == 1
    assert {"✔", "✘"} <= set(captured.out)


def test_doctor_looks_at_the_store_last_and_tells_what_that_raises(office):
    def sound(_deployment, _secrets):
        return [Finding("schema", detail="7")]

    def broken(_deployment, _secrets):
        raise StopError("zoo-store")

    office(TARGET)
    for check, expected in ((sound, ("store", "schema", "ok")), (broken, ("store", "", "failed"))):
        last = list(examine(Session(), check))[-1]
        assert (last.area, last.subject, last.state) == expected


def test_doctor_tells_a_broken_configuration(office, capsys):
    office("[stor]\n")
    assert main(["doctor", "--lang", "en"]) == ExitCode.STOP
    out = capsys.readouterr().out
    assert "Unknown key stor" in out
    assert "store" in out


def test_init_writes_what_loads_again(tmp_path, capsys):
    words = [
        "init",
        "--folder",
        "东屿",
        "--office-code",
        "990101",
        "--office-name",
        '东屿区"院"',
        "--policy",
        "laoshan",
    ]
    words += [
        "--ucs-url",
        "sqlite:///../ucs.db",
        "--archive-url",
        "http://127.0.0.1:8000",
        "--archive-client-id",
        "c",
    ]
    words += ["--workbook", "out", "--period", "2024", "--period", "2025"]
    assert main(words) == 0
    file = tmp_path / "东屿" / "deployment.toml"
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    capsys.readouterr()
    assert main(["config", "show", "--json", "--config", "东屿"]) == 0
    values = told(capsys)["values"]
    assert values["office.name"]["value"] == '东屿区"院"'
    assert values["policy.periods"]["value"] == ["2024", "2025"]
    assert values["sources.archive.secrets.client_secret"]["value"] == "env:ARCHIVE_CLIENT_SECRET"
    assert main(words) == ExitCode.STOP
    assert "[init-exists]" in capsys.readouterr().err
    assert main([*words, "--force"]) == 0
    assert sorted(each.name for each in file.parent.iterdir()) == ["deployment.toml", "secrets"]


def test_init_tells_all_that_is_wrong_and_writes_nothing(tmp_path, capsys):
    assert main(["init", "--folder", "x", "--json"]) == ExitCode.STOP
    assert [each["code"] for each in told(capsys)["errors"]] == ["init-missing"] * 3
    words = ["init", "--folder", "x", "--office-code", "99", "--office-name", "东屿区院", "--policy", "p"]
    assert main([*words, "--ucs-url", "mysql://reader:hunter2@h/d", "--json"]) == ExitCode.STOP
    out = capsys.readouterr().out
    assert [each["code"] for each in json.loads(out)["errors"]] == [
        "config-bad-unit-code",
        "config-url-password",
    ]
    assert "hunter2" not in out
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "a\x7fb", "a'''b", "东屿\u2028区", "\x00"])
def test_any_name_survives_init(name):
    import tomllib

    given = {each.name: name for each in dataclasses.fields(Answers)}
    answers = Answers(**(given | {"office_code": "990101", "periods": ("2024",), "store": "sqlite:///x.db"}))
    document = tomllib.loads(deployment_text(answers))
    assert document["office"]["name"] == name
    assert document["sources"]["archive"]["options"]["client_id"] == name


def test_a_day_in_another_form_is_told_in_words(capsys):
    assert main(["history", "case", "X", "--at", "notaday"]) == ExitCode.STOP
    told = capsys.readouterr().err
    assert "[cli-bad-value]" in told
    assert "YYYY-MM-DD" in told
    assert "does not match" not in told


def test_an_internal_error_while_building_is_told_too(monkeypatch, capsys):
    def fail():
        raise LookupError("x")

    monkeypatch.setattr(plugins, "command", fail)
    assert main(["plugins"]) == ExitCode.UNEXPECTED
    assert "[internal-error]" in capsys.readouterr().err


def run(*words, **environ):
    command = [sys.executable, "-c", "import sys; from jianheng.cli import main; sys.exit(main())", *words]
    return subprocess.run(
        command, capture_output=True, env={**os.environ, **environ}, check=False, timeout=120
    )


def test_a_terminal_without_chinese_characters_ends_nothing():
    done = run("plugins", "--jsn", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert done.returncode == ExitCode.STOP
    assert b"cli-unknown-option" in done.stderr


def test_a_hanging_plugin_does_not_hold_the_process_at_its_end(office, tmp_path):
    install(tmp_path / "site", "zoo-hangs")
    office()
    code = (
        "import sys; from jianheng.registry import discovery; "
        "discovery.discover.__kwdefaults__['timeout_s'] = 0.5; "
        "from jianheng.cli import main; sys.exit(main(['plugins', '--json']))"
    )
    environ = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=environ, check=False, timeout=50
    )
    assert done.returncode == ExitCode.SET_ASIDE
    plugins = {each["id"]: each for each in json.loads(done.stdout)["plugins"]}
    assert plugins["zoo-hangs"]["reason"]["code"] == "adapter-timeout"
    assert plugins["zoo-good"]["enabled"]


_INTERRUPT_ONCE_IT_HANGS = """
import os, pathlib, signal, sys, threading, time
from jianheng.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started these tests deaf to it

def children(file):
    try:
        return file.read_text()
    except OSError:  # the thread has ended
        return ""

def interrupt():
    while not any(map(children, pathlib.Path("/proc/self/task").glob("*/children"))):  # a plugin's process
        time.sleep(0.05)
    time.sleep(1)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
sys.exit(main(["plugins"]))
"""


@pytest.mark.skipif(
    not any(Path("/proc/self/task").glob("*/children")), reason="needs Linux's list of children"
)
def test_ctrl_c_ends_it_even_while_an_adapter_hangs(office, tmp_path):
    install(tmp_path / "site", "zoo-hangs")
    office()
    environ = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-c", _INTERRUPT_ONCE_IT_HANGS]
    done = subprocess.run(command, capture_output=True, env=environ, check=False, timeout=60)
    assert done.returncode == ExitCode.INTERRUPTED
    assert "已中断" in done.stderr.decode()
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device that is always full")
def test_output_that_cannot_be_written_is_no_fault_of_the_program():
    """A full disk under what we print is told as that, with the exit code of something to mend."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        words = [sys.executable, "-m", "jianheng", "plugins"]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == ExitCode.STOP
    assert "cli-output-failed" in done.stderr
    assert "Traceback" not in done.stderr
