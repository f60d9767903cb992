"""A command starts quickly because it imports nothing that it does not use; told by what is loaded, not by the clock."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from jianheng.cli import main
from jianheng.cli.app import COMMANDS, build
from jianheng.messages import LANGUAGES, speaking, text

DEPLOYMENT = """
[office]
code = "990101"
name = "滨海市东屿区人民检察院"
[policy]
pack = "laoshan"
periods = ["2024"]
[sources.personnel]
adapter = "personnel-workbook"
options = { path = "." }
[targets.workbook]
adapter = "excel-workbook"
options = { folder = "." }
"""
MIGRATING = {"alembic", "mako"}
WRITING = {"jinja2", "xlsxwriter"}
READING = {"lxml", "python_calamine", "requests", "zeep"}
RUNNING = {"apscheduler", "prometheus_client"}
JUDGING = {"duckdb", "sqlglot", "jianheng.rules", "jianheng.scoring"}
ADAPTERS = {"jianheng_adapters"}
"""Imported when one of them is opened, and then that one."""
LOOKING = MIGRATING | WRITING | READING | RUNNING | JUDGING | ADAPTERS
"""What a command does not need that only looks into the store."""
EVERYTHING = LOOKING | {
    "cryptography",
    "packaging",
    "pyarrow",
    "pydantic",
    "sqlalchemy",
    "jianheng.config",
    "jianheng.contract",
    "jianheng.registry",
    "jianheng.store",
}
"""What a command does not need that looks at nothing."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deployment whose store is there."""
    made = tmp_path_factory.mktemp("office")
    (made / "deployment.toml").write_text(DEPLOYMENT, encoding="utf-8")
    assert main(["store", "upgrade", "--config", str(made)]) == 0
    return made


def loaded(folder: Path, *words: str) -> set[str]:
    """Return what a process has imported that ran one command."""
    code = "import sys; from jianheng.cli import main; main(sys.argv[1:]); print(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "--config", str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "internal-error" not in done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("words", "needed", "without"),
    [
        ("--help", {"click"}, EVERYTHING),
        ("--version", {"importlib.metadata"}, EVERYTHING),
        ("config show", {"jianheng.config"}, LOOKING | {"sqlalchemy"}),
        ("status", {"sqlalchemy", "jianheng.schedule.status"}, LOOKING | {"pyarrow.compute"}),
        ("quarantine list", {"jianheng.sync.quarantine"}, LOOKING),
        ("outbox list", {"jianheng.publish.outbox"}, LOOKING),
        ("sync", {"jianheng_adapters.personnel_workbook"}, MIGRATING | WRITING | RUNNING | JUDGING),
        ("score", JUDGING, MIGRATING | WRITING | READING | RUNNING | ADAPTERS),
        ("publish", JUDGING, MIGRATING | READING | RUNNING),
    ],
)
def test_a_command_imports_nothing_that_it_does_not_use(
    folder: Path, words: str, needed: set[str], without: set[str]
):
    found = loaded(folder, *words.split())
    assert sorted(needed - found) == []
    assert sorted(without & found) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_list_of_commands_says_what_the_commands_say_of_themselves(language):
    with speaking(language):
        group = build()
        with click.Context(group) as context:
            listed, told = context.make_formatter(), context.make_formatter()
            group.format_commands(context, listed)
            click.Group.format_commands(group, context, told)
            assert listed.getvalue() == told.getvalue()
            for name in COMMANDS:
                made = group.get_command(context, name)
                assert (made.name, made.help) == (name, text(f"cli-help-{name}"))
