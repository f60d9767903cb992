"""``jianheng whatif``: the policy in force with one more layer over it, compared with what it is now."""

from pathlib import Path

import click

from jianheng.cli.compare import Contender, check_form, comparisons, in_force, output_options, tell
from jianheng.cli.session import Session, pass_session
from jianheng.errors import StopError
from jianheng.messages import text
from jianheng.scoring.comparison.whatif import with_draft


def command() -> click.Command:
    """Return the command."""

    @click.command("whatif", help=text("cli-help-whatif"))
    @click.argument("draft", type=click.Path(path_type=Path), metavar="DRAFT")
    @output_options
    @pass_session
    def whatif(
        session: Session, draft: Path, periods: tuple[str, ...], output: Path | None, everything: bool
    ) -> None:
        check_form(output)
        if not draft.exists():
            raise StopError("policy-file-missing", file=str(draft))
        now = in_force(session)
        then = Contender(text("whatif-label", draft=draft.name), with_draft(now.policy, draft))
        snapshot, found = comparisons(session, now, then, periods)
        tell(session, snapshot, found, output, everything=everything)

    return whatif
