"""Finds the header of a table by what it says, even under a title or a note."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jianheng.errors import FaultsError, problem
from jianheng_adapters.mapping.load import nearest

SEARCHED = 10
"""Rows that are looked at for the header."""


@dataclass(frozen=True, slots=True)
class Header:
    """Where the header is and where each wanted column stands."""

    number: int
    first: bool
    width: int
    index: Mapping[str, int]


def _name(cell: Any) -> str:
    """A heading as it is compared: line breaks and blanks in a cell, and the star of a required field, don't count."""
    return "".join(str(cell).split()).lstrip("*＊")


def find_header(
    rows: Iterator[tuple[int, Sequence[Any]]], wanted: Sequence[str], optional: frozenset[str], place: str
) -> Header:
    """Return the header, leaving the iterator at the first row below it.

    Raises:
        FaultsError: every column that is missing or stands there twice.
    """
    needed = [name for name in wanted if name not in optional]
    best: tuple[int, list[str]] = (0, [])
    for order, (number, row) in enumerate(islice(rows, SEARCHED)):
        names = [_name(cell) for cell in row]
        present = sum(_name(name) in names for name in needed)
        if present == len(needed):
            twice = [name for name in wanted if names.count(_name(name)) > 1]
            if twice:
                raise FaultsError(
                    problem("table-column-twice", place=place, column=name, row=number) for name in twice
                )
            index = {name: names.index(_name(name)) for name in wanted if _name(name) in names}
            return Header(number, order == 0, len(names), index)
        if present > best[0] or not best[1]:
            best = (present, names)
    written = [name for name in best[1] if name]
    lacking = [name for name in needed if _name(name) not in written]
    unclaimed = [name for name in written if name not in {_name(each) for each in wanted}]
    raise FaultsError(
        problem(
            "table-column-missing",
            place=place,
            column=name,
            nearest=nearest(name, unclaimed),
            present="、".join(written) or "-",
        )
        for name in lacking
    )
