"""Exact numbers above the ledger: fractions while something is worked out, 0.001 point once it is.

What a node gives is rounded once, half away from zero, to its ``places``; whoever reads the node reads
the rounded number, so that everything shown can be worked out again by hand.
"""

from decimal import Context, Decimal, Inexact
from fractions import Fraction
from functools import lru_cache

from jianheng.scoring.law.points import SCALE, half_up

_STEPS = (1000, 100, 10, 1)
"""0.001 points in a step of 0 to 3 decimals."""


def rounded(value: Fraction, places: int) -> int:
    """Return a value as 0.001, half up at ``places`` decimals (0 to 3)."""
    step = _STEPS[places]
    return half_up(value.numerator * SCALE, value.denominator * step) * step


def whole(points: int) -> Fraction:
    """Return 0.001 points as the exact number they stand for."""
    return Fraction(points, SCALE)


def points_text(points: int) -> str:
    """Return 0.001 points as a decimal text without needless zeros: 12340 is ``12.34``."""
    sign = "-" if points < 0 else ""
    whole_points, rest = divmod(abs(points), SCALE)
    return f"{sign}{whole_points}" if rest == 0 else f"{sign}{whole_points}.{rest:03d}".rstrip("0")


def exact_text(value: Fraction | Decimal | int) -> str:
    """Return a number as text without loss: a plain decimal where one is exact, else ``a/b``."""
    return _quotient_text(*value.as_integer_ratio())


@lru_cache(maxsize=4096)
def _quotient_text(numerator: int, denominator: int) -> str:
    """Return a fraction in its lowest terms as text: a group's largest value is written down for each of its people."""
    rest = denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return f"{numerator}/{denominator}"
    digits = len(str(numerator)) + denominator.bit_length()  # a half has one decimal more
    context = Context(prec=digits, traps=[Inexact])
    return f"{context.divide(Decimal(numerator), Decimal(denominator)):f}"
