"""``jianheng status``: how the office stands, on one page."""

from collections.abc import Sequence
from dataclasses import asdict

import click
import sqlalchemy as sa

from jianheng.cli.output import print_json, print_line, print_table
from jianheng.cli.runs import run_word
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import store_of
from jianheng.messages import text
from jianheng.schedule.status import Status, read_status
from jianheng.store.engine import told_time

SECOND_US = 1_000_000
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400


def command() -> click.Command:
    """Return the command."""

    @click.command("status", help=text("cli-help-status"))
    @pass_session
    def status(session: Session) -> None:
        with store_of(session) as store:
            found = status_of(session, store)
        if session.flags.json:
            print_json(asdict(found))
            return
        _print(found)

    return status


def status_of(session: Session, store: sa.Engine) -> Status:
    """Return how the deployment's office stands."""
    deployment = session.deployment
    with store.connect() as connection:
        return read_status(
            connection, deployment.office.code, tuple(deployment.sources), tuple(deployment.schedule.jobs)
        )


def _print(found: Status) -> None:
    def age(us: int | None) -> str:
        return "" if us is None else text("cli-status-ago", time=told_time(us), age=_age(found.now - us))

    _table(
        "sources",
        ("source", "state", "last-good", "quarantined"),
        [(each.source, run_word(each.state), age(each.last_good), each.quarantine) for each in found.sources],
    )
    _table(
        "jobs",
        ("job", "state", "slot", "last-good"),
        [
            (each.job, text(f"cli-slot-{each.state}"), _time(each.slot_at), age(each.last_done))
            for each in found.jobs
        ],
    )
    outbox = [(each.target, each.state, each.count, age(each.since)) for each in found.outbox]
    _table("outbox", ("target", "state", "count", "since"), outbox)
    leases = [(each.name, each.holder, age(each.since)) for each in found.leases]
    _table("leases", ("lease", "holder", "since"), leases)
    paused = [(each.source, each.stream, each.by, age(each.since), each.reason) for each in found.paused]
    _table("paused", ("source", "stream", "by", "since", "reason"), paused)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    if rows:
        headings = [text(f"cli-column-{each}") for each in columns]
        print_table(headings, rows, title=text(f"cli-status-{title}"))
    else:
        print_line(text("cli-status-none", what=text(f"cli-status-{title}")))


def _time(us: int | None) -> str:
    return "" if us is None else told_time(us)


def _age(us: int) -> str:
    seconds = max(us, 0) // SECOND_US
    days, hours, minutes = seconds // DAY_S, seconds % DAY_S // HOUR_S, seconds % HOUR_S // MINUTE_S
    if days:
        return text("cli-age-days", days=days, hours=hours)
    return (
        text("cli-age-hours", hours=hours, minutes=minutes)
        if hours
        else text("cli-age-minutes", minutes=minutes)
    )
