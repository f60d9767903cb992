"""A comparison as plain data, for scripts. Points are decimal texts, exact; what no decimal says is ``a/b``."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from jianheng.scoring.comparison.comparison import Comparison, Move, SheetComparison, Side
from jianheng.scoring.comparison.distribution import Distribution
from jianheng.scoring.comparison.left_out import LeftOut
from jianheng.scoring.indicators.outcome import Standing
from jianheng.scoring.kernel.directory import Member
from jianheng.scoring.law.exact import exact_text
from jianheng.scoring.law.points import SCALE, shown

_TOTALS = ("people", "cases", "entries", "uncounted", "others")
_SUMS = ("points", "provisional", "withheld")
_FIGURES = ("mean", "least", "first_quartile", "median", "third_quartile", "most")


def comparison_json(comparison: Comparison, members: Mapping[str, Member]) -> dict[str, Any]:
    """Return a comparison as plain data; single entries are in the workbook."""
    return {
        "a": side_json(comparison.a),
        "b": side_json(comparison.b),
        "facts_at": comparison.facts_at,
        "moved": comparison.moved,
        "totals": {
            name: {key: getattr(totals, key) for key in _TOTALS}
            | {key: shown(getattr(totals, key)) for key in _SUMS}
            for name, totals in (("a", comparison.totals_a), ("b", comparison.totals_b))
        },
        "sheets": [_sheet(each, members) for each in comparison.sheets],
        "rules": [
            {
                "rule": each.rule_id,
                "label": each.label,
                "people": each.people,
                "only_a": each.only_a,
                "only_b": each.only_b,
                "changed": each.changed,
                "points_a": shown(each.points_a),
                "points_b": shown(each.points_b),
            }
            for each in comparison.rules
        ],
        "entries": comparison.lines.num_rows,
        "left_out": _left_out(comparison.left_out),
    }


def _left_out(corrections: LeftOut | None) -> dict[str, Any] | None:
    """Return the corrections of closed periods that are on neither side; ``entries`` None where not yet known."""
    if corrections is None:
        return None
    points = None if corrections.entries is None else shown(corrections.points)
    return {"corrects": list(corrections.corrects), "entries": corrections.entries, "points": points}


def side_json(side: Side) -> dict[str, Any]:
    """Return which policy a side is, and on which days."""
    return {
        "label": side.label,
        "policy": side.policy.id,
        "version": side.policy.version,
        "as_if": side.as_if,
        "period": side.period.id,
        "start": side.period.start.isoformat(),
        "end": side.period.end.isoformat(),
    }


def distribution_json(of: Distribution | None) -> dict[str, Any]:
    """Return how totals lie; only their count where there are none."""
    if of is None:
        return {"count": 0}
    return {
        "count": of.count,
        **{name: _exact(getattr(of, name)) for name in _FIGURES},
        "deciles": [_exact(each) for each in of.deciles],
    }


def _exact(thousandths: Fraction | int) -> str:
    return exact_text(Fraction(thousandths) / SCALE)


def _sheet(sheet: SheetComparison, members: Mapping[str, Member]) -> dict[str, Any]:
    order = sheet.agreement
    return {
        "role": sheet.role,
        "label": sheet.label,
        "moved": sheet.moved,
        "other_place": sheet.other_place,
        "other_grade": sheet.other_grade,
        "order": {
            "pairs": order.pairs,
            "alike": order.alike,
            "inverted": order.inverted,
            "tied_a": order.tied_a,
            "tied_b": order.tied_b,
            "tau_b": None if order.tau is None else shown(order.tau),
        },
        "a": distribution_json(sheet.a),
        "b": distribution_json(sheet.b),
        "grades": [{"a": a, "b": b, "people": count} for a, b, count in sheet.grades],
        "people": [_move(each, members) for each in sheet.moves],
    }


def _move(move: Move, members: Mapping[str, Member]) -> dict[str, Any]:
    member = members.get(move.person_key)
    return {
        "person": move.person_key,
        "name": member.name if member else move.person_key,
        "department": member.department if member else "",
        "moved": move.moved,
        "difference": _points(move.difference),
        "a": _standing(move.a, move.grade_a),
        "b": _standing(move.b, move.grade_b),
        "rules": [
            {
                "rule": each.rule_id,
                "why": each.why.split(";"),
                "entries": each.entries,
                "points_a": shown(each.points_a),
                "points_b": shown(each.points_b),
            }
            for each in move.effects
        ],
        "indicators": [
            {
                "indicator": each.indicator,
                "label": each.label,
                "a": _points(each.points_a),
                "b": _points(each.points_b),
            }
            for each in move.shifts
        ],
    }


def _standing(standing: Standing | None, grade: str) -> dict[str, Any] | None:
    if standing is None:
        return None
    return {
        "state": standing.state,
        "reason": standing.reason,
        "points": _points(standing.points),
        "final": _points(standing.final),
        "withheld": shown(standing.withheld),
        "place": standing.place,
        "of": standing.place_of,
        "grade": grade,
        "grade_reason": standing.grade_reason,
    }


def _points(thousandths: int | None) -> str | None:
    return None if thousandths is None else shown(thousandths)
