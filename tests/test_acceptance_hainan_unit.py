"""Hainan's appraisal of whole offices: three simulated offices, read with the pack's own mapping, worked out again in Python."""

import datetime as dt
import shutil
import sqlite3
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pytest

from acceptance_world import PROVINCES, law
from jianheng.scoring.kernel.evaluation import Evaluation, evaluate
from jianheng.scoring.law.period import period
from jianheng.scoring.records.scope import read_facts
from jianheng.store.engine import open_store
from jianheng_simulator import World, create
from office_driver import jianheng

ABOVE = "990100"
INMATES = {0: 1200, 1: 400, 2: 900}
_RARE = """
UPDATE XT_ZZJG_DWBM SET FDWBM = '990100', DWJB = 3 WHERE DWBM IN (SELECT DISTINCT CBDW_BM FROM TYYW_GG_AJJBXX);
UPDATE TYYW_ZJ_LAJD SET GAZXTZLARQ = '2025-05-06', GAJGZDLARQ = NULL WHERE TZGAJGLARQ IS NOT NULL;
UPDATE TYYW_ZJ_LAJD SET YQGAJGSMLALYRQ = '2025-03-01', GAJGZDLARQ = '2025-04-01' WHERE TZGAJGLARQ IS NULL;
UPDATE TYYW_MX_ZCQS SET ZCQSRQ = '2025-08-01';
UPDATE TYYW_ZJ_ZCHDJD SET SMTCJZRQ = '2025-09-01' WHERE SMTCJZRQ IS NOT NULL;
UPDATE TYYW_GG_AJJBXX SET AJLB_BM = '1626' WHERE AJLB_BM = '1611';
INSERT INTO TYYW_ZXJC_JZWFXX (BMSAH, SFSC, CBDW_BM, CJSJ, ZHXGSJ, SMTCYJJYRQ)
  SELECT BMSAH, 'N', CBDW_BM, CJSJ, ZHXGSJ, '2025-07-01' FROM TYYW_GG_AJJBXX WHERE AJLB_BM = '1626';
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three offices of one superior, read with the mapping that makes units what is scored."""
    made = tmp_path_factory.mktemp("units")
    create(made / "upstream", World(offices=3, people=12, cases=50, seed=11))
    with sqlite3.connect(made / "upstream" / "case.db") as database:
        database.executescript(_RARE)
        codes = [row[0] for row in database.execute("SELECT DISTINCT CBDW_BM FROM TYYW_GG_AJJBXX ORDER BY 1")]
    database.close()
    shutil.copy(PROVINCES / "hainan-unit" / "mapping.toml", made / "mapping.toml")
    (made / "deployment.toml").write_text(
        f"""[office]
code = "{ABOVE}"
name = "滨海市人民检察院"
units = {[ABOVE, *codes]!r}
[store]
url = "sqlite:///jianheng.db"
[policy]
pack = "hainan-unit"
periods = ["2025"]
[sources.ucs]
adapter = "unified-case-sql"
options = {{ url = "sqlite:///upstream/case.db", mapping = "mapping.toml" }}
""".replace("'", '"'),
        encoding="utf-8",
    )
    told = jianheng("sync", "--quiet", "--config", made)
    assert told.code == 0, told.text
    return made


@pytest.fixture(scope="module")
def codes(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "upstream" / "case.db") as database:
        found = [row[0] for row in database.execute("SELECT DISTINCT CBDW_BM FROM TYYW_GG_AJJBXX ORDER BY 1")]
    database.close()
    return found


def _evaluated(folder: Path, codes: list[str], pack: str, without: str = "") -> Evaluation:
    store = open_store(f"sqlite:///{folder / 'jianheng.db'}")
    with store.connect() as connection:
        facts = dict(read_facts(connection, ABOVE))
    store.dispose()
    rows = [
        {
            "source": "statistics", "rating_key": code, "rating": "inmates", "person_key": code, "rater_kind": "statistics",
            "score": Decimal(INMATES[place]), "rated_on": dt.date(2025, 1, 2), "content_hash": "", "locator": "",
        }
        for place, code in enumerate(codes)
        if code != without
    ]  # fmt: skip
    facts["rating"] = pa.Table.from_pylist(rows, facts["rating"].schema)
    policy = law(pack)
    return evaluate(facts, policy, period("2025", policy.file.calendar), [ABOVE], ("ucs",))


def _counts(folder: Path) -> dict[str, dict[str, int]]:
    """What each item comes to in each office, by SQL over the case system's own tables."""
    live = "JOIN TYYW_GG_AJJBXX c ON c.BMSAH = x.BMSAH AND c.SFSC = 'N' WHERE x.SFSC = 'N' AND date(x.{0}) BETWEEN '2025-01-01' AND '2025-12-31'"
    day = {
        "filing": [("TYYW_ZJ_LAJD", "GAJGZDLARQ", "YQGAJGSMLALYRQ IS NOT NULL"), ("TYYW_ZJ_LAJD", "GAZXTZLARQ", "TZGAJGLARQ IS NOT NULL"),
            ("TYYW_ZJ_LAJD", "XZZFJGYSRQ", "JYYSRQ IS NOT NULL")],
        "corrected": [("TYYW_ZJ_ZCHDJD", "SMTCJZRQ", "(AJLB_BM LIKE '02%' OR AJLB_BM LIKE '17%')"), ("TYYW_WJ_ZCHDJD", "SMTCJZRQ", "(AJLB_BM LIKE '02%' OR AJLB_BM LIKE '17%')")],
        "prosecution": [("TYYW_GS_ZCHDJD", "SMTCJZRQ", "AJLB_BM LIKE '03%'"), ("TYYW_GS_SPHDJD", "SMTCJZRQ", "AJLB_BM LIKE '03%'"), ("TYYW_GG_JCJYQK", "CNRQ", "AJLB_BM LIKE '03%'")],
        "execution": [("TYYW_ZXJC_JZWFXX", "SMTCYJJYRQ", "true")],
        "support": [("TYYW_MX_ZCQS", "ZCQSRQ", "true")],
    }  # fmt: skip
    found: dict[str, dict[str, int]] = {}
    with sqlite3.connect(folder / "upstream" / "case.db") as database:
        for name, parts in day.items():
            found[name] = {}
            for table, column, where in parts:
                select = (
                    f"SELECT c.CBDW_BM, count(*) FROM {table} x {live.format(column)} AND {where} GROUP BY 1"
                )
                for code, count in database.execute(select):
                    found[name][code] = found[name].get(code, 0) + count
        convicted = """SELECT c.CBDW_BM, count(*) FROM TYYW_GS_XYRQK x JOIN TYYW_GG_AJJBXX c ON c.BMSAH = x.BMSAH AND c.SFSC = 'N'
          WHERE x.SFSC = 'N' AND date(c.SLRQ) BETWEEN '2025-01-01' AND '2025-12-31'
          AND trim(x.YSXGX_DM) IN ('0333334400100', '0333334400200', '0333334400300', '0333334400400')
          AND EXISTS (SELECT 1 FROM YX_AG_GLAJ g JOIN TYYW_GG_AJJBXX o ON o.BMSAH IN (g.YAJ_BMSAH, g.GLAJ_BMSAH) AND o.AJLB_BM IN ('0204', '1704')
            WHERE c.BMSAH IN (g.YAJ_BMSAH, g.GLAJ_BMSAH)) GROUP BY 1"""
        found["convicted"] = dict(database.execute(convicted).fetchall())
    database.close()
    return found


def _rounded(value: Fraction, places: str) -> Decimal:
    return (Decimal(value.numerator) / Decimal(value.denominator)).quantize(Decimal(places), ROUND_HALF_UP)


def _sheet(
    codes: list[str], counts: dict[str, dict[str, int]], factor: str, constant: int
) -> dict[str, Decimal]:
    """Base, peer maximum, types, 民行 constants, weights: the arithmetic of the source in Python."""

    def of(name: str, code: str) -> int:
        return counts[name].get(code, 0)

    def against_best(full: int, base: dict[str, Fraction]) -> dict[str, Decimal]:
        best = max(base.values())
        return {
            code: _rounded(full * each / best, "0.01") if best else Decimal(full)
            for code, each in base.items()
        }

    supervision = {
        c: Fraction(min(10, of("filing", c) + 3 * of("convicted", c) + of("corrected", c))) for c in codes
    }
    per_inmates = {
        c: Fraction(_rounded(Fraction(3000 * of("execution", c), INMATES[n]), "0.001"))
        for n, c in enumerate(codes)
    }
    investigation = against_best(10, supervision)
    prosecution = against_best(20, {c: Fraction(of("prosecution", c)) for c in codes})
    execution = against_best(30, per_inmates)
    civil = against_best(100, {c: Fraction(10 * of("support", c)) for c in codes})
    return {
        c: _rounded(
            Fraction("0.3") * Fraction(60 + investigation[c])
            + Fraction("0.3") * Fraction(prosecution[c])
            + Fraction("0.2") * Fraction(execution[c])
            + Fraction("0.2") * (Fraction(civil[c]) * Fraction(factor) + constant),
            "0.001",
        )
        for c in codes
    }


@pytest.mark.parametrize(
    ("pack", "factor", "constant"), [("hainan-unit", "0.5", 50), ("hainan-unit-municipal", "0.6", 40)]
)
def test_every_office_has_the_total_that_the_arithmetic_gives(folder, codes, pack, factor, constant):
    """Peer maximum, weights, constants and reference quantities; another level changes two numbers only."""
    counts = _counts(folder)
    assert all(sum(counts[name].values()) > 1 for name in ("filing", "corrected", "execution", "support"))
    year = _evaluated(folder, codes, pack)
    told = {each.person_key: each.points for each in year.values if each.indicator == "total"}
    want = {code: int(total * 1000) for code, total in _sheet(codes, counts, factor, constant).items()}
    assert {code: told[code] for code in codes} == want
    assert len(set(want.values())) == 3


def test_one_offices_missing_quantity_leaves_its_total_missing_and_moves_the_others(folder, codes):
    year = _evaluated(folder, codes, "hainan-unit", without=codes[1])
    told = {each.person_key: (each.state, each.reason) for each in year.values if each.indicator == "total"}
    assert told[codes[1]][0] == "missing"
    assert {told[code][0] for code in (codes[0], codes[2])} == {"scored"}
