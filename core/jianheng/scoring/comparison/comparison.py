"""What comparing two policies says, as plain values: sides, totals, and everybody who moves."""

from dataclasses import dataclass

import pyarrow as pa

from jianheng.scoring.comparison.distribution import Agreement, Distribution
from jianheng.scoring.comparison.ledger_difference import Effect
from jianheng.scoring.comparison.left_out import LeftOut
from jianheng.scoring.indicators.outcome import Standing
from jianheng.scoring.kernel.evaluation import Evaluation
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: a policy, and what it makes of the facts within its own period of that name.

    Attributes:
        label: what it is called in the comparison.
        as_if: it is evaluated as if it had been in force earlier than it was.
    """

    label: str
    policy: Policy
    period: Period
    result: Evaluation
    as_if: bool = False

    @property
    def roles(self) -> dict[str, str]:
        """The role of each sheet."""
        return {each.id: each.role for each in self.policy.file.sheets}

    @property
    def grades(self) -> dict[str, str]:
        """What each grade is called."""
        bands = self.policy.file.grades.bands if self.policy.file.grades else ()
        return {each.id: each.label for each in bands}


@dataclass(frozen=True, slots=True)
class Totals:
    """A whole ledger, summed. Points are 0.001 point.

    Attributes:
        people: who is on some sheet.
        cases: looked at.
        entries: lines of those on a sheet that a rule speaks of, those that do not count too.
        uncounted: lines of those on a sheet that no rule speaks of.
        others: lines of whoever is of another office, not known, or on no sheet: they give nobody anything.
    """

    people: int
    cases: int
    entries: int
    uncounted: int
    others: int
    points: int
    provisional: int
    withheld: int


@dataclass(frozen=True, slots=True)
class Shift:
    """An indicator of one person whose value differs. Points are 0.001 of its unit, None where there is none.

    Attributes:
        sums: it is a plain sum without bounds in both, so the rules tell all of it.
    """

    indicator: str
    label: str
    sums: bool
    points_a: int | None
    points_b: int | None


@dataclass(frozen=True, slots=True)
class Move:
    """One person on the sheets of one role under both policies; None where he is scored by one only."""

    person_key: str
    a: Standing | None
    b: Standing | None
    grade_a: str
    grade_b: str
    effects: tuple[Effect, ...]
    shifts: tuple[Shift, ...]

    @property
    def difference(self) -> int | None:
        """How many 0.001 points more he has in B; None where one of them gives no total."""
        if self.a is None or self.b is None or self.a.points is None or self.b.points is None:
            return None
        return self.b.points - self.a.points

    @property
    def moved(self) -> bool:
        """Whether anything a reader of the result sees is different."""
        if self.a is None or self.b is None:
            return True
        return (
            (self.a.points, self.a.final, self.a.place, self.a.state)
            != (self.b.points, self.b.final, self.b.place, self.b.state)
        ) or self.other_grade

    @property
    def other_grade(self) -> bool:
        """Whether he is on both and has another grade."""
        return self.a is not None and self.b is not None and self.grade_a != self.grade_b


@dataclass(frozen=True, slots=True)
class SheetComparison:
    """Everybody on the sheets of one role.

    Attributes:
        moves: who moves most first.
        a, b: how the totals lie; None where nobody has one.
        agreement: of those who have a total in both.
        grades: how many people go from which grade to which, in the order of the grades.
    """

    role: str
    label: str
    moves: tuple[Move, ...]
    a: Distribution | None
    b: Distribution | None
    agreement: Agreement
    grades: tuple[tuple[str, str, int], ...]

    @property
    def moved(self) -> int:
        """How many people see a difference."""
        return sum(each.moved for each in self.moves)

    @property
    def without(self) -> tuple[int, int]:
        """How many are on the sheet but have no total: missing, or not applicable; in A and in B."""
        a, b = (
            sum(one is not None and one.points is None for one in placed)
            for placed in ([each.a for each in self.moves], [each.b for each in self.moves])
        )
        return a, b

    @property
    def other_place(self) -> int:
        """How many have another place, of those who have one in both."""
        both = [
            (each.a.place, each.b.place) for each in self.moves if each.a is not None and each.b is not None
        ]
        return sum(None not in each and each[0] != each[1] for each in both)

    @property
    def other_grade(self) -> int:
        """How many have another grade."""
        return sum(each.other_grade for each in self.moves)


@dataclass(frozen=True, slots=True)
class RuleDifference:
    """What a rule gives in all, where it differs. Points are 0.001 point, of the differing lines only.

    Attributes:
        only_a, only_b: lines that only one of them has.
        changed: lines of both with other points or another state.
    """

    rule_id: str
    label: str
    people: int
    only_a: int
    only_b: int
    changed: int
    points_a: int
    points_b: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two policies on the same facts.

    Attributes:
        facts_at: when the latest of the facts was recorded, in microseconds since 1970.
        rules: those that differ, by the size of the difference.
        lines: every ledger line that differs (:class:`jianheng.scoring.comparison.ledger_difference.Difference`).
        left_out: lines of the period that correct closed ones, on neither side; None where there are none.
    """

    a: Side
    b: Side
    facts_at: int
    totals_a: Totals
    totals_b: Totals
    sheets: tuple[SheetComparison, ...]
    rules: tuple[RuleDifference, ...]
    lines: pa.Table
    left_out: LeftOut | None = None

    @property
    def moved(self) -> int:
        """How many people see a difference, on whatever sheet."""
        return sum(each.moved for each in self.sheets)
