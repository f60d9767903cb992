"""A sync of a million rows of twenty columns, checks, history and counts included, against what writes rows only.

Run as ``python -m benchmarks.sync_rows [ROWS] [sqlite|postgresql|mariadb ...]``. Every measurement has a process
of its own. On both sides the rows are made before the clock starts; our peak of memory is taken in runs of their own,
in which the source makes them batch by batch. Ratio: the peer's seconds over ours. What both hold afterwards is
compared row by row. PostgreSQL and MariaDB are those of ``JIANHENG_TEST_POSTGRESQL`` and ``JIANHENG_TEST_MARIADB``; dlt is compared when it is installed here, or
in the environment whose Python ``JIANHENG_BENCH_DLT`` names.
"""

import hashlib
import json
import os
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import sqlalchemy as sa

from benchmarks import sync_peers, sync_sources
from benchmarks.sync_sources import BATCH, CASES_EACH, COLUMNS
from jianheng.contract import Batch, Stream
from jianheng.store.engine import open_store
from jianheng.sync.counts import Counts
from jianheng.sync.engine import sync_source
from jianheng.sync.stream import Reader

OFFICE = "990101"
TARGETS = {"sqlite": 0.5, "postgresql": 0.6}
ROUNDS = 3
DLT_TARGETS = {"mappings": 5.0, "arrow": 1.0}
DLT_ROWS = 100_000
"""dlt takes minutes over a million mappings; its rate at this size is the better of the two for it."""
SERVERS = {
    "postgresql": os.environ.get("JIANHENG_TEST_POSTGRESQL")
    or "postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
    "mariadb": os.environ.get("JIANHENG_TEST_MARIADB") or "mysql+pymysql://root@127.0.0.1:3306",
}


@dataclass(frozen=True, slots=True)
class Ours:
    """Seconds of a first sync, of one from its cursor, of one that reads all again; megabytes at the peak."""

    first: float
    from_cursor: float
    again: float
    peak_mb: float
    changed: int


@contextmanager
def _place(kind: str, folder: str) -> Iterator[str]:
    """Yield the address of an empty database, gone afterwards."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/{secrets.token_hex(4)}.db"
        return
    server, name = sa.make_url(SERVERS[kind]), f"jianheng_bench_{secrets.token_hex(4)}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield server.set(database=name).render_as_string(hide_password=False)
        finally:
            force = " WITH (FORCE)" if kind == "postgresql" else ""
            connection.exec_driver_sql(f"DROP DATABASE {name}{force}")
    engine.dispose()


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


_END = Batch((), "end")
"""A place in a log: reading on from it gives nothing again."""


def ours(url: str, count: int, *, arrow: bool, made_before: bool = True) -> Ours:
    """Sync the rows into an empty store, then again twice with nothing changed."""
    making = sync_sources.tables if arrow else sync_sources.mappings
    made = sync_sources.made(making(count)) if made_before else None

    def read(stream: str, cursor: str | None) -> Iterator[Batch]:
        if cursor is not None:
            return
        if stream == "case":
            for start in range(0, count, CASES_EACH * BATCH):
                numbers = range(start, min(start + CASES_EACH * BATCH, count), CASES_EACH)
                yield Batch([_case(number) for number in numbers], str(start))
            yield _END
            return
        end = 0
        for rows in making(count) if made is None else made:
            end += len(rows)
            yield Batch(rows, str(end))
        yield _END

    streams = [Stream("case", "case", "cursor"), Stream("org", "organisation_suspect", "cursor")]
    reader = Reader("bench", lambda: streams, read)
    store = open_store(url)
    sync_source(store, OFFICE, reader, only=["case"])

    def timed(*, full: bool = False) -> tuple[float, Counts]:
        begun = time.perf_counter()
        report = sync_source(store, OFFICE, reader, only=["org"], full=full)
        assert report.counts.balanced
        return time.perf_counter() - begun, report.counts

    first, counts = timed()
    assert counts.inserted == count, counts
    from_cursor, counts = timed()
    assert counts.emitted == 0
    again, counts = timed(full=True)
    assert counts.unchanged == count
    store.dispose()
    return Ours(first, from_cursor, again, _peak_mb(), counts.written)


def _case(number: int) -> dict[str, Any]:
    return {
        "case_no": sync_sources.case_no(number),
        "unit_code": OFFICE,
        "category": "0301",
        "accepted_on": "2025-01-01",
    }


def _alone(work: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """Run something in a new process."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(work, *given, **named).result()


def _digest(url: str, table: str) -> tuple[int, str]:
    """Return how many rows a table holds, and a digest of the twenty columns in the order of their key."""
    engine = sa.create_engine(url)
    columns = ", ".join(COLUMNS)
    digest, count = hashlib.blake2b(), 0
    with engine.connect().execution_options(stream_results=True, max_row_buffer=BATCH) as connection:
        collate = ' COLLATE "C"' if engine.dialect.name == "postgresql" else ""
        found = connection.execute(sa.text(f"SELECT {columns} FROM {table} ORDER BY {COLUMNS[0]}{collate}"))
        for row in found:
            count += 1
            digest.update("\x1f".join(map(str, row)).encode())
    engine.dispose()
    return count, digest.hexdigest()


def _dlt(url: str, count: int, form: str) -> dict[str, Any] | None:
    """Run dlt where it is installed; None where it is not."""
    python = os.environ.get("JIANHENG_BENCH_DLT") or sys.executable
    code = "from benchmarks.sync_dlt import main; main()"
    done = subprocess.run(
        [python, "-c", code, url, str(count), form], capture_output=True, text=True, check=False
    )
    if "No module named 'dlt'" in done.stderr:
        return None
    if done.returncode:
        raise SystemExit(f"dlt failed: {done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _tell(name: str, ratio: float, target: float, *, at_most: bool = False) -> None:
    good = ratio <= target if at_most else ratio >= target
    print(f"bench {name} ratio={ratio:.3g} target={target:.3g} {'ok' if good else 'short'}", flush=True)


Round = dict[str, float]
"""Seconds of one round by what took them; what was not measured is not there."""


def measure(kind: str, count: int) -> None:
    """Measure one kind of store, all sides in turn, in rounds, and tell the median of every ratio."""
    rounds = [_round(kind, count) for _ in range(ROUNDS)]
    for name in rounds[0]:
        told = ", ".join(f"{_rows(name, count) / each[name]:,.0f}" for each in rounds)
        print(f"{kind}: {name.replace('_', ' ')}: {told} rows/s")
    for form, name in (("mappings", "rows"), ("arrow", "arrow")):
        if "bare" in rounds[0]:
            _tell(f"sync_{kind}_{name}", _ratio(rounds, "bare", f"{form}_first", count), TARGETS[kind])
        for which in ("first", "again"):
            if f"dlt_{form}_{which}" in rounds[0]:
                ratio = _ratio(rounds, f"dlt_{form}_{which}", f"{form}_{which}", count)
                _tell(f"sync_{kind}_dlt_{form}_{which}", ratio, DLT_TARGETS[form])
    unchanged = _ratio(rounds, "mappings_from_cursor", "mappings_first", count)
    _tell(f"sync_{kind}_unchanged", unchanged, 0.05, at_most=True)
    whole, columns_mb, part = (
        _peak_of(kind, size, arrow=form)
        for size, form in ((count, False), (count, True), (count // 5, False))
    )
    print(
        f"{kind}: peak {whole:.0f} MB as mappings, {columns_mb:.0f} MB as Arrow, {part:.0f} MB of a fifth of the rows"
    )
    _tell(f"sync_{kind}_peak_mb", max(whole, columns_mb), 500, at_most=True)
    _tell(f"sync_{kind}_peak_growth", whole / part, 1.1, at_most=True)


def _rows(name: str, count: int) -> int:
    return min(count, DLT_ROWS) if name.startswith("dlt_mappings") else count


def _ratio(rounds: Sequence[Round], above: str, below: str, count: int) -> float:
    """Return the median of the rounds' ratios of seconds a row."""
    size = _rows(below, count) / _rows(above, count)
    return float(median(each[above] / each[below] * size for each in rounds))


def _round(kind: str, count: int) -> Round:
    """Measure all sides once, the bare peer between our two forms: a machine's speed moves from minute to minute."""
    with tempfile.TemporaryDirectory() as folder, _place(kind, folder) as url, _place(kind, folder) as arrow:
        found: Round = _ours("mappings", url, count)
        held = _digest(url, "fact_organisation_suspect")
        found |= _bare(kind, count, folder, held) | _ours("arrow", arrow, count)
        assert held == _digest(arrow, "fact_organisation_suspect"), "both forms must give the same rows"
    return found | (_dlts(kind, count, held) if kind == "postgresql" else {})


def _ours(form: str, url: str, count: int) -> Round:
    taken: Ours = _alone(ours, url, count, arrow=form == "arrow")
    told = {"first": taken.first, "again": taken.again, "from_cursor": taken.from_cursor}
    return {f"{form}_{which}": seconds for which, seconds in told.items()}


def _peak_of(kind: str, count: int, *, arrow: bool) -> float:
    """Return the peak of memory, in MB, of a sync whose source makes its rows batch by batch."""
    with tempfile.TemporaryDirectory() as folder, _place(kind, folder) as url:
        taken: Ours = _alone(ours, url, count, arrow=arrow, made_before=False)
    return taken.peak_mb


def _bare(kind: str, count: int, folder: str, held: tuple[int, str]) -> Round:
    if kind not in sync_peers.BARE:
        return {}
    with _place(kind, folder) as url:
        seconds: float = _alone(sync_peers.BARE[kind], url, count)
        assert held == _digest(url, "bare"), "the peer must hold the same rows"
    return {"bare": seconds}


def _dlts(kind: str, count: int, held: tuple[int, str]) -> Round:
    found: Round = {}
    for form in DLT_TARGETS:
        size = _rows(f"dlt_{form}", count)
        with _place(kind, "") as url:
            told = _dlt(url, size, form)
            if told is None:
                print("dlt is not installed: not compared")
                return found
            if size == count:
                assert held == _digest(url, "bench.organisation"), "the peer must hold the same rows"
        found |= {f"dlt_{form}_{which}": seconds for which, seconds in told.items()}
    return found


def main() -> None:
    """Measure the kinds of store that were named, or SQLite and PostgreSQL."""
    given: Sequence[str] = sys.argv[1:]
    count = int(given[0]) if given else 1_000_000
    for kind in given[1:] or ("sqlite", "postgresql"):
        measure(kind, count)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
