"""One column of checked rows, and the text by which all its columns together are told.

A column that is proven right as a whole stays an Arrow array from the source to the store; one that was
read value by value is a list. Either is made from the other when somebody asks for it, and only then.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import repeat
from operator import itemgetter
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from jianheng.facts.convert import Value

NOTHING = "None"
"""How Python tells a value that is not there."""


@dataclass(frozen=True, eq=False)
class Vector:
    """The values of a column, one per row.

    Attributes:
        array: texts or days; None where the values were read one by one.
        texts: the same as the source gave them, days as ISO text; None where it gave no texts.
        read: the values that were read one by one.
    """

    array: pa.Array | None = None
    texts: Sequence[str | None] | None = None
    read: Sequence[Value] | None = None

    @cached_property
    def values(self) -> Sequence[Value]:
        """The values as Python holds them."""
        if self.read is not None:
            return self.read
        if self.array is None:
            return []
        if self.texts is not None and pa.types.is_string(self.array.type):
            return self.texts
        return listed(self.array)

    def take(self, places: Sequence[int]) -> "Vector":
        """Return some rows of the column."""
        array = None if self.array is None else self.array.take(pa.array(places, pa.int32()))
        return Vector(array, at(self.texts, places), at(self.read, places))


def at(values: Sequence[Any] | None, places: Sequence[int]) -> Sequence[Any] | None:
    """Return the values at some places; None of None."""
    if values is None or not places:
        return None if values is None else []
    if len(places) == 1:
        return [values[places[0]]]
    found: tuple[Any, ...] = itemgetter(*places)(values)
    return found


_SOME, _FEW = 500, 125
"""Texts that are looked at first, and how many may be distinct for all to be taken for codes."""


def listed(array: pa.Array) -> list[Any]:
    """Return an Arrow array's values; days and codes come often, and each is made once."""
    if pa.types.is_null(array.type):
        return [None] * len(array)
    if pa.types.is_string(array.type) and (len(array) < _SOME or len(array.slice(0, _SOME).unique()) > _FEW):
        told: list[Any] = array.to_pylist()
        return told
    coded = array.dictionary_encode()
    values = [*coded.dictionary.to_pylist(), None]
    places = coded.indices.fill_null(len(values) - 1) if coded.indices.null_count else coded.indices
    return [*map(values.__getitem__, integers(places))]


def integers(array: pa.Array) -> list[int]:
    """Return what an array of 32-bit integers holds; none may be missing."""
    data = array.buffers()[1]
    return (
        [] if data is None else memoryview(data).cast("i")[array.offset : array.offset + len(array)].tolist()
    )


def utf8(array: pa.Array) -> memoryview:
    """Return all texts of an array one after the other; what lies under a missing one may be among them."""
    ends, data = array.buffers()[1:3]
    if data is None or ends is None:
        return memoryview(b"")
    places = memoryview(ends).cast("i")
    return memoryview(data)[places[array.offset] : places[array.offset + len(array)]]


_KIND: dict[type, pa.DataType] = {str: pa.string(), bytes: pa.binary()}


@lru_cache(maxsize=1_000)
def word(text: str | bytes) -> pa.Scalar:
    """Return a text, or bytes, as Arrow takes it: finding out anew what a bare one is takes it longer than many rows."""
    return pa.scalar(text, _KIND[type(text)])


Said = TypeVar("Said", str, bytes)


class Lines(Generic[Said]):
    """Texts, or bytes, put together row by row from columns and from what stands between them.

    The parts are joined in one go for all rows; no Python is run for a row.
    """

    def __init__(self, size: int, begin: Said) -> None:
        self._size = size
        self._kind: type[Said] = type(begin)
        self._parts: list[pa.Array | Said] = [begin]

    def say(self, text: Said) -> None:
        """Say the same in every row."""
        last = self._parts[-1]
        if isinstance(last, self._kind):
            self._parts[-1] = last + text
        else:
            self._parts.append(text)

    def tell(self, words: pa.Array) -> None:
        """Say each row's own; none may be missing."""
        self._parts.append(words)

    def joined(self) -> pa.Array:
        """Return what is said of all rows."""
        if len(self._parts) == 1:
            return pa.array(repeat(self._parts[0], self._size), _KIND[self._kind], size=self._size)
        parts = (word(each) if isinstance(each, self._kind) else each for each in self._parts)
        return pc.binary_join_element_wise(*parts, word(self._kind()))


def as_bytes(texts: pa.Array) -> Iterable[bytes]:
    """Return each text as UTF-8."""
    told: list[bytes] = texts.cast(pa.binary()).to_pylist()
    return told
