"""Everything a policy makes of some facts, in memory: ledger, sums, values, standings. Nothing is kept."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from jianheng.errors import StopError
from jianheng.facts.appraisal import RATING
from jianheng.facts.entities import POSTING
from jianheng.scoring.indicators.indicators import adds_up, indicator_values
from jianheng.scoring.indicators.outcome import Rating, Scored, Standing, Tally, Value
from jianheng.scoring.indicators.remembered import Remembered
from jianheng.scoring.indicators.standing import standings
from jianheng.scoring.kernel.directory import merged
from jianheng.scoring.kernel.score import score
from jianheng.scoring.kernel.tallies import CASES, Key, counted_measures, tallies_of, total
from jianheng.scoring.law.graph import reached
from jianheng.scoring.law.indicator_order import children
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came out.

    Attributes:
        ledger: one row per counted item and subject, sorted.
        tallies: its sums by person, sheet, measure and rule.
        people: who is scored on which sheet.
        cases: how many cases were looked at.
    """

    ledger: pa.Table
    tallies: Mapping[Key, Tally]
    people: Sequence[Scored]
    values: Sequence[Value]
    standings: Sequence[Standing]
    cases: int


def evaluate(
    facts: Mapping[str, pa.Table],
    policy: Policy,
    period: Period,
    units: Sequence[str],
    source_order: Sequence[str] = (),
    corrections: pa.Table | None = None,
    *,
    again: bool = False,
) -> Evaluation:
    """Apply a policy to facts.

    Args:
        facts: current facts by entity name; what is missing is taken for empty.
        policy: the law.
        period: the window.
        units: unit codes whose people are scored.
        source_order: where two sources tell of the same record, the earlier one wins per column.
        corrections: ledger lines that correct closed periods in this one (:mod:`corrections`).
        again: the same law is asked of one small world after another (:mod:`few`).

    Raises:
        StopError: the policy is not in force, a rule failed or multiplied, or the books do not balance.
    """
    scoring = score(facts, policy, period, units, source_order, only=_cases_in(facts) if again else None)
    ledger = scoring.ledger
    if corrections is not None and corrections.num_rows:
        ledger = pa.concat_tables([ledger, corrections.cast(ledger.schema)])
    tallies = tallies_of(ledger, counted_measures(policy))
    check_books(policy, ledger, tallies)
    people = scored_people(facts, policy, period, units, source_order)
    values, placed = conclude(policy, period, tallies, people, ratings_in(facts, period, source_order))
    return Evaluation(ledger, tallies, people, values, placed, scoring.cases)


def _cases_in(facts: Mapping[str, pa.Table]) -> list[str]:
    """Return every case that some fact speaks of, and "" for what hangs on none."""
    named = [table["case_no"] for table in facts.values() if "case_no" in table.column_names]
    return sorted({"", *(each for column in named for each in column.to_pylist() if each is not None)})


def conclude(
    policy: Policy,
    period: Period,
    tallies: Mapping[Key, Tally],
    people: Sequence[Scored],
    ratings: Sequence[Rating],
    last: Remembered | None = None,
) -> tuple[list[Value], list[Standing]]:
    """Return what the sums of a ledger come to: every indicator of everyone, and who stands where.

    What is remembered of the last time is taken over where it still holds.
    """
    counted = [tallies[key] for key in sorted(tallies) if key[2] != CASES]
    known = {(each.person_key, each.sheet) for each in people}
    strangers = {(each.person_key, each.sheet) for each in counted} - known
    # Who has lines but held the role on no day of the period by his postings: scored by what the lines say.
    roles = {each.id: each.role for each in policy.file.sheets}
    people = [
        *people,
        *(Scored(person, sheet, roles[sheet], "", "", "", "") for person, sheet in sorted(strangers)),
    ]
    values = indicator_values(policy, period, counted, people, ratings, last)
    placed = standings(policy, period, values, counted, people)
    _check_indicators(policy, counted, values)
    return values, placed


def _check_indicators(policy: Policy, counted: Sequence[Tally], values: Sequence[Value]) -> None:
    """Whatever simply adds up must add up to its ledger lines: each node of sums, over all people.

    Raises:
        StopError: one does not.
    """
    kinds = {each.id: each for each in policy.file.indicators}
    below = dict.fromkeys(kinds, ()) | children(policy.file.indicators)
    lines: Counter[str] = Counter()
    for tally in counted:
        lines[tally.indicator] += tally.points
    told: Counter[str] = Counter()
    for value in values:
        told[value.indicator] += value.points or 0
    for node in policy.file.indicators:
        under = reached([node.id], below)
        if not all(adds_up(kinds[name]) for name in under):
            continue
        entered = sum(lines[name] for name in under)
        if entered != told[node.id]:
            raise StopError(
                "score-not-balanced",
                policy=policy.id,
                ledger=entered,
                name=node.id,
                told=told[node.id],
            )


def check_books(policy: Policy, ledger: pa.Table, tallies: Mapping[Key, Tally]) -> None:
    """The sums of people and rules are the sum of the lines; anything else must not be kept.

    That the lines of an item are what the item is worth was seen before (:func:`check_shares`).

    Raises:
        StopError: they are not.
    """
    lines = pa.compute.sum(ledger["points"]).as_py() or 0
    over_subjects = total(tallies.values(), "points")
    if lines != over_subjects:
        raise StopError("score-not-balanced", policy=policy.id, ledger=lines, name="*", told=over_subjects)


def scored_people(
    facts: Mapping[str, pa.Table],
    policy: Policy,
    period: Period,
    units: Sequence[str],
    source_order: Sequence[str],
) -> list[Scored]:
    """Return everyone who held a sheet's role in the office within the period, as of his last day on it."""
    sheets = {each.role: each.id for each in policy.file.sheets}
    told = facts[POSTING.name].to_pylist() if POSTING.name in facts else []
    found: dict[tuple[str, str], list[tuple[dt.date, dt.date, str, Scored]]] = {}
    for posting in merged(told, POSTING, source_order).values():
        ends = posting["valid_to"]
        if (
            posting["role"] not in sheets
            or posting["unit_code"] not in units
            or posting["valid_from"] >= period.end
            or (ends is not None and ends < period.start)
        ):
            continue
        held = Scored(
            posting["person_key"],
            sheets[posting["role"]],
            posting["role"],
            posting["unit_code"],
            *(posting[name] or "" for name in ("department_key", "post_level", "staff_class")),
        )
        ended = period.end if ends is None else min(ends, period.end)
        mark = (ended, posting["valid_from"], posting["posting_key"], held)
        found.setdefault((held.person_key, held.sheet), []).append(mark)
    return [max(marks, key=lambda mark: mark[:3])[-1] for _, marks in sorted(found.items())]


def ratings_in(facts: Mapping[str, pa.Table], period: Period, source_order: Sequence[str]) -> list[Rating]:
    """Return what raters gave within the period."""
    told = facts[RATING.name].to_pylist() if RATING.name in facts else []
    return [
        Rating(row["person_key"], row["rating"], row["rater_kind"], row["score"])
        for _, row in sorted(merged(told, RATING, source_order).items())
        if period.start <= row["rated_on"] < period.end
    ]
