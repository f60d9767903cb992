"""A province and a year within 8 GiB: 30 million facts scored office group by office group, then ranked together.

Run as ``python -m benchmarks.scoring_province [--facts N] [--at-once N]`` (30 million and a million at once unless said). Cases, caps and
shares stay within an office, so a group of offices is scored by itself and its ledger written as Parquet; only
the sums of everyone's lines are kept until the end, when totals, ranks and grades are worked out over all of
them. Limit: the peak of the process, facts included.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from benchmarks.scoring_law import write_pack
from benchmarks.scoring_world import OFFICE, World, count, facts_of, world_of
from jianheng.scoring.indicators.outcome import Scored, Standing
from jianheng.scoring.kernel.evaluation import conclude, scored_people
from jianheng.scoring.kernel.score import score
from jianheng.scoring.kernel.tallies import Key, Tally, tallies_of
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import Policy, load_policy

LIMIT_GIB = 8.0


@dataclass(frozen=True, slots=True)
class Province:
    """What came out: how many facts and ledger lines, everyone's standing, seconds of scoring alone."""

    facts: int
    lines: int
    standings: Sequence[Standing]
    seconds: float


def score_province(world: World, policy: Policy, at_once: int, folder: Path) -> Province:
    """Score a world in groups of offices; their ledgers come into a folder."""
    year = period("2025")
    tallies: dict[Key, Tally] = {}
    people: list[Scored] = []
    facts_seen = lines = 0
    seconds = 0.0
    for first in range(0, world.offices, at_once):
        part = replace(world, first=first, offices=min(at_once, world.offices - first))
        facts = facts_of(part)
        facts_seen += count(facts)
        begun = time.perf_counter()
        ledger = score(facts, policy, year, part.units).ledger
        found = tallies_of(ledger)
        assert not {key[0] for key in found} & {key[0] for key in tallies}, "nobody works in two groups"
        tallies |= found
        people += scored_people(facts, policy, year, part.units, ())
        pa.parquet.write_table(ledger, folder / f"{first}.parquet", compression="zstd")
        lines += ledger.num_rows
        seconds += time.perf_counter() - begun
        del facts, ledger
    begun = time.perf_counter()
    _, standings = conclude(policy, year, tallies, people, [])
    return Province(facts_seen, lines, standings, seconds + time.perf_counter() - begun)


def main() -> None:
    """Score a province and tell the peak."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--facts", type=int, default=30_000_000)
    parser.add_argument("--at-once", type=int, default=1_000_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        policy = load_policy(write_pack(folder / "bench"))
        done = score_province(world_of(asked.facts), policy, max(1, asked.at_once // OFFICE), folder)
        size = sum(file.stat().st_size for file in folder.glob("*.parquet"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{done.facts:,} facts, {done.lines:,} ledger lines ({size / 1e6:,.0f} MB as Parquet),"
        f" {len(done.standings):,} standings: {done.seconds:.0f} s, {done.facts / done.seconds:,.0f} facts/s;"
        f" peak {peak:.2f} GiB"
    )
    ratio = peak / LIMIT_GIB
    print(f"bench scoring_province ratio={ratio:.2f} target=1.00 {'ok' if ratio <= 1 else 'short'}")


if __name__ == "__main__":
    main()
