"""Worked examples beside a policy: small worlds that law people write, and what they must give.

An example names its people and facts under the canonical names; keys and the unit may be left out.
It states totals in points per person, and may state single entries. The facts go through the same
checks as synced ones, so a misspelt column is an error here too.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from jianheng.errors import JianhengError, Problem, problem
from jianheng.facts.convert import Fact, Reject, convert
from jianheng.facts.entities import ENTITIES
from jianheng.scoring.kernel import FACT_ENTITIES, score
from jianheng.scoring.period import period
from jianheng.scoring.points import shown
from jianheng.scoring.policy import Policy
from jianheng.scoring.reading import build, read_toml
from jianheng.store.bulk import arrow_type
from jianheng.store.tables import FACTS

UNIT = "990101"
"""The made-up unit of every example."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExpectedEntry(_Strict):
    """One entry that must be there: everything stated must hold."""

    person: str
    rule: str
    points: Decimal | None = None
    withheld: Decimal | None = None
    state: str | None = None
    reason: str | None = None


class Example(_Strict):
    """One worked example."""

    name: str
    period: str
    cite: str = ""
    people: dict[str, dict[str, Any]] = Field(min_length=1)
    facts: dict[str, list[dict[str, Any]]]
    points: dict[str, Decimal] = {}
    final: dict[str, Decimal] = {}
    entries: tuple[ExpectedEntry, ...] = ()


class ExampleFile(_Strict):
    """One file of examples."""

    example: tuple[Example, ...] = Field(min_length=1)


def check_examples(policy: Policy) -> tuple[int, list[Problem]]:
    """Run every example of a policy; return how many there are and everything that does not hold."""
    count = 0
    found: list[Problem] = []
    for path in sorted((policy.folder / "examples").glob("*.toml")):
        where = f"{policy.folder.name}/examples/{path.name}"
        data = read_toml(path, where)
        if isinstance(data, Problem):
            found.append(data)
            continue
        file = build(ExampleFile, data, where)
        if isinstance(file, list):
            found += file
            continue
        for example in file.example:
            count += 1
            found += _run(policy, example, f"{where} 「{example.name}」")
    if count == 0:
        found.append(problem("example-none", policy=policy.id))
    return count, found


def _run(policy: Policy, example: Example, where: str) -> list[Problem]:
    facts, problems = _facts(example, where)
    if problems:
        return problems
    try:
        result = score(facts, policy, period(example.period), [UNIT])
    except JianhengError as error:
        return [problem("example-stopped", where=where, told=error.problem.message().what)]
    lines = [line for line in result.ledger.to_pylist() if line["rule_id"] != "-"]
    found: list[Problem] = []
    for stated, states in ((example.points, ("final", "provisional")), (example.final, ("final",))):
        for person, wanted in stated.items():
            got = sum(
                line["points"] for line in lines if line["person_key"] == person and line["state"] in states
            )
            if got != wanted * 1000:
                entries = "; ".join(_told(line) for line in lines if line["person_key"] == person) or "—"
                found.append(
                    problem(
                        "example-differs",
                        where=where,
                        person=person,
                        wanted=wanted,
                        got=shown(got),
                        entries=entries,
                    )
                )
    for entry in example.entries:
        if not any(_meets(entry, line) for line in lines):
            told = "; ".join(_told(line) for line in lines if line["person_key"] == entry.person) or "—"
            wanted_entry = entry.model_dump(mode="json", exclude_none=True)
            found.append(problem("example-entry-missing", where=where, wanted=wanted_entry, entries=told))
    return found


def _meets(entry: ExpectedEntry, line: Mapping[str, Any]) -> bool:
    if (line["person_key"], line["rule_id"]) != (entry.person, entry.rule):
        return False
    numbers = ((entry.points, line["points"]), (entry.withheld, line["withheld"]))
    if any(wanted is not None and wanted * 1000 != got for wanted, got in numbers):
        return False
    texts = ((entry.state, line["state"]), (entry.reason, line["reason"]))
    return all(wanted is None or wanted == got for wanted, got in texts)


def _told(line: Mapping[str, Any]) -> str:
    reason = f" ({line['reason']})" if line["reason"] else ""
    return f"{line['rule_id']} {shown(line['points'])} {line['state']}{reason}"


def _facts(example: Example, where: str) -> tuple[dict[str, pa.Table], list[Problem]]:
    rows: dict[str, list[dict[str, Any]]] = {"person": [], "posting": []}
    for name, told in example.people.items():
        rows["person"].append(
            {"person_key": name, "unit_code": told.get("unit_code", UNIT), "staff_no": name}
        )
        posting = {"posting_key": name, "person_key": name, "unit_code": UNIT, "valid_from": "2000-01-01"}
        rows["posting"].append(posting | told)
    problems = [
        problem("example-unknown-entity", where=where, name=name, known="、".join(FACT_ENTITIES))
        for name in example.facts
        if name not in FACT_ENTITIES
    ]
    for name, given in example.facts.items():
        rows.setdefault(name, []).extend(given)
    tables: dict[str, pa.Table] = {}
    for name in FACT_ENTITIES:
        tables[name], faults = _table(name, rows.get(name, []), where)
        problems += faults
    return tables, problems


def _table(name: str, rows: list[dict[str, Any]], where: str) -> tuple[pa.Table, list[Problem]]:
    entity = ENTITIES[name]
    facts: list[Fact] = []
    problems: list[Problem] = []
    for number, row in enumerate(rows, start=1):
        filled = {entity.key.name: f"{name}-{number}", "_locator": f"{where} {name} {number}"}
        if "unit_code" in entity.names:
            filled["unit_code"] = UNIT
        fact = convert(entity, filled | row)
        if isinstance(fact, Reject):
            problems += fact.problems
        else:
            facts.append(fact)
    columns = list(zip(*(fact.values for fact in facts), strict=True)) if facts else [()] * len(entity.names)
    kinds = [arrow_type(FACTS[name].c[column]) for column in entity.names]
    table = {
        column: pa.array(list(values), kind)
        for column, values, kind in zip(entity.names, columns, kinds, strict=True)
    }
    fixed = {
        "source": ["example"] * len(facts),
        "content_hash": [fact.content_hash for fact in facts],
        "locator": [fact.locator for fact in facts],
    }
    return pa.table(table | {key: pa.array(values, pa.string()) for key, values in fixed.items()}), problems
