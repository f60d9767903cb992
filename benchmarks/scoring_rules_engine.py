"""The kernel against a rules engine asked row by row: zen-engine with the same decision table, at 100,000 facts.

Run as ``python -m benchmarks.scoring_rules_engine [--facts N]``; it needs the dependency group ``bench``. The
engine is asked for every counted item and person which rule holds and what it gives; ours joins its table
with the same rows. Rule and points must be equal on every row. Ratio: the engine's time, one row after the
other, over the join's. Told beside it: the whole kernel from facts to ledger, most of which (views, factors, shares,
caps, sums) the engine cannot do, and the engine's batch call, which spreads rows over threads.
"""

import argparse
import importlib.util
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks.scoring_law import rules, write_pack
from benchmarks.scoring_world import count, facts_of, world_of
from jianheng.scoring.kernel.plan_tables import measure_numbers, tables
from jianheng.scoring.kernel.score import score
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import Policy, load_policy

TARGET = 100.0
_INPUTS = ("measure", "code", "category", "role")

# What the decision table is asked: each line's measure, code, case category, and role (a sheet has its role's name).
_ROWS = """
SELECT l.measure, CASE WHEN l.item_kind = 'case' THEN '' ELSE coalesce(d.template_code, a.template_code) END AS code,
  c.category, l.sheet AS role, l.rule_id, l.unit_points
FROM ledger l JOIN "case" c ON c.case_no = l.case_no
LEFT JOIN document d ON d.document_key = l.item_key LEFT JOIN approval a ON a.approval_key = l.item_key
WHERE l.sheet <> ''
"""


def asked_rows(facts: Mapping[str, pa.Table], ledger: pa.Table) -> list[dict[str, Any]]:
    """Return what the decision table was asked for each line, and what the kernel found."""
    with duckdb.connect() as engine:
        for name in ("case", "document", "approval"):
            engine.register(name, facts[name])
        engine.register("ledger", ledger)
        return engine.sql(_ROWS).to_arrow_table().to_pylist()


# As the kernel does it: the table meets the few combinations there are, and these meet the rows.
_JOINED = """
WITH combination AS (SELECT DISTINCT measure, code, category, role FROM asked),
matched AS (
  SELECT c.measure, c.code, c.category, c.role, t.rule_id, t.unit_points
  FROM combination c JOIN measure m ON m.measure = c.measure
  JOIN rule_row r ON r.measure_no = m.measure_no AND (r.code IS NULL OR r.code = c.code)
    AND (r.category IS NULL OR r.category = c.category) AND (r.role IS NULL OR r.role = c.role)
  JOIN rule_text t ON t.rule_no = r.rule_no
)
SELECT coalesce(m.rule_id, '-') AS rule_id, coalesce(m.unit_points, 0) AS unit_points
FROM asked a LEFT JOIN matched m ON m.measure = a.measure AND m.code = a.code AND m.category = a.category
  AND m.role = a.role
ORDER BY a.row_no
"""


def joined(policy: Policy, rows: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], float]:
    """Return what the kernel's decision table alone says of the rows, and the seconds of its join."""
    numbers = measure_numbers(policy)
    with duckdb.connect() as engine:
        engine.execute("SET threads = 2")
        for name in ("rule_row", "rule_text"):
            engine.register(name, tables(policy)[name])
        asked = {name: [row[name] for row in rows] for name in _INPUTS} | {"row_no": list(range(len(rows)))}
        engine.register("asked", pa.table(asked))
        engine.register("measure", pa.table({"measure": list(numbers), "measure_no": list(numbers.values())}))
        begun = time.perf_counter()
        told = engine.sql(_JOINED).to_arrow_table()
        return told.to_pylist(), time.perf_counter() - begun


def decision() -> dict[str, Any]:
    """Return the decision table in the engine's own form; the first rule that fits holds."""

    def cell(values: Sequence[str]) -> str:
        return ", ".join(json.dumps(each) for each in values)

    table = [
        {
            "_id": each.id,
            "measure": cell([each.measure]),
            "code": cell(each.code),
            "category": cell(each.category),
            "role": cell([each.role] if each.role else []),
            "rule_id": json.dumps(each.id),
            "unit_points": str(each.points),
        }
        for each in rules()
    ]
    columns = [{"id": name, "name": name, "type": "expression", "field": name} for name in _INPUTS]
    outputs = [
        {"id": name, "name": name, "type": "expression", "field": name} for name in ("rule_id", "unit_points")
    ]
    content = {"hitPolicy": "first", "inputs": columns, "outputs": outputs, "rules": table}
    place = {"x": 0, "y": 0}
    return {
        "contentType": "application/vnd.gorules.decision",
        "nodes": [
            {"id": "asked", "type": "inputNode", "name": "asked", "position": place},
            {
                "id": "table",
                "type": "decisionTableNode",
                "name": "table",
                "position": place,
                "content": content,
            },
            {"id": "told", "type": "outputNode", "name": "told", "position": place},
        ],
        "edges": [
            {"id": "in", "sourceId": "asked", "targetId": "table", "type": "edge"},
            {"id": "out", "sourceId": "table", "targetId": "told", "type": "edge"},
        ],
    }


def same(rows: Sequence[Mapping[str, Any]], told: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the engine and the kernel found the same rule and points everywhere."""
    none = {"rule_id": "-", "unit_points": 0}
    return all(
        (row["rule_id"], row["unit_points"])
        == tuple((found or none)[name] for name in ("rule_id", "unit_points"))
        for row, found in zip(rows, told, strict=True)
    )


def main() -> None:
    """Measure both on all rows."""
    if importlib.util.find_spec("zen") is None:
        print("zen-engine is not installed; get it with: pip install --group bench")
        print("bench scoring_rules_engine not measured")
        return
    import zen

    parser = argparse.ArgumentParser()
    parser.add_argument("--facts", type=int, default=100_000)
    world = world_of(parser.parse_args().facts)
    facts = facts_of(world)
    with tempfile.TemporaryDirectory() as name:
        policy = load_policy(write_pack(Path(name, "bench")))
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        ledger = score(facts, policy, period("2025"), world.units).ledger
        taken.append(time.perf_counter() - begun)
    ours = sorted(taken)[2]
    rows = asked_rows(facts, ledger)
    contexts = [{name: row[name] for name in _INPUTS} for row in rows]
    engine = zen.ZenEngine({"loader": {"type": "static", "content": {"law": decision()}}})
    law = engine.get_decision("law")
    law.evaluate(contexts[0])
    begun = time.perf_counter()
    told = [law.evaluate(each)["result"] for each in contexts]
    by_row = time.perf_counter() - begun
    assert same(rows, told), "both must find the same rule and points"
    begun = time.perf_counter()
    batch = engine.evaluate_batch([{"key": "law", "context": each} for each in contexts])
    by_batch = time.perf_counter() - begun
    assert same(rows, [each["data"]["result"] for each in batch]), "both must find the same rule and points"
    ours_told, by_join = joined(policy, rows)
    assert same(rows, ours_told), "both must find the same rule and points"
    print(f"{count(facts):,} facts, {len(rows):,} rows asked of {len(policy.points)} rules")
    print(f"kernel, facts to ledger {ours:.2f} s; its table alone, joined {by_join:.3f} s")
    print(f"engine, table alone: row by row {by_row:.1f} s, batch {by_batch:.2f} s")
    print(f"the engine's table takes {by_row / ours:.0f} times as long as the whole kernel")
    ratio = by_row / by_join
    print(
        f"bench scoring_rules_engine ratio={ratio:.0f} target={TARGET:.0f} {'ok' if ratio >= TARGET else 'short'}"
    )


if __name__ == "__main__":
    main()
