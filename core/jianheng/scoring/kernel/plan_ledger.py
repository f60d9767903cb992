"""The end of the plan: the ledger's lines in words, each with its reason, and in their order."""

# ruff: noqa: S608 every name in these statements is ours, and every expression was checked

import hashlib
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import pyarrow as pa

from jianheng.scoring.kernel.plan_limits import REASONS
from jianheng.scoring.kernel.plan_tables import factor_rows, measure_numbers, rule_places
from jianheng.scoring.law.points import half_up_sql
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.law.sizes import exact, sizes
from jianheng.store.bulk import arrow_type
from jianheng.store.tables import LEDGER, NO_RULE

LEDGER_COLUMNS = (
    "person_key",
    "sheet",
    "measure",
    "rule_id",
    "indicator",
    "case_no",
    "item_kind",
    "item_key",
    "item_label",
    "day",
    "quantity",
    "unit_points",
    "coefficient",
    "factors",
    "share",
    "points",
    "withheld",
    "state",
    "reason",
    "caps",
    "fact_hash",
)
"""What a ledger line says, in order."""

LEDGER_ORDER = ("person_key", "day", "measure", "rule_id", "item_key", "sheet")
"""In which order lines come."""

NO_LINES = pa.table({name: pa.array([], arrow_type(LEDGER.c[name])) for name in LEDGER_COLUMNS})
"""Lines, none of them."""


def sheets(policy: Policy) -> list[tuple[str, str]]:
    """Return the role and the id of every sheet, as their ids sort; their places count from 1, and 0 is no sheet."""
    return sorted(((each.role, each.id) for each in policy.file.sheets), key=itemgetter(1))


def told_sql(policy: Policy, n: int, row: str, what: str) -> str:
    """Return what the row of a factor's table says: its ``permille``, or what is ``told`` of it."""
    rows = factor_rows(policy, policy.factors[n])
    if what == "permille":
        numbers = " ".join(f"WHEN {each[-1]} THEN {each[4]}" for each in rows)
        return f"CAST(CASE {row} {numbers} ELSE 1000 END AS BIGINT)"
    texts = " ".join(f"WHEN {each[-1]} THEN '{each[5]}'" for each in rows)
    return f"CASE {row} {texts} END"


def ledger(policy: Policy) -> tuple[str, str]:
    """Return the statements of ``outcome``, what became of each line of the period, and of ``ledger``."""
    due = "c.points + c.withheld"
    left = f"coalesce(s.points, CASE WHEN x.line_no IS NULL THEN {due} ELSE 0 END)"
    carried = {"points": left, "withheld": f"{due} - {left}", "caps": "coalesce(s.caps, '')"}
    again = ", ".join(
        f"{carried[name]} AS {name}" if name in carried else f"c.{name}" for name in LEDGER_COLUMNS
    )
    return (
        f"CREATE TEMP VIEW outcome AS {_outcome(policy)}",
        f"""
CREATE TEMP VIEW ledger AS
{_in_words(policy, "outcome")}
UNION ALL
SELECT {again} FROM carried c
LEFT JOIN settled s ON s.line_no = -1 - c.rowid LEFT JOIN refused x ON x.line_no = -1 - c.rowid
""",
    )


def ordered_ledger_sql(policy: Policy) -> str:
    """Return the select of ``entry_id`` and all that lines say, in their order, where nothing was carried.

    What is sorted is thin, and by numbers that sort as the texts do; words come to lines that stand in order.
    """
    ordered = """
(SELECT o.* FROM outcome o JOIN (
    SELECT person_key, row_number() OVER (ORDER BY person_key) AS place
    FROM (SELECT DISTINCT coalesce(person_key, '') AS person_key FROM line) one
  ) p ON p.person_key = o.person_key
  ORDER BY p.place, o.day, o.measure_no, o.rule_place, o.item_key, o.sheet_place)
"""
    return named_sql(f"({_in_words(policy, ordered)}) told")


def _outcome(policy: Policy) -> str:
    """What counted, what was refused, and what no rule speaks of: lines of the period with what caps left of them."""
    unruled = "l.rule_no IS NULL OR l.person_key IS NULL"
    factors = "".join(f"l.factor_{n}, " for n in range(len(policy.factors)))
    return f"""
SELECT coalesce(l.person_key, '') AS person_key, l.sheet_place, l.measure_no,
  CASE WHEN {unruled} THEN '{NO_RULE}' ELSE r.rule_id END AS rule_id,
  CASE WHEN {unruled} THEN {rule_places(policy)[NO_RULE]} ELSE r.rule_place END AS rule_place,
  CASE WHEN {unruled} THEN '' ELSE r.indicator END AS indicator, coalesce(r.unit_points, 0) AS unit_points,
  l.case_no, l.item_key, l.item_label, l.day, l.quantity, {factors}l.share, l.due, l.final,
  coalesce(x.reason_no, l.reason_no) AS reason_no, coalesce(s.points, l.due) AS granted, coalesce(s.caps, '') AS caps, l.fact_hash
FROM line l
LEFT JOIN rule_text r ON r.rule_no = l.rule_no
LEFT JOIN settled s ON s.line_no = l.rowid
LEFT JOIN refused x ON x.line_no = l.rowid
WHERE l.day >= $start
"""


def _in_words(policy: Policy, outcomes: str) -> str:
    """What each of some outcomes says in the ledger."""
    count = range(len(policy.factors))
    permille = [f"({told_sql(policy, n, f'o.factor_{n}', 'permille')})" for n in count]
    widen, narrow = exact(sizes(policy).coefficient)
    product = f"({' * '.join(map(widen, permille))})" if permille else "1000"
    coefficient = (
        narrow(half_up_sql(product, 1000 ** (len(permille) - 1))) if len(permille) > 1 else narrow(product)
    )
    texts = ", ".join(told_sql(policy, n, f"o.factor_{n}", "told") for n in count)
    factors = f"concat_ws(';', {texts})" if permille else "''"
    reasons = " ".join(f"WHEN {n} THEN '{reason}'" for n, reason in enumerate(REASONS))
    places = " ".join(
        f"WHEN {place} THEN '{sheet}'" for place, (_, sheet) in enumerate(sheets(policy), start=1)
    )
    numbers = measure_numbers(policy)
    names = " ".join(f"WHEN {number} THEN '{name}'" for name, number in numbers.items())
    kinds = " ".join(
        f"WHEN {number} THEN '{policy.measures[name].grain}'" for name, number in numbers.items()
    )
    points = "CASE WHEN o.reason_no <> 0 THEN 0 ELSE o.granted END"
    return f"""
SELECT o.person_key, coalesce(CASE o.sheet_place {places} END, '') AS sheet, CASE o.measure_no {names} END AS measure,
  o.rule_id, o.indicator, o.case_no, CASE o.measure_no {kinds} END AS item_kind, o.item_key, o.item_label, o.day, o.quantity,
  o.unit_points, CAST({coefficient} AS BIGINT) AS coefficient, {factors} AS factors, o.share,
  {points} AS points, o.due - {points} AS withheld,
  CASE WHEN o.reason_no <> 0 THEN 'void' WHEN o.final THEN 'final' ELSE 'provisional' END AS state,
  CASE o.reason_no {reasons} END AS reason, o.caps, o.fact_hash
FROM {outcomes} o
"""


def named_sql(lines: str) -> str:
    """Return the select of some lines, each with its name: made of all it says, so that equal lines have equal ids."""
    told = ", '|', ".join(LEDGER_COLUMNS)  # of a line nothing is NULL
    return f"SELECT md5(concat({told})) AS entry_id, {', '.join(LEDGER_COLUMNS)} FROM {lines}"


def entry_id(line: Sequence[Any]) -> str:
    """Return the name of a line, as :func:`named_sql` gives it, from what it says in the order of its columns."""
    told = "|".join("" if each is None else str(each) for each in line)
    return hashlib.md5(told.encode(), usedforsecurity=False).hexdigest()
