"""``jianheng explain``: one person's score, or any part of it, opened down to the source records."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from jianheng.cli.explain_tree import SHOWN_PER_RULE, print_tree
from jianheng.cli.output import check_place, print_json, print_line, write_whole
from jianheng.cli.services import laws_of, office_of
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import store_of
from jianheng.messages import speaking, text
from jianheng.scoring.explanation.asked import Asked
from jianheng.scoring.explanation.explain import explain


def command() -> click.Command:
    """Return the command."""

    @click.command("explain", help=text("cli-help-explain"))
    @click.argument("person", metavar=text("cli-help-explain-person"))
    @click.option("--period", help=text("cli-help-one-period"))
    @click.option("--indicator", metavar="ID", help=text("cli-help-explain-indicator"))
    @click.option("--rule", metavar="ID", help=text("cli-help-explain-rule"))
    @click.option("--case", "case_no", help=text("cli-help-explain-case"))
    @click.option("--entry", metavar="ID", help=text("cli-help-explain-entry"))
    @click.option("--all", "everything", is_flag=True, help=text("cli-help-explain-all"))
    @click.option("--html", metavar="FILE", help=text("cli-help-explain-html"))
    @pass_session
    def explain_(
        session: Session,
        /,
        person: str,
        period: str | None,
        everything: bool,
        html: str | None,
        **asked: str | None,
    ) -> None:
        if html is not None:
            _write(session, Path(html), person, period, asked)
            return
        told = explanation(session, person, period, **asked)
        if session.flags.json:
            print_json(told)
        else:
            most = None if everything or asked["case_no"] or asked["entry"] else SHOWN_PER_RULE
            print_tree(told, most)

    return explain_


def explanation(
    session: Session, person: str, period: str | None = None, **asked: str | None
) -> dict[str, Any]:
    """Return everything behind a person's score, or the part of it that is asked for, as plain data."""
    office = office_of(session)
    with store_of(session) as store:
        ((policy, when),) = laws_of(session, store, [period or session.deployment.policy.periods[-1]])
        with store.connect() as connection:
            return explain(connection, office.code, policy, when, person, office.source_order, Asked(**asked))


def _write(
    session: Session, file: Path, person: str, period: str | None, asked: Mapping[str, str | None]
) -> None:
    """Write the explanation as a page, which is Chinese whatever the terminal speaks."""
    from jianheng.scoring.explanation.page import page

    check_place(file)
    with speaking("zh"):
        told = page(explanation(session, person, period, **asked))
    write_whole(file, told.encode("utf-8", "replace"))
    if session.flags.json:
        print_json({"file": str(file)})
    else:
        print_line(text("explain-page-written", file=file))
