"""``jianheng close``: closing a period, its receipt, the list of what is closed."""

import datetime as dt
import getpass
from collections.abc import Sequence
from pathlib import Path

import click

from jianheng.cli.adjustments import connected
from jianheng.cli.output import print_json, print_line, print_table
from jianheng.cli.services import last_period_of, office_of, policy_of, store_of
from jianheng.cli.session import Session, pass_session
from jianheng.errors import StopError
from jianheng.facts.time import SHANGHAI, wall_time
from jianheng.messages import text
from jianheng.scoring.closing.close import close_period
from jianheng.scoring.closing.receipt import Receipt, broken_parts, read_receipt
from jianheng.scoring.law.points import shown
from jianheng.scoring.records.closed_periods import closed_periods, get_closed, receipt_text
from jianheng.scoring.records.scope import Subject
from jianheng.store.engine import moment


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
        if file is not None:
            verify(session, file)
        elif listing:
            list_closed(session)
        elif period is None:
            context = click.get_current_context()
            raise click.MissingParameter(ctx=context, param=context.command.params[0])
        elif show:
            tell(session, kept_receipt(session, period), output)
        else:
            tell(session, close_one(session, period, by, waived), output)

    return close


def today() -> dt.date:
    """Return the present day in Shanghai."""
    return dt.datetime.now(SHANGHAI).date()


def close_one(session: Session, name: str, by: str | None, waived: Sequence[int] = ()) -> Receipt:
    """Close a period."""
    policy, office = policy_of(session), office_of(session)
    subject = Subject(office.code, office.units, office.source_order)
    period = last_period_of(session, policy, name)
    store = store_of(session)
    try:
        return close_period(store, subject, policy, period, today(), _login() if by is None else by, waived)
    finally:
        store.dispose()


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name
        return ""


def kept_receipt(session: Session, period: str) -> Receipt:
    """Return the receipt of a closed period."""
    with connected(session) as (connection, office, policy):
        closed = get_closed(connection, office, policy, period)
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
                "facts_at": _at(each.facts_at),
                "closed_at": _at(each.closed_at),
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
                _at(each.facts_at),
                _at(each.closed_at),
                each.closed_by,
                each.receipt_hash,
            )
            for each in found
        ]
        print_table([text(f"close-column-{name}") for name in columns], rows)
    else:
        print_line(text("close-none"))


def _at(us: int) -> str:
    return wall_time(moment(us)).isoformat(sep=" ", timespec="seconds")


def tell(session: Session, receipt: Receipt, output: Path | None) -> None:
    """Print a receipt, or write it to a file."""
    if output is not None:
        try:
            output.write_text(receipt.model_dump_json(indent=1), encoding="utf-8")
        except OSError as error:
            raise StopError("receipt-file", file=str(output), told=error.strerror or "") from None
    if session.flags.json:
        print_json({"receipt": receipt.model_dump(mode="json")})
        return
    closing, summary = receipt.closing, receipt.summary
    numbers = {name: shown(getattr(summary, name)) for name in ("points", "provisional", "withheld")}
    counts = {name: getattr(summary, name) for name in ("people", "entries", "provisional_entries")}
    who = {name: getattr(closing, name) for name in ("label", "period", "policy", "program", "closed_by")}
    when = {"facts_at": _at(closing.facts_at), "closed_at": _at(closing.closed_at)}
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
