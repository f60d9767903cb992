"""Making a bundle: all versions of facts since the last one, with cursors and counts, for a network not connected.

A bundle is planned once and then written part by part; each part is noted when it is whole. One that was
cut off goes on behind its last whole part: versions up to a recorded moment never change, so its parts are
the same whenever they are written. The store records the bundle before the manifest makes it complete.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from secrets import token_hex
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jianheng.errors import StopError
from jianheng.store import moments
from jianheng.store.bulk import arrow_pages, arrow_type, read_arrow
from jianheng.store.engine import now_us
from jianheng.store.leases import Lease, fenced
from jianheng.store.runs import first_unfinished
from jianheng.store.tables import CURSOR, FACTS, OPEN, RUN
from jianheng.sync.bundle_chain import Link, add_link, counts_at, links
from jianheng.sync.bundle_lease import LEASE_S, bundling
from jianheng.sync.bundle_manifest import (
    FORMAT,
    MANIFEST,
    PROGRESS,
    SIGNATURE,
    Count,
    Manifest,
    Part,
    Plan,
    Sealed,
    digest,
    signature,
)
from jianheng.sync.bundle_parts import checked, columns_of, packed, write_file
from jianheng.sync.bundle_seal import content_key, seal_part, sealed_for

ROWS_A_PART = 50_000
"""Rows of one file: little enough to hold in memory, many enough to pack well."""

Progress = Callable[[str, int], None]


@dataclass(slots=True)
class _Draft:
    """A bundle under way: what was planned, and the parts that are whole, with where each ended."""

    folder: Path
    plan: Plan
    parts: list[Part] = field(default_factory=list)
    ends: dict[str, list[Any]] = field(default_factory=dict)
    counts: dict[str, Count] | None = None
    notes: list[str] = field(default_factory=list)
    sealed: tuple[Sealed, ...] = ()

    def note(self, line: dict[str, Any]) -> None:
        """Note what is whole, behind all that was noted before."""
        self.notes.append(json.dumps(line, ensure_ascii=False))
        write_file(self.folder, PROGRESS, "".join(f"{each}\n" for each in self.notes).encode())


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle that was made."""

    folder: Path
    manifest: Manifest
    resumed: bool


def export_bundle(
    store: sa.Engine,
    office: str,
    sources: Sequence[str],
    folder: Path,
    key: Ed25519PrivateKey,
    *,
    since: int | None = None,
    until: int | None = None,
    recipients: Sequence[str] = (),
    rows_a_part: int = ROWS_A_PART,
    progress: Progress = lambda _part, _rows: None,
) -> Exported | None:
    """Make the next bundle of an office in a folder, or go on with one that was cut off there.

    Args:
        store: whose facts.
        office: of which office.
        sources: its sources; what one that is being read has not finished waits for the next bundle.
        folder: the folder of exchange; the bundle becomes a folder in it.
        key: what it is signed with.
        since: go back to this recorded moment (microseconds since 1970, UTC), for bundles that got lost.
        until: nothing recorded after this moment.
        recipients: the public keys of those who may read it; everybody where there are none. One that was cut
            off goes on for those it was begun for.
        rows_a_part: the most rows of one file.
        progress: told as parts are written.

    Returns:
        The bundle; None when there is nothing new.

    Raises:
        StopError: the folder cannot be written, or ``since`` would leave a gap.
        RetryError: another process makes or takes bundles of the office.
    """
    with bundling(store, office) as lease, store.connect() as connection:
        left = links(connection, office, "out")
        draft = _unfinished(folder, office, left)
        resumed = draft is not None
        if draft is None:
            plan = _plan(connection, office, sources, left[-1] if left else None, since, until)
            if plan is None:
                return None
            plan = plan.model_copy(update={"format": FORMAT}) if recipients else plan
            draft = _begin(folder, plan)
            if recipients:
                draft.sealed = sealed_for(recipients, content_key(key, plan), plan)
                draft.note({"sealed": [each.model_dump() for each in draft.sealed]})
        secret = content_key(key, draft.plan) if draft.sealed else None
        for part, rows in _rest(connection, draft, secret, rows_a_part):
            progress(part, rows)
            with fenced(store, lease, LEASE_S):  # we are still alive, and it is still ours
                pass
        if draft.counts is None:
            draft.counts = counts_at(connection, office, draft.plan.facts_to)
            draft.note({"counts": {name: each.model_dump() for name, each in draft.counts.items()}})
        connection.rollback()
        return Exported(draft.folder, _finish(store, lease, draft, key), resumed)


def _plan(
    connection: sa.Connection,
    office: str,
    sources: Sequence[str],
    last: Link | None,
    since: int | None,
    until: int | None,
) -> Plan | None:
    begins = last.facts_to if last else 0
    if since is not None and since > begins:
        raise StopError("bundle-since-gap", since=since, reached=begins)
    now = now_us()
    # What an unfinished sync has written so far is no whole: it waits, and with it all that came later.
    busy = first_unfinished(connection, office, "sync", sources)
    bound = min(now if busy is None else busy, now if until is None else until + 1)
    facts_from = begins if since is None else since
    facts_to = min(moments.last_recorded(connection, office), bound - 1)
    runs_from = (last.runs_to if last else 0) if since is None else since
    plan = Plan(
        office=office,
        chain=last.chain if last else token_hex(16),
        number=last.number + 1 if last else 1,
        previous=last.manifest_hash if last else "",
        facts_from=facts_from,
        facts_to=max(facts_to, begins),
        runs_from=runs_from,
        runs_to=max(bound, runs_from),
        made_at=now,
        program=version("jianheng"),
    )
    anything = plan.facts_to > facts_from or connection.scalar(sa.select(sa.exists(_runs(plan))))
    return plan if anything else None


def _unfinished(folder: Path, office: str, left: Sequence[Link]) -> _Draft | None:
    """Return the bundle that was begun in a folder and not completed, if it still is the next one."""
    for file in sorted(folder.glob(f"{office}-*/{PROGRESS}")):
        if (file.parent / MANIFEST).exists():
            continue
        draft = _read_draft(file)
        if draft is None or draft.plan.office != office:
            continue
        last = left[-1] if left else None
        follows = (draft.plan.number, draft.plan.previous) == (
            (last.number + 1, last.manifest_hash) if last else (1, "")
        )
        recorded = last is not None and (last.chain, last.number) == (draft.plan.chain, draft.plan.number)
        if (follows and (last is None or last.chain == draft.plan.chain)) or recorded:
            return draft
    return None


def _read_draft(file: Path) -> _Draft | None:
    """Return what was noted of a bundle under way; None when not even its plan was.

    What stands behind a part that is gone or was altered counts as not written.
    """
    draft: _Draft | None = None
    try:
        for line in file.read_text(encoding="utf-8").splitlines():
            if draft is None:
                draft = _Draft(file.parent, Plan.model_validate_json(line))
            else:
                _read_note(draft, json.loads(line))
            draft.notes.append(line)
    except (ValueError, KeyError, TypeError, StopError, OSError):
        return draft
    return draft


def _read_note(draft: _Draft, told: Any) -> None:
    if "sealed" in told:
        draft.sealed = tuple(Sealed.model_validate(each) for each in told["sealed"])
        return
    if "counts" in told:
        draft.counts = {name: Count.model_validate(each) for name, each in told["counts"].items()}
        return
    part = Part.model_validate(told["part"])
    checked(draft.folder, part)
    draft.ends[part.entity or part.kind] = told["end"]
    draft.parts.append(part)


def _begin(folder: Path, plan: Plan) -> _Draft:
    place = folder / plan.folder_name
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        told = error.strerror or type(error).__name__
        raise StopError("bundle-unwritable", folder=str(folder), file=place.name, told=told) from None
    draft = _Draft(place, plan)
    draft.note(plan.model_dump())
    return draft


def _rest(
    connection: sa.Connection, draft: _Draft, key: bytes | None, rows_a_part: int
) -> Iterator[tuple[str, int]]:
    """Write the parts that are not there yet; yield each with its rows."""
    kinds = {part.kind for part in draft.parts}
    if kinds <= {"facts"}:
        for name in _entities_left(connection, draft):
            for rows, end in _pages(connection, draft.plan, name, draft.ends.get(name), rows_a_part):
                yield _write(draft, key, "facts", name, rows, end)
    if "cursors" not in kinds:
        yield _write(draft, key, "cursors", "", _cursors(connection, draft.plan), [])
    if "runs" not in kinds:
        runs = _runs(draft.plan).order_by(RUN.c.run_id)
        yield _write(draft, key, "runs", "", read_arrow(connection, RUN, runs), [])


def _entities_left(connection: sa.Connection, draft: _Draft) -> list[str]:
    """Return the entities that have something new, from the one on whose part was the last to be written."""
    changed = moments.changed_since(connection, draft.plan.office, draft.plan.facts_from)
    names = [name for name in FACTS if name in changed]
    return names[names.index(draft.parts[-1].entity) :] if draft.parts else names


def _write(
    draft: _Draft, key: bytes | None, kind: Any, entity: str, rows: pa.Table, end: list[Any]
) -> tuple[str, int]:
    data, raw = packed(rows)
    number = sum(part.entity == entity and part.kind == kind for part in draft.parts) + 1
    name = f"{entity or kind}-{number:06d}.arrow.zst"
    data = data if key is None else seal_part(key, draft.plan, name, data)
    part = Part(
        name=name,
        kind=kind,
        entity=entity,
        rows=rows.num_rows,
        packed=len(data),
        unpacked=raw,
        sha256=digest(data),
    )
    write_file(draft.folder, part.name, data)
    draft.parts.append(part)
    draft.note({"part": part.model_dump(), "end": end})
    return part.name, part.rows


def _pages(
    connection: sa.Connection, plan: Plan, name: str, end: list[Any] | None, size: int
) -> Iterator[tuple[pa.Table, list[Any]]]:
    """Yield the versions of an entity page by page in their order, with where each page ended."""
    table = FACTS[name]
    order = (table.c.recorded_from, table.c.source, table.columns[2])
    within = sa.and_(
        table.c.office == plan.office,
        table.c.recorded_from > plan.facts_from,
        table.c.recorded_from <= plan.facts_to,
    )
    statement = sa.select(*columns_of(table)).where(within).order_by(*order)
    rest = statement if end is None else statement.where(_behind(order, end))
    for rows in arrow_pages(connection, table, rest, size):
        yield _as_known(rows, plan.facts_to), [rows[column.name][-1].as_py() for column in order]


def _behind(order: Sequence[sa.Column[Any]], end: Sequence[Any]) -> sa.ColumnElement[bool]:
    first, second, third = order
    return sa.or_(
        first > end[0],
        sa.and_(first == end[0], second > end[1]),
        sa.and_(first == end[0], second == end[1], third > end[2]),
    )


def _as_known(rows: pa.Table, at: int) -> pa.Table:
    """Return versions as they were known at a moment: one that ended later had not ended."""
    place = rows.schema.get_field_index("recorded_to")
    ends = [OPEN if each > at else each for each in rows["recorded_to"].to_pylist()]
    return rows.set_column(place, rows.schema.field(place), pa.array(ends, pa.int64()))


def _cursors(connection: sa.Connection, plan: Plan) -> pa.Table:
    """Return the cursors that speak of nothing beyond this bundle; the others' streams are read from the beginning."""
    statement = sa.select(*columns_of(CURSOR)).where(
        CURSOR.c.office == plan.office, CURSOR.c.moved_at < plan.runs_to
    )
    rows = read_arrow(connection, CURSOR, statement)
    types = pa.schema([pa.field(column.name, arrow_type(column)) for column in columns_of(CURSOR)])
    return rows.cast(types)


def _runs(plan: Plan) -> sa.Select[Any]:
    return sa.select(*columns_of(RUN)).where(
        RUN.c.office == plan.office,
        RUN.c.kind == "sync",
        RUN.c.finished_at >= plan.runs_from,
        RUN.c.finished_at < plan.runs_to,
    )


def _finish(store: sa.Engine, lease: Lease, draft: _Draft, key: Ed25519PrivateKey) -> Manifest:
    """Record the bundle, then make it complete.

    Raises:
        StopError: another bundle of this number has been made meanwhile.
    """
    counts = dict(draft.counts or {})
    manifest = Manifest(
        **draft.plan.model_dump(), parts=tuple(draft.parts), counts=counts, sealed=draft.sealed
    )
    written = manifest.written()
    with fenced(store, lease, LEASE_S) as connection:
        made = [each for each in links(connection, manifest.office, "out") if each.chain == manifest.chain]
        same = [each for each in made if each.number == manifest.number]
        if same and same[0].manifest_hash != digest(written):
            raise StopError("bundle-superseded", folder=str(draft.folder), number=manifest.number)
        if not same:
            add_link(connection, draft.plan, "out", digest(written))
    write_file(draft.folder, SIGNATURE, signature(key, written))
    write_file(draft.folder, MANIFEST, written)
    (draft.folder / PROGRESS).unlink(missing_ok=True)
    return manifest
