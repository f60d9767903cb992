"""The rows by which a run's indicator values and standings are kept, the number of the run left out."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from jianheng.scoring.indicators.outcome import ALL_RULES, Standing, Tally, Value
from jianheng.scoring.kernel.tallies import CASES, Key
from jianheng.store.bulk import arrow_type, insert_rows, read_arrow
from jianheng.store.tables import INDICATOR, PERSON_SCORE

Row = tuple[Any, ...]


def value_row(value: Value) -> Row:
    """Return an indicator value as it is kept."""
    return (
        value.person_key,
        value.sheet,
        value.indicator,
        value.points,
        value.provisional,
        value.entries,
        value.state,
        value.reason,
        _basis_text(value.basis),
    )


@lru_cache(maxsize=16_384)
def _basis_text(basis: tuple[tuple[str, str], ...]) -> str:
    """Return a basis as it is kept: most of an office's stay as they were when one case changes."""
    return json.dumps(basis, ensure_ascii=False)


def standing_row(standing: Standing, tallies: Mapping[Key, Tally]) -> Row:
    """Return a standing as it is kept, with the number of cases in which the person has lines that count."""
    cases = tallies.get((standing.person_key, standing.sheet, CASES, ALL_RULES))
    return (
        standing.person_key,
        standing.sheet,
        standing.points,
        standing.final,
        standing.provisional,
        standing.withheld,
        standing.place,
        standing.place_of,
        0 if cases is None else cases.items,
        standing.entries,
        standing.state,
        standing.reason,
        standing.grade,
        standing.grade_reason,
        json.dumps(standing.places, sort_keys=True),
    )


def keep(connection: sa.Connection, run_id: int, values: Iterable[Row], standings: Iterable[Row]) -> None:
    """Keep the values and standings of a run."""
    insert_rows(connection, INDICATOR, [(run_id, *row) for row in values])
    insert_rows(connection, PERSON_SCORE, [(run_id, *row) for row in standings])


def as_arrow(table: sa.Table, rows: Sequence[Row]) -> pa.Table:
    """Return rows as they are kept in ``INDICATOR`` or ``PERSON_SCORE`` as an Arrow table."""
    columns = _columns(table)
    held: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    return pa.table(
        {
            column.name: pa.array(values, arrow_type(column))
            for column, values in zip(columns, held, strict=True)
        }
    )


def read_kept(connection: sa.Connection, table: sa.Table, run_id: int) -> pa.Table:
    """Return what a run kept in ``INDICATOR`` or ``PERSON_SCORE``, in the form of :func:`as_arrow`."""
    return read_arrow(connection, table, sa.select(*_columns(table)).where(table.c.run_id == run_id))


def _columns(table: sa.Table) -> list[sa.Column[Any]]:
    return [column for column in table.columns if column.name != "run_id"]
