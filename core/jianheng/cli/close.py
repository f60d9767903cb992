"""``jianheng close``: closing a period, its receipt, the list of what is closed."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import click

from jianheng.cli.adjustments import closed_of, connected
from jianheng.cli.login import login
from jianheng.cli.output import check_place, print_json, print_line, print_table, write_whole
from jianheng.cli.services import last_period_of, office_of, policy_of
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import store_of
from jianheng.cli.usage import parameter_name
from jianheng.errors import StopError
from jianheng.facts.time import SHANGHAI
from jianheng.messages import text
from jianheng.scoring.closing.close import close_period
from jianheng.scoring.closing.receipt import Receipt, broken_parts, read_receipt
from jianheng.scoring.law.points import shown
from jianheng.scoring.records.closed_periods import closed_periods, receipt_text
from jianheng.scoring.records.scope import Subject
from jianheng.store.engine import told_time


def command() -> click.Command:
    """Return the command."""

    @click.command("close", help=text("cli-help-close"))
    @click.argument("period", required=False, metavar=text("cli-help-close-period"))
    @click.option("--by", help=text("cli-help-close-by"))
    @click.option("--waive", "waived", type=int, multiple=True, help=text("cli-help-close-waive"))
    @click.option("--list", "listing", is_flag=True, help=text("cli-help-close-list"))
    @click.option("--show", is_flag=True, help=text("cli-help-close-show"))
    @click.option("-o", "--output", type=click.Path(path_type=Path), help=text("cli-help-close-output"))
    @click.option("--verify", "file", type=click.Path(path_type=Path), help=text("cli-help-close-verify"))
    @pass_session
    def close(
        session: Session,
        period: str | None,
        by: str | None,
        waived: tuple[int, ...],
        listing: bool,
        show: bool,
        output: Path | None,
        file: Path | None,
    ) -> None:
        check_together()
        check_place(output)
        if file is not None:
            verify(session, file)
        elif listing:
            list_closed(session)
        elif period is None:
            context = click.get_current_context()
            raise click.MissingParameter(ctx=context, param=context.command.params[0])
        elif show:
            receipt = kept_receipt(session, period)
            write(output, receipt)
            tell(session, receipt, output)
        else:
            receipt = close_one(session, period, by, waived)
            try:
                write(output, receipt)
            except StopError as error:  # too late to undo: whoever reads this must know that it is closed
                raise StopError("cli-receipt-unwritten", period=period, **error.problem.fields) from None
            tell(session, receipt, output)

    return close


ALONE = {"file": (), "listing": (), "show": ("period", "output")}
"""What does something else than closing, with what it may be used with."""


def check_together() -> None:
    """Refuse options and a period that would have no effect.

    Raises:
        StopError: some do not go with what else is to be done.
    """
    context = click.get_current_context()
    given = [each for each in context.command.params if context.params.get(str(each.name))]
    for each in given:
        if str(each.name) not in ALONE:
            continue
        others = [one for one in given if one is not each and str(one.name) not in ALONE[str(each.name)]]
        if others:
            told = {"given": parameter_name(each), "other": "、".join(map(parameter_name, others))}
            raise StopError("cli-not-together", command=context.command_path, **told)


def today() -> dt.date:
    """Return the present day in Shanghai."""
    return dt.datetime.now(SHANGHAI).date()


def close_one(session: Session, name: str, by: str | None, waived: Sequence[int] = ()) -> Receipt:
    """Close a period."""
    policy, office = policy_of(session), office_of(session)
    subject = Subject(office.code, office.units, office.source_order)
    period = last_period_of(session, policy, name)
    with store_of(session) as store:
        return close_period(store, subject, policy, period, today(), login() if by is None else by, waived)


def kept_receipt(session: Session, period: str) -> Receipt:
    """Return the receipt of a closed period."""
    with connected(session) as (connection, office, policy):
        closed = closed_of(session, connection, office, policy, period)
        return read_receipt(receipt_text(connection, closed), f"closed_period {period}")


def verify(session: Session, file: Path) -> None:
    """Verify that a receipt file holds together.

    Raises:
        StopError: it does not, or is no receipt.
    """
    try:
        written = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StopError(
            "receipt-file", file=str(file), told=getattr(error, "strerror", None) or "UTF-8"
        ) from None
    receipt = read_receipt(written, str(file))
    broken = broken_parts(receipt)
    if broken:
        raise StopError("receipt-broken", where=str(file), parts="、".join(broken))
    told = {"policy": receipt.closing.policy, "period": receipt.closing.period, "root": receipt.root}
    if session.flags.json:
        print_json(told)
    else:
        print_line(text("close-verified", **told))


def list_closed(session: Session) -> None:
    """Print what is closed."""
    with connected(session) as (connection, office, policy):
        found = closed_periods(connection, office, policy)
    if session.flags.json:
        told = [
            {
                "period": each.period,
                "policy_version": each.policy_version,
                "facts_at": told_time(each.facts_at),
                "closed_at": told_time(each.closed_at),
                "closed_by": each.closed_by,
                "adjustments": each.adjustments,
                "root": each.receipt_hash,
            }
            for each in found
        ]
        print_json({"closed": told})
    elif found:
        columns = ("period", "policy", "facts-at", "closed-at", "by", "receipt")
        rows = [
            (
                each.period,
                each.policy_version[:12],
                told_time(each.facts_at),
                told_time(each.closed_at),
                each.closed_by,
                each.receipt_hash,
            )
            for each in found
        ]
        print_table([text(f"close-column-{name}") for name in columns], rows)
    else:
        print_line(text("close-none"))


def write(output: Path | None, receipt: Receipt) -> None:
    """Write a receipt to a file, if one is named."""
    if output is not None:
        write_whole(output, receipt.model_dump_json(indent=1).encode())


def tell(session: Session, receipt: Receipt, output: Path | None) -> None:
    """Print a receipt, and say in which file it stands."""
    if session.flags.json:
        print_json({"receipt": receipt.model_dump(mode="json")})
        return
    closing, summary = receipt.closing, receipt.summary
    numbers = {name: shown(getattr(summary, name)) for name in ("points", "provisional", "withheld")}
    counts = {name: getattr(summary, name) for name in ("people", "entries", "provisional_entries")}
    who = {name: getattr(closing, name) for name in ("label", "period", "policy", "program", "closed_by")}
    when = {"facts_at": told_time(closing.facts_at), "closed_at": told_time(closing.closed_at)}
    version, engine = closing.policy_version[:12], receipt.engine["version"]
    print_line(
        text(
            "close-line",
            root=receipt.root,
            version=version,
            engine=engine,
            **who,
            **when,
            **numbers,
            **counts,
        )
    )
    if closing.waived:
        records = "; ".join(f"#{each.number} {each.source} {each.record_key}" for each in closing.waived)
        print_line(text("close-line-waived", records=records))
    if closing.corrects:
        print_line(text("close-line-corrects", periods="、".join(closing.corrects)))
    rows = [(name, part.leaves, part.hash) for name, part in receipt.parts.items()]
    print_table([text(f"close-column-{name}") for name in ("part", "leaves", "hash")], rows)
    if output is not None:
        print_line(text("close-written", file=output))
