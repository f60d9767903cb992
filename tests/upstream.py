"""Upstream systems for tests: small tables that a test changes by hand, and the reader that serves them."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from jianheng.contract import Batch, Row, Stream
from jianheng.facts.convert import Reject, convert
from jianheng.facts.entities import ENTITIES
from jianheng.rules.views import OPTIONAL, case_view_sql, optional_views_sql, other_views_sql
from jianheng.rules.workdays import WorkCalendar, read_calendar
from jianheng.store.bulk import arrow_type
from jianheng.store.tables import FACTS, OPEN
from jianheng.sync.counts import SourceReport
from jianheng.sync.engine import sync_source
from jianheng.sync.stream import Reader

OFFICE = "990101"
UNIT = "990101"
CHINA = Path(__file__).parents[1] / "plugins" / "jianheng_plugins" / "calendars" / "china.toml"


@dataclass(slots=True)
class Table:
    """One stream of an upstream system. Rows stand at a place (locator); every write has a number.

    Attributes:
        stream: what the contract says of it.
        size: rows a batch.
        error: what reading ends with, if anything.
        fails_after: the batches that come before it; all when None.
    """

    stream: Stream
    size: int = 100
    error: BaseException | None = None
    fails_after: int | None = None
    cells: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    writes: int = 0
    asked: list[str | None] = field(default_factory=list)

    def put(self, row: Row, place: str | None = None) -> None:
        """Write a row where it stands; without a place it stands under its key."""
        key = ENTITIES[self.stream.entity].key.name
        at = str(row[key]) if place is None else place
        self.writes += 1
        self.cells[at] = (self.writes, {"_locator": at, **row})

    def remove(self, place: str) -> None:
        """Remove a row for good."""
        del self.cells[place]

    def read(self, cursor: str | None) -> Iterator[Batch]:
        """Yield rows in the order of writing, those at the cursor included."""
        self.asked.append(cursor)
        since = int(cursor or 0)
        rows = sorted((each for each in self.cells.values() if each[0] >= since), key=lambda each: each[0])
        batches = [rows[start : start + self.size] for start in range(0, len(rows), self.size)]
        for number, batch in enumerate(batches):
            if number == self.fails_after and self.error is not None:
                raise self.error
            last = str(batch[-1][0]) if self.stream.mode == "cursor" else None
            yield Batch([row for _, row in batch], last)
        late = self.fails_after is None or self.fails_after >= len(batches)
        if self.error is not None and late:
            raise self.error


def table(
    name: str, *rows: Row, mode: str = "snapshot", size: int = 100, may_be_empty: bool = False
) -> Table:
    """Return a table named as its entity."""
    made = Table(Stream(name, name, mode, may_be_empty), size)  # type: ignore[arg-type]
    for row in rows:
        made.put(row)
    return made


def reader(*tables: Table, name: str = "up", fingerprint: str = "") -> Reader:
    """Return some tables as one source."""
    by_name = {each.stream.name: each for each in tables}
    return Reader(
        name, lambda: [each.stream for each in tables], lambda one, at: by_name[one].read(at), fingerprint
    )


def sync(store: sa.Engine, *tables: Table, name: str = "up", **options: Any) -> SourceReport:
    """Sync some tables as one source."""
    fingerprint = options.pop("fingerprint", "")
    return sync_source(store, OFFICE, reader(*tables, name=name, fingerprint=fingerprint), **options)


def person(key: str, **more: Any) -> dict[str, Any]:
    """Return a row of a person."""
    return {"person_key": key, "unit_code": UNIT, "staff_no": key, "name": f"化名{key}"} | more


def posting(key: str, role: str = "quota_prosecutor", **more: Any) -> dict[str, Any]:
    """Return a row of a posting: by default one that lasts."""
    base = {"posting_key": f"{key}-1", "person_key": key, "unit_code": UNIT, "role": role}
    return base | {"valid_from": "2000-01-01"} | more


def case(number: str, **more: Any) -> dict[str, Any]:
    """Return a row of a case."""
    return {"case_no": number, "unit_code": UNIT, "category": "0301", "accepted_on": "2025-01-02"} | more


def document(key: str, number: str, **more: Any) -> dict[str, Any]:
    """Return a row of a document."""
    base = {"document_key": key, "case_no": number, "template_code": "100000003007", "name": "起诉书"}
    return base | {"drafted_on": "2025-03-04"} | more


World = Mapping[str, Sequence[Row]]
"""Rows by entity."""


def sync_world(store: sa.Engine, world: World, name: str = "world") -> SourceReport:
    """Make the store know exactly this world, as one source of snapshots tells it."""
    tables = [table(entity, *rows, may_be_empty=True) for entity, rows in world.items()]
    return sync(store, *tables, name=name, accept_mass_change=True)


def facts_of(world: World, source: str = "world") -> dict[str, pa.Table]:
    """Return a world as the kernel takes it, without a store between."""
    return {entity: _facts(entity, rows, source) for entity, rows in world.items()}


@contextmanager
def views_of(world: World) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an engine that holds every view of a world; a case closed when the source says it concluded."""
    with duckdb.connect() as connection:
        for name, rows in facts_of(dict.fromkeys(ENTITIES, ()) | dict(world)).items():
            connection.register(f"fact_{name}", rows)
        connection.register("workday", workdays().table())
        for statement in (case_view_sql("t.concluded_on"), *other_views_sql(), *optional_views_sql(OPTIONAL)):
            connection.execute(statement)
        yield connection


def workdays() -> WorkCalendar:
    """Return the working calendar that ships with Jianheng."""
    calendar = read_calendar(CHINA.read_text(encoding="utf-8"), CHINA.name, "china")
    assert isinstance(calendar, WorkCalendar), calendar
    return calendar


def _facts(name: str, rows: Iterable[Row], source: str) -> pa.Table:
    entity = ENTITIES[name]
    facts = [convert(entity, row) for row in rows]
    good = [fact for fact in facts if not isinstance(fact, Reject)]
    assert len(good) == len(facts), facts
    columns: dict[str, pa.Array] = {"source": pa.array([source] * len(good), pa.string())}
    for place, column in enumerate(entity.names):
        columns[column] = pa.array([each.values[place] for each in good], arrow_type(FACTS[name].c[column]))
    columns["content_hash"] = pa.array([each.content_hash for each in good], pa.string())
    columns["locator"] = pa.array([each.locator for each in good], pa.string())
    return pa.table(columns)


def current(store: sa.Engine, entity: str, *columns: str, deleted: bool = False) -> list[tuple[Any, ...]]:
    """Return some columns of what is current, sorted; what is deleted only when asked for."""
    held = FACTS[entity]
    statement = sa.select(*(held.c[name] for name in columns)).where(
        held.c.recorded_to == OPEN, held.c.deleted.is_(sa.true() if deleted else sa.false())
    )
    with store.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(statement))


def versions(store: sa.Engine, entity: str) -> list[dict[str, Any]]:
    """Return every version of every record of an entity, oldest first per record."""
    held = FACTS[entity]
    order = (held.c.source, held.c[ENTITIES[entity].key.name], held.c.recorded_from)
    with store.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(held).order_by(*order)).mappings()]


def broken_chains(store: sa.Engine, entity: str) -> list[tuple[str, ...]]:
    """Return the records whose versions leave a gap, overlap, run backwards or have no open end."""
    key = ENTITIES[entity].key.name
    chains: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for row in versions(store, entity):
        at = (row["office"], row["source"], row[key])
        chains.setdefault(at, []).append((row["recorded_from"], row["recorded_to"]))
    return [
        at
        for at, spans in chains.items()
        if spans[-1][1] != OPEN
        or any(start >= end for start, end in spans)
        or any(before[1] != after[0] for before, after in itertools.pairwise(spans))
    ]
