"""Changes of the law and the examples around their day.

A change on day D is shown when something that reads it happened on the day before D and on D itself. For a
rule that is a line of the ledger; for a condition a fact that bears the day, because what a condition leaves
out makes no line; for what indicators read once a period, one example that read the former value and one that
read the latter.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from jianheng.errors import Problem, problem
from jianheng.facts.entities import ENTITIES
from jianheng.rules.measure import Measure, definitions
from jianheng.scoring.checking.example_world import Shown
from jianheng.scoring.law.layer_files import Written
from jianheng.scoring.law.pack_rows import PointsRow
from jianheng.scoring.law.parameters import Resolved, resolve, shown_value
from jianheng.scoring.law.points_check import holds_on
from jianheng.scoring.law.policy import Policy

_DAY = dt.timedelta(days=1)
_CLOSED = {"closed_on", "case_closed_on"}

On = Callable[[dt.date], bool]
"""Whether some example shows a day."""


def changes_not_shown(policy: Policy, own: Written, seen: Sequence[Shown]) -> Iterator[Problem]:
    """Yield every change that the pack itself says and no example shows."""
    for name, (file, _) in own.parameters.items():
        yield from _parameter(policy, own, seen, name, f"{file} [{name}]")
    yield from _points(policy, own, seen)
    for name, measure in own.measures.items():
        on = _items_of(policy, seen, {name})
        for change in measure.changes:
            where = f"{own.name}/measures.toml [{name}]"
            yield from _around(change.since, policy, where, name, on, on)
    closing = own.file.closing if own.file is not None else None
    for rule in closing if isinstance(closing, tuple) else ():
        if rule.since is not None:
            closed = {name for name, each in policy.measures.items() if each.date in _CLOSED}
            on = _items_of(policy, seen, closed)
            yield from _around(rule.since, policy, f"{own.name}/policy.toml [closing]", "closing", on, on)


def _around(day: dt.date, policy: Policy, where: str, what: str, before: On, after: On) -> Iterator[Problem]:
    if day <= policy.file.since:
        return  # before its first day there is no policy, and nothing that changed
    for each, shows in ((day - _DAY, before), (day, after)):
        if not shows(each):
            yield problem("example-day-missing", where=where, what=what, changed=day, day=each)


def _lines(seen: Sequence[Shown], fits: Callable[[dict[str, Any]], bool]) -> On:
    days = {line["day"] for each in seen for line in each.lines if fits(line)}
    return days.__contains__


def _points(policy: Policy, own: Written, seen: Sequence[Shown]) -> Iterator[Problem]:
    rows: dict[str, list[tuple[str, PointsRow]]] = {}
    for where, row in own.points:
        rows.setdefault(row.id, []).append((where, row))
    for name, told in rows.items():
        given = _lines(seen, lambda line, rule=name: line["rule_id"] == rule)  # type: ignore[misc]
        inherited = [row for row in policy.points if row.id == name]
        for where, row in told:
            looked_at = _items_of(policy, seen, {row.measure})
            for day in (row.since, row.until):
                if day is None:
                    continue
                # On a day on which no row of the rule holds there is no line of it, only an item without.
                before, after = (
                    given if any(holds_on(each, on) for each in inherited) else looked_at
                    for on in (day - _DAY, day)
                )
                at = f"{where} {name}"
                yield from _once(policy, told, row, day, at, name, before, after)


def _once(
    policy: Policy,
    told: Sequence[tuple[str, PointsRow]],
    row: PointsRow,
    day: dt.date,
    where: str,
    name: str,
    before: On,
    after: On,
) -> Iterator[Problem]:
    """The day on which one row ends and the next begins is one change."""
    if day == row.until and any(each.since == day for _, each in told):
        return
    yield from _around(day, policy, where, name, before, after)


def _items_of(policy: Policy, seen: Sequence[Shown], measures: set[str]) -> On:
    """Return on which days something happened that some measures look at, counted or not."""
    lines = _lines(seen, lambda line: line["measure"] in measures)
    columns = {column for name in measures for column in _dates(policy.measures[name])}
    days = {day for each in seen for column in columns for day in each.days.get(column, ())}
    return lambda day: lines(day) or day in days


def _dates(measure: Measure) -> Iterator[tuple[str, str]]:
    """Yield the columns of facts that a measure dates its items by; for the day of closing, any day of a case."""
    for _, each, _ in definitions(measure):
        if each.date in ENTITIES[each.grain].names:
            yield each.grain, each.date
        elif each.date in _CLOSED:
            yield from (("case", column.name) for column in ENTITIES["case"].columns if column.type == "date")
        else:
            yield "case", each.date.removeprefix("case_")


def _parameter(
    policy: Policy, own: Written, seen: Sequence[Shown], name: str, where: str
) -> Iterator[Problem]:
    depth = next(place for place, each in enumerate(policy.layers) if each.name == own.id)
    spans = resolve(policy.layers[: depth + 1], name)
    days = {each.since for each in own.parameters[name][1].values}
    items = _reading_items(policy, seen, name)
    reads = {read.since for each in seen for read in _read_once(each) if read.name == name}
    once = reads or _named_once(policy, name)
    for former, latter in pairwise(spans):
        day = latter.since
        if day not in days or former.until != day or former.value == latter.value or day <= policy.file.since:
            continue
        if items is not None:
            yield from _around(day, policy, where, name, items, items)
        elif once:
            for span in (former, latter):
                if span.since not in reads:
                    value = shown_value(span.value)
                    yield problem("example-period-missing", where=where, what=name, changed=day, value=value)


def _read_once(shown: Shown) -> Iterator[Resolved]:
    for value in shown.evaluation.values:
        yield from value.reads
    for standing in shown.evaluation.standings:
        yield from standing.reads


def _named_once(policy: Policy, name: str) -> bool:
    """Whether an indicator or a grade names a parameter, whether or not an example came to read it."""
    told = [each.model_dump_json() for each in policy.file.indicators]
    told += [policy.file.grades.model_dump_json()] if policy.file.grades else []
    return any(f'"{name}"' in each for each in told)


def _reading_items(policy: Policy, seen: Sequence[Shown], name: str) -> On | None:
    """Return on which days an item was looked at that reads a parameter; None where items never read it."""
    found: list[On] = []
    weights = policy.file.team.weights if policy.file.team else {}
    roles = {role for role, parameter in weights.items() if parameter == name}
    if roles:
        sheets = {each.id for each in policy.file.sheets if each.role in roles}
        teams = {measure for measure, each in policy.measures.items() if each.team}
        found.append(_lines(seen, lambda line: line["measure"] in teams and line["sheet"] in sheets))
    for factor in policy.factors:
        for choice in factor.choices:
            if choice.value == name:
                mark = f"{factor.id}={choice.id}*"
                found.append(
                    _lines(seen, lambda line, mark=mark: f";{mark}" in f";{line['factors']}")  # type: ignore[misc]
                )
    for cap in policy.file.caps:
        if cap.limit == name:
            mark = f"{cap.id}:"
            found.append(_lines(seen, lambda line, mark=mark: f";{mark}" in f";{line['caps']}"))  # type: ignore[misc]
    measures = set(_speaking_of(policy, name))
    if measures:
        found.append(_items_of(policy, seen, measures))
    return (lambda day: any(on(day) for on in found)) if found else None


def _speaking_of(policy: Policy, name: str) -> Iterator[str]:
    """Yield the measures whose conditions, or the factors on them, read a parameter."""
    factors = [
        each
        for each in policy.file.factors
        if any(f"'{name}'" in (choice.when or "") for choice in each.choices)
    ]
    for measure, each in policy.measures.items():
        texts = [
            getattr(one, part) or ""
            for _, one, _ in definitions(each)
            for part in ("where", "quantity", "fault")
        ]
        bearing = any(not factor.measures or measure in factor.measures for factor in factors)
        if bearing or any(f"'{name}'" in text for text in texts):
            yield measure
