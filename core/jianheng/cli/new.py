"""``jianheng new``: a plugin of one's own, whole from the first minute, and brought up to date later."""

import tempfile
from importlib.metadata import version
from pathlib import Path

import click

from jianheng.cli.output import print_json, print_line, unwritable
from jianheng.cli.services import policy_asked
from jianheng.cli.session import Session, pass_session
from jianheng.errors import FaultsError, StopError, problem
from jianheng.messages import text
from jianheng.scaffold import (
    KINDS,
    Answers,
    NewKind,
    answers_for,
    check_free,
    update_project,
    write_project,
)
from jianheng.scoring.lawbook.template import write_new_pack

PARENT = "national"
"""What a rule pack rests on when nobody says otherwise."""


def command() -> click.Command:
    """Return the command."""

    @click.command("new", help=text("cli-help-new"))
    @click.argument("kind", required=False, type=click.Choice(KINDS), metavar="|".join(KINDS))
    @click.argument("name", required=False, metavar=text("cli-help-new-name"))
    @click.option("--folder", metavar="PATH", help=text("cli-help-new-folder"))
    @click.option("--label-zh", metavar="TEXT", help=text("cli-help-new-label-zh"))
    @click.option("--label-en", metavar="TEXT", help=text("cli-help-new-label-en"))
    @click.option("--extends", metavar="ID", help=text("cli-help-new-extends", parent=PARENT))
    @click.option("--update", is_flag=True, help=text("cli-help-new-update"))
    @pass_session
    def new(
        session: Session,
        /,
        kind: NewKind | None,
        name: str | None,
        folder: str | None,
        update: bool,
        **given: str | None,
    ) -> None:
        if update:
            unused = [
                ("KIND", kind),
                ("NAME", name),
                *((_option(each), told) for each, told in given.items()),
            ]
            _refuse([each for each, told in unused if told is not None], "--update")
            _update(session, Path(folder or "."))
            return
        missing = [each for each, told in (("KIND", kind), ("NAME", name)) if told is None]
        if kind is None or name is None:
            raise FaultsError(problem("new-missing", argument=each) for each in missing)
        if kind != "rulepack" and given["extends"] is not None:
            _refuse(["--extends"], kind)
        extends = (given["extends"] or PARENT) if kind == "rulepack" else ""
        answers = answers_for(kind, name, given["label_zh"], given["label_en"], extends)
        check_free(answers, _taken(session, answers))
        _write(session, answers, Path(folder or answers.distribution))

    return new


def _taken(session: Session, answers: Answers) -> set[str]:
    """Return the names that something installed has: plugins, and for a policy the packs too."""
    plugins = {each.id for each in session.registry.plugins}
    return plugins | set(session.registry.policy_folders()) if _brings_pack(answers) else plugins


def _brings_pack(answers: Answers) -> bool:
    return answers.kind in ("policy", "rulepack")


def _write(session: Session, answers: Answers, folder: Path) -> None:
    pack = _pack(session, answers) if _brings_pack(answers) else {}
    try:
        written = write_project(answers, folder, version("jianheng"), pack)
    except OSError as error:
        raise unwritable(folder, error) from None
    if session.flags.json:
        print_json({"folder": str(folder), "files": [str(each) for each in written]})
        return
    for each in written:
        print_line(str(each))
    print_line(text("cli-new-done", folder=folder))


def _pack(session: Session, answers: Answers) -> dict[str, bytes]:
    """Return the files of a new policy pack, by path below its folder."""
    parent = policy_asked(session, answers.extends, option="--extends") if answers.extends else None
    with tempfile.TemporaryDirectory() as folder:
        files = write_new_pack(Path(folder, answers.name), answers.name, parent)
        return {each.relative_to(Path(folder, answers.name)).as_posix(): each.read_bytes() for each in files}


def _update(session: Session, folder: Path) -> None:
    try:
        changes = update_project(folder, version("jianheng"))
    except OSError as error:
        raise unwritable(folder, error) from None
    if session.flags.json:
        print_json({"folder": str(folder), "changes": {each.path: each.fate for each in changes}})
        return
    for each in changes:
        print_line(text(f"cli-new-{each.fate}", path=each.path))
    if not changes:
        print_line(text("cli-new-current", folder=folder))


def _refuse(given: list[str], beside: str) -> None:
    if given:
        raise StopError("new-does-not-go-with", given=", ".join(given), beside=beside)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
