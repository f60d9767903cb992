"""Points as integers: 0.001 point, permille, and the one place where anything is rounded."""

from decimal import Decimal

from jianheng.errors import Problem, problem

SCALE = 1000
_LARGEST = Decimal(10) ** 6


def thousandths(value: Decimal | int, where: str) -> int | Problem:
    """Return a number as an integer of thousandths; finer numbers are refused, never rounded."""
    number = Decimal(value)
    if not number.is_finite() or number.copy_abs().compare(_LARGEST) > 0:  # before any arithmetic on it
        return problem("policy-too-large", where=where, value=value)
    scaled = number * SCALE
    if scaled != scaled.to_integral_value():
        return problem("policy-too-fine", where=where, value=value)
    return int(scaled)


def half_up(numerator: int, denominator: int) -> int:
    """Divide and round half away from zero; ``denominator`` is positive."""
    size = (2 * abs(numerator) + denominator) // (2 * denominator)
    return size if numerator >= 0 else -size


def shown(points: int) -> str:
    """Return 0.001 points as a decimal text, exact: 12345 is ``12.345``."""
    sign = "-" if points < 0 else ""
    return f"{sign}{abs(points) // SCALE}.{abs(points) % SCALE:03d}"


def half_up_sql(numerator: str, denominator: int) -> str:
    """Return the SQL of :func:`half_up`: integer division only, the same on every engine."""
    size = f"((2 * abs({numerator}) + {denominator}) // {2 * denominator})"
    return f"(CASE WHEN {numerator} >= 0 THEN {size} ELSE -{size} END)"
