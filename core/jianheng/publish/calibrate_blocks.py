"""A calibration in words and as plain data."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from jianheng.messages import text
from jianheng.publish.block import Block, Cell, Points
from jianheng.publish.comparison_blocks import heads
from jianheng.scoring.comparison.calibrate import Calibration, Method
from jianheng.scoring.comparison.calibrate_draft import Proposal
from jianheng.scoring.comparison.efforts import Observed
from jianheng.scoring.kernel.directory import Member
from jianheng.scoring.law.exact import exact_text, rounded
from jianheng.scoring.law.points import half_up, shown

_MILLION = 1_000_000


def method_text(method: Method) -> str:
    """Return how coefficients are worked out."""
    efforts = "、".join(
        f"{text(f'effort-{kind}')} {exact_text(weight)}" for kind, weight in method.efforts.items()
    )
    one = text("calibrate-average") if method.reference is None else method.reference
    return text("calibrate-method", efforts=efforts, trim=method.trim, minimum=method.minimum, reference=one)


def types(calibration: Calibration, names: Mapping[str, str]) -> Block:
    """Return every case type with its mean effort and what is proposed."""
    kinds = list(calibration.method.efforts)
    rows: list[tuple[Cell, ...]] = [
        (
            each.id,
            names.get(each.id, each.id),
            each.cases,
            each.kept or None,
            *(_shown(each.means[kind]) for kind in kinds),
            None if each.weight is None else _long(each.weight),
            text("calibrate-few") if each.coefficient is None else _coefficient(each.coefficient),
        )
        for each in calibration.types
    ]
    told = heads("type", "type-name", "finished", "kept")
    told += tuple(text("calibrate-mean", effort=text(f"effort-{kind}")) for kind in kinds)
    means = "、".join(f"{text(f'effort-{kind}')} {_shown(mean)}" for kind, mean in calibration.means.items())
    note = f"{method_text(calibration.method)} {text('calibrate-means', means=means)}"
    return Block("types", text("calibrate-types"), (*told, *heads("weight", "coefficient")), rows, note)


def _long(value: Fraction) -> str:
    """Return a weight with so many decimals that one sees how it was rounded; JSON has all of it."""
    return exact_text(Fraction(half_up(value.numerator * _MILLION, value.denominator), _MILLION))


def _shown(value: Fraction) -> str:
    return _coefficient(rounded(value, 2))


def _coefficient(thousandths: int) -> str:
    return shown(thousandths)[:-1]


def targets(proposed: Sequence[Proposal], names: Mapping[str, str]) -> Block:
    """Return which parameter each coefficient would go into."""
    rows: list[tuple[Cell, ...]] = [
        (
            each.parameter,
            "、".join(names.get(one, one) for one in each.types),
            None if each.held is None else shown(each.held),
            _coefficient(each.value),
            each.since.isoformat(),
            _remark(each),
        )
        for each in proposed
    ]
    told = heads("parameter", "types", "held", "coefficient", "since", "remark")
    return Block("parameters", text("calibrate-parameters"), told, rows)


def _remark(proposal: Proposal) -> str:
    if not proposal.within:
        ends = ("—" if each is None else f"{each:f}" for each in (proposal.low, proposal.high))
        return text("calibrate-outside", bounds="–".join(ends))
    if proposal.held is None:
        return text("calibrate-new")
    return "" if proposal.changes else text("calibrate-unchanged")


def loads(calibration: Calibration, members: Mapping[str, Member]) -> Block:
    """Return what everybody finished, counted and weighted."""
    rows: list[tuple[Cell, ...]] = []
    for each in calibration.loads:
        member = members.get(each.person_key)
        rows.append(
            (
                member.name if member else each.person_key,
                member.department if member else "",
                each.cases,
                Points(each.weighted),
                Points(each.weighted - each.cases * 1000, signed=True),
                each.place,
                each.weighted_place,
            )
        )
    told = heads(
        "name", "department", "finished", "weighted", "weighted-more", "count-place", "weighted-place"
    )
    return Block("loads", text("calibrate-loads"), told, rows, text("calibrate-loads-note"))


def calibration_json(
    observed: Observed,
    calibration: Calibration,
    proposed: Sequence[Proposal],
    names: Mapping[str, str],
    members: Mapping[str, Member],
) -> dict[str, Any]:
    """Return a calibration as plain data; numbers are exact decimals, or ``a/b`` where no decimal is."""
    method = calibration.method
    return {
        "period": observed.period.id,
        "finished": len(observed.cases),
        "unfinished": observed.unfinished,
        "unclear": observed.unclear,
        "efforts": {kind: exact_text(weight) for kind, weight in method.efforts.items()},
        "trim": method.trim,
        "minimum": method.minimum,
        "reference": method.reference,
        "means": {kind: exact_text(mean) for kind, mean in calibration.means.items()},
        "types": [
            {
                "type": each.id,
                "name": names.get(each.id, each.id),
                "cases": each.cases,
                "kept": each.kept,
                "means": {kind: exact_text(mean) for kind, mean in each.means.items()},
                "weight": None if each.weight is None else exact_text(each.weight),
                "coefficient": None if each.coefficient is None else _coefficient(each.coefficient),
            }
            for each in calibration.types
        ],
        "parameters": [
            {
                "parameter": each.parameter,
                "types": list(each.types),
                "held": None if each.held is None else shown(each.held),
                "proposed": _coefficient(each.value),
                "from": each.since.isoformat(),
                "within_bounds": each.within,
            }
            for each in proposed
        ],
        "loads": [
            {
                "person": each.person_key,
                "name": members[each.person_key].name if each.person_key in members else each.person_key,
                "cases": each.cases,
                "weighted": shown(each.weighted),
                "place": each.place,
                "weighted_place": each.weighted_place,
            }
            for each in calibration.loads
        ],
    }
