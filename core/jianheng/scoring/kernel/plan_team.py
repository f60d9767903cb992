"""Who is who on a day, and how a case's team shares what it did: once per case, not once per item."""

# ruff: noqa: S608 every name in these statements is ours

from jianheng.facts.entities import ROLES
from jianheng.rules.views import TAKES_PART
from jianheng.scoring.law.policy import Policy

RANK_OF_ROLE = "CASE {0} " + " ".join(f"WHEN '{role}' THEN {n}" for n, role in enumerate(ROLES)) + " END"

# Everyone on every day: role, level, and whether he is one of this office then. Whoever has postings but none on
# the day was elsewhere; only of someone without any does his own unit tell where he is.
HELD = """
CREATE TEMP TABLE held AS
WITH post AS (
  SELECT person_key, since, until, role, post_level, unit_code,
    lag(until, 1, CAST('0001-01-01' AS DATE)) OVER (PARTITION BY person_key ORDER BY since) AS before
  FROM v_posting
),
last AS (SELECT person_key, max(until) AS until FROM v_posting GROUP BY person_key)
SELECT p.person_key, p.since, p.until, coalesce(p.role, '') AS role, coalesce(p.post_level, '') AS post_level,
  EXISTS (SELECT 1 FROM scope_unit u WHERE u.unit_code = p.unit_code) AS inside
FROM post p
UNION ALL
SELECT person_key, before, since, '', '', false FROM post WHERE before < since
UNION ALL
SELECT person_key, until, CAST('9999-12-31' AS DATE), '', '', false FROM last WHERE until < CAST('9999-12-31' AS DATE)
UNION ALL
SELECT u.person_key, CAST('0001-01-01' AS DATE), CAST('9999-12-31' AS DATE), '', '',
  EXISTS (SELECT 1 FROM scope_unit s WHERE s.unit_code = u.unit_code)
FROM fact_person u WHERE NOT EXISTS (SELECT 1 FROM fact_posting o WHERE o.person_key = u.person_key)
"""

# Everyone who takes part in a case, once: the strongest role he has in it.
MEMBER = f"""
CREATE TEMP TABLE member AS
SELECT case_no, person_key, CASE min(role_rank) {" ".join(f"WHEN {n} THEN '{role}'" for n, role in enumerate(ROLES))} ELSE '' END AS role,
  CAST(max(share) * 1000000 AS BIGINT) AS millionths
FROM (
  SELECT case_no, person_key, {RANK_OF_ROLE.format("role")} AS role_rank, share FROM ({TAKES_PART}) named
) part
GROUP BY case_no, person_key
"""


def team(policy: Policy) -> str:
    """A case's team from a day on, with what each has of its weights.

    It changes only where somebody's posting or the weight of a role does. What was agreed holds if everyone
    agreed and it makes one, else the weights of the roles, shared by all who have the role (5040: divisible by
    every number to 10).
    """
    first = f"CAST('{policy.file.since}' AS DATE)"
    return f"""
CREATE TEMP TABLE team AS
WITH cut AS (
  SELECT DISTINCT case_no, {first} AS since FROM member
  UNION
  SELECT m.case_no, h.since FROM member m JOIN held h ON h.person_key = m.person_key WHERE h.since > {first}
  UNION
  SELECT m.case_no, w.since FROM (SELECT DISTINCT case_no FROM member) m
  CROSS JOIN (SELECT DISTINCT since FROM team_weight WHERE since > {first}) w
),
stretch AS (
  SELECT case_no, since, lead(since, 1, CAST('9999-12-31' AS DATE)) OVER (PARTITION BY case_no ORDER BY since) AS until FROM cut
),
present AS (
  SELECT s.case_no, s.since, s.until, m.person_key, m.millionths, h.inside, coalesce(h.post_level, '') AS post_level,
    coalesce(nullif(h.role, ''), m.role) AS role
  FROM stretch s JOIN member m ON m.case_no = s.case_no
  LEFT JOIN held h ON h.person_key = m.person_key AND s.since >= h.since AND s.since < h.until
),
alike AS (
  SELECT case_no, since, role, count(*) AS number, count(millionths) AS agreed, sum(millionths) AS millionths, min(millionths) AS least
  FROM present GROUP BY case_no, since, role
),
agreement AS (
  SELECT case_no, since FROM alike GROUP BY case_no, since
  HAVING sum(agreed) = sum(number) AND sum(millionths) = 1000000 AND min(least) >= 0
),
weighed AS (
  SELECT p.*, CASE WHEN g.case_no IS NULL THEN coalesce(w.weight, 0) * 5040 // a.number ELSE p.millionths END AS weight
  FROM present p JOIN alike a ON a.case_no = p.case_no AND a.since = p.since AND a.role = p.role
  LEFT JOIN agreement g ON g.case_no = p.case_no AND g.since = p.since
  LEFT JOIN team_weight w ON w.role = p.role AND p.since >= w.since AND p.since < w.until
)
SELECT case_no, since, until, person_key, role, post_level, inside, weight,
  CAST(sum(weight) OVER (PARTITION BY case_no, since ORDER BY {rank_sql("role")}, person_key
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS BIGINT) AS so_far,
  CAST(sum(weight) OVER (PARTITION BY case_no, since) AS BIGINT) AS whole
FROM weighed
"""


def rank_sql(role: str) -> str:
    """Return the number of a role, the strongest first; what is no role comes last."""
    return f"coalesce({RANK_OF_ROLE.format(role)}, {len(ROLES)})"
