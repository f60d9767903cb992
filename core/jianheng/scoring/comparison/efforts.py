"""What each finished case took, as far as facts tell: days, documents, approvals, events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from jianheng.scoring.kernel.score import open_world
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.records.snapshot import Snapshot

_COUNTED = {"documents": "document", "approvals": "approval", "events": "event"}
"""Kinds of effort that are so many records of a case, and of which entity."""

EFFORTS = ("duration", "workdays", *_COUNTED)
"""``duration``: calendar days from acceptance to closing, both counted; ``workdays``: working days of these."""

TYPES = ("category", "charge_code")
"""The columns of a case that may tell its type."""


@dataclass(frozen=True, slots=True)
class FinishedCase:
    """A case that was finished within a period; ``handler`` is empty where the source names none."""

    case_no: str
    type: str
    handler: str
    efforts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Observed:
    """What was observed.

    Attributes:
        cases: finished within the period, by case number.
        unfinished: cases at hand at the period's end: accepted before it and not closed by then.
        unclear: finished cases left out: their type or some effort is not known, or they closed before they
            were accepted.
    """

    period: Period
    cases: tuple[FinishedCase, ...]
    unfinished: int
    unclear: int


def observe(
    snapshot: Snapshot,
    policy: Policy,
    period: Period,
    by: str,
    kinds: Sequence[str],
    workdays: pa.Table | None = None,
) -> Observed:
    """Return what the office's cases took that were finished within a period.

    Args:
        snapshot: the facts.
        policy: says when a case is finished.
        period: the window that a case must have been finished in.
        by: the column that tells the type, of :data:`TYPES`.
        kinds: the efforts to look at, of :data:`EFFORTS`.
        workdays: the table ``workday`` of the working calendar, for ``workdays``.
    """
    subject = snapshot.subject
    with open_world(snapshot.facts, policy, subject.source_order) as engine:
        made = {kind: _effort(engine, snapshot, kind, workdays) for kind in kinds}
        told = ", ".join(f"{sql} AS {kind}" for kind, (sql, _) in made.items())
        joins = " ".join(join for _, join in made.values())
        _put(engine, "scope_of", pa.table({"unit_code": pa.array(list(subject.units), pa.string())}))
        rows = engine.execute(
            f"""
            SELECT t.case_no, t.{by}, coalesce(t.handler_key, ''), CAST(t.closed_on AS DATE), {told}
            FROM v_case t JOIN scope_of USING (unit_code) {joins}
            WHERE t.accepted_on < $end AND (t.closed_on IS NULL OR CAST(t.closed_on AS DATE) >= $start)
            ORDER BY t.case_no
            """,  # noqa: S608 only names of ours
            {"start": period.start, "end": period.end},
        ).fetchall()
    cases: list[FinishedCase] = []
    unfinished = unclear = 0
    for case_no, case_type, handler, closed_on, *efforts in rows:
        if closed_on is None or closed_on >= period.end:
            unfinished += 1
        elif not case_type or any(each is None or each < 0 for each in efforts):
            unclear += 1
        else:
            cases.append(FinishedCase(case_no, case_type, handler, dict(zip(kinds, efforts, strict=True))))
    return Observed(period, tuple(cases), unfinished, unclear)


def _effort(
    engine: duckdb.DuckDBPyConnection, snapshot: Snapshot, kind: str, workdays: pa.Table | None
) -> tuple[str, str]:
    """Return what a kind of effort is in SQL, and what has to be joined for it. It is below zero where a case closed first."""
    opened = "CAST(t.closed_on AS DATE) < t.accepted_on"
    if kind == "duration":
        return f"CASE WHEN {opened} THEN -1 ELSE CAST(t.closed_on AS DATE) - t.accepted_on + 1 END", ""
    if kind == "workdays":
        _put(engine, "worked", workdays)
        joins = (
            "LEFT JOIN worked w1 ON w1.day = CAST(t.closed_on AS DATE)"
            " LEFT JOIN worked w0 ON w0.day = t.accepted_on - 1"
        )
        return f"CASE WHEN {opened} THEN -1 ELSE w1.number - w0.number END", joins
    entity = _COUNTED[kind]
    _put(engine, f"told_{entity}", snapshot.facts.get(entity))
    count = f"SELECT case_no, count(DISTINCT {entity}_key) AS n FROM told_{entity} GROUP BY case_no"  # noqa: S608
    return f"coalesce(n_{entity}.n, 0)", f"LEFT JOIN ({count}) n_{entity} ON n_{entity}.case_no = t.case_no"


def _put(engine: duckdb.DuckDBPyConnection, name: str, table: pa.Table | None) -> None:
    if table is None:
        table = pa.table(
            {
                "case_no": pa.array([], pa.string()),
                f"{name.removeprefix('told_')}_key": pa.array([], pa.string()),
            }
        )
    engine.register(name, table)
