"""``jianheng history``: every version of one record, and which run brought it."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import click

from jianheng.cli.output import print_json, print_line
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import store_of
from jianheng.config.faults import likely
from jianheng.errors import StopError
from jianheng.facts.entities import ENTITIES
from jianheng.facts.entity import Entity
from jianheng.facts.time import SHANGHAI, wall_time
from jianheng.messages import text
from jianheng.store import fact_versions
from jianheng.store.engine import moment
from jianheng.store.runs import runs_of
from jianheng.store.tables import OPEN

_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f"]


def command() -> click.Command:
    """Return the command."""

    @click.command("history", help=text("cli-help-history"))
    @click.argument("entity", metavar=text("cli-argument-entity"))
    @click.argument("key", metavar=text("cli-argument-key"))
    @click.option("--at", type=click.DateTime(_MOMENTS), help=text("cli-help-history-at"))
    @click.option("--source", default="", help=text("cli-help-history-source"))
    @pass_session
    def history(session: Session, entity: str, key: str, at: dt.datetime | None, source: str) -> None:
        if entity not in ENTITIES:
            raise StopError("history-unknown-entity", entity=entity, nearest=likely(entity, ENTITIES))
        tell(session, ENTITIES[entity], key, at, source)

    return history


def tell(session: Session, entity: Entity, key: str, at: dt.datetime | None, source: str) -> None:
    """Print the versions of a record, all or those that held at a moment of Shanghai wall time.

    Raises:
        StopError: there are none.
    """
    with store_of(session) as store, store.connect() as connection:
        office = session.deployment.office.code
        found = fact_versions.origin(connection, entity, office, key)
        runs = runs_of(connection, {int(each["run_id"]) for each in found})
    us = None if at is None else int(at.replace(tzinfo=SHANGHAI).timestamp() * 1_000_000)
    found = [each for each in found if source in ("", each["source"])]
    shown = [each for each in found if us is None or each["recorded_from"] <= us < each["recorded_to"]]
    if not shown:
        raise StopError("history-none", entity=entity.label, key=key, at=at or "—")
    if session.flags.json:
        print_json(
            {"entity": entity.name, "key": key, "versions": [_json(entity, each, runs) for each in shown]}
        )
        return
    before: Mapping[str, Any] | None = None
    for each in shown:
        if before is not None and before["source"] != each["source"]:
            before = None
        for line in _lines(entity, each, before, runs):
            print_line(line)
        before = each


def _lines(
    entity: Entity, each: Mapping[str, Any], before: Mapping[str, Any] | None, runs: Mapping[int, Any]
) -> Iterator[str]:
    run = runs.get(each["run_id"])
    yield text(
        "cli-history-head",
        source=each["source"],
        stream=each["stream"],
        since=_time(each["recorded_from"]),
        until=text("cli-history-now") if each["recorded_to"] == OPEN else _time(each["recorded_to"]),
        run=each["run_id"],
        kind="—" if run is None else run.kind,
        started="—" if run is None else _time(run.started_at),
        mark=text("cli-history-deleted" if each["deleted"] else "cli-history-live"),
    )
    for column in entity.columns:
        value = each[column.name]
        told = {"label": column.label, "name": column.name, "value": _cell(value)}
        if before is None and value is not None:
            yield text("cli-history-cell", **told)
        elif before is not None and before[column.name] != value:
            yield text("cli-history-changed", **told, before=_cell(before[column.name]))
    if each["locator"]:
        yield text("cli-history-place", locator=each["locator"])


def _json(entity: Entity, each: Mapping[str, Any], runs: Mapping[int, Any]) -> dict[str, object]:
    run = runs.get(each["run_id"])
    return {
        "source": each["source"],
        "stream": each["stream"],
        "recorded_from": _time(each["recorded_from"]),
        "recorded_to": None if each["recorded_to"] == OPEN else _time(each["recorded_to"]),
        "deleted": bool(each["deleted"]),
        "run_id": each["run_id"],
        "run_kind": None if run is None else run.kind,
        "run_started": None if run is None else _time(run.started_at),
        "locator": each["locator"],
        "values": {name: each[name] for name in entity.names},
    }


def _cell(value: object) -> str:
    return "—" if value is None else str(value)


def _time(us: int) -> str:
    return wall_time(moment(us)).isoformat(sep=" ", timespec="microseconds")
