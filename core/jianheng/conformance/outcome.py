"""The checks by name, and what became of each: values that reports, tiers and exemptions are made from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from jianheng.errors import Problem

Tier = Literal["", "bronze", "silver", "gold"]
TIERS: tuple[Tier, ...] = ("bronze", "silver", "gold")
State = Literal["passed", "failed", "exempt", "not-applicable", "not-shown"]
"""What became of a check. ``not-shown``: what the rig offers does not suffice to try it, so its tier is not reached."""

GOOD: frozenset[State] = frozenset({"passed", "exempt", "not-applicable"})
Kind = Literal["source", "target"]


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        tier: the lowest tier that needs it.
        kind: the kind of adapter it is for; None for both.
        exemptible: whether an exemption may stand for it.
    """

    name: str
    tier: Tier
    kind: Kind | None = None
    exemptible: bool = True


def _checks(tier: Tier, kind: Kind | None, names: str, *, firm: str = "") -> tuple[Check, ...]:
    kept = firm.split()
    return tuple(Check(name, tier, kind, name not in kept) for name in names.split())


CHECKS: Mapping[str, Check] = {
    each.name: each
    for each in (
        *_checks(
            "bronze",
            None,
            "exemptions manifest options secret-marking texts opens check-good check-wrong-password check-unreachable",
            firm="exemptions manifest opens",
        ),
        *_checks("bronze", "source", "streams rows keys-unique locators reads-equal", firm="keys-unique"),
        *_checks("bronze", "target", "receipt write-twice"),
        *_checks("bronze", None, "network no-secret", firm="network no-secret"),
        *_checks("silver", None, "schema-stable slow recovers answers"),
        *_checks("silver", "source", "cancel changes resume late-commit equal-times deletes values"),
        *_checks("silver", "target", "read-back not-doubled replaces", firm="read-back not-doubled"),
        *_checks("gold", None, "hangs kill memory leaks"),
        *_checks("gold", "source", "moves elsewhere"),
    )
}
"""Every check by name, in the order of a report."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one check, of one stream or publication where it is made for each.

    Attributes:
        subject: the stream or the kind of publication; empty where there is none.
        problems: why it failed; why it could not be shown; what an exemption covers.
        detail: what was seen, for a reader.
        reason: of the exemption, or why the check does not apply.
    """

    check: Check
    state: State
    subject: str = ""
    problems: tuple[Problem, ...] = ()
    detail: str = ""
    reason: str = ""
    seconds: float = 0.0


def tier_of(outcomes: Iterable[Outcome]) -> Tier:
    """Return the highest tier of which, and below which, everything is good."""
    found = list(outcomes)
    reached: Tier = ""
    for tier in TIERS:
        if any(each.check.tier == tier and each.state not in GOOD for each in found):
            break
        reached = tier
    return reached


def at_least(reached: str, wanted: str) -> bool:
    """Say whether a tier is as high as another."""
    order = ("", *TIERS)
    return order.index(reached) >= order.index(wanted)
