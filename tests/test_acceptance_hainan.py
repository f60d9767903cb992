"""Hainan's personal performance as a pack: every query number recounted in plain SQL, both scorecards worked out again."""

import csv
import datetime as dt
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import openpyxl
import pytest

from acceptance_world import PROVINCES, Accepted, books, law, scored
from jianheng.scoring.kernel.evaluation import Evaluation
from jianheng.scoring.law.policy import Policy

pytest_plugins = ["acceptance_fixture"]

Item = tuple[str, str, str]
"""Whose, of which case, on which day."""

_TRIAL = "('0301', '0303', '0304', '0326', '1722', '1730', '1731', '1757')"
_LONG = "(t.sentence IN ('0333334400100', '0333334400200', '0333334400300') OR (t.sentence = '0333334400400' AND t.months >= 120))"
_MID = "t.sentence = '0333334400400' AND t.months >= 36 AND t.months < 120"
_GUILTY = "t.sentence IS NOT NULL AND t.sentence NOT LIKE '03333344008%'"
_OF_CASE = f"EXISTS (SELECT 1 FROM link l JOIN c o ON o.no = l.other AND o.cat IN {_TRIAL} JOIN s t ON t.no = o.no WHERE l.one = c.no AND {{}})"
_OF_PERSON = f"EXISTS (SELECT 1 FROM link l JOIN c o ON o.no = l.other AND o.cat IN {_TRIAL} JOIN s t ON t.no = o.no WHERE l.one = c.no AND t.suspect = s.suspect AND {{}})"
_SUPERVISED = (
    "SELECT who, no, taken FROM c WHERE cat IN ('0204', '1704') AND EXISTS (SELECT 1 FROM ucs.TYYW_ZJ_LAJD j WHERE j.BMSAH = c.no"
    " AND j.SFSC = 'N' AND coalesce(j.GAJGZDLARQ, j.GAZXTZLARQ, j.XZZFJGYSRQ) IS NOT NULL) AND {}"
)
_ADDED = (
    "FROM s JOIN c USING (no) WHERE cat IN ('0201', '1701') AND arrest LIKE '0201101201%'"
    " AND EXISTS (SELECT 1 FROM d WHERE d.no = c.no AND code = '100000002009')"
)
_ARREST = "FROM k WHERE closed IS NOT NULL AND cat IN ('0201', '1701')"


def _act(table: str, day: str, where: str) -> str:
    """Items of one table of acts: one row a case."""
    return f"SELECT who, no, date(x.{day}) FROM c JOIN ucs.{table} x ON x.BMSAH = c.no AND x.SFSC = 'N' WHERE {where}"


def _lacks(code: str) -> str:
    return f"NOT EXISTS (SELECT 1 FROM d WHERE d.no = k.no AND code = '{code}')"


RECOUNT: Mapping[str, str] = {
    "q01_appeal_documents": """SELECT k.who, k.no, k.closed FROM d JOIN k USING (no) WHERE k.closed IS NOT NULL AND k.cat LIKE '09%'
      AND (k.cat <> '0901' OR (code NOT IN ('100000000001', '100000000003')
      AND d.day >= (SELECT max(e.day) FROM d e WHERE e.no = k.no AND e.code = '100000009001')))""",
    "q02_documents": "SELECT k.who, k.no, k.closed FROM d JOIN k USING (no) WHERE k.closed IS NOT NULL AND k.cat NOT LIKE '09%' AND d.day IS NOT NULL",
    "case_closed": "SELECT who, no, closed FROM k",
    "prosecution_closed": "SELECT who, no, closed FROM k WHERE cat IN ('0301', '0314', '1722')",
    "arrest_closed": f"SELECT who, no, closed {_ARREST}",
    **{
        f"q05_missing_{name}": f"SELECT who, no, closed FROM k WHERE cat = '0901' AND closed IS NOT NULL AND {_lacks(code)}"
        for name, code in (("a", "100000009001"), ("b", "100000009002"), ("c", "100000009003"))
    },
    "q06_read": """SELECT a.who, a.no, a.day FROM a JOIN posting p ON p.person = a.who AND a.day BETWEEN p.since AND p.until
      WHERE p.level <> 'member'""",
    "q07_overdue": "SELECT who, no, due FROM c WHERE cat NOT LIKE '13%' AND coalesce(concluded, completed) > due",
    "q10_accepted": "SELECT who, no, taken FROM c",
    "q10_prosecution": "SELECT who, no, taken FROM c WHERE cat IN ('0301', '0314', '1722')",
    "q10_arrest": "SELECT who, no, taken FROM c WHERE cat IN ('0201', '1701')",
    "q11_added_arrest": f"SELECT who, no, arrested {_ADDED}",
    "q12_transferred": _act(
        "TYYW_ZJ_LAJD",
        "XZZFJGYSRQ",
        "cat IN ('0204', '1704') AND JDLX_DM = '0225123040300' AND JYYSRQ IS NOT NULL",
    ),
    "q13_filed": _act(
        "TYYW_ZJ_LAJD",
        "LARQ",
        "cat IN ('0204', '1704') AND JYYSRQ IS NOT NULL AND LAJG_DM BETWEEN '9901190102000' AND '9901190102999'",
    ),
    "q14_supervised": _act(
        "TYYW_ZJ_LAJD", "GAJGZDLARQ", "cat IN ('0204', '1704') AND YQGAJGSMLALYRQ IS NOT NULL"
    )
    + " UNION ALL "
    + _act("TYYW_ZJ_LAJD", "GAZXTZLARQ", "cat IN ('0204', '1704') AND TZGAJGLARQ IS NOT NULL"),
    "q15_case": _SUPERVISED.format(_OF_CASE.format(_GUILTY)),
    "q16_case": _SUPERVISED.format(f"{_OF_CASE.format(_MID)} AND NOT {_OF_CASE.format(_LONG)}"),
    "q17_case": _SUPERVISED.format(_OF_CASE.format(_LONG)),
    "q15_person": f"SELECT who, no, arrested {_ADDED} AND {_OF_PERSON.format(_GUILTY)}",
    "q16_person": f"SELECT who, no, arrested {_ADDED} AND {_OF_PERSON.format(_MID)}",
    "q17_person": f"SELECT who, no, arrested {_ADDED} AND {_OF_PERSON.format(_LONG)}",
    "q18_corrected": _act(
        "TYYW_ZJ_ZCHDJD", "ZCRQ", "cat IN ('0212', '1712') AND SMTCJZRQ IS NOT NULL AND HFRQ IS NOT NULL"
    ),
    "q19_suggestion": _act("TYYW_GG_JCJYQK", "CNRQ", "cat LIKE '02%' OR cat LIKE '17%'"),
    "q20_commutation": _act(
        "TYYW_ZXJC_JZWFXX", "FKRQ", "cat = '1626' AND FKYJ_DM = '1618000100000' AND JCHJ_DM = '1617000200000'"
    ),
    "q21_released": _act(
        "TYYW_ZXJC_BYXBLQK", "FKRQ", "cat = '1602' AND SFJYRQ IS NOT NULL AND FKJG_DM = '1618000100000'"
    ),
    "q22_corrected": _act(
        "TYYW_ZXJC_JZWFXX", "FKRQ", "cat = '1626' AND FKYJ_DM = '1618000100000' AND JCHJ_DM IS NULL"
    ),
    "q22_suggestion": _act("TYYW_GG_JCJYQK", "CNRQ", "cat LIKE '16%'"),
    "q23_protest": _act(
        "TYYW_MX_MSXZJD", "JACLRQ", "cat = '0701' AND trim(JACLQK_DM) IN ('0704220100001', '0704220100002')"
    ),
    "q24_trial": _act("TYYW_MX_SPCXJD", "TCJCJYRQ", "cat = '0702'"),
    "q25_execution": "SELECT who, no, taken FROM c JOIN ucs.TYYW_MX_ZXHDJD x ON x.BMSAH = c.no AND x.SFSC = 'N' WHERE cat = '0703' AND x.TCJCJYRQ IS NOT NULL",
    "q26_duty": _act("TYYW_MX_BDLXZZJD", "DCYFLXZZRQ", "cat = '0704'"),
    "q27_upheld": _act("TYYW_MX_FCJZ", "JARQ", "cat = '0707' AND JAQK_DM = '0707220100001'"),
    "q28_lost": _act("TYYW_MX_MSXZJD", "KSRQ", "cat = '0701' AND KSAJZSJG_DM = '0701260100001'"),
    "q29_won": _act("TYYW_MX_MSXZJD", "KSRQ", "cat = '0701' AND KSAJZSJG_DM = '0701260100002'"),
    "q30_settled": _act("TYYW_MX_MSXZJD", "XSRQ", "cat = '0701'"),
    "q31_accepted": _act("TYYW_MX_SPCXJD", "TCJCJYCNRQ", "cat = '0702' AND TCJCJYRQ IS NOT NULL"),
    "q32_accepted": _act("TYYW_MX_ZXHDJD", "TCJCJYCNRQ", "cat = '0703' AND TCJCJYRQ IS NOT NULL"),
    "q33_accepted": _act("TYYW_MX_BDLXZZJD", "CNDCYFLXZZJCJYRQ", "cat = '0704' AND DCYFLXZZRQ IS NOT NULL"),
    "q34_review_won": _act("TYYW_MX_FCJZ", "KSRQ", "cat = '0707' AND KSAJZSJG_DM = '0701260100002'"),
    **{
        f"check_{name}": f"SELECT who, no, closed FROM k WHERE closed IS NOT NULL AND cat IN ('0201', '1701') AND {_lacks(code)}"
        for name, code in (
            ("risk", "100000002002"),
            ("opinion", "100000002001"),
            ("defence", "100000002005"),
            ("interrogation", "100000002003"),
        )
    },
    "archive_by_conclusion": "SELECT who, no, concluded FROM c WHERE cat IN ('0201', '0301')",
    "archive_by_completion": "SELECT who, no, completed FROM c WHERE cat NOT IN ('0201', '0301')",
}
_CLOSED = """CREATE TABLE k AS SELECT no, cat, who, CASE
  WHEN cat LIKE '09%' THEN coalesce((SELECT max(a.day) FROM a WHERE a.no = c.no AND a.code IN ('100000009001', '100000009002')), completed)
  WHEN cat LIKE '03%' OR cat = '1722' THEN CASE WHEN done AND ended THEN completed END
  WHEN cat LIKE '02%' OR cat LIKE '16%' OR cat = '1701' THEN CASE WHEN done THEN taken END
  ELSE completed END AS closed FROM c"""
_ELSEWHERE = frozenset({"q03_picked", "q07_technical_late", "q10_technical", "carried_over"})
"""Measures that other tests here count again: by hand, by calendar, by another period."""


@pytest.fixture(scope="module")
def policy() -> Policy:
    return law("hainan")


@pytest.fixture(scope="module")
def year(accepted: Accepted, policy: Policy) -> Evaluation:
    return scored(accepted, policy, "2025")


@pytest.fixture(scope="module")
def recounted(accepted: Accepted) -> dict[str, list[Item]]:
    """Every measure's items of 2025 by SQL over the case system's own tables."""
    with books(accepted) as opened:
        opened.execute(_CLOSED)
        found = {}
        for measure, select in RECOUNT.items():
            rows = opened.execute(f"SELECT * FROM ({select})").fetchall()
            found[measure] = sorted(row for row in rows if row[2] and "2025-01-01" <= row[2] < "2026-01-01")
    opened.close()
    return found


def _counted(year: Evaluation, measure: str) -> list[Item]:
    """What the ledger holds of a measure, an item once whatever rules speak of it."""
    items = {
        (line["item_key"], line["person_key"], line["case_no"], str(line["day"]))
        for line in year.ledger.to_pylist()
        if line["measure"] == measure
    }
    return sorted(each[1:] for each in items)


@pytest.mark.parametrize("measure", RECOUNT)
def test_a_query_counts_what_plain_sql_counts(year, recounted, measure):
    """Per person, case and day."""
    assert _counted(year, measure) == recounted[measure]


def test_all_34_numbers_are_measures_and_nearly_all_occur(policy, recounted):
    numbers = {int(name[1:3]) for name in policy.measures if name[0] == "q" and name[1:3].isdigit()}
    # 2 is measured with 1 and apart; 4 and 8 count what is closed; 9 counts what 7 finds.
    assert numbers | {2, 4, 8, 9} == set(range(1, 35))
    assert set(policy.measures) == set(RECOUNT) | _ELSEWHERE
    empty = {measure for measure, items in recounted.items() if not items}
    assert empty <= {"q05_missing_a", "q05_missing_b", "q16_case", "check_opinion", "check_interrogation"}


_BANDS = (("excellent", 90), ("good", 80), ("fair", 60), ("poor", -1_000_000))


def _points(recounted: Mapping[str, list[Item]]) -> dict[tuple[str, str], Decimal]:
    """Points by person and indicator from the recounted items and the table as the csv module reads it."""
    found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    with (PROVINCES / "hainan" / "points.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if row["measure"] not in recounted or row["code"] or row["category"]:
                continue
            seen: set[tuple[str, str]] = set()
            for who, case_no, _ in recounted[row["measure"]]:
                if row["per_case"] and (who, case_no) in seen:
                    continue
                seen.add((who, case_no))
                found[who, row["indicator"]] += Decimal(row["points"])
    return found


def test_the_scorecards_are_worked_out_again(accepted, year, recounted):
    """Both cards, the lines and the completion tier in plain arithmetic, equal for everybody on the sheet."""
    with books(accepted) as opened:
        opened.execute(_CLOSED)
        home = dict(opened.execute("SELECT person, department FROM posting ORDER BY since").fetchall())
        extra = _documents(opened, recounted) | _picked(accepted)
        earlier = set(
            opened.execute(
                "SELECT a.who, a.no FROM a JOIN posting p ON p.person = a.who AND a.day BETWEEN p.since AND p.until"
                " WHERE p.level <> 'member' AND a.day < '2025-01-01' AND a.day >= '2016-12-26'"
            ).fetchall()
        )
    opened.close()
    recounted = recounted | {"q06_read": [each for each in recounted["q06_read"] if each[:2] not in earlier]}
    points = _points(recounted)
    for key, value in extra.items():
        points[key] += value
    count = {name: _by_person(items) for name, items in recounted.items()}
    values = {(each.person_key, each.indicator): each for each in year.values}
    people = sorted({each.person_key for each in year.values})
    grades = {each.person_key: each.grade for each in year.standings}
    assert len(people) >= 6
    checked = 0
    for who in people:
        peers = [other for other in people if home[other] == home[who]]
        want = _total(who, peers, points, count, accepted)
        got = values[who, "total"]
        assert (got.state, got.points) == ("scored", int(want * 1000)), (who, want, got)
        checked += want != 0
        assert grades[who] == next(band for band, least in _BANDS if want >= least)
    assert checked >= 5


def _by_person(items: list[Item]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for who, _, _ in items:
        found[who] += 1
    return found


def _documents(opened, recounted) -> dict[tuple[str, str], Decimal]:
    """Points of documents by template and category, from the tables of the case system."""
    prices: dict[tuple[str, str], tuple[str, Decimal]] = {}
    with (PROVINCES / "hainan" / "points.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            for code in row["code"].split(";") if row["code"] else ():
                for category in row["category"].split(";"):
                    prices[code, category] = (row["indicator"], Decimal(row["points"]))
    found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for measure, appeal in (("q01_appeal_documents", True), ("q02_documents", False)):
        select = RECOUNT[measure].replace(
            "SELECT k.who, k.no, k.closed FROM", "SELECT k.who, k.cat, d.code, k.closed FROM"
        )
        for who, category, code, day in opened.execute(select):
            price = prices.get((code, "" if appeal else category))
            if price and day and "2025-01-01" <= day < "2026-01-01":
                found[who, price[0]] += price[1]
    return found


def _picked(accepted: Accepted) -> dict[tuple[str, str], Decimal]:
    found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    book = openpyxl.load_workbook(accepted.workbook, read_only=True, data_only=True)
    for values in list(book["特殊案件申报"].iter_rows(values_only=True))[1:]:
        if values[5] == "重大疑难复杂案件" and values[9] == "同意" and str(values[8])[:4] == "2025":
            found[f"{values[1]}-{values[4]}", "picked"] += 1
    book.close()
    return found


def _third(value: Fraction) -> Decimal:
    """Half up to three decimals."""
    return (Decimal(value.numerator) / Decimal(value.denominator)).quantize(Decimal("0.001"), ROUND_HALF_UP)


def _total(who, peers, points, count, accepted) -> Decimal:
    cards = []
    if count["q10_prosecution"][who]:
        share = _against_mean(who, peers, count["prosecution_closed"])
        load = 5 if share > Decimal("0.5") else 3 if share >= Decimal("0.2") else 0
        main = min(
            Decimal(85), 60 + points[who, "prosecution_documents"] + points[who, "prosecution_intake"] + load
        )
        cards.append(
            main + min(Decimal(15), max(Decimal(0), 5 + points[who, "overdue"]) + points[who, "picked"])
        )
    if count["q10_arrest"][who]:
        closed = count["arrest_closed"][who]
        mean = _third(Fraction(points[who, "checklist_deductions"]) / closed) if closed else Decimal(0)
        load = 20 if _against_mean(who, peers, count["arrest_closed"]) > 1 else 15
        parts = ("arrest_documents", "arrest_intake", "arrest_bonus")
        cards.append(Decimal("26.5") + mean + load + sum(points[who, part] for part in parts))
    total = _third(Fraction(sum(cards)) / len(cards)) if cards else Decimal(0)
    total += points[who, "appeal_work"] + points[who, "execution_work"] + points[who, "civil_work"]
    late, technical = _technical(who, accepted)
    total += max(0, 5 - late) if technical else 0
    accepted_count = count["q10_accepted"][who]
    if accepted_count:
        rate = min(Decimal(100), _hundredth(Fraction(100 * count["case_closed"][who], accepted_count)))
        total += 0 if rate < 10 else 20 - 2 * (8 - min(8, int(rate // 10)))
    return total


def _hundredth(value: Fraction) -> Decimal:
    return (Decimal(value.numerator) / Decimal(value.denominator)).quantize(Decimal("0.01"), ROUND_HALF_UP)


def _against_mean(who, peers, counts) -> Decimal:
    mean = Fraction(sum(counts[each] for each in peers), len(peers))
    return _third(Fraction(counts[who]) / mean) if mean else Decimal(0)


def _technical(who: str, accepted: Accepted) -> tuple[int, int]:
    """How many technical cases were late, by a list of working days written out here, and how many were taken in."""
    with (PROVINCES.parent / "calendars" / "china.toml").open("rb") as file:
        calendar = tomllib.load(file)
    off = {day for value in calendar.values() if isinstance(value, dict) for day in value.get("off", [])}
    work = {day for value in calendar.values() if isinstance(value, dict) for day in value.get("work", [])}
    late = taken_in = 0
    with books(accepted) as opened:
        for category, taken, completed in opened.execute(
            "SELECT cat, taken, completed FROM c WHERE who = ? AND cat LIKE '13%'", (who,)
        ):
            taken_in += taken[:4] == "2025"
            if not completed or completed[:4] != "2025":
                continue
            day, last, days = dt.date.fromisoformat(taken), dt.date.fromisoformat(completed), 0
            while day < last:
                day += dt.timedelta(days=1)
                days += day in work or (day.weekday() < 5 and day not in off)
            late += days > (20 if category == "1304" else 6)
    opened.close()
    return late, taken_in


def test_carried_over_overdue_and_average_days_are_those_of_the_tables(accepted, policy, year):
    """往年未结, 超期, 平均天数: the named period counts what was taken in before it and is still open."""
    before = scored(accepted, policy, "before-2026")
    with books(accepted) as opened:
        opened.row_factory = None
        left = dict(
            opened.execute(
                "SELECT who, count(*) FROM c WHERE concluded IS NULL AND completed IS NULL GROUP BY who"
            )
        )
        ended = "CASE WHEN cat IN ('0201', '0301') THEN concluded ELSE completed END"
        select = f"SELECT who, sum(julianday({ended}) - julianday(taken)), count(*) FROM c WHERE {ended} BETWEEN '2025-01-01' AND '2025-12-31'"
        days = {who: (total, count) for who, total, count in opened.execute(f"{select} GROUP BY who")}
    opened.close()
    assert sum(left.values()) > 3
    told = {(each.person_key, each.indicator): each.points for each in before.values}
    assert {who: (told[who, "carried_count"] or 0) // 1000 for who in left} == left
    now = {(each.person_key, each.indicator): each.points for each in year.values}
    for who, (total, count) in days.items():
        assert now[who, "archive_cases"] == 1000 * count
        assert now[who, "average_days"] == int(_hundredth(Fraction(int(total), count)) * 1000)
    assert {who for (who, name), points in now.items() if name == "overdue_count" and points}
