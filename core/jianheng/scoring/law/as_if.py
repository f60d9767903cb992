"""A policy as if it had been in force before its first day: what held on that day holds since an earlier one.

For trying a law on the past only. What changed later still changes on its day; what parameters, rules and
the closing rule said before the first day is set aside. (No measure changes before it: loading refuses that.)
"""

import datetime as dt

from jianheng.scoring.law.chain import Draft, span_of
from jianheng.scoring.law.pack import Closing
from jianheng.scoring.law.parameters import DatedValue, Declaration, Layer, value_on
from jianheng.scoring.law.reading import Line

AS_IF = "as-if"
"""The layer that the values of parameters come from on the days before."""


def hold_since(draft: Draft, day: dt.date) -> None:
    """Let what a policy says for its first day hold since a day before it."""
    first = draft.file.since
    if day >= first:
        return
    draft.layers.append(_parameters(draft, day, first))
    draft.points = _points(draft, first)
    closing = draft.file.closing
    told = closing if closing is None or isinstance(closing, str) else _closing(closing, first)
    draft.file = draft.file.model_copy(update={"since": day, "closing": told})


def _parameters(draft: Draft, day: dt.date, first: dt.date) -> Layer:
    held: dict[str, tuple[str, Declaration]] = {}
    for name in sorted({name for layer in draft.layers for name in layer.declarations}):
        now = value_on(draft.layers, name, first)
        if now is None:
            continue
        values = [
            {"from": day, "value": now.value, "cite": now.cite},
            {"from": first, "inherit": True, "cite": now.cite},
        ]
        held[name] = (AS_IF, Declaration(values=tuple(DatedValue.model_validate(each) for each in values)))
    return Layer("office", AS_IF, held)


def _points(draft: Draft, first: dt.date) -> list[Line]:
    kept: list[Line] = []
    for where, row in draft.points:
        since, until = span_of(row)
        if since <= first < until:
            kept.append(Line(where, row.model_copy(update={"since": None})))
        elif since > first:
            kept.append(Line(where, row))
    return kept


def _closing(rules: tuple[Closing, ...], first: dt.date) -> tuple[Closing, ...]:
    begun = [each for each in rules if (each.since or dt.date.min) <= first]
    later = [each for each in rules if each not in begun]
    return (*(each.model_copy(update={"since": None}) for each in begun[-1:]), *later)
