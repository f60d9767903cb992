"""What a stream's rows look like, and whether they still look as they did: columns, kinds of value, codes.

A change of the source's own tables shows here before it does harm. It is looked for in a sample of each batch;
what a sample seems to lack is looked for in every row.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeAlias

import pyarrow as pa

from jianheng.errors import AskError, Problem, problem
from jianheng.facts.convert import RESERVED, Reject
from jianheng.facts.entities import ENTITIES
from jianheng.facts.entity import Entity

SAMPLE = 100
"""Rows of a batch that are looked at."""
KNOWN_FROM = 50
"""Rows after which a column that was always there, or always of a kind, is expected to be so."""
NEW_CODE_FROM = 10
"""Rows with the same unknown code that make it a change at the source; fewer are faults of these rows."""
MOST_CODES = 200
"""Accepted codes that are remembered."""

Rows: TypeAlias = Sequence[Mapping[str, Any]] | pa.Table

_KINDS: dict[type, str] = {
    str: "text",
    bool: "boolean",
    int: "number",
    float: "number",
    Decimal: "number",
    dt.date: "day",
    dt.datetime: "day",
}


_ARROW_KINDS: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_null, ""),
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_integer, "number"),
    (pa.types.is_floating, "number"),
    (pa.types.is_decimal, "number"),
    (pa.types.is_date, "day"),
    (pa.types.is_timestamp, "day"),
    (pa.types.is_string, "text"),
    (pa.types.is_large_string, "text"),
    (pa.types.is_string_view, "text"),
)


class DriftError(AskError):
    """A stream does not look as it did: it is paused until somebody has looked at it."""

    def __init__(self, problems: Sequence[Problem], seen: "Shape") -> None:
        super().__init__(problems[0].code, **problems[0].fields)
        self._problems = tuple(problems)
        self.seen = seen

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Every change that was found."""
        return self._problems


@dataclass(frozen=True, slots=True)
class Shape:
    """What rows looked like.

    Attributes:
        rows: how many were looked at.
        columns: by column, in how many of them it stood.
        kinds: by column, in how many of them it held a value of a kind.
        codes: unknown codes that somebody has accepted as such, as ``column=code``.
        reads: a hash of how the source was read: another way of reading gives another shape.
    """

    rows: int = 0
    columns: Mapping[str, int] = field(default_factory=dict)
    kinds: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    codes: tuple[str, ...] = ()
    reads: str = ""

    def as_json(self) -> str:
        """Return the shape as it is kept."""
        told = {
            "rows": self.rows,
            "columns": self.columns,
            "kinds": self.kinds,
            "codes": self.codes,
            "reads": self.reads,
        }
        return json.dumps(told, ensure_ascii=False, sort_keys=True)


def shape_from(text: str) -> Shape:
    """Return a shape as it was kept; an empty text is that of a stream never looked at."""
    told = json.loads(text) if text else {}
    return Shape(**{**told, "codes": tuple(told.get("codes", ()))})


def observe(rows: Rows, reads: str = "") -> Shape:
    """Return what some rows look like; rows marked deleted hold only a key and are left out."""
    if isinstance(rows, pa.Table):
        kinds = {each.name: _arrow_kind(each.type) for each in rows.schema}
        filled = {name: rows.num_rows - rows[name].null_count for name in kinds}
        return Shape(
            rows.num_rows,
            dict.fromkeys(kinds, rows.num_rows),
            {name: {kind: filled[name]} for name, kind in kinds.items() if kind and filled[name]},
            reads=reads,
        )
    sample = [row for row in rows[:: max(1, len(rows) // SAMPLE)] if not row.get("_deleted")]
    columns = Counter(name for row in sample for name in row)
    found = Counter(
        (name, type(value))
        for row in sample
        for name, value in row.items()
        if value is not None and value != ""
    )
    told: dict[str, Counter[str]] = {}
    for (name, kind), count in found.items():
        told.setdefault(name, Counter())[_KINDS.get(kind, kind.__name__)] += count
    return Shape(len(sample), dict(columns), {name: dict(each) for name, each in told.items()}, reads=reads)


def merge(known: Shape, seen: Shape) -> Shape:
    """Return what is known after some more rows; another way of reading begins anew."""
    if known.reads != seen.reads:
        return seen
    kinds = {name: Counter(each) for name, each in known.kinds.items()}
    for name, each in seen.kinds.items():
        kinds.setdefault(name, Counter()).update(each)
    return Shape(
        known.rows + seen.rows,
        dict(Counter(known.columns) + Counter(seen.columns)),
        {name: dict(each) for name, each in kinds.items()},
        (*known.codes, *(code for code in seen.codes if code not in known.codes))[-MOST_CODES:],
        seen.reads,
    )


def check_shape(known: Shape, seen: Shape, rows: Rows, entity: Entity, source: str, stream: str) -> None:
    """Compare a batch with what is known of its stream.

    Raises:
        DriftError: columns are gone or new, or hold another kind of value.
    """
    if known.reads != seen.reads or known.rows < KNOWN_FROM or not seen.rows:
        return
    told = list(_changes(known, seen, rows, entity, source, stream))
    if told:
        raise DriftError(told, seen)


def check_codes(
    known: Shape, unknown: Counter[tuple[str, str]], entity: Entity, source: str, stream: str, reads: str
) -> None:
    """Look for codes that so many rows hold that the source must have begun to use them.

    Raises:
        DriftError: there are some that nobody has accepted.
    """
    if known.reads != reads or known.rows < KNOWN_FROM:
        return
    new = {
        pair: count
        for pair, count in unknown.items()
        if count >= NEW_CODE_FROM and "=".join(pair) not in known.codes
    }
    if new:
        told = [
            _told("sync-drift-code", entity, source, stream, column, code=code, rows=count)
            for (column, code), count in sorted(new.items())
        ]
        raise DriftError(told, Shape(codes=tuple("=".join(pair) for pair in sorted(new)), reads=reads))


def unknown_codes(rejects: Sequence[Reject]) -> Counter[tuple[str, str]]:
    """Count the codes for which rows were rejected, by column."""
    return Counter(
        (str(each.fields["column_name"]), str(each.fields["value"]))
        for reject in rejects
        for each in reject.problems
        if each.code == "row-unknown-code"
    )


def accepted(known: Shape, pending: Shape) -> Shape:
    """Return what is expected from now on, after somebody has accepted a change."""
    if pending.codes:
        return merge(replace(known, reads=pending.reads), pending)
    return replace(pending, codes=known.codes)


def _changes(
    known: Shape, seen: Shape, rows: Rows, entity: Entity, source: str, stream: str
) -> Iterator[Problem]:
    always = [name for name, count in known.columns.items() if count == known.rows and name not in RESERVED]
    for name in sorted(set(always) - seen.columns.keys()):
        if isinstance(rows, pa.Table) or not any(name in row for row in rows):
            yield _told("sync-drift-gone", entity, source, stream, name)
    for name, count in sorted(seen.columns.items()):
        if (
            name not in known.columns
            and name not in entity.names
            and name not in RESERVED
            and count == seen.rows
        ):
            yield _told("sync-drift-new", entity, source, stream, name)
    for name in sorted(known.kinds.keys() & seen.kinds.keys() - RESERVED):
        before, now = known.kinds[name], seen.kinds[name]
        if sum(before.values()) >= KNOWN_FROM and not before.keys() & now.keys():
            kinds = {"before": "、".join(sorted(before)), "now": "、".join(sorted(now))}
            yield _told("sync-drift-kind", entity, source, stream, name, **kinds)


def _told(told: str, /, entity: Entity, source: str, stream: str, column: str, **more: object) -> Problem:
    label = entity.column(column).label if column in entity.names else column
    needing = [each.label for each in ENTITIES.values() if entity.name in each.refs]
    fields = {
        "source": source,
        "stream": stream,
        "entity": entity.label,
        "column": label,
        "column_name": column,
    }
    return problem(told, **fields, affects="、".join([entity.label, *needing]), **more)


def _arrow_kind(kind: pa.DataType) -> str:
    """Return the kind of an Arrow type; empty for one that says nothing."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return next((name for test, name in _ARROW_KINDS if test(kind)), str(kind))
