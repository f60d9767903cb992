"""What of the office's policy reads a column: told when its source changed, before anybody scores by it."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from jianheng.cli.session import Session
from jianheng.errors import JianhengError
from jianheng.messages import some_of, text

if TYPE_CHECKING:
    from jianheng.scoring.law.policy import Policy

_DERIVED: Mapping[str, tuple[str, ...]] = {
    "case_outcome": ("result_code", "result_codes"),
    "suspect": ("suspect_count",),
    "document": ("document_count",),
    "archive_volume": ("archive_accepted_on",),
}
"""Columns of a case that are computed from other entities (rules/views.py)."""

_LITERAL = re.compile(r"'(?:[^']|'')*'")
_NAME = re.compile(r"[a-z_][a-z0-9_]*")


def affected_by(session: Session, entity: str, column: str) -> str:
    """Return which measures and rules of the office's policy read a column, in words; empty where none does."""
    from jianheng.cli.services import policy_of  # a sync needs no law unless a source has changed its form

    try:
        policy = policy_of(session)
    except JianhengError:  # doctor and scoring tell what is wrong with it
        return ""
    measures, others = readers(policy, entity, column)
    if not measures and not others:
        return ""
    rules = sum(row.measure in measures for row in policy.points)
    labels = [policy.measures[name].label for name in measures]
    return text("sync-affected-law", names=some_of([*labels, *others], 8), rules=rules)


def readers(policy: "Policy", entity: str, column: str) -> tuple[list[str], list[str]]:
    """Return the measures that read a column of an entity, and what else of the policy does, by label."""
    measures = [
        name
        for name, sql in policy.measure_sql.items()
        if _reads(sql, policy.measures[name].grain, entity, column)
    ]
    others = {
        text("sync-affected-closing"): policy.closing_sql,
        text("sync-affected-due"): policy.due_sql or "",
    }
    others |= {each.label: each.sql for each in policy.gates}
    return measures, [label for label, sql in others.items() if _reads(sql, "case", entity, column)]


def _reads(sql: str, grain: str, entity: str, column: str) -> bool:
    names = set(_NAME.findall(_LITERAL.sub("", sql)))
    if grain == entity or {f"fact_{entity}", f"v_{entity}"} & names:
        return column in names
    if entity == "case":
        return f"case_{column}" in names
    return any(each in names or f"case_{each}" in names for each in _DERIVED.get(entity, ()))
