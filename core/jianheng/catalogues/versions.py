"""Keeps catalogues as files in versions: the current one where packs look for it, every other one beside.

``catalogues/NAME.csv`` is what a pack reads. ``catalogues/versions/NAME-HASH.csv`` keeps each version by the hash
of its content, ``catalogues/versions/index.csv`` says from when each holds and where it came from.
"""

import csv
import datetime as dt
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = "catalogues"
INDEX = ("catalogue", "version", "since", "file", "rows")


@dataclass(frozen=True, slots=True)
class Kept:
    """What keeping a catalogue did; nothing was written where ``changed`` is false."""

    catalogue: str
    version: str
    rows: int
    added: int
    removed: int
    changed: bool


def keep(
    folder: Path,
    catalogue: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    since: dt.date,
    file: str,
) -> Kept:
    """Write a catalogue as the current version; the same content again changes nothing.

    Args:
        folder: a pack, or any folder that keeps catalogues.
        catalogue: its name; ``below/name`` for what packs are not to take for codes.
        columns: the header.
        rows: in the order in which they are to stand.
        since: the first day this version holds.
        file: what it was imported from, for the index.

    Raises:
        OSError: a file cannot be written.
    """
    content = _csv(columns, rows)
    version = hashlib.sha256(content).hexdigest()[:12]
    current = folder / FOLDER / f"{catalogue}.csv"
    before = _rows(current)
    now = {tuple(row) for row in rows}
    kept = Kept(catalogue, version, len(rows), len(now - before), len(before - now), False)
    if current.is_file() and current.read_bytes() == content:
        return kept
    versions = folder / FOLDER / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    (versions / f"{catalogue.replace('/', '-')}-{version}.csv").write_bytes(content)
    index = versions / "index.csv"
    told = index.read_text(encoding="utf-8").splitlines() if index.is_file() else [",".join(INDEX)]
    old = list(csv.reader(told))
    entry = [catalogue, version, since.isoformat(), file, str(len(rows))]
    index.write_bytes(_csv(old[0], [*old[1:], entry]))
    current.parent.mkdir(exist_ok=True)
    current.write_bytes(content)
    return Kept(catalogue, version, kept.rows, kept.added, kept.removed, changed=True)


def _rows(file: Path) -> set[tuple[str, ...]]:
    if not file.is_file():
        return set()
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return {tuple(row) for row in list(csv.reader(lines))[1:]}


def _csv(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return written.getvalue().encode()
