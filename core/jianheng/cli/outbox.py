"""``jianheng outbox``: what is to leave and has not, why, and what to do about it."""

from collections.abc import Sequence

import click

from jianheng.cli.login import login
from jianheng.cli.output import print_json, print_line, print_problems, print_table, problem_json
from jianheng.cli.sending import target_opener
from jianheng.cli.session import Session, learn_words, pass_session
from jianheng.cli.storage import store_of
from jianheng.errors import StopError
from jianheng.messages import text
from jianheng.publish import outbox_entries as kept
from jianheng.publish.outbox import SendReport, send_due
from jianheng.store.engine import moment, now_us, told_time

_COLUMNS = ("id", "target", "kind", "subject", "state", "attempts", "since", "next")


def command() -> click.Command:
    """Return the group."""

    @click.group("outbox", help=text("cli-help-outbox"))
    def outbox() -> None:
        pass

    for each in (_list(), _send(), _retry(), _drop()):
        outbox.add_command(each)
    return outbox


def send_all(session: Session, only: Sequence[int] | None = None) -> SendReport:
    """Send what is due, or some entries whether due or not."""
    with store_of(session) as store:
        office = session.deployment.office.code
        return send_due(store, office, target_opener(session), now_us(), only=only)


def _list() -> click.Command:
    @click.command("list", help=text("cli-help-outbox-list"))
    @click.option("--all", "also_ended", is_flag=True, help=text("cli-help-outbox-all"))
    @pass_session
    def list_(session: Session, also_ended: bool) -> None:
        office = session.deployment.office.code
        learn_words(session)
        with store_of(session) as store:
            with store.connect() as connection:
                found = kept.entries(connection, office, also_ended=also_ended)
            counts = kept.waiting(store, office)
        if session.flags.json:
            told = {state: getattr(counts, state) for state in ("waiting", "sending", "stopped")}
            print_json({"counts": told, "outbox": [_json(each) for each in found]})
            return
        if not found:
            print_line(text("cli-outbox-none"))
            return
        print_table([text(f"cli-outbox-{name}") for name in _COLUMNS], [_cells(each) for each in found])
        for each in (entry for entry in found if entry.problems):
            print_line(text("cli-outbox-head", id=each.outbox_id, target=each.target, subject=each.subject))
            for problem in each.problems:
                print_line("\n".join(f"  {line}" for line in problem.message().as_text().splitlines()))

    return list_


def _send() -> click.Command:
    @click.command("send", help=text("cli-help-outbox-send"))
    @pass_session
    def send(session: Session) -> int:
        return tell(session, send_all(session))

    return send


def _retry() -> click.Command:
    @click.command("retry", help=text("cli-help-outbox-retry"))
    @click.argument("ids", nargs=-1, type=int, metavar=text("cli-help-outbox-ids-or-all"))
    @click.option("--by", help=text("cli-help-outbox-by"))
    @pass_session
    def retry(session: Session, ids: tuple[int, ...], by: str | None) -> int:
        with store_of(session) as store:
            office = session.deployment.office.code
            due = kept.retry(store, office, ids, login() if by is None else by, now_us())
        return tell(session, send_all(session, due))

    return retry


def _drop() -> click.Command:
    @click.command("drop", help=text("cli-help-outbox-drop"))
    @click.argument("ids", nargs=-1, type=int, required=True, metavar=text("cli-help-outbox-ids"))
    @click.option("--reason", required=True, help=text("cli-help-outbox-reason"))
    @click.option("--by", help=text("cli-help-outbox-by"))
    @pass_session
    def drop(session: Session, ids: tuple[int, ...], reason: str, by: str | None) -> None:
        if not reason.strip():
            raise StopError("outbox-no-reason")
        who = login() if by is None else by
        with store_of(session) as store:
            office = session.deployment.office.code
            dropped = kept.drop(store, office, ids, who, reason.strip(), now_us())
        if session.flags.json:
            print_json({"dropped": [each.outbox_id for each in dropped]})
            return
        for each in dropped:
            told = {"id": each.outbox_id, "target": each.target, "subject": each.subject}
            print_line(text("cli-outbox-dropped", **told))

    return drop


def tell(session: Session, report: SendReport) -> int:
    """Print what was sent and what was not; return the exit code."""
    problems = [each for failure in report.failures for each in failure.error.problems]
    if session.flags.json:
        sent = [
            {"id": each.outbox_id, "target": each.target, "kind": each.kind, "period": each.period}
            | {"location": each.receipt.location, "records": each.receipt.records}
            for each in report.deliveries
        ]
        told = {"counts": report.as_json(), "sent": sent, "errors": [problem_json(each) for each in problems]}
        print_json(told, ok=not problems)
    else:
        for each in report.deliveries:
            kind = text(f"cli-kind-{each.kind}")
            where = {"location": each.receipt.location, "records": each.receipt.records}
            print_line(text("cli-publish-line", target=each.target, kind=kind, period=each.period, **where))
        if not report.deliveries and not problems:
            print_line(text("cli-outbox-nothing-due"))
        print_problems(problems, as_json=False)
    return report.failures[0].error.exit_code if report.failures else 0


def _cells(entry: kept.Entry) -> tuple[str, ...]:
    return (
        str(entry.outbox_id),
        entry.target,
        text(f"cli-kind-{entry.kind}"),
        entry.subject,
        text(f"cli-outbox-state-{entry.state}"),
        str(entry.attempts),
        told_time(entry.created_at),
        told_time(entry.next_at) if entry.state == "waiting" else "",
    )


def _json(entry: kept.Entry) -> dict[str, object]:
    return {
        "id": entry.outbox_id,
        "target": entry.target,
        "kind": entry.kind,
        "subject": entry.subject,
        "key": entry.key,
        "state": entry.state,
        "attempts": entry.attempts,
        "created_at": moment(entry.created_at),
        "next_at": moment(entry.next_at) if entry.state == "waiting" else None,
        "ended_at": None if entry.ended_at is None else moment(entry.ended_at),
        "location": None if entry.receipt is None else entry.receipt.location,
        "problems": [problem_json(each) for each in entry.problems],
    }
