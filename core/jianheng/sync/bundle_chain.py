"""The chain of bundles as a store keeps it: which have left or arrived, and what may come next."""

import json
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from jianheng.store.engine import now_us
from jianheng.store.operations import BUNDLE
from jianheng.store.runs import begin_run, end_run
from jianheng.store.tables import FACTS, RUN
from jianheng.sync.bundle_manifest import Count, Plan

Direction = Literal["out", "in"]


@dataclass(frozen=True, slots=True)
class Link:
    """One bundle that left or arrived. Moments are microseconds since 1970, UTC."""

    chain: str
    number: int
    direction: str
    manifest_hash: str
    facts_from: int
    facts_to: int
    at: int
    runs_to: int


def links(connection: sa.Connection, office: str, direction: Direction | None = None) -> list[Link]:
    """Return the bundles of an office in their order, oldest first."""
    statement = sa.select(BUNDLE, RUN.c.detail).join(RUN, RUN.c.run_id == BUNDLE.c.run_id)
    statement = statement.where(BUNDLE.c.office == office).order_by(BUNDLE.c.at, BUNDLE.c.number)
    if direction is not None:
        statement = statement.where(BUNDLE.c.direction == direction)
    return [
        Link(
            row.chain,
            row.number,
            row.direction,
            row.manifest_hash,
            row.facts_from,
            row.facts_to,
            row.at,
            int(json.loads(row.detail).get("runs_to", 0)),
        )
        for row in connection.execute(statement)
    ]


def add_link(
    connection: sa.Connection, plan: Plan, direction: Direction, manifest_hash: str, run_id: int | None = None
) -> None:
    """Record that a bundle left or arrived, in the transaction in which it does."""
    number = begin_run(connection, plan.office, "bundle", plan.chain) if run_id is None else run_id
    connection.execute(
        sa.insert(BUNDLE).values(
            office=plan.office,
            chain=plan.chain,
            number=plan.number,
            direction=direction,
            manifest_hash=manifest_hash,
            facts_from=plan.facts_from,
            facts_to=plan.facts_to,
            at=now_us(),
            run_id=number,
        )
    )
    told = {"direction": direction, "number": plan.number, "runs_to": plan.runs_to}
    end_run(connection, number, "done", told)


def counts_at(connection: sa.Connection, office: str, at: int) -> dict[str, Count]:
    """Return how many versions and living records of each entity there were at a recorded moment."""
    found = {}
    for name, table in FACTS.items():
        lives = sa.and_(table.c.recorded_to > at, table.c.deleted.is_(sa.false()))
        statement = sa.select(
            sa.func.count(), sa.func.coalesce(sa.func.sum(sa.case((lives, 1), else_=0)), 0)
        ).where(table.c.office == office, table.c.recorded_from <= at)
        versions, live = connection.execute(statement).one()
        found[name] = Count(versions=int(versions), live=int(live))
    return found
