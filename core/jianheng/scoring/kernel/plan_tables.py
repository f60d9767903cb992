"""The policy as tables: decision rows with their lists spread out, dated values as spans of days."""

import datetime as dt
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import pyarrow as pa

from jianheng.scoring.kernel.horizon import bound_by
from jianheng.scoring.law.compiled import CompiledFactor
from jianheng.scoring.law.pack import Number
from jianheng.scoring.law.parameters import Layer, resolve
from jianheng.scoring.law.points import SCALE
from jianheng.scoring.law.policy import Policy
from jianheng.store.tables import NO_RULE

ALWAYS, NEVER = dt.date(1, 1, 1), dt.date(9999, 12, 31)

_TEXT, _INT, _DAY = pa.string(), pa.int64(), pa.date32()
_SPAN = [("since", _DAY), ("until", _DAY)]


def _table(columns: Sequence[tuple[str, pa.DataType]], rows: Sequence[Sequence[Any]]) -> pa.Table:
    held = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    return pa.table(
        {name: pa.array(list(values), kind) for (name, kind), values in zip(columns, held, strict=True)}
    )


def _any(values: Sequence[str]) -> Sequence[str | None]:
    return values or (None,)


def measure_numbers(policy: Policy) -> dict[str, int]:
    """Return the number the plan knows each measure by."""
    return {name: number for number, name in enumerate(sorted(policy.measures))}


def gate_patterns(policy: Policy) -> tuple[tuple[tuple[int, ...], ...], dict[int, int]]:
    """Return the different sets of gates that measures have to pass, and which set is whose."""
    patterns: list[tuple[int, ...]] = []
    of_measure: dict[int, int] = {}
    for name, number in measure_numbers(policy).items():
        gates = tuple(n for n, each in enumerate(policy.gates) if not each.measures or name in each.measures)
        if gates:
            if gates not in patterns:
                patterns.append(gates)
            of_measure[number] = patterns.index(gates)
    return tuple(patterns), of_measure


def tables(policy: Policy) -> dict[str, pa.Table]:
    """Return the tables the plan joins. Every dated value is carried with its span; the item's day picks it."""
    return {
        "rule_row": _rules(policy),
        "rule_text": _rule_texts(policy),
        "limited_rule": _limited(policy),
        "authority_row": _authority(policy),
        "authority_rule": _table(
            [("unlisted", _TEXT)], [[policy.file.authority.unlisted if policy.file.authority else "permit"]]
        ),
        "team_weight": _team(policy),
        **{f"factor_{n}": _factor(policy, each) for n, each in enumerate(policy.factors)},
        **cap_tables(policy),
    }


def _rules(policy: Policy) -> pa.Table:
    numbers = measure_numbers(policy)
    rows = [
        (number, numbers[row.measure], *each, row.since or ALWAYS, row.until or NEVER)
        for number, row in enumerate(policy.points)
        for each in product(_any(row.code), _any(row.category), _any(row.role))
    ]
    texts = [("code", _TEXT), ("category", _TEXT), ("role", _TEXT)]
    return _table([("rule_no", _INT), ("measure_no", _INT), *texts, *_SPAN], rows)


def rule_places(policy: Policy) -> dict[str, int]:
    """Return where each rule's id stands among all of them, and :data:`NO_RULE` among them, as texts sort."""
    ids = {each.id for each in policy.points} | {NO_RULE}
    return {rule: place for place, rule in enumerate(sorted(ids))}


def _rule_texts(policy: Policy) -> pa.Table:
    columns = [("rule_no", _INT), ("rule_id", _TEXT), ("indicator", _TEXT), ("unit_points", _INT)]
    places = rule_places(policy)
    rows = [
        (
            number,
            row.id,
            row.indicator,
            int(row.points * SCALE),
            row.per_case,
            row.fault,
            row.since or ALWAYS,
            row.until or NEVER,
            places[row.id],
        )
        for number, row in enumerate(policy.points)
    ]
    return _table([*columns, ("per_case", _INT), ("fault_word", _TEXT), *_SPAN, ("rule_place", _INT)], rows)


def _limited(policy: Policy) -> pa.Table:
    """Return the rules whose lines do not simply count: those with a limit, a fault word, or a cap."""
    capped = {int(number) for table in cap_tables(policy).values() for number in table["rule_no"].to_pylist()}
    rows = [
        (number,)
        for number, row in enumerate(policy.points)
        if number in capped or row.per_case is not None or row.fault
    ]
    return _table([("rule_no", _INT)], rows)


def _authority(policy: Policy) -> pa.Table:
    numbers = measure_numbers(policy)
    columns = [(name, _TEXT) for name in ("code", "category", "role", "post_level")]
    rows = [
        (numbers[row.measure], *each)
        for row in policy.authority
        for each in product(_any(row.code), _any(row.category), _any(row.role), _any(row.post_level))
    ]
    return _table([("measure_no", _INT), *columns], rows)


def spans(layers: Sequence[Layer], number: Number) -> list[tuple[dt.date, dt.date, int]]:
    """Return when a number of the law holds and what it is then, in thousandths."""
    if not isinstance(number, str):
        return [(ALWAYS, NEVER, int(number * SCALE))]
    return [
        (span.since, span.until or NEVER, int(span.value * SCALE))
        for span in resolve(layers, number)
        if not isinstance(span.value, tuple)
    ]


def factor_rows(policy: Policy, factor: CompiledFactor) -> list[tuple[Any, ...]]:
    """Return what each choice of a factor gives on every span of days; the last of each row is its number."""
    rows = [
        (each.id, place, since, until, permille, f"{factor.id}={each.id}*{permille}")
        for place, each in enumerate(factor.choices)
        for since, until, permille in spans(policy.layers, each.value)
    ]
    return [(*row, number) for number, row in enumerate(rows)]


def _factor(policy: Policy, factor: CompiledFactor) -> pa.Table:
    columns = [("held", _TEXT), ("place", _INT), *_SPAN, ("permille", _INT), ("told", _TEXT)]
    return _table([*columns, ("row_no", _INT)], factor_rows(policy, factor))


def _team(policy: Policy) -> pa.Table:
    weights = policy.file.team.weights if policy.file.team else {}
    rows = [
        (role, weight, since, until)
        for role, parameter in sorted(weights.items())
        for since, until, weight in spans(policy.layers, parameter)
    ]
    return _table([("role", _TEXT), ("weight", _INT), *_SPAN], rows)


_CAP = [("cap_no", _INT), ("rule_no", _INT), ("cap_id", _TEXT), ("most", _INT), *_SPAN, ("turn", _INT)]


def cap_tables(policy: Policy) -> dict[str, pa.Table]:
    """Return which cap binds a rule on which days: the caps of rules themselves, then the policy's in their order.

    ``turn`` counts the changes of a limit: what was granted before one takes room after it.
    """
    found = {}
    for unit in ("case", "month", "year"):
        rows = [
            (number, row.id, int(most * SCALE), row.since or ALWAYS, row.until or NEVER)
            for number, row in enumerate(policy.points)
            if (most := getattr(row, f"{unit}_cap")) is not None
        ]
        turns = {rule: _turns(each[2:] for each in rows if each[1] == rule) for _, rule, *_ in rows}
        found[f"cap_rule_{unit}"] = [
            (each[0], f"{each[1]}.{unit}_cap", *each[2:], turns[each[1]][each[2:]]) for each in rows
        ]
    for number, cap in enumerate(policy.file.caps):
        limits = _turns((most, since, until) for since, until, most in spans(policy.layers, cap.limit))
        bound = [n for n, row in enumerate(policy.points) if row.id in bound_by(policy, cap)]
        found[f"cap_{number}"] = [
            (rule, cap.id, *limit, turn) for rule in bound for limit, turn in limits.items()
        ]
    return {name: _table(_CAP, _numbered(rows)) for name, rows in found.items() if rows}


def _numbered(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return rows of caps with a number for each cap."""
    number = {cap: n for n, cap in enumerate(dict.fromkeys(row[1] for row in rows))}
    return [(number[row[1]], *row) for row in rows]


_Limit = tuple[int, dt.date, dt.date]


def _turns(limits: Iterable[_Limit]) -> dict[_Limit, int]:
    """Number the spans of a limit by day; those on which it stays the same have one number."""
    turns: dict[_Limit, int] = {}
    last: int | None = None
    for limit in sorted(limits, key=lambda each: each[1:]):
        turns[limit] = max(turns.values(), default=-1) + (limit[0] != last)
        last = limit[0]
    return turns
