"""What it costs to run a source in a process of its own: the same source, the same sync, in process and isolated.

Run as ``python -m benchmarks.isolation [ROWS]``. A sync of organisations (20 columns, batches of 10,000 rows from an
Arrow file) into a new SQLite store, isolated and in process in turn, three times each; the median counts, the start
of the child included. What both stores hold is compared row by row. Ratio: isolated over in process. Beside it:
rows as mappings, and how fast tables cross alone.
"""

import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from benchmarks import isolation_source, sync_sources
from benchmarks.sync_sources import BATCH, CASES_EACH, COLUMNS
from jianheng.boundary import Boundary
from jianheng.contract import AdapterContext, Batch, Source
from jianheng.isolation.host import Code, factory
from jianheng.logs import get_log
from jianheng.store.engine import open_store
from jianheng.sync.engine import sync_source
from jianheng.sync.task import Reader

OFFICE = "990101"
TARGET = 1.25
ROUNDS = 3
HERE = Path(__file__).parent
CODE = Code("bench", "benchmarks.isolation_source", HERE, ("source",), search=(HERE.parent,))


def main() -> None:
    """Measure and tell."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    with tempfile.TemporaryDirectory() as folder:
        files = _files(Path(folder), count)
        for arrow in (False, True):
            options = {**files, "arrow": arrow}
            took: dict[bool, list[float]] = {True: [], False: []}
            held = set()
            for number in range(2 * ROUNDS):
                isolated = number % 2 == 0
                url = f"sqlite:///{folder}/{arrow}-{number}.db"
                took[isolated].append(_synced(url, options, isolated=isolated, count=count))
                held.add(_digest(url))
            assert len(held) == 1, "the stores differ"
            here, there = (statistics.median(took[each]) for each in (False, True))
            form = "Arrow" if arrow else "mappings"
            print(f"{form}: in process {here:.2f} s, isolated {there:.2f} s, ratio {there / here:.3f}")
        size, seconds = _crossed(files)
        print(f"Arrow alone: {size / 1e6:.0f} MB cross in {seconds:.2f} s, {size / seconds / 1e6:.0f} MB/s")
    ratio = there / here
    print(f"bench isolation ratio={ratio:.3f} target={TARGET} {'ok' if ratio <= TARGET else 'short'}")


def _files(folder: Path, count: int) -> dict[str, Any]:
    """Write the rows and their cases as Arrow files, a batch of the sync each."""
    cases = [
        {
            "case_no": sync_sources.case_no(each),
            "unit_code": OFFICE,
            "category": "0301",
            "accepted_on": "2025-01-01",
        }
        for each in range(0, count, CASES_EACH)
    ]
    parts = [pa.Table.from_pylist(cases[start : start + BATCH]) for start in range(0, len(cases), BATCH)]
    return {
        "case": _written(folder / "case", parts),
        "org": _written(folder / "org", sync_sources.tables(count)),
    }


def _written(file: Path, tables: Any) -> Path:
    first, *rest = tables
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, first.schema) as writer:
        for each in (first, *rest):
            writer.write_table(each)
    return file


def _opened(boundary: Boundary, options: dict[str, Any], *, isolated: bool) -> Source:
    log = get_log("bench")
    context = AdapterContext(OFFICE, "bench", options, {}, (OFFICE,), log, lambda name: name)
    make = factory(CODE, "source") if isolated else isolation_source.ArrowFile
    source: Source = boundary.call("open", make, context, returns=Source)
    return source


def _synced(url: str, options: dict[str, Any], *, isolated: bool, count: int) -> float:
    store = open_store(url)
    begun = time.perf_counter()
    with Boundary("bench", 600) as boundary:
        source = _opened(boundary, options, isolated=isolated)

        def read(stream: str, cursor: str | None) -> Iterator[Batch]:
            return boundary.iterate("read", source.read, stream, cursor, yields=Batch)

        reader = Reader("bench", lambda: boundary.call("streams", source.streams), read)
        counts = sync_source(store, OFFICE, reader).counts
    took = time.perf_counter() - begun
    assert counts.balanced
    assert counts.inserted == count + -(-count // CASES_EACH), counts
    store.dispose()
    return took


def _crossed(files: dict[str, Any]) -> tuple[int, float]:
    """Return how many bytes of tables came through alone, and the seconds."""
    with Boundary("bench", 600) as boundary:
        source = _opened(boundary, {**files, "arrow": True}, isolated=True)
        begun, size = time.perf_counter(), 0
        for batch in boundary.iterate("read", source.read, "org", None):
            size += batch.rows.nbytes
        return size, time.perf_counter() - begun


def _digest(url: str) -> str:
    engine = sa.create_engine(url)
    found = hashlib.blake2b()
    with engine.connect() as connection:
        for row in connection.exec_driver_sql(
            f"SELECT {', '.join(COLUMNS)} FROM fact_organisation_suspect ORDER BY organisation_key"
        ):
            found.update(repr(tuple(row)).encode())
    engine.dispose()
    return found.hexdigest()


if __name__ == "__main__":
    main()
