"""What one value is held against: the values of a group, himself included.

Only values count: whoever's is missing or not applicable is no peer of anybody's, for he would stand
in the mean as a zero that nobody earned.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from jianheng.scoring.law.exact import whole

Ties = Literal["best", "middle", "worst"]


@dataclass(frozen=True, slots=True)
class Peers:
    """The values of a group that has at least one.

    Attributes:
        values: 0.001, rising.
        median: the middle value; of an even count the mean of the middle two.
    """

    values: tuple[int, ...]
    maximum: Fraction
    mean: Fraction
    median: Fraction


def peers(values: Iterable[int]) -> Peers:
    """Return a group by its values in 0.001; ValueError where there are none."""
    rising = tuple(sorted(values))
    if not rising:
        raise ValueError("a group without values compares nobody")
    count = len(rising)
    middle = rising[(count - 1) // 2] + rising[count // 2]
    return Peers(rising, whole(rising[-1]), whole(sum(rising)) / count, whole(middle) / 2)


def part_below(group: Peers, own: int, ties: Ties) -> Fraction | None:
    """Return the part of the others in the group, 0 to 1, that somebody stands above; None of a group of one.

    Equals count as below (``best``), as half below (``middle``) or not at all (``worst``). He himself is
    not among the others, so that the best of a group can reach 1 and the worst 0.
    """
    others = len(group.values) - 1
    if others == 0:
        return None
    below = bisect_left(group.values, own)
    equals = bisect_right(group.values, own) - below - 1
    counted = {"best": Fraction(1), "middle": Fraction(1, 2), "worst": Fraction(0)}[ties]
    return (below + equals * counted) / others
