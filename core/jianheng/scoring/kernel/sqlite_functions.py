"""Functions that SQLite lacks, doing exactly what DuckDB's of the same purpose do; nothing in, nothing out."""

import datetime as dt
import json
import re
import sqlite3
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from jianheng.scoring.kernel.sqlite_words import DAY_US, EPOCH, NotAlikeError

Text = str | None


def install(connection: sqlite3.Connection) -> None:
    """Give a connection the functions that :mod:`jianheng.scoring.kernel.sqlite_words` writes."""
    for name, count, function in _FUNCTIONS:
        connection.create_function(name, count, function, deterministic=True)
    connection.create_function("failed", 0, _failed)
    connection.create_aggregate("texts_once", 1, _TextsOnce)  # type: ignore[arg-type]


def _failed() -> None:
    """A rule says that it cannot answer; who says it in words is DuckDB."""
    raise NotAlikeError("a rule failed")


def _day_of(moment: int | None) -> int | None:
    return None if moment is None else moment // DAY_US


@lru_cache(maxsize=4096)
def day_of(number: int) -> dt.date:
    """Return a day by its number since 1970."""
    return EPOCH + dt.timedelta(days=number)


def _day_text(number: int | None) -> Text:
    return None if number is None else day_of(number).isoformat()


def _day_part(part: str, number: int | None) -> int | None:
    return None if number is None else int(getattr(day_of(number), part))


def _texts(*values: str | int | None) -> str:
    return "".join(str(each) for each in values if each is not None)


def _texts_with(between: str, *values: str | int | None) -> str:
    return between.join(str(each) for each in values if each is not None)


class _TextsOnce:
    """Every text once, in order, with semicolons."""

    def __init__(self) -> None:
        self._found: set[str] = set()

    def step(self, value: Text) -> None:
        """Take one."""
        if value is not None:
            self._found.add(value)

    def finalize(self) -> Text:
        """Return them all."""
        return ";".join(sorted(self._found)) if self._found else None


def _starts_with(text: Text, start: Text) -> bool | None:
    return None if text is None or start is None else text.startswith(start)


def _holds(text: Text, part: Text) -> bool | None:
    return None if text is None or part is None else part in text


@lru_cache(maxsize=512)
def _pattern(told: str) -> re.Pattern[str]:
    """Compile a pattern of ours: ``$`` is the end and no line break before it."""
    return re.compile(re.sub(r"(?<!\\)\$", r"\\Z", told))


def _matches(text: Text, pattern: Text) -> bool | None:
    return None if text is None or pattern is None else _pattern(pattern).search(text) is not None


def _first_group(text: Text, pattern: Text) -> Text:
    if text is None or pattern is None:
        return None
    found = _pattern(pattern).search(text)
    return "" if found is None else found[1] or ""


@lru_cache(maxsize=16)
def _table(from_: str, to: str) -> dict[int, int]:
    if len(from_) != len(to) or len(set(from_)) != len(from_):
        raise NotAlikeError("characters exchanged for fewer")
    return str.maketrans(from_, to)


def _exchanged(text: Text, from_: str, to: str) -> Text:
    return None if text is None else text.translate(_table(from_, to))


def _part_of(text: Text, between: str, place: int) -> Text:
    if text is None:
        return None
    parts = text.split(between)
    return parts[place - 1] if 0 < place <= len(parts) else ""


def _digits(text: Text) -> int | None:
    """A few digits as a number, nothing for no characters; of anything else DuckDB knows more."""
    if text is None or text == "":
        return None
    if re.fullmatch("[0-9]{1,9}", text) is None:
        raise NotAlikeError("what may be a number")
    return int(text)


def _attribute(told: Text, name: str) -> Text:
    """What a mapping written as JSON says of a name: texts as they are; what is neither text nor nothing is left to DuckDB."""
    if told is None:
        return None
    if not told.startswith("{"):
        raise NotAlikeError("attributes of another form")
    found = [value for key, value in json.loads(told, object_pairs_hook=list) if key == name]
    if not found:
        return None
    if len(found) > 1 or not (found[0] is None or isinstance(found[0], str)):
        raise NotAlikeError("an attribute that is no text")
    return found[0]


def _whole(value: float | None) -> int | None:
    """A number that came out of whole ones: where 64 bits did not do, SQLite has made it a broken one."""
    if isinstance(value, float):
        raise NotAlikeError("a number too large")
    return value


_FUNCTIONS: tuple[tuple[str, int, Callable[..., Any]], ...] = (
    ("day_of", 1, _day_of),
    ("day_text", 1, _day_text),
    ("day_part", 2, _day_part),
    ("texts", -1, _texts),
    ("texts_with", -1, _texts_with),
    ("starts_with", 2, _starts_with),
    ("holds", 2, _holds),
    ("matches", 2, _matches),
    ("first_group", 2, _first_group),
    ("exchanged", 3, _exchanged),
    ("part_of", 3, _part_of),
    ("digits", 1, _digits),
    ("whole", 1, _whole),
    ("attribute", 2, _attribute),
)
