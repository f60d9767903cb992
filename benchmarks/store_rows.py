"""Rows into a SQLite store, with checks, history and counts, against a bare executemany upsert of the same rows.

Run as ``python -m benchmarks.store_rows [ROWS]``. Ratio: our rows per second over the peer's. Both results are
read back and compared row by row.
"""

import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from jianheng.contract import Batch, Stream
from jianheng.facts.entities import DOCUMENT
from jianheng.store.engine import open_store
from jianheng.sync.engine import sync_source
from jianheng.sync.stream import Reader

TARGET = 0.5
BATCH = 5_000


def _rows(count: int) -> list[dict[str, object]]:
    return [
        {
            "document_key": f"990101-{number:012d}",
            "case_no": f"C{number // 10:08d}",
            "unit_code": "990101",
            "template_code": f"{100000003000 + number % 20}",
            "name": "起诉书",
            "drafter_key": f"990101-{number % 60:04d}",
            "drafted_on": f"2025-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
            "approver_key": "990101-0002",
            "approved_on": "2025-12-31",
            "approval_result": "同意",
            "in_dossier": "Y",
        }
        for number in range(count)
    ]


def _ours(rows: list[dict[str, object]], file: Path) -> float:
    cases = [
        {"case_no": number, "unit_code": "990101", "category": "0301", "accepted_on": "2025-01-01"}
        for number in sorted({str(row["case_no"]) for row in rows})
    ]
    store = open_store(f"sqlite:///{file}")

    def read(stream: str, _cursor: str | None) -> Iterator[Batch]:
        given = cases if stream == "case" else rows
        for start in range(0, len(given), BATCH):
            yield Batch(given[start : start + BATCH], str(start))

    streams = [Stream("case", "case", "cursor"), Stream("document", "document", "cursor")]
    reader = Reader("bench", lambda: streams, read)
    sync_source(store, "990101", reader, only=["case"])
    begun = time.perf_counter()
    report = sync_source(store, "990101", reader, only=["document"])
    taken = time.perf_counter() - begun
    store.dispose()
    assert report.counts.inserted == len(rows)
    assert report.counts.balanced
    return taken


def _bare(rows: list[dict[str, object]], file: Path) -> float:
    names = list(rows[0])
    columns = ", ".join(names)
    marks = ", ".join("?" for _ in names)
    changes = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"CREATE TABLE document ({columns}, PRIMARY KEY ({names[0]}))")
        upsert = f"INSERT INTO document VALUES ({marks}) ON CONFLICT DO UPDATE SET {changes}"
        begun = time.perf_counter()
        for start in range(0, len(rows), BATCH):
            connection.executemany(upsert, [tuple(row.values()) for row in rows[start : start + BATCH]])
            connection.commit()
        taken = time.perf_counter() - begun
    connection.close()
    return taken


def _equal(ours: Path, bare: Path, names: list[str]) -> bool:
    told = []
    for file, table in ((ours, "fact_document"), (bare, "document")):
        connection = sqlite3.connect(file)
        columns = ", ".join(f"CASE {name} WHEN 'Y' THEN 1 ELSE {name} END" for name in names)
        told.append(connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall())
        connection.close()
    return told[0] == told[1]


def main() -> None:
    """Measure both, three times in turn, and compare the medians."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rows = _rows(count)
    assert set(rows[0]) <= set(DOCUMENT.names)
    taken: list[tuple[float, float]] = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            ours, bare = Path(folder, "ours.db"), Path(folder, "bare.db")
            taken.append((_ours(rows, ours), _bare(rows, bare)))
            assert _equal(ours, bare, list(rows[0])), "both must hold the same rows"
    ours_s, bare_s = sorted(each[0] for each in taken)[1], sorted(each[1] for each in taken)[1]
    print(
        f"ours {count / ours_s:,.0f} rows/s; bare executemany upsert {count / bare_s:,.0f} rows/s; {count} rows"
    )
    ratio = bare_s / ours_s
    print(f"bench store_rows ratio={ratio:.2f} target={TARGET:.2f} {'ok' if ratio >= TARGET else 'short'}")


if __name__ == "__main__":
    main()
