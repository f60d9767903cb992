"""What sums of lines come to, and that whatever only adds up is seen to add up."""

from decimal import Decimal

import pytest

from jianheng.errors import StopError
from jianheng.scoring.kernel import evaluation
from small_law import YEAR, earned, law, scored

TOTAL = {"id": "total", "label": "总分"}


def concluded(node, *tallies):
    """Return the total of one person after everything was checked."""
    policy = law(node, rules={"r": "total"})
    policy.id = "small"
    held = {(each.person_key, each.sheet, each.measure, each.rule_id): each for each in tallies}
    values, _ = evaluation.conclude(policy, YEAR, held, scored("p"), [])
    return values[0].points


@pytest.mark.parametrize(
    ("bounds", "points", "expected"),
    [
        ({}, -3, -3000),
        ({"floor": Decimal(0)}, -3, 0),
        ({"ceiling": Decimal(0)}, 3, 0),
        ({"ceiling": Decimal(2)}, 3, 2000),
    ],
)
def test_a_bounded_sum_need_not_add_up(bounds, points, expected):
    """A bound of nought is a bound: what it takes is no fault of the books."""
    assert concluded(TOTAL | bounds, earned("p", "total", points)) == expected


def test_a_sum_that_is_not_its_lines_is_not_kept(monkeypatch):
    """Whatever made the difference, the result is not to be trusted."""
    honest = evaluation.indicator_values

    def lost(*given):
        """Forget whatever was earned."""
        return honest(*given[:2], [], *given[3:])

    monkeypatch.setattr(evaluation, "indicator_values", lost)
    with pytest.raises(StopError) as refused:
        concluded(TOTAL, earned("p", "total", 3))
    assert refused.value.code == "score-not-balanced"
