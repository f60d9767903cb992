"""Which rules speak of an item: decision tables and the authority list, met by the few combinations there are."""

# ruff: noqa: S608 every name in these statements is ours, and every expression was checked

from jianheng.scoring.law.policy import Policy

_COMBINATION = ("measure_no", "code", "category", "role", "post_level")


# Decision tables meet the few things and roles there are, not every item.
THINGS = """
CREATE TEMP TABLE thing AS SELECT DISTINCT measure_no, code, category FROM item
"""

COMBINATIONS = """
CREATE TEMP TABLE combination AS
SELECT t.measure_no, t.code, t.category, w.role, w.post_level
FROM thing t CROSS JOIN (SELECT DISTINCT role, post_level FROM held UNION SELECT DISTINCT role, '' FROM member) w
"""

_FITS = (
    "(a.code IS NULL OR a.code = c.code) AND (a.category IS NULL OR a.category = c.category)"
    " AND (a.role IS NULL OR a.role = c.role) AND (a.post_level IS NULL OR a.post_level = c.post_level)"
)
_FITS_THING = "(a.code IS NULL OR a.code = c.code) AND (a.category IS NULL OR a.category = c.category)"

PERMITTED = f"""
CREATE TEMP TABLE permitted AS
SELECT c.*,
  NOT EXISTS (SELECT 1 FROM authority_row a WHERE a.measure_no = c.measure_no)
  OR EXISTS (SELECT 1 FROM authority_row a WHERE a.measure_no = c.measure_no AND {_FITS})
  OR ((SELECT max(unlisted) FROM authority_rule) = 'permit'
    AND NOT EXISTS (SELECT 1 FROM authority_row a WHERE a.measure_no = c.measure_no AND {_FITS_THING})) AS allowed
FROM combination c
"""

_KEYS = ", ".join(f"c.{name}" for name in _COMBINATION)


def candidates(policy: Policy) -> str:
    """Rules that speak of a combination; for what was not allowed every rule of any role is a candidate."""
    # A policy may have no row at all: a frame whose indicators count and give no points of their own.
    kinds = sorted({(bool(row.code), bool(row.category)) for row in policy.points}) or [(False, False)]
    found = " UNION ALL ".join(
        f"""
  SELECT {_KEYS}, c.allowed, r.rule_no, r.since, r.until,
    CASE WHEN r.role = c.role THEN 0 WHEN r.role IS NULL THEN 1 ELSE 2 END AS distance
  FROM permitted c JOIN rule_row r ON r.measure_no = c.measure_no
    {"AND r.code = c.code" if code else ""} {"AND r.category = c.category" if category else ""}
  WHERE (r.role IS NULL OR r.role = c.role OR NOT c.allowed)
    {"" if code else "AND r.code IS NULL"} {"" if category else "AND r.category IS NULL"}"""
        for code, category in kinds
    )
    return f"""
CREATE TEMP TABLE candidate AS
SELECT {_KEYS}, c.allowed, c.rule_no, c.since, c.until, min(c.distance) AS distance FROM ({found}) c
GROUP BY {_KEYS}, c.allowed, c.rule_no, c.since, c.until
"""


_SAME = " AND ".join(f"{{0}}.{name} = {{1}}.{name}" for name in _COMBINATION)

# Of those one rule a day tells it: his role's own, else everybody's, else another role's.
MATCHED = f"""
CREATE TEMP TABLE matched AS
WITH edge AS (
  SELECT {_KEYS}, c.since AS day FROM candidate c WHERE NOT c.allowed
  UNION
  SELECT {_KEYS}, c.until AS day FROM candidate c WHERE NOT c.allowed
),
span AS (
  SELECT {_KEYS}, c.day AS since,
    lead(c.day) OVER (PARTITION BY {_KEYS} ORDER BY c.day) AS until
  FROM edge c
),
ranked AS (
  SELECT {_KEYS.replace("c.", "s.")}, d.allowed, d.rule_no, s.since, s.until,
    row_number() OVER (PARTITION BY {_KEYS.replace("c.", "s.")}, s.since
      ORDER BY d.distance, t.rule_id, d.rule_no) AS place
  FROM span s JOIN candidate d ON {_SAME.format("d", "s")} AND d.since <= s.since AND s.until <= d.until
  JOIN rule_text t ON t.rule_no = d.rule_no
)
SELECT {_KEYS}, c.allowed, c.rule_no, c.since, c.until, t.unit_points
FROM candidate c JOIN rule_text t ON t.rule_no = c.rule_no WHERE c.allowed
UNION ALL
SELECT {_KEYS}, c.allowed, c.rule_no, c.since, c.until, t.unit_points
FROM ranked c JOIN rule_text t ON t.rule_no = c.rule_no WHERE c.place = 1
"""
