"""The same program on Apache Spark gives the same ledger, to the last bit of every line's id."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from jianheng.errors import StopError
from jianheng.rules.expression import compile_expression
from jianheng.rules.views import case_view_sql
from jianheng.scoring.kernel import score as kernel
from jianheng.scoring.kernel import spark
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import load_policy
from upstream import UNIT, case, document, facts_of, person, posting, views_of
from whole_pack import write_whole_pack

pytest.importorskip("pyspark", reason="PySpark is not installed: pip install 'jianheng[spark]'")
pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java, and there is none")

SMALL = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
"""Settings for few rows: no server, no network, nothing compiled for a handful of lines."""


DAYS = ["2024-12-30", "2025-01-15", "2025-05-13", "2025-05-14", "2025-07-01", "2025-12-31"]
ROLES = ["quota_prosecutor", "prosecutor_assistant", "clerk"]


def world() -> dict[str, list[dict[str, Any]]]:
    """Return forty cases in which everything the pack speaks of happens several times."""
    numbers = range(40)
    return {
        "person": [person(f"p{n}") for n in range(6)],
        "posting": [
            posting(f"p{n}", ROLES[n % 3], post_level=["dept_head", "member"][n % 2]) for n in range(6)
        ],
        "case": [
            case(
                f"C{n:02}",
                category=["0201", "0301"][n % 2],
                handler_key=f"p{n % 6}",
                concluded_on=DAYS[n % 6],
                handling_days=n % 4,
                is_supervised=[None, False, True][n % 3],
                is_watched=n % 5 == 0,
            )
            for n in numbers
        ],
        "participation": [
            {
                "participation_key": f"a{n}",
                "case_no": f"C{n % 40:02}",
                "person_key": f"p{n % 5}",
                "role": ROLES[n % 3],
                "share": "0.5" if n % 7 else None,
            }
            for n in range(60)
        ],
        "suspect": [
            {"suspect_key": f"s{n}", "case_no": f"C{n % 20:02}", "suspect_no": str(n)} for n in range(35)
        ],
        "document": [
            document(
                f"d{n:03}",
                f"C{n % 40:02}",
                template_code=["report", "letter", "batch", "other"][n % 4],
                drafter_key=f"p{n % 7}",
                drafted_on=DAYS[n % 6],
                in_dossier=n % 3 == 0,
            )
            for n in range(160)
        ],
        "approval": [
            {
                "approval_key": f"v{n}",
                "document_key": f"d{n:03}",
                "case_no": f"C{n % 40:02}",
                "submitter_key": f"p{n % 6}",
                "submitted_on": DAYS[n % 6],
                "approver_key": f"p{n % 4}",
                "approved_on": DAYS[(n + 1) % 6],
                "conclusion": ["同意", "退回"][n % 2],
            }
            for n in range(40)
        ],
        "finding": [
            {
                "finding_key": f"f{n}",
                "kind": ["late", "error"][n % 2],
                "case_no": f"C{n % 10:02}",
                "person_key": f"p{n % 3}",
                "found_on": DAYS[n % 6],
                "found_by": ["self", "superior", "tool"][n % 3],
                "fault_key": ["f1", "f2", None][n % 3],
                "rectified": n % 4 == 0,
                "missed_by_owner": n % 2 == 0,
            }
            for n in range(30)
        ],
        "personnel_record": [
            {"record_key": f"r{n}", "kind": "award", "person_key": f"p{n % 6}", "starts_on": DAYS[n % 6]}
            for n in range(12)
        ],
        "archive_volume": [
            {"volume_key": f"w{n}", "case_no": f"C{n:02}", "state": "accepted", "accepted_on": "2025-06-01"}
            for n in range(0, 40, 3)
        ],
        "declaration": [
            {
                "declaration_key": f"e{n}",
                "kind": "major_case",
                "case_no": f"C{n:02}",
                "person_key": "p1",
                "declared_on": "2025-03-01",
                "decision": "approved",
            }
            for n in range(0, 40, 7)
        ],
    }


@pytest.fixture(scope="module")
def cluster() -> Iterator["spark.SparkSession"]:
    """A session of this machine's own, ended with the tests."""
    os.environ.setdefault(
        "JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    )  # it lives for seconds
    opened = spark.session(settings=SMALL)
    opened.sparkContext.setLogLevel("OFF")
    yield opened
    opened.stop()


def bare(facts: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Return facts of one source as a cluster would hold them."""
    return {name: table.drop_columns(["source", "locator"]) for name, table in facts.items()}


def test_the_ledger_is_the_same_to_the_bit(cluster, tmp_path):
    """Factors, gates, teams, faults, limits per case and every kind of cap included."""
    law, when = load_policy(write_whole_pack(tmp_path)), period("2025")
    facts = facts_of(world())
    here = kernel.score(facts, law, when, [UNIT]).ledger
    there = spark.score(cluster, bare(facts), law, when, [UNIT]).toArrow()
    assert here.num_rows > 100
    assert sorted(there.to_pylist(), key=str) == sorted(here.to_pylist(), key=str)
    assert [field.type for field in there.schema] == [field.type for field in here.schema]


def test_before_the_policy_is_in_force_there_is_an_error_here_too(cluster, tmp_path):
    """No engine guesses what held before the law."""
    law = load_policy(write_whole_pack(tmp_path))
    with pytest.raises(StopError) as failed:
        spark.score(cluster, {}, law, period("2020"), [UNIT])
    assert failed.value.code == "policy-not-in-force"


SENTENCES = [
    "有期徒刑三年六个月",
    "二十年零十一个月",
    "２年６个月",
    "P3Y6M",
    "４２",
    "无期徒刑",
    "三年半",
    None,
]
ASKED = [
    "case when term(charge_name) = 'fixed' then months(charge_name) end",
    "term(charge_name)",
    "contains(result_codes, '2')",
    "case when result_code = '1' then coalesce(closed_on, '2025-07-01') else accepted_on + document_count end",
]


def test_sentences_results_and_days_are_read_alike(cluster):
    """Numerals, several results of a case, texts that mean days, a day and a counted number of days."""
    cases = [case(f"C{n}", charge_name=told) for n, told in enumerate(SENTENCES)]
    told = [
        ("a", "C0", "2025-03-01", "2"),
        ("b", "C0", "2025-03-02", "1"),
        ("c", "C1", None, "1"),
        ("d", "C1", None, "2"),
    ]
    names = ("outcome_key", "case_no", "decided_on", "result_code")
    outcomes = [dict(zip(names, each, strict=True)) for each in told]
    world = {"case": cases, "case_outcome": outcomes, "suspect": [], "document": [], "archive_volume": []}
    asked = ", ".join(f"{compile_expression(text, 'case', 'here')} AS a{n}" for n, text in enumerate(ASKED))
    select = f"SELECT case_no, result_code, result_codes, {asked} FROM v_case t ORDER BY case_no"
    for name, table in bare(facts_of(world)).items():
        cluster.createDataFrame(table).createOrReplaceTempView(f"fact_{name}")
    made = case_view_sql("t.concluded_on").split("CREATE TEMP TABLE v_case AS", 1)[1]
    cluster.sql(spark.in_spark(made)).createOrReplaceTempView("v_case")
    with views_of(world) as engine:
        here = engine.execute(select).fetchall()
    assert [tuple(row) for row in cluster.sql(spark.in_spark(select)).collect()] == here
    assert [row[3] for row in here] == [42, 251, 30, 42, 42, None, None, None]
    assert [row[1:3] for row in here[:2]] == [("1", "1;2"), ("1", "1;2")]
