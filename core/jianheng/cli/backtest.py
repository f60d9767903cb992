"""``jianheng backtest``: a policy over past periods, on the facts as they are known now. Nothing is kept."""

from collections.abc import Sequence

import click

from jianheng.cli.compare import Contender, contender, corrections_in, in_force, print_block, snapshot_of
from jianheng.cli.output import print_json, print_line
from jianheng.cli.services import office_of
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import store_of
from jianheng.messages import text
from jianheng.publish.backtest_blocks import backtest_json, sheets, totals
from jianheng.publish.comparison_blocks import left_out_text
from jianheng.scoring.comparison.backtest import Law, backtest, check_periods, laws_then
from jianheng.scoring.law.period import period


def command() -> click.Command:
    """Return the command."""

    @click.command("backtest", help=text("cli-help-backtest"))
    @click.argument("policy", metavar="POLICY")
    @click.option("--periods", help=text("cli-help-backtest-periods"))
    @click.option("--as-if-in-force", "as_if", is_flag=True, help=text("cli-help-backtest-as-if"))
    @click.option(
        "--office-layer/--no-office-layer", "layered", default=True, help=text("cli-help-compare-layer")
    )
    @pass_session
    def backtest_(session: Session, policy: str, periods: str | None, as_if: bool, layered: bool) -> None:
        tried, now = contender(session, policy, layered=layered), in_force(session)
        asked = [name.strip() for name in (periods or "").replace("，", ",").split(",") if name.strip()]
        names = list(dict.fromkeys(asked or session.deployment.policy.periods))
        if not as_if:  # told before the facts are read, which may take a while
            check_periods(tried.policy, [period(name, tried.policy.file.calendar) for name in names])
        snapshot = snapshot_of(session, tried.policy, ())
        then = _laws_then(session, now, names)
        lines = backtest(snapshot, tried.label, tried.policy, names, then, as_if=as_if)
        told = [text("compare-not-kept")]
        told += [
            left_out_text(corrections)
            for each in lines
            if (corrections := corrections_in(session, each.period)) is not None
        ]
        if any(each.as_if for each in lines):
            told.append(text("backtest-as-if-notice", label=tried.label, since=tried.policy.file.since))
        if snapshot.incomplete:
            told.append(text("notice-incomplete", sources="、".join(snapshot.incomplete)))
        if session.flags.json:
            law = {"policy": tried.policy.id, "version": tried.policy.version, "label": tried.label}
            facts = {"facts_at": snapshot.facts_at, "notices": told}
            print_json({**law, **facts, "periods": backtest_json(lines)})
            return
        for block in (totals(lines), sheets(lines)):
            print_block(block)
        for line in told:
            print_line(line)

    return backtest_


def _laws_then(session: Session, now: Contender, names: Sequence[str]) -> dict[str, Law]:
    with store_of(session) as store, store.connect() as connection:
        return laws_then(connection, office_of(session).code, (now.label, now.policy), names)
