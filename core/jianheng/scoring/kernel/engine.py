"""The engine of this process: DuckDB, once; every use has a connection, and so temporary tables, of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import duckdb


@cache
def _instance() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 2})


@contextmanager
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection; what it made in memory is gone when it closes. Days are those of Shanghai."""
    with _instance().cursor() as engine:
        engine.execute("SET TimeZone = 'Asia/Shanghai'")
        yield engine
