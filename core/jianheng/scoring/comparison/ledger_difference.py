"""What two ledgers of the same facts say differently, line by line: set at a time, however long they are."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from jianheng.scoring.kernel.engine import connection
from jianheng.store.tables import NO_RULE

ONLY_A, ONLY_B = "only-a", "only-b"
"""Why a line stands in one ledger only: no rule of the other speaks of the item."""

RULE_A, RULE_B = "rule-a", "rule-b"
"""Why a line stands in one ledger only: in the other, other rules speak of the item."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What one rule does to one person, for one reason.

    Attributes:
        role: of the sheet that the lines are on.
        why: ``only-a``, ``only-b``, ``rule-a``, ``rule-b``, or for lines in both the parts that differ,
            separated by ``;``: quantity, unit-points, factors, share, caps, void, gate; ``other`` where none
            of them does.
        entries: lines, those of both ledgers counted once.
        points_a, points_b: 0.001 point.
    """

    person_key: str
    role: str
    rule_id: str
    why: str
    entries: int
    points_a: int
    points_b: int

    @property
    def difference(self) -> int:
        """How many 0.001 points more there are in B."""
        return self.points_b - self.points_a


@dataclass(frozen=True, slots=True)
class Difference:
    """How two ledgers differ.

    Attributes:
        lines: every line that differs, sorted: person_key, role, measure, rule_id, case_no, item_kind,
            item_key, item_label, day, why, and ``points``, ``state``, ``reason`` of both (``_a``, ``_b``).
        effects: the same, summed by person, role, rule and reason.
    """

    lines: pa.Table
    effects: tuple[Effect, ...]


_SIDE = """
CREATE TEMP VIEW line_{0} AS
SELECT l.*, s.role FROM ledger_{0} l JOIN sheet_{0} s ON s.sheet = l.sheet
WHERE l.rule_id <> '{1}' AND l.reason NOT IN ('outside-office', 'unknown-person')
"""

_BOTH = ("person_key", "measure", "item_key", "rule_id")
_ITEM = _BOTH[:-1]
_PARTS = {
    "quantity": "a.quantity <> b.quantity",
    "unit-points": "a.unit_points <> b.unit_points",
    "factors": "a.factors <> b.factors OR a.coefficient <> b.coefficient",
    "share": "a.share <> b.share",
    "caps": "a.caps <> b.caps",
    "void": "a.reason <> b.reason",
    "gate": "a.state <> b.state AND a.state <> 'void' AND b.state <> 'void'",
}


def _same(one: str, other: str, columns: tuple[str, ...]) -> str:
    return " AND ".join(f"{one}.{name} = {other}.{name}" for name in columns)


def _differing() -> str:
    told = (
        "person_key",
        "role",
        "measure",
        "rule_id",
        "case_no",
        "item_kind",
        "item_key",
        "item_label",
        "day",
    )
    either = ", ".join(f"coalesce(a.{name}, b.{name}) AS {name}" for name in told)
    parts = ", ".join(f"CASE WHEN {differs} THEN '{part}' END" for part, differs in _PARTS.items())
    amounts = ", ".join(
        f"coalesce({side}.points, 0) AS points_{side}, coalesce({side}.state, '') AS state_{side},"
        f" coalesce({side}.reason, '') AS reason_{side}"
        for side in "ab"
    )
    known = {
        side: f"EXISTS (SELECT 1 FROM line_{side} o WHERE {_same('o', other, _ITEM)})"  # noqa: S608
        for side, other in (("a", "b"), ("b", "a"))
    }
    return f"""
CREATE TEMP TABLE differing AS
SELECT {either},
  CASE WHEN b.rule_id IS NULL THEN CASE WHEN {known["b"]} THEN '{RULE_A}' ELSE '{ONLY_A}' END
    WHEN a.rule_id IS NULL THEN CASE WHEN {known["a"]} THEN '{RULE_B}' ELSE '{ONLY_B}' END
    ELSE coalesce(nullif(concat_ws(';', {parts}), ''), 'other') END AS why,
  {amounts}
FROM line_a a FULL JOIN line_b b ON {_same("a", "b", _BOTH)}
WHERE a.rule_id IS NULL OR b.rule_id IS NULL OR a.points <> b.points OR a.state <> b.state
  OR a.withheld <> b.withheld
"""  # noqa: S608 only names of ours


_LINES = (
    "SELECT * FROM differing ORDER BY person_key, role, abs(points_b - points_a) DESC, rule_id, day,"
    " measure, item_key"
)
_EFFECTS = """
SELECT person_key, role, rule_id, why, count(*), CAST(sum(points_a) AS BIGINT), CAST(sum(points_b) AS BIGINT)
FROM differing GROUP BY person_key, role, rule_id, why
ORDER BY person_key, role, abs(sum(points_b - points_a)) DESC, rule_id, why
"""


def ledger_difference(
    a: pa.Table, b: pa.Table, roles_a: Mapping[str, str], roles_b: Mapping[str, str]
) -> Difference:
    """Return how two ledgers of the same facts differ.

    Lines are the same line if person, measure, item and rule agree. What no rule speaks of, what is on no
    sheet, and what somebody of another office did is left out: it counts nothing on either side.

    Args:
        a: the one ledger.
        b: the other.
        roles_a: the role of each sheet of the one; sheets of one role are the same sheet to a reader.
        roles_b: likewise of the other.
    """
    with connection() as engine:
        for side, ledger, roles in (("a", a, roles_a), ("b", b, roles_b)):
            sheets = pa.table(
                {
                    "sheet": pa.array(list(roles), pa.string()),
                    "role": pa.array(list(roles.values()), pa.string()),
                }
            )
            engine.register(f"ledger_{side}", ledger)
            engine.register(f"sheet_{side}", sheets)
            engine.execute(_SIDE.format(side, NO_RULE))
        engine.execute(_differing())
        lines = engine.sql(_LINES).to_arrow_table()
        return Difference(lines, tuple(Effect(*row) for row in engine.execute(_EFFECTS).fetchall()))
