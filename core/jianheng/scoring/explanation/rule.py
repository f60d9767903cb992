"""One rule as it was applied: its rows, what it counts in words, and the gates, factors and caps that bear on it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from jianheng.facts.entities import ENTITIES
from jianheng.messages import text
from jianheng.rules.measure import Measure, definitions
from jianheng.rules.views import view
from jianheng.scoring.explanation.words import number_told, role_name, span_words
from jianheng.scoring.kernel.horizon import bound_by
from jianheng.scoring.law.compiled import CompiledGate
from jianheng.scoring.law.pack_rows import PointsRow
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy

RULE_CAPS = {"case_cap": "case", "month_cap": "month", "year_cap": "year"}
"""The caps that a row of points may have itself, by the unit they hold for."""


def rows_of(policy: Policy, rule: str) -> list[PointsRow]:
    """Return the rows of a rule, in the order of their days: an id may have several, one after the other."""
    rows = [row for row in policy.points if row.id == rule]
    return sorted(rows, key=lambda row: row.since or dt.date.min)


def row_on(rows: Sequence[PointsRow], day: dt.date) -> int:
    """Return the position of the row in force on a day: of the last that has begun."""
    begun = [place for place, row in enumerate(rows) if row.since is None or row.since <= day]
    return begun[-1] if begun else 0


def rule_told(policy: Policy, rule: str, period: Period, names: Mapping[str, str]) -> dict[str, Any]:
    """Return everything about a rule but what it gave somebody.

    Args:
        policy: the law that was applied.
        rule: its id.
        period: whose last day says which numbers hold, and whose days say which definitions are told.
        names: the names of case categories.
    """
    day = period.end - dt.timedelta(days=1)
    rows = rows_of(policy, rule)
    row = rows[row_on(rows, day)]
    measure = policy.measures[row.measure]
    return {
        "id": row.id,
        "label": row.label,
        "indicator": row.indicator,
        "cite": row.cite,
        "assumed": row.assumed,
        "rows": [_row(policy, each, names) for each in rows],
        "measure": _measure(row.measure, measure, period),
        "team": _team(policy, day) if measure.team else [],
        "authority": _authority(policy, row.measure),
        "gates": [
            {"id": each.id, "label": each.label, "final_when": _final_when(policy, each.id)}
            for each in gates_on(policy, row.measure)
        ],
        "factors": _factors(policy, row.measure, day),
        "caps": _caps(policy, rows, day),
    }


def gates_on(policy: Policy, measure: str) -> list[CompiledGate]:
    """Return the gates that a measure's items must pass before their points are final."""
    in_case = "case_no" in view(policy.measures[measure].grain).columns
    return [each for each in policy.gates if measure in each.measures or (in_case and not each.measures)]


def _final_when(policy: Policy, gate: str) -> str:
    return next(each.final_when for each in policy.file.gates if each.id == gate)


def _row(policy: Policy, row: PointsRow, names: Mapping[str, str]) -> dict[str, Any]:
    conditions = {
        "code": "、".join(row.code),
        "category": "、".join(names.get(each, each) for each in row.category),
        "role": "、".join(role_name(policy, each) for each in row.role),
        "per_case": row.per_case or "",
        "fault": row.fault,
    }
    return {
        "label": row.label,
        "since": None if row.since is None else str(row.since),
        "until": None if row.until is None else str(row.until),
        "span": span_words(row.since, row.until),
        "points": f"{row.points:f}",
        "code": list(row.code),
        "category": list(row.category),
        "role": list(row.role),
        "per_case": row.per_case,
        "fault": row.fault,
        "conditions": [
            text(f"explain-condition-{name}", told=told).removeprefix(", ")
            for name, told in conditions.items()
            if told
        ],
        "cite": row.cite,
        "assumed": row.assumed,
        "verified": None if row.verified is None else str(row.verified),
    }


def _measure(name: str, measure: Measure, period: Period) -> dict[str, Any]:
    """Return a measure with each definition that holds on some day of the period."""
    held = [
        _definition(each, window.since, window.until)
        for window, each, _ in definitions(measure)
        if (window.since is None or window.since < period.end)
        and (window.until is None or window.until > period.start)
    ]
    return {
        "id": name,
        "label": measure.label,
        "grain": measure.grain,
        "grain_label": ENTITIES[measure.grain].label,
        "unit": measure.unit,
        "cite": measure.cite,
        "definitions": held,
    }


def _definition(measure: Measure, since: dt.date | None, until: dt.date | None) -> dict[str, Any]:
    columns = {
        f"{part}_label": _column(measure, column)
        for part in ("date", "code", "item", "actor")
        if (column := getattr(measure, part)) is not None
    }
    told = {
        "since": None if since is None else str(since),
        "until": None if until is None else str(until),
        "span": span_words(since, until),
        "where": measure.where,
        "date": measure.date,
        "code": measure.code,
        "item": measure.item,
        "actor": measure.actor,
        "team": measure.team,
        "quantity": measure.quantity or "1",
        "fault": measure.fault,
    }
    return told | columns | ({"actor_label": text("explain-team")} if measure.team else {})


def _column(measure: Measure, name: str) -> str:
    return view(measure.grain).origin(name)[1].label


def _team(policy: Policy, day: dt.date) -> list[dict[str, Any]]:
    weights = policy.file.team.weights if policy.file.team else {}
    return [
        {"role": role, "label": role_name(policy, role), **number_told(policy, weight, day)}
        for role, weight in weights.items()
    ]


def _authority(policy: Policy, measure: str) -> dict[str, Any] | None:
    """Return by what text an authority list bears on a measure; None where none does."""
    listed = any(row.measure == measure for row in policy.authority)
    if not listed or policy.file.authority is None:
        return None
    return {"cite": policy.file.authority.cite, "unlisted": policy.file.authority.unlisted}


def _factors(policy: Policy, measure: str, day: dt.date) -> list[dict[str, Any]]:
    in_case = "case_no" in view(policy.measures[measure].grain).columns
    return [
        {
            "id": factor.id,
            "label": factor.label,
            "over": factor.over,
            "take": factor.take,
            "cite": factor.cite,
            "choices": [
                {
                    "id": each.id,
                    "label": each.label,
                    "when": each.when,
                    "declared": each.declared,
                    "cite": each.cite,
                    **number_told(policy, each.value, day),
                }
                for each in factor.choices
            ],
        }
        for factor in policy.file.factors
        if measure in factor.measures or (not factor.measures and (in_case or factor.over == "item"))
    ]


def _caps(policy: Policy, rows: list[PointsRow], day: dt.date) -> list[dict[str, Any]]:
    """Return the caps of the rule's own row on a day, then those it shares with others, in the order they take."""
    row = rows[row_on(rows, day)]
    own = [
        {
            "id": f"{row.id}.{name}",
            "label": text(f"cap-{unit}", rule=row.label),
            "per": [text("explain-unit-person"), text(f"explain-unit-{unit}")],
            "allot": "day",
            "cite": row.cite,
            **number_told(policy, limit, day),
        }
        for name, unit in RULE_CAPS.items()
        if (limit := getattr(row, name)) is not None
    ]
    shared = [
        {
            "id": cap.id,
            "label": cap.label,
            "per": [text(f"explain-unit-{unit}") for unit in cap.per],
            "allot": cap.allot,
            "cite": cap.cite,
            **number_told(policy, cap.limit, day),
        }
        for cap in policy.file.caps
        if row.id in bound_by(policy, cap)
    ]
    return [*own, *shared]
