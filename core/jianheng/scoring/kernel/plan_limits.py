"""What limits take from lines: the same fault but once, so many a case, and caps in their declared order.

Only lines whose rule has a limit come here, in a thin table of their own; the ledger takes from it what
is left of each.
"""

# ruff: noqa: S608 every name in these statements is ours, and every expression was checked

from dataclasses import dataclass

from jianheng.scoring.kernel.plan_tables import cap_tables
from jianheng.scoring.law.period import unit_key_sql
from jianheng.scoring.law.policy import Policy

REASONS = (
    "",
    "no-person",
    "unknown-person",
    "no-rule",
    "outside-office",
    "not-authorised",
    "no-sheet",
    "same-fault",
    "per-case-limit",
)
"""Why a line counts nothing, by number; 0 counts."""

FAULT_CAP = ".fault_cap"
"""After a rule's id: the cap by whose name stands what was counted before for the same fault."""


@dataclass(frozen=True, slots=True)
class Level:
    """One pass of caps: all that are applied together, each line under at most one of them.

    Attributes:
        table: the policy's table that says which cap binds a rule, and its limit on each day.
        per: the unit a cap holds for.
        by_points: the largest line of the period is granted first, not the earliest.
        turn: the pass grants on the days between two changes of a limit; what earlier passes granted counts.
    """

    table: str
    per: tuple[str, ...]
    by_points: bool
    turn: int


def levels(policy: Policy) -> tuple[Level, ...]:
    """Return the passes a policy needs: the caps of rules themselves, then its caps in their order."""
    own = [(f"cap_rule_{unit}", ("person", unit), False) for unit in ("case", "month", "year")]
    said = [(f"cap_{n}", each.per, each.allot == "points") for n, each in enumerate(policy.file.caps)]
    tables = cap_tables(policy)
    return tuple(
        Level(*level, turn)
        for level in (*own, *said)
        if level[0] in tables
        for turn in sorted(set(tables[level[0]]["turn"].to_pylist()))
    )


def open_line(policy: Policy) -> str:
    """Lines that count and whose rule has a limit or is under a cap, with those carried in from other cases."""
    fault = "l.fault" if any(row.fault for row in policy.points) else "NULL"
    return f"""
SELECT l.rowid AS line_no, l.rule_no, l.person_key, l.case_no, l.item_key, {fault} AS fault, l.day, l.due
FROM line l JOIN limited_rule r ON r.rule_no = l.rule_no
WHERE l.reason_no = 0
UNION ALL
SELECT -1 - c.rowid, r.rule_no, c.person_key, c.case_no, c.item_key, NULL, c.day, c.points + c.withheld
FROM carried c JOIN rule_text r ON r.rule_id = c.rule_id AND c.day >= r.since AND c.day < r.until
"""


def without(name: str) -> str:
    """Return the condition that leaves out the lines that a table names."""
    return f" AND NOT EXISTS (SELECT 1 FROM {name} x WHERE x.line_no = l.line_no)" if name else ""


def beyond_so_many(policy: Policy) -> str:
    """The lines of a rule beyond its first so many in a case, for a person; one fault has one place, however often told."""
    thing = "concat('-', l.item_key)"
    if any(row.fault for row in policy.points):
        fault = "r.fault_word <> '' AND l.fault IS NOT NULL"
        thing = f"CASE WHEN {fault} THEN concat('+', l.fault) ELSE {thing} END"
    return f"""
SELECT line_no, {REASONS.index("per-case-limit")} AS reason_no FROM (
  SELECT line_no, most, dense_rank() OVER (PARTITION BY rule_id, case_no, person_key ORDER BY first_day, first_item) AS place
  FROM (
    SELECT t.*, first_value(day) OVER ({_FIRST}) AS first_day, first_value(item_key) OVER ({_FIRST}) AS first_item
    FROM (
      SELECT l.line_no, r.per_case AS most, r.rule_id, l.case_no, l.person_key, l.day, l.item_key, {thing} AS thing
      FROM open_line l JOIN rule_text r ON r.rule_no = l.rule_no WHERE r.per_case IS NOT NULL AND l.line_no >= 0
    ) t
  ) f
) q WHERE place > most
"""


_FIRST = "PARTITION BY rule_id, case_no, person_key, thing ORDER BY day, item_key"
_TOLD = (
    "PARTITION BY r.fault_word, r.unit_points < 0, l.case_no, l.fault, l.person_key"
    " ORDER BY l.day, abs(l.due) DESC, r.rule_id, l.item_key"
)


def fault_lines(refused: str) -> str:
    """What is told of faults, day by day, with the heaviest that was told before of the same one."""
    return f"""
SELECT l.line_no, l.due, r.rule_id, row_number() OVER ({_TOLD}) AS place,
  coalesce(max(abs(l.due)) OVER ({_TOLD} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS so_far
FROM open_line l JOIN rule_text r ON r.rule_no = l.rule_no
WHERE r.fault_word <> '' AND l.fault IS NOT NULL{without(refused)}
"""


def doubles(refused: str) -> str:
    """What is no heavier than what was told of the same fault before, with what is refused already."""
    return f"""
{f"SELECT * FROM {refused} UNION ALL" if refused else ""}
SELECT line_no, {REASONS.index("same-fault")} AS reason_no FROM fault_line WHERE place > 1 AND abs(due) <= so_far
"""


# What is heavier adds the difference. A line that was carried in keeps what its case, not looked at again, took from it.
HEAVIER = f"""
SELECT line_no, CASE WHEN due < 0 THEN due + so_far ELSE due - so_far END AS points,
  concat(rule_id, '{FAULT_CAP}:', CAST(so_far AS VARCHAR), ';') AS caps
FROM fault_line WHERE so_far > 0 AND abs(due) > so_far
UNION ALL
SELECT line_no, CASE WHEN due < 0 THEN due + taken ELSE due - taken END AS points, caps FROM (
  SELECT -1 - c.rowid AS line_no, c.points + c.withheld AS due, concat(split_part(c.caps, ';', 1), ';') AS caps,
    CAST(split_part(split_part(c.caps, ';', 1), ':', 2) AS BIGINT) AS taken
  FROM carried c WHERE starts_with(c.caps, concat(c.rule_id, '{FAULT_CAP}:'))
) kept
"""


def capped(policy: Policy, level: Level, refused: str, before: str) -> str:
    """What a cap leaves of the lines it takes from: the difference of two cumulative sums, each within the limit.

    Most units stay below their limit; only the lines of those that do not are looked at one by one.
    """
    keys = {"cap_no": "c.cap_no"}
    for unit in level.per:
        own = {"person": "l.person_key", "case": "l.case_no"}
        keys[f"{unit}_unit"] = own.get(unit) or unit_key_sql("l.day", unit, policy.file.calendar)
    order = "day"
    if level.by_points:  # what was before the period is another period's, and asked for by other caps only
        keys["early"] = "l.day < $start"
        order = "turn, abs(points) DESC, day"
    points, caps = ("coalesce(s.points, l.due)", "coalesce(s.caps, '')") if before else ("l.due", "''")
    names = ", ".join(keys)
    same = " AND ".join(f"o.{name} = b.{name}" for name in keys)
    left = "greatest(most - (so_far - abs(points)), 0)"
    return f"""
WITH bound AS (
  SELECT l.line_no, l.rule_no, l.person_key, l.item_key, l.day, {points} AS points, {caps} AS caps,
    c.cap_id, c.most, c.turn, {", ".join(f"{key} AS {name}" for name, key in keys.items())}
  FROM open_line l JOIN {level.table} c ON c.rule_no = l.rule_no AND l.day >= c.since AND l.day < c.until
  {f"LEFT JOIN {before} s ON s.line_no = l.line_no" if before else ""}
  WHERE c.turn <= {level.turn}{" AND l.case_no <> ''" if "case" in level.per else ""}{without(refused)}
),
beyond AS (SELECT {names} FROM bound GROUP BY {names} HAVING sum(abs(points)) > min(most)),
summed AS (
  SELECT b.*, CAST(sum(abs(points)) OVER (PARTITION BY {", ".join(f"b.{name}" for name in keys)} ORDER BY {order}, item_key, person_key, rule_no
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS BIGINT) AS so_far
  FROM bound b WHERE EXISTS (SELECT 1 FROM beyond o WHERE {same})
)
SELECT line_no, CASE WHEN points < 0 THEN -{left} ELSE {left} END AS points,
  concat(caps, cap_id, ':', CAST(abs(points) - {left} AS VARCHAR), ';') AS caps
FROM summed WHERE so_far > most AND turn = {level.turn} AND points <> 0
"""


def limits(policy: Policy) -> list[str]:
    """Return the statements from ``line`` and ``carried`` to ``refused`` (why) and ``settled`` (what caps left)."""
    made = [f"CREATE TEMP VIEW open_line AS {open_line(policy)}"]
    refused = before = ""
    if any(row.per_case is not None for row in policy.points):
        made.append(f"CREATE TEMP TABLE within_case AS {beyond_so_many(policy)}")
        refused = "within_case"
    if any(row.fault for row in policy.points):
        made.append(f"CREATE TEMP TABLE fault_line AS {fault_lines(refused)}")
        made.append(f"CREATE TEMP TABLE doubles AS {doubles(refused)}")
        made.append(f"CREATE TEMP TABLE heavier AS {HEAVIER}")
        refused, before = "doubles", "heavier"
    for number, level in enumerate(levels(policy)):
        taken = f"taken_{number}"
        made.append(f"CREATE TEMP TABLE {taken} AS {capped(policy, level, refused, before)}")
        if before:
            both = f"SELECT * FROM {taken} UNION ALL SELECT * FROM {before} l WHERE true{without(taken)}"
            made.append(f"CREATE TEMP TABLE settled_{number} AS {both}")
        before = f"settled_{number}" if before else taken
    nothing = "SELECT CAST(0 AS BIGINT) AS line_no, CAST(0 AS BIGINT) AS points, '' AS caps WHERE false"
    nobody = "SELECT CAST(0 AS BIGINT) AS line_no, 0 AS reason_no WHERE false"
    made.append(f"CREATE TEMP VIEW settled AS {f'SELECT * FROM {before}' if before else nothing}")
    made.append(f"CREATE TEMP VIEW refused AS {f'SELECT * FROM {refused}' if refused else nobody}")
    return made
