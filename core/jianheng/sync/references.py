"""References to records of other entities: which of them are known, and the rows whose strict ones are not."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from jianheng.errors import problem
from jianheng.facts.columns import Checked
from jianheng.facts.convert import KEY_LIMIT, Reject
from jianheng.facts.entities import ENTITIES
from jianheng.facts.given import Rows
from jianheng.store import fact_versions
from jianheng.sync.place import Place

REMEMBERED = 100_000
"""References that a read remembers as known before it begins anew: what it holds does not grow with the rows."""


def refuse_unknown(
    connection: sa.Connection,
    place: Place,
    batch: Checked,
    fresh: Sequence[int],
    rejects: list[Reject],
    known_refs: dict[str, set[str]],
    adding: fact_versions.Adding,
) -> Sequence[int]:
    """Return ``fresh`` without the rows whose strict references are unknown; those go to ``rejects``."""
    for vector, column in zip(batch.columns, place.entity.columns, strict=True):
        if not column.strict or column.ref is None:
            continue
        target = ENTITIES[column.ref]
        values = vector.values
        wanted = _named(values, batch.deleted, fresh)
        known = known_refs.setdefault(column.ref, set())
        if len(known) > REMEMBERED:
            known.clear()
        if not wanted <= known:
            adding.settle()
            known |= fact_versions.known(connection, target, place.office, wanted - known)
        if wanted <= known:
            continue
        kept: list[int] = []
        for spot in fresh:
            value = values[spot]
            if value is None or batch.deleted[spot] or value in known:
                kept.append(spot)
                continue
            key, locator = batch.keys[spot], batch.locators[spot]
            told = problem(
                "row-unknown-reference",
                entity=place.entity.label,
                entity_name=place.entity.name,
                column=column.label,
                column_name=column.name,
                target=target.label,
                target_name=target.name,
                value=value,
                at=locator,
            )
            rejects.append(Reject(key, locator, (told,), batch.row(spot)))
        fresh = kept
    return fresh


def ask_ahead(
    connection: sa.Connection, place: Place, parts: Sequence[Rows], known_refs: dict[str, set[str]]
) -> None:
    """Ask once for what some rows, not yet checked, seem to name: their parts need not stop writing to ask."""
    for column in place.entity.columns:
        if not column.strict or column.ref is None:
            continue
        known = known_refs.setdefault(column.ref, set())
        wanted = {key for rows in parts for key in _seemingly_named(rows, column.name)} - known
        if wanted and len(known) + len(wanted) <= REMEMBERED:
            known |= fact_versions.known(connection, ENTITIES[column.ref], place.office, wanted)


def _seemingly_named(rows: Rows, name: str) -> set[str]:
    """Return the texts in a column of rows, unchecked; what no key can be is left out."""
    texts: set[str] = set()
    if not isinstance(rows, pa.Table):
        texts = {cell for row in rows if type(cell := row.get(name)) is str}
    elif rows.column_names.count(name) == 1 and pa.types.is_string(rows.schema.field(name).type):
        texts = {*rows[name].unique().to_pylist()} - {None}
    keys = {each.strip() for each in texts if each.isprintable()} - {""}
    return {key for key in keys if len(key) <= KEY_LIMIT}


def _named(values: Sequence[Any], deleted: Sequence[bool], fresh: Sequence[int]) -> set[str]:
    """Return what the rows at some places name; what is deleted names nothing any more."""
    if len(fresh) == len(values) and True not in deleted:
        return {*values} - {None}
    return {values[spot] for spot in fresh if values[spot] is not None and not deleted[spot]}
