"""``jianheng score``: apply the policy, keep the ledger, say what moved."""

from collections.abc import Sequence

import click

from jianheng.cli.output import print_json, print_line
from jianheng.cli.services import office_of, periods_of, policy_of
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import store_of
from jianheng.messages import text
from jianheng.scoring.law.points import shown
from jianheng.scoring.records.scope import Subject
from jianheng.scoring.run import Report, score_periods


def command() -> click.Command:
    """Return the command."""

    @click.command("score", help=text("cli-help-score"))
    @click.option("--period", "periods", multiple=True, help=text("cli-help-period"))
    @click.option("--full", is_flag=True, help=text("cli-help-full"))
    @click.option("--accept-incomplete", is_flag=True, help=text("cli-help-accept-incomplete"))
    @pass_session
    def score(session: Session, periods: tuple[str, ...], full: bool, accept_incomplete: bool) -> None:
        tell(session, score_all(session, periods, full=full, accept_incomplete=accept_incomplete))

    return score


def score_all(
    session: Session, periods: Sequence[str] = (), *, full: bool = False, accept_incomplete: bool = False
) -> list[Report]:
    """Score the office for each period."""
    policy, office = policy_of(session), office_of(session)
    subject = Subject(office.code, office.units, office.source_order)
    with store_of(session) as store:
        wanted = periods_of(session, policy, periods)
        with session.progress() as bars:
            task = bars.add_task(text("cli-help-score"), total=len(wanted))
            return score_periods(
                store,
                subject,
                policy,
                wanted,
                full=full,
                accept_incomplete=accept_incomplete,
                progress=lambda _report: bars.advance(task),
            )


def tell(session: Session, reports: Sequence[Report]) -> None:
    """Print what a scoring did."""
    if session.flags.json:
        print_json({"runs": [report.as_json() for report in reports]})
        return
    for report in reports:
        numbers = {name: shown(getattr(report, name)) for name in ("points", "provisional", "withheld")}
        counts = {
            name: getattr(report, name)
            for name in ("cases", "added", "closed", "kept", "people", "uncounted")
        }
        mode = text(f"cli-mode-{report.mode}-{report.reason}")
        print_line(text("cli-score-line", period=report.period, mode=mode, **counts, **numbers))
