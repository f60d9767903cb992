"""The kernel: facts and a policy in, the ledger out. Pure: no clock, network, randomness or order.

One set-at-a-time plan on DuckDB over Arrow tables. Points are integers of 0.001 point; the only
roundings are the coefficient (half up) and the split of a team's item, which gives every member the
difference of two cumulative shares, so that the parts always sum to the whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from jianheng.errors import StopError
from jianheng.facts.entities import ENTITIES
from jianheng.rules.views import GRAINS, LINK_VIEW_SQL, NEEDED, PERSONAL, case_view_sql, grain_view_sql
from jianheng.scoring import plan_tables
from jianheng.scoring.period import Period
from jianheng.scoring.plan import LEDGER_SQL, STEPS
from jianheng.scoring.policy import Policy
from jianheng.store.bulk import arrow_type
from jianheng.store.tables import FACTS

FACT_ENTITIES = (*NEEDED, *PERSONAL)
"""Every entity the kernel reads."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """What the kernel found.

    Attributes:
        ledger: one row per counted item and subject (``LEDGER_COLUMNS``), sorted.
        cases: how many cases were looked at.
    """

    ledger: pa.Table
    cases: int


def score(
    facts: Mapping[str, pa.Table],
    policy: Policy,
    period: Period,
    units: Sequence[str],
    source_order: Sequence[str] = (),
) -> Scoring:
    """Apply a policy to the facts of some cases.

    Args:
        facts: current facts by entity name; what is missing is taken for empty.
        policy: the law.
        period: the window that items must fall into.
        units: unit codes whose people are scored.
        source_order: where two sources tell of the same record, the earlier one wins per column.

    Raises:
        StopError: the period begins before the policy is in force, or a rule failed or multiplied.
    """
    if period.start < policy.file.since:
        raise StopError("policy-not-in-force", policy=policy.id, since=policy.file.since, period=period.id)
    with duckdb.connect() as engine:
        engine.execute("SET threads = 2")
        engine.execute("SET TimeZone = 'Asia/Shanghai'")
        _load_facts(engine, facts, source_order)
        _load_policy(engine, policy, units)
        _make_items(engine, policy, period)
        for statement in STEPS:
            engine.execute(statement)
        ledger = engine.sql(LEDGER_SQL).to_arrow_table()
        cases = engine.execute("SELECT count(*) FROM fact_case").fetchone()
    return Scoring(ledger, cases[0] if cases else 0)


@contextmanager
def _rule(policy: Policy, rule: str) -> Iterator[None]:
    """Name the rule that fails: that it compares unlike things shows only when it meets the facts."""
    try:
        yield
    except duckdb.Error as error:
        told = str(error).strip().splitlines()[0]
        raise StopError("score-rule-failed", policy=policy.id, rule=rule, told=told) from None


def case_states(facts: Mapping[str, pa.Table], policy: Policy, source_order: Sequence[str] = ()) -> pa.Table:
    """Return how each case stands under a policy: when it closed by its rule, when it was archived, whether it is due.

    Columns: case_no, unit_code, handler_key, category, accepted_on, closed_on, archive_accepted_on, due.
    """
    with duckdb.connect() as engine:
        _load_facts(engine, facts, source_order)
        with _rule(policy, "closing"):
            engine.execute(case_view_sql(policy.closing_sql))
        engine.execute(LINK_VIEW_SQL)
        with _rule(policy, "due_for_archive"):
            return engine.sql(
                "SELECT case_no, unit_code, coalesce(handler_key, '') AS handler_key, category, accepted_on,"
                f" CAST(closed_on AS DATE) AS closed_on, archive_accepted_on, coalesce(({policy.due_sql or 'false'}), false) AS due"
                " FROM v_case t ORDER BY case_no"
            ).to_arrow_table()


def _empty(entity: str) -> pa.Table:
    table = FACTS[entity]
    names = ("source", *ENTITIES[entity].names, "content_hash", "locator")
    return pa.table({name: pa.array([], arrow_type(table.c[name])) for name in names})


def _load_facts(
    engine: duckdb.DuckDBPyConnection, facts: Mapping[str, pa.Table], source_order: Sequence[str]
) -> None:
    order = {name: position for position, name in enumerate(source_order)}
    for entity in FACT_ENTITIES:
        table = facts.get(entity)
        table = _empty(entity) if table is None else table
        engine.register("arriving", table)
        sources = [str(row[0]) for row in engine.execute("SELECT DISTINCT source FROM arriving").fetchall()]
        if len(sources) < 2:  # noqa: PLR2004 the usual case: nothing to merge
            engine.execute(
                f"CREATE TEMP TABLE fact_{entity} AS SELECT * EXCLUDE (source, locator) FROM arriving"
            )
        else:
            engine.execute(_merge_sql(entity, sorted(sources, key=lambda name: (order.get(name, 999), name))))
        engine.unregister("arriving")


def _merge_sql(entity: str, sources: Sequence[str]) -> str:
    """One row per key: per column the first value that any source has, in the order of sources."""
    key = ENTITIES[entity].key.name
    rank = (
        "list_position([" + ", ".join("'" + name.replace("'", "''") + "'" for name in sources) + "], source)"
    )
    others = [name for name in ENTITIES[entity].names if name != key]
    picked = ", ".join(
        f"first({name} ORDER BY {rank}) FILTER (WHERE {name} IS NOT NULL) AS {name}" for name in others
    )
    hashes = f"md5(string_agg(content_hash, '|' ORDER BY {rank})) AS content_hash"
    columns = f"{key}, {picked}, {hashes}" if picked else f"{key}, {hashes}"
    return f"CREATE TEMP TABLE fact_{entity} AS SELECT {columns} FROM arriving GROUP BY {key}"


def _load_policy(engine: duckdb.DuckDBPyConnection, policy: Policy, units: Sequence[str]) -> None:
    for name, table in plan_tables.tables(policy).items():
        engine.register("arriving", table)
        engine.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM arriving")
        engine.unregister("arriving")
    engine.execute(
        "CREATE TEMP TABLE scope_unit AS SELECT unnest($units) AS unit_code", {"units": list(units)}
    )
    with _rule(policy, "closing"):
        engine.execute(case_view_sql(policy.closing_sql))
    engine.execute(LINK_VIEW_SQL)
    for grain in GRAINS:
        if grain != "case":
            engine.execute(grain_view_sql(grain))
    with _rule(policy, "gate.final_when"):
        engine.execute(
            f"CREATE TEMP TABLE case_gate AS SELECT case_no, coalesce(({policy.gate_sql}), false) AS final FROM v_case t"
        )
    engine.execute("CREATE TEMP TABLE special_case (case_no VARCHAR, coefficient_id VARCHAR)")
    for each in policy.coefficients:
        if each.when_sql:
            with _rule(policy, f"coefficients {each.id}"):
                engine.execute(
                    f"INSERT INTO special_case SELECT case_no, $id FROM v_case t WHERE ({each.when_sql})",
                    {"id": each.id},
                )
        if each.declared:
            engine.execute(
                "INSERT INTO special_case SELECT DISTINCT case_no, $id FROM fact_declaration"
                " WHERE kind = $kind AND decision = 'approved'",
                {"id": each.id, "kind": each.declared},
            )


def _make_items(engine: duckdb.DuckDBPyConnection, policy: Policy, period: Period) -> None:
    window = {"start": period.start, "end": period.end}
    engine.execute(
        "CREATE TEMP TABLE item (measure VARCHAR, item_kind VARCHAR, item_key VARCHAR, case_no VARCHAR, category VARCHAR,"
        " code VARCHAR, item_label VARCHAR, day DATE, actor VARCHAR, fact_hash VARCHAR)"
    )
    for name in sorted(policy.measure_sql):
        with _rule(policy, name):
            engine.execute(f"INSERT INTO item {policy.measure_sql[name]}", window)
    twice = engine.execute(
        "SELECT measure, item_key, count(*) FROM item GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
    ).fetchone()
    if twice is not None:
        raise StopError("measure-multiplies", measure=twice[0], key=twice[1], times=twice[2])
