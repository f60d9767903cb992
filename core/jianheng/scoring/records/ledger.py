"""Reading the ledger: current lines, of all or of one person, and the run that they belong to."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from jianheng.contract import Entry
from jianheng.errors import StopError
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy
from jianheng.store.runs import last_run
from jianheng.store.tables import CURRENT, INDICATOR, LEDGER, NO_RULE, PERSON_SCORE, SCOPE


def subject_of(policy: Policy, period: Period) -> str:
    """Return how runs name what they score."""
    return f"{policy.id} {period.id}"


def scored_run(
    connection: sa.Connection, office: str, policy: Policy, period: Period
) -> tuple[int, Mapping[str, Any]]:
    """Return the last scoring run of a policy and period.

    Raises:
        StopError: nothing was scored yet, or the policy has changed since.
    """
    last = last_run(connection, office, "score", subject_of(policy, period))
    if last is None:
        raise StopError("score-not-yet", policy=policy.id, period=period.id)
    if last[1]["policy_version"] != policy.version:
        raise StopError("score-policy-changed", policy=policy.id, period=period.id)
    return last


def _current(office: str, policy: Policy, period: Period) -> tuple[sa.ColumnElement[bool], ...]:
    scope = sa.select(SCOPE.c.scope_id).where(
        SCOPE.c.office == office, SCOPE.c.policy == policy.id, SCOPE.c.period == period.id
    )
    return (LEDGER.c.scope_id == scope.scalar_subquery(), LEDGER.c.run_to == CURRENT)


def lines(
    connection: sa.Connection, office: str, policy: Policy, period: Period, person_key: str
) -> list[dict[str, Any]]:
    """Return every current line of a person, also those that no rule speaks of, in a fixed order."""
    statement = (
        sa.select(LEDGER)
        .where(*_current(office, policy, period), LEDGER.c.person_key == person_key)
        .order_by(LEDGER.c.day, LEDGER.c.rule_id, LEDGER.c.item_key, LEDGER.c.entry_id)
    )
    return [dict(row) for row in connection.execute(statement).mappings()]


ENTRY_COLUMNS = (*(each.name for each in fields(Entry) if each.name != "evidence"), "factors", "caps")
"""What :func:`rows` returns: the columns of a published entry, all but the evidence, and what its remark is made of."""


def rows(connection: sa.Connection, office: str, policy: Policy, period: Period) -> Sequence[sa.Row[Any]]:
    """Return what counts and what was refused as plain rows: tens of thousands, so nothing is wrapped."""
    statement = (
        sa.select(*(LEDGER.c[name] for name in ENTRY_COLUMNS))
        .where(*_current(office, policy, period), LEDGER.c.rule_id != NO_RULE)
        .order_by(LEDGER.c.person_key, LEDGER.c.day, LEDGER.c.rule_id, LEDGER.c.item_key, LEDGER.c.entry_id)
    )
    return connection.execute(statement).fetchall()


def uncounted(connection: sa.Connection, office: str, policy: Policy, period: Period) -> list[dict[str, Any]]:
    """Return what no rule speaks of, by measure, label and reason, most first."""
    statement = (
        sa.select(
            LEDGER.c.measure,
            LEDGER.c.item_label,
            LEDGER.c.sheet,
            LEDGER.c.reason,
            sa.func.count().label("items"),
        )
        .where(
            *_current(office, policy, period),
            LEDGER.c.rule_id == NO_RULE,
        )
        .group_by(LEDGER.c.measure, LEDGER.c.item_label, LEDGER.c.sheet, LEDGER.c.reason)
        .order_by(
            sa.func.count().desc(), LEDGER.c.measure, LEDGER.c.item_label, LEDGER.c.sheet, LEDGER.c.reason
        )
    )
    return [dict(row) for row in connection.execute(statement).mappings()]


def voids(
    connection: sa.Connection, office: str, policy: Policy, period: Period
) -> dict[str, tuple[int, int]]:
    """Return refused lines by reason: how many, and the points they would have given."""
    statement = (
        sa.select(LEDGER.c.reason, sa.func.count(), sa.cast(sa.func.sum(LEDGER.c.withheld), sa.BigInteger()))
        .where(
            *_current(office, policy, period),
            LEDGER.c.rule_id != NO_RULE,
            LEDGER.c.state == "void",
        )
        .group_by(LEDGER.c.reason)
        .order_by(LEDGER.c.reason)
    )
    return {reason: (count, withheld) for reason, count, withheld in connection.execute(statement)}


def kept_indicators(connection: sa.Connection, run_id: int) -> list[dict[str, Any]]:
    """Return the indicator values of a run."""
    statement = sa.select(INDICATOR).where(INDICATOR.c.run_id == run_id)
    statement = statement.order_by(INDICATOR.c.person_key, INDICATOR.c.sheet, INDICATOR.c.indicator)
    return [dict(row) for row in connection.execute(statement).mappings()]


def kept_standings(connection: sa.Connection, run_id: int) -> list[dict[str, Any]]:
    """Return the standings of a run, best first within each sheet."""
    statement = sa.select(PERSON_SCORE).where(PERSON_SCORE.c.run_id == run_id)
    statement = statement.order_by(PERSON_SCORE.c.sheet, PERSON_SCORE.c.place, PERSON_SCORE.c.person_key)
    return [dict(row) for row in connection.execute(statement).mappings()]
