"""The geometry of the charts; the templates draw it as inline SVG."""

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jianheng.contract import Entry, PersonScore
from jianheng_adapters.scores_view import points_text

WIDTH, NARROW, HEIGHT = 720, 420, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 4, 26, 26
_TICKS = 4
_BINS = 10
_LABELLED_COLUMNS = 16
_VALUED_COLUMNS = 12

_Column = tuple[str, str, str, tuple[tuple[str, int], ...]]
"""Label, value, what is told, and the values of the parts by kind."""


@dataclass(frozen=True, slots=True)
class Part:
    """One coloured piece of a column."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its pieces, what stands under and above it, and what a reader is told on pointing."""

    x: float
    width: float
    parts: Sequence[Part]
    label: str
    value: str
    told: str

    @property
    def middle(self) -> float:
        """The middle, where its texts stand."""
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        """The highest point, above which its value stands."""
        return min((part.y for part in self.parts), default=HEIGHT - _BOTTOM)


@dataclass(frozen=True, slots=True)
class Tick:
    """One line of the scale."""

    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A column chart."""

    title: str
    columns: Sequence[Column]
    ticks: Sequence[Tick]
    zero: float
    width: int
    left: int = _LEFT
    height: int = HEIGHT


def monthly(entries: Iterable[Entry], start: dt.date, end: dt.date, title: str) -> Figure:
    """Return the points of each month of a period, final and provisional."""
    sums = {month: [0, 0] for month in _months(start, end)}
    for entry in entries:
        if entry.state != "void":
            month = sums.setdefault((entry.day.year, entry.day.month), [0, 0])
            month[entry.state == "provisional"] += entry.points
    one_year = len({year for year, _ in sums}) == 1
    rows = []
    for (year, number), (final, provisional) in sorted(sums.items()):
        name = f"{number}月" if one_year else f"{year % 100:02d}.{number:02d}"
        told = f"{year}年{number}月：最终 {points_text(final)}，暂计 {points_text(provisional)}"
        value = points_text(final + provisional) if final + provisional else ""
        rows.append((name, value, told, (("final", final), ("provisional", provisional))))
    return _figure(title, rows, 1000, WIDTH)


def distribution(scores: Sequence[PersonScore], title: str) -> Figure | None:
    """Return how many people have how many points; None where nobody has a total."""
    values = [score.points for score in scores if score.points is not None]
    if not values:
        return None
    low, high = min(values), max(values)
    step = _nice_step(max(high - low, 1), _BINS, 1000)
    first, last = low // step, high // step
    rows = []
    for number in range(first, last + 1):
        count = sum(value // step == number for value in values)
        since, until = number * step // 1000, (number + 1) * step // 1000
        told = f"{since} 分（含）至 {until} 分：{count} 人"
        rows.append((str(since), str(count) if count else "", told, (("final", count),)))
    return _figure(title, rows, 1, NARROW)


def _figure(title: str, rows: Sequence[_Column], unit: int, width: int) -> Figure:
    highest = max((sum(max(value, 0) for _, value in parts) for _, _, _, parts in rows), default=0)
    lowest = min((sum(min(value, 0) for _, value in parts) for _, _, _, parts in rows), default=0)
    step = _nice_step(max(highest - lowest, unit), _TICKS, unit)
    top, bottom = math.ceil(highest / step) * step or step, math.floor(lowest / step) * step
    scale = (HEIGHT - _TOP - _BOTTOM) / (top - bottom)
    zero = _TOP + top * scale
    slot = (width - _LEFT - _RIGHT) / max(len(rows), 1)
    every = math.ceil(len(rows) / _LABELLED_COLUMNS) or 1
    columns = [
        Column(
            x=round(_LEFT + slot * (number + 0.18), 2),
            width=round(slot * 0.64, 2),
            parts=_stack(parts, zero, scale),
            label=label if number % every == 0 else "",
            value=value if len(rows) <= _VALUED_COLUMNS else "",
            told=told,
        )
        for number, (label, value, told, parts) in enumerate(rows)
    ]
    ticks = [
        Tick(round(zero - value * scale, 2), str(value // unit)) for value in range(bottom, top + 1, step)
    ]
    return Figure(title, columns, ticks, round(zero, 2), width)


def _stack(parts: Iterable[tuple[str, int]], zero: float, scale: float) -> list[Part]:
    above = below = 0
    made = []
    for kind, value in parts:
        height = abs(value) * scale
        if value > 0:
            above += value
            made.append(Part(kind, round(zero - above * scale, 2), round(height, 2)))
        elif value < 0:
            made.append(Part(kind, round(zero - below * scale, 2), round(height, 2)))
            below += value
    return made


def _nice_step(span: int, parts: int, unit: int) -> int:
    """Return 1, 2 or 5 times a power of ten units, so that about so many steps cover the span."""
    wanted = max(math.ceil(span / parts / unit), 1)
    power = 10 ** (len(str(wanted)) - 1)
    factor = next(each for each in (1, 2, 5, 10) if each * power >= wanted)
    return int(factor * power * unit)


def _months(start: dt.date, end: dt.date) -> Iterable[tuple[int, int]]:
    year, month = start.year, start.month
    while dt.date(year, month, 1) < end:
        yield year, month
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)  # noqa: PLR2004  # months of a year
