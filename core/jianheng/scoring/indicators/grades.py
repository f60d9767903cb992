"""Grades: the band a total falls into, what vetoes bar, and what quotas have room for, in this order."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Literal

from jianheng.scoring.indicators.outcome import Gap
from jianheng.scoring.law.exact import whole
from jianheng.scoring.law.pack import Band, Grades, Number, Rounding
from jianheng.scoring.law.parameters import Layer, Resolved, amount
from jianheng.scoring.law.points import half_up
from jianheng.scoring.law.tiers import BOUND_NAMES, Span, span


@dataclass(frozen=True, slots=True)
class Rung:
    """A band on a day: its totals, and the share of the group it may go to at most (None: no limit)."""

    id: str
    span: Span
    share: Fraction | None
    rounding: Rounding


@dataclass(frozen=True, slots=True)
class Grade:
    """A band, and why it is not the one that the total alone would give, reasons separated by ``;``."""

    id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A veto that holds for somebody: the best rung left to him, by position, and the reason."""

    best: int
    reason: str


def rungs_on(
    grades: Grades, layers: Sequence[Layer], day: dt.date
) -> tuple[list[Rung], tuple[Resolved, ...]] | Gap:
    """Return the bands on a day, best first, and the parameters read; or the parameter without a value."""
    numbers = {number for band in grades.bands for number in _numbers(band)}
    values: dict[Number, Fraction] = {}
    reads: dict[str, Resolved] = {}
    for number in sorted(numbers, key=str):
        found = amount(layers, number, day)
        if found.value is None:
            return Gap("missing", f"parameter:{number}")
        values[number] = Fraction(found.value)
        if found.read is not None:
            reads[found.read.name] = found.read
    rungs = [
        Rung(
            band.id,
            span(band, values.__getitem__),
            None if band.share is None else values[band.share],
            band.rounding,
        )
        for band in grades.bands
    ]
    return rungs, tuple(reads.values())


def _numbers(band: Band) -> list[Number]:
    told = [getattr(band, name) for name in (*BOUND_NAMES, "share")]
    return [each for each in told if each is not None]


def grade_group(
    rungs: Sequence[Rung], totals: Sequence[int], bars: Sequence[Bar | None], ties: Literal["in", "out"]
) -> list[Grade]:
    """Return the grades of one group of people.

    A quota is a share of everyone in the group who has a total. Whoever it has no room for goes one
    rung down, where he stands before those whose total led there. Equals at the edge all go in or all
    stay out. The last rung has room for everyone.

    Args:
        rungs: best first.
        totals: 0.001 points, one a person.
        bars: the strictest veto of each, or None.
        ties: what happens to equals of whom only some have room.
    """
    standing: list[int] = []
    reasons: list[list[str]] = []
    for total, bar in zip(totals, bars, strict=True):
        value = whole(total)
        natural = next((place for place, each in enumerate(rungs) if each.span.holds(value)), len(rungs))
        barred = bar is not None and bar.best > natural
        standing.append(bar.best if bar is not None and barred else natural)
        reasons.append([bar.reason] if bar is not None and barred else [])
    for place, rung in enumerate(rungs[:-1]):
        if rung.share is None:
            continue
        here = [position for position, at in enumerate(standing) if at == place]
        room = places_for(rung.share, len(totals), rung.rounding)
        for position, why in _without_room([(totals[each], each) for each in here], room, ties):
            standing[position] = place + 1
            reasons[position].append(f"{why}:{rung.id}")
    return [
        Grade(rungs[place].id, ";".join(why)) if place < len(rungs) else Grade("", "band")
        for place, why in zip(standing, reasons, strict=True)
    ]


def places_for(share: Fraction, people: int, rounding: Rounding) -> int:
    """Return how many places a share of a group comes to."""
    exact = share * people
    if rounding == "half_up":
        return half_up(exact.numerator, exact.denominator)
    return floor(exact) if rounding == "down" else ceil(exact)


def _without_room(
    totals: Sequence[tuple[int, int]], room: int, ties: Literal["in", "out"]
) -> list[tuple[int, str]]:
    """Return the positions for which a rung has no room, each with the reason: ``quota``, or ``tie`` at the edge."""
    if len(totals) <= room:
        return []
    falling = sorted((total for total, _ in totals), reverse=True)
    first_out = falling[room]
    divided = room > 0 and falling[room - 1] == first_out  # some of these equals have room, some have not
    found: list[tuple[int, str]] = []
    for total, position in totals:
        if total < first_out or (total == first_out and not divided):
            found.append((position, "quota"))
        elif total == first_out and ties == "out":
            found.append((position, "tie"))
    return found
