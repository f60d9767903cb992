"""Two policies on the same facts: who moves, by which rule, and what becomes of the whole. Nothing is kept."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from jianheng.errors import StopError
from jianheng.scoring.comparison.comparison import (
    Comparison,
    Move,
    RuleDifference,
    SheetComparison,
    Shift,
    Side,
    Totals,
)
from jianheng.scoring.comparison.distribution import agreement, distribution
from jianheng.scoring.comparison.ledger_difference import (
    ONLY_A,
    ONLY_B,
    RULE_A,
    RULE_B,
    Effect,
    ledger_difference,
)
from jianheng.scoring.comparison.left_out import LeftOut
from jianheng.scoring.indicators.outcome import ALL_RULES, Standing, Value
from jianheng.scoring.kernel.evaluation import Evaluation, evaluate
from jianheng.scoring.kernel.tallies import CASES
from jianheng.scoring.law.pack import Indicator
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.records.snapshot import Snapshot
from jianheng.store.tables import NO_RULE

EXACT_PLACES = 3
"""An indicator with so many decimals is not rounded: points have no more."""

_ONE_SIDED = frozenset({ONLY_A, ONLY_B, RULE_A, RULE_B})


def side(snapshot: Snapshot, policy: Policy, period: Period, label: str = "", *, as_if: bool = False) -> Side:
    """Return what a policy makes of some facts within a period.

    Raises:
        StopError: the policy is not in force, or a rule failed.
    """
    subject = snapshot.subject
    result = evaluate(snapshot.facts, policy, period, subject.units, subject.source_order)
    return Side(label or policy.label, policy, period, result, as_if)


def check_different(label: str, a: Policy, b: Policy) -> None:
    """Refuse to compare a policy with itself.

    Raises:
        StopError: both are the same law.
    """
    if a.version == b.version:
        raise StopError("compare-same", policy=label, version=a.version[:12])


def compare(snapshot: Snapshot, a: Side, b: Side, left_out: LeftOut | None = None) -> Comparison:
    """Return how two policies differ on the facts of a snapshot, which both were tried on.

    People are compared role by role: the sheets of two packs may have other ids, their roles do not.
    What corrects closed periods is on neither side, and only told of (``left_out``).

    Raises:
        StopError: both are the same law, or neither scores anybody.
    """
    check_different(a.label, a.policy, b.policy)
    if not a.result.standings and not b.result.standings:
        raise StopError("compare-nobody", period=a.period.label, a=a.label, b=b.label)
    difference = ledger_difference(a.result.ledger, b.result.ledger, a.roles, b.roles)
    return Comparison(
        a=a,
        b=b,
        facts_at=snapshot.facts_at,
        totals_a=totals_of(a.result),
        totals_b=totals_of(b.result),
        sheets=_sheets(a, b, difference.effects),
        rules=_rules(a, b, difference.effects),
        lines=difference.lines,
        left_out=left_out,
    )


def totals_of(result: Evaluation) -> Totals:
    """Return an evaluation's ledger, summed."""
    told = [each for each in result.tallies.values() if each.measure != CASES and each.rule_id != ALL_RULES]
    ruled = [each for each in told if each.rule_id != NO_RULE]
    entries = sum(each.entries for each in ruled)
    uncounted = sum(each.entries for each in told if each.rule_id == NO_RULE)
    return Totals(
        people=len({each.person_key for each in result.standings}),
        cases=result.cases,
        entries=entries,
        uncounted=uncounted,
        others=result.ledger.num_rows - entries - uncounted,
        points=sum(each.points for each in ruled),
        provisional=sum(each.provisional for each in ruled),
        withheld=sum(each.withheld for each in ruled),
    )


def _sheets(a: Side, b: Side, effects: Iterable[Effect]) -> tuple[SheetComparison, ...]:
    labels = {each.role: each.label for side in (b, a) for each in side.policy.file.sheets}
    order = dict.fromkeys(each.role for side in (a, b) for each in side.policy.file.sheets)
    by_person: dict[tuple[str, str], list[Effect]] = {}
    for each in effects:
        by_person.setdefault((each.role, each.person_key), []).append(each)
    shifts = _shifts(a, b)
    placed_a, placed_b = (
        {(each.roles[one.sheet], one.person_key): one for one in each.result.standings} for each in (a, b)
    )
    found = []
    for role in order:
        keys = sorted(key for key in placed_a.keys() | placed_b.keys() if key[0] == role)
        moves = [
            _move(
                key[1],
                (placed_a.get(key), placed_b.get(key)),
                (a.grades, b.grades),
                tuple(by_person.get(key, ())),
                tuple(shifts.get(key, ())),
            )
            for key in keys
        ]
        if moves:
            found.append(_sheet(role, labels[role], moves, (*a.grades.values(), *b.grades.values())))
    return tuple(found)


def _move(
    person_key: str,
    placed: tuple[Standing | None, Standing | None],
    labels: tuple[Mapping[str, str], Mapping[str, str]],
    effects: tuple[Effect, ...],
    shifts: tuple[Shift, ...],
) -> Move:
    a, b = placed
    grade_a, grade_b = (
        "" if one is None else names.get(one.grade, one.grade)
        for one, names in zip(placed, labels, strict=True)
    )
    return Move(person_key, a, b, grade_a, grade_b, effects, shifts)


def _sheet(role: str, label: str, moves: Sequence[Move], grades: Iterable[str]) -> SheetComparison:
    totals_a, totals_b = (
        [one.points for one in placed if one is not None and one.points is not None]
        for placed in ([each.a for each in moves], [each.b for each in moves])
    )
    both = [
        (each.a.points, each.b.points)
        for each in moves
        if each.a is not None
        and each.b is not None
        and each.a.points is not None
        and each.b.points is not None
    ]
    order = {grade: place for place, grade in enumerate(dict.fromkeys((*grades, "")))}
    graded = Counter(
        (each.grade_a, each.grade_b) for each in moves if each.a is not None and each.b is not None
    )
    graded = Counter({key: count for key, count in graded.items() if any(key)})
    return SheetComparison(
        role,
        label,
        tuple(sorted(moves, key=_most_moved)),
        distribution(totals_a),
        distribution(totals_b),
        agreement(both),
        tuple(
            (*key, graded[key]) for key in sorted(graded, key=lambda each: (order[each[0]], order[each[1]]))
        ),
    )


def _most_moved(move: Move) -> tuple[bool, bool, int, int, str]:
    places = [one.place for one in (move.b, move.a) if one is not None and one.place is not None]
    return (
        not move.moved,
        move.difference is not None,  # who is on one side only, or has no total there, comes first
        -abs(move.difference or 0),
        places[0] if places else 0,
        move.person_key,
    )


def _shifts(a: Side, b: Side) -> dict[tuple[str, str], list[Shift]]:
    """Return the indicators whose values differ, by role and person, in the order of the files."""
    nodes = {each.id: each for side in (b, a) for each in side.policy.file.indicators}
    sums = {
        name: all(
            _plain_sum(each) for side in (a, b) for each in side.policy.file.indicators if each.id == name
        )
        for name in nodes
    }
    values_a, values_b = (
        {(each.roles[one.sheet], one.person_key, one.indicator): one for one in each.result.values}
        for each in (a, b)
    )
    found: dict[tuple[str, str], list[Shift]] = {}
    for key in dict.fromkeys((*values_a, *values_b)):
        role, person, name = key
        points_a, points_b = _points(values_a.get(key)), _points(values_b.get(key))
        if points_a != points_b:
            shift = Shift(name, nodes[name].label, sums[name], points_a, points_b)
            found.setdefault((role, person), []).append(shift)
    return found


def _plain_sum(node: Indicator) -> bool:
    return node.kind == "sum" and node.floor is None and node.ceiling is None and node.places == EXACT_PLACES


def _points(value: Value | None) -> int | None:
    return None if value is None else value.points


def _rules(a: Side, b: Side, effects: Iterable[Effect]) -> tuple[RuleDifference, ...]:
    labels = {row.id: row.label for side in (b, a) for row in side.policy.points}
    by_rule: dict[str, list[Effect]] = {}
    for each in effects:
        by_rule.setdefault(each.rule_id, []).append(each)
    found = [
        RuleDifference(
            rule,
            labels.get(rule, rule),
            len({each.person_key for each in told}),
            sum(each.entries for each in told if each.why in {ONLY_A, RULE_A}),
            sum(each.entries for each in told if each.why in {ONLY_B, RULE_B}),
            sum(each.entries for each in told if each.why not in _ONE_SIDED),
            sum(each.points_a for each in told),
            sum(each.points_b for each in told),
        )
        for rule, told in by_rule.items()
    ]
    return tuple(sorted(found, key=lambda each: (-abs(each.points_b - each.points_a), each.rule_id)))
