"""``jianheng sync``: read what is new, and account for every row."""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import cast

import click
from rich.progress import Progress, TaskID

from jianheng.cli.affected import affected_by
from jianheng.cli.exit_codes import ExitCode
from jianheng.cli.opening import OpenSource, open_source
from jianheng.cli.output import print_json, print_line, print_problems, print_table, problem_json
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import sealed_store_of
from jianheng.config.schedule import seconds_of
from jianheng.contract import Batch, Keyed, Ranged, Stream
from jianheng.errors import JianhengError, Problem, Recovery, StopError
from jianheng.messages import text
from jianheng.sync.counts import Counts, SourceReport
from jianheng.sync.engine import record_unread, sync_source
from jianheng.sync.pace import MOST_WAIT_S, Pace, check_quiet, pace_from, paced
from jianheng.sync.task import Reader, Span

LEFT_ALONE = frozenset({"sync-running", "store-lease-lost", "sync-quiet"})
"""Why a source was not read although nothing is wrong with it."""
_MARGIN_S = MOST_WAIT_S + 60
"""What a run may be silent beyond the time an adapter has for one step."""

COLUMNS = (
    "source",
    "stream",
    "emitted",
    "inserted",
    "changed",
    "deleted",
    "vanished",
    "unchanged",
    "duplicate",
    "quarantined",
    "result",
)


def command() -> click.Command:
    """Return the command."""

    @click.command("sync", help=text("cli-help-sync"))
    @click.argument("sources", nargs=-1, metavar=text("cli-column-source"))
    @click.option("--stream", "streams", multiple=True, help=text("cli-help-sync-stream"))
    @click.option("--accept-mass-change", is_flag=True, help=text("cli-help-accept-mass-change"))
    @click.option("--full", is_flag=True, help=text("cli-help-sync-full"))
    @click.option("--sweep", is_flag=True, help=text("cli-help-sync-sweep"))
    @click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help=text("cli-help-sync-from"))
    @click.option("--to", "end", type=click.DateTime(["%Y-%m-%d"]), help=text("cli-help-sync-to"))
    @pass_session
    def sync(
        session: Session,
        sources: tuple[str, ...],
        streams: tuple[str, ...],
        accept_mass_change: bool,
        full: bool,
        sweep: bool,
        first: dt.datetime | None,
        end: dt.datetime | None,
    ) -> int:
        reports, failed = sync_all(
            session,
            sources,
            streams,
            accept_mass_change=accept_mass_change,
            full=full,
            sweep=sweep,
            span=_span(first, end),
        )
        return tell(session, reports, failed)

    return sync


def sync_all(
    session: Session,
    sources: Sequence[str] = (),
    streams: Sequence[str] = (),
    *,
    accept_mass_change: bool = False,
    full: bool = False,
    sweep: bool = False,
    span: Span | None = None,
) -> tuple[list[SourceReport], list[JianhengError]]:
    """Sync sources in the order of the deployment; one that cannot be read keeps none of the others."""
    with sealed_store_of(session) as store:
        names = tuple(sources) or tuple(session.deployment.sources)
        unknown = [name for name in names if name not in session.deployment.sources]
        if unknown:
            open_source(session, unknown[0])  # tells which names there are
        reports: list[SourceReport] = []
        failed: list[JianhengError] = []
        with session.progress() as bars:
            for name in names:
                use = session.deployment.sources[name]
                pace = pace_from(use.quiet, use.rows_per_minute)
                try:
                    check_quiet(pace, name)
                    opened = open_source(session, name)
                    with opened.boundary:
                        reports.append(
                            sync_source(
                                store,
                                session.deployment.office.code,
                                _reader(opened, pace),
                                only=streams or opened.use.streams or (),
                                whole=not streams,
                                full=full,
                                sweep=sweep,
                                sweep_every_s=_seconds(use.sweep_every),
                                full_every_s=_seconds(use.full_every),
                                span=span,
                                lease_s=use.timeout_s + _MARGIN_S,
                                accept_mass_change=accept_mass_change,
                                progress=_Bars(bars, name),
                                affects=partial(affected_by, session),
                            )
                        )
                except JianhengError as error:
                    failed.append(error)
                    if error.code in LEFT_ALONE:  # nothing was tried: how the source stands is as it was
                        continue
                    record_unread(store, session.deployment.office.code, name, error)
    return reports, failed


class _Bars:
    """One progress bar a stream."""

    def __init__(self, bars: Progress, source: str) -> None:
        self._bars, self._source = bars, source
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stream: str, rows: int) -> None:
        if stream not in self._tasks:
            self._tasks[stream] = self._bars.add_task(f"{self._source} {stream}", total=None)
        self._bars.update(self._tasks[stream], completed=rows)


def _seconds(interval: str | None) -> float | None:
    return None if interval is None else seconds_of(interval)


def _span(first: dt.datetime | None, end: dt.datetime | None) -> Span | None:
    """Return the days asked for.

    Raises:
        StopError: one end is missing, or nothing lies between them.
    """
    if first is None and end is None:
        return None
    if first is None or end is None or first >= end:
        raise StopError(
            "sync-bad-span",
            first="—" if first is None else first.date(),
            end="—" if end is None else end.date(),
        )
    return first.date(), end.date()


def _reader(opened: OpenSource, pace: Pace) -> Reader:
    source, boundary = opened.source, opened.boundary

    def streams() -> Sequence[Stream]:
        return boundary.call("streams", source.streams)

    def read(stream: str, cursor: str | None) -> Iterator[Batch]:
        batches = boundary.iterate("read", lambda: source.read(stream, cursor), yields=Batch)
        return paced(batches, pace, opened.name)

    def keys(stream: str) -> Iterator[Sequence[str]]:
        return boundary.iterate("keys", cast("Keyed", source).keys, stream, yields=(list, tuple))

    def read_range(stream: str, span: Span, cursor: str | None) -> Iterator[Batch]:
        ranged = cast("Ranged", source).read_range
        return paced(
            boundary.iterate("read_range", ranged, stream, *span, cursor, yields=Batch), pace, opened.name
        )

    options = json.dumps(
        [opened.plugin.id, opened.plugin.version, dict(opened.context.options)], default=str, sort_keys=True
    )
    told = hashlib.blake2b((options + repr(tuple(opened.context.units))).encode(), digest_size=16)
    return Reader(
        opened.name,
        streams,
        read,
        told.hexdigest(),
        keys=keys if isinstance(source, Keyed) else None,
        read_range=read_range if isinstance(source, Ranged) else None,
    )


def tell(session: Session, reports: Sequence[SourceReport], failed: Sequence[JianhengError]) -> int:
    """Print what a sync did; return the exit code."""
    problems = [each for error in failed for each in error.problems]
    problems += [each for report in reports for each in report.problems]
    problems = _once(problems)
    held = sum(report.open_quarantine for report in reports)
    notes = _once([each for report in reports for stream in report.streams for each in stream.notes])
    if session.flags.json:
        told = {
            "sources": [report.as_json() for report in reports],
            "errors": [problem_json(each) for each in problems],
        }
        print_json(told, ok=not problems)
    else:
        _print(session, reports, problems, held)
        print_problems(notes, as_json=False)
    if failed or problems:
        return _exit_code(failed, reports)
    return ExitCode.SET_ASIDE if held else ExitCode.OK


_OF_CORE = ("adapter-", "store-", "sync-")


def _once(problems: Sequence[Problem]) -> list[Problem]:
    """Tell each problem once, and the same problem of several streams in one message; those that only wait come last.

    An adapter's own problems stay apart: what they say to do may name a key of the one stream.
    """
    alike: dict[str, list[Problem]] = {}
    for each in problems:
        joined = {"stream"} if each.code.startswith(_OF_CORE) else set()
        others = {name: value for name, value in each.fields.items() if name not in joined}
        alike.setdefault(repr((each.code, sorted(others.items(), key=str))), []).append(each)
    told = []
    for same in alike.values():
        streams = dict.fromkeys(str(each.fields["stream"]) for each in same if "stream" in each.fields)
        merged = {"stream": "、".join(streams)} if streams else {}
        told.append(Problem(same[0].code, {**same[0].fields, **merged}))
    return sorted(told, key=lambda each: each.code == "sync-stream-waits")


def _exit_code(failed: Sequence[JianhengError], reports: Sequence[SourceReport]) -> int:
    """Return what asks most of people: to mend, then to decide, then only to wait."""
    needed = {error.recovery for error in failed}
    needed |= {
        stream.recovery for report in reports for stream in report.streams if stream.recovery is not None
    }
    codes: dict[Recovery, ExitCode] = {"stop": ExitCode.STOP, "ask": ExitCode.ASK, "retry": ExitCode.RETRY}
    return next((code for recovery, code in codes.items() if recovery in needed), ExitCode.STOP)


def _print(session: Session, reports: Sequence[SourceReport], problems: Sequence[Problem], held: int) -> None:
    rows: list[tuple[object, ...]] = [
        (report.source, stream.stream, *_cells(stream.counts), text(f"cli-state-{stream.state}"))
        for report in reports
        for stream in report.streams
    ]
    total = sum((report.counts for report in reports), Counts())
    if not session.flags.quiet and rows:
        rows.append((text("cli-total"), "", *_cells(total), ""))
        print_table([text(f"cli-column-{column}") for column in COLUMNS], rows)
    print_problems(problems, as_json=False)
    if held:
        print_line(text("cli-sync-quarantine", count=held))
    if reports and not problems and total.written == 0:
        print_line(text("cli-sync-nothing"))


def _cells(counts: Counts) -> tuple[object, ...]:
    return tuple(getattr(counts, name) for name in COLUMNS[2:-1])
