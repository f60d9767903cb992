"""Looking at measures by themselves: whether they fit a site's codes, what they compile to, what they count."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
import sqlglot

from jianheng.errors import FaultsError, Problem, StopError
from jianheng.facts.entities import ENTITIES
from jianheng.rules.expression import Context
from jianheng.rules.measure import Measure, compile_measure, team_sql
from jianheng.rules.views import TAKES_PART, uses
from jianheng.scoring.kernel.score import open_world, rule
from jianheng.scoring.law.parameters import resolve
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.law.reading import unknown
from jianheng.store import fact_versions


@dataclass(frozen=True, slots=True)
class Counted:
    """One item that a measure counts.

    Attributes:
        item: what the measure tells of it (``rules.measure.ITEM_COLUMNS``).
        people: the keys of those it counts for, with their names: the actor, or all who take part in the case.
        fact: what the source's record says, blank columns left out.
        record: where that record stands: ``source`` and ``locator`` of each source that tells of it.
    """

    item: Mapping[str, Any]
    people: tuple[tuple[str, str], ...]
    fact: Mapping[str, Any]
    record: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class Count:
    """What a measure counts in a period: all of it as numbers, the first of it one by one."""

    items: int
    quantity: int
    shown: tuple[Counted, ...]


def measure_of(policy: Policy, name: str) -> Measure:
    """Return a measure by name.

    Raises:
        FaultsError: the policy has none of that name.
    """
    if name not in policy.measures:
        raise FaultsError([unknown(name, policy.measures, policy.id, "measure")])
    return policy.measures[name]


def site_catalogues(connection: sa.Connection, office: str) -> dict[str, frozenset[str]]:
    """Return the codes of each catalogue that the site's own systems have told of."""
    rows = (
        fact_versions.read_current(connection, ENTITIES["code"], office)
        .select(["catalogue", "code"])
        .to_pylist()
    )
    return {
        name: frozenset(row["code"] for row in rows if row["catalogue"] == name)
        for name in {row["catalogue"] for row in rows}
    }


def check_codes(
    policy: Policy, names: Sequence[str], catalogues: Mapping[str, frozenset[str]]
) -> list[Problem]:
    """Return every code that measures name and a site's catalogues do not have."""
    spans = {
        name: [(span.since, span.until, span.value) for span in resolve(policy.layers, name)]
        for layer in policy.layers
        for name in layer.declarations
    }
    context = Context(spans, None, catalogues, policy.file.since)
    found: list[Problem] = []
    for name in names:
        done = compile_measure(name, measure_of(policy, name), f"{policy.id}/measures.toml", context)
        found += done if isinstance(done, list) else []
    return found


def plan_of(policy: Policy, name: str) -> dict[str, Any]:
    """Return what a measure compiles to: its statement, the tables it needs besides facts, the engine's plan.

    Raises:
        StopError: the engine refuses the statement, for instance because it compares unlike things.
    """
    measure_of(policy, name)
    sql = policy.measure_sql[name]
    window = {"start": policy.file.since, "end": dt.date.max}
    with open_world({}, policy) as engine, rule(policy, name):
        # Without facts the engine would see that nothing can come of it, and show no plan at all.
        engine.execute("SET disabled_optimizers = 'statistics_propagation, empty_result_pullup'")
        explained = engine.execute(f"EXPLAIN {sql}", window).fetchall()
    return {
        "sql": sqlglot.transpile(sql, read="duckdb", write="duckdb", pretty=True)[0],
        "uses": sorted(uses(sql)),
        "plan": "\n".join(str(row[-1]) for row in explained).strip(),
    }


def count(
    facts: Mapping[str, pa.Table],
    policy: Policy,
    name: str,
    period: Period,
    source_order: Sequence[str] = (),
    limit: int | None = None,
) -> Count:
    """Return what a measure counts in a period, the items in the order of their days.

    Args:
        facts: current facts by entity name.
        policy: the law.
        name: the measure.
        period: the window that items must fall into.
        source_order: where two sources tell of the same record, the earlier one wins per column.
        limit: how many items are shown one by one; all when None.

    Raises:
        StopError: there is no such measure, the period begins before the policy, or the rule failed.
    """
    measure = measure_of(policy, name)
    if period.start < policy.file.since:
        raise StopError("policy-not-in-force", policy=policy.id, since=policy.file.since, period=period.id)
    most = "" if limit is None else f" LIMIT {limit:d}"
    with open_world(facts, policy, source_order) as engine:
        team = team_sql(measure, "i.day")
        window = {"start": period.start, "end": period.end}
        counted = f"SELECT i.*, {team} AS team FROM ({policy.measure_sql[name]}) i"  # noqa: S608 checked before
        with rule(policy, name):
            engine.execute(f"CREATE TEMP TABLE counted AS {counted}", window)
        (total,) = engine.execute("SELECT count(*), coalesce(sum(quantity), 0) FROM counted").fetchall()
        ordered = f"SELECT * FROM counted ORDER BY day, item_key{most}"  # noqa: S608 a number of ours
        items = engine.sql(ordered).to_arrow_table().to_pylist()
        members = _members(engine)
    names = _names(facts)
    records = _records(facts.get(measure.grain), ENTITIES[measure.grain].key.name, source_order)
    shown = []
    for item in items:
        keys = (
            members.get(item["case_no"], []) if item.pop("team") else [item["actor"]] if item["actor"] else []
        )
        people = tuple((key, names.get(key, "")) for key in keys)
        found = records(item["item_key"])
        shown.append(Counted(item, people, _merged(found, measure.grain), tuple(_places(found))))
    return Count(int(total[0]), int(total[1]), tuple(shown))


def _members(engine: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Return who takes part in each case that counts."""
    rows = engine.execute(
        f"SELECT DISTINCT case_no, person_key FROM ({TAKES_PART}) named"  # noqa: S608 names of ours
        " WHERE case_no IN (SELECT case_no FROM counted) ORDER BY ALL"
    ).fetchall()
    members: dict[str, list[str]] = {}
    for case_no, person in rows:
        members.setdefault(str(case_no), []).append(str(person))
    return members


def _names(facts: Mapping[str, pa.Table]) -> dict[str, str]:
    people = facts.get("person")
    rows = [] if people is None else people.select(["person_key", "name"]).to_pylist()
    return {row["person_key"]: row["name"] for row in rows if row["name"]}


_Rows = list[dict[str, Any]]


def _records(table: pa.Table | None, key: str, source_order: Sequence[str]) -> Callable[[str], _Rows]:
    """Return what finds the records of a key, those of the more trusted source first."""
    order = {name: place for place, name in enumerate(source_order)}

    def find(wanted: str) -> _Rows:
        rows: _Rows = [] if table is None else table.filter(pc.equal(table[key], wanted)).to_pylist()
        return sorted(rows, key=lambda row: (order.get(row["source"], len(order)), row["source"]))

    return find


def _merged(rows: _Rows, grain: str) -> dict[str, Any]:
    """Return what is told of an item: per column the first that anybody tells."""
    told = {
        name: next((row[name] for row in rows if row[name] is not None), None)
        for name in ENTITIES[grain].names
    }
    return {name: value for name, value in told.items() if value is not None}


def _places(rows: _Rows) -> Iterator[dict[str, str]]:
    for row in rows:
        yield {"source": row["source"], "locator": row["locator"] or ""}
