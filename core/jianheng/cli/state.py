"""``jianheng state``: how far sources were read, what is paused, and moving cursors by hand."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from jianheng.cli.login import login
from jianheng.cli.output import check_place, print_json, print_line, print_table
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import store_of
from jianheng.config.faults import likely
from jianheng.errors import StopError
from jianheng.messages import text
from jianheng.store.engine import told_time
from jianheng.store.leases import shown
from jianheng.sync import steer
from jianheng.sync.pauses import WHOLE, Pause

COLUMNS = ("source", "stream", "partition", "cursor", "moved", "swept", "paused")

Command = Callable[..., Any]


def command() -> click.Command:
    """Return the group."""

    @click.group("state", help=text("cli-help-state"))
    def state() -> None:
        pass

    for make in (_show, _pause, _resume, _rewind, _export, _import):
        state.add_command(make())
    return state


def _source(inner: Command) -> Command:
    return click.argument("source", metavar=text("cli-column-source"))(inner)


def _stream(inner: Command) -> Command:
    return click.option("--stream", default="", help=text("cli-help-state-stream"))(inner)


def _by(inner: Command) -> Command:
    return click.option("--by", default=login, help=text("cli-help-state-by"))(inner)


def _file(inner: Command) -> Command:
    path = click.Path(path_type=Path)
    return click.option("--file", type=path, required=True, help=text("cli-help-state-file"))(inner)


@contextmanager
def _store(session: Session, *sources: str) -> Iterator[tuple[sa.Engine, str]]:
    known = session.deployment.sources
    for name in sources:
        if name not in known:
            word = text("cli-kind-source")
            near = likely(name, known)
            raise StopError("cli-no-such-use", kind="sources", kind_name=word, name=name, nearest=near)
    with store_of(session) as store:
        yield store, session.deployment.office.code


def _show() -> click.Command:
    @click.command("show", help=text("cli-help-state-show"))
    @click.argument("sources", nargs=-1, metavar=text("cli-column-source"))
    @pass_session
    def show(session: Session, sources: tuple[str, ...]) -> None:
        with _store(session, *sources) as (store, office), store.connect() as connection:
            names = sources or tuple(session.deployment.sources)
            found = [steer.state_of(connection, office, name) for name in names]
        if session.flags.json:
            print_json({"sources": [_json(each) for each in found]})
            return
        rows = [row for each in found for row in _rows(each)]
        print_table([text(f"cli-column-{name}") for name in COLUMNS], rows)
        for each in found:
            if each.running is not None:
                at = _time(each.running.since)
                holder = shown(each.running.holder)
                print_line(text("cli-state-running", source=each.source, holder=holder, since=at))

    return show


def _pause() -> click.Command:
    @click.command("pause", help=text("cli-help-state-pause"))
    @_source
    @_stream
    @click.option("--reason", default="", help=text("cli-help-state-reason"))
    @_by
    @pass_session
    def pause(session: Session, source: str, stream: str, reason: str, by: str) -> None:
        with _store(session, source) as (store, office):
            steer.pause(store, office, source, stream, by=by, reason=reason)
        _done(session, "cli-state-did-pause", source, stream)

    return pause


def _resume() -> click.Command:
    @click.command("resume", help=text("cli-help-state-resume"))
    @_source
    @_stream
    @_by
    @pass_session
    def resume(session: Session, source: str, stream: str, by: str) -> None:
        with _store(session, source) as (store, office):
            steer.resume(store, office, source, stream, by=by)
        _done(session, "cli-state-did-resume", source, stream)

    return resume


def _rewind() -> click.Command:
    @click.command("rewind", help=text("cli-help-state-rewind"))
    @_source
    @_stream
    @click.option("--to", help=text("cli-help-state-to"))
    @_by
    @pass_session
    def rewind(session: Session, source: str, stream: str, to: str | None, by: str) -> None:
        if to is not None and not stream:
            raise StopError("state-to-needs-stream")
        with _store(session, source) as (store, office):
            count = steer.rewind(store, office, source, stream, by=by, to=to)
        _done(session, "cli-state-did-rewind", source, stream, count=count)

    return rewind


def _export() -> click.Command:
    @click.command("export", help=text("cli-help-state-export"))
    @_source
    @_file
    @pass_session
    def export(session: Session, source: str, file: Path) -> None:
        check_place(file)
        with _store(session, source) as (store, office), store.connect() as connection:
            told = steer.export(connection, office, source)
        file.write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        _done(session, "cli-state-did-export", source, "", count=len(told["cursors"]), file=str(file))

    return export


def _import() -> click.Command:
    @click.command("import", help=text("cli-help-state-import"))
    @_source
    @_file
    @_by
    @pass_session
    def import_(session: Session, source: str, file: Path, by: str) -> None:
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise StopError("state-bad-export", source=source, version=steer.EXPORT_VERSION) from None
        with _store(session, source) as (store, office):
            count = steer.import_(store, office, source, told, by=by)
        _done(session, "cli-state-did-import", source, "", count=count)

    return import_


def _done(session: Session, code: str, source: str, stream: str, **more: object) -> None:
    if session.flags.json:
        print_json({"source": source, "stream": stream, **more})
    else:
        print_line(text(code, subject=f"{source} {stream}".strip(), **more))


def _rows(state: steer.State) -> Iterator[tuple[object, ...]]:
    told = {each.stream for each in state.standings}
    for each in state.standings:
        paused = state.paused.get(each.stream) or state.paused.get(WHOLE)
        when = (_time(each.moved_at), _time(each.swept_at))
        yield state.source, each.stream, each.partition, each.cursor, *when, _why(paused)
    for name in state.paused.keys() - told:
        yield state.source, name, "", "", "", "", _why(state.paused[name])


def _why(paused: Pause | None) -> str:
    if paused is None:
        return ""
    return text("cli-state-paused", by=paused.by, since=_time(paused.at), reason=paused.reason)


def _time(us: int) -> str:
    return told_time(us) if us else ""


def _json(state: steer.State) -> dict[str, object]:
    running = state.running
    return {
        "source": state.source,
        "running": None
        if running is None
        else {"holder": shown(running.holder), "since": _time(running.since), "until": _time(running.until)},
        "paused": [
            {"stream": each.stream, "since": _time(each.at), "by": each.by, "reason": each.reason}
            for each in state.paused.values()
        ],
        "streams": [
            {
                "stream": each.stream,
                "partition": each.partition,
                "cursor": each.cursor,
                "moved_at": _time(each.moved_at),
                "run_id": each.run_id,
                "swept_at": _time(each.swept_at),
            }
            for each in state.standings
        ],
    }
