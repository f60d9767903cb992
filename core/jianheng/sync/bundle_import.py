"""Taking bundles: what is signed by a trusted key, follows what was taken before, and is whole.

A store that takes an office's bundles is a mirror: nothing else writes facts of this office there. Each
bundle is taken in one transaction, so there is all of it or nothing, and an import that was cut off goes on
with the first bundle that is not there yet.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy.exc import SQLAlchemyError

from jianheng.errors import StopError
from jianheng.store import moments
from jianheng.store.bulk import insert_arrow
from jianheng.store.engine import store_error
from jianheng.store.leases import Lease, fenced
from jianheng.store.runs import begin_run
from jianheng.store.tables import CURSOR, FACTS, OPEN, RUN
from jianheng.sync.bundle_chain import Link, add_link, counts_at, links
from jianheng.sync.bundle_lease import LEASE_S, bundling
from jianheng.sync.bundle_manifest import MANIFEST, PROGRESS, Count, Manifest, Part, read_manifest
from jianheng.sync.bundle_parts import checked, read_part
from jianheng.sync.bundle_seal import open_part, opened

MOST_BUNDLES = 10_000
"""Bundles that are looked at in one folder."""

Progress = Callable[[str, int], None]
Outcome = Literal["taken", "known"]


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one bundle; ``rows`` counts versions of facts that are new here."""

    folder: Path
    manifest: Manifest
    outcome: Outcome
    rows: int


def import_bundles(
    store: sa.Engine,
    office: str,
    folder: Path,
    trusted: Collection[str],
    progress: Progress = lambda _part, _rows: None,
    keys: Sequence[X25519PrivateKey] = (),
) -> list[Imported]:
    """Take the bundles of an office from a folder, in their order; one that was taken before does nothing.

    Args:
        store: where to.
        office: whose bundles.
        folder: a bundle, or the folder of exchange.
        trusted: the public keys whose signatures count.
        progress: told as parts are taken.
        keys: those that open what is sealed for us.

    Raises:
        StopError: a bundle cannot be taken, with the reason; those before it were.
        RetryError: another process takes or makes bundles of the office, or reads a source of it.
    """
    if not trusted:
        raise StopError("bundle-nobody-trusted")
    found = [(each, *read_manifest(each, trusted)) for each in _folders(folder, office)]
    for each, manifest, _ in found:
        if manifest.office != office:
            raise StopError("bundle-other-office", folder=str(each), office=manifest.office, own=office)
    found.sort(key=lambda one: one[1].number)
    with bundling(store, office, alone=True) as lease:
        done = [_take(store, lease, *one, keys, progress) for one in found]
    unfinished = [file.parent for file in folder.glob(f"{office}-*/{PROGRESS}")]
    unfinished = [each for each in unfinished if not (each / MANIFEST).exists()]
    if unfinished:
        raise StopError("bundle-unfinished", folder=str(unfinished[0]))
    return done


def _folders(folder: Path, office: str) -> list[Path]:
    if (folder / MANIFEST).exists():
        return [folder]
    found = sorted(file.parent for file in folder.glob(f"{office}-*/{MANIFEST}"))
    if len(found) > MOST_BUNDLES:
        raise StopError("bundle-too-many", folder=str(folder), most=MOST_BUNDLES)
    if not found:
        unfinished = any(folder.glob(f"{office}-*/{PROGRESS}")) or (folder / PROGRESS).exists()
        raise StopError("bundle-unfinished" if unfinished else "bundle-none", folder=str(folder))
    return found


def _take(
    store: sa.Engine,
    lease: Lease,
    folder: Path,
    manifest: Manifest,
    hashed: str,
    keys: Sequence[X25519PrivateKey],
    progress: Progress,
) -> Imported:
    try:
        with fenced(store, lease, LEASE_S) as connection:
            known = links(connection, manifest.office)
            if _is_known(folder, manifest, hashed, known):
                return Imported(folder, manifest, "known", 0)
            arrived = [each for each in known if each.direction == "in"]
            reached = arrived[-1].facts_to if arrived else 0
            _refuse_own_facts(connection, folder, manifest, reached)
            for part in manifest.parts:  # all of it, before anything is written
                checked(folder, part)
            rows = _write(connection, folder, manifest, hashed, reached, keys, progress)
    except SQLAlchemyError as failed:
        raise store_error(failed, f"bundle import {folder.name}") from failed
    return Imported(folder, manifest, "taken", rows)


def _is_known(folder: Path, manifest: Manifest, hashed: str, known: list[Link]) -> bool:
    """Return whether a bundle was taken before, or is covered by one that was.

    Raises:
        StopError: it cannot follow what was taken: of another chain, another one of this number, or behind a gap.
    """
    where = {"folder": str(folder), "number": manifest.number}
    same = [each for each in known if each.chain == manifest.chain]
    for each in same:
        if each.number == manifest.number and each.manifest_hash != hashed:
            raise StopError("bundle-number-twice", **where)
        if each.number == manifest.number:
            return True
    arrived = [each for each in known if each.direction == "in"]
    if not arrived:
        if manifest.facts_from:
            raise StopError("bundle-gap", missing="1", **where)
        return False
    last = arrived[-1]
    if last.chain != manifest.chain:
        raise StopError("bundle-other-chain", own=last.chain[:8], chain=manifest.chain[:8], **where)
    if manifest.number < last.number:
        return True  # left out because a later one covered it
    if manifest.facts_from > last.facts_to:
        first, end = last.number + 1, manifest.number - 1
        raise StopError("bundle-gap", missing=f"{first}" if first == end else f"{first}-{end}", **where)
    if manifest.number == last.number + 1 and manifest.previous != last.manifest_hash:
        raise StopError("bundle-other-past", **where)
    return False


def _refuse_own_facts(connection: sa.Connection, folder: Path, manifest: Manifest, reached: int) -> None:
    if moments.last_recorded(connection, manifest.office) > reached:
        raise StopError("bundle-not-a-mirror", folder=str(folder), office=manifest.office)


def _write(
    connection: sa.Connection,
    folder: Path,
    manifest: Manifest,
    hashed: str,
    reached: int,
    keys: Sequence[X25519PrivateKey],
    progress: Progress,
) -> int:
    key = opened(manifest, keys, str(folder))
    unsealed = None if key is None else partial(_unsealed, key, manifest, folder)
    run_id = begin_run(connection, manifest.office, "bundle", manifest.chain)
    kinds: dict[str, list[Part]] = {"runs": [], "facts": [], "cursors": []}
    for part in manifest.parts:
        kinds[part.kind].append(part)
    runs: dict[int, int] = {}
    for part in kinds["runs"]:
        runs |= _write_runs(connection, manifest.office, read_part(folder, part, RUN, unsealed))
    written = 0
    for part in kinds["facts"]:
        if part.entity not in FACTS:
            raise StopError("bundle-other-columns", folder=str(folder), file=part.name, columns=part.entity)
        rows = read_part(folder, part, FACTS[part.entity], unsealed)
        written += _write_facts(connection, manifest, part.entity, rows, reached, runs, run_id)
        progress(part.name, part.rows)
    connection.execute(sa.delete(CURSOR).where(CURSOR.c.office == manifest.office))
    for part in kinds["cursors"]:
        rows = _with_runs(read_part(folder, part, CURSOR, unsealed), runs, run_id)
        insert_arrow(connection, CURSOR, rows, {"office": manifest.office})
    counted = counts_at(connection, manifest.office, manifest.facts_to)
    none = Count(versions=0, live=0)
    unlike = [name for name, count in manifest.counts.items() if counted.get(name, none) != count]
    if unlike:
        raise StopError("bundle-counts", folder=str(folder), entities="、".join(sorted(unlike)))
    add_link(connection, manifest, "in", hashed, run_id)
    return written


def _unsealed(key: bytes, manifest: Manifest, folder: Path, name: str, sealed: bytes) -> bytes:
    return open_part(key, manifest, name, sealed, str(folder))


def _write_runs(connection: sa.Connection, office: str, rows: pa.Table) -> dict[int, int]:
    """Enter the syncs under new numbers; return these by the numbers they had."""
    found = {}
    for row in sorted(rows.to_pylist(), key=lambda each: int(each["run_id"])):
        values = {name: value for name, value in row.items() if name != "run_id"}
        added = sa.insert(RUN).values(office=office, **values).returning(RUN.c.run_id)
        found[int(row["run_id"])] = int(connection.execute(added).scalar_one())
    return found


def _write_facts(
    connection: sa.Connection,
    manifest: Manifest,
    name: str,
    rows: pa.Table,
    reached: int,
    runs: Mapping[int, int],
    run_id: int,
) -> int:
    """Enter the versions that are new here; each ends the one that held before it."""
    table = FACTS[name]
    within = pc.and_(
        pc.greater(rows["recorded_from"], reached), pc.less_equal(rows["recorded_from"], manifest.facts_to)
    )
    fresh = rows.filter(within)
    if not fresh.num_rows:
        return 0
    key = table.columns[2].name
    if reached:
        first = fresh.group_by(["source", key]).aggregate([("recorded_from", "min")])
        ending = sa.update(table).where(
            table.c.office == manifest.office,
            table.c.source == sa.bindparam("of_source"),
            table.c[key] == sa.bindparam("of_key"),
            table.c.recorded_to == OPEN,
            table.c.recorded_from <= reached,
        )
        ends = [
            {"of_source": one["source"], "of_key": one[key], "ends_at": one["recorded_from_min"]}
            for one in first.to_pylist()
        ]
        connection.execute(ending.values(recorded_to=sa.bindparam("ends_at")), ends)
    insert_arrow(connection, table, _with_runs(fresh, runs, run_id), {"office": manifest.office})
    latest = fresh.group_by("source").aggregate([("recorded_from", "max")])
    for one in latest.to_pylist():
        moments.mark(connection, manifest.office, one["source"], name, one["recorded_from_max"])
    return int(fresh.num_rows)


def _with_runs(rows: pa.Table, runs: Mapping[int, int], otherwise: int) -> pa.Table:
    """Return rows with the numbers that runs have here; what came by no run of the bundle came by its import."""
    place = rows.schema.get_field_index("run_id")
    numbers: list[Any] = [runs.get(each, otherwise) for each in rows["run_id"].to_pylist()]
    return rows.set_column(place, rows.schema.field(place), pa.array(numbers, pa.int64()))
