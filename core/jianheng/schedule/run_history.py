"""The history of runs: what began when, how it ended, what it counted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from jianheng.schedule.status import is_read_now
from jianheng.store.tables import RUN


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a sync, a scoring or whatever else; moments in microseconds since 1970."""

    run_id: int
    kind: str
    subject: str
    started_at: int
    finished_at: int | None
    state: str
    counts: Mapping[str, Any]


def read_runs(
    connection: sa.Connection, office: str, kind: str | None, subject: str | None, limit: int
) -> list[Run]:
    """Return the last runs of an office, the newest first; of one kind and subject where these are given."""
    query = sa.select(RUN).where(RUN.c.office == office)
    query = query if kind is None else query.where(RUN.c.kind == kind)
    query = query if subject is None else query.where(RUN.c.subject == subject)
    rows = connection.execute(query.order_by(RUN.c.run_id.desc()).limit(limit)).fetchall()
    return [
        Run(
            row.run_id,
            row.kind,
            row.subject,
            row.started_at,
            row.finished_at,
            _state(connection, office, row),
            _counts(row.detail),
        )
        for row in rows
    ]


def _state(connection: sa.Connection, office: str, row: Any) -> str:
    """Return how a run stands; one of a sync whose process is gone was cut off, though nobody was left to say so."""
    left = row.state == "running" and row.kind == "sync"
    return "broken" if left and not is_read_now(connection, office, row.subject) else str(row.state)


def _counts(detail: str) -> dict[str, Any]:
    """Return the numbers of a run: a sync's counts, or whatever numbers another kind kept."""
    told = json.loads(detail or "{}")
    found = told.get("counts", told) if isinstance(told, dict) else {}
    return {name: value for name, value in found.items() if isinstance(value, int)}
