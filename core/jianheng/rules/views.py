"""Fact views: what a condition may speak of, per grain, and the SQL that makes them from facts.

A view has one row per key of its grain, whatever it is joined with: every join is on a unique key,
so a case with three suspects stays one case.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from jianheng.facts.entities import ENTITIES
from jianheng.facts.entity import Column, Entity

Grain = Literal[
    "case",
    "document",
    "approval",
    "event",
    "declaration",
    "suspect",
    "personnel_record",
    "finding",
    "case_outcome",
    "organisation_suspect",
    "coercive_measure",
    "supervision_act",
    "suggestion",
    "clue_transfer",
    "defence_request",
    "property_item",
    "disclosure",
    "electronic_file",
]
"""What can be counted: 件, 份, 次, 次, 项, 人, 项, 个, 项, 个, 次, 项, 份, 条, 次, 项, 条, 册."""

GRAINS: tuple[str, ...] = get_args(Grain)

CASE_DERIVED = {
    "closed_on": "办结日期(按本政策口径)",
    "suspect_count": "嫌疑人数",
    "document_count": "文书数",
    "archive_accepted_on": "全部卷宗验收入库的日期",
    "result_code": "最后一项处理结果的代码",
    "result_codes": "全部处理结果的代码(多值)",
}
"""Columns of the case view that are computed, with their Chinese names."""

_DERIVED_COLUMNS: dict[str, Column] = {
    "closed_on": Column("closed_on", CASE_DERIVED["closed_on"], "date"),
    "suspect_count": Column("suspect_count", CASE_DERIVED["suspect_count"], "integer"),
    "document_count": Column("document_count", CASE_DERIVED["document_count"], "integer"),
    "archive_accepted_on": Column("archive_accepted_on", CASE_DERIVED["archive_accepted_on"], "date"),
    "result_code": Column("result_code", CASE_DERIVED["result_code"], "code"),
    "result_codes": Column("result_codes", CASE_DERIVED["result_codes"], "code"),
}

_OF_OUTCOMES = dict.fromkeys(("result_code", "result_codes"), "case_outcome")
"""Computed columns of a case whose codes are those of another entity."""

NEEDED = (
    "case",
    "case_outcome",
    "case_link",
    "suspect",
    "document",
    "approval",
    "event",
    "archive_volume",
    "declaration",
    "participation",
    "finding",
    "organisation_suspect",
    "coercive_measure",
    "supervision_act",
    "suggestion",
    "clue_transfer",
    "defence_request",
    "property_item",
    "disclosure",
    "electronic_file",
)
"""Entities of a case that views read; all but the case itself hang on ``case_no``."""

PERSONAL = ("person", "posting", "personnel_record", "handling_unit_member")
"""Entities of people that views and attribution read."""

OPTIONAL = {
    "link": "v_link",
    "chain": "v_chain",
    "suspect": "v_suspect AS o",
    "workday": "workday",
    "code": "v_code_tree",
    "posting": "v_posting",
}
"""What only some statements speak of, by the words that show it. ``suspect``: suspects of linked cases."""


@dataclass(frozen=True, slots=True)
class View:
    """A fact view: its table name, its key, and the columns a condition may use."""

    name: str
    grain: str
    key: str
    columns: tuple[str, ...]

    def origin(self, name: str) -> tuple[str, Column]:
        """Return the entity and the column that a column of this view comes from; KeyError when it has none."""
        if name not in self.columns:
            raise KeyError(name)
        if name in ENTITIES[self.grain].names:
            return self.grain, ENTITIES[self.grain].column(name)
        of_case = name if self.grain == "case" else name.removeprefix("case_")
        if of_case not in _DERIVED_COLUMNS:
            return "case", ENTITIES["case"].column(of_case)
        return _OF_OUTCOMES.get(of_case, "case"), _DERIVED_COLUMNS[of_case]


@cache
def view(grain: str) -> View:
    """Return the view of a grain; KeyError when there is no such grain."""
    if grain not in GRAINS:
        raise KeyError(grain)
    entity = ENTITIES[grain]
    own = entity.names
    if grain == "case":
        return View("v_case", grain, entity.key.name, (*own, *CASE_DERIVED))
    if "case_no" not in own:
        return View(f"v_{grain}", grain, entity.key.name, own)
    return View(f"v_{grain}", grain, entity.key.name, (*own, *_case_columns(own)))


def records(entity: str) -> View | None:
    """Return the records of an entity that hang on a case, as they are; None where it is no such entity."""
    if entity == "case" or entity not in NEEDED:
        return None
    told = ENTITIES[entity]
    return View(f"fact_{entity}", entity, told.key.name, told.names)


def plain_case() -> View:
    """Return the case without what is computed: what the closing rule may speak of, since it comes first."""
    entity = ENTITIES["case"]
    return View("fact_case", "case", entity.key.name, entity.names)


def _case_columns(own: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names under which a case's columns appear beside another grain's own."""
    case = (*ENTITIES["case"].names[1:], *CASE_DERIVED)
    return tuple(f"case_{name}" for name in case if f"case_{name}" not in own)


COUNTED = {"suspect_count": "suspect", "document_count": "document"}
"""Columns of ``v_case`` that count the records of a case, and of which entity."""


def case_view_sql(closing: str, counted: Collection[str] = tuple(COUNTED)) -> str:
    """Return the statement that makes ``v_case``; ``closing`` is a checked expression over ``t``.

    Only what is ``counted`` has a number: who speaks of no count need not pay for going through all documents.

    The result of a case is that of the outcome decided last; one without a day comes before all that have one,
    of several on one day the one whose key comes first holds.
    """
    numbers, joins, parts = [], [], []
    for name, entity in COUNTED.items():
        if name in counted:
            parts.append(
                f"{entity}s AS (SELECT case_no, count(*) AS n FROM fact_{entity} GROUP BY case_no),"  # noqa: S608 names of ours
            )
            joins.append(f"LEFT JOIN {entity}s USING (case_no)")
            numbers.append(f"coalesce({entity}s.n, 0) AS {name}")
        else:
            numbers.append(f"CAST(NULL AS BIGINT) AS {name}")
    return f"""
CREATE TEMP TABLE v_case AS
WITH {" ".join(parts)}
volumes AS (
  SELECT case_no, max(accepted_on) AS accepted_on
  FROM fact_archive_volume GROUP BY case_no
  HAVING bool_and(state = 'accepted' AND accepted_on IS NOT NULL)
),
outcome AS (
  SELECT case_no, result_code, row_number() OVER (PARTITION BY case_no
    ORDER BY coalesce(decided_on, CAST('0001-01-01' AS DATE)) DESC, CASE WHEN result_code IS NULL THEN 1 ELSE 0 END, outcome_key) AS place
  FROM fact_case_outcome
),
results AS (
  SELECT case_no, string_agg(DISTINCT result_code, ';' ORDER BY result_code) AS result_codes
  FROM fact_case_outcome GROUP BY case_no
)
SELECT t.*, ({closing}) AS closed_on, {", ".join(numbers)},
  v.accepted_on AS archive_accepted_on, o.result_code, r.result_codes
FROM fact_case t
{" ".join(joins)} LEFT JOIN volumes v USING (case_no) LEFT JOIN results r USING (case_no)
LEFT JOIN outcome o ON o.case_no = t.case_no AND o.place = 1
"""  # noqa: S608 only names of ours and a checked expression


def grain_view_sql(grain: str) -> str:
    """Return the statement that makes the view of a grain other than the case."""
    entity: Entity = ENTITIES[grain]
    if "case_no" not in entity.names:
        return f"CREATE TEMP VIEW v_{grain} AS SELECT * FROM fact_{grain}"  # noqa: S608 names of ours
    case = ", ".join(f"c.{name[5:]} AS {name}" for name in _case_columns(entity.names))
    join = "JOIN" if entity.column("case_no").strict else "LEFT JOIN"
    return f"CREATE TEMP VIEW v_{grain} AS SELECT t.*, {case} FROM fact_{grain} t {join} v_case c USING (case_no)"  # noqa: S608


LINK_VIEW_SQL = """
CREATE TEMP TABLE v_link AS
SELECT DISTINCT case_no, other_case_no FROM (
  SELECT from_case_no AS case_no, to_case_no AS other_case_no FROM fact_case_link
  UNION ALL
  SELECT to_case_no, from_case_no FROM fact_case_link
) WHERE case_no <> other_case_no
"""
"""Links between cases, in both directions, each pair once."""


_OWN_TEAM = """EXISTS (SELECT 1 FROM fact_participation p WHERE p.case_no = c.case_no
    AND p.person_key IS NOT NULL AND coalesce(p.handling_form, '') <> 'co_handling')"""

TAKES_PART = f"""
SELECT case_no, person_key, role, share FROM fact_participation WHERE person_key IS NOT NULL
UNION ALL
SELECT c.case_no, m.person_key, m.role, NULL
FROM fact_case c JOIN fact_handling_unit_member m ON m.handling_unit_key = c.handling_unit_key
WHERE NOT {_OWN_TEAM}
UNION ALL
SELECT c.case_no, c.handler_key, 'quota_prosecutor', NULL FROM fact_case c
WHERE c.handler_key IS NOT NULL AND NOT {_OWN_TEAM}
  AND NOT EXISTS (SELECT 1 FROM fact_handling_unit_member m WHERE m.handling_unit_key = c.handling_unit_key)
"""  # noqa: S608 only names of ours
"""Who takes part in a case: whom its own records name; where they name nobody but co-handlers, the members of its
handling unit as well; where that has none, its handler. Columns: case_no, person_key, role, share."""


CHAIN_VIEW_SQL = """
CREATE TEMP TABLE v_chain AS
WITH RECURSIVE reached AS (
  SELECT case_no, other_case_no FROM v_link
  UNION
  SELECT r.case_no, l.other_case_no FROM reached r JOIN v_link l ON l.case_no = r.other_case_no
)
SELECT case_no, other_case_no FROM reached WHERE case_no <> other_case_no
"""
"""Cases that links of any number lead to, in both directions, each pair once; ``v_link`` must be there."""

CODE_TREE_SQL = """
CREATE TEMP TABLE v_code_tree AS
WITH RECURSIVE above AS (
  SELECT catalogue, code, code AS ancestor FROM fact_code
  UNION
  SELECT a.catalogue, a.code, f.parent AS ancestor
  FROM above a JOIN fact_code f ON f.catalogue = a.catalogue AND f.code = a.ancestor
  WHERE f.parent IS NOT NULL AND f.parent <> ''
)
SELECT catalogue, code, ancestor FROM above
"""
"""Every code with itself and all above it; a circle of parents ends where it began."""


def held_sql() -> str:
    """Return the select of what each person's posting says, on spans of days that never overlap.

    Columns: person_key, since, until (the day after the last; a day in the year 9999 where it lasts),
    unit_code, department_key, role, post_level, staff_class. Where two postings hold on a day, the one begun
    later wins, of those begun on one day the one whose key comes first.
    """
    return """
WITH edge AS (
  SELECT person_key, valid_from AS day FROM fact_posting
  UNION
  SELECT person_key, valid_to + 1 AS day FROM fact_posting WHERE valid_to IS NOT NULL
),
span AS (
  SELECT person_key, day AS since,
    coalesce(lead(day) OVER (PARTITION BY person_key ORDER BY day), CAST('9999-12-31' AS DATE)) AS until
  FROM edge
),
ranked AS (
  SELECT s.person_key, s.since, s.until, p.unit_code, p.department_key, p.role, p.post_level, p.staff_class,
    row_number() OVER (PARTITION BY s.person_key, s.since ORDER BY p.valid_from DESC, p.posting_key) AS place
  FROM span s JOIN fact_posting p ON p.person_key = s.person_key
    AND p.valid_from <= s.since AND (p.valid_to IS NULL OR p.valid_to >= s.since)
)
SELECT person_key, since, until, unit_code, department_key, role, post_level, staff_class
FROM ranked WHERE place = 1
"""


def other_views_sql() -> tuple[str, ...]:
    """Return the statements that make the view of every other grain; ``v_case`` must be there."""
    return (LINK_VIEW_SQL, *(grain_view_sql(grain) for grain in GRAINS if grain != "case"))


def optional_views_sql(uses: Collection[str]) -> tuple[str, ...]:
    """Return the statements that make what only some conditions use; the other views must be there.

    ``code`` reads ``fact_code``. The table ``workday`` is made by the caller, from a working calendar.
    """
    made = {
        "chain": CHAIN_VIEW_SQL,
        "code": CODE_TREE_SQL,
        "posting": f"CREATE TEMP TABLE v_posting AS {held_sql()}",
    }
    return tuple(statement for name, statement in made.items() if name in uses)


def uses(*statements: str) -> frozenset[str]:
    """Return which of :data:`OPTIONAL` statements speak of; a chain is made of links."""
    told = " ".join(statements)
    found = {name for name, word in OPTIONAL.items() if re.search(rf"\b{word}\b", told)}
    return frozenset(found | ({"link"} if "chain" in found else set()))
