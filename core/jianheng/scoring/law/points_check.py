"""Whether the decision tables fit: names, days without holes and overlaps, numbers that can be counted exactly."""

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import combinations, pairwise
from math import prod

from jianheng.errors import Problem, problem
from jianheng.facts.entities import CASE, POST_LEVELS, ROLES
from jianheng.rules.catalogues import codes_of
from jianheng.rules.measure import Measure
from jianheng.rules.views import view
from jianheng.scoring.law.chain import Draft, span_of
from jianheng.scoring.law.pack import Factor
from jianheng.scoring.law.pack_rows import PointsRow
from jianheng.scoring.law.parameters import amounts
from jianheng.scoring.law.points import SCALE, thousandths
from jianheng.scoring.law.reading import Line, nearest
from jianheng.scoring.law.references import outside, strangers
from jianheng.scoring.law.spreadsheet_codes import spreadsheet_fault

QUANTITY_BOUND = 10**6
"""The largest quantity of one item that is counted exactly whatever the policy."""

_RESULT_BOUND, _PRODUCT_BOUND = 2**62, 2**126
"""A ledger number is a 64-bit integer, made by rounding one of 128 bits at most; one bit of each is for half up."""


def check_points(draft: Draft) -> list[Problem]:
    """Return everything that does not fit in the points table of the whole chain."""
    found: list[Problem] = []
    for line in draft.points:
        found += _check_row(draft, line.row, f"{line.where} {line.row.id}")
    found += _check_faults(draft)
    found += _check_days(draft.points)
    astray = {each.fields["where"] for each in draft.problems if each.code == "override-of-nothing"}
    found += _check_same([line for line in draft.points if line.where not in astray])
    found += _check_size(draft)
    return found


def _check_row(draft: Draft, row: PointsRow, where: str) -> Iterator[Problem]:
    yield from strangers(draft, [row.measure], "measures", where, "measure")
    yield from strangers(draft, [row.indicator], "indicators", where, "indicator")
    if "vocabulary" not in draft.faulty:
        actions = [each.id for each in draft.file.vocabulary.actions]
        yield from outside([row.action] if row.action else [], actions, where, "action")
    yield from outside(row.role, ROLES, where, "role")
    if row.since and row.until and row.since >= row.until:
        yield problem("policy-empty-span", where=where)
    for number in (row.points, row.case_cap, row.month_cap, row.year_cap):
        fine = thousandths(number, where) if number is not None else 0
        if isinstance(fine, Problem):
            yield fine
    if row.measure not in draft.measures:
        return
    measure = draft.measures[row.measure][1]
    yield from _check_codes(draft, measure, row.measure, row.code, row.category, where)
    if "case_no" not in view(measure.grain).columns and (
        row.category or row.per_case or row.case_cap is not None
    ):
        yield problem("policy-measure-without-case", where=where, measure=row.measure)


def _check_faults(draft: Draft) -> Iterator[Problem]:
    """A word for faults needs a measure that says which fault an item is; told once a measure."""
    told: set[str] = set()
    for where, row in draft.points:
        measure = draft.measures[row.measure][1] if row.measure in draft.measures else None
        if measure is None or not row.fault or row.measure in told:
            continue
        if measure.fault is None and not any(each.fault for each in measure.changes):
            told.add(row.measure)
            at = f"{where} {row.id}"
            yield problem("policy-fault-without-key", where=at, measure=row.measure, fault=row.fault)


def _check_codes(
    draft: Draft, measure: Measure, name: str, codes: Sequence[str], categories: Sequence[str], where: str
) -> Iterator[Problem]:
    """A code must be one that the measure's column may hold, as far as a catalogue says."""
    over = view(measure.grain)
    columns = {
        each for each in (measure.code, *(one.code for one in measure.changes)) if each in over.columns
    }
    if codes and measure.code is None and not columns:
        yield problem("policy-code-without-column", where=where, measure=name)
    told = [codes_of(*over.origin(column), draft.catalogues) for column in sorted(columns)]
    every = (
        frozenset().union(*told) if told and all(told) else frozenset()
    )  # one without a catalogue: none known
    yield from _not_in(codes, every, where, "code")
    if categories and "case_no" not in over.columns:
        yield problem("policy-measure-without-case", where=where, measure=name)
    known = codes_of("case", CASE.column("category"), draft.catalogues)
    yield from _not_in(categories, known, where, "category")


def _not_in(codes: Sequence[str], known: frozenset[str], where: str, column: str) -> Iterator[Problem]:
    """A code that is in no catalogue; where there is none, one that a spreadsheet has visibly changed."""
    for code in codes:
        changed = spreadsheet_fault(code, known, where, column)
        if changed is not None:
            yield changed
        elif known and code not in known:
            yield problem(
                "policy-code-unknown", where=where, column=column, code=code, nearest=nearest(code, known)
            )


def _check_days(points: Sequence[Line]) -> Iterator[Problem]:
    """One id is one rule; its rows follow each other day by day."""
    rules: dict[str, list[Line]] = {}
    for line in points:
        rules.setdefault(line.row.id, []).append(line)
    for name, lines in rules.items():
        for before, after in pairwise(sorted(lines, key=lambda line: span_of(line.row))):
            where = f"{after.where} {name}"
            undated = span_of(before.row) == span_of(after.row)
            other_rule = (before.row.measure, before.row.indicator) != (
                after.row.measure,
                after.row.indicator,
            )
            ends, begins = span_of(before.row)[1], span_of(after.row)[0]
            if undated or other_rule:
                yield problem("policy-id-twice", file=where, id=name)
            elif begins < ends:
                yield problem("policy-points-overlap", where=where, other=before.where, day=begins)
            elif ends < begins:
                yield problem("policy-points-gap", where=where, since=ends, until=begins)


def _check_same(points: Sequence[Line]) -> Iterator[Problem]:
    """Two rules with the same conditions and the same indicator pay the same item twice."""
    alike: dict[tuple[object, ...], list[Line]] = {}
    for line in points:
        row = line.row
        same = (row.measure, row.indicator, frozenset(row.code), frozenset(row.category), frozenset(row.role))
        alike.setdefault(same, []).append(line)
    for lines in alike.values():
        for one, other in combinations(lines, 2):
            if one.row.id != other.row.id and overlap(one.row, other.row):
                day = max(span_of(one.row)[0], span_of(other.row)[0])
                where = f"{other.where} {other.row.id}"
                yield problem(
                    "policy-points-overlap", where=where, other=f"{one.where} {one.row.id}", day=day
                )


def overlap(one: PointsRow, other: PointsRow) -> bool:
    """Whether two rows hold on a common day."""
    return span_of(one)[0] < span_of(other)[1] and span_of(other)[0] < span_of(one)[1]


def holds_on(row: PointsRow, day: dt.date) -> bool:
    """Whether a row is in force on a day."""
    since, until = span_of(row)
    return since <= day < until


def paid_twice(points: Sequence[Line]) -> Iterator[tuple[Line, Line]]:
    """Yield pairs of rows that would both pay some item on one indicator: meant, perhaps, but worth a look."""
    for one, other in combinations(points, 2):
        a, b = one.row, other.row
        if (a.measure, a.indicator) != (b.measure, b.indicator) or a.id == b.id or not overlap(a, b):
            continue
        pairs = ((a.code, b.code), (a.category, b.category), (a.role, b.role))
        if all(not left or not right or set(left) & set(right) for left, right in pairs):
            yield one, other


def _largest(draft: Draft, factor: Factor) -> int:
    """Return the largest value a factor may take, in permille; at least one whole, when none of its choices holds."""
    known = {name for layer in draft.layers for name in layer.declarations}
    largest = SCALE
    for each in factor.choices:
        if isinstance(each.value, str) and each.value not in known:
            continue
        for value, _, _ in amounts(draft.layers, each.value):
            fine = thousandths(value, "")
            largest = max(largest, fine if isinstance(fine, int) else SCALE)
    return largest


def _check_size(draft: Draft) -> Iterator[Problem]:
    """Prove that no item can give more than is multiplied exactly; one fault for each set of factors."""
    if any(
        each.code.startswith("parameter-") or each.code == "policy-parameter-codes" for each in draft.problems
    ):
        return  # values that are no numbers are told elsewhere
    largest = {each.id: _largest(draft, each) for each in draft.file.factors}
    worst: dict[tuple[str, ...], tuple[int, Line]] = {}
    for line in draft.points:
        points = thousandths(line.row.points, "")
        if isinstance(points, Problem):
            continue
        bearing = tuple(
            each.id for each in draft.file.factors if not each.measures or line.row.measure in each.measures
        )
        size = abs(points) * _largest_quantity(draft, line.row.measure)
        if bearing not in worst or size > worst[bearing][0]:
            worst[bearing] = (size, line)
    for bearing, (size, (where, row)) in worst.items():
        product = size * prod(largest[name] for name in bearing)
        if product >= min(_PRODUCT_BOUND, _RESULT_BOUND * SCALE ** len(bearing)):
            told = "、".join(f"{name} x {Decimal(largest[name]) / SCALE}" for name in bearing) or "—"
            yield problem("policy-overflow", where=f"{where} {row.id}", points=row.points, factors=told)


def _largest_quantity(draft: Draft, measure: str) -> int:
    """Return the largest quantity an item of a measure may have: one where the measure names none."""
    _, held = draft.measures.get(measure, ("", None))
    counted = held is not None and (held.quantity or any(each.quantity for each in held.changes))
    return QUANTITY_BOUND if counted else 1


def check_authority(draft: Draft) -> list[Problem]:
    """Return everything that does not fit in the authority list."""
    found: list[Problem] = []
    for where, permit in draft.authority:
        found += strangers(draft, [permit.measure], "measures", where, "measure")
        found += outside(permit.role, ROLES, where, "role")
        found += outside(permit.post_level, POST_LEVELS, where, "post_level")
        measure = draft.measures[permit.measure][1] if permit.measure in draft.measures else None
        if measure is not None:
            found += _check_codes(draft, measure, permit.measure, permit.code, permit.category, where)
    if draft.authority and draft.file.authority is None and "authority" not in draft.faulty:
        found.append(problem("policy-missing-key", where=draft.where, key="authority"))
    return found
