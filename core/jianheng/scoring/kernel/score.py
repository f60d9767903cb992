"""The kernel: facts and a policy in, the ledger out. Pure: no clock, network, randomness or order.

One set-at-a-time plan on DuckDB over Arrow tables. Points are integers of 0.001 point; the only
roundings are the product of an item's factors (half up) and the split of a team's item and of a cap,
where each gets the difference of two cumulative sums, so that the parts always sum to the whole.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa
import pyarrow.compute

from jianheng.errors import StopError
from jianheng.facts.entities import ENTITIES
from jianheng.rules.views import NEEDED, PERSONAL
from jianheng.scoring.kernel import few, plan, plan_ledger, plan_tables, program
from jianheng.scoring.kernel.engine import connection
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy
from jianheng.store.bulk import arrow_type
from jianheng.store.tables import FACTS

FACT_ENTITIES = (*NEEDED, *PERSONAL, "rating", "code")
"""Every entity the kernel reads."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a line stands among caps: whose, by which rule, on which day."""

    person_key: str
    rule_id: str
    day: dt.date


Carry = Callable[[set[Spot]], pa.Table]
"""Given where the lines of some cases stand, returns the lines elsewhere that share a cap with one of them."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """What the kernel found.

    Attributes:
        ledger: one row per counted item and subject: ``entry_id`` and ``LEDGER_COLUMNS``, sorted.
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
    *,
    only: Sequence[str] | None = None,
    carry: Carry | None = None,
) -> Scoring:
    """Apply a policy to the facts of some cases.

    Args:
        facts: current facts by entity name; what is missing is taken for empty.
        policy: the law.
        period: the window that items must fall into.
        units: unit codes whose people are scored.
        source_order: where two sources tell of the same record, the earlier one wins per column.
        only: the case numbers whose items are scored ("" for what hangs on no case); None for all. The
            facts may hold others, for conditions to look at.
        carry: when only some cases are looked at: returns the lines elsewhere that share a cap with
            theirs, to be granted anew together.

    Raises:
        StopError: the period begins before the policy is in force, or a rule failed or multiplied.
    """
    if only is not None and few.few(facts):
        _check_in_force(policy, period)
        told = _one_per_key(_with_codes(facts, policy), policy, source_order)
        done = few.score_few(told, policy, period, units, only, lambda spots: _carried(spots, carry))
        if done is not None:
            return Scoring(*done)
    with lines(facts, policy, period, units, source_order, only=only, carry=carry) as engine:
        if only is None and carry is None:
            select = plan_ledger.ordered_ledger_sql(policy)
        else:
            select = f"{plan_ledger.named_sql('ledger')} ORDER BY {', '.join(plan_ledger.LEDGER_ORDER)}"
        ledger = engine.sql(select).to_arrow_table()
        cases = engine.execute("SELECT count(*) FROM fact_case").fetchone()
    return Scoring(ledger, cases[0] if cases else 0)


def _check_in_force(policy: Policy, period: Period) -> None:
    if period.start < policy.file.since:
        raise StopError("policy-not-in-force", policy=policy.id, since=policy.file.since, period=period.id)


def _carried(spots: Iterable[tuple[str, str, dt.date]], carry: Carry | None) -> pa.Table:
    return plan_ledger.NO_LINES if carry is None else carry({Spot(*row) for row in spots})


@contextmanager
def lines(
    facts: Mapping[str, pa.Table],
    policy: Policy,
    period: Period,
    units: Sequence[str],
    source_order: Sequence[str] = (),
    *,
    only: Sequence[str] | None = None,
    carry: Carry | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an engine whose view ``ledger`` gives what :func:`score` returns, neither named nor sorted."""
    _check_in_force(policy, period)
    with open_world(facts, policy, source_order) as engine:
        for name, table in program.tables(policy).items():
            _put(engine, name, table)
        _put(engine, "scope_unit", pa.table({"unit_code": pa.array(list(units), pa.string())}))
        if only is not None:
            _put(engine, "scored_case", pa.table({"case_no": pa.array(list(only), pa.string())}))
        little = facts["case"].num_rows <= _LITTLE if "case" in facts else True
        for step in program.pricing(policy, period, some=only is not None):
            run(engine, policy, replace(step, kept=step.kept or (little and step.name == "counted")))
            if step.name == "counted":
                with _named(engine, policy, step):
                    check_items(engine)
        check_shares(engine, policy)
        spots = engine.execute(program.SPOTS).fetchall() if carry is not None else []
        _put(engine, "carried", _carried(spots, carry))
        for step in program.settling(policy, period):
            run(engine, policy, step)
        yield engine


def _put(engine: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    """Name a table; small ones are read where they lie, which a statement less for each makes quicker."""
    if name in _NUMBERED or table.num_rows > _SMALL:
        engine.register("arriving", table)
        engine.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM arriving")
        engine.unregister("arriving")
    else:
        engine.register(name, table)


_NUMBERED = frozenset({"carried"})
"""Tables whose rows are known by their ``rowid``."""
_SMALL = 100_000
_LITTLE = 20_000
"""Up to so many cases what is counted is written down: planning it once takes longer than its rows take room."""


def run(engine: duckdb.DuckDBPyConnection, policy: Policy, step: program.Step) -> None:
    """Run one step.

    Raises:
        StopError: a rule of the policy fails on the facts; it is named.
    """
    with _named(engine, policy, step):
        engine.execute(f"CREATE TEMP {'TABLE' if step.kept else 'VIEW'} {step.name} AS {step.select}")


@contextmanager
def _named(engine: duckdb.DuckDBPyConnection, policy: Policy, step: program.Step) -> Iterator[None]:
    """Find out which of a step's rules failed."""
    try:
        yield
    except duckdb.Error as error:
        for name, select in step.rules:  # which one? each by itself
            with rule(policy, name):
                engine.execute(f"CREATE OR REPLACE TEMP TABLE probe AS {select}")
        with rule(policy, step.name):
            raise error from None


@contextmanager
def rule(policy: Policy, name: str) -> Iterator[None]:
    """Name the rule that fails: that it compares unlike things shows only when it meets the facts."""
    try:
        yield
    except duckdb.Error as error:
        told = (
            str(error).strip().splitlines()[0].removeprefix("Invalid Input Error: ")
        )  # what rules tell themselves
        raise StopError("score-rule-failed", policy=policy.id, rule=name, told=told) from None


@contextmanager
def open_world(
    facts: Mapping[str, pa.Table], policy: Policy, source_order: Sequence[str] = ()
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an engine that holds the facts and every view that this policy's rules speak of."""
    views = program.views(policy)
    with connection() as engine:
        _load_facts(engine, _with_codes(facts, policy), source_order, program.facts_in(policy))
        if policy.workdays is not None:
            _put(engine, "workday", policy.workdays)
        for step in views:
            run(engine, policy, step)
        yield engine


def case_states(facts: Mapping[str, pa.Table], policy: Policy, source_order: Sequence[str] = ()) -> pa.Table:
    """Return how each case stands under a policy: when it closed by its rule, when it was archived, whether it is due.

    Columns: case_no, unit_code, handler_key, category, accepted_on, closed_on, archive_accepted_on, due.
    """
    with open_world(facts, policy, source_order) as engine, rule(policy, "due_for_archive"):
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
    engine: duckdb.DuckDBPyConnection,
    facts: Mapping[str, pa.Table],
    source_order: Sequence[str],
    wanted: Collection[str],
) -> None:
    for entity in sorted(wanted):
        table = facts.get(entity)
        table = _empty(entity) if table is None else table
        sources = _sources(table, source_order)
        if len(sources) < 2:  # noqa: PLR2004 the usual case: nothing to merge, and nothing to copy
            engine.register(f"fact_{entity}", table.drop_columns(["source", "locator"]))
        else:
            engine.register("arriving", table)
            engine.execute(f"CREATE TEMP TABLE fact_{entity} AS {_merge_sql(entity, sources)}")
            engine.unregister("arriving")


def _one_per_key(
    facts: Mapping[str, pa.Table], policy: Policy, source_order: Sequence[str]
) -> dict[str, pa.Table]:
    """Return the facts that a policy's program reads, merged over sources."""
    found = {}
    for entity in program.facts_in(policy):
        table = facts.get(entity)
        table = _empty(entity) if table is None else table
        sources = _sources(table, source_order)
        if len(sources) < 2:  # noqa: PLR2004 the usual case
            found[entity] = table.drop_columns(["source", "locator"])
        else:
            with connection() as engine:
                engine.register("arriving", table)
                found[entity] = engine.sql(_merge_sql(entity, sources)).to_arrow_table()
    return found


def _sources(table: pa.Table, source_order: Sequence[str]) -> list[str]:
    """Return the sources of some facts, the more trusted first."""
    order = {name: position for position, name in enumerate(source_order)}
    told = pa.compute.unique(table["source"]).to_pylist()
    return sorted(told, key=lambda name: (order.get(name, 999), name))


def _with_codes(facts: Mapping[str, pa.Table], policy: Policy) -> Mapping[str, pa.Table]:
    """Return the facts with the pack's own catalogues, where a tree of codes is asked for and the site has none."""
    if "code" not in policy.uses:
        return facts
    told = facts.get("code", _empty("code"))
    known = set(told["catalogue"].to_pylist())
    rows = [
        {
            "source": "pack",
            "code_key": f"{name}:{code}",
            "catalogue": name,
            "code": code,
            "parent": parent or None,
        }
        for name, codes in sorted(policy.catalogues.items())
        if name not in known
        for code, parent in sorted(codes.items())
    ]
    if not rows:
        return facts
    own = pa.Table.from_pylist(rows, _empty("code").schema)
    return {**facts, "code": pa.concat_tables([told, own])}


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
    return f"SELECT {columns} FROM arriving GROUP BY {key}"


def check_items(engine: duckdb.DuckDBPyConnection) -> None:
    """See that nothing is counted twice by one measure.

    Raises:
        StopError: something is.
    """
    suspect = engine.execute(
        "SELECT 1 FROM counted GROUP BY measure_no, hash(item_key)"
        " HAVING count(*) > 1 OR bool_or(quantity IS NULL OR quantity < 0) LIMIT 1"
    ).fetchone()
    if suspect is None:
        return
    twice = engine.execute(
        "SELECT any_value(measure), item_key, count(*) FROM counted GROUP BY measure_no, item_key"
        " HAVING count(*) > 1 ORDER BY 1, 2 LIMIT 1"
    ).fetchone()
    if twice is not None:
        raise StopError("measure-multiplies", measure=twice[0], key=twice[1], times=twice[2])


def check_shares(engine: duckdb.DuckDBPyConnection, policy: Policy) -> None:
    """See that what the members of a team have of an item sums to what it is worth under its rule.

    Raises:
        StopError: of some item it does not.
    """
    if not plan.has_team(policy):
        return
    wrong = engine.execute(program.BADLY_SPLIT).fetchone()
    if wrong is not None:
        names = {number: name for name, number in plan_tables.measure_numbers(policy).items()}
        number, key, parts, worth = wrong
        raise StopError("score-item-split", measure=names[number], key=key, parts=parts, worth=worth)
