"""A backtest in words and as plain data: one line a period and sheet."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from jianheng.messages import text
from jianheng.publish.block import Block, Cell, Points, nearest_points
from jianheng.publish.comparison_blocks import heads
from jianheng.publish.comparison_json import distribution_json
from jianheng.scoring.comparison.backtest import PeriodLine, SheetLine
from jianheng.scoring.law.points import shown

_FIGURES = ("mean", "least", "first_quartile", "median", "third_quartile", "most")


def totals(lines: Iterable[PeriodLine]) -> Block:
    """Return what each period comes to in all."""
    rows: list[tuple[Cell, ...]] = [
        (
            _name(each),
            each.totals.people,
            each.totals.cases,
            each.totals.entries,
            Points(each.totals.points),
            Points(each.totals.provisional),
            Points(each.totals.withheld),
            text("backtest-same") if each.same else each.in_force or text("backtest-unknown"),
        )
        for each in lines
    ]
    told = heads("period", "people", "cases", "lines", "points", "provisional", "withheld", "in-force")
    return Block("totals", text("backtest-totals"), told, rows)


def sheets(lines: Iterable[PeriodLine]) -> Block:
    """Return how the totals of each sheet lie in each period, and how many differ from what was in force."""
    rows = [_sheet(line, each) for line in lines for each in line.sheets]
    told = heads("period", "sheet", "people", *_FIGURES, "grades", "moved", "other-place", "other-grade")
    return Block("sheets", text("backtest-sheets"), told, rows, text("backtest-note"))


def _sheet(line: PeriodLine, sheet: SheetLine) -> tuple[Cell, ...]:
    of, against = sheet.spread, sheet.against
    figures = (None if of is None else nearest_points(Fraction(getattr(of, name))) for name in _FIGURES)
    grades = "、".join(f"{label} {count}" for label, count in sheet.grades)
    changes = (
        (None, None, None) if against is None else (against.moved, against.other_place, against.other_grade)
    )
    return (_name(line), sheet.label, of.count if of else 0, *figures, grades or None, *changes)


def _name(line: PeriodLine) -> str:
    return text("backtest-as-if", period=line.period.label) if line.as_if else line.period.label


def backtest_json(lines: Sequence[PeriodLine]) -> list[dict[str, Any]]:
    """Return a backtest as plain data."""
    return [
        {
            "period": each.period.id,
            "start": each.period.start.isoformat(),
            "end": each.period.end.isoformat(),
            "as_if": each.as_if,
            "in_force": each.in_force or None,
            "same": each.same,
            "totals": {
                "people": each.totals.people,
                "cases": each.totals.cases,
                "entries": each.totals.entries,
                **{name: shown(getattr(each.totals, name)) for name in ("points", "provisional", "withheld")},
            },
            "sheets": [_sheet_json(one) for one in each.sheets],
        }
        for each in lines
    ]


def _sheet_json(sheet: SheetLine) -> dict[str, Any]:
    against = sheet.against
    return {
        "role": sheet.role,
        "label": sheet.label,
        "spread": distribution_json(sheet.spread),
        "grades": dict(sheet.grades),
        "against": None
        if against is None
        else {"moved": against.moved, "other_place": against.other_place, "other_grade": against.other_grade},
    }
