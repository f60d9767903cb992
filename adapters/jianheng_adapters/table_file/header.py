"""Finds the header of a table by what it says, even under a title or a note, or over several rows."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

from jianheng.errors import FaultsError, problem
from jianheng_adapters.mapping.files import Format
from jianheng_adapters.mapping.load import nearest

SEARCHED = 10
"""Rows that are looked at for the header."""

Rows = Iterator[tuple[int, Sequence[Any]]]


@dataclass(frozen=True, slots=True)
class Header:
    """Where the header is and where each wanted column stands."""

    number: int
    first: bool
    width: int
    index: Mapping[str, int]


def _name(cell: Any) -> str:
    """A heading as it is compared: line breaks and blanks in a cell, and the star of a required field, don't count."""
    return "".join(str("" if cell is None else cell).split()).lstrip("*＊")


def find_header(
    rows: Rows,
    wanted: Sequence[str],
    optional: frozenset[str],
    place: str,
    layout: Format | None = None,
) -> Header:
    """Return the header, leaving the iterator at the first row below it.

    Args:
        rows: the rows with their numbers.
        wanted: the columns to find.
        optional: those that may be absent.
        place: where this is, for messages.
        layout: says how many rows make the header, and what joins their cells.

    Raises:
        FaultsError: every column that is missing or stands there twice.
    """
    layout = layout or Format()
    needed = [name for name in wanted if name not in optional]
    best: tuple[int, list[str]] = (0, [])
    window: deque[Sequence[Any]] = deque(maxlen=layout.header_rows)
    for order, (number, row) in enumerate(islice(rows, SEARCHED + layout.header_rows - 1), 1):
        window.append(row)
        if len(window) < layout.header_rows:
            continue
        names = _combined(window, _name(layout.header_join))
        found = {name: _places(_name(name), names, _name(layout.header_join)) for name in wanted}
        present = sum(bool(found[name]) for name in needed)
        if present == len(needed):
            twice = [name for name in wanted if len(found[name]) > 1]
            if twice:
                raise FaultsError(
                    problem("table-column-twice", place=place, column=name, row=number) for name in twice
                )
            index = {name: places[0] for name, places in found.items() if places}
            return Header(number, order == layout.header_rows, len(names), index)
        if present > best[0] or not best[1]:
            best = (present, names)
    raise FaultsError(list(_lacking(needed, wanted, best[1], _name(layout.header_join), place)))


def _lacking(
    needed: Sequence[str], wanted: Sequence[str], names: Sequence[str], join: str, place: str
) -> Iterator[Any]:
    written = [name for name in names if name]
    unclaimed = [name for name in written if name not in {_name(each) for each in wanted}]
    for name in needed:
        if not _places(_name(name), names, join):
            yield problem(
                "table-column-missing",
                place=place,
                column=name,
                nearest=nearest(name, unclaimed),
                present="、".join(written) or "-",
            )


def _places(name: str, names: Sequence[str], join: str) -> list[int]:
    """Where a heading stands: by its whole name, else by the part of its lowest row."""
    whole = [place for place, each in enumerate(names) if each == name]
    return whole or [place for place, each in enumerate(names) if join and each.endswith(join + name)]


def _combined(window: Sequence[Sequence[Any]], join: str) -> list[str]:
    """Return one name a column out of rows in which cells are merged: only the first cell of those holds anything."""
    width = max(len(row) for row in window)
    cells = [[_name(cell) for cell in row] + [""] * (width - len(row)) for row in window]
    if len(cells) == 1:
        return cells[0]
    for upper, below in pairwise(cells):
        for place in range(1, width):
            if (
                not upper[place] and below[place]
            ):  # merged to the right; what is merged downwards has nothing below
                upper[place] = upper[place - 1]
    return [join.join(row[place] for row in cells if row[place]) for place in range(width)]
