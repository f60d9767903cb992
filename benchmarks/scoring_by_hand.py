"""The peer of the scoring benchmark: the same law as one would write it by hand in DuckDB SQL, for this law alone.

Nothing here is general. The decision table is joined on exactly what each measure needs, people and cases are
small integers, a team is split once per case and stretch of days instead of once per item, factors are ``CASE``
expressions, windows carry numbers only, and each kind of cap has a path of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import duckdb
import pyarrow as pa

from benchmarks.scoring_law import CATEGORIES, DIMENSIONS, ROLES, WEIGHTS, Rule, rules

_WEIGHTS = ", ".join(
    f"('{name}', {int(Decimal(each) * 1000)})" for name, each in zip(DIMENSIONS, WEIGHTS, strict=True)
)
_ROLE = "CASE role " + " ".join(f"WHEN '{role}' THEN {n}" for n, role in enumerate(ROLES)) + " END"


@dataclass(frozen=True, slots=True)
class Result:
    """The ledger, and who stands where: one row per person and sheet."""

    ledger: pa.Table
    standings: pa.Table


def score_by_hand(facts: Mapping[str, pa.Table], units: Sequence[str]) -> Result:
    """Apply the law to the facts of the year 2025."""
    with duckdb.connect() as engine:
        engine.execute("SET threads = 2")
        for name, table in facts.items():
            engine.register(name, table)
        engine.register("rule", _rule_table())
        engine.register("matrix", _matrix())
        engine.register("scope", pa.table({"unit_code": list(units)}))
        for statement in (_STAFF, _SPAN, _CASES, _MEMBER, _TEAM, _PARTS, _GRANTED_LINES):
            engine.execute(statement)
        ledger = engine.sql(_NAMED).to_arrow_table()
        engine.register("ledger", ledger)
        for statement in (_SCORED, _SUMS, _TOTALS):
            engine.execute(statement)
        return Result(ledger, engine.sql(_STANDINGS).to_arrow_table())


def _rule_table() -> pa.Table:
    told = rules()
    columns = ("id", "measure", "indicator", "points", "per_case", "case_cap", "month_cap", "year_cap")
    return pa.table(
        {"rule_no": pa.array(range(len(told)), pa.int32())}
        | {name: [getattr(each, name) for each in told] for name in columns}
    )


def _spread(rule: Rule) -> Iterator[tuple[str, str, int | None]]:
    joint = rule.measure == "joint" and not rule.category
    department = int(rule.code[0][-5:]) // 36 if joint else 0
    for code in rule.code or ("",):
        for category in CATEGORIES[5 * department : 5 * department + 5] if joint else rule.category or ("",):
            for role in range(len(ROLES)) if rule.measure == "made" else (None,):
                if role is None or rule.role in {"", ROLES[role]}:
                    yield code, category, role


def _matrix() -> pa.Table:
    """The decision table spread out: own papers by code and role, joint ones by code and category, cases by category."""
    rows = [(number, rule.measure, *each) for number, rule in enumerate(rules()) for each in _spread(rule)]
    kinds = (pa.int32(), pa.string(), pa.string(), pa.string(), pa.int32())
    columns = zip(
        ("rule_no", "measure", "code", "category", "role_no"), zip(*rows, strict=True), kinds, strict=True
    )
    return pa.table({name: pa.array(values, kind) for name, values, kind in columns})


_STAFF = """
CREATE TEMP TABLE staff AS
SELECT CAST(row_number() OVER (ORDER BY person_key) AS INTEGER) AS pid, person_key
FROM (SELECT person_key FROM person UNION SELECT person_key FROM participation)
"""

# Nobody has two postings on one day.
_SPAN = f"""
CREATE TEMP TABLE span AS
SELECT pid, person_key, {_ROLE} AS role_no, unit_code IN (SELECT unit_code FROM scope) AS inside,
  valid_from AS since, coalesce(valid_to + 1, DATE '9999-12-31') AS until
FROM posting JOIN staff USING (person_key)
"""

_CASES = """
CREATE TEMP TABLE c AS
WITH volumes AS (
  SELECT case_no, bool_and(state = 'accepted' AND accepted_on IS NOT NULL) AS final FROM archive_volume GROUP BY case_no
)
SELECT CAST(row_number() OVER () AS INTEGER) AS case_id, k.case_no, category, accepted_on, due_on, concluded_on,
  handler_key, charge_name, coalesce(final, false) AS final, k.content_hash,
  CASE WHEN is_foreign_related THEN 1550 WHEN is_supervised THEN 1300 ELSE 1000 END AS difficulty,
  CASE WHEN is_foreign_related THEN 'difficulty=foreign*1550' WHEN is_supervised THEN 'difficulty=supervised*1300' END
    AS difficult,
  CASE WHEN concluded_on > due_on THEN 500 WHEN concluded_on + 15 < due_on THEN 1200 ELSE 1000 END AS timeliness,
  CASE WHEN concluded_on > due_on THEN 'timely=late*500' WHEN concluded_on + 15 < due_on THEN 'timely=early*1200' END
    AS timely
FROM "case" k LEFT JOIN volumes v ON v.case_no = k.case_no
"""

_MEMBER = f"""
CREATE TEMP TABLE member AS
SELECT case_id, pid, min(role_no) AS role_no, max(share) AS share
FROM (SELECT case_no, person_key, {_ROLE} AS role_no, share FROM participation WHERE person_key IS NOT NULL) p
JOIN c USING (case_no) JOIN staff USING (person_key) GROUP BY case_id, pid
UNION ALL
SELECT case_id, pid, 0, NULL FROM c JOIN staff ON person_key = handler_key ANTI JOIN participation p ON p.case_no = c.case_no
"""

# A team as it is from a day on: it changes only where a member's posting does. Nothing before 2020 counts.
_TEAM = """
CREATE TEMP TABLE team AS
WITH cut AS (
  SELECT case_id, DATE '2020-01-01' AS since FROM c
  UNION
  SELECT case_id, since FROM member JOIN span USING (pid) WHERE since > DATE '2020-01-01'
),
stretch AS (
  SELECT *, lead(since, 1, DATE '9999-12-31') OVER (PARTITION BY case_id ORDER BY since) AS until FROM cut
),
state AS (
  SELECT s.case_id, s.since, s.until, m.pid, coalesce(p.role_no, m.role_no) AS role_no, m.share, p.inside
  FROM stretch s JOIN member m ON m.case_id = s.case_id
  LEFT JOIN span p ON p.pid = m.pid AND s.since >= p.since AND s.since < p.until
),
weighed AS (
  SELECT *,
    CASE WHEN count(share) OVER whole = count(*) OVER whole AND sum(share) OVER whole = 1 AND min(share) OVER whole >= 0
      THEN CAST(share * 1000000 AS BIGINT)
      ELSE (CASE role_no WHEN 0 THEN 550 WHEN 1 THEN 350 ELSE 100 END * 5040)
        // count(*) OVER (PARTITION BY case_id, since, role_no) END AS weight
  FROM state WINDOW whole AS (PARTITION BY case_id, since)
)
SELECT case_id, since, until, pid, role_no, inside, weight,
  CAST(sum(weight) OVER (PARTITION BY case_id, since ORDER BY role_no, pid ROWS UNBOUNDED PRECEDING) AS BIGINT) AS so_far,
  CAST(sum(weight) OVER (PARTITION BY case_id, since) AS BIGINT) AS whole
FROM weighed
"""

# Own papers, joint papers, approvals, then what cases themselves bring. What the whole life of a case decides
# (limits per case) looks back to 2020, the rest begins with the year.
_LINES = """
  SELECT 'made' AS measure, x.rule_no, p.pid, d.drafter_key AS actor, p.role_no, p.inside, c.case_id, c.case_no, c.final,
    d.document_key AS item_key, d.name AS item_label, d.drafted_on AS day, d.content_hash AS fact_hash, c.difficulty, c.difficult,
    CASE WHEN d.drafted_on > c.due_on THEN 500 WHEN d.drafted_on <= c.accepted_on + 10 THEN 1200 ELSE 1000 END
      AS promptness,
    CASE WHEN d.drafted_on > c.due_on THEN 'prompt=late*500'
      WHEN d.drafted_on <= c.accepted_on + 10 THEN 'prompt=early*1200' END AS prompt,
    1 AS weight, 1 AS so_far, 1 AS whole
  FROM document d JOIN c ON c.case_no = d.case_no
  LEFT JOIN span p ON p.person_key = d.drafter_key AND d.drafted_on >= p.since AND d.drafted_on < p.until
  LEFT JOIN matrix x ON x.measure = 'made' AND x.code = d.template_code AND x.role_no = p.role_no
  WHERE starts_with(d.template_code, '1') AND d.drafted_on >= DATE '2020-01-01' AND d.drafted_on < DATE '2026-01-01'
  UNION ALL
  SELECT 'joint', x.rule_no, t.pid, '', t.role_no, t.inside, c.case_id, c.case_no, c.final,
    d.document_key, d.name, d.drafted_on, d.content_hash, c.difficulty, c.difficult,
    CASE WHEN d.drafted_on > c.due_on THEN 500 WHEN d.drafted_on <= c.accepted_on + 10 THEN 1200 ELSE 1000 END,
    CASE WHEN d.drafted_on > c.due_on THEN 'prompt=late*500'
      WHEN d.drafted_on <= c.accepted_on + 10 THEN 'prompt=early*1200' END,
    t.weight, t.so_far, t.whole
  FROM document d JOIN c ON c.case_no = d.case_no
  LEFT JOIN team t ON t.case_id = c.case_id AND d.drafted_on >= t.since AND d.drafted_on < t.until
  LEFT JOIN matrix x ON x.measure = 'joint' AND x.code = d.template_code AND x.category = c.category
  WHERE starts_with(d.template_code, '2') AND d.in_dossier
    AND d.drafted_on >= DATE '2020-01-01' AND d.drafted_on < DATE '2026-01-01'
  UNION ALL
  SELECT 'approved', x.rule_no, p.pid, a.approver_key, p.role_no, p.inside, c.case_id, c.case_no, c.final,
    a.approval_key, '', a.approved_on, a.content_hash, c.difficulty, c.difficult, 1000, NULL, 1, 1, 1
  FROM approval a JOIN c ON c.case_no = a.case_no
  LEFT JOIN span p ON p.person_key = a.approver_key AND a.approved_on >= p.since AND a.approved_on < p.until
  LEFT JOIN matrix x ON x.measure = 'approved' AND x.code = a.template_code AND p.role_no = 0
  WHERE a.conclusion = '同意' AND a.approved_on >= DATE '2025-01-01' AND a.approved_on < DATE '2026-01-01'
  UNION ALL
  SELECT 'closed', x.rule_no, t.pid, '', t.role_no, t.inside, c.case_id, c.case_no, c.final,
    c.case_no, c.charge_name, c.concluded_on, c.content_hash, c.difficulty, c.difficult, c.timeliness, c.timely,
    t.weight, t.so_far, t.whole
  FROM c LEFT JOIN team t ON t.case_id = c.case_id AND c.concluded_on >= t.since AND c.concluded_on < t.until
  LEFT JOIN matrix x ON x.measure = 'closed' AND x.category = c.category
  WHERE c.concluded_on >= DATE '2025-01-01' AND c.concluded_on < DATE '2026-01-01'
  UNION ALL
  SELECT x.measure, x.rule_no, p.pid, c.handler_key, p.role_no, p.inside, c.case_id, c.case_no, c.final,
    c.case_no, c.charge_name, c.concluded_on, c.content_hash, c.difficulty, c.difficult,
    CASE x.measure WHEN 'led' THEN c.timeliness ELSE 1000 END, CASE x.measure WHEN 'led' THEN c.timely END, 1, 1, 1
  FROM c JOIN matrix x ON x.category = c.category AND (x.measure = 'led' OR x.measure = 'overdue' AND c.concluded_on > c.due_on)
  LEFT JOIN span p ON p.person_key = c.handler_key AND c.concluded_on >= p.since AND c.concluded_on < p.until
  WHERE c.concluded_on >= DATE '2025-01-01' AND c.concluded_on < DATE '2026-01-01'
"""

_HALF_UP = "(CASE WHEN {0} >= 0 THEN (2 * {0} + {1}) // (2 * {1}) ELSE -((-2 * {0} + {1}) // (2 * {1})) END)"

_PARTS = f"""
CREATE TEMP TABLE part AS
WITH line AS ({_LINES}),
priced AS (
  SELECT l.*, r.points AS unit_points, r.per_case, r.case_cap, r.month_cap, r.year_cap,
    {_HALF_UP.format("(r.points * difficulty * promptness)", 1_000_000)} AS item_points,
    CASE WHEN inside IS NULL THEN CASE WHEN pid IS NULL AND coalesce(actor, '') = '' THEN 'no-person' ELSE 'unknown-person' END
      WHEN l.rule_no IS NULL THEN 'no-rule' WHEN NOT inside THEN 'outside-office'
      WHEN role_no IS NULL THEN 'no-sheet' ELSE '' END AS obstacle
  FROM line l LEFT JOIN rule r ON r.rule_no = l.rule_no
  WHERE day >= DATE '2025-01-01' OR per_case IS NOT NULL OR case_cap IS NOT NULL
)
SELECT * EXCLUDE (item_points, weight, so_far, whole), weight * 1000 // whole AS share,
  CASE WHEN whole = 1 THEN item_points ELSE CASE WHEN item_points < 0 THEN -1 ELSE 1 END
    * ((abs(item_points) * so_far) // whole - (abs(item_points) * (so_far - weight)) // whole) END AS due
FROM priced
"""

_GRANTED = "(CASE WHEN {0} < 0 THEN -1 ELSE 1 END * (least(so_far, {1}) - least(so_far - abs({0}), {1})))"
_MONTH = "year(day) * 12 + month(day)"

# A rule has no cap, one per case or month, one per year (perhaps after one per month), or a limit of items per
# case (perhaps before a cap per month): paths that share no line. Windows carry numbers and the key, not the line.
_GRANTED_LINES = f"""
CREATE TEMP TABLE granted AS
WITH bound AS (
  SELECT rowid AS line_no, rule_no, pid, case_id, day, item_key, due, per_case, case_cap, month_cap, year_cap
  FROM part WHERE obstacle = '' AND rule_no IN (SELECT rule_no FROM rule
    WHERE per_case IS NOT NULL OR case_cap IS NOT NULL OR month_cap IS NOT NULL OR year_cap IS NOT NULL)
),
once AS (
  SELECT line_no, due, coalesce(month_cap, case_cap) AS cap, CAST(sum(abs(due)) OVER (
      PARTITION BY rule_no, pid, CASE WHEN month_cap IS NULL THEN case_id ELSE {_MONTH} END
      ORDER BY day, item_key ROWS UNBOUNDED PRECEDING) AS BIGINT) AS so_far
  FROM bound WHERE per_case IS NULL AND year_cap IS NULL
),
counted AS (
  SELECT *, row_number() OVER (PARTITION BY rule_no, case_id, pid ORDER BY day, item_key) > per_case AS beyond
  FROM bound WHERE per_case IS NOT NULL
),
few AS (
  SELECT *, CAST(sum(CASE WHEN beyond THEN 0 ELSE abs(due) END) OVER (
      PARTITION BY rule_no, pid, {_MONTH} ORDER BY day, item_key ROWS UNBOUNDED PRECEDING) AS BIGINT) AS so_far
  FROM counted
),
monthly AS (
  SELECT *, CAST(sum(abs(due)) OVER (
      PARTITION BY rule_no, pid, {_MONTH} ORDER BY day, item_key ROWS UNBOUNDED PRECEDING) AS BIGINT) AS so_far
  FROM bound WHERE year_cap IS NOT NULL
),
passed AS (
  SELECT * EXCLUDE (so_far), CASE WHEN month_cap IS NULL THEN due ELSE {_GRANTED.format("due", "month_cap")} END AS passed
  FROM monthly
),
yearly AS (
  SELECT *, CAST(sum(abs(passed)) OVER (
      PARTITION BY rule_no, pid ORDER BY day, item_key ROWS UNBOUNDED PRECEDING) AS BIGINT) AS so_far
  FROM passed
)
SELECT line_no, {_GRANTED.format("due", "cap")} AS points, 0 AS monthly, false AS beyond FROM once
UNION ALL
SELECT line_no, CASE WHEN month_cap IS NULL OR beyond THEN due ELSE {_GRANTED.format("due", "month_cap")} END, 0, beyond FROM few
UNION ALL
SELECT line_no, {_GRANTED.format("passed", "year_cap")}, abs(due - passed), false FROM yearly
"""

_LEDGER = f"""
WITH line AS (
  SELECT p.*, coalesce(g.points, due) AS granted, coalesce(g.monthly, 0) AS monthly,
    CASE WHEN g.beyond THEN 'per-case-limit' ELSE obstacle END AS reason
  FROM part p LEFT JOIN granted g ON g.line_no = p.rowid
  WHERE day >= DATE '2025-01-01'
)
SELECT coalesce(s.person_key, l.actor, '') AS person_key,
  CASE role_no {" ".join(f"WHEN {n} THEN '{role}'" for n, role in enumerate(ROLES))} ELSE '' END AS sheet,
  l.measure, coalesce(r.id, '-') AS rule_id, coalesce(r.indicator, '') AS indicator, case_no,
  CASE l.measure WHEN 'made' THEN 'document' WHEN 'joint' THEN 'document' WHEN 'approved' THEN 'approval' ELSE 'case' END
    AS item_kind,
  item_key, coalesce(item_label, '') AS item_label, day, CAST(1 AS BIGINT) AS quantity, coalesce(unit_points, 0) AS unit_points,
  CAST((difficulty * promptness + 500) // 1000 AS BIGINT) AS coefficient, concat_ws(';', prompt, difficult) AS factors, share,
  CASE WHEN reason = '' THEN granted ELSE 0 END AS points,
  coalesce(due, 0) - CASE WHEN reason = '' THEN granted ELSE 0 END AS withheld,
  CASE WHEN reason <> '' THEN 'void' WHEN final THEN 'final' ELSE 'provisional' END AS state, reason,
  CASE WHEN reason <> '' OR due = granted THEN ''
    WHEN l.year_cap IS NULL THEN
      r.id || CASE WHEN l.month_cap IS NULL THEN '.case_cap:' ELSE '.month_cap:' END || abs(due - granted) || ';'
    ELSE CASE WHEN monthly = 0 THEN '' ELSE r.id || '.month_cap:' || monthly || ';' END
      || CASE WHEN abs(due - granted) = monthly THEN ''
           ELSE r.id || '.year_cap:' || (abs(due - granted) - monthly) || ';' END
  END AS caps, fact_hash
FROM line l LEFT JOIN rule r ON r.rule_no = l.rule_no LEFT JOIN staff s ON s.pid = l.pid
"""

_COLUMNS = (
    "person_key, sheet, measure, rule_id, indicator, case_no, item_kind, item_key, item_label, day, quantity, unit_points,"
    " coefficient, factors, share, points, withheld, state, reason, caps, fact_hash"
)
_NAMED = f"""
SELECT md5(concat_ws('|', {_COLUMNS})) AS entry_id, * FROM ({_LEDGER})
ORDER BY person_key, day, measure, rule_id, item_key, sheet
"""

# Whoever held a role in the office within the year, with unit and department of his last day in it.
_SCORED = """
CREATE TEMP TABLE scored AS
SELECT person_key, role AS sheet, unit_code, department_key FROM posting
WHERE unit_code IN (SELECT unit_code FROM scope) AND valid_from < DATE '2026-01-01'
  AND coalesce(valid_to, DATE '9999-12-31') >= DATE '2025-01-01'
QUALIFY row_number() OVER (PARTITION BY person_key, role
  ORDER BY least(coalesce(valid_to, DATE '9999-12-31'), DATE '2026-01-01') DESC, valid_from DESC, posting_key DESC) = 1
"""

_SUMS = """
CREATE TEMP TABLE summed AS
SELECT person_key, sheet, split_part(indicator, '_', 1) AS dimension, CAST(sum(points) AS BIGINT) AS points,
  CAST(sum(CASE WHEN state = 'final' THEN points ELSE 0 END) AS BIGINT) AS final,
  CAST(sum(withheld) AS BIGINT) AS withheld, count(*) AS entries
FROM ledger WHERE rule_id <> '-' AND reason NOT IN ('outside-office', 'unknown-person') AND sheet <> ''
GROUP BY ALL
"""

_OF_BEST = (
    "CASE WHEN {0} <= 0 THEN 0 ELSE (200000 * {0} + max({0}) OVER best) // (2 * max({0}) OVER best) END"
)

_TOTALS = f"""
CREATE TEMP TABLE total AS
WITH value AS (
  SELECT p.*, w.dimension, w.weight, coalesce(s.points, 0) AS points, coalesce(s.final, 0) AS final,
    coalesce(s.withheld, 0) AS withheld, coalesce(s.entries, 0) AS entries
  FROM scored p CROSS JOIN (VALUES {_WEIGHTS}) AS w(dimension, weight)
  LEFT JOIN summed s ON s.person_key = p.person_key AND s.sheet = p.sheet AND s.dimension = w.dimension
),
relative AS (
  SELECT *, {_OF_BEST.format("points")} AS score, {_OF_BEST.format("final")} AS final_score
  FROM value WINDOW best AS (PARTITION BY sheet, unit_code, dimension)
)
SELECT person_key, sheet, unit_code, department_key, CAST((2 * sum(score * weight) + 1000) // 2000 AS BIGINT) AS points,
  CAST((2 * sum(final_score * weight) + 1000) // 2000 AS BIGINT) AS final, CAST(sum(withheld) AS BIGINT) AS withheld,
  CAST(sum(entries) AS BIGINT) AS entries
FROM relative GROUP BY ALL
"""

# Twenty percent of the peers, rounded down, may be excellent, thirty-five, half up, good; equals at the edge fall.
_STANDINGS = """
WITH ranked AS (
  SELECT *, dense_rank() OVER (PARTITION BY sheet ORDER BY points DESC) AS place,
    dense_rank() OVER (PARTITION BY sheet, unit_code ORDER BY points DESC) AS place_of_peers,
    dense_rank() OVER (PARTITION BY sheet, unit_code, department_key ORDER BY points DESC) AS place_of_colleagues,
    rank() OVER (PARTITION BY sheet, unit_code ORDER BY points DESC)
      + count(*) OVER (PARTITION BY sheet, unit_code, points) - 1 AS last_place,
    count(*) OVER (PARTITION BY sheet, unit_code) AS peers
  FROM total
),
best AS (
  SELECT *, last_place <= 200 * peers // 1000 AS excellent,
    count(*) FILTER (WHERE last_place <= 200 * peers // 1000) OVER (PARTITION BY sheet, unit_code) AS taken
  FROM ranked
)
SELECT person_key, sheet, points, final, withheld, entries, place, place_of_peers, place_of_colleagues,
  CASE WHEN excellent THEN 'excellent' WHEN last_place - taken <= (700 * peers + 1000) // 2000 THEN 'good' ELSE 'fair' END
    AS grade
FROM best
"""
