"""A table in words and numbers, before anybody knows whether it goes to a terminal, a workbook or a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from jianheng.scoring.law.points import half_up, shown


@dataclass(frozen=True, slots=True)
class Points:
    """An amount of 0.001 point; ``signed`` shows that it is a difference."""

    thousandths: int
    signed: bool = False

    def __str__(self) -> str:
        return (
            f"+{shown(self.thousandths)}" if self.signed and self.thousandths > 0 else shown(self.thousandths)
        )


Cell = str | int | Points | None
"""What one cell holds; None is shown as a dash: there is no such number."""

NOTHING = "—"


@dataclass(frozen=True, slots=True)
class Block:
    """A table.

    Attributes:
        id: what kind of table it is.
        note: what a reader must know of it.
        total: how many rows there are, where only the first are given.
    """

    id: str
    title: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    note: str = ""
    total: int = 0

    def first(self, most: int) -> "Block":
        """Return the block with its first rows only."""
        return Block(self.id, self.title, self.heads, self.rows[:most], self.note, len(self.rows))

    @property
    def left_out(self) -> int:
        """How many rows are not given."""
        return max(self.total - len(self.rows), 0)


def cell_text(cell: Cell) -> str:
    """Return a cell as people read it."""
    return NOTHING if cell is None else str(cell)


def nearest_points(value: Fraction, *, signed: bool = False) -> Points:
    """Return a fraction of 0.001 points as the nearest whole one, half away from zero."""
    return Points(half_up(value.numerator, value.denominator), signed)


def points_or_none(thousandths: int | None, *, signed: bool = False) -> Points | None:
    """Return an amount where there is one."""
    return None if thousandths is None else Points(thousandths, signed)
