"""What indicators came to last time: whoever's reads give what they gave is not worked out again.

A kind of indicator sees the world through a :class:`Reader` only, and the reader notes what it was told. So an outcome
holds as long as everything it was made of is the same; nothing else is compared, and nothing is assumed.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple

from jianheng.scoring.indicators.outcome import Scored, Value
from jianheng.scoring.indicators.reader import Seen
from jianheng.scoring.indicators.world import Outcome
from jianheng.scoring.law.parameters import Resolved
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy

_MOST = 8
"""For so many offices, laws and periods it is remembered."""


class Worked(NamedTuple):
    """One outcome, its record, and what was read for it; None where reading it again would not tell whether it holds."""

    outcome: Outcome
    basis: tuple[tuple[str, str], ...]
    reads: tuple[Resolved, ...]
    seen: tuple[Seen, ...] | None


@dataclass(slots=True)
class Remembered:
    """What was worked out last for one office, law and period.

    Attributes:
        people: for whom, in order; places are positions among them.
        worked: by indicator and whether all entries counted or the final ones only, the outcomes of everybody.
        values: by indicator, what was kept of the outcomes of everybody.
    """

    people: Sequence[Scored] = ()
    worked: dict[tuple[str, bool], list[Worked]] = field(default_factory=dict)
    values: dict[str, list[tuple[Worked, Value]]] = field(default_factory=dict)

    def begin(self, people: Sequence[Scored]) -> None:
        """Forget everything, if it was about other people."""
        if list(people) != list(self.people):
            self.people = people
            self.worked.clear()
            self.values.clear()


_kept: OrderedDict[tuple[str, str, Period], Remembered] = OrderedDict()
_turn = Lock()


@contextmanager
def remembered(office: str, policy: Policy, period: Period) -> Iterator[Remembered]:
    """Hand out what is remembered, to be brought up to date; what ends in an error is forgotten."""
    key = office, policy.version, period
    with _turn:
        held = _kept.pop(key, None) or Remembered()
    yield held
    with _turn:
        _kept[key] = held
        while len(_kept) > _MOST:
            _kept.popitem(last=False)
