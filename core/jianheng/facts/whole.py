"""A column looked at as a whole: proven right for every row, or not at all.

What is proven here reads exactly as :mod:`jianheng.facts.convert` reads it value by value, which a test compares.
Whatever is not plain (a space at an edge, a quote, a day told otherwise) is left to be read one by one.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jianheng.facts.convert import EARLIEST, LATEST
from jianheng.facts.vectors import NOTHING, Vector, utf8, word

_ISO_DAY = pa.scalar(10, pa.int32())
"""Characters of a day as ISO 8601 tells it."""
_FIRST, _END = ((day - dt.date(1970, 1, 1)).days for day in (EARLIEST, LATEST))


@dataclass(frozen=True, slots=True)
class Whole:
    """A column proven right.

    Attributes:
        words: how Python tells each value; None: there is no value in any row.
        quoted: the words still lack the quotes around them.
    """

    vector: Vector
    words: pa.Array | None
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Texts:
    """A column that holds nothing but texts, or days in Arrow.

    Attributes:
        array: all of it.
        given: the same as mappings gave it; None of an Arrow column.
        joined: all texts one after the other; None of days.
    """

    array: pa.Array
    given: Sequence[str | None] | None
    joined: str | None


def texts_in(cells: Sequence[Any] | pa.ChunkedArray) -> Texts | None:
    """Return a column that holds nothing but texts, or days in Arrow; None where it holds anything else."""
    try:
        if not isinstance(cells, pa.ChunkedArray):
            joined = "".join(filter(None, cells))  # what is no text ends it; what is empty may still be none,
            return Texts(pa.array(cells, pa.string()), cells, joined)  # and only b"" passes here: too short
        kind = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_date32(kind)):
            return None
        kind = pa.string() if pa.types.is_large_string(kind) else kind
        array = (cells if kind == cells.type else cells.cast(kind)).combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            return None
        return Texts(array, None, None if pa.types.is_date32(kind) else str(utf8(array), "utf-8"))
    except (TypeError, UnicodeError, pa.ArrowInvalid):  # other kinds, half a character
        return None


def whole_texts(texts: Texts, limit: int, *, needed: bool) -> Whole | None:
    """Return a column of text if each is printable, trimmed and not too long, and is there where it must be."""
    array, told = texts.array, texts.joined
    if told is None or (needed and array.null_count):
        return None
    vector = Vector(array, texts.given)
    if array.null_count == len(array):
        return Whole(vector, None)
    if not told.isprintable() or "'" in told or "\\" in told or not _of_length(array, limit):
        return None
    if " " in told and _any(pc.or_kleene(pc.starts_with(array, " "), pc.ends_with(array, " "))):
        return None
    if not array.null_count:
        return Whole(vector, array, quoted=True)
    words = pc.binary_join_element_wise(word("'"), array, word("'"), word(""))
    return Whole(vector, pc.coalesce(words, word(NOTHING)))


def _of_length(array: pa.Array, limit: int) -> bool:
    """Return whether no text is empty and none too long; bytes are counted first, characters only if they must be."""
    lengths = pc.min_max(pc.binary_length(array))
    if lengths["min"].as_py() < 1:
        return False
    return bool(lengths["max"].as_py() <= limit or pc.max(pc.utf8_length(array)).as_py() <= limit)


def whole_days(texts: Texts, *, needed: bool) -> Whole | None:
    """Return a column of days if each is one that is believed, told as ISO 8601 does where it is told in text."""
    array = texts.array
    if needed and array.null_count:
        return None
    if array.null_count == len(array):
        return Whole(Vector(pa.nulls(len(array), pa.date32()), texts.given), None)
    days = array if pa.types.is_date32(array.type) else _days_told(array)
    if days is None:
        return None
    ends = pc.min_max(days.cast(pa.int32()))
    if ends["min"].as_py() < _FIRST or ends["max"].as_py() >= _END:
        return None
    return Whole(Vector(days, texts.given), _words_of_days(days))


def _days_told(texts: pa.Array) -> pa.Array | None:
    if not pa.types.is_string(texts.type) or _any(pc.not_equal(pc.binary_length(texts), _ISO_DAY)):
        return None
    try:
        return texts.cast(pa.date32())
    except pa.ArrowInvalid:
        return None


def _words_of_days(days: pa.Array) -> pa.Array:
    coded = days.dictionary_encode()
    year, month, day = (part(coded.dictionary).cast(pa.string()) for part in (pc.year, pc.month, pc.day))
    comma = word(", ")
    told = pc.binary_join_element_wise(
        word("datetime.date("), year, comma, month, comma, day, word(")"), word("")
    )
    words = told.take(coded.indices)
    return pc.coalesce(words, word(NOTHING)) if days.null_count else words


def _any(found: pa.Array) -> bool:
    return bool(pc.any(found).as_py())
