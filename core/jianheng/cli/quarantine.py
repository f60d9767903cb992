"""``jianheng quarantine``: which source records could not be taken, who mends them, and what happens until then."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from jianheng.cli.exit_codes import ExitCode
from jianheng.cli.login import login
from jianheng.cli.output import check_place, print_json, print_line, problem_json, write_whole
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import keyring_of, sealed_store_of
from jianheng.errors import StopError
from jianheng.facts.time import wall_time
from jianheng.messages import text
from jianheng.store import audit
from jianheng.store.engine import moment, told_time, writing
from jianheng.sync import entries as held
from jianheng.sync.mending import workbook
from jianheng.sync.replay import replay_entries

BATCH = 500
"""Rows that are sealed again in one transaction."""

AUDITED = 1000
"""Numbers that one line of the audit names; how many there were is always told."""

Command = Callable[..., Any]


def command() -> click.Command:
    """Return the group; alone it lists."""

    @click.group("quarantine", help=text("cli-help-quarantine"), invoke_without_command=True)
    @click.pass_context
    @pass_session
    def quarantine(session: Session, context: click.Context) -> None:
        if context.invoked_subcommand is None:
            tell(session, held.Wanted())

    for make in (_list, _show, _assign, _waive, _unwaive, _replay, _export, _rekey):
        quarantine.add_command(make())
    return quarantine


def _narrowed(inner: Command) -> Command:
    """Give a command the options that narrow down what it speaks of."""
    for name in ("code", "owner", "stream", "source"):
        inner = click.option(f"--{name}", default="", help=text(f"cli-help-quarantine-{name}"))(inner)
    return inner


def _wanted(
    narrowed: Mapping[str, str], numbers: tuple[int, ...] = (), states: tuple[held.State, ...] = ()
) -> held.Wanted:
    """Return which entries the options of :func:`_narrowed` ask for."""
    return held.Wanted(
        numbers, narrowed["source"], narrowed["stream"], narrowed["owner"], narrowed["code"], states
    )


def _numbers(inner: Command) -> Command:
    metavar = text("cli-help-quarantine-numbers")
    return click.argument("numbers", nargs=-1, type=int, required=True, metavar=metavar)(inner)


def _by(inner: Command) -> Command:
    return click.option("--by", default=login, help=text("cli-help-quarantine-by"))(inner)


@contextmanager
def _store(session: Session) -> Iterator[tuple[sa.Engine, str]]:
    with sealed_store_of(session) as store:
        yield store, session.deployment.office.code


def _list() -> click.Command:
    @click.command("list", help=text("cli-help-quarantine-list"))
    @_narrowed
    @click.option(
        "--state",
        "states",
        type=click.Choice(held.STATES),
        multiple=True,
        help=text("cli-help-quarantine-state"),
    )
    @pass_session
    def list_(session: Session, /, states: tuple[held.State, ...], **narrowed: str) -> None:
        tell(session, _wanted(narrowed, states=states))

    return list_


def tell(session: Session, wanted: held.Wanted) -> None:
    """Print the entries that are wanted."""
    with _store(session) as (store, office), store.connect() as connection:
        found = held.entries(connection, office, wanted)
    if session.flags.json:
        print_json({"quarantine": [_json(entry) for entry in found]})
        return
    for entry in found:
        _print(entry)
    if not found:
        print_line(text("cli-quarantine-none"))


def _print(entry: held.Entry, *, whole: bool = False) -> None:
    place = {"source": entry.source, "stream": entry.stream, "key": entry.record_key}
    print_line(text("cli-quarantine-head", id=entry.quarantine_id, **place))
    for each in entry.problems:
        print_line("\n".join(f"  {line}" for line in each.message().as_text().splitlines()))
    if entry.state == "waived" or (whole and entry.waiver):
        told = {"by": entry.waived_by, "until": _until(entry), "why": entry.waiver}
        print_line(text("cli-quarantine-waived", **told))
    if whole:
        state = text(f"cli-quarantine-state-{entry.state}")
        times = {
            "first": told_time(entry.first_seen),
            "last": told_time(entry.last_seen),
            "attempts": entry.attempts,
        }
        print_line(text("cli-quarantine-more", state=state, owner=entry.owner or "—", **times))
        touched = {"day": entry.day or "—", "case_no": entry.case_no or "—"}
        print_line(text("cli-quarantine-touches", **touched))
        print_line(text("cli-quarantine-kept" if entry.kept else "cli-quarantine-not-kept"))


def _until(entry: held.Entry) -> str:
    """Return the last day on which a waiver holds; nothing without one."""
    return "" if entry.waived_until is None else wall_time(moment(entry.waived_until - 1)).date().isoformat()


def _json(entry: held.Entry) -> dict[str, object]:
    return {
        "id": entry.quarantine_id,
        "source": entry.source,
        "stream": entry.stream,
        "entity": entry.entity,
        "record_key": entry.record_key,
        "locator": entry.locator,
        "attempts": entry.attempts,
        "state": entry.state,
        "owner": entry.owner,
        "waived_until": _until(entry) or None,
        "waived_by": entry.waived_by,
        "waiver": entry.waiver,
        "first_seen": told_time(entry.first_seen),
        "last_seen": told_time(entry.last_seen),
        "day": None if entry.day is None else entry.day.isoformat(),
        "case_no": entry.case_no,
        "kept": entry.kept,
        "problems": [problem_json(each) for each in entry.problems],
    }


def _show() -> click.Command:
    @click.command("show", help=text("cli-help-quarantine-show"))
    @click.argument("number", type=int, metavar=text("cli-help-quarantine-number"))
    @click.option("--with-payload", is_flag=True, help=text("cli-help-quarantine-with-payload"))
    @_by
    @pass_session
    def show(session: Session, number: int, with_payload: bool, by: str) -> None:
        with _store(session) as (store, office):
            with store.connect() as connection:
                wanted = held.Wanted(numbers=(number,), states=held.STATES)
                found = held.entries(connection, office, wanted)
            if not found:
                raise StopError("quarantine-unknown", numbers=str(number))
            rows = _opened(store, office, found, by) if with_payload else {}
        if session.flags.json:
            said = {"payload": rows.get(number)} if with_payload else {}
            print_json({"entry": {**_json(found[0]), **said}})
            return
        _print(found[0], whole=True)
        for name, value in rows.get(number, {}).items():
            click.echo(f"    {name}: {value}")

    return show


def _opened(store: sa.Engine, office: str, found: list[held.Entry], by: str) -> dict[int, dict[str, Any]]:
    """Return what rows said, having recorded who looked before anything is shown."""
    numbers = [each.quarantine_id for each in found]
    with writing(store) as connection:
        rows = held.rows_of(connection, office, numbers)
        told = {"numbers": numbers[:AUDITED], "count": len(numbers), "opened": len(rows)}
        audit.record(connection, office, by, "quarantine-payload", f"{len(numbers)}", told)
    return {number: dict(row) for number, row in rows.items()}


def _assign() -> click.Command:
    @click.command("assign", help=text("cli-help-quarantine-assign"))
    @_numbers
    @click.option("--to", "owner", required=True, help=text("cli-help-quarantine-to"))
    @_by
    @pass_session
    def assign(session: Session, numbers: tuple[int, ...], owner: str, by: str) -> None:
        with _store(session) as (store, office), writing(store) as connection:
            held.assign(connection, office, numbers, owner.strip(), by)
        _changed(session, numbers)

    return assign


def _waive() -> click.Command:
    @click.command("waive", help=text("cli-help-quarantine-waive"))
    @_numbers
    @click.option(
        "--until", type=click.DateTime(["%Y-%m-%d"]), required=True, help=text("cli-help-quarantine-until")
    )
    @click.option("--reason", required=True, help=text("cli-help-quarantine-reason"))
    @_by
    @pass_session
    def waive(session: Session, numbers: tuple[int, ...], until: dt.datetime, reason: str, by: str) -> None:
        with _store(session) as (store, office), writing(store) as connection:
            held.waive(connection, office, numbers, until.date(), reason, by)
        _changed(session, numbers)

    return waive


def _unwaive() -> click.Command:
    @click.command("unwaive", help=text("cli-help-quarantine-unwaive"))
    @_numbers
    @_by
    @pass_session
    def unwaive(session: Session, numbers: tuple[int, ...], by: str) -> None:
        with _store(session) as (store, office), writing(store) as connection:
            held.unwaive(connection, office, numbers, by)
        _changed(session, numbers)

    return unwaive


def _changed(session: Session, numbers: tuple[int, ...]) -> None:
    count = len(set(numbers))
    if session.flags.json:
        print_json({"changed": count})
    else:
        print_line(text("cli-quarantine-changed", count=count))


def _replay() -> click.Command:
    @click.command("replay", help=text("cli-help-quarantine-replay"))
    @click.argument("numbers", nargs=-1, type=int, metavar=text("cli-help-quarantine-numbers"))
    @_narrowed
    @pass_session
    def replay(session: Session, /, numbers: tuple[int, ...], **narrowed: str) -> int:
        wanted = _wanted(narrowed, numbers)
        with _store(session) as (store, office):
            with store.connect() as connection:
                found = {each.quarantine_id for each in held.entries(connection, office, wanted)}
            if set(numbers) - found:
                missing = sorted(set(numbers) - found)
                raise StopError("quarantine-unknown", numbers="、".join(map(str, missing)))
            done = replay_entries(store, office, wanted)
        if session.flags.json:
            print_json({"replayed": [each.as_json() for each in done]})
        else:
            for each in done:
                print_line(text("cli-quarantine-replayed", **each.as_json()))
            if not done:
                print_line(text("cli-quarantine-none"))
        left = any(each.counts.quarantined or each.waiting for each in done)
        return ExitCode.SET_ASIDE if left else ExitCode.OK

    return replay


def _export() -> click.Command:
    @click.command("export", help=text("cli-help-quarantine-export"))
    @click.argument("file", type=click.Path(path_type=Path), metavar=text("cli-help-quarantine-file"))
    @_narrowed
    @click.option("--with-payload", is_flag=True, help=text("cli-help-quarantine-with-payload"))
    @_by
    @pass_session
    def export(session: Session, /, file: Path, with_payload: bool, by: str, **narrowed: str) -> None:
        check_place(file)
        with _store(session) as (store, office):
            with store.connect() as connection:
                found = held.entries(connection, office, _wanted(narrowed))
            rows = _opened(store, office, found, by) if with_payload else None
        write_whole(file, workbook(found, rows))
        if session.flags.json:
            print_json({"file": str(file), "records": len(found)})
        else:
            print_line(text("cli-quarantine-exported", count=len(found), file=file))

    return export


def _rekey() -> click.Command:
    @click.command("rekey", help=text("cli-help-quarantine-rekey"))
    @_by
    @pass_session
    def rekey(session: Session, by: str) -> None:
        keys = keyring_of(session)
        if keys is None:
            raise StopError("quarantine-no-key")
        sealed, lost, left = 0, 0, 1
        with _store(session) as (store, office):
            while left:
                with writing(store) as connection:
                    more, gone, left = held.reseal(connection, office, BATCH)
                    sealed, lost = sealed + more, lost + gone
            with writing(store) as connection:
                told = {"key": keys.current.number, "sealed": sealed, "lost": lost}
                audit.record(connection, office, by, "quarantine-rekey", keys.current.number, told)
        if session.flags.json:
            print_json({"key": keys.current.number, "sealed": sealed, "lost": lost})
        else:
            print_line(text("cli-quarantine-rekeyed", number=keys.current.number, count=sealed, lost=lost))

    return rekey
