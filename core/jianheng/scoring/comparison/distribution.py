"""How some totals lie, and how far two orders of the same people agree. Exact throughout."""

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

_THOUSANDTHS = 1000


@dataclass(frozen=True, slots=True)
class Distribution:
    """What some totals look like. Everything is in 0.001 point.

    A quantile that falls between two totals is taken from the straight line between them, as
    ``QUARTILE.INC`` of spreadsheet programs does.

    Attributes:
        deciles: the nine that cut the totals into ten parts.
    """

    count: int
    mean: Fraction
    least: int
    first_quartile: Fraction
    median: Fraction
    third_quartile: Fraction
    most: int
    deciles: tuple[Fraction, ...]


def distribution(totals: Iterable[int]) -> Distribution | None:
    """Return how some totals lie; None when there are none."""
    rising = sorted(totals)
    if not rising:
        return None
    return Distribution(
        count=len(rising),
        mean=Fraction(sum(rising), len(rising)),
        least=rising[0],
        first_quartile=quantile(rising, Fraction(1, 4)),
        median=quantile(rising, Fraction(1, 2)),
        third_quartile=quantile(rising, Fraction(3, 4)),
        most=rising[-1],
        deciles=tuple(quantile(rising, Fraction(tenth, 10)) for tenth in range(1, 10)),
    )


def quantile(rising: Sequence[int], part: Fraction) -> Fraction:
    """Return the number below which a part (0 to 1) of some rising numbers lies."""
    position = part * (len(rising) - 1)
    below = int(position)
    above = min(below + 1, len(rising) - 1)
    return rising[below] + (position - below) * (rising[above] - rising[below])


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two orders of the same people agree, pair by pair.

    Attributes:
        pairs: all pairs of two people.
        alike: pairs whom both orders put the same way round.
        inverted: pairs whom they put the opposite way round.
        tied_a, tied_b: pairs who are equal in the one, in the other; equal in both counts in both.
    """

    pairs: int
    alike: int
    inverted: int
    tied_a: int
    tied_b: int

    @property
    def tau(self) -> int | None:
        """Kendall's tau-b in thousandths, half away from zero; None where one side puts everybody equal.

        ``(alike - inverted) / sqrt((pairs - tied_a) * (pairs - tied_b))``: integers only, so it is the
        same on every machine.
        """
        untied = (self.pairs - self.tied_a) * (self.pairs - self.tied_b)
        if untied == 0:
            return None
        over = self.alike - self.inverted
        halves = isqrt((2 * _THOUSANDTHS * over) ** 2 // untied)
        size = (halves + 1) // 2
        return size if over >= 0 else -size


def agreement(totals: Iterable[tuple[int, int]]) -> Agreement:
    """Return how the totals that people have in two orders agree: one pair of totals a person."""
    ordered = sorted(totals)
    pairs = _pairs(len(ordered))
    tied_a, tied_b, tied_both = (
        sum(_pairs(times) for times in Counter(each).values())
        for each in ((a for a, _ in ordered), (b for _, b in ordered), ordered)
    )
    seen: list[int] = []
    inverted = 0
    for _, b in ordered:
        inverted += len(seen) - bisect_right(seen, b)
        insort(seen, b)
    return Agreement(pairs, pairs - tied_a - tied_b + tied_both - inverted, inverted, tied_a, tied_b)


def _pairs(people: int) -> int:
    return people * (people - 1) // 2
