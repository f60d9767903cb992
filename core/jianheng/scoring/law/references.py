"""Whether what a policy names exists, and whether a number it reads is one."""

from collections.abc import Iterable
from decimal import Decimal

from jianheng.errors import Problem, problem
from jianheng.scoring.law.chain import Draft
from jianheng.scoring.law.pack import Number
from jianheng.scoring.law.parameters import resolve
from jianheng.scoring.law.points import thousandths
from jianheng.scoring.law.reading import unknown

UNITS = {
    "factor": ("倍", "系数"),
    "cap": ("分",),
    "team": ("权重", "份额", "比例"),
}
"""In which units a parameter may be read where."""


def strangers(draft: Draft, names: Iterable[str], kind: str, where: str, what: str) -> list[Problem]:
    """Return a fault for each name of a kind that no file names; none where not every file of that kind can be read."""
    if kind in draft.blind:
        return []
    have = draft.named.get(kind, set())
    return [unknown(name, have, where, what) for name in names if name not in have]


def outside(names: Iterable[str], known: Iterable[str], where: str, what: str) -> list[Problem]:
    """Return a fault for each name that is none of a fixed list."""
    have = list(known)
    return [unknown(name, have, where, what) for name in names if name not in have]


def from_the_start(draft: Draft, number: Number, where: str) -> list[Problem]:
    """Return whether a parameter has no value yet on the policy's first day: what is not known counts as nothing else."""
    unread = draft.unread_parameters
    if isinstance(number, Decimal) or unread is None or number in unread:
        return []
    if not any(number in layer.declarations for layer in draft.layers):
        return []  # told as an unknown name
    spans = resolve(draft.layers, number)
    if spans and spans[0].since <= draft.file.since:
        return []
    return [problem("policy-value-late", where=where, name=number, since=draft.file.since)]


def check_number(draft: Draft, number: Number, where: str, use: str) -> list[Problem]:
    """Return what is wrong with a number: too fine, no such parameter, codes, or another unit than its use wants."""
    if isinstance(number, Decimal):
        fine = thousandths(number, where)
        return [fine] if isinstance(fine, Problem) else []
    found = strangers(draft, [number], "parameters", where, "parameter")
    declared = [layer.declarations[number][1] for layer in draft.layers if number in layer.declarations]
    if found or not declared:
        return found
    if any(isinstance(each.value, tuple) for one in declared for each in one.values):
        if declared[0].minimum is not None or declared[0].maximum is not None:
            return []  # told where it is declared: codes have no bounds
        return [problem("policy-parameter-codes", where=where, parameter=number)]
    wanted, unit = UNITS[use], declared[0].unit
    if unit is not None and unit not in wanted:
        return [problem("policy-unit", where=where, parameter=number, unit=unit, wanted="、".join(wanted))]
    return []
