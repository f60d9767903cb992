"""What the tests of sources share: a context, and a small case database."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jianheng.contract import AdapterContext, Batch, Row, Secret, Source
from jianheng.messages import add_texts
from jianheng_adapters.mapping import load_mapping
from jianheng_adapters.unified_case_sql.schema import needs
from jianheng_adapters.unified_case_sql.source import SHIPPED

UNIT = "990101"

for _texts in sorted(
    SHIPPED[0].parents[2].glob("*/messages.toml")
):  # the registry does this before it imports
    add_texts(_texts)


class SilentLog:
    """Keeps what was said, so that a test can look for secrets in it."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def debug(self, event: str, **fields: Any) -> None:
        self.said.append((event, fields))

    info = warning = debug


def make_context(
    options: Mapping[str, Any], *, secrets: Mapping[str, str] | None = None, units: tuple[str, ...] = (UNIT,)
) -> AdapterContext:
    """A context as core would give it."""
    return AdapterContext(
        office=UNIT,
        name="tested",
        options=options,
        secrets={name: Secret(value) for name, value in (secrets or {}).items()},
        units=units,
        log=SilentLog(),
        pseudonym=lambda name: "嫌疑人-" + hashlib.sha256(name.encode()).hexdigest()[:8].upper(),
    )


def read_rows(source: Source, stream: str, cursor: str | None = None) -> list[Row]:
    """All rows of one read."""
    return [row for batch in source.read(stream, cursor) for row in batch.rows]


def read_batches(source: Source, stream: str, cursor: str | None = None) -> list[Batch]:
    """All batches of one read."""
    return list(source.read(stream, cursor))


def case_tables(suffix: str = "") -> dict[str, list[str]]:
    """The tables and columns the shipped mapping reads."""
    mapping = load_mapping(SHIPPED, None, placement="table")
    found: dict[str, set[str]] = {}
    for stream in mapping.streams.values():
        for table, columns in needs(mapping, stream).values():
            found.setdefault(table, set()).update(columns)
    return {table + suffix: sorted(columns) for table, columns in found.items()}


class CaseDatabase:
    """A case database with the mapped tables and no others; dates as text, as SQLite keeps them."""

    def __init__(self, url: str, *, suffix: str = "", dated: bool = False) -> None:
        self.engine = sa.create_engine(url, poolclass=sa.NullPool)
        self.metadata = sa.MetaData()
        moments = ("ZHXGSJ", "SSRQ") if dated else ()
        self.tables = {
            table.removesuffix(suffix): sa.Table(
                table,
                self.metadata,
                *(sa.Column(name, sa.DateTime() if name in moments else sa.String(100)) for name in columns),
            )
            for table, columns in case_tables(suffix).items()
        }
        self.metadata.drop_all(self.engine)
        self.metadata.create_all(self.engine)

    def add(self, table: str, *rows: Mapping[str, Any]) -> None:
        with self.engine.begin() as connection:
            for row in rows:
                connection.execute(sa.insert(self.tables[table]).values(**row))

    def change(self, table: str, key: Mapping[str, Any], **values: Any) -> None:
        found = self.tables[table]
        with self.engine.begin() as connection:
            matches = [found.c[name] == value for name, value in key.items()]
            connection.execute(sa.update(found).where(*matches).values(**values))

    def run(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement))


def sqlite_cases(folder: Path, **options: Any) -> tuple[CaseDatabase, str]:
    """A case database in a file, and its URL."""
    url = f"sqlite:///{folder / 'ucs.db'}"
    return CaseDatabase(url, **options), url


def case(number: int, changed: str | None = "2024-03-01 09:00:00", **more: Any) -> dict[str, Any]:
    """One case as the system keeps it."""
    return {
        "BMSAH": f"滨检起诉受[2024]{UNIT}{number:05d}号",
        "SFSC": "N",
        "CBDW_BM": UNIT,
        "CBBM_BM": "0101",
        "CBRGH": "0007  ",
        "AJLB_BM": "0301",
        "SLRQ": "2024-02-01 00:00:00",
        "AJZT": "1",
        "ZHXGSJ": changed,
        **more,
    }


def rows_by(rows: Iterator[Row] | list[Row], column: str) -> dict[Any, Row]:
    """Rows under one of their columns."""
    return {row[column]: row for row in rows}
