"""``jianheng policy``: is the law sound, what does it say, and how does a new one begin?"""

import datetime as dt
import json
from pathlib import Path

import click

from jianheng.cli.output import check_place, print_json, print_line, problem_json, unwritable, write_whole
from jianheng.cli.services import policy_asked, policy_named
from jianheng.cli.session import Session, pass_session
from jianheng.errors import FaultsError, StopError
from jianheng.messages import text
from jianheng.scoring.checking.examples import check_examples
from jianheng.scoring.checking.notes import policy_notes
from jianheng.scoring.lawbook.page import FORMATS, law_page
from jianheng.scoring.lawbook.schema import SCHEMAS, schema_of
from jianheng.scoring.lawbook.template import write_new_pack


def command() -> click.Command:
    """Return the group."""

    @click.group("policy", help=text("cli-help-policy"))
    def policy() -> None:
        pass

    for each in (_check(), _docs(), _new(), _schema()):
        policy.add_command(each)
    return policy


def _check() -> click.Command:
    @click.command("check", help=text("cli-help-policy-check"))
    @click.argument("pack", required=False, metavar=text("cli-help-policy-pack"))
    @click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help=text("cli-help-policy-check-day"))
    @pass_session
    def check(session: Session, pack: str | None, day: dt.datetime | None) -> None:
        loaded = policy_asked(session, pack)
        # What an office sets for itself is not what the pack's examples speak of.
        law = loaded if pack is not None else policy_named(session.registry, loaded.id)
        examples, problems = check_examples(law)
        if problems:
            raise FaultsError(problems)
        notes = policy_notes(loaded, _day(day))
        if session.flags.json:
            told = {"policy": loaded.id, "version": loaded.version, "examples": examples}
            print_json({**told, "notes": [problem_json(each) for each in notes]})
            return
        for each in notes:
            note = each.message()
            print_line(text("cli-policy-note", note=note.code, where=note.where, what=note.what), err=True)
        print_line(text("cli-policy-good", policy=loaded.id, examples=examples))

    return check


def _docs() -> click.Command:
    @click.command("docs", help=text("cli-help-policy-docs"))
    @click.argument("pack", required=False, metavar=text("cli-help-policy-pack"))
    @click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help=text("cli-help-policy-docs-day"))
    @click.option("--format", "form", type=click.Choice(FORMATS), help=text("cli-help-policy-docs-format"))
    @click.option("-o", "--output", type=click.Path(path_type=Path), help=text("cli-help-policy-docs-output"))
    @pass_session
    def docs(
        session: Session, pack: str | None, day: dt.datetime | None, form: str | None, output: Path | None
    ) -> None:
        check_place(output)
        by_name = "html" if output is not None and output.suffix in {".html", ".htm"} else "markdown"
        page = law_page(policy_asked(session, pack), _day(day), form or by_name)
        if output is None:
            click.echo(page, nl=False)
        else:
            write_whole(output, page.encode())
            print_line(str(output))

    return docs


def _new() -> click.Command:
    @click.command("new", help=text("cli-help-policy-new"))
    @click.argument("folder", metavar=text("cli-help-policy-new-folder"))
    @click.option("--id", "pack_id", help=text("cli-help-policy-new-id"))
    @click.option("--extends", help=text("cli-help-policy-new-extends"))
    @pass_session
    def new(session: Session, folder: str, pack_id: str | None, extends: str | None) -> None:
        if not folder.strip():  # a path that says nothing would be the current folder
            raise StopError("policy-new-no-folder")
        place = Path(folder)
        parent = None if extends is None else policy_asked(session, extends, option="--extends")
        made = [str(each) for each in (*reversed(place.parents), place) if not each.exists()]
        try:
            files = write_new_pack(place, place.resolve().name if pack_id is None else pack_id, parent)
        except OSError as error:
            raise unwritable(place, error) from None
        if session.flags.json:
            print_json({"folders": made, "files": [str(each) for each in files]})
            return
        if made:
            print_line(text("cli-policy-new-folders", folders="、".join(made)))
        for each in files:
            print_line(str(each))
        print_line(text("cli-policy-new", folder=folder))

    return new


def _schema() -> click.Command:
    @click.command("schema", help=text("cli-help-policy-schema"))
    @click.argument("name", required=False, type=click.Choice(SCHEMAS))
    @click.option(
        "-o", "--output", type=click.Path(path_type=Path), help=text("cli-help-policy-schema-output")
    )
    def schema(name: str | None, output: Path | None) -> None:
        wanted = {each: schema_of(each) for each in ([name] if name else SCHEMAS)}
        if output is None:
            click.echo(json.dumps(wanted[name] if name else wanted, ensure_ascii=False, indent=2))
            return
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(output, error) from None
        for each, told in wanted.items():
            file = output / f"{each}.schema.json"
            write_whole(file, f"{json.dumps(told, ensure_ascii=False, indent=2)}\n".encode())
            print_line(str(file))

    return schema


def _day(given: dt.datetime | None) -> dt.date:
    return dt.date.today() if given is None else given.date()  # noqa: DTZ011 the day where the command runs
