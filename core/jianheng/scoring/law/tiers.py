"""Spans with open or closed ends, and whether some of them cover every number exactly once.

A number occupies a tiny step of the line: ``(v, 0)`` is just before it and ``(v, 1)`` just after. An end
is such a cut: ``at_least v`` and ``less_than v`` cut before v, ``more_than v`` and ``at_most v`` after
it. Two spans meet if one ends at the cut at which the other begins, and so nothing depends on how fine
the numbers are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from jianheng.scoring.law.exact import exact_text
from jianheng.scoring.law.pack import Bounds, Number

Cut = tuple[int, Fraction, int]
"""Below, at or above all numbers (-1, 0, 1); the number; before or after it (0, 1)."""

_BOTTOM: Cut = (-1, Fraction(0), 0)
_TOP: Cut = (1, Fraction(0), 0)

BOUND_NAMES = ("at_least", "more_than", "at_most", "less_than")


@dataclass(frozen=True, slots=True)
class Span:
    """All numbers between two cuts."""

    low: Cut
    high: Cut

    def holds(self, value: Fraction) -> bool:
        """Say whether a number lies within."""
        return self.low <= (0, value, 0) < self.high


def span(bounds: Bounds, resolve: Callable[[Number], Fraction]) -> Span:
    """Return the span of some bounds; ``resolve`` gives the number on the day.

    Of two lower (or two upper) ends the narrower one counts; declaring two is a fault found at load.
    """
    low, high = _BOTTOM, _TOP
    if bounds.at_least is not None:
        low = max(low, (0, resolve(bounds.at_least), 0))
    if bounds.more_than is not None:
        low = max(low, (0, resolve(bounds.more_than), 1))
    if bounds.at_most is not None:
        high = min(high, (0, resolve(bounds.at_most), 1))
    if bounds.less_than is not None:
        high = min(high, (0, resolve(bounds.less_than), 0))
    return Span(low, high)


@dataclass(frozen=True, slots=True)
class Flaw:
    """What keeps spans from covering the line once.

    Attributes:
        kind: ``empty``: no number lies in span ``first``. ``gap``: numbers at ``at`` lie in none.
            ``overlap``: numbers at ``at`` lie in both ``first`` and ``second``.
        first, second: positions of the spans; ``second`` is that of ``first`` where there is no other.
        at: which numbers, as text: ``< 0.2``, ``= 0.5``, ``>= 0.5, < 0.8``.
    """

    kind: Literal["empty", "gap", "overlap"]
    first: int
    second: int
    at: str


def flaws(spans: Sequence[Span]) -> Iterator[Flaw]:
    """Yield what keeps some spans, in any order, from covering every number exactly once."""
    filled = [place for place, each in enumerate(spans) if each.low < each.high]
    yield from (Flaw("empty", place, place, "") for place in range(len(spans)) if place not in filled)
    if not filled:
        return
    filled.sort(key=lambda place: (spans[place].low, spans[place].high))
    last = filled[0]
    if spans[last].low != _BOTTOM:
        yield Flaw("gap", last, last, _text(_BOTTOM, spans[last].low))
    for place in filled[1:]:
        low, reached = spans[place].low, spans[last].high
        if low > reached:
            yield Flaw("gap", last, place, _text(reached, low))
        elif low < reached:
            yield Flaw("overlap", last, place, _text(low, min(reached, spans[place].high)))
        if spans[place].high > reached:
            last = place
    if spans[last].high != _TOP:
        yield Flaw("gap", last, last, _text(spans[last].high, _TOP))


def _text(low: Cut, high: Cut) -> str:
    """Return the numbers between two cuts as people write them."""
    if low == _BOTTOM and high == _TOP:
        return "all"
    if low == _BOTTOM:
        return f"{'<=' if high[2] else '<'} {exact_text(high[1])}"
    if high == _TOP:
        return f"{'>' if low[2] else '>='} {exact_text(low[1])}"
    if low[1] == high[1]:
        return f"= {exact_text(low[1])}"
    return f"{'>' if low[2] else '>='} {exact_text(low[1])}, {'<=' if high[2] else '<'} {exact_text(high[1])}"
