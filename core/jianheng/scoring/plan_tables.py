"""The policy as tables: decision rows with their lists spread out, dated values as spans of days."""

import datetime as dt
from collections.abc import Sequence
from itertools import product
from typing import Any

import pyarrow as pa

from jianheng.scoring.parameters import resolve
from jianheng.scoring.points import SCALE
from jianheng.scoring.policy import Policy

_ALWAYS, _NEVER = dt.date(1, 1, 1), dt.date(9999, 12, 31)

_TEXT, _INT, _DAY = pa.string(), pa.int64(), pa.date32()


def _table(columns: Sequence[tuple[str, pa.DataType]], rows: Sequence[Sequence[Any]]) -> pa.Table:
    held = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    return pa.table(
        {name: pa.array(list(values), kind) for (name, kind), values in zip(columns, held, strict=True)}
    )


def _any(values: tuple[str, ...]) -> tuple[str | None, ...]:
    return values or (None,)


def tables(policy: Policy) -> dict[str, pa.Table]:
    """Return the tables the plan joins: rules, authority, sheets, coefficients, team weights, measures.

    Every dated value is carried with its span of days; the item's day picks it.
    """
    return {
        "rule_row": _rules(policy),
        "authority_row": _authority(policy),
        "authority_rule": _table(
            [("unlisted", _TEXT)], [[policy.file.authority.unlisted if policy.file.authority else "permit"]]
        ),
        "sheet_row": _table(
            [("sheet", _TEXT), ("role", _TEXT)], [(each.id, each.role) for each in policy.file.sheets]
        ),
        "measure_row": _table(
            [("measure", _TEXT), ("team", pa.bool_())],
            [(name, measure.team) for name, measure in sorted(policy.measures.items())],
        ),
        "coefficient_row": _coefficients(policy),
        "team_weight": _team(policy),
    }


def _rules(policy: Policy) -> pa.Table:
    rows = []
    for row in policy.points:
        for code, category, role in product(_any(row.code), _any(row.category), _any(row.role)):
            rows.append(
                (
                    row.id,
                    row.measure,
                    code,
                    category,
                    role,
                    row.indicator,
                    int(row.points * SCALE),
                    row.per_case,
                    row.since or _ALWAYS,
                    row.until or _NEVER,
                )
            )
    columns = [
        ("rule_id", _TEXT),
        ("measure", _TEXT),
        ("code", _TEXT),
        ("category", _TEXT),
        ("role", _TEXT),
        ("indicator", _TEXT),
        ("unit_points", _INT),
        ("per_case", _INT),
        ("since", _DAY),
        ("until", _DAY),
    ]
    return _table(columns, rows)


def _authority(policy: Policy) -> pa.Table:
    columns = [(name, _TEXT) for name in ("measure", "code", "category", "role", "post_level")]
    rows = [
        (row.measure, *each)
        for row in policy.authority
        for each in product(_any(row.code), _any(row.category), _any(row.role), _any(row.post_level))
    ]
    return _table(columns, rows)


def _coefficients(policy: Policy) -> pa.Table:
    columns = [
        ("coefficient_id", _TEXT),
        ("measure", _TEXT),
        ("permille", _INT),
        ("since", _DAY),
        ("until", _DAY),
    ]
    rows = [
        (each.id, measure, int(span.value * SCALE), span.since, span.until or _NEVER)
        for each in policy.coefficients
        for span in resolve(policy.layers, each.parameter)
        for measure in _any(each.measures)
    ]
    return _table(columns, rows)


def _team(policy: Policy) -> pa.Table:
    columns = [("role", _TEXT), ("weight", _INT), ("since", _DAY), ("until", _DAY)]
    weights = policy.file.team.weights if policy.file.team else {}
    rows = [
        (role, int(span.value * SCALE), span.since, span.until or _NEVER)
        for role, parameter in sorted(weights.items())
        for span in resolve(policy.layers, parameter)
    ]
    return _table(columns, rows)
