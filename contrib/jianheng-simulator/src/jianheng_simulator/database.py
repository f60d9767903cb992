"""The case database: its tables from the schema file, bulk writing, row-wise change."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from jianheng_simulator.catalogue import read_table
from jianheng_simulator.view import Row, Rows

# Keys as the original has them. They are not enforced: the copies given to others carry no
# constraints, and broken rows must be possible.
_OWN_KEYS: Mapping[str, tuple[str, ...]] = {
    "TYYW_GG_AJJBXX": ("BMSAH",),
    "TYYW_GG_XYRJBXX": ("BMSAH", "XYRBH"),
    "YX_WS_SL": ("WSBH",),
    "YX_WS_SP": ("WSBH", "SPSY"),
    "YX_AG_GLAJ": ("YAJ_BMSAH", "GLAJ_BMSAH"),
    "YX_QX_BADYAJQX": ("BMSAH", "BADYBM", "GH"),
    "YX_XT_XTCBR": ("BMSAH", "XTCBRDW_BM", "XTCBRGH"),
    "YX_AG_CAJL": ("BMSAH", "BMSAH_Y"),
    "YX_AG_BAJL": ("BMSAH", "BMSAH_B"),
    "TYYW_ZJ_SCDB": ("BMSAH",),
    "TYYW_ZJ_FZXYR": ("BMSAH", "XYRBH"),
    "TYYW_GS_SCQS": ("BMSAH",),
    "TYYW_GS_XYRQK": ("BMSAH", "XYRBH"),
    "TYYW_MX_MSXZJD": ("BMSAH",),
    "TYYW_SS_XSSSFC": ("BMSAH",),
    "XT_ZZJG_DWBM": ("DWBM",),
    "XT_ZZJG_BMBM": ("DWBM", "BMBM"),
    "XT_ZZJG_RYBM": ("DWBM", "GH"),
    "XT_ZZJG_BADYDY": ("DWBM", "BADYBM"),
    "XT_QX_JSBM": ("DWBM", "BMBM", "JSBM"),
    "XT_QX_RYJSFP": ("DWBM", "GH"),
    "XT_QX_BADYRYFP": ("DWBM", "BADYBM", "GH"),
    "XT_DM_AJLBBM": ("AJLBBM",),
    "XT_DM_YWBM": ("YWBM",),
    "XT_DM_FLDM": ("DM",),
    "XT_DM_GXDWBM": ("DWBM", "GXDWDM"),
    "TYYW_WJ_FZXYR": ("BMSAH", "XYRBH"),
    "TYYW_WJ_XYRQK": ("BMSAH", "XYRBH"),
    "TYYW_GG_DWFZXX": ("BMSAH", "DWBH"),
    "TYYW_GG_QZCSQK": ("BMSAH", "XYRBH", "QZCSBH"),
    "TYYW_GG_JCJYQK": ("BMSAH", "XH"),
    "TYYW_GG_XSYJQK": ("BMSAH", "XH"),
    "YX_JWGK_WSGKRZ": ("BMSAH", "WSBH"),
    "YX_DZJZ_JZJBXX": ("BMSAH", "JZBH"),
    "YX_WS_CBRYJ": ("BMSAH", "CBRYJBH"),
}
KEYS: Mapping[str, tuple[str, ...]] = {
    row["table"]: _OWN_KEYS.get(row["table"], ("BMSAH",)) for row in read_table("schema.csv")
}
"""The key of every table; one row a case unless said."""
_PORTION = 5000
_LONG = 255


def _column_type(kind: str, length: str) -> sa.types.TypeEngine[Any]:
    if kind == "date":
        to_seconds = sqlite.DATETIME(truncate_microseconds=True)  # type: ignore[no-untyped-call]
        return sa.DateTime().with_variant(to_seconds, "sqlite")
    if kind == "number":
        return sa.Integer()
    if kind == "decimal":
        return sa.Numeric(18, int(length))
    if kind == "char":
        return sa.CHAR(int(length))
    # MariaDB allows 65,535 bytes a row: long text must live outside it.
    return sa.Text() if int(length) > _LONG else sa.String(int(length))


@cache
def schema() -> sa.MetaData:
    """All tables of the case database."""
    metadata = sa.MetaData()
    columns: dict[str, list[sa.Column[Any]]] = {}
    for row in read_table("schema.csv"):
        kind = _column_type(row["type"], row["length"])
        columns.setdefault(row["table"], []).append(
            sa.Column(row["column"], kind, comment=row["label"] or None)
        )
    for name, found in columns.items():
        table = sa.Table(name, metadata, *found)
        sa.Index(f"IX_{name}_KEY", *(table.c[key] for key in KEYS[name]))
        for column in ("ZHXGSJ", "BMSAH"):
            if column in table.c and KEYS[name][0] != column:
                sa.Index(f"IX_{name}_{column}", table.c[column])
    return metadata


def make_engine(url: str) -> sa.Engine:
    """Connect to a database."""
    return sa.create_engine(url)


def recreate_tables(connection: sa.Connection) -> None:
    """Drop what is there of our tables and make them anew."""
    schema().drop_all(connection)
    schema().create_all(connection)


def insert_rows(connection: sa.Connection, rows: Rows) -> Counter[str]:
    """Insert rows in bulk and count them by table."""
    counts: Counter[str] = Counter()
    for name, found in rows.items():
        # Rows of one table may fill different columns; every batch has its own set.
        for batch in _alike(found):
            for start in range(0, len(batch), _PORTION):
                _insert_alike(connection, name, batch[start : start + _PORTION])
        counts[name] += len(found)
    return counts


def _insert_alike(connection: sa.Connection, name: str, batch: Sequence[Row]) -> None:
    if connection.dialect.name != "sqlite":
        connection.execute(sa.insert(schema().tables[name]), batch)
        return
    # The same rows as plain tuples take a third of the time, and most worlds live in SQLite.
    columns = ",".join(batch[0])
    marks = ",".join("?" * len(batch[0]))
    values = [
        tuple([str(one) if isinstance(one, datetime) else one for one in row.values()]) for row in batch
    ]
    connection.exec_driver_sql(f"insert into {name} ({columns}) values ({marks})", values)  # noqa: S608


def _alike(rows: Sequence[Row]) -> Iterable[Sequence[Row]]:
    if not rows:
        return []
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row), []).append(row)
    return groups.values()


def write_database(connection: sa.Connection, portions: Iterable[Rows]) -> Counter[str]:
    """Write a whole world into fresh tables."""
    recreate_tables(connection)
    counts: Counter[str] = Counter(dict.fromkeys(schema().tables, 0))
    for portion in portions:
        counts += insert_rows(connection, portion)
    return counts


def key_of(table: str, row: Row) -> tuple[object, ...]:
    """The key of a row."""
    return tuple(row[column] for column in KEYS[table])


def apply_changes(
    connection: sa.Connection, pairs: Iterable[tuple[Rows, Rows]]
) -> tuple[Counter[str], Counter[str]]:
    """Write the differences between two views; count inserted and changed rows by table."""
    inserted: Rows = {}
    changed: Rows = {}
    for old, new in pairs:
        for table, rows in new.items():
            known = {key_of(table, row): row for row in old.get(table, ())}
            for row in rows:
                before = known.get(key_of(table, row))
                if before is None:
                    inserted.setdefault(table, []).append(row)
                elif before != row:
                    changed.setdefault(table, []).append(row)
    insert_rows(connection, inserted)
    for name, rows in changed.items():
        update_rows(connection, name, rows)
    return _count(inserted), _count(changed)


def _count(rows: Rows) -> Counter[str]:
    return Counter({table: len(found) for table, found in rows.items()})


def update_rows(connection: sa.Connection, name: str, rows: Sequence[Row]) -> None:
    """Overwrite rows found by their keys."""
    table = schema().tables[name]
    for batch in _alike(rows):
        condition = sa.and_(*(table.c[key] == sa.bindparam(f"key_{key}") for key in KEYS[name]))
        values: dict[str, sa.BindParameter[Any]] = {
            column: sa.bindparam(f"new_{column}") for column in batch[0] if column not in KEYS[name]
        }
        parameters = [
            {f"key_{key}": row[key] for key in KEYS[name]}
            | {f"new_{column}": row[column] for column in values}
            for row in batch
        ]
        connection.execute(sa.update(table).where(condition).values(values), parameters)
