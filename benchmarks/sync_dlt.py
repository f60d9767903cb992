"""dlt's merge of the same rows into PostgreSQL, for ``sync_rows``; runs where dlt is installed, without Jianheng."""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from benchmarks import sync_sources


def main() -> None:
    """Merge once into an empty database and tell the seconds and the peak of memory as JSON."""
    import dlt

    url, count, form = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    making = 0.0

    @dlt.resource(
        name="organisation", primary_key="organisation_key", write_disposition="merge", columns=_hints()
    )
    def organisations() -> Iterator[Any]:
        nonlocal making
        source = sync_sources.tables(count) if form == "arrow" else sync_sources.mappings(count)
        while True:
            begun = time.perf_counter()
            rows = next(source, None)
            making += time.perf_counter() - begun
            if rows is None:
                return
            yield rows

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
        begun = time.perf_counter()
        pipeline.run(organisations(), **how)
        taken = time.perf_counter() - begun - making
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"first": taken, "peak_mb": peak}))


def _hints() -> dict[str, Any]:
    days = {name: {"data_type": "date"} for name in sync_sources.DAY_COLUMNS}
    others = {name: {"data_type": "text"} for name in sync_sources.COLUMNS if name not in days}
    return others | days
