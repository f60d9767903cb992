"""Runs: when something started, how it ended, what it counted."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from jianheng.store.engine import now_us
from jianheng.store.tables import RUN

PART = "part"
"""The state of a sync that was asked to read some streams only, and did."""


def begin_run(connection: sa.Connection, office: str, kind: str, subject: str) -> int:
    """Record that a run starts; return its number."""
    values = {"office": office, "kind": kind, "subject": subject, "started_at": now_us()}
    begun = sa.insert(RUN).values(**values, state="running", detail="{}").returning(RUN.c.run_id)
    return int(connection.execute(begun).scalar_one())


def end_run(connection: sa.Connection, run_id: int, state: str, detail: Mapping[str, Any]) -> None:
    """Record how a run ended."""
    told = json.dumps(detail, ensure_ascii=False, sort_keys=True)
    connection.execute(
        sa.update(RUN).where(RUN.c.run_id == run_id).values(finished_at=now_us(), state=state, detail=told)
    )


def end_abandoned(connection: sa.Connection, office: str, kind: str, subject: str) -> None:
    """Record that earlier runs of a kind ended without saying so: only who holds their lease knows that they did."""
    left = (RUN.c.office == office, RUN.c.kind == kind, RUN.c.subject == subject, RUN.c.state == "running")
    told = json.dumps({"abandoned": True})
    connection.execute(sa.update(RUN).where(*left).values(finished_at=now_us(), state="broken", detail=told))


def last_run(
    connection: sa.Connection, office: str, kind: str, subject: str, state: str = "done"
) -> tuple[int, dict[str, Any]] | None:
    """Return the last run of a kind that ended in a state: its number and detail."""
    row = connection.execute(
        sa.select(RUN.c.run_id, RUN.c.detail)
        .where(RUN.c.office == office, RUN.c.kind == kind, RUN.c.subject == subject, RUN.c.state == state)
        .order_by(RUN.c.run_id.desc())
        .limit(1)
    ).first()
    return None if row is None else (int(row.run_id), json.loads(row.detail))


def runs_of(connection: sa.Connection, numbers: Iterable[int]) -> dict[int, Any]:
    """Return some runs by number, each with ``kind``, ``subject``, ``started_at`` and ``state``."""
    rows = connection.execute(sa.select(RUN).where(RUN.c.run_id.in_(set(numbers))))
    return {int(row.run_id): row for row in rows}


def ended_well(connection: sa.Connection, office: str, kind: str, subject: str) -> bool:
    """Return whether the last run of a kind that meant to do everything ended with state ``done``."""
    state = connection.scalar(
        sa.select(RUN.c.state)
        .where(RUN.c.office == office, RUN.c.kind == kind, RUN.c.subject == subject, RUN.c.state != PART)
        .order_by(RUN.c.run_id.desc())
        .limit(1)
    )
    return state == "done"


def unread_sources(connection: sa.Connection, office: str, sources: Sequence[str]) -> list[str]:
    """Return the sources whose last sync did not read everything: a missing case must not become a zero."""
    return [name for name in sources if not ended_well(connection, office, "sync", name)]


def first_unfinished(
    connection: sa.Connection, office: str, kind: str, subjects: Sequence[str]
) -> int | None:
    """Return when the earliest run began that is the last of one of some subjects and has not ended."""
    last = sa.select(sa.func.max(RUN.c.run_id)).where(
        RUN.c.office == office, RUN.c.kind == kind, RUN.c.subject.in_(subjects)
    )
    last = last.group_by(RUN.c.subject)
    begun = sa.select(sa.func.min(RUN.c.started_at)).where(RUN.c.run_id.in_(last), RUN.c.state == "running")
    found: int | None = connection.scalar(begun)
    return found
