"""How large the numbers on the way to a ledger line may become: whether 64 bits hold them exactly, or 128 are needed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

from jianheng.scoring.law.pack import Number
from jianheng.scoring.law.pack_rows import PointsRow
from jianheng.scoring.law.parameters import amounts
from jianheng.scoring.law.points import SCALE
from jianheng.scoring.law.points_check import QUANTITY_BOUND
from jianheng.scoring.law.policy import Policy

_AGREED, _ALIKE = 10**6, 5040
"""What weights in a team sum to: what was agreed, or for each role its weight so many times."""

_NARROW = 2**61
"""Below it a number may be doubled, as half up does, and still is one of 64 bits."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The largest numbers a policy can give, before they are rounded.

    Attributes:
        product: points times quantity times every factor, in thousandths each.
        coefficient: every factor, in thousandths each.
        split: an item's points times the weights of a team.
    """

    product: int
    coefficient: int
    split: int


def sizes(policy: Policy) -> Sizes:
    """Return how large a policy's numbers may become."""
    largest = {
        each.id: max(SCALE, *(_largest(policy, choice.value) for choice in each.choices))
        for each in policy.factors
    }
    counted = [
        text
        for each in policy.measures.values()
        for text in (each.quantity, *(change.quantity for change in each.changes))
    ]
    quantity = QUANTITY_BOUND if any(counted) else 1
    product = max((_worth(policy, row, largest) for row in policy.points), default=0) * quantity
    weights = policy.file.team.weights.values() if policy.file.team else ()
    whole = max(_AGREED, sum(_largest(policy, weight) for weight in weights) * _ALIKE)
    return Sizes(product, prod(largest.values()), (product // SCALE ** len(largest) + 1) * whole)


def _worth(policy: Policy, row: PointsRow, largest: Mapping[str, int]) -> int:
    """Return a rule's points times the factors that bear on it; those that do not are one, and take a thousand."""
    bearing = [
        largest[each.id] if not each.measures or row.measure in each.measures else SCALE
        for each in policy.factors
    ]
    return abs(int(row.points * SCALE)) * prod(bearing)


def _largest(policy: Policy, number: Number) -> int:
    return max((int(value * SCALE) for value, _, _ in amounts(policy.layers, number)), default=0)


def exact(size: int) -> tuple[Callable[[str], str], Callable[[str], str]]:
    """Return how to widen a number of SQL for arithmetic that reaches a size, and how to narrow what comes out.

    128 bits take three times as long, so most policies do without.
    """
    if size < _NARROW:
        return str, str
    return (lambda sql: f"CAST({sql} AS HUGEINT)"), (lambda sql: f"CAST({sql} AS BIGINT)")
