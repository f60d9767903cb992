"""``jianheng reconcile``: count live rows in the systems and in the store, by unit and year; tell what differs."""

from collections.abc import Sequence

import click
import sqlalchemy as sa

from jianheng.cli.exit_codes import ExitCode
from jianheng.cli.opening import OpenSource, open_source
from jianheng.cli.output import print_json, print_line, print_problems, print_table, problem_json
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import store_of
from jianheng.contract import Countable, LiveCount, Stream
from jianheng.errors import JianhengError, Problem
from jianheng.messages import text
from jianheng.sync.engine import check_streams
from jianheng.sync.reconcile import Difference, Reconciled, entity_named, reconcile

COLUMNS = ("source", "stream", "unit", "year", "there", "here", "why")


def command() -> click.Command:
    """Return the command."""

    @click.command("reconcile", help=text("cli-help-reconcile"))
    @click.argument("sources", nargs=-1, metavar=text("cli-column-source"))
    @click.option("--stream", "streams", multiple=True, help=text("cli-help-sync-stream"))
    @pass_session
    def compare(session: Session, sources: tuple[str, ...], streams: tuple[str, ...]) -> int:
        with store_of(session) as store:
            found: list[tuple[str, Reconciled]] = []
            uncounted: list[str] = []
            failed: list[JianhengError] = []
            with store.connect() as connection:
                for name in sources or tuple(session.deployment.sources):
                    try:
                        opened = open_source(session, name)
                        counted = _reconcile_source(session, connection, opened, streams, failed)
                        opened.boundary.close()
                    except JianhengError as error:
                        failed.append(error)
                        continue
                    uncounted += [name] if counted is None else []
                    found += [(name, each) for each in counted or ()]
        _tell(session, found, uncounted, [each for error in failed for each in error.problems])
        if failed:
            passing = all(error.recovery == "retry" for error in failed)
            return ExitCode.RETRY if passing else ExitCode.STOP
        return ExitCode.SET_ASIDE if any(each.differences for _, each in found) else ExitCode.OK

    return compare


def _reconcile_source(
    session: Session,
    connection: sa.Connection,
    opened: OpenSource,
    wanted: Sequence[str],
    failed: list[JianhengError],
) -> list[Reconciled] | None:
    """Count every stream that is read; None when the adapter offers no counting."""
    source = opened.source
    if not isinstance(source, Countable):
        return None
    streams: Sequence[Stream] = opened.boundary.call("streams", source.streams)
    check_streams(opened.name, wanted, streams)
    read = set(wanted or opened.use.streams or [each.name for each in streams])
    found: list[Reconciled] = []
    for stream in streams:
        if stream.name not in read:
            continue
        try:
            counted = list(opened.boundary.iterate("count", source.count, stream.name, yields=LiveCount))
        except JianhengError as error:
            failed.append(error)
            continue
        entity = entity_named(stream.entity)
        office = session.deployment.office.code
        found.append(reconcile(connection, office, opened.name, stream.name, entity, counted))
    return found


def _tell(
    session: Session,
    found: Sequence[tuple[str, Reconciled]],
    uncounted: Sequence[str],
    problems: Sequence[Problem],
) -> None:
    different = sum(len(each.differences) for _, each in found)
    if session.flags.json:
        told = {
            "streams": [_json(name, each) for name, each in found],
            "uncounted": list(uncounted),
            "differences": different,
        }
        wrong = {"errors": [problem_json(each) for each in problems]} if problems else {}
        print_json({**told, **wrong}, ok=not problems)
        return
    if different:
        rows = [_row(name, each, part) for name, each in found for part in each.differences]
        print_table([text(f"reconcile-column-{column}") for column in COLUMNS], rows)
    for name in uncounted:
        print_line(text("reconcile-uncounted", source=name))
    if found or uncounted or not problems:
        _tell_sums(found, different)
    print_problems(problems, as_json=False)


def _tell_sums(found: Sequence[tuple[str, Reconciled]], different: int) -> None:
    there, here = sum(each.there for _, each in found), sum(each.here for _, each in found)
    code = "reconcile-differs" if different else "reconcile-agrees"
    print_line(text(code, streams=len(found), there=there, here=here, places=different))


def _row(source: str, each: Reconciled, part: Difference) -> tuple[object, ...]:
    why = "; ".join(text(f"reconcile-reason-{reason}", rows=rows) for reason, rows in part.reasons)
    return source, each.stream, part.unit_code or "-", part.year or "-", part.there, part.here, why


def _json(source: str, each: Reconciled) -> dict[str, object]:
    return {
        "source": source,
        "stream": each.stream,
        "entity": each.entity,
        "there": each.there,
        "here": each.here,
        "differences": [
            {
                "unit_code": part.unit_code,
                "year": part.year,
                "there": part.there,
                "here": part.here,
                "reasons": [{"reason": reason, "rows": rows} for reason, rows in part.reasons],
            }
            for part in each.differences
        ],
    }
