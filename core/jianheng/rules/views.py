"""Fact views: what a condition may speak of, per grain, and the SQL that makes them from facts.

A view has one row per key of its grain, whatever it is joined with: every join is on a unique key,
so a case with three suspects stays one case.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from jianheng.facts.entities import ENTITIES
from jianheng.facts.entity import Entity

Grain = Literal["case", "document", "approval", "event", "declaration", "suspect", "personnel_record"]
"""What can be counted: 件, 份, 次, 次, 项, 人, 项."""

GRAINS: tuple[str, ...] = get_args(Grain)

CASE_DERIVED = {
    "closed_on": "办结日期(按本政策口径)",
    "suspect_count": "嫌疑人数",
    "document_count": "文书数",
    "archive_accepted_on": "全部卷宗验收入库的日期",
    "result_code": "处理结果代码",
}
"""Columns of the case view that are computed, with their Chinese names."""

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
)
"""Entities of a case that views read; all but the case itself hang on ``case_no``."""

PERSONAL = ("person", "posting", "personnel_record")
"""Entities of people that views and attribution read."""


@dataclass(frozen=True, slots=True)
class View:
    """A fact view: its table name, its key, and the columns a condition may use."""

    name: str
    grain: str
    key: str
    columns: tuple[str, ...]


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


def plain_case() -> View:
    """Return the case without what is computed: what the closing rule may speak of, since it comes first."""
    entity = ENTITIES["case"]
    return View("fact_case", "case", entity.key.name, entity.names)


def _case_columns(own: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names under which a case's columns appear beside another grain's own."""
    case = (*ENTITIES["case"].names[1:], *CASE_DERIVED)
    return tuple(f"case_{name}" for name in case if f"case_{name}" not in own)


def case_view_sql(closing: str) -> str:
    """Return the statement that makes ``v_case``; ``closing`` is a checked expression over ``t``."""
    return f"""
CREATE TEMP TABLE v_case AS
WITH suspects AS (SELECT case_no, count(*) AS n FROM fact_suspect GROUP BY case_no),
documents AS (SELECT case_no, count(*) AS n FROM fact_document GROUP BY case_no),
volumes AS (
  SELECT case_no, max(accepted_on) AS accepted_on
  FROM fact_archive_volume GROUP BY case_no
  HAVING bool_and(state = 'accepted' AND accepted_on IS NOT NULL)
),
outcomes AS (SELECT case_no, min(result_code) AS result_code FROM fact_case_outcome GROUP BY case_no)
SELECT t.*, ({closing}) AS closed_on,
  coalesce(s.n, 0) AS suspect_count, coalesce(d.n, 0) AS document_count,
  v.accepted_on AS archive_accepted_on, o.result_code
FROM fact_case t
LEFT JOIN suspects s USING (case_no) LEFT JOIN documents d USING (case_no)
LEFT JOIN volumes v USING (case_no) LEFT JOIN outcomes o USING (case_no)
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
