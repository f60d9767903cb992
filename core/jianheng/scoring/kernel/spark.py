"""The same program on Apache Spark: for whoever has a cluster and a nation's facts. An optional extra.

The steps are those of :mod:`jianheng.scoring.kernel.program`, in Spark's words by sqlglot; days, integers and one
explicit rounding are all they hold, so the ledger is the same to the bit (a test compares the ids of all
lines). ``pip install jianheng[spark]``; Java 17 or later must be there.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import sqlglot
from sqlglot import exp

from jianheng.errors import StopError
from jianheng.facts.entities import ENTITIES
from jianheng.scoring.kernel import plan_ledger, program
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy
from jianheng.store.bulk import arrow_type
from jianheng.store.tables import FACTS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SETTINGS = {
    "spark.sql.session.timeZone": "Asia/Shanghai",
    "spark.sql.ansi.enabled": "true",  # what does not fit is an error, as on every other engine
    "spark.sql.constraintPropagation.enabled": "false",  # Spark 4.3 fails on it: "key not found" in a union of two passes
}
"""What a session must be set to."""

_NUMBERED = frozenset({"line", "carried"})
"""Tables whose rows the program knows by ``rowid``: only as a name within one run, never in a result."""


def session(master: str = "local[2]", settings: Mapping[str, str] | None = None) -> "SparkSession":
    """Open a session fit for the program.

    Raises:
        StopError: PySpark is not installed.
    """
    try:
        sql = importlib.import_module("pyspark.sql")
    except ModuleNotFoundError:
        raise StopError("spark-missing") from None
    builder = sql.SparkSession.builder.master(master)
    for name, value in (SETTINGS | dict(settings or {})).items():
        builder = builder.config(name, value)
    opened: SparkSession = builder.getOrCreate()
    return opened


def score(
    spark: "SparkSession",
    facts: Mapping[str, "pa.Table | DataFrame"],
    policy: Policy,
    period: Period,
    units: Sequence[str],
) -> "DataFrame":
    """Apply a policy to facts and return the ledger: ``entry_id`` and the columns of a line.

    Args:
        spark: an open session with :data:`SETTINGS`.
        facts: current facts by entity, one row per key, as Arrow tables or frames of the session.
        policy: the law.
        period: the window that items must fall into.
        units: unit codes whose people are scored.

    Raises:
        StopError: the period begins before the policy is in force, or a measure counts something twice.
    """
    if period.start < policy.file.since:
        raise StopError("policy-not-in-force", policy=policy.id, since=policy.file.since, period=period.id)
    for entity in program.facts_in(policy):
        _put(spark, f"fact_{entity}", facts.get(entity, _empty(entity)))
    for name, table in program.tables(policy).items():
        _put(spark, name, table)
    _put(spark, "scope_unit", pa.table({"unit_code": pa.array(list(units), pa.string())}))
    if policy.workdays is not None:
        _put(spark, "workday", policy.workdays)
    _put(spark, "carried", plan_ledger.NO_LINES)
    for step in (*program.views(policy), *program.pricing(policy, period), *program.settling(policy, period)):
        _run(spark, step)
        if step.name == "item":
            _check(spark)
    return spark.sql(in_spark(plan_ledger.named_sql("ledger")))


def in_spark(select: str) -> str:
    """Return a select in Spark's words.

    The writer is that of Databricks, which knows QUALIFY as Spark 4 does; only paths into JSON texts
    are written as Spark itself reads them, and integers of 128 bits are its decimals.
    """
    tree = sqlglot.parse_one(select, dialect="duckdb")
    for node in list(tree.find_all(exp.JSONExtractScalar)):
        path = exp.Literal.string(
            "$" + str(node.expression.sql(dialect="duckdb")).strip("'").removeprefix("$")
        )
        node.replace(exp.Anonymous(this="get_json_object", expressions=[node.this.copy(), path]))
    for kind in list(tree.find_all(exp.DataType)):
        if kind.this == exp.DataType.Type.INT128:
            kind.replace(exp.DataType.build("DECIMAL(38, 0)"))
    for call in list(tree.find_all(exp.Anonymous)):
        if str(call.this).lower() == "error":
            call.set("this", "raise_error")
    return tree.sql(dialect="databricks")


def _empty(entity: str) -> pa.Table:
    names = (*ENTITIES[entity].names, "content_hash")
    return pa.table({name: pa.array([], arrow_type(FACTS[entity].c[name])) for name in names})


def _put(spark: "SparkSession", name: str, table: "pa.Table | DataFrame") -> None:
    frame = spark.createDataFrame(table) if isinstance(table, pa.Table) else table
    _name(name, frame)


def _name(name: str, frame: "DataFrame") -> None:
    if name in _NUMBERED:
        functions = importlib.import_module("pyspark.sql.functions")
        frame = frame.withColumn("rowid", functions.monotonically_increasing_id()).localCheckpoint(eager=True)
    frame.createOrReplaceTempView(name)


def _run(spark: "SparkSession", step: program.Step) -> None:
    frame = spark.sql(in_spark(step.select))
    if step.kept and step.name not in _NUMBERED:
        frame = frame.localCheckpoint(eager=True)
    _name(step.name, frame)


def _check(spark: "SparkSession") -> None:
    """See that nothing is counted twice by one measure."""
    twice = spark.sql(
        "SELECT max(measure), item_key, count(*) FROM counted GROUP BY measure_no, item_key"
        " HAVING count(*) > 1 ORDER BY 1, 2 LIMIT 1"
    ).collect()
    if twice:
        raise StopError("measure-multiplies", measure=twice[0][0], key=twice[0][1], times=twice[0][2])
