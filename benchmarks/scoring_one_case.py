"""One changed case in an office-year, scored again with ranks: its time, and whether the size of the store matters.

Run as ``python -m benchmarks.scoring_one_case [--facts N]`` (2 million unless said). Two stores are filled, the
second a tenth of the first; each holds offices of 200,000 facts and a year. In each store one office is scored; then a case
comes closed a day later with a paper more, the sync tells of it, and the office is scored again. Limit: the median time of that
scoring, 150 ms. At the end a full scoring must come to the same ledger, line by line.

The process is one that scores again and again, as a scheduler does: what it keeps ready is made in its first two
scorings of a change, which are told apart but are in the median too. Its own processor time is told beside the clock's,
for machines that do other work.
"""

import argparse
import datetime as dt
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from benchmarks.scoring_law import write_pack
from benchmarks.scoring_world import OFFICE, PER_CASE, World, count, facts_of
from jianheng.contract import Batch, Row, Stream
from jianheng.facts.entities import ENTITIES
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import Policy, load_policy
from jianheng.scoring.records.scope import Subject
from jianheng.scoring.run import score_periods
from jianheng.store import moments
from jianheng.store.bulk import insert_arrow
from jianheng.store.engine import now_us, open_store, writing
from jianheng.store.runs import begin_run, end_run
from jianheng.store.tables import FACTS, OPEN
from jianheng.sync.engine import sync_source
from jianheng.sync.stream import Reader

LIMIT_MS = 150.0
STAFF = 80


def fill(store: sa.Engine, offices: int, cases: int) -> int:
    """Fill a store with offices of so many cases; return how many facts it holds."""
    total = 0
    for number in range(offices):
        world = World(1, cases, STAFF, number)
        facts = facts_of(world)
        with writing(store) as connection:
            run_id = begin_run(connection, world.units[0], "sync", "bench")
            told = {
                "office": world.units[0],
                "recorded_from": now_us(),
                "recorded_to": OPEN,
                "deleted": False,
                "run_id": run_id,
            }
            for name, table in facts.items():
                insert_arrow(connection, FACTS[name], table, told | {"stream": name})
                for source in table["source"].unique().to_pylist():
                    moments.mark(connection, world.units[0], source, name, told["recorded_from"])
            end_run(connection, run_id, "done", {})
        total += count(facts)
    with store.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
    return total


def _changing(store: sa.Engine, office: str, changes: int) -> list[str]:
    """Return some cases of the office, spread over it, that closed within the year."""
    case = FACTS["case"]
    closed = case.c.concluded_on.between(dt.date(2025, 2, 1), dt.date(2025, 11, 30))
    with store.connect() as connection:
        found = list(
            connection.scalars(
                sa.select(case.c.case_no).where(case.c.office == office, closed).order_by(case.c.case_no)
            )
        )
    return found[:: len(found) // changes][:changes]


def _later(store: sa.Engine, office: str, name: str, key: str, column: str) -> Row:
    """Return a record as its source would tell it had it happened a day later."""
    table, entity = FACTS[name], ENTITIES[name]
    columns = (table.c[each] for each in entity.names)
    held = sa.select(*columns).where(
        table.c.office == office, table.c[entity.key.name] == key, table.c.recorded_to == OPEN
    )
    with store.connect() as connection:
        row = dict(connection.execute(held).mappings().one())
    row[column] += dt.timedelta(days=1)
    return {each: None if value is None else str(value) for each, value in row.items()}


def _change(store: sa.Engine, office: str, case_no: str) -> None:
    told = {
        "case": _later(store, office, "case", case_no, "concluded_on"),
        "document": _later(store, office, "document", f"{case_no}W0", "drafted_on"),
    }

    def read(stream: str, _cursor: str | None) -> Iterator[Batch]:
        yield Batch([told[stream]])
        yield Batch((), case_no)  # a place in a log: reading on gives nothing again

    streams = [Stream("case", "case", "cursor"), Stream("document", "document", "cursor")]
    counts = sync_source(store, office, Reader("bench", lambda: streams, read)).counts
    assert (counts.emitted, counts.changed) == (2, 2), counts


def measure(
    offices: int, policy: Policy, folder: Path, cases: int = OFFICE // PER_CASE, changes: int = 9
) -> list[float]:
    """Fill a store, score an office, then change one case after the other; return milliseconds per scoring."""
    store = open_store(f"sqlite:///{folder / f'{offices}.db'}")
    begun = time.perf_counter()
    total = fill(store, offices, cases)
    filled = time.perf_counter() - begun
    office = str(990_001 + offices // 2)
    place = (store, Subject(office, (office,), ("bench",)), policy, [period("2025")])
    begun = time.perf_counter()
    first = score_periods(*place)[0]
    scored = time.perf_counter() - begun
    taken, worked = [], []
    for case_no in _changing(store, office, changes):
        _change(store, office, case_no)
        begun, busy = time.perf_counter(), time.process_time()
        report = score_periods(*place)[0]
        taken.append(1000 * (time.perf_counter() - begun))
        worked.append(1000 * (time.process_time() - busy))
        assert (report.mode, report.cases) == ("incremental", 1), report
        assert report.added > 0, "a change must move lines"
    again = score_periods(*place, full=True)[0]
    assert again.digest == report.digest, "a full scoring must come to the same ledger"
    assert (again.points, again.lines) == (report.points, report.lines)
    store.dispose()
    print(
        f"{total:>10,} facts, {offices} offices: filled in {filled:.0f} s; an office-year ({first.lines:,} lines)"
        f" {scored:.1f} s; one case {min(taken):.0f} to {max(taken):.0f} ms, median {_median(taken):.0f} ms"
        f" (of processor {_median(worked):.0f} ms); the first two {taken[0]:.0f} and {taken[1]:.0f} ms"
    )
    return taken


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def main() -> None:
    """Measure a store and one a tenth of its size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--facts", type=int, default=2_000_000)
    offices = max(10, parser.parse_args().facts // OFFICE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        policy = load_policy(write_pack(folder / "bench"))
        small = _median(measure(offices // 10, policy, folder))
        large = _median(measure(offices, policy, folder))
    print(f"one case in a store ten times as large: {large / small:.2f} of the time")
    ratio = large / LIMIT_MS
    print(f"bench scoring_one_case ratio={ratio:.2f} target=1.00 {'ok' if ratio <= 1 else 'short'}")


if __name__ == "__main__":
    main()
