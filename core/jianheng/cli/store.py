"""``jianheng store upgrade``: bring the store's tables to what this version needs."""

import click

from jianheng.cli.output import print_json, print_line
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import bare_store_of
from jianheng.messages import text
from jianheng.store.engine import upgrade


def command() -> click.Command:
    """Return the group."""

    @click.group("store", help=text("cli-help-store"))
    def store() -> None:
        pass

    @store.command("upgrade", help=text("cli-help-store-upgrade"))
    @pass_session
    def upgrade_(session: Session) -> None:
        with bare_store_of(session) as engine:
            revision = upgrade(engine)
        if session.flags.json:
            print_json({"revision": revision})
        else:
            print_line(text("cli-store-upgraded", revision=revision))

    return store
