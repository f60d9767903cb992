"""Records in quarantine that may touch a period: it is not closed in spite of them unless somebody says so."""

import datetime as dt
from collections.abc import Collection, Mapping

import sqlalchemy as sa

from jianheng.errors import Problem, problem
from jianheng.facts.entities import ENTITIES
from jianheng.scoring.closing.receipt import Waived
from jianheng.scoring.kernel.score import FACT_ENTITIES
from jianheng.scoring.law.period import Period
from jianheng.store.chunks import chunks
from jianheng.store.engine import now_us
from jianheng.store.tables import FACTS, OPEN, QUARANTINE

_TOLD = 10
"""How many of many records a message names."""


def open_records(
    connection: sa.Connection, office: str, period: Period, waived: Collection[int]
) -> tuple[tuple[Waived, ...], list[Problem]]:
    """Return the open records that somebody waived, and what stands against closing a period.

    A waiver was given in the quarantine and has not expired, or is given now, by number.
    """
    statement = sa.select(QUARANTINE).where(QUARANTINE.c.office == office, QUARANTINE.c.status == "open")
    rows = connection.execute(statement.order_by(QUARANTINE.c.quarantine_id)).fetchall()
    days = _accepted(connection, office, {row.case_no for row in rows if row.day is None and row.case_no})
    now = now_us()
    touching = [row for row in rows if _may_touch(row, period, days)]
    accepted = [row for row in touching if row.quarantine_id in waived or (row.waived_until or 0) > now]
    barring = [row for row in touching if row not in accepted]
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


def _accepted(connection: sa.Connection, office: str, case_nos: Collection[str]) -> Mapping[str, dt.date]:
    """Return when some cases were accepted, the earliest day any source tells."""
    case = FACTS["case"]
    found: dict[str, dt.date] = {}
    for some in chunks(sorted(case_nos)):
        statement = sa.select(case.c.case_no, sa.func.min(case.c.accepted_on)).where(
            case.c.office == office, case.c.case_no.in_(some), case.c.recorded_to == OPEN
        )
        rows = connection.execute(statement.group_by(case.c.case_no))
        found.update({case_no: day for case_no, day in rows if day is not None})
    return found


def _may_touch(row: sa.Row[tuple[object, ...]], period: Period, accepted: Mapping[str, dt.date]) -> bool:
    """Return whether a record could count in a period: all but what scoring never reads, and what is surely later.

    A record without a day of its own cannot be earlier than its case; without either it touches every period.
    """
    entity = ENTITIES.get(row.entity)
    if entity is None or entity.name not in FACT_ENTITIES:
        return False
    day = row.day if row.day is not None or row.entity == "case" else accepted.get(row.case_no or "")
    return day is None or day < period.end
