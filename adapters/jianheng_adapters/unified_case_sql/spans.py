"""Reading a span of days: the rows whose business time lies in it, in the order of their keys, from a row on.

Where the database keeps days as days it is asked for the span, with some days to spare; where it keeps texts, in
whatever form, all rows come and are looked at once they are converted. A row whose day nobody can read comes too:
it must be set aside, not left out.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from jianheng.contract import Row
from jianheng.errors import StopError
from jianheng.facts.entities import ENTITIES
from jianheng.facts.time import wall_time
from jianheng_adapters.mapping import StreamMapping
from jianheng_adapters.unified_case_sql.schema import Place
from jianheng_adapters.unified_case_sql.statements import Column, Statement

SPARE = dt.timedelta(days=2)
"""Days asked for beyond the span: a time zone may move a moment to the next day."""

Span = tuple[dt.date, dt.date]


def business_time(stream: StreamMapping) -> str | None:
    """Return the canonical column that puts a row of the stream into a span; None where nothing does."""
    name = ENTITIES[stream.entity].business_time
    return name if name in stream.columns else None


def within(row: Row, name: str | None, span: Span) -> bool:
    """Whether a row belongs to a span; what has no business time at all does, for nobody can tell."""
    if name is None:
        return True
    found = row.get(name)
    if isinstance(found, dt.datetime):
        found = wall_time(found).date()
    if isinstance(found, dt.date):
        return span[0] <= found < span[1]
    return found is not None


def in_span(
    statement: Statement,
    stream: StreamMapping,
    places: Mapping[str, Place],
    span: Span,
    after: Sequence[str | int] | None,
) -> sa.Select[Any]:
    """Return what reads a span from a row on, that row included; the columns of the order come last."""
    chosen = statement.rows.add_columns(
        *(each.label(f"o{position}") for position, each in enumerate(statement.order))
    )
    bounds = _bounds(statement, stream, places, span)
    chosen = chosen.where(bounds) if bounds is not None else chosen
    if after is not None:
        chosen = chosen.where(_from(statement.order, after))
    return chosen.order_by(*statement.order)


def _bounds(
    statement: Statement, stream: StreamMapping, places: Mapping[str, Place], span: Span
) -> Column | None:
    """Return what the database can be asked of the span; None where it cannot."""
    name = business_time(stream)
    if name is None or statement.as_text:
        return None
    told = stream.columns[name]
    names = [told.column] if told.column is not None else list(told.first_of or ())
    plain = [each for each in names if isinstance(each, str)]
    if len(plain) != len(names) or not names:
        return None
    if told.format or told.month_end or told.extract or told.part or told.default is not None:
        return None
    found: list[Column] = []
    for each in plain:
        alias, dot, column = each.partition(".")
        place, bare = (places[alias], column) if dot and alias in stream.join else (places[""], each)
        kind = place.types.get(bare.upper())
        if not isinstance(kind, sa.Date | sa.DateTime) or getattr(kind, "timezone", False):
            return None
        first, end = (dt.datetime.combine(day, dt.time()) for day in (span[0] - SPARE, span[1] + SPARE))
        found.append(sa.and_(place[bare] >= sa.literal(first), place[bare] < sa.literal(end)))
    return sa.or_(*found)


def _from(order: Sequence[Column], after: Sequence[str | int]) -> Column:
    """Return the condition for all rows from one on; rows without a part of the order come in any case."""
    found: Column = sa.true()
    for place, (column, value) in enumerate(reversed([*zip(order, after, strict=True)])):
        bound = sa.literal(value)
        beyond = column >= bound if place == 0 else column > bound
        found = sa.or_(beyond, column.is_(None), sa.and_(column == bound, found))
    return found


def format_place(record: Sequence[Any], parts: int) -> str | None:
    """Return the cursor of a record: its values of the order; None where they cannot be kept."""
    values = list(record[len(record) - parts :])
    good = parts and all(isinstance(each, str | int) and not isinstance(each, bool) for each in values)
    return json.dumps(values, ensure_ascii=False) if good else None


def parse_place(cursor: str | None, parts: int, *, stream: str) -> list[str | int] | None:
    """Return the values of the order that a cursor holds.

    Raises:
        StopError: the cursor is none of ours.
    """
    if cursor is None:
        return None
    try:
        found = json.loads(cursor)
    except ValueError:
        found = None
    if not isinstance(found, list) or len(found) != parts:
        raise StopError("cursor-unreadable", stream=stream, cursor=cursor[:80])
    return found
