"""Records in quarantine that may touch a period: it is not closed in spite of them unless somebody says so."""

import datetime as dt
import json
from collections.abc import Collection

import sqlalchemy as sa

from jianheng.errors import Problem, problem
from jianheng.facts.entities import ENTITIES
from jianheng.facts.time import wall_time
from jianheng.scoring.closing.receipt import Waived
from jianheng.scoring.kernel.score import FACT_ENTITIES
from jianheng.scoring.law.period import Period
from jianheng.store.tables import QUARANTINE

_TOLD = 10
"""How many of many records a message names."""


def open_records(
    connection: sa.Connection, office: str, period: Period, waived: Collection[int]
) -> tuple[tuple[Waived, ...], list[Problem]]:
    """Return the open records that somebody waived by number, and what stands against closing a period."""
    statement = sa.select(QUARANTINE).where(QUARANTINE.c.office == office, QUARANTINE.c.status == "open")
    rows = connection.execute(statement.order_by(QUARANTINE.c.quarantine_id)).fetchall()
    touching = [row for row in rows if _may_touch(row, period)]
    accepted = [row for row in touching if row.quarantine_id in waived]
    barring = [row for row in touching if row.quarantine_id not in waived]
    problems = []
    if barring:
        told = "; ".join(
            f"#{row.quarantine_id} {row.source}/{row.stream} {row.record_key}" for row in barring[:_TOLD]
        )
        more = "…" if len(barring) > _TOLD else ""
        problems.append(
            problem("close-quarantine", period=period.id, count=len(barring), records=told + more)
        )
    unknown = sorted(set(waived) - {row.quarantine_id for row in rows})
    if unknown:
        problems.append(problem("close-waived-unknown", numbers="、".join(map(str, unknown))))
    return tuple(
        Waived(
            number=row.quarantine_id,
            source=row.source,
            stream=row.stream,
            entity=row.entity,
            record_key=row.record_key,
        )
        for row in accepted
    ), problems


def _may_touch(row: sa.Row[tuple[object, ...]], period: Period) -> bool:
    """Return whether a record could count in a period: all but what scoring never reads, and what is surely later."""
    entity = ENTITIES.get(row.entity)
    if entity is None or entity.name not in FACT_ENTITIES:
        return False
    told = json.loads(row.payload).get(entity.business_time)
    try:
        day = wall_time(dt.datetime.fromisoformat(str(told))).date()
    except (ValueError, OverflowError):
        return True
    return day < period.end
