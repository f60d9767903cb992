"""``jianheng calibrate``: coefficients that observed effort speaks for, and what they would do. It changes nothing."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path

import click
import pyarrow as pa

from jianheng.cli.compare import SHOWN, check_form, corrections_in, in_force, print_block, snapshot_of
from jianheng.cli.output import print_json, print_line, write_whole
from jianheng.cli.session import Session, pass_session
from jianheng.errors import FaultsError, StopError
from jianheng.messages import text
from jianheng.publish.block import Block
from jianheng.publish.calibrate_blocks import calibration_json, loads, method_text, targets, types
from jianheng.publish.comparison_blocks import left_out_text, summary
from jianheng.publish.comparison_json import comparison_json
from jianheng.rules.workdays import read_calendar
from jianheng.scoring.comparison.calibrate import Calibration, Method, calibrate
from jianheng.scoring.comparison.calibrate_draft import Proposal, draft_text, proposals
from jianheng.scoring.comparison.compare import compare, side
from jianheng.scoring.comparison.comparison import Comparison
from jianheng.scoring.comparison.efforts import EFFORTS, TYPES, Observed, observe
from jianheng.scoring.comparison.whatif import with_draft_text
from jianheng.scoring.law.period import CALENDAR_YEAR, period
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.records.snapshot import Snapshot

MOST_TRIMMED = 49
"""Percent at either end; with half of the cases at both nothing would be left."""


def command() -> click.Command:
    """Return the command."""

    @click.command("calibrate", help=text("cli-help-calibrate"))
    @click.option("--period", "name", help=text("cli-help-one-period"))
    @click.option("--by", type=click.Choice(TYPES), default=TYPES[0], help=text("cli-help-calibrate-by"))
    @click.option("--effort", default="duration=0.5,documents=0.5", help=text("cli-help-calibrate-effort"))
    @click.option(
        "--trim", type=click.IntRange(0, MOST_TRIMMED), default=5, help=text("cli-help-calibrate-trim")
    )
    @click.option("--minimum", type=click.IntRange(1), default=10, help=text("cli-help-calibrate-minimum"))
    @click.option("--reference", help=text("cli-help-calibrate-reference"))
    @click.option("--all", "everything", is_flag=True, help=text("cli-help-compare-all"))
    @click.option("-o", "--output", type=click.Path(path_type=Path), help=text("cli-help-calibrate-output"))
    @pass_session
    def calibrate_(
        session: Session,
        name: str | None,
        by: str,
        effort: str,
        trim: int,
        minimum: int,
        reference: str | None,
        everything: bool,
        output: Path | None,
    ) -> None:
        check_form(output, (".toml",))
        method = Method(efforts_of(effort), trim, minimum, reference)
        now = in_force(session)
        wanted = name or session.deployment.policy.periods[-1]
        snapshot = snapshot_of(session, now.policy, [wanted])
        window = period(wanted, now.policy.file.calendar)
        workdays = _workdays(session, now.policy) if "workdays" in method.efforts else None
        observed = observe(snapshot, now.policy, window, by, list(method.efforts), workdays)
        calibration = calibrate(observed, method)
        proposed = proposals(now.policy, window, calibration, by)
        draft = _draft(observed, calibration, proposed, snapshot.categories)
        if output is not None:
            if not draft:
                raise StopError("calibrate-nothing-new")
            write_whole(output, draft.encode())
        effect = _effect(snapshot, now.label, now.policy, observed, proposed, draft)
        _tell(session, snapshot, observed, calibration, proposed, effect, output, everything=everything)

    return calibrate_


def efforts_of(given: str) -> dict[str, Fraction]:
    """Return the declared weights of efforts, made to come to 1: ``duration=2,documents=1``.

    Raises:
        StopError: an effort is unknown or named twice, or a weight is no number above zero.
    """
    weights: dict[str, Fraction] = {}
    for part in given.replace("，", ",").split(","):
        kind, _, told = (each.strip() for each in part.partition("="))
        try:
            given_weight = Decimal(told or "1")
        except InvalidOperation:
            given_weight = Decimal(0)
        fit = given_weight.is_finite() and Decimal("0.000001") <= given_weight <= Decimal(10) ** 6
        weight = Fraction(given_weight) if fit else Fraction(0)  # looked at before any arithmetic on it
        if kind not in EFFORTS or kind in weights or weight <= 0:
            raise StopError("calibrate-effort", given=part.strip(), known="、".join(EFFORTS))
        weights[kind] = weight
    whole = sum(weights.values(), start=Fraction(0))
    return {kind: weight / whole for kind, weight in weights.items()}


def _workdays(session: Session, policy: Policy) -> pa.Table:
    if policy.workdays is not None:
        return policy.workdays
    name = (policy.file.calendar or CALENDAR_YEAR).workdays
    file = session.registry.calendar_files().get(name)
    if file is None:
        raise StopError("policy-no-calendar", where="[calendar] workdays", name=name)
    calendar = read_calendar(file.read_text(encoding="utf-8"), file.name, name)
    if isinstance(calendar, list):
        raise FaultsError(calendar)
    return calendar.table()


def _draft(
    observed: Observed,
    calibration: Calibration,
    proposed: Sequence[Proposal],
    names: Mapping[str, str],
) -> str:
    """Return the draft as it is written to a file; what is tried is that same text."""
    head = [
        text("calibrate-draft-head", period=observed.period.label, cases=len(observed.cases)),
        method_text(calibration.method),
        *([text("calibrate-no-factor")] if any(each.held is None for each in proposed) else []),
    ]
    return draft_text(proposed, observed.period, names, head)


def _effect(
    snapshot: Snapshot,
    label: str,
    policy: Policy,
    observed: Observed,
    proposed: Sequence[Proposal],
    draft: str,
) -> Comparison | None:
    """Return what the proposal does to the scores; None where the policy has no parameter that it could go into."""
    if not draft or all(each.held is None for each in proposed):
        return None
    tried = with_draft_text(policy, draft, "calibrate.toml")
    return compare(
        snapshot,
        side(snapshot, policy, observed.period, label),
        side(snapshot, tried, observed.period, text("calibrate-label")),
    )


def _tell(
    session: Session,
    snapshot: Snapshot,
    observed: Observed,
    calibration: Calibration,
    proposed: Sequence[Proposal],
    effect: Comparison | None,
    output: Path | None,
    *,
    everything: bool,
) -> None:
    members, names = snapshot.members[observed.period.id], snapshot.categories
    notices = [text("compare-not-kept")]
    corrections = None if effect is None else corrections_in(session, observed.period)
    if corrections is not None:
        notices.append(left_out_text(corrections))
    if all(each.held is None for each in proposed):
        notices.append(text("calibrate-no-factor"))
    if snapshot.incomplete:
        notices.append(text("notice-incomplete", sources="、".join(snapshot.incomplete)))
    if session.flags.json:
        told = calibration_json(observed, calibration, proposed, names, members)
        compared = None if effect is None else comparison_json(effect, members)
        file = {} if output is None else {"file": str(output)}
        print_json({"facts_at": snapshot.facts_at, **told, "effect": compared, "notices": notices, **file})
        return
    left_out = {"unfinished": observed.unfinished, "unclear": observed.unclear}
    print_line(text("calibrate-cases", period=observed.period.label, cases=len(observed.cases), **left_out))
    blocks: list[Block] = [types(calibration, names), targets(proposed, names), loads(calibration, members)]
    blocks += [] if effect is None else summary(effect, members)
    for block in blocks:
        print_block(block if everything else block.first(SHOWN))
    for line in notices:
        print_line(line)
    if output is not None:
        print_line(text("compare-written", file=output))
