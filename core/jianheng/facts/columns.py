"""Many rows checked column by column: the same facts, hashes and rejects as ``convert`` gives one by one.

A column is proven right as a whole where that can be (:mod:`jianheng.facts.whole`). Where it cannot, each distinct
value is read once, by the very function that reads it in a single row, so both ways cannot differ. A row with a
cell that is not plainly right is handed to ``convert``, which alone tells what is wrong with it.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from jianheng.facts.convert import (
    HASH_BYTES,
    Fact,
    Read,
    Reject,
    UnfitError,
    Value,
    convert,
    known_columns,
    readers,
    storable,
    text_limit,
)
from jianheng.facts.entity import Column, Entity
from jianheng.facts.given import Given, Rows, given_in
from jianheng.facts.vectors import NOTHING, Lines, Vector, as_bytes, integers
from jianheng.facts.whole import Whole, whole_days, whole_texts


class _Doubt:
    """Stands where a cell is not plainly right."""


_DOUBT: Any = _Doubt()
_SAME: frozenset[type] = frozenset({str, int, bool, dt.date, dt.datetime})
"""Types whose equal values are read alike, as long as a column holds no other: 1 equals True and 1.0."""
_TEXTS: frozenset[type] = frozenset({str, type(None)})


@dataclass(frozen=True, slots=True)
class Checked:
    """A batch after checking, in the order it came.

    Attributes:
        columns: one per column of the entity.
        rejects: unusable rows by place; their cells in ``columns`` mean nothing.
        row: gives a row back as the source gave it.
    """

    entity: Entity
    columns: tuple[Vector, ...]
    hashes: list[str]
    deleted: list[bool]
    locators: list[str]
    rejects: dict[int, Reject]
    row: Callable[[int], Mapping[str, Any]]

    @property
    def keys(self) -> Sequence[Any]:
        """The keys, one per row; text wherever the row is no reject."""
        keys: Sequence[Any] = self.columns[0].values
        return keys

    def __len__(self) -> int:
        """Return the number of rows, unusable ones included."""
        return len(self.hashes)


def check(entity: Entity, rows: Rows | Given) -> Checked:
    """Check a batch; what ``convert`` gives for each row, in columns."""
    given = rows if isinstance(rows, Given) else given_in(rows)
    doubtful: set[int] = set()
    columns: list[Vector] = []
    told = Lines(given.size, "")
    before = "["
    for read, column in readers(entity):
        way = _Way(read, column.required or column is entity.key, column, text_limit(entity, column))
        whole = _whole(given, way)
        if whole is None:
            whole, doubts = _read(given, way)
            doubtful.update(doubts)
        columns.append(whole.vector)
        told.say(before + ("'" if whole.quoted else ""))
        if whole.words is None:
            told.say(NOTHING)
        else:
            told.tell(whole.words)
        before = "', " if whole.quoted else ", "
    told.say(f"{before.removesuffix(', ')}]")
    if given.columns.keys() - known_columns(entity):
        doubtful.update(given.with_others(known_columns(entity)))
    deleted = [*map(bool, given.listed("_deleted"))] if "_deleted" in given.columns else [False] * given.size
    checked = Checked(entity, tuple(columns), _hashes(told), deleted, _locators(given), {}, given.row)
    return _decided(checked, sorted(doubtful)) if doubtful else checked


def _hashes(told: Lines[str]) -> list[str]:
    """Return what ``content_hash`` gives for each text."""
    fresh, found = hashlib.blake2b(digest_size=HASH_BYTES), []
    for text in as_bytes(told.joined()):
        one = fresh.copy()  # takes less than beginning one anew
        one.update(text)
        found.append(one.hexdigest())
    return found


def _locators(given: Given) -> list[str]:
    if "_locator" not in given.columns:
        return [""] * given.size
    told = given.listed("_locator")
    if {*map(type, told)} <= _TEXTS and "".join(filter(None, told)).isprintable():
        return ["" if each is None else each.strip() for each in told]
    return [*map(storable, told)]


def _decided(checked: Checked, doubtful: Iterable[int]) -> Checked:
    """Return a batch whose doubtful rows were read singly: some are unusable, others told in an unusual way."""
    facts: dict[int, Fact] = {}
    for place in doubtful:
        outcome = convert(checked.entity, checked.row(place))
        if isinstance(outcome, Reject):
            checked.rejects[place] = outcome
        else:
            facts[place] = outcome
            checked.hashes[place] = outcome.content_hash
    if not facts:
        return checked
    columns: list[Vector] = []
    for number, column in enumerate(checked.columns):
        values = [*column.values]
        for place, fact in facts.items():
            values[place] = fact.values[number]
        columns.append(Vector(read=values))
    return replace(checked, columns=tuple(columns))


@dataclass(frozen=True, slots=True)
class _Way:
    """How a column is read: ``limit`` as of ``text_limit``."""

    read: Read
    needed: bool
    column: Column
    limit: int | None


def _whole(given: Given, way: _Way) -> Whole | None:
    """Return a column proven right as a whole; None where that is not so."""
    plain = way.limit is not None or way.column.type == "date"
    if not plain or way.column.allowed or way.column.name not in given.columns:
        return None
    texts = given.texts(way.column.name)
    if texts is None:
        return None
    if way.limit is not None:
        return whole_texts(texts, way.limit, needed=way.needed)
    return whole_days(texts, needed=way.needed)


def _read(given: Given, way: _Way) -> tuple[Whole, Iterable[int]]:
    """Return a column read value by value, and the places where something is not plainly right."""
    if way.column.name not in given.columns:
        empty = _DOUBT if way.needed else None
        return Whole(Vector(read=[empty] * given.size), None), range(given.size if way.needed else 0)
    cells = _read_cells(given, way)
    doubts = [place for place, value in enumerate(cells.values) if value is _DOUBT] if cells.doubt else ()
    return Whole(Vector(read=cells.values), pa.array(cells.told, pa.string())), doubts


@dataclass(frozen=True, slots=True)
class _Cells:
    """A column read: its values, how Python tells each, and whether any is ``_DOUBT``."""

    values: list[Value]
    told: list[str]
    doubt: bool


def _read_cells(given: Given, way: _Way) -> _Cells:
    cells = given.columns[way.column.name]
    if isinstance(cells, pa.ChunkedArray):
        coded = _coded(cells)
        if coded is not None:
            few = _read_each(coded[0], way)
            values = [*map(few.values.__getitem__, coded[1])]
            return _Cells(values, [*map(few.told.__getitem__, coded[1])], few.doubt)
        cells = cells.to_pylist()
    if not _alike(cells):
        return _read_each(cells, way)
    distinct = list(set(cells))
    if len(distinct) * 2 > given.size:
        return _read_each(cells, way)
    few = _read_each(distinct, way)
    values_of = dict(zip(distinct, few.values, strict=True))
    words = dict(zip(distinct, few.told, strict=True))
    return _Cells([*map(values_of.__getitem__, cells)], [*map(words.__getitem__, cells)], few.doubt)


def _read_each(cells: Sequence[Any], way: _Way) -> _Cells:
    plain = _plain_texts(cells, way)
    if plain is not None:
        return _Cells(plain, [*map(repr, plain)], doubt=False)
    values: list[Value] = []
    doubt = False
    for cell in cells:
        value: Value = None
        if cell is not None:
            try:
                value = way.read(cell)
            except UnfitError:
                value, doubt = _DOUBT, True
        if value is None:
            if way.needed:
                value, doubt = _DOUBT, True
        elif way.column.allowed and value is not _DOUBT and value not in way.column.allowed:
            value, doubt = _DOUBT, True
        values.append(value)
    return _Cells(values, [*map(repr, values)], doubt)


def _plain_texts(cells: Sequence[Any], way: _Way) -> list[Value] | None:
    """Return texts of which none can be wrong, looked at all together; None when they must be looked at singly."""
    if way.limit is None or way.column.allowed or not set(map(type, cells)) <= {str, type(None)}:
        return None
    texts = [cell for cell in cells if cell is not None]
    if max(map(len, texts), default=0) > way.limit or not "".join(texts).isprintable():
        return None
    values: list[Value] = [None if cell is None else cell.strip() or None for cell in cells]
    return None if way.needed and None in values else values


def _alike(cells: Sequence[Any]) -> bool:
    """Return whether equal cells of a column are read alike."""
    types = set(map(type, cells)) - {type(None)}
    if len(types) > 1 or not types <= _SAME:
        return False
    if types == {dt.datetime}:  # a moment told in two zones is one moment, and so is an hour that comes twice
        return not any(cell is not None and (cell.tzinfo or cell.fold) for cell in cells)
    return True


_CODED = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_integer,
    pa.types.is_boolean,
    pa.types.is_date32,
    pa.types.is_decimal,
)


def _coded(cells: pa.ChunkedArray) -> tuple[list[Any], list[int]] | None:
    """Return an Arrow column as its distinct values, the last of them None, and each row's place among them."""
    kind = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
    plain = any(is_of(kind) for is_of in _CODED)
    if not plain and not (pa.types.is_timestamp(kind) and kind.tz is None and kind.unit != "ns"):
        return None
    array = cells.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        return None
    coded = array.dictionary_encode()
    distinct = coded.dictionary.to_pylist()
    return [*distinct, None], integers(coded.indices.fill_null(len(distinct)).cast(pa.int32()))
