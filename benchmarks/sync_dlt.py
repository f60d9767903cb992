"""dlt's merge of the same rows into PostgreSQL, for ``sync_rows``; runs where dlt is installed, without Jianheng."""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from benchmarks import sync_sources


def main() -> None:
    """Merge into an empty database, then all again, and tell the seconds of both as JSON."""
    import dlt

    url, count, form = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    made = sync_sources.made(sync_sources.tables(count) if form == "arrow" else sync_sources.mappings(count))

    @dlt.resource(
        name="organisation", primary_key="organisation_key", write_disposition="merge", columns=_hints()
    )
    def organisations() -> Iterator[Any]:
        yield from made

    address = urlsplit(url)  # dlt wants a password even where the server does not
    login = f"{address.username}:{address.password or 'none'}@{address.hostname}:{address.port or 5432}"
    credentials = f"postgresql://{login}{address.path}"
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(credentials),
            dataset_name="bench",
            progress=None,
        )
        how = {"loader_file_format": "parquet"} if form == "arrow" else {}
        taken = {}
        for which in ("first", "again"):
            begun = time.perf_counter()
            pipeline.run(organisations(), **how)
            taken[which] = time.perf_counter() - begun
    print(json.dumps(taken))


def _hints() -> dict[str, Any]:
    days = {name: {"data_type": "date"} for name in sync_sources.DAY_COLUMNS}
    others = {name: {"data_type": "text"} for name in sync_sources.COLUMNS if name not in days}
    return others | days
