"""Hubei's key-case screening as a pack: 20 rules, eight lines and what is left out, recounted in plain SQL."""

import csv
import sqlite3
from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa
import pytest

from acceptance_world import PROVINCES, Accepted, books, law, scored
from jianheng.scoring.kernel.evaluation import Evaluation
from jianheng.scoring.law.policy import Policy

pytest_plugins = ["acceptance_fixture"]

_ARRESTED = "FROM s JOIN k USING (no) WHERE cat IN ({}) AND arrest LIKE '0201101201%' AND arrested IS NOT NULL AND age BETWEEN {} AND {}"
_SAME = "EXISTS (SELECT 1 FROM link l JOIN s t ON t.no = l.other AND t.suspect = s.suspect WHERE l.one = s.no AND t.{})"
_CHARGED = "FROM s JOIN k USING (no) WHERE cat IN ({}) AND {}"
_NOT_PROSECUTED = "charged BETWEEN '0322110102000' AND '0322110102032'"
_WITHDRAWN = "charged = '0322110101000' AND dropped IS NOT NULL"
_ACQUITTED = "sentence BETWEEN '0333334400800' AND '0333334400802' AND final IS NOT NULL"
_TRIAL = "('0304', '0305', '0311', '0312', '0320')"
_YOUNG = (
    f"(cat = '0314' OR cat LIKE '17%' OR ((cat LIKE '02%' OR (cat LIKE '03%' AND cat NOT IN {_TRIAL}))"
    " AND EXISTS (SELECT 1 FROM s WHERE s.no = k.no AND s.age BETWEEN 1 AND 17)))"
)
_NATURE = (
    "EXISTS (SELECT 1 FROM (SELECT BMSAH, AJXZ_DM FROM ucs.TYYW_MX_MSXZJD UNION ALL SELECT BMSAH, AJXZ_DM FROM ucs.TYYW_MX_SPCXJD"
    " UNION ALL SELECT BMSAH, AJXZ_DM FROM ucs.TYYW_MX_ZXHDJD UNION ALL SELECT BMSAH, AJXZ_DM FROM ucs.TYYW_MX_BDLXZZJD"
    " UNION ALL SELECT BMSAH, AJXZ_DM FROM ucs.TYYW_MX_FCJZ) x WHERE x.BMSAH = k.no AND x.AJXZ_DM LIKE '{}%')"
)


def _of_table(table: str, where: str) -> str:
    return (
        f"SELECT who, no, closed FROM k JOIN ucs.{table} x ON x.BMSAH = k.no AND x.SFSC = 'N' WHERE {where}"
    )


RULES: Mapping[str, str] = {
    **{
        f"{line}_{rule}": f"SELECT who, s.no, closed {_ARRESTED.format(cats, *ages)} AND {found}"
        for line, cats, ages in (("arrest", "'0201'", (18, 199)), ("juvenile", "'0201', '1701'", (1, 17)))
        for rule, found in (
            ("then_not_prosecuted", _SAME.format("charged LIKE '0322110102%'")),
            ("then_withdrawn", "freed IS NOT NULL"),
            ("then_acquitted", _SAME.format("sentence LIKE '03333344008%'")),
        )
    },
    **{
        f"{line}{rule}": f"SELECT who, no, closed {_CHARGED.format(cats, found)}"
        for line, cats in (("", "'0301'"), ("juvenile_", "'0314', '1722'"))
        for rule, found in (
            ("not_prosecuted", _NOT_PROSECUTED),
            ("prosecution_withdrawn", _WITHDRAWN),
            ("acquitted", _ACQUITTED),
        )
    },
    "juvenile_short_term": f"SELECT who, no, closed {_CHARGED.format(chr(39) + '0314' + chr(39) + ', ' + chr(39) + '1722' + chr(39), 'sentence = ' + chr(39) + '0333334400400' + chr(39) + ' AND months <= 12')}",
    "protest_withdrawn": _of_table("TYYW_GS_ESKS", "cat = '0304' AND x.CHKSRQ IS NOT NULL")
    + " UNION ALL "
    + _of_table("TYYW_GS_SPJDCXKS", "cat = '0305' AND x.BYCHKSRQ IS NOT NULL"),
    "protest_acquitted": "SELECT who, no, closed FROM k JOIN ucs.TYYW_GS_XYRQK x ON x.BMSAH = k.no AND x.SFSC = 'N'"
    " WHERE cat = '0304' AND x.ESXGX_DM BETWEEN '0333334400800' AND '0333334400802'",
    **{
        f"not_supported_{name}": _of_table(
            "TYYW_MX_MSXZJD",
            f"cat = '0701' AND x.AJXZ_DM BETWEEN '0702500000000' AND '0702512000000' AND trim(x.JACLQK_DM) = '{code}'",
        )
        for name, code in (("one", "0704220100004"), ("two", "0704220100005"))
    },
    "decision_changed": _of_table(
        "TYYW_SS_XSSSFC",
        "cat = '0901' AND trim(x.SSLB_DM) BETWEEN '0930136301000' AND '0930136301006'"
        " AND trim(x.LAFCJG_DM) IN ('0916132402000', '0916132403000')",
    ),
    "compensated": _of_table("TYYW_SS_XSPC", "cat = '0904' AND x.JDQK_DMS LIKE '%0903133701000%'"),
    "handler_reported": "SELECT who, no, closed FROM k WHERE false",
}
LINES: Mapping[str, str] = {
    "juvenile": _YOUNG,
    "arrest": f"cat LIKE '02%' AND NOT {_YOUNG}",
    "prosecution": f"cat LIKE '03%' AND cat NOT IN {_TRIAL} AND NOT {_YOUNG}",
    "trial": f"cat IN {_TRIAL}",
    "civil": f"cat LIKE '07%' AND {_NATURE.format('07023')}",
    "administrative": f"cat LIKE '07%' AND {_NATURE.format('07025')}",
    "complaint": "(cat LIKE '08%' OR cat LIKE '09%')",
    "execution": "cat LIKE '16%'",
}


@pytest.fixture(scope="module")
def policy() -> Policy:
    return law("hubei-screening")


@pytest.fixture(scope="module")
def reviewed(accepted: Accepted) -> Accepted:
    """The office with two closed cases already under review, one review of which was rejected."""
    with books(accepted) as opened:
        taken = [
            row[0]
            for row in opened.execute(
                "SELECT no FROM c WHERE ended AND completed >= '2025' AND no NOT IN (SELECT no FROM gone)"
                " AND cat = '0301' ORDER BY no LIMIT 2"
            )
        ]
    opened.close()
    empty = accepted.facts["finding"]
    rows = [
        {
            "source": "review",
            "finding_key": f"r{n}",
            "kind": "case_review",
            "case_no": no,
            "found_on": pa.scalar("2025-06-01").cast(pa.date32()).as_py(),
            "state": state,
            "content_hash": "",
            "locator": "",
        }
        for n, (no, state) in enumerate(zip(taken, ("confirmed", "rejected"), strict=True))
    ]
    findings = pa.concat_tables([empty, pa.Table.from_pylist(rows, empty.schema)])
    return replace(accepted, facts={**accepted.facts, "finding": findings})


@pytest.fixture(scope="module")
def year(reviewed: Accepted, policy: Policy) -> Evaluation:
    return scored(reviewed, policy, "2025")


@pytest.fixture(scope="module")
def recount(reviewed: Accepted):
    opened = books(reviewed)
    taken = [
        row["case_no"]
        for row in reviewed.facts["finding"].to_pylist()
        if row["kind"] == "case_review" and row["state"] == "confirmed"
    ]
    assert len(taken) == 1
    opened.execute("CREATE TABLE taken (no)")
    opened.executemany("INSERT INTO taken VALUES (?)", [(each,) for each in taken])
    opened.execute(
        "CREATE TABLE k AS SELECT no, cat, who, completed AS closed FROM c WHERE ended AND completed >= '2025-01-01' AND completed < '2026-01-01'"
        " AND no NOT IN (SELECT no FROM gone) AND no NOT IN (SELECT no FROM taken)"
    )
    yield opened
    opened.close()


def _lines(year: Evaluation, rule: str) -> set[tuple[str, str]]:
    return {
        (line["person_key"], line["case_no"]) for line in year.ledger.to_pylist() if line["rule_id"] == rule
    }


def _rows(recount: sqlite3.Connection, select: str) -> set[tuple[str, str]]:
    return {(who, no) for who, no, _ in recount.execute(select)}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_finds_the_cases_that_plain_sql_finds(year, recount, rule):
    assert _lines(year, rule) == _rows(recount, RULES[rule])


def test_there_are_20_rules_and_many_find_something(policy, recount):
    with (PROVINCES / "hubei-screening" / "points.csv").open(encoding="utf-8-sig", newline="") as file:
        key = {row["id"] for row in csv.DictReader(file) if row["points"] == "1"}
    assert key == set(RULES)
    assert len(key) == 20
    assert sum(bool(_rows(recount, select)) for select in RULES.values()) >= 10


@pytest.mark.parametrize("line", LINES)
def test_a_line_holds_the_cases_that_plain_sql_puts_there(year, recount, line):
    select = f"SELECT who, no, closed FROM k WHERE {LINES[line]}"
    assert _lines(year, f"ordinary_{line}") == _rows(recount, select)


def test_no_case_is_in_two_lines_and_none_is_lost(year, recount):
    told = [no for line in LINES for _, no in _lines(year, f"ordinary_{line}")] + [
        no for _, no in _lines(year, "no_line")
    ]
    assert len(told) == len(set(told))
    without = {row[0] for row in recount.execute("SELECT no FROM k WHERE cat LIKE '13%' OR cat LIKE '01%'")}
    assert set(told) | without == {row[0] for row in recount.execute("SELECT no FROM k")}


def test_a_case_is_reviewed_once_and_key_rules_come_first(year):
    """Of all rules that find a case one holds; the others say why not."""
    held: dict[str, list[int]] = {}
    for line in year.ledger.to_pylist():
        if line["state"] != "void":
            held.setdefault(line["case_no"], []).append(line["points"])
    assert all(len(points) == 1 for points in held.values())
    found = {no for rule in RULES for _, no in _lines(year, rule)}
    assert found
    assert {no for no, points in held.items() if points == [1000]} == found
    same = [line for line in year.ledger.to_pylist() if line["reason"] == "same-fault"]
    assert same


def test_what_was_split_merged_or_taken_is_left_out_and_a_rejected_review_is_not(year, reviewed, recount):
    listed = {line["case_no"] for line in year.ledger.to_pylist()}
    reviews = {
        row["state"]: row["case_no"]
        for row in reviewed.facts["finding"].to_pylist()
        if row["kind"] == "case_review"
    }
    assert reviews["confirmed"] not in listed
    assert reviews["rejected"] in listed
    gone = {
        row[0]
        for row in recount.execute(
            "SELECT c.no FROM c JOIN gone USING (no) WHERE ended AND completed >= '2025'"
        )
    }
    assert not gone & listed


def test_ages_are_numbers_where_the_former_system_compared_texts(year, recount):
    """'9' is not above '18', and '100' is: compared as texts both come out wrong."""
    as_text = {
        row[0]
        for row in recount.execute(
            "SELECT DISTINCT k.no FROM k JOIN s USING (no) WHERE cat LIKE '02%' AND age_text < '18'"
        )
    }
    arrests = {row[0] for row in recount.execute("SELECT no FROM k WHERE cat LIKE '02%'")}
    told = {no for _, no in _lines(year, "ordinary_juvenile")} & arrests
    assert told == {
        row[0]
        for row in recount.execute(
            "SELECT DISTINCT k.no FROM k JOIN s USING (no) WHERE cat LIKE '02%' AND age < 18"
        )
    }
    assert told
    assert told != as_text
