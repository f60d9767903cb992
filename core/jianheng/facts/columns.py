"""Many rows checked column by column: the same facts, hashes and rejects as ``convert`` gives one by one.

A column of a batch has far fewer values than rows: codes, days, units. Each distinct value is read
once, by the very function that reads it in a single row, so both ways cannot differ. A row with a
cell that is not plainly right is handed to ``convert``, which alone tells what is wrong with it.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, TypeAlias

import pyarrow as pa

from jianheng.facts.convert import (
    Fact,
    Read,
    Reject,
    UnfitError,
    Value,
    content_hash,
    convert,
    known_columns,
    readers,
    storable,
    text_limit,
)
from jianheng.facts.entity import Entity

Rows: TypeAlias = Sequence[Mapping[str, Any]] | pa.Table
"""A batch as a source gives it: mappings, or an Arrow table that stands for its ``to_pylist()``."""


class _Doubt:
    """Stands where a cell is not plainly right."""


_DOUBT: Any = _Doubt()
_SAME: frozenset[type] = frozenset({str, int, bool, dt.date, dt.datetime})
"""Types whose equal values are read alike, as long as a column holds no other: 1 equals True and 1.0."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A batch after checking, in the order it came.

    Attributes:
        columns: one list per column of the entity, one value per row.
        rejects: unusable rows by place; their cells in ``columns`` mean nothing.
        row: gives a row back as the source gave it.
    """

    entity: Entity
    columns: tuple[list[Value], ...]
    hashes: list[str]
    deleted: list[bool]
    locators: list[str]
    rejects: dict[int, Reject]
    row: Callable[[int], Mapping[str, Any]]

    @property
    def keys(self) -> list[Any]:
        """The keys, one per row; text wherever the row is no reject."""
        keys: list[Any] = self.columns[0]
        return keys

    def __len__(self) -> int:
        """Return the number of rows, unusable ones included."""
        return len(self.hashes)


def check(entity: Entity, rows: Rows) -> Checked:
    """Check a batch; what ``convert`` gives for each row, in columns."""
    given = _given(rows)
    doubtful: set[int] = set()
    columns: list[list[Value]] = []
    told: list[Iterable[str]] = []
    for read, column in readers(entity):
        needed = column.required or column is entity.key
        cells = _read(given, _Way(read, needed, column.allowed, text_limit(entity, column)), column.name)
        if cells.doubt:
            doubtful.update(place for place, value in enumerate(cells.values) if value is _DOUBT)
        columns.append(cells.values)
        told.append(cells.told)
    if given.columns.keys() - known_columns(entity):
        doubtful.update(given.with_others(known_columns(entity)))
    hashes = [content_hash(f"[{', '.join(words)}]") for words in zip(*told, strict=True)]
    deleted = [bool(each) for each in given.column("_deleted")]
    locators = [storable(each) for each in given.column("_locator")]
    checked = Checked(entity, tuple(columns), hashes, deleted, locators, {}, given.row)
    for place in sorted(doubtful):
        _decide(checked, place)
    return checked


def _decide(checked: Checked, place: int) -> None:
    outcome = convert(checked.entity, checked.row(place))
    if isinstance(outcome, Reject):
        checked.rejects[place] = outcome
        return
    _put(checked, place, outcome)


def _put(checked: Checked, place: int, fact: Fact) -> None:
    for values, value in zip(checked.columns, fact.values, strict=True):
        values[place] = value
    checked.hashes[place] = fact.content_hash


@dataclass(frozen=True, slots=True)
class _Given:
    """A batch turned into columns. An Arrow column stays one until its values are needed."""

    size: int
    columns: Mapping[str, Sequence[Any] | pa.ChunkedArray]
    row: Callable[[int], Mapping[str, Any]]
    with_others: Callable[[frozenset[str]], Iterable[int]]

    def column(self, name: str) -> Iterable[Any]:
        """Return the cells of a column, None where there is none."""
        cells = self.columns.get(name)
        if cells is None:
            return repeat(None, self.size)
        return cells.to_pylist() if isinstance(cells, pa.ChunkedArray) else cells


def _given(rows: Rows) -> _Given:
    if isinstance(rows, pa.Table):
        names = rows.column_names
        if len(set(names)) < len(names):  # the last of a name wins
            return _given(rows.to_pylist())
        table = rows
        return _Given(
            table.num_rows,
            dict(zip(names, table.columns, strict=True)),
            lambda place: dict(table.slice(place, 1).to_pylist()[0]),
            lambda _known: range(table.num_rows),
        )
    mappings = rows
    layouts = {tuple(row) for row in mappings}
    if len(layouts) == 1:
        cells = zip(*(row.values() for row in mappings), strict=True)
        columns: dict[str, Sequence[Any]] = dict(zip(layouts.pop(), cells, strict=True))
    else:
        names = list(dict.fromkeys(name for layout in layouts for name in layout))
        columns = {name: [row.get(name) for row in mappings] for name in names}
    return _Given(
        len(mappings),
        columns,
        mappings.__getitem__,
        lambda known: [place for place, row in enumerate(mappings) if not row.keys() <= known],
    )


@dataclass(frozen=True, slots=True)
class _Cells:
    """A column read: its values, how Python tells each, and whether any is ``_DOUBT``."""

    values: list[Value]
    told: list[str]
    doubt: bool


@dataclass(frozen=True, slots=True)
class _Way:
    """How a column is read: ``limit`` as of ``text_limit``."""

    read: Read
    needed: bool
    allowed: tuple[str, ...]
    limit: int | None


def _read(given: _Given, way: _Way, name: str) -> _Cells:
    cells = given.columns.get(name)
    if cells is None:
        empty = _DOUBT if way.needed else None
        return _Cells([empty] * given.size, ["None"] * given.size, way.needed)
    if isinstance(cells, pa.ChunkedArray):
        coded = _coded(cells)
        if coded is not None:
            few = _read_each(coded[0], way)
            return _Cells([few.values[at] for at in coded[1]], [few.told[at] for at in coded[1]], few.doubt)
        cells = cells.to_pylist()
    if not _alike(cells):
        return _read_each(cells, way)
    distinct = list(set(cells))
    if len(distinct) * 2 > given.size:
        return _read_each(cells, way)
    few = _read_each(distinct, way)
    if len(distinct) == 1:
        return _Cells(few.values * given.size, few.told * given.size, few.doubt)
    values = dict(zip(distinct, few.values, strict=True))
    words = dict(zip(distinct, few.told, strict=True))
    return _Cells([values[cell] for cell in cells], [words[cell] for cell in cells], few.doubt)


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
        elif way.allowed and value is not _DOUBT and value not in way.allowed:
            value, doubt = _DOUBT, True
        values.append(value)
    return _Cells(values, [*map(repr, values)], doubt)


def _plain_texts(cells: Sequence[Any], way: _Way) -> list[Value] | None:
    """Return texts of which none can be wrong, looked at all together; None when they must be looked at singly."""
    if way.limit is None or way.allowed or not set(map(type, cells)) <= {str, type(None)}:
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
    return [*distinct, None], coded.indices.fill_null(len(distinct)).to_pylist()
