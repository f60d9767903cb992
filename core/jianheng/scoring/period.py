"""Periods: windows ``[start, end)`` with a name."""

import datetime as dt
import re
from dataclasses import dataclass

from jianheng.errors import StopError

_FORM = re.compile(
    r"(?P<year>\d{4})(?:-(?:Q(?P<quarter>[1-4])|H(?P<half>[12])|(?P<month>0[1-9]|1[0-2])))?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Period:
    """A window of days; ``end`` is the day after the last."""

    id: str
    label: str
    start: dt.date
    end: dt.date


def _after(year: int, month: int) -> dt.date:
    return dt.date(year + month // 12, month % 12 + 1, 1)


def period(name: str) -> Period:
    """Return a calendar period by name: ``2025``, ``2025-H1``, ``2025-Q3`` or ``2025-07``.

    Raises:
        StopError: the name has none of these forms.
    """
    match = _FORM.fullmatch(name)
    if match is None or not 1990 <= int(match["year"]) <= 2100:  # noqa: PLR2004 the years a file may speak of
        raise StopError("period-unknown", name=name)
    year = int(match["year"])
    if match["quarter"]:
        quarter = int(match["quarter"])
        return Period(
            name, f"{year}年第{quarter}季度", dt.date(year, 3 * quarter - 2, 1), _after(year, 3 * quarter)
        )
    if match["half"]:
        half = int(match["half"])
        label = f"{year}年{'上' if half == 1 else '下'}半年"
        return Period(name, label, dt.date(year, 6 * half - 5, 1), _after(year, 6 * half))
    if match["month"]:
        month = int(match["month"])
        return Period(name, f"{year}年{month}月", dt.date(year, month, 1), _after(year, month))
    return Period(name, f"{year}年度", dt.date(year, 1, 1), dt.date(year + 1, 1, 1))
