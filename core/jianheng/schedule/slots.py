"""Slots in the store: each turn of a job that was due is one row, whose key lets it begin once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from jianheng.store.leases import held
from jianheng.store.operations import SLOT

BASELINE = "begun"
"""The state of the row that says since when a job is known: what was due before is nobody's debt."""
RUNNING, DONE, FAILED, RETRYING = "running", "done", "failed", "retrying"
LOST, RELEASED, MISSED, SKIPPED = "lost", "released", "missed", "skipped"
HAND = "hand"

RECENT = 200


@dataclass(frozen=True, slots=True)
class Slot:
    """One turn of a job: when it was due, what became of it, and each attempt at it in ``detail``.

    Moments are microseconds since 1970.
    """

    job: str
    slot_at: int
    epoch: int
    holder: str
    state: str
    started_at: int
    finished_at: int | None
    detail: Mapping[str, Any]

    @property
    def by_hand(self) -> bool:
        """Whether somebody started it, not the timetable."""
        return self.detail.get("by") == HAND

    @property
    def tries(self) -> int:
        """How many attempts failed or were lost."""
        return sum(each["state"] in (FAILED, LOST) for each in self.detail.get("attempts", ()))


def lease_name(office: str, first: str) -> str:
    """Return the lease that whoever runs a job holds, by the job that its chain begins with."""
    return f"job:{office}:{first}"


def recent(
    connection: sa.Connection,
    office: str,
    job: str | None = None,
    limit: int = RECENT,
    until: int | None = None,
) -> list[Slot]:
    """Return the last slots of a job, or of all, the newest first; with ``until`` none that was due later."""
    query = sa.select(SLOT).where(SLOT.c.office == office)
    query = query if until is None else query.where(SLOT.c.slot_at <= until)
    query = query if job is None else query.where(SLOT.c.job == job)
    rows = connection.execute(query.order_by(SLOT.c.slot_at.desc(), SLOT.c.job).limit(limit))
    return [_slot(row) for row in rows.mappings()]


def _slot(row: sa.RowMapping) -> Slot:
    values = {name: row[name] for name in Slot.__dataclass_fields__}
    return Slot(**{**values, "detail": json.loads(row["detail"])})


def is_held(connection: sa.Connection, office: str, first: str) -> bool:
    """Return whether somebody who is alive runs a job of a chain."""
    return held(connection, lease_name(office, first)) is not None


def add(connection: sa.Connection, office: str, slot: Slot) -> None:
    """Write a new slot; the database refuses one that is there."""
    connection.execute(sa.insert(SLOT).values(office=office, **_values(slot)))


def change(connection: sa.Connection, office: str, slot: Slot, was: Slot) -> bool:
    """Write what became of a slot; False when somebody else has changed it since."""
    changed = connection.execute(
        sa.update(SLOT)
        .where(
            SLOT.c.office == office,
            SLOT.c.job == was.job,
            SLOT.c.slot_at == was.slot_at,
            SLOT.c.epoch == was.epoch,
            SLOT.c.state == was.state,
        )
        .values(**_values(slot))
    )
    return changed.rowcount == 1


def _values(slot: Slot) -> dict[str, Any]:
    values = {name: getattr(slot, name) for name in Slot.__dataclass_fields__}
    return {**values, "detail": json.dumps(slot.detail, ensure_ascii=False, sort_keys=True)}


def ended(slot: Slot, state: str, at: int, told: Mapping[str, Any], **more: Any) -> Slot:
    """Return a running slot as it ended: the attempt is added to those before.

    Args:
        slot: the running slot.
        state: of the slot from now on.
        at: when, in microseconds.
        told: what the attempt says of itself: ``state``, and problems where there are any.
        more: what the slot's detail says besides.
    """
    attempt = {"holder": slot.holder, "epoch": slot.epoch, "started_at": slot.started_at, "ended_at": at}
    kept = {name: value for name, value in slot.detail.items() if name != "retry_at"}
    attempts = [*kept.get("attempts", ()), attempt | dict(told)]
    return replace(slot, state=state, finished_at=at, detail={**kept, **more, "attempts": attempts})
