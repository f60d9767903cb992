"""Case-type coefficients from observed effort, by the weighted-caseload method. A proposal; nothing is changed.

What a case took is observed in several kinds (days, documents, ...). Each kind is taken relative to its mean
over all cases, the kinds are added up with declared weights, and the coefficient of a case type is the mean
of that over its cases: 1 is the average case (or the reference type). Source of the method: the weighted
caseload studies of the National Center for State Courts, with effort observed instead of timed.

Only cases finished within the period count. In each type the same declared part of the cases is left out at
either end, by the effort so added up, and means are taken of the rest. Exact until the coefficient itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from jianheng.errors import StopError
from jianheng.scoring.comparison.efforts import FinishedCase, Observed
from jianheng.scoring.indicators.standing import dense_places
from jianheng.scoring.law.exact import rounded
from jianheng.scoring.law.points import SCALE

PLACES = 2
"""Decimals of a coefficient."""

_HUNDRED = 100


@dataclass(frozen=True, slots=True)
class Method:
    """What is declared before anything is worked out.

    Attributes:
        efforts: the weight of each kind of effort; together 1.
        trim: percent of a type's cases left out at either end, rounded down to whole cases.
        minimum: the cases a type needs for a proposal.
        reference: the type whose coefficient is 1; without one it is the average case.
    """

    efforts: Mapping[str, Fraction]
    trim: int
    minimum: int
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class CaseType:
    """One case type.

    Attributes:
        cases: finished within the period.
        kept: those of them that means were taken of; 0 where there are too few for a proposal.
        means: the mean effort of a case, by kind; of all cases where there are too few.
        weight: the exact coefficient; None where there are too few.
        coefficient: the same in thousandths, half up at two decimals.
    """

    id: str
    cases: int
    kept: int
    means: Mapping[str, Fraction]
    weight: Fraction | None
    coefficient: int | None


@dataclass(frozen=True, slots=True)
class Load:
    """What one person finished: cases, and cases times their coefficients (thousandths; 1 where there is none)."""

    person_key: str
    cases: int
    weighted: int
    place: int
    weighted_place: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is proposed.

    Attributes:
        types: by id.
        means: the mean effort of the cases that coefficients are taken of, by kind.
        loads: by weighted cases, most first; cases without a handler are nobody's.
    """

    method: Method
    types: tuple[CaseType, ...]
    means: Mapping[str, Fraction]
    loads: tuple[Load, ...]


def calibrate(observed: Observed, method: Method) -> Calibration:
    """Return the coefficients that observed effort speaks for.

    Raises:
        StopError: no case was finished, no type has enough cases, the reference type has not, or a kind of
            effort was observed nowhere.
    """
    by_type: dict[str, list[FinishedCase]] = {}
    for each in observed.cases:
        by_type.setdefault(each.type, []).append(each)
    if not by_type:
        raise StopError("calibrate-no-cases", period=observed.period.label, unfinished=observed.unfinished)
    enough = {name: cases for name, cases in by_type.items() if len(cases) >= method.minimum}
    if not enough:
        most = max(len(cases) for cases in by_type.values())
        raise StopError("calibrate-too-few", minimum=method.minimum, most=most)
    if method.reference is not None and method.reference not in enough:
        cases = len(by_type.get(method.reference, ()))
        raise StopError("calibrate-no-reference", type=method.reference, cases=cases, minimum=method.minimum)
    kept = {name: trimmed(cases, enough, method) for name, cases in enough.items()}
    everything = [each for cases in kept.values() for each in cases]
    means = _means(everything, method.efforts)
    _check_observed(means)
    weights = {name: _weight(_means(cases, method.efforts), means, method) for name, cases in kept.items()}
    if method.reference is not None:
        one = weights[method.reference]
        if one == 0:
            raise StopError("calibrate-no-effort", effort=method.reference)
        weights = {name: weight / one for name, weight in weights.items()}
    types = tuple(
        CaseType(
            name,
            len(cases),
            len(kept.get(name, ())),
            _means(kept.get(name, cases), method.efforts),
            weights.get(name),
            rounded(weights[name], PLACES) if name in weights else None,
        )
        for name, cases in sorted(by_type.items())
    )
    return Calibration(method, types, means, _loads(observed.cases, types))


def trimmed(
    cases: Sequence[FinishedCase], everything: Mapping[str, Sequence[FinishedCase]], method: Method
) -> list[FinishedCase]:
    """Return a type's cases without the declared part at either end, by their effort; equals by case number."""
    out = len(cases) * method.trim // _HUNDRED
    if out == 0:
        return list(cases)
    means = _means([each for some in everything.values() for each in some], method.efforts)
    _check_observed(means)
    # Whole numbers order the cases just as the fractions would, and far faster.
    scale = lcm(*(weight.denominator * means[kind].numerator for kind, weight in method.efforts.items()))
    factors = {kind: int(weight / means[kind] * scale) for kind, weight in method.efforts.items()}

    def effort(case: FinishedCase) -> tuple[int, str]:
        return sum(factor * case.efforts[kind] for kind, factor in factors.items()), case.case_no

    return sorted(cases, key=effort)[out : len(cases) - out]


def _means(cases: Sequence[FinishedCase], efforts: Mapping[str, Fraction]) -> dict[str, Fraction]:
    return {kind: Fraction(sum(each.efforts[kind] for each in cases), len(cases)) for kind in efforts}


def _check_observed(means: Mapping[str, Fraction]) -> None:
    for kind, mean in means.items():
        if mean == 0:
            raise StopError("calibrate-no-effort", effort=kind)


def _weight(own: Mapping[str, Fraction], means: Mapping[str, Fraction], method: Method) -> Fraction:
    return sum(
        (weight * own[kind] / means[kind] for kind, weight in method.efforts.items()), start=Fraction(0)
    )


def _loads(cases: Sequence[FinishedCase], types: Sequence[CaseType]) -> tuple[Load, ...]:
    coefficient = {each.id: SCALE if each.coefficient is None else each.coefficient for each in types}
    counts: dict[str, int] = {}
    weighted: dict[str, int] = {}
    for each in cases:
        if each.handler:
            counts[each.handler] = counts.get(each.handler, 0) + 1
            weighted[each.handler] = weighted.get(each.handler, 0) + coefficient[each.type]
    people = sorted(counts)
    before, after = (
        dense_places({place: sums[person] for place, person in enumerate(people)})
        for sums in (counts, weighted)
    )
    loads = [
        Load(person, counts[person], weighted[person], before[place], after[place])
        for place, person in enumerate(people)
    ]
    return tuple(sorted(loads, key=lambda each: (each.weighted_place, each.person_key)))
