"""The kernel against hand-written DuckDB SQL for the same law: 300 rules, caps, shares, gate, ranks and grades.

Run as ``python -m benchmarks.scoring_sql [--facts N]``; without a number 1 and 10 million facts. Each side runs
in a process of its own, in turn, from the same Arrow tables in memory to ledger and standings; their ledgers
(every column of every line, in order) and standings (totals, ranks, grades) must be equal. Ratio: the kernel's time
over the peer's, memory likewise by the processes' peaks; medians of three runs of either side.
"""

import argparse
import gc
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.scoring_by_hand import score_by_hand
from benchmarks.scoring_law import write_pack
from benchmarks.scoring_world import count, facts_of, load, save, world_of
from jianheng.cli import GC_THRESHOLD
from jianheng.scoring.kernel.evaluation import evaluate
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import load_policy

TIME_TARGET, MEMORY_TARGET = 1.25, 1.5
SIZES = (1_000_000, 10_000_000)
STANDING = (
    "person_key",
    "sheet",
    "points",
    "final",
    "withheld",
    "entries",
    "place",
    "peers",
    "colleagues",
    "grade",
)

Outcome = tuple[pa.Table, list[tuple[Any, ...]]]
"""A ledger, and everyone's standing as :data:`STANDING` names it."""


def by_kernel(facts: dict[str, pa.Table], units: Sequence[str], folder: Path) -> Outcome:
    """Score with the pack in a folder."""
    done = evaluate(facts, load_policy(folder), period("2025"), units)
    placed = [
        (
            *(each.person_key, each.sheet, each.points, each.final, each.withheld, each.entries, each.place),
            *(each.places["peers"][0], each.places["colleagues"][0], each.grade),
        )
        for each in done.standings
    ]
    return done.ledger, sorted(placed)


def by_hand(facts: dict[str, pa.Table], units: Sequence[str]) -> Outcome:
    """Score with the hand-written statements."""
    done = score_by_hand(facts, units)
    return done.ledger, sorted(tuple(row.values()) for row in done.standings.to_pylist())


def digest(ledger: pa.Table) -> str:
    """Return a hash over the ledger's lines in their order: an entry's id is a hash of all that it says."""
    told = hashlib.sha256()
    for ids in ledger["entry_id"].chunks:
        told.update("".join(ids.to_pylist()).encode())
    return f"{ledger.num_rows} {told.hexdigest()}"


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _side(name: str, folder: Path, units: Sequence[str]) -> None:
    """Run one side and tell of it: what a process of its own does."""
    facts = load(folder)
    gc.set_threshold(*GC_THRESHOLD)  # as every command does
    base = _peak_mb()
    begun = time.perf_counter()
    ledger, placed = by_hand(facts, units) if name == "hand" else by_kernel(facts, units, folder / "bench")
    seconds, peak = time.perf_counter() - begun, _peak_mb()
    print(json.dumps([seconds, peak, base, ledger.num_rows, digest(ledger), placed]))


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one side; memory in MB."""

    seconds: float
    peak: float
    base: float
    lines: int
    digest: str
    placed: list[list[Any]]


def _run(name: str, folder: Path, units: Sequence[str]) -> Run:
    words = [sys.executable, "-m", "benchmarks.scoring_sql", "--side", name, "--folder", str(folder), *units]
    return Run(*json.loads(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout))


def _median(runs: Sequence[Run], what: str) -> float:
    return float(sorted(getattr(each, what) for each in runs)[len(runs) // 2])


def measure(size: int) -> tuple[float, float]:
    """Compare both sides at about so many facts; return the ratios of time and of memory."""
    world = world_of(size)
    sides: dict[str, list[Run]] = {"kernel": [], "hand": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        facts = facts_of(world)
        number = count(facts)
        save(facts, folder)
        del facts
        write_pack(folder / "bench")
        for _ in range(3):
            for side, runs in sides.items():
                runs.append(_run(side, folder, world.units))
    ours, peer = sides["kernel"], sides["hand"]
    assert {tuple(each.digest) for each in (*ours, *peer)} == {tuple(peer[0].digest)}, (
        "the ledgers must be equal"
    )
    assert all(each.placed == peer[0].placed for each in (*ours, *peer)), (
        "totals, ranks and grades must be equal"
    )
    for side, runs in sides.items():
        seconds, peak, base = (_median(runs, each) for each in ("seconds", "peak", "base"))
        print(
            f"{side:7} {number:>10,} facts {runs[0].lines:>10,} lines {seconds:7.2f} s"
            f" peak {peak:7,.0f} MB, of which facts and libraries {base:6,.0f} MB"
        )
    return tuple(_median(ours, each) / _median(peer, each) for each in ("seconds", "peak"))  # type: ignore[return-value]


def main() -> None:
    """Measure the sizes asked for and tell the worst ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--facts", type=int)
    parser.add_argument("--side", choices=("kernel", "hand"))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("units", nargs="*")
    asked = parser.parse_args()
    if asked.side:
        _side(asked.side, asked.folder, asked.units)
        return
    ratios = [measure(size) for size in ([asked.facts] if asked.facts else SIZES)]
    ratio, memory = (max(each) for each in zip(*ratios, strict=True))
    print(f"memory ratio={memory:.2f} target={MEMORY_TARGET:.2f}")
    well = ratio <= TIME_TARGET and memory <= MEMORY_TARGET
    print(f"bench scoring_sql ratio={ratio:.2f} target={TIME_TARGET:.2f} {'ok' if well else 'short'}")


if __name__ == "__main__":
    main()
