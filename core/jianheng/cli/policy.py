"""``jianheng policy check``: is the law sound, and does every worked example hold?"""

from pathlib import Path

import click

from jianheng.cli.output import print_json, print_line
from jianheng.cli.services import policy_named, policy_of
from jianheng.cli.session import Session, pass_session
from jianheng.errors import FaultsError
from jianheng.messages import text
from jianheng.scoring.examples import check_examples
from jianheng.scoring.policy import load_policy


def command() -> click.Command:
    """Return the group."""

    @click.group("policy", help=text("cli-help-policy"))
    def policy() -> None:
        pass

    @policy.command("check", help=text("cli-help-policy-check"))
    @click.argument("pack", required=False, metavar=text("cli-help-policy-pack"))
    @pass_session
    def check(session: Session, pack: str | None) -> None:
        if pack is not None and Path(pack).is_dir():
            loaded = load_policy(Path(pack).resolve(), session.registry.policy_folders().get)
        elif pack is not None:
            loaded = policy_named(session.registry, pack)
        else:
            loaded = policy_of(session)
        examples, problems = check_examples(loaded)
        if problems:
            raise FaultsError(problems)
        if session.flags.json:
            print_json({"policy": loaded.id, "version": loaded.version, "examples": examples})
        else:
            print_line(text("cli-policy-good", policy=loaded.id, examples=examples))

    return policy
