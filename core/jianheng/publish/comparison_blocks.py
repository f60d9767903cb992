"""A comparison in words: the tables that the terminal, the workbook and the page all show."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

from jianheng.messages import text
from jianheng.publish.block import Block, Cell, Points, nearest_points, points_or_none
from jianheng.scoring.comparison.comparison import Comparison, Move, SheetComparison, Shift
from jianheng.scoring.comparison.distribution import Distribution
from jianheng.scoring.comparison.left_out import LeftOut
from jianheng.scoring.indicators.outcome import Standing, reason_text
from jianheng.scoring.kernel.directory import Member
from jianheng.scoring.law.points import shown
from jianheng.scoring.records.snapshot import Snapshot
from jianheng.store.engine import told_time

_NAMED_CAUSES = 3


def heads(*codes: str) -> tuple[str, ...]:
    """Return the words over some columns."""
    return tuple(text(f"compare-head-{code}") for code in codes)


def notices(comparison: Comparison, snapshot: Snapshot) -> list[str]:
    """Return what a reader must know before he trusts the comparison."""
    a, b = comparison.a, comparison.b
    told = [text("compare-not-kept")]
    told += [
        text("compare-as-if", label=each.label, since=each.policy.file.since) for each in (a, b) if each.as_if
    ]
    if (a.period.start, a.period.end) != (b.period.start, b.period.end):
        windows = {
            f"{name}_{end}": getattr(side.period, end)
            for name, side in (("a", a), ("b", b))
            for end in ("start", "end")
        }
        told.append(text("compare-windows", **windows))
    if comparison.left_out is not None:
        told.append(left_out_text(comparison.left_out))
    if snapshot.incomplete:
        told.append(text("notice-incomplete", sources="、".join(snapshot.incomplete)))
    if not comparison.moved:
        told.append(text("compare-nobody-moves"))
    return told


def left_out_text(corrections: LeftOut) -> str:
    """Return which corrections of closed periods are not compared, and why."""
    told = {"period": corrections.period, "corrects": "、".join(corrections.corrects)}
    if corrections.entries is None:
        return text("compare-left-out-unknown", **told)
    return text("compare-left-out", **told, count=corrections.entries, points=shown(corrections.points))


def overview(comparison: Comparison) -> Block:
    """Return what the two are, and what the whole comes to."""
    a, b = comparison.a, comparison.b
    sides = ((a, comparison.totals_a), (b, comparison.totals_b))
    rows: list[tuple[Cell, ...]] = [
        _row("policy", [each.label for each, _ in sides]),
        _row("version", [each.policy.version[:12] for each, _ in sides]),
        _row(
            "period", [f"{each.period.label} [{each.period.start}, {each.period.end})" for each, _ in sides]
        ),
    ]
    rows += [
        _row(name, [getattr(totals, name) for _, totals in sides])
        for name in ("people", "cases", "entries", "uncounted", "others")
    ]
    for name in ("points", "provisional", "withheld"):
        before, after = (getattr(totals, name) for _, totals in sides)
        rows.append((*_row(name, [Points(before), Points(after)])[:3], Points(after - before, signed=True)))
    note = text(
        "compare-overview-note",
        moved=comparison.moved,
        facts_at=told_time(comparison.facts_at),
    )
    return Block("overview", text("compare-overview"), heads("what", "a", "b", "difference"), rows, note)


def _row(code: str, values: Sequence[Cell]) -> tuple[Cell, ...]:
    before, after = values
    difference: Cell = ""
    if isinstance(before, int) and isinstance(after, int):
        difference = f"{after - before:+d}" if after != before else "0"
    return text(f"compare-row-{code}"), before, after, difference


def spread(sheet: SheetComparison) -> Block:
    """Return how the totals of a sheet lie."""
    rows: list[tuple[Cell, ...]] = [
        _row("count", [each.count if each else 0 for each in (sheet.a, sheet.b)]),
        *([_row("without", sheet.without)] if any(sheet.without) else []),
        *(
            _figure(name, sheet, name)
            for name in ("mean", "most", "third_quartile", "median", "first_quartile", "least")
        ),
        *(_decile(number, sheet) for number in range(9, 0, -1)),
    ]
    order = sheet.agreement
    note = text(
        "compare-order",
        moved=sheet.moved,
        other_place=sheet.other_place,
        other_grade=sheet.other_grade,
        pairs=order.pairs,
        inverted=order.inverted,
        tau="—" if order.tau is None else shown(order.tau),
    )
    title = text("compare-spread", sheet=sheet.label)
    return Block("spread", title, heads("what", "a", "b", "difference"), rows, note)


def _figure(code: str, sheet: SheetComparison, name: str) -> tuple[Cell, ...]:
    return _compared(text(f"compare-row-{code}"), *(_number(each, name) for each in (sheet.a, sheet.b)))


def _number(of: Distribution | None, name: str) -> Fraction | None:
    return None if of is None else Fraction(getattr(of, name))


def _decile(number: int, sheet: SheetComparison) -> tuple[Cell, ...]:
    values = (None if each is None else each.deciles[number - 1] for each in (sheet.a, sheet.b))
    return _compared(text("compare-row-decile", number=number), *values)


def _compared(label: str, before: Fraction | None, after: Fraction | None) -> tuple[Cell, ...]:
    both = None if before is None or after is None else nearest_points(after - before, signed=True)
    return label, *(None if each is None else nearest_points(each) for each in (before, after)), both


def people(sheet: SheetComparison, members: Mapping[str, Member], labels: Mapping[str, str]) -> Block:
    """Return everybody on a sheet, who moves most first; who does not move is left out."""
    graded = bool(sheet.grades)
    told = heads("name", "department", "points-a", "points-b", "difference", "place-a", "place-b")
    told += heads("grade-a", "grade-b") if graded else ()
    rows = [_person(each, members, labels, graded=graded) for each in sheet.moves if each.moved]
    note = text("compare-people-note", moved=len(rows), people=len(sheet.moves))
    return Block("people", text("compare-people", sheet=sheet.label), (*told, *heads("cause")), rows, note)


def _person(
    move: Move, members: Mapping[str, Member], labels: Mapping[str, str], *, graded: bool
) -> tuple[Cell, ...]:
    member = members.get(move.person_key)
    cells: list[Cell] = [
        member.name if member else move.person_key,
        member.department if member else "",
        *(points_or_none(None if each is None else each.points) for each in (move.a, move.b)),
        points_or_none(move.difference, signed=True),
        *(None if each is None else each.place for each in (move.a, move.b)),
    ]
    cells += [move.grade_a or None, move.grade_b or None] if graded else []
    return (*cells, "; ".join(_causes(move, labels)))


def _causes(move: Move, labels: Mapping[str, str]) -> Iterator[str]:
    """Yield why somebody moves: what is on one side only, then the rules, then what is no sum of them."""
    yield from _absences(move)
    by_rule: dict[str, int] = {}
    for effect in move.effects:
        by_rule[effect.rule_id] = by_rule.get(effect.rule_id, 0) + effect.difference
    rules = sorted(
        ((rule, moved) for rule, moved in by_rule.items() if moved), key=lambda each: (-abs(each[1]), each[0])
    )
    yield from _named(
        (f"{labels.get(rule, rule)} {Points(moved, signed=True)}" for rule, moved in rules), "rules"
    )
    shifted = [_shift_text(each) for each in move.shifts if not each.sums]
    yield from _named(shifted, "indicators")
    if move.difference is None or shifted:
        return
    unexplained = move.difference - sum(moved for _, moved in rules)
    if unexplained:
        yield text("compare-by-indicators", points=Points(unexplained, signed=True))
    elif not rules:
        yield text("compare-by-others")


def _absences(move: Move) -> Iterator[str]:
    for name, standing in (("a", move.a), ("b", move.b)):
        if standing is None:
            yield text(f"compare-not-in-{name}")
        elif standing.points is None:
            yield text(f"compare-without-{name}", reason=outcome_text(standing))


def _named(causes: Iterable[str], kind: str) -> Iterator[str]:
    """Yield the first few of some causes, and how many more there are."""
    told = list(causes)
    yield from told[:_NAMED_CAUSES]
    if len(told) > _NAMED_CAUSES:
        yield text(f"compare-more-{kind}", count=len(told) - _NAMED_CAUSES)


def _shift_text(shift: Shift) -> str:
    before, after = ("—" if each is None else shown(each) for each in (shift.points_a, shift.points_b))
    return text("compare-shift", label=shift.label, a=before, b=after)


def outcome_text(standing: Standing) -> str:
    """Return why somebody has no total."""
    return text(f"outcome-{standing.state}", reason=reason_text(standing.reason))


def grades(sheet: SheetComparison) -> Block:
    """Return how many people go from which grade to which."""
    rows: list[tuple[Cell, ...]] = [(a or None, b or None, count) for a, b, count in sheet.grades]
    title = text("compare-grades", sheet=sheet.label)
    return Block("grades", title, heads("grade-a", "grade-b", "people"), rows)


def rules(comparison: Comparison) -> Block:
    """Return the rules that differ, by what they move."""
    rows: list[tuple[Cell, ...]] = [
        (
            each.label,
            each.rule_id,
            each.people,
            each.only_a,
            each.only_b,
            each.changed,
            Points(each.points_a),
            Points(each.points_b),
            Points(each.points_b - each.points_a, signed=True),
        )
        for each in comparison.rules
    ]
    told = heads(
        "rule", "rule-id", "people", "only-a", "only-b", "changed", "points-a", "points-b", "difference"
    )
    return Block("rules", text("compare-rules"), told, rows, text("compare-rules-note"))


def rule_labels(comparison: Comparison) -> dict[str, str]:
    """Return what rules are called, in B where both know them."""
    return {row.id: row.label for side in (comparison.a, comparison.b) for row in side.policy.points}


def summary(comparison: Comparison, members: Mapping[str, Member]) -> list[Block]:
    """Return the tables that everybody reads."""
    labels = rule_labels(comparison)
    found = [overview(comparison)]
    for sheet in comparison.sheets:
        found += [spread(sheet), people(sheet, members, labels)]
        found += [grades(sheet)] if sheet.grades else []
    return [*found, rules(comparison)]
