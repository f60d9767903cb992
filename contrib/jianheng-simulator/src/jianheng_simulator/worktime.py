"""Working time as one axis of whole seconds.

Every event of the simulated world happens at a *moment*: an integer counting working seconds.
Adding hours or days to a moment therefore never leaves office hours, comparing moments is
comparing integers, and what is visible on a day is what lies before that day's end.
"""

from bisect import bisect_left
from datetime import date, datetime, timedelta
from functools import cache

SHIFT = 7 * 3600
"""Working seconds in a day: 9 to 12 and 13:30 to 17:30."""

_MORNING = 3 * 3600
_LUNCH = 90 * 60
_FIRST = date(2012, 1, 1)
_LAST = date(2045, 12, 31)
# Public holidays move with the lunar calendar; fixed approximations are enough here.
_HOLIDAYS = frozenset(
    [(1, 1), (6, 10), (9, 15)]
    + [(2, day) for day in range(10, 17)]
    + [(4, day) for day in range(4, 7)]
    + [(5, day) for day in range(1, 6)]
    + [(10, day) for day in range(1, 8)]
)
_SATURDAY = 5


def is_workday(day: date) -> bool:
    """Tell whether the offices are open."""
    return day.weekday() < _SATURDAY and (day.month, day.day) not in _HOLIDAYS


@cache
def workdays() -> tuple[int, ...]:
    """Ordinals of all workdays the simulator knows."""
    span = range(_FIRST.toordinal(), _LAST.toordinal() + 1)
    return tuple(number for number in span if is_workday(date.fromordinal(number)))


@cache
def _openings() -> tuple[datetime, ...]:
    return tuple(
        datetime.combine(date.fromordinal(number), datetime.min.time()) + timedelta(hours=9)
        for number in workdays()
    )


@cache
def index_from(ordinal: int) -> int:
    """Index of the first workday on or after a day."""
    return bisect_left(workdays(), ordinal)


def ordinal_of(moment: int) -> int:
    """The day of a moment."""
    return workdays()[moment // SHIFT]


def day_of(moment: int) -> date:
    """The date of a moment."""
    return date.fromordinal(ordinal_of(moment))


def time_of(moment: int) -> datetime:
    """The clock time of a moment."""
    index, second = divmod(moment, SHIFT)
    return _openings()[index] + timedelta(seconds=second if second < _MORNING else second + _LUNCH)


def midnight_of(moment: int) -> datetime:
    """The day of a moment as a database date."""
    return _openings()[moment // SHIFT] - timedelta(hours=9)


def later(moment: int, days: float, second: int) -> int:
    """The moment some calendar days after another, on the next workday, at a working second of it."""
    found = index_from(ordinal_of(moment) + int(days)) * SHIFT + second
    # Zero days later must still be later.
    return found if found > moment else moment + 1 + second % 3600


def end_of(day: date) -> int:
    """The first moment after a day: what lies before it has happened by the day's end."""
    return index_from(day.toordinal() + 1) * SHIFT
