"""A scoring run: what changed, what the kernel says of it, which ledger lines that moves, who stands where."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from jianheng.errors import AskError, StopError
from jianheng.facts.entities import POSTING
from jianheng.scoring import ledger_lines
from jianheng.scoring.directory import merged
from jianheng.scoring.kernel import score
from jianheng.scoring.period import Period
from jianheng.scoring.policy import Policy
from jianheng.scoring.scope import Scope, Subject, read_facts, scope_of
from jianheng.scoring.standing import Standing, Sum, Value, indicator_values, standings
from jianheng.store import fact_versions
from jianheng.store.bulk import insert_rows
from jianheng.store.engine import writing
from jianheng.store.runs import begin_run, end_run, ended_well, first_unfinished, last_run
from jianheng.store.tables import INDICATOR, PERSON_SCORE


@dataclass(frozen=True, slots=True)
class Report:
    """What a scoring run did."""

    run_id: int
    policy: str
    policy_version: str
    period: str
    mode: str
    reason: str
    cases: int
    added: int
    closed: int
    kept: int
    people: int
    points: int
    provisional: int
    withheld: int
    uncounted: int
    digest: str

    def as_json(self) -> dict[str, Any]:
        """Return the report for ``--json``."""
        return asdict(self)


def subject_of(policy: Policy, period: Period) -> str:
    """Return how runs name what they score."""
    return f"{policy.id} {period.id}"


def score_periods(
    store: sa.Engine,
    subject: Subject,
    policy: Policy,
    periods: Sequence[Period],
    *,
    full: bool = False,
    accept_incomplete: bool = False,
    progress: Callable[[Report], None] = lambda _report: None,
) -> list[Report]:
    """Score an office for some periods and keep the results; each period is one transaction.

    Args:
        store: where facts and ledgers are.
        subject: whose work; each of its sources must have been read to its end.
        policy: the law.
        periods: the windows.
        full: score every case, whatever changed.
        accept_incomplete: score although a source was not read to its end; the result says so.
        progress: told of each period as it is done.

    Raises:
        StopError: there are no facts, the policy is not in force, or the ledger does not balance.
        AskError: a source's last sync did not finish.
    """
    with store.connect() as connection:
        # Taken before anything is read: what arrives meanwhile is looked at again by the next run.
        facts_at = fact_versions.last_recorded(connection, subject.office)
        begun = first_unfinished(connection, subject.office, "sync", subject.source_order)
        incomplete = _incomplete(connection, subject.office, subject.source_order)
    if facts_at == 0:
        raise StopError("score-no-facts", office=subject.office)
    if incomplete and not accept_incomplete:
        raise AskError("score-sync-incomplete", sources="、".join(incomplete))
    known = {
        # What a sync that is still under way will commit lies after its beginning.
        "facts_at": facts_at if begun is None else min(facts_at, begun - 1),
        "units": list(subject.units),
        "sources": list(subject.source_order),
        "incomplete": incomplete,
    }
    read: dict[tuple[str, ...] | None, dict[str, pa.Table]] = {}
    reports = []
    for each in periods:
        reports.append(_score(store, subject, policy, each, known, read, full=full))
        progress(reports[-1])
    return reports


def _score(
    store: sa.Engine,
    subject: Subject,
    policy: Policy,
    period: Period,
    known: Mapping[str, Any],
    read: dict[tuple[str, ...] | None, dict[str, pa.Table]],
    *,
    full: bool,
) -> Report:
    """Score one period; facts that an earlier period of this call has read are not read again."""
    office = subject.office
    with writing(store) as connection:
        last = last_run(connection, office, "score", subject_of(policy, period))
        scope = scope_of(connection, subject, policy, last[1] if last else None, full=full)
        ledger_id = ledger_lines.scope_id(connection, office, policy.id, period.id)
        if last is not None and scope.mode == "unchanged":
            return _unchanged(last, scope, ledger_lines.count(connection, ledger_id))
        if scope.reading not in read:
            read[scope.reading] = read_facts(connection, office, scope.reading)
        result = score(read[scope.reading], policy, period, subject.units, subject.source_order)
        run_id = begin_run(connection, office, "score", subject_of(policy, period))
        added, closed = ledger_lines.move_ledger(connection, ledger_id, scope.cases, result.ledger, run_id)
        sums = ledger_lines.ledger_sums(connection, ledger_id)
        people = _people(connection, policy, period, subject)
        values = indicator_values(sums, policy.file.indicators, people)
        placed = standings(sums, people)
        _check_balance(policy, sums, values, placed)
        _keep(connection, run_id, values, placed, ledger_lines.case_counts(connection, ledger_id))
        report = Report(
            run_id=run_id,
            policy=policy.id,
            policy_version=policy.version,
            period=period.id,
            mode=scope.mode,
            reason=scope.reason,
            cases=result.cases if scope.cases is None else len(scope.cases),
            added=added,
            closed=closed,
            kept=ledger_lines.count(connection, ledger_id) - added,
            people=len({each.person_key for each in placed}),
            points=sum(each.points for each in placed),
            provisional=sum(each.provisional for each in placed),
            withheld=sum(each.withheld for each in placed),
            uncounted=ledger_lines.uncounted_items(connection, ledger_id),
            digest=ledger_lines.ledger_digest(connection, ledger_id),
        )
        end_run(connection, run_id, "done", report.as_json() | dict(known))
    return report


def _incomplete(connection: sa.Connection, office: str, sources: Sequence[str]) -> list[str]:
    """Return the sources whose last run did not read everything: a missing case must not become a zero."""
    return [name for name in sources if not ended_well(connection, office, "sync", name)]


def _unchanged(last: tuple[int, Mapping[str, Any]], scope: Scope, lines: int) -> Report:
    told = {name: last[1][name] for name in Report.__dataclass_fields__}
    told |= {"mode": scope.mode, "reason": scope.reason, "cases": 0, "added": 0, "closed": 0, "kept": lines}
    return Report(**told)


def _people(
    connection: sa.Connection, policy: Policy, period: Period, subject: Subject
) -> set[tuple[str, str]]:
    """Return who is scored on which sheet: everyone who held the role in the office within the period."""
    sheets = {each.role: each.id for each in policy.file.sheets}
    told = fact_versions.read_current(connection, POSTING, subject.office).to_pylist()
    postings = merged(told, POSTING, subject.source_order).values()
    return {
        (posting["person_key"], sheets[posting["role"]])
        for posting in postings
        if posting["role"] in sheets
        and posting["unit_code"] in subject.units
        and posting["valid_from"] < period.end
        and (posting["valid_to"] is None or posting["valid_to"] >= period.start)
    }


def _check_balance(
    policy: Policy, sums: Sequence[Sum], values: Sequence[Value], placed: Sequence[Standing]
) -> None:
    """Entries, indicators and totals are three ways to one number; anything else must not be kept."""
    roots = {each.id for each in policy.file.indicators if each.parent is None}
    ledger = sum(each.points for each in sums)
    indicators = sum(each.points for each in values if each.indicator in roots)
    totals = sum(each.points for each in placed)
    if not ledger == indicators == totals:
        raise StopError(
            "score-not-balanced", policy=policy.id, ledger=ledger, indicators=indicators, totals=totals
        )


def _keep(
    connection: sa.Connection,
    run_id: int,
    values: Sequence[Value],
    placed: Sequence[Standing],
    cases: dict[tuple[str, str], int],
) -> None:
    insert_rows(
        connection,
        INDICATOR,
        [(run_id, v.person_key, v.sheet, v.indicator, v.points, v.provisional, v.entries) for v in values],
    )
    insert_rows(
        connection,
        PERSON_SCORE,
        [
            (
                run_id,
                s.person_key,
                s.sheet,
                s.points,
                s.final,
                s.provisional,
                s.withheld,
                s.place,
                s.place_of,
                cases.get((s.person_key, s.sheet), 0),
                s.entries,
            )
            for s in placed
        ],
    )
