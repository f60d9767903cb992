"""``jianheng quarantine``: which source records could not be taken, and what to do about each."""

import click

from jianheng.cli.output import print_json, print_line, problem_json
from jianheng.cli.services import store_of
from jianheng.cli.session import Session, pass_session
from jianheng.messages import text
from jianheng.sync import quarantine as held


def command() -> click.Command:
    """Return the command."""

    @click.command("quarantine", help=text("cli-help-quarantine"))
    @pass_session
    def quarantine(session: Session) -> None:
        store = store_of(session)
        try:
            with store.connect() as connection:
                entries = held.entries(connection, session.deployment.office.code)
        finally:
            store.dispose()
        if session.flags.json:
            print_json({"quarantine": [_json(entry) for entry in entries]})
            return
        for entry in entries:
            place = {
                "id": entry.quarantine_id,
                "source": entry.source,
                "stream": entry.stream,
                "key": entry.record_key,
            }
            print_line(text("cli-quarantine-head", **place))
            for problem in entry.problems:
                print_line("\n".join(f"  {line}" for line in problem.message().as_text().splitlines()))
        if not entries:
            print_line(text("cli-quarantine-none"))

    return quarantine


def _json(entry: held.Entry) -> dict[str, object]:
    return {
        "id": entry.quarantine_id,
        "source": entry.source,
        "stream": entry.stream,
        "entity": entry.entity,
        "record_key": entry.record_key,
        "locator": entry.locator,
        "attempts": entry.attempts,
        "problems": [problem_json(each) for each in entry.problems],
    }
