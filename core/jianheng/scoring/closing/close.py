"""Closing a period: everything that stands against it at once, then the receipt.

A period is closed on the facts of one recorded moment. The result is made again from them, with the law as
it will be kept, and must be the one that was scored. Points may still be provisional: a gate that is passed
later makes them final as an adjustment.
"""

import datetime as dt
import json
from collections.abc import Collection, Mapping
from importlib.metadata import version
from typing import Any

import pyarrow as pa
import pyarrow.compute
import sqlalchemy as sa

from jianheng.errors import FaultsError, JianhengError, Problem, StopError, problem
from jianheng.facts.time import wall_time
from jianheng.scoring.closing.corrections import corrections_for
from jianheng.scoring.closing.gaps import gaps
from jianheng.scoring.closing.receipt import Closing, Part, Receipt, Summary, seal
from jianheng.scoring.closing.receipt_parts import (
    OUTCOME,
    facts_parts,
    kept_outcome,
    law_parts,
    outcome_of,
    outcome_parts,
)
from jianheng.scoring.closing.records import open_records
from jianheng.scoring.kernel import ledger_lines
from jianheng.scoring.kernel.evaluation import Evaluation, evaluate
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import ENGINE_VERSION, Policy
from jianheng.scoring.records.closed_periods import before, find_closed, load_archived
from jianheng.scoring.records.ledger import subject_of
from jianheng.scoring.records.scope import Subject, read_facts_at
from jianheng.store import moments
from jianheng.store.engine import moment, now_us, writing
from jianheng.store.runs import last_run, unread_sources
from jianheng.store.tables import ARCHIVED_POLICY, CLOSED


def close_period(
    store: sa.Engine,
    subject: Subject,
    policy: Policy,
    period: Period,
    today: dt.date,
    by: str = "",
    waived: Collection[int] = (),
) -> Receipt:
    """Close a period in one transaction: there is a whole receipt afterwards, or none.

    Args:
        store: where facts and results are.
        subject: whose work, as it was scored.
        policy: the law it was scored by.
        period: the window.
        today: the present day in Shanghai.
        by: who closes; it stands in the receipt.
        waived: numbers of records in quarantine in spite of which it is closed; they stand in the receipt.

    Raises:
        StopError: it is closed already.
        FaultsError: everything that stands against it.
    """
    office = subject.office
    with writing(store) as connection:
        ledger_lines.take_turn(connection, office, policy.id, period.id)
        _refuse_twice(connection, office, policy, period)
        problems = (
            [problem("close-not-ended", period=period.id, end=period.end)] if today < period.end else []
        )
        problems += _unread(connection, subject)
        accepted, barring = open_records(connection, office, period, waived)
        problems += barring
        last = last_run(connection, office, "score", subject_of(policy, period))
        facts_at = moments.last_recorded(connection, office)
        if last is None:
            raise FaultsError([*problems, problem("close-not-scored", period=period.id, policy=policy.id)])
        if last[1]["policy_version"] != policy.version:
            raise FaultsError(
                [*problems, problem("close-policy-changed", period=period.id, policy=policy.id)]
            )
        try:
            made, parts = _made_again(connection, subject, policy, period, facts_at)
        except JianhengError as error:
            raise FaultsError([*problems, *error.problems]) from None
        problems += _unlike(connection, subject, policy, period, last, facts_at, parts)
        problems += gaps(policy, period, made)
        if problems:
            raise FaultsError(problems)
        earlier = before(connection, office, policy.id, period)
        closing = Closing(
            office=office,
            policy=policy.id,
            policy_label=policy.label,
            policy_version=policy.version,
            period=period.id,
            label=period.label,
            start=period.start,
            end=period.end,
            units=subject.units,
            sources=subject.source_order,
            facts_at=facts_at,
            run_id=last[0],
            corrects={each.period: each.receipt_hash for each in earlier if each.adjustments == "next"},
            closed_at=now_us(),
            closed_by=by,
            program=version("jianheng"),
            waived=accepted,
        )
        receipt = seal(closing, summary_of(made), parts)
        _keep(connection, policy, receipt)
    return receipt


def _refuse_twice(connection: sa.Connection, office: str, policy: Policy, period: Period) -> None:
    closed = find_closed(connection, office, policy.id, period.id)
    if closed is not None:
        at = wall_time(moment(closed.closed_at)).date()
        raise StopError(
            "close-already", period=period.id, receipt=closed.receipt_hash, at=at, by=closed.closed_by
        )


def _unread(connection: sa.Connection, subject: Subject) -> list[Problem]:
    """Return the problem that a source was not read to its end: what it has would be missing for good."""
    unread = unread_sources(connection, subject.office, subject.source_order)
    return [problem("close-sync-incomplete", sources="、".join(unread))] if unread else []


def _made_again(
    connection: sa.Connection, subject: Subject, policy: Policy, period: Period, facts_at: int
) -> tuple[Evaluation, dict[str, Part]]:
    """Return the result made again from the facts of a moment, and the parts of the tree over all of it."""
    law = load_archived(policy.sources, policy.id)
    facts = read_facts_at(connection, subject.office, facts_at)
    corrections = corrections_for(connection, subject.office, law, period, lambda: facts)
    made = evaluate(facts, law, period, subject.units, subject.source_order, corrections)
    return made, {
        **facts_parts(facts),
        **law_parts(policy.sources, law.workdays),
        **outcome_parts(outcome_of(made)),
    }


def _unlike(
    connection: sa.Connection,
    subject: Subject,
    policy: Policy,
    period: Period,
    last: tuple[int, Mapping[str, Any]],
    facts_at: int,
    parts: Mapping[str, Part],
) -> list[Problem]:
    """Return the problem that what was scored is not what comes out now, if it is not."""
    kept = outcome_parts(kept_outcome(connection, subject.office, policy.id, period.id, last[0]))
    unlike = [name for name in OUTCOME if kept[name] != parts[name]]
    if not unlike:
        return []
    detail = last[1]
    moved = facts_at > detail["facts_at"] or (
        (tuple(detail["units"]), tuple(detail["sources"])) != (subject.units, subject.source_order)
    )
    code = "close-score-again" if moved else "close-not-reproduced"
    return [problem(code, period=period.id, parts="、".join(unlike))]


def summary_of(evaluation: Evaluation) -> Summary:
    """Return a result in numbers."""
    ledger = evaluation.ledger
    provisional = ledger.filter(pa.compute.equal(ledger["state"], "provisional"))
    ids = ledger["entry_id"].to_pylist()
    return Summary(
        people=len({each.person_key for each in evaluation.standings}),
        entries=ledger.num_rows,
        points=_sum(ledger["points"]),
        provisional=_sum(provisional["points"]),
        provisional_entries=provisional.num_rows,
        withheld=sum(each.withheld for each in evaluation.standings),
        missing=sum(each.state == "missing" for each in evaluation.values),
        digest=ledger_lines.digest_text(ledger_lines.digest_of(ids)),
    )


def _sum(column: pa.ChunkedArray) -> int:
    return int(pa.compute.sum(column).as_py() or 0)


def _keep(connection: sa.Connection, policy: Policy, receipt: Receipt) -> None:
    """Keep the receipt, and the texts of the law unless another period has them."""
    closing = receipt.closing
    held = sa.select(ARCHIVED_POLICY.c.version).where(ARCHIVED_POLICY.c.version == policy.version)
    if connection.scalar(held) is None:
        connection.execute(
            sa.insert(ARCHIVED_POLICY).values(
                version=policy.version,
                policy=policy.id,
                sources=json.dumps(dict(policy.sources), ensure_ascii=False, sort_keys=True),
                archived_at=closing.closed_at,
            )
        )
    connection.execute(
        sa.insert(CLOSED).values(
            office=closing.office,
            policy=closing.policy,
            period=closing.period,
            start_day=closing.start,
            end_day=closing.end,
            adjustments=policy.file.adjustments.rule if policy.file.adjustments else "list",
            policy_version=closing.policy_version,
            engine_version=ENGINE_VERSION,
            facts_at=closing.facts_at,
            run_id=closing.run_id,
            closed_at=closing.closed_at,
            closed_by=closing.closed_by,
            receipt_hash=receipt.root,
            receipt=receipt.model_dump_json(),
        )
    )
