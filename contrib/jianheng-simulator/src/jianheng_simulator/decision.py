"""Deciding the outcome of a case for every suspect and for the whole."""

from dataclasses import replace
from random import Random

from jianheng_simulator.catalogue import Category
from jianheng_simulator.chance import happens
from jianheng_simulator.life import Suspect


def decide(
    rng: Random, category: Category, suspects: tuple[Suspect, ...], *, arrested: bool
) -> tuple[tuple[Suspect, ...], set[str], str, bool]:
    """Decide the outcome for every suspect and for the case."""
    if category.code in ("0201", "1701"):
        approve = happens(rng, 0.76 if category.code == "0201" else 0.6)
        denied = rng.choices(("0201101202003", "0201101202002", "0201101202001"), (66, 28, 6))[0]
        decided = []
        for suspect in suspects:
            granted = approve and (suspect.number == 1 or happens(rng, 0.85))
            decided.append(replace(suspect, custody=granted, outcome="0201101201001" if granted else denied))
        return tuple(decided), {"arrest", "custody"} if approve else {"no_arrest"}, decided[0].outcome, False
    if category.code in ("0301", "1722"):
        return _decide_prosecution(rng, category, suspects, arrested=arrested)
    support = happens(rng, 0.68)
    return (
        suspects,
        {"support" if support else "reject"},
        "support" if support else "reject",
        happens(rng, 0.5),
    )


def _decide_prosecution(
    rng: Random, category: Category, suspects: tuple[Suspect, ...], *, arrested: bool
) -> tuple[tuple[Suspect, ...], set[str], str, bool]:
    chance = 0.93 if arrested else 0.72
    prosecute = happens(rng, chance if category.code == "0301" else 0.55)
    plea = happens(rng, 0.87)
    dropped = rng.choices(("0322110102020", "0322110102030", "0322110102010"), (80, 15, 5))[0]
    decided = []
    for suspect in suspects:
        charged = prosecute and (suspect.number == suspects[0].number or happens(rng, 0.94))
        months = max(1, int(rng.expovariate(1 / 14))) if charged else 0
        kind = "0333334400500" if 0 < months < 6 else "0333334400400"  # noqa: PLR2004
        if charged and happens(rng, 0.001):
            kind, months = "0333334400800", 0
        decided.append(
            replace(
                suspect,
                custody=suspect.custody and arrested,
                outcome="0322110101000" if charged else dropped,
                sentence=kind if charged else "",
                months=months,
            )
        )
    tags = {"prosecute" if prosecute else "non_prosecute"}
    tags |= {"custody"} if any(one.custody for one in decided) else {"at_large"}
    if plea:
        tags.add("plea")
    return tuple(decided), tags, decided[0].outcome, plea
