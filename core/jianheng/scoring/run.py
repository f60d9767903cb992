"""A scoring run: which cases changed, what the kernel says of them, which ledger lines that moves.

A run after a change costs in proportion to the change: only cases whose facts (or whose people's
postings) changed since the last run are read and scored again. Ledger lines are never edited: a line
that no longer holds is closed by the run that found out.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute
import sqlalchemy as sa

from jianheng.errors import AskError, StopError
from jianheng.facts.entities import CASE, ENTITIES, POSTING
from jianheng.rules.views import NEEDED
from jianheng.scoring.kernel import FACT_ENTITIES, score
from jianheng.scoring.period import Period
from jianheng.scoring.policy import Policy
from jianheng.scoring.standing import Standing, Sum, Value, indicator_values, standings
from jianheng.store import fact_versions
from jianheng.store.bulk import chunks, insert_arrow, insert_rows
from jianheng.store.runs import begin_run, end_run, ended_well, last_run
from jianheng.store.tables import CURRENT, INDICATOR, LEDGER, NO_RULE, PERSON_SCORE, SCOPE

_PEOPLE_OF_CASE = (
    ("participation", "person_key"),
    ("case", "handler_key"),
    ("document", "drafter_key"),
    ("approval", "approver_key"),
    ("event", "actor_key"),
    ("declaration", "person_key"),
)
"""Where a case names a person: his posting changing makes the case one to score again."""


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


@dataclass(frozen=True, slots=True)
class _Scope:
    mode: str
    reason: str
    cases: tuple[str, ...] | None


def subject_of(policy: Policy, period: Period) -> str:
    """Return how runs name what they score."""
    return f"{policy.id} {period.id}"


def score_office(
    store: sa.Engine,
    office: str,
    policy: Policy,
    period: Period,
    units: Sequence[str],
    source_order: Sequence[str] = (),
    *,
    full: bool = False,
    accept_incomplete: bool = False,
) -> Report:
    """Score an office for a period and keep the result.

    Args:
        store: where facts and ledgers are.
        office: whose work is scored.
        policy: the law.
        period: the window.
        units: unit codes whose people are scored.
        source_order: the sources, the more trusted first. Each must have been read to its end.
        full: score every case, whatever changed.
        accept_incomplete: score although a source was not read to its end; the result says so.

    Raises:
        StopError: there are no facts, the policy is not in force, or the ledger does not balance.
        AskError: a source's last sync did not finish.
    """
    with store.begin() as connection:
        facts_at = fact_versions.last_recorded(connection, office)
        if facts_at == 0:
            raise StopError("score-no-facts", office=office)
        incomplete = _incomplete(connection, office, source_order)
        if incomplete and not accept_incomplete:
            raise AskError("score-sync-incomplete", sources="、".join(incomplete))
        last = last_run(connection, office, "score", subject_of(policy, period))
        scope = _scope(connection, office, policy, units, last[1] if last else None, full=full)
        if last is not None and scope.cases == ():
            return _unchanged(last, scope)
        facts = _read(connection, office, scope)
        result = score(facts, policy, period, units, source_order)
        run_id = begin_run(connection, office, "score", subject_of(policy, period))
        ledger_id = scope_id(connection, office, policy.id, period.id)
        moved = _move_ledger(connection, ledger_id, scope, result.ledger, run_id)
        sums = ledger_sums(connection, ledger_id)
        subjects = _subjects(connection, office, policy, period, units)
        values = indicator_values(sums, policy.file.indicators, subjects)
        placed = standings(sums, subjects)
        _check_balance(policy, sums, values, placed)
        _keep(connection, run_id, values, placed, case_counts(connection, ledger_id))
        report = Report(
            run_id=run_id,
            policy=policy.id,
            policy_version=policy.version,
            period=period.id,
            mode=scope.mode,
            reason=scope.reason,
            cases=result.cases,
            added=moved[0],
            closed=moved[1],
            kept=moved[2],
            people=len({each.person_key for each in placed}),
            points=sum(each.points for each in placed),
            provisional=sum(each.provisional for each in placed),
            withheld=sum(each.withheld for each in placed),
            uncounted=uncounted_items(connection, ledger_id),
            digest=_digest(connection, ledger_id),
        )
        detail = report.as_json() | {"facts_at": facts_at, "units": list(units), "incomplete": incomplete}
        end_run(connection, run_id, "done", detail)
    return report


def _incomplete(connection: sa.Connection, office: str, sources: Sequence[str]) -> list[str]:
    """Return the sources whose last run did not read everything: a missing case must not become a zero."""
    return [name for name in sources if not ended_well(connection, office, "sync", name)]


def _unchanged(last: tuple[int, dict[str, Any]], scope: _Scope) -> Report:
    names = Report.__dataclass_fields__
    told = {name: value for name, value in last[1].items() if name in names}
    told |= {"mode": "unchanged", "reason": scope.reason, "cases": 0, "added": 0, "closed": 0}
    told["kept"] = last[1]["kept"] + last[1]["added"]
    return Report(**told)


def _scope(
    connection: sa.Connection,
    office: str,
    policy: Policy,
    units: Sequence[str],
    last: dict[str, Any] | None,
    *,
    full: bool,
) -> _Scope:
    if full:
        return _Scope("full", "asked", None)
    if last is None:
        return _Scope("full", "first", None)
    if last["policy_version"] != policy.version:
        return _Scope("full", "policy", None)
    if list(last["units"]) != list(units):
        return _Scope("full", "units", None)
    since = int(last["facts_at"])
    cases: set[str] = set()
    for name in NEEDED:
        entity = ENTITIES[name]
        columns = ("from_case_no", "to_case_no") if name == "case_link" else ("case_no",)
        for column in columns:
            cases |= fact_versions.touched(connection, entity, office, column, since)
    people = fact_versions.touched(connection, POSTING, office, "person_key", since)
    people |= fact_versions.touched(connection, ENTITIES["person"], office, "person_key", since)
    for name, column in _PEOPLE_OF_CASE if people else ():
        cases |= fact_versions.keys_where(connection, ENTITIES[name], office, column, people, "case_no")
    if policy.uses_links:
        cases |= _linked(connection, office, cases)
    return _Scope("incremental", "changes" if cases else "none", tuple(sorted(cases)))


def _linked(connection: sa.Connection, office: str, cases: Iterable[str]) -> set[str]:
    link = ENTITIES["case_link"]
    found = fact_versions.keys_where(connection, link, office, "from_case_no", cases, "to_case_no")
    return found | fact_versions.keys_where(connection, link, office, "to_case_no", cases, "from_case_no")


def read_facts(
    connection: sa.Connection,
    office: str,
    cases: Iterable[str] | None = None,
    only: Iterable[str] = FACT_ENTITIES,
) -> dict[str, pa.Table]:
    """Return current facts by entity: of all cases or of some, with everything about people."""
    wanted = None if cases is None else set(cases)
    facts: dict[str, pa.Table] = {}
    for name in only:
        entity = ENTITIES[name]
        if name == "person":
            facts[name] = fact_versions.read_current(connection, entity, office, with_deleted=True)
        elif wanted is None or ("case_no" not in entity.names and name != "case_link"):
            facts[name] = fact_versions.read_current(connection, entity, office)
        elif name != "case_link":
            facts[name] = fact_versions.read_current(connection, entity, office, wanted)
    if wanted is not None:
        facts["case_link"] = fact_versions.read_links(connection, office, wanted)
    return facts


def _read(connection: sa.Connection, office: str, scope: _Scope) -> dict[str, pa.Table]:
    facts = read_facts(connection, office, scope.cases)
    if scope.cases is not None:  # a case that is gone has no row; its documents must not count either
        neighbours = set(facts["case_link"]["from_case_no"].to_pylist()) | set(
            facts["case_link"]["to_case_no"].to_pylist()
        )
        missing = neighbours - set(scope.cases)
        if missing:
            more = fact_versions.read_current(connection, CASE, office, missing)
            facts["case"] = pa.concat_tables([facts["case"], more])
    return facts


def scope_id(connection: sa.Connection, office: str, policy: str, period: str) -> int:
    """Return the number of the ledger of an office, policy and period; a new one is opened."""
    where = (SCOPE.c.office == office, SCOPE.c.policy == policy, SCOPE.c.period == period)
    found = connection.scalar(sa.select(SCOPE.c.scope_id).where(*where))
    if found is None:
        opened = (
            sa.insert(SCOPE).values(office=office, policy=policy, period=period).returning(SCOPE.c.scope_id)
        )
        found = connection.execute(opened).scalar_one()
    return int(found)


def _move_ledger(
    connection: sa.Connection, ledger_id: int, scope: _Scope, ledger: pa.Table, run_id: int
) -> tuple[int, int, int]:
    """Close lines that no longer hold, add new ones; return how many were added, closed, kept."""
    if scope.cases is not None:
        mask = pa.compute.is_in(ledger["case_no"], pa.array(list(scope.cases), pa.string()))
        ledger = ledger.filter(mask)
    ids = ledger["entry_id"].to_pylist()
    if len(set(ids)) != len(ids):
        raise StopError("score-entry-twice", ledger=ledger_id)
    holds = _holding(connection, ledger_id, scope.cases)
    gone = holds - set(ids)
    for some in chunks(sorted(gone)):
        connection.execute(
            sa.update(LEDGER)
            .where(LEDGER.c.scope_id == ledger_id, LEDGER.c.entry_id.in_(some), LEDGER.c.run_to == CURRENT)
            .values(run_to=run_id)
        )
    fresh = ledger if not holds else ledger.filter(_outside(ledger["entry_id"], holds))
    insert_arrow(connection, LEDGER, fresh, {"scope_id": ledger_id, "run_from": run_id, "run_to": CURRENT})
    return fresh.num_rows, len(gone), len(ids) - fresh.num_rows


def _outside(ids: pa.ChunkedArray, holds: set[str]) -> pa.ChunkedArray:
    return pa.compute.invert(pa.compute.is_in(ids, pa.array(sorted(holds), pa.string())))


def _current(ledger_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (LEDGER.c.scope_id == ledger_id, LEDGER.c.run_to == CURRENT)


def _holding(connection: sa.Connection, ledger_id: int, cases: Sequence[str] | None) -> set[str]:
    statement = sa.select(LEDGER.c.entry_id).where(*_current(ledger_id))
    if cases is None:
        return set(connection.scalars(statement))
    found: set[str] = set()
    for some in chunks(cases):
        found.update(connection.scalars(statement.where(LEDGER.c.case_no.in_(some))))
    return found


def ledger_sums(connection: sa.Connection, ledger_id: int) -> list[Sum]:
    """Return the current ledger summed per person, sheet and indicator."""
    whole = sa.BigInteger()
    provisional = sa.func.sum(sa.case((LEDGER.c.state == "provisional", LEDGER.c.points), else_=0))
    statement = (
        sa.select(
            LEDGER.c.person_key,
            LEDGER.c.sheet,
            LEDGER.c.indicator,
            sa.cast(sa.func.sum(LEDGER.c.points), whole),
            sa.cast(provisional, whole),
            sa.cast(sa.func.sum(LEDGER.c.withheld), whole),
            sa.func.count(),
        )
        .where(
            *_current(ledger_id),
            LEDGER.c.rule_id != NO_RULE,
            LEDGER.c.reason.notin_(("outside-office", "unknown-person")),
        )
        .group_by(LEDGER.c.person_key, LEDGER.c.sheet, LEDGER.c.indicator)
        .order_by(LEDGER.c.person_key, LEDGER.c.sheet, LEDGER.c.indicator)
    )
    return [Sum(*row) for row in connection.execute(statement) if row.sheet]


def uncounted_items(connection: sa.Connection, ledger_id: int) -> int:
    """Return how many items of the period no rule speaks of."""
    statement = sa.select(sa.func.count()).select_from(LEDGER)
    return connection.execute(statement.where(*_current(ledger_id), LEDGER.c.rule_id == NO_RULE)).scalar_one()


def case_counts(connection: sa.Connection, ledger_id: int) -> dict[tuple[str, str], int]:
    """Return in how many cases each person has counted entries, per sheet."""
    statement = (
        sa.select(LEDGER.c.person_key, LEDGER.c.sheet, sa.func.count(LEDGER.c.case_no.distinct()))
        .where(*_current(ledger_id), LEDGER.c.state != "void")
        .group_by(LEDGER.c.person_key, LEDGER.c.sheet)
    )
    return {(person, sheet): count for person, sheet, count in connection.execute(statement)}


def _subjects(
    connection: sa.Connection, office: str, policy: Policy, period: Period, units: Sequence[str]
) -> set[tuple[str, str]]:
    """Return who is scored on which sheet: everyone who held the role in the office within the period."""
    sheets = {each.role: each.id for each in policy.file.sheets}
    postings = fact_versions.read_current(connection, POSTING, office).to_pylist()
    return {
        (posting["person_key"], sheets[posting["role"]])
        for posting in postings
        if posting["role"] in sheets
        and posting["unit_code"] in units
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


def _digest(connection: sa.Connection, ledger_id: int) -> str:
    """Return a hash over the current ledger: equal digests mean equal ledgers, line by line."""
    digest = hashlib.sha256()
    for entry_id in sorted(_holding(connection, ledger_id, None)):
        digest.update(entry_id.encode())
    return digest.hexdigest()
