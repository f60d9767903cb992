"""``jianheng adjustments``: what came to light about a closed period since."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
import sqlalchemy as sa

from jianheng.cli.output import print_json, print_line, print_table
from jianheng.cli.services import policy_of
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import store_of
from jianheng.errors import JianhengError, StopError
from jianheng.messages import text
from jianheng.scoring.closing.adjustments import Adjustment, Adjustments, Moved, adjustments_of
from jianheng.scoring.law.pack import Calendar
from jianheng.scoring.law.period import period
from jianheng.scoring.law.points import shown
from jianheng.scoring.records.closed_periods import ClosedPeriod, find_closed, get_closed
from jianheng.scoring.records.scope import read_facts

SHOWN = 30
"""Lines on the terminal unless all are asked for."""


def command() -> click.Command:
    """Return the command."""

    @click.command("adjustments", help=text("cli-help-adjustments"))
    @click.argument("name", metavar=text("cli-help-close-period"))
    @click.option("--all", "everything", is_flag=True, help=text("cli-help-adjustments-all", count=SHOWN))
    @pass_session
    def adjustments(session: Session, name: str, everything: bool) -> None:
        with connected(session) as (connection, office, policy):
            closed = closed_of(session, connection, office, policy, name)
            found = adjustments_of(connection, closed, read_facts(connection, office))
        if session.flags.json:
            print_json(adjustments_json(found))
        else:
            tell_adjustments(found, None if everything else SHOWN)

    return adjustments


@contextmanager
def connected(session: Session) -> Iterator[tuple[sa.Connection, str, str]]:
    """Open the store to read; the office and the policy by name, so that the pack itself need not be there."""
    with store_of(session) as store, store.connect() as connection:
        yield connection, session.deployment.office.code, session.deployment.policy.pack


def closed_of(
    session: Session, connection: sa.Connection, office: str, policy: str, name: str
) -> ClosedPeriod:
    """Return a closed period by name.

    Raises:
        StopError: the name is no period, or the period is open.
    """
    found = find_closed(connection, office, policy, name)
    if found is not None:
        return found
    try:
        period(name)
    except (
        StopError
    ):  # a name that is no year, half, quarter or month may be one that the policy's calendar has
        period(name, _calendar(session))
    return get_closed(connection, office, policy, name)


def _calendar(session: Session) -> Calendar | None:
    """Return the calendar of the policy; of one that cannot be loaded any more nothing is known."""
    try:
        return policy_of(session).file.calendar
    except JianhengError:
        return None


def adjustments_json(found: Adjustments) -> dict[str, Any]:
    """Return adjustments as plain data; points as exact decimal texts."""
    return {
        "period": found.closed.period,
        "rule": found.closed.adjustments,
        "receipt": found.closed.receipt_hash,
        "difference": shown(sum(each.difference for each in found.lines)),
        "lines": [_line_json(each) for each in found.lines],
        "totals": [_moved_json(each) for each in found.totals],
        "values": [{"indicator": each.indicator, **_moved_json(each)} for each in found.values],
    }


def _line_json(line: Adjustment) -> dict[str, Any]:
    names = (
        "kind",
        "person_key",
        "sheet",
        "measure",
        "rule_id",
        "indicator",
        "case_no",
        "item_kind",
        "item_key",
    )
    return {
        **{
            name: getattr(line, name) for name in (*names, "item_label", "entry_id", "was_state", "now_state")
        },
        "day": str(line.day),
        "was": shown(line.was),
        "now": shown(line.now),
        "difference": shown(line.difference),
    }


def _moved_json(moved: Moved) -> dict[str, Any]:
    return {
        "person_key": moved.person_key,
        "sheet": moved.sheet,
        "was": None if moved.was is None else shown(moved.was),
        "now": None if moved.now is None else shown(moved.now),
    }


def tell_adjustments(found: Adjustments, most: int | None) -> None:
    """Print adjustments as tables; ``most`` lines, all when None."""
    name = found.closed.period
    if not found.lines and not found.totals:
        print_line(text("adjust-none", period=name))
        return
    told = {"count": len(found.lines), "people": len({each.person_key for each in found.totals})}
    difference = shown(sum(each.difference for each in found.lines))
    rule = text(f"adjust-rule-{found.closed.adjustments}")
    print_line(text("adjust-head", period=name, rule=rule, difference=difference, **told))
    listed = found.lines if most is None else found.lines[:most]
    columns = ("kind", "person", "rule", "item", "case", "day", "was", "now", "difference")
    rows = [
        (
            text(f"adjust-kind-{each.kind}"),
            each.person_key,
            each.rule_id,
            each.item_label or each.item_key,
            each.case_no,
            each.day,
            shown(each.was) if each.entry_id else "",
            shown(each.now) if each.now_state else "",
            shown(each.difference),
        )
        for each in listed
    ]
    print_table([text(f"adjust-column-{name}") for name in columns], rows)
    if len(found.lines) > len(listed):
        print_line(text("adjust-more", count=len(found.lines) - len(listed)))
    totals = [
        (
            each.person_key,
            each.sheet,
            *("" if value is None else shown(value) for value in (each.was, each.now)),
        )
        for each in found.totals
    ]
    if totals:
        heads = ("adjust-column-person", "adjust-column-total", "adjust-column-was", "adjust-column-now")
        print_table([text(name) for name in heads], totals)
