"""Whether the indicators of a policy can be worked out: fields, names, tree; each fault told once and in its place."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from jianheng.errors import Problem, problem
from jianheng.facts.entities import POST_LEVELS, ROLES
from jianheng.scoring.law.formulas import Formula
from jianheng.scoring.law.grade_check import check_grades
from jianheng.scoring.law.graph import reached
from jianheng.scoring.law.indicator_numbers import POINT, check_numbers
from jianheng.scoring.law.indicator_order import dependencies, evaluation_order, needs
from jianheng.scoring.law.pack import Indicator, IndicatorKind, PolicyFile, Sheet
from jianheng.scoring.law.pack_rows import PointsRow
from jianheng.scoring.law.parameters import Layer
from jianheng.scoring.law.reading import unknown

_EVERY_KIND = frozenset(
    (
        "id", "label", "parent", "assumed", "kind", "unit", "roles", "post_levels", "places", "floor",
        "ceiling", "replaces", "cite",
    )
)  # fmt: skip
_NEEDED: Mapping[IndicatorKind, tuple[str, ...]] = {
    "sum": (),
    "count": ("measures",),
    "ratio": ("numerator", "denominator"),
    "tiers": ("input", "tiers"),
    "deduct": ("base",),
    "weighted": ("weights",),
    "target": ("input", "target", "full"),
    "caseload": ("input", "full", "group", "ratios"),
    "per_head": ("input", "reference"),
    "peers": ("input", "full", "group", "against"),
    "raters": ("rating", "weights"),
    "formula": ("function", "inputs"),
}
_ALSO: Mapping[IndicatorKind, tuple[str, ...]] = {
    "sum": ("on_missing", "on_not_applicable"),
    "count": ("counting",),
    "ratio": ("scale", "when_zero"),
    "tiers": (),
    "deduct": ("per", "when_zero", "on_missing", "on_not_applicable"),
    "weighted": ("on_missing", "on_not_applicable"),
    "target": ("beyond", "when_zero"),
    "caseload": ("mean_of", "when_zero"),
    "per_head": ("scale", "when_zero"),
    "peers": ("when_zero", "ties"),
    "raters": ("on_missing",),
    "formula": ("on_missing",),
}
_WITH_CHILDREN = frozenset(("sum", "deduct", "weighted"))
_WITH_ENTRIES = frozenset(("sum", "deduct"))


@dataclass(frozen=True, slots=True)
class Known:
    """What the indicators of a policy may refer to.

    Attributes:
        named: every id that a file names, by kind (``indicators``, ``groups``, ``measures``,
            ``parameters``): of a kind that is not there nothing can be said, because its file is at fault.
        formulas: the functions of ``formulas.py``; None where that file is at fault.
        layers: the parameters.
        at: says where a thing stands, by kind and id.
    """

    named: Mapping[str, Collection[str]]
    formulas: Mapping[str, Formula] | None
    layers: Sequence[Layer]
    at: Callable[[str, str], str]

    def strangers(self, names: Iterable[str], kind: str, where: str, what: str) -> Iterator[Problem]:
        """Yield a fault for each name that nothing of a kind has, with the nearest that something has."""
        have = self.named.get(kind)
        return iter(()) if have is None else outside(names, have, where, what)


def outside(names: Iterable[str], known: Collection[str], where: str, what: str) -> Iterator[Problem]:
    """Yield a fault for each name that is none of some."""
    for name in names:
        if name not in known:
            yield unknown(name, known, where, what)


def check_indicators(file: PolicyFile, points: Iterable[PointsRow], known: Known) -> list[Problem]:
    """Return everything wrong with indicators, groups, grades and totals.

    Args:
        file: ``policy.toml`` of the whole chain.
        points: the rows that give points to indicators.
        known: what may be referred to.
    """
    by_id = {each.id: each for each in file.indicators}
    found: list[Problem] = []
    for each in file.indicators:
        where = known.at("indicators", each.id)
        found += _check_fields(each, by_id.get(each.parent or ""), where)
        found += _check_names(each, where, known)
        found += _check_children(each, by_id, where)
        found += check_numbers(each, by_id, file.since, known.layers, known.named.get("parameters"), where)
    found += _check_circles(file.indicators, known)
    found += _check_totals(file.sheets, by_id, known)
    found += _check_entries(file, list(points), by_id, known)
    found += check_grades(file, known.layers, known.named, known.at)
    return found


def _check_fields(node: Indicator, parent: Indicator | None, where: str) -> Iterator[Problem]:
    """Every field a kind takes is used by it: one that is not would be a rule that nobody applies."""
    needed, also = set(_NEEDED[node.kind]), set(_ALSO[node.kind])
    if parent is not None and parent.kind in _WITH_CHILDREN and parent.on_not_applicable == "full":
        needed.add("full")
    if node.when_zero == "full" and node.kind in {"ratio", "per_head"}:
        needed.add("full")
    if node.kind == "peers" and node.against != "percentile":
        also.discard("ties")
    if node.kind == "deduct" and node.per is None:
        also.discard("when_zero")
    for name in sorted(needed):
        if getattr(node, name) in (None, (), {}):
            yield problem("indicator-needs", where=where, kind=node.kind, key=name)
    for name in sorted(node.model_fields_set - _EVERY_KIND - needed - also):
        yield problem("indicator-unused", where=where, kind=node.kind, key=name)
    if node.kind == "count" and node.unit == POINT:
        yield problem("indicator-needs", where=where, kind=node.kind, key="unit")
    if node.on_not_applicable == "reweight" and node.kind in _WITH_ENTRIES:
        yield problem("indicator-unused", where=where, kind=node.kind, key='on_not_applicable = "reweight"')


def _check_names(node: Indicator, where: str, known: Known) -> Iterator[Problem]:
    parent = [node.parent] if node.parent is not None else []
    yield from known.strangers((*parent, *dependencies(node)), "indicators", where, "indicator")
    yield from known.strangers(node.measures, "measures", f"{where} measures", "measure")
    yield from known.strangers([node.group] if node.group else [], "groups", f"{where} group", "group")
    yield from outside(node.roles, ROLES, f"{where} roles", "role")
    yield from outside(node.post_levels, POST_LEVELS, f"{where} post_levels", "post_level")
    yield from outside(node.ratios, POST_LEVELS, f"{where} ratios", "post_level")
    yield from outside(node.mean_of, POST_LEVELS, f"{where} mean_of", "post_level")
    if node.function is None or known.formulas is None:
        return
    yield from outside([node.function], known.formulas, f"{where} function", "function")
    if node.function in known.formulas:
        arguments = known.formulas[node.function].arguments
        yield from outside(node.inputs, arguments, f"{where} inputs", "argument")
        for name in arguments:
            if name not in node.inputs:
                yield problem("indicator-needs", where=where, kind=node.function, key=f"inputs.{name}")


def _check_children(node: Indicator, by_id: Mapping[str, Indicator], where: str) -> Iterator[Problem]:
    below = [each.id for each in by_id.values() if each.parent == node.id]
    for name in below:
        if node.kind in _WITH_ENTRIES and by_id[name].unit != node.unit:
            told = {"unit": by_id[name].unit, "wanted": node.unit}
            yield problem("indicator-units-mixed", where=where, child=name, **told)
    if below and node.kind not in _WITH_CHILDREN:
        yield problem("indicator-children", where=where, kind=node.kind, children="、".join(below))
    if node.kind == "weighted":
        yield from outside(node.weights, below, f"{where} weights", "child")
        for name in below:
            if name not in node.weights:
                yield problem("indicator-needs", where=where, kind=node.kind, key=f"weights.{name}")


def _check_circles(indicators: Sequence[Indicator], known: Known) -> Iterator[Problem]:
    for circle in evaluation_order(indicators)[1]:
        path = " → ".join((*circle, circle[0]))
        yield problem("indicator-circle", where=known.at("indicators", circle[0]), path=path)


def _check_totals(sheets: Sequence[Sheet], by_id: Mapping[str, Indicator], known: Known) -> Iterator[Problem]:
    """A total is points: a count of cases or a rate would rank people by something else than their score."""
    for sheet in sheets:
        where = known.at("sheets", sheet.id)
        named = [sheet.total] if sheet.total is not None else []
        yield from known.strangers(named, "indicators", f"{where} total", "indicator")
        total = by_id.get(_total(sheet, by_id))
        if total is not None and (total.kind == "count" or total.unit != POINT):
            yield problem(
                "sheet-total-unit", where=where, indicator=total.id, kind=total.kind, unit=total.unit
            )


def _total(sheet: Sheet, by_id: Mapping[str, Indicator]) -> str:
    return sheet.total or next((each.id for each in by_id.values() if each.parent is None), "")


def _check_entries(
    file: PolicyFile, points: Sequence[PointsRow], by_id: Mapping[str, Indicator], known: Known
) -> Iterator[Problem]:
    """Points go where they are taken up, and from there into a total of a sheet that they are given on."""
    graph = needs(file.indicators)
    counts = {sheet.role: reached([_total(sheet, by_id)], graph) for sheet in file.sheets}
    lost: dict[str, str] = {}
    for row in points:
        node = by_id.get(row.indicator)
        if node is None:
            continue
        roles = [role for role in (row.role or counts) if role in counts]
        unheard = bool(roles) and not any(node.id in counts[role] for role in roles)
        if node.kind not in _WITH_ENTRIES or unheard:
            lost.setdefault(node.id, row.id)
    for name, rule in lost.items():
        where, kind = known.at("indicators", name), by_id[name].kind
        if kind not in _WITH_ENTRIES:
            yield problem("indicator-entries", where=where, kind=kind, rule=rule)
        else:
            yield problem("indicator-unheard", where=where, indicator=name, rule=rule)
