"""Thresholds of the law and the examples on their two sides.

An end of a tier or grade is shown by a value below it and one at or above it; a cap by an entry that it cut and
one under it that it did not; a quota by somebody who got the grade and somebody there was no room for. The
same limit written in several rows of one measure is one threshold.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from jianheng.errors import Problem, problem
from jianheng.messages import text
from jianheng.scoring.checking.example_world import Shown
from jianheng.scoring.law.layer_files import Written
from jianheng.scoring.law.pack import Bounds, Indicator, Number
from jianheng.scoring.law.parameters import amount
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.law.tiers import BOUND_NAMES

Line = dict[str, Any]


def thresholds_not_shown(policy: Policy, own: Written, seen: Sequence[Shown]) -> Iterator[Problem]:
    """Yield every side of every threshold that the pack itself says and no example shows."""
    lines = [line for each in seen for line in each.lines]
    yield from _caps(own, lines)
    yield from _row_limits(own, lines)
    if own.file is None:
        return
    for node in own.file.indicators:
        where = f"{own.name}/policy.toml [indicators {node.id}]"
        yield from _ends(policy, seen, _tier_ends(node), _read_as(node, "input"), where, node.id)
        yield from _due(node, seen, where)
        yield from _bounds(node, seen, where)
    yield from _grades(policy, own, seen)


def _sides(where: str, what: str, sides: Iterable[tuple[str, bool]], **fields: object) -> Iterator[Problem]:
    for side, shown in sides:
        if not shown:
            yield problem("example-side-missing", where=where, what=what, side=text(side, **fields))


def _caps(own: Written, lines: Sequence[Line]) -> Iterator[Problem]:
    for cap in own.file.caps if own.file is not None else ():
        bound = [
            line for line in lines if line["rule_id"] in cap.rules or line["indicator"] in cap.indicators
        ]
        where = f"{own.name}/policy.toml [caps {cap.id}]"
        yield from _cut(where, cap.id, bound, {cap.id})


def _cut(where: str, what: str, lines: Iterable[Line], caps: Collection[str]) -> Iterator[Problem]:
    """An entry that one of some caps cut, and one that it did not."""
    taken = [
        any(told.split(":")[0] in caps for told in str(line["caps"]).split(";"))
        for line in lines
        if line["state"] != "void"
    ]
    yield from _both(where, what, taken)


def _both(where: str, what: str, held: Sequence[bool]) -> Iterator[Problem]:
    sides = [("coverage-cut", True in held), ("coverage-uncut", False in held)]
    yield from _sides(where, what, sides)


def _row_limits(own: Written, lines: Sequence[Line]) -> Iterator[Problem]:
    limits: dict[tuple[str, str, Decimal], list[tuple[str, str]]] = {}
    for where, row in own.points:
        for column in ("per_case", "case_cap", "month_cap", "year_cap"):
            limit = getattr(row, column)
            if limit is not None:
                limits.setdefault((row.measure, column, Decimal(limit)), []).append((where, row.id))
    for (_, column, limit), rows in limits.items():
        rules = {rule for _, rule in rows}
        told = [line for line in lines if line["rule_id"] in rules]
        where, what = " ".join(rows[0]), f"{column} {limit}"
        if column == "per_case":
            refused = [line["reason"] == "per-case-limit" for line in told]
            yield from _both(where, what, refused)
        else:
            yield from _cut(where, what, told, {f"{rule}.{column}" for rule in rules})


def _tier_ends(node: Indicator) -> list[Number]:
    return [end for tier in node.tiers for end in _ends_of(tier)]


def _ends_of(bounds: Bounds) -> list[Number]:
    told = (getattr(bounds, name) for name in BOUND_NAMES)
    return [each for each in told if each is not None]


def _read_as(node: Indicator, name: str) -> Callable[[Shown], Iterator[Fraction]]:
    """Return what reads, in an example, the values that an indicator was made of under a name."""

    def read(shown: Shown) -> Iterator[Fraction]:
        for value in shown.evaluation.values:
            if value.indicator == node.id and value.state == "scored":
                yield from (Fraction(number) for told, number in value.basis if told == name)

    return read


def _ends(
    policy: Policy,
    seen: Sequence[Shown],
    ends: Iterable[Number],
    read: Callable[[Shown], Iterable[Fraction]],
    where: str,
    what: str,
) -> Iterator[Problem]:
    for end in dict.fromkeys(ends):
        below = above = False
        for shown in seen:
            held = amount(policy.layers, end, shown.last_day).value
            for value in read(shown) if held is not None else ():
                below |= value < Fraction(held or 0)
                above |= value >= Fraction(held or 0)
        sides = (("coverage-below", below), ("coverage-from", above))
        yield from _sides(where, what, sides, end=end)


def _due(node: Indicator, seen: Sequence[Shown], where: str) -> Iterator[Problem]:
    """A target and a minimum caseload: somebody below, somebody who reached it."""
    name = {"target": "target", "caseload": "due"}.get(node.kind)
    if name is None:
        return
    below = above = False
    for shown in seen:
        for value in shown.evaluation.values:
            basis = dict(value.basis)
            if value.indicator == node.id and value.state == "scored" and {"input", name} <= basis.keys():
                below |= Fraction(basis["input"]) < Fraction(basis[name])
                above |= Fraction(basis["input"]) >= Fraction(basis[name])
    yield from _sides(where, node.id, (("coverage-below", below), ("coverage-from", above)), end=name)


def _bounds(node: Indicator, seen: Sequence[Shown], where: str) -> Iterator[Problem]:
    """A floor or ceiling that held somebody, and somebody whom it did not."""
    names = ["floor"] if node.floor is not None or node.kind == "deduct" else []
    names += ["ceiling"] if node.ceiling is not None else []
    values = [
        {name for name, _ in value.basis}
        for shown in seen
        for value in shown.evaluation.values
        if value.indicator == node.id and value.state == "scored"
    ]
    for name in names:
        yield from _both(where, f"{node.id} {name}", [name in each for each in values])


def _grades(policy: Policy, own: Written, seen: Sequence[Shown]) -> Iterator[Problem]:
    grades = own.file.grades if own.file is not None else None
    if grades is None:
        return
    where = f"{own.name}/policy.toml [grades]"

    def totals(shown: Shown) -> Iterator[Fraction]:
        for each in shown.evaluation.standings:
            if each.points is not None:
                yield Fraction(each.points, 1000)

    ends = [end for band in grades.bands for end in _ends_of(band)]
    yield from _ends(policy, seen, ends, totals, where, "grades")
    standings = [each for shown in seen for each in shown.evaluation.standings]
    reasons = {reason for each in standings for reason in each.grade_reason.split(";")}
    for band in grades.bands[:-1]:
        if band.share is not None:
            refused = any(reason.endswith(f":{band.id}") for reason in reasons)
            given = any(each.grade == band.id for each in standings)
            sides = [("coverage-given", given), ("coverage-refused", refused)]
            yield from _sides(where, f"{band.id} share", sides)
    for veto in grades.vetoes:
        barred = ("coverage-cut", f"veto:{veto.measure}" in reasons)
        yield from _sides(where, f"veto {veto.measure}", [barred])
