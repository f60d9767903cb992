"""A policy as a program: the named selects that lead from facts to the ledger, in order.

Every step is one select over what came before, so that any engine that has the facts and the policy's
tables under their names can run it: as tables and views of a database, or as frames of a cluster.
"""

# ruff: noqa: S608 every name in these statements is ours, and every expression was checked

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import pyarrow as pa

from jianheng.facts.entities import ENTITIES
from jianheng.rules.measure import ITEM_COLUMNS, team_sql
from jianheng.rules.views import COUNTED, case_view_sql, optional_views_sql, other_views_sql
from jianheng.scoring.kernel import plan, plan_tables
from jianheng.scoring.kernel.horizon import horizon
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Known, Policy

_CREATE = re.compile(r"\s*CREATE TEMP (?P<kind>TABLE|VIEW) (?P<name>\w+) AS\s(?P<select>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Step:
    """One named select.

    Attributes:
        name: what later steps call it.
        select: the statement, in DuckDB's words.
        kept: whether its rows are written down (a table), or it is only a name (a view).
        rules: for steps that hold expressions of the policy: the rule's name and the select of it alone, so
            that a rule that fails can be found.
    """

    name: str
    select: str
    kept: bool = True
    rules: tuple[tuple[str, str], ...] = ()


def step_of(statement: str) -> Step:
    """Return a statement ``CREATE TEMP TABLE|VIEW name AS select`` as a step."""
    match = _CREATE.fullmatch(statement)
    assert match is not None, statement  # noqa: S101 ours, and wrong only when we write it wrong
    return Step(match["name"], match["select"], match["kind"] == "TABLE")


@lru_cache(maxsize=64)
def _fixed(known: Known) -> tuple[tuple[Step, ...], tuple[Step, ...], tuple[Step, ...]]:
    policy = known.policy
    pricing, settling = plan.steps(policy)
    return (
        (*_views(policy), *_cases(policy)),
        tuple(map(step_of, pricing)),
        tuple(map(step_of, settling)),
    )


def tables(policy: Policy) -> Mapping[str, pa.Table]:
    """Return the policy's own tables, by the names that the steps know them by."""
    return _tables(Known(policy))


@lru_cache(maxsize=64)
def _tables(known: Known) -> Mapping[str, pa.Table]:
    return plan_tables.tables(known.policy)


def views(policy: Policy) -> tuple[Step, ...]:
    """Return the steps that make the fact views, and how each case stands with factors and gates."""
    return _fixed(Known(policy))[0]


def pricing(policy: Policy, period: Period, *, some: bool = False) -> tuple[Step, ...]:
    """Return the steps from the views to ``line``; with ``some``, only of the cases in ``scored_case``."""
    return (_counted(policy, period, some=some), _ITEM, *_fixed(Known(policy))[1])


def settling(policy: Policy, period: Period) -> tuple[Step, ...]:
    """Return the steps from ``line`` and ``carried`` to ``ledger``."""
    start = f"CAST('{period.start}' AS DATE)"
    steps = _fixed(Known(policy))[2]
    return tuple(replace(step, select=step.select.replace("$start", start)) for step in steps)


SPOTS = """
SELECT DISTINCT l.person_key, r.rule_id, l.day FROM line l JOIN rule_text r ON r.rule_no = l.rule_no WHERE l.reason_no = 0
"""
"""Where the lines that count stand among caps: whose, by which rule, on which day."""

BADLY_SPLIT = """
SELECT measure_no, item_key, sum(due), max(worth) FROM line WHERE worth IS NOT NULL
GROUP BY measure_no, item_key, rule_no HAVING sum(due) <> max(worth) OR min(worth) <> max(worth) ORDER BY 1, 2 LIMIT 1
"""
"""An item whose parts do not sum to what it is worth under its rule, where a team shares anything."""

_ITEM = Step("item", "SELECT * FROM counted", kept=False)


def facts_in(policy: Policy) -> list[str]:
    """Return the entities whose facts a policy's program reads."""
    selects = [step.select for part in _fixed(Known(policy)) for step in part]
    told = " ".join((*selects, *policy.measure_sql.values(), policy.due_sql or "", "fact_case"))
    return sorted({name for name in re.findall(r"\bfact_(\w+)", told) if name in ENTITIES})


def _views(policy: Policy) -> list[Step]:
    conditions = [
        *policy.measure_sql.values(),
        *(each.sql for each in policy.gates),
        *(plan.choice_sql(each) for each in policy.factors),
        policy.due_sql or "",
        "v_link" if "link" in policy.uses else "",
    ]
    spoken = set(re.findall(r"\bv_\w+", " ".join(conditions)))
    closing = f"SELECT ({policy.closing_sql}) FROM fact_case t"
    told = " ".join(conditions)
    case = step_of(case_view_sql(policy.closing_sql, [name for name in COUNTED if name in told]))
    made = [step_of(each) for each in optional_views_sql(policy.uses & {"code"} | {"posting"})]
    made.append(Step(case.name, case.select, case.kept, (("closing", closing),)))
    made += [step for step in map(step_of, other_views_sql()) if step.name in spoken]
    return made + [step_of(each) for each in optional_views_sql(policy.uses & {"chain"})]


def _cases(policy: Policy) -> list[Step]:
    """Note on each case the choices of factors that hold for it, and which sets of gates it passes."""
    over_case = [each for each in policy.factors if each.over == "case"]
    patterns, _ = plan_tables.gate_patterns(policy)
    columns = [f"{plan.choice_sql(each)} AS factor_{each.id}" for each in over_case]
    for number, gates in enumerate(patterns):
        passed = " AND ".join(f"coalesce(({policy.gates[each].sql}), false)" for each in gates)
        columns.append(f"{passed} AS final_{number}")
    if not columns:
        return []
    rules = [
        (f"factors {each.id} {choice.id}", f"SELECT ({choice.when_sql}) FROM v_case t")
        for each in over_case
        for choice in each.choices
        if choice.when_sql
    ]
    rules += [(f"gates {each.id}", f"SELECT ({each.sql}) FROM v_case t") for each in policy.gates]
    return [Step("case_row", f"SELECT case_no, {', '.join(columns)} FROM v_case t", rules=tuple(rules))]


def _counted(policy: Policy, period: Period, *, some: bool) -> Step:
    """Everything that any measure counts, from its horizon to the period's end.

    Written down where it is little, so that what reads it is planned once; where it is much, never.
    """
    factors = [f"factor_{each.id}" for each in policy.factors if each.over == "item"]
    columns = ", ".join((*ITEM_COLUMNS, *factors))
    where = " WHERE case_no IN (SELECT case_no FROM scored_case)" if some else ""
    parts, rules = [], []
    for name, number in plan_tables.measure_numbers(policy).items():
        start = f"DATE '{horizon(policy, name, period)}'"
        select = policy.measure_sql[name].replace("$start", start).replace("$end", f"DATE '{period.end}'")
        team = team_sql(policy.measures[name], "day")
        parts.append(f"SELECT {number} AS measure_no, {team} AS team, {columns} FROM ({select}) m{where}")
        rules.append((name, select))
    return Step("counted", " UNION ALL ".join(parts), kept=some, rules=tuple(rules))
