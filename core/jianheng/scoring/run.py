"""A scoring run: what changed, what the kernel says of it, which ledger lines that moves, who stands where."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute
import sqlalchemy as sa

from jianheng.errors import AskError, StopError
from jianheng.scoring.closing.corrections import corrections_for, corrects, last_look
from jianheng.scoring.indicators.outcome import ALL_RULES, Tally
from jianheng.scoring.indicators.remembered import remembered
from jianheng.scoring.kernel import ledger_lines
from jianheng.scoring.kernel.evaluation import check_books, conclude, ratings_in, scored_people
from jianheng.scoring.kernel.horizon import caps_reach, shared_caps
from jianheng.scoring.kernel.program import facts_in
from jianheng.scoring.kernel.score import FACT_ENTITIES, Spot, score
from jianheng.scoring.kernel.tallies import CASES, Key, counted_measures, moved, tallies_of, total
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.records.closed_periods import find_closed
from jianheng.scoring.records.kept import keep, standing_row, value_row
from jianheng.scoring.records.ledger import subject_of
from jianheng.scoring.records.scope import Scope, Subject, read_facts, scope_of
from jianheng.store import moments
from jianheng.store.engine import writing
from jianheng.store.runs import begin_run, end_run, first_unfinished, last_run, unread_sources
from jianheng.store.tables import NO_RULE


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

    @property
    def lines(self) -> int:
        """How many ledger lines hold now."""
        return self.kept + self.added

    def as_json(self) -> dict[str, Any]:
        """Return the report for ``--json``."""
        return asdict(self) | {"lines": self.lines}


_OF_PEOPLE = ("person", "posting", "rating")
"""What is read beside the facts that rules speak of: who is scored, and what raters gave."""


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

    A closed period is left as it is. What came to light about it since is entered in the first later period
    that is open, where its law says so.

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
        facts_at = moments.last_recorded(connection, subject.office)
        begun = first_unfinished(connection, subject.office, "sync", subject.source_order)
        incomplete = unread_sources(connection, subject.office, subject.source_order)
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
        ledger_lines.take_turn(connection, office, policy.id, period.id)
        last = last_run(connection, office, "score", subject_of(policy, period))
        if last is not None and find_closed(connection, office, policy.id, period.id) is not None:
            return _unchanged(last, "closed")
        scope = scope_of(connection, subject, policy, period, last[1] if last else None, full=full)
        ledger_id = ledger_lines.scope_id(connection, office, policy.id, period.id)
        if last is not None and scope.mode == "unchanged":
            return _unchanged(last, scope.reason)

        def known_facts(cases: tuple[str, ...] | None = None) -> Mapping[str, pa.Table]:
            if cases not in read:
                # Some cases are for this law alone; all of them also for the laws of closed periods.
                wanted = FACT_ENTITIES if cases is None else {*facts_in(policy), *_OF_PEOPLE}
                read[cases] = read_facts(connection, office, cases, wanted)
            return read[cases]

        facts = known_facts(scope.reading)
        look = None if full else last_look(connection, ledger_id, policy, last[1] if last else None)
        corrections = corrections_for(connection, office, policy, period, known_facts, look=look)
        run_id = begin_run(connection, office, "score", subject_of(policy, period))
        books = _books(
            connection, subject, policy, period, scope, facts, corrections, ledger_id, run_id, last
        )
        people = scored_people(facts, policy, period, subject.units, subject.source_order)
        ratings = ratings_in(facts, period, subject.source_order)
        with remembered(office, policy, period) as before:
            values, placed = conclude(policy, period, books.tallies, people, ratings, before)
        keep(
            connection, run_id, map(value_row, values), [standing_row(each, books.tallies) for each in placed]
        )
        scored = [each for each in books.tallies.values() if each.measure != CASES]
        report = Report(
            run_id=run_id,
            policy=policy.id,
            policy_version=policy.version,
            period=period.id,
            mode=scope.mode,
            reason=scope.reason,
            cases=books.cases,
            added=books.added,
            closed=books.closed,
            kept=books.lines - books.added,
            people=len({each.person_key for each in placed}),
            points=total(scored, "points"),
            provisional=total(scored, "provisional"),
            withheld=total((each for each in scored if each.rule_id not in {NO_RULE, ALL_RULES}), "withheld"),
            uncounted=books.uncounted,
            digest=books.digest,
        )
        looked = {"corrects": corrects(connection, office, policy, period)}
        end_run(connection, run_id, "done", report.as_json() | dict(known) | looked)
    return report


@dataclass(frozen=True, slots=True)
class _Books:
    """The ledger after a run: its sums, and how it moved."""

    tallies: Mapping[Key, Tally]
    cases: int
    added: int
    closed: int
    lines: int
    uncounted: int
    digest: str


def _books(
    connection: sa.Connection,
    subject: Subject,
    policy: Policy,
    period: Period,
    scope: Scope,
    facts: Mapping[str, pa.Table],
    corrections: pa.Table,
    ledger_id: int,
    run_id: int,
    last: tuple[int, Mapping[str, Any]] | None,
) -> _Books:
    """Score what the scope says, move the ledger and its sums by what differs."""
    place = (policy, period, subject.units, subject.source_order)
    counted = counted_measures(policy)
    if scope.cases is None or last is None:
        held = ledger_lines.read_tallies(connection, ledger_id)
        result = score(facts, *place)
        new = pa.concat_tables([result.ledger, corrections])
        tallies = tallies_of(new, counted)
        check_books(policy, new, tallies)
        old_ids: Collection[str] = ledger_lines.holding(connection, ledger_id)
        moves = ledger_lines.replace_lines(connection, ledger_id, old_ids, new, run_id)
        lines, uncounted = new.num_rows, _uncounted(new)
        digest = ledger_lines.digest_of(new["entry_id"].to_pylist())
        cases = result.cases
    else:
        held = ledger_lines.read_tallies(connection, ledger_id, policy.version, last[1]["digest"])
        old = [ledger_lines.lines_of_cases(connection, ledger_id, scope.cases)]

        def carry(spots: set[Spot]) -> pa.Table:
            """Return what stands elsewhere under a cap that a line of these cases has, or had."""
            stood = old[0].filter(pa.compute.not_equal(old[0]["state"], "void"))
            columns = (stood[name].to_pylist() for name in ("person_key", "rule_id", "day"))
            spots = spots | {Spot(*each) for each in zip(*columns, strict=True)}
            carried = ledger_lines.lines_under_caps(connection, ledger_id, shared_caps(policy, spots))
            inside = pa.compute.is_in(carried["case_no"], pa.array(scope.cases, pa.string()))
            old.append(carried.filter(pa.compute.invert(inside)))
            return old[-1]

        reach = caps_reach(policy, period)
        result = score(facts, *place, only=scope.cases, carry=carry if reach == "person" else None)
        new = pa.concat_tables([result.ledger, corrections])
        before = pa.concat_tables([*old, ledger_lines.corrections(connection, ledger_id)])
        tallies = moved(held, tallies_of(before, counted), tallies_of(new, counted))
        moves = ledger_lines.replace_lines(connection, ledger_id, before["entry_id"].to_pylist(), new, run_id)
        lines = last[1]["lines"] + moves.added - moves.closed
        uncounted = last[1]["uncounted"] + _uncounted(new) - _uncounted(before)
        digest = int(last[1]["digest"], 16) + moves.digest
        cases = len(scope.cases)
    ledger_lines.keep_tallies(connection, ledger_id, held, tallies)
    told = ledger_lines.digest_text(digest)
    ledger_lines.remember_tallies(policy.version, told, tallies)
    return _Books(tallies, cases, moves.added, moves.closed, lines, uncounted, told)


def _uncounted(lines: pa.Table) -> int:
    return int(pa.compute.sum(pa.compute.equal(lines["rule_id"], NO_RULE)).as_py() or 0)


def _unchanged(last: tuple[int, Mapping[str, Any]], reason: str) -> Report:
    told = {name: last[1][name] for name in Report.__dataclass_fields__}
    nothing = {"cases": 0, "added": 0, "closed": 0, "kept": last[1]["lines"]}
    return Report(**(told | {"mode": "unchanged", "reason": reason} | nothing))
