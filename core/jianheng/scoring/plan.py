"""The plan: the statements that turn items into ledger lines, one set at a time.

Each statement makes one table; read from top to bottom they are the path of a point. Items and the
policy's tables are there when the first one runs.
"""

from jianheng.facts.entities import ROLES
from jianheng.scoring.points import half_up_sql

LEDGER_COLUMNS = (
    "entry_id",
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
    "share",
    "points",
    "withheld",
    "state",
    "reason",
    "fact_hash",
)
"""The columns of a ledger line, in order."""

_ROLE_RANK = "list_position([" + ", ".join(f"'{role}'" for role in ROLES) + "], {0})"

STEPS = (
    # Everyone who takes part in a case, once: the strongest role he has in it.
    f"""
CREATE TEMP TABLE member AS
SELECT case_no, person_key, first(role ORDER BY {_ROLE_RANK.format("role")}) AS role, max(share) AS share
FROM (
  SELECT case_no, person_key, role, share FROM fact_participation WHERE person_key IS NOT NULL
  UNION ALL
  SELECT c.case_no, c.handler_key, 'quota_prosecutor', NULL FROM fact_case c
  WHERE c.handler_key IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM fact_participation p WHERE p.case_no = c.case_no)
)
GROUP BY case_no, person_key
""",
    # Items for whom: the actor, or everyone in the team.
    """
CREATE TEMP TABLE attributed AS
SELECT i.*, i.actor AS person_key, m.role AS case_role, NULL::DECIMAL(18, 6) AS agreed, false AS shared
FROM item i JOIN measure_row r ON r.measure = i.measure AND NOT r.team
LEFT JOIN member m ON m.case_no = i.case_no AND m.person_key = i.actor
UNION ALL
SELECT i.*, m.person_key, m.role, m.share, true
FROM item i JOIN measure_row r ON r.measure = i.measure AND r.team
LEFT JOIN member m ON m.case_no = i.case_no
""",
    # Role, level and unit on the day: the posting in force, the latest if two overlap. Whoever has postings
    # but none on the day was elsewhere then ('' as unit); only of someone without any does his unit's list tell.
    """
CREATE TEMP TABLE subject AS
WITH posted AS (SELECT DISTINCT person_key FROM fact_posting)
SELECT a.*, coalesce(p.role, a.case_role) AS role, p.post_level,
  CASE WHEN o.person_key IS NULL THEN u.unit_code ELSE coalesce(p.unit_code, '') END AS person_unit
FROM attributed a
LEFT JOIN posted o ON o.person_key = a.person_key
LEFT JOIN fact_posting p ON p.person_key = a.person_key
  AND a.day >= p.valid_from AND (p.valid_to IS NULL OR a.day <= p.valid_to)
LEFT JOIN fact_person u ON u.person_key = a.person_key
QUALIFY row_number() OVER (
  PARTITION BY a.measure, a.item_key, a.person_key ORDER BY p.valid_from DESC NULLS LAST, p.posting_key
) = 1
""",
    # Weights of a team: what was agreed if everyone agreed and it makes one, else by role.
    """
CREATE TEMP TABLE weighted AS
WITH agreed AS (
  SELECT measure, item_key, count(agreed) = count(*) AND sum(agreed) = 1 AND min(agreed) >= 0 AS holds
  FROM subject WHERE shared GROUP BY ALL
),
role_size AS (
  SELECT measure, item_key, role, count(*) AS n FROM subject WHERE shared GROUP BY ALL
)
SELECT s.*,
  CASE
    WHEN NOT s.shared THEN 1
    WHEN g.holds THEN CAST(s.agreed * 1000000 AS BIGINT)
    ELSE coalesce(w.weight, 0) * 5040 // z.n
  END AS weight
FROM subject s
LEFT JOIN agreed g ON s.shared AND g.measure = s.measure AND g.item_key = s.item_key
LEFT JOIN role_size z ON s.shared AND z.measure = s.measure AND z.item_key = s.item_key
  AND z.role IS NOT DISTINCT FROM s.role
LEFT JOIN team_weight w ON w.role = s.role AND s.day >= w.since AND s.day < w.until
""",
    # Decision tables meet the few distinct combinations, not every item.
    """
CREATE TEMP TABLE combination AS
SELECT DISTINCT measure, coalesce(code, '') AS code, coalesce(category, '') AS category, role, post_level FROM subject
""",
    """
CREATE TEMP TABLE permitted AS
SELECT c.*,
  NOT EXISTS (SELECT 1 FROM authority_row a WHERE a.measure = c.measure)
  OR EXISTS (
    SELECT 1 FROM authority_row a WHERE a.measure = c.measure
      AND (a.code IS NULL OR a.code = c.code) AND (a.category IS NULL OR a.category = c.category)
      AND (a.role IS NULL OR a.role = c.role) AND (a.post_level IS NULL OR a.post_level = c.post_level))
  OR (
    (SELECT unlisted FROM authority_rule) = 'permit'
    AND NOT EXISTS (SELECT 1 FROM authority_row a WHERE a.measure = c.measure
      AND (a.code IS NULL OR a.code = c.code) AND (a.category IS NULL OR a.category = c.category))) AS allowed
FROM combination c
""",
    """
CREATE TEMP TABLE matched AS
SELECT c.measure, c.code, c.category, c.role, c.post_level, c.allowed, r.rule_id, r.indicator,
  r.unit_points, r.per_case, r.since, r.until,
  min(CASE WHEN r.role = c.role THEN 0 WHEN r.role IS NULL THEN 1 ELSE 2 END) AS distance
FROM permitted c JOIN rule_row r ON r.measure = c.measure
  AND (r.code IS NULL OR r.code = c.code) AND (r.category IS NULL OR r.category = c.category)
  AND (r.role IS NULL OR r.role = c.role OR NOT c.allowed)
GROUP BY ALL
""",
    # One row per item, person and rule, with what the item is worth before it is shared. For what was not
    # allowed one rule of the day tells what was lost: his role's own, else everybody's, else another role's.
    f"""
CREATE TEMP TABLE priced AS
WITH factor AS (
  SELECT s.case_no, f.coefficient_id, f.measure, f.permille, f.since, f.until
  FROM special_case s JOIN coefficient_row f USING (coefficient_id)
),
joined AS (
  SELECT s.*, m.rule_id, m.indicator, m.unit_points, m.per_case, m.allowed, m.distance, t.sheet,
    coalesce(x.permille, 1000) AS coefficient, coalesce(x.coefficient_id, '') AS coefficient_id,
    s.person_unit IS NOT NULL AND s.person_unit IN (SELECT unit_code FROM scope_unit) AS inside
  FROM weighted s
  JOIN matched m ON m.measure = s.measure AND m.code = coalesce(s.code, '')
    AND m.category = coalesce(s.category, '')
    AND m.role IS NOT DISTINCT FROM s.role AND m.post_level IS NOT DISTINCT FROM s.post_level
    AND s.day >= m.since AND s.day < m.until
  LEFT JOIN sheet_row t ON t.role = s.role
  LEFT JOIN factor x ON x.case_no = s.case_no AND (x.measure IS NULL OR x.measure = s.measure)
    AND s.day >= x.since AND s.day < x.until
  QUALIFY row_number() OVER (
    PARTITION BY s.measure, s.item_key, s.person_key, m.rule_id
    ORDER BY x.permille DESC NULLS LAST, x.coefficient_id) = 1
),
chosen AS (
  SELECT * FROM joined QUALIFY allowed OR row_number() OVER (
    PARTITION BY measure, item_key, person_key ORDER BY distance, rule_id) = 1
)
SELECT *, {half_up_sql("(unit_points * coefficient)", 1000)} AS item_points,
  sum(weight) OVER whole AS whole_weight,
  sum(weight) OVER (whole ORDER BY {_ROLE_RANK.format("role")} NULLS LAST, person_key
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS weight_so_far
FROM chosen
WINDOW whole AS (PARTITION BY measure, item_key, rule_id)
""",
    # The part of each person, and what stands against it.
    """
CREATE TEMP TABLE part AS
SELECT *,
  CASE WHEN whole_weight = 0 THEN 0 ELSE sign(item_points)::BIGINT * (
    (abs(item_points) * weight_so_far::BIGINT) // whole_weight::BIGINT
    - (abs(item_points) * (weight_so_far - weight)::BIGINT) // whole_weight::BIGINT) END AS due,
  CASE WHEN whole_weight = 0 THEN 0 ELSE (weight * 1000 // whole_weight)::BIGINT END AS share_permille,
  CASE
    WHEN person_unit IS NULL THEN 'unknown-person'
    WHEN NOT inside THEN 'outside-office'
    WHEN NOT allowed THEN 'not-authorised'
    WHEN sheet IS NULL THEN 'no-sheet'
    ELSE ''
  END AS obstacle
FROM priced
WHERE person_key IS NOT NULL
""",
    """
CREATE TEMP TABLE judged AS
SELECT p.*, coalesce(g.final, true) AS final,
  CASE
    WHEN obstacle <> '' THEN obstacle
    WHEN per_case IS NOT NULL AND row_number() OVER (
      PARTITION BY rule_id, case_no, person_key, obstacle ORDER BY day, item_key) > per_case THEN 'per-case-limit'
    ELSE ''
  END AS void_reason
FROM part p LEFT JOIN case_gate g USING (case_no)
""",
)

LEDGER_SQL = """
WITH counted AS (
  SELECT person_key, coalesce(sheet, '') AS sheet, measure, rule_id, indicator, case_no, item_kind, item_key,
    item_label, day, 1::BIGINT AS quantity, unit_points, coefficient, share_permille AS share,
    CASE WHEN void_reason = '' THEN due ELSE 0 END AS points,
    CASE WHEN void_reason = '' THEN 0 ELSE due END AS withheld,
    CASE WHEN void_reason <> '' THEN 'void' WHEN final THEN 'final' ELSE 'provisional' END AS state,
    CASE WHEN void_reason <> '' THEN void_reason ELSE coefficient_id END AS reason,
    fact_hash
  FROM judged
),
uncounted AS (
  SELECT coalesce(s.person_key, '') AS person_key, coalesce(t.sheet, '') AS sheet, s.measure, '-' AS rule_id,
    '' AS indicator, s.case_no, s.item_kind, s.item_key, s.item_label, s.day, 1::BIGINT AS quantity,
    0::BIGINT AS unit_points, 1000::BIGINT AS coefficient, 1000::BIGINT AS share, 0::BIGINT AS points,
    0::BIGINT AS withheld, 'void' AS state,
    CASE WHEN s.person_key IS NULL THEN 'no-person' WHEN s.person_unit IS NULL THEN 'unknown-person'
      ELSE 'no-rule' END AS reason,
    s.fact_hash
  FROM subject s LEFT JOIN sheet_row t ON t.role = s.role
  ANTI JOIN judged j ON j.measure = s.measure AND j.item_key = s.item_key AND j.person_key = s.person_key
),
line AS (SELECT * FROM counted UNION ALL SELECT * FROM uncounted)
SELECT md5(concat_ws('|', person_key, sheet, measure, rule_id, indicator, case_no, item_kind, item_key, item_label,
    day, quantity, unit_points, coefficient, share, points, withheld, state, reason, fact_hash)) AS entry_id, *
FROM line ORDER BY person_key, day, measure, rule_id, item_key, sheet
"""
"""The ledger: what counted, what was refused, and what no rule speaks of, each with its reason."""
