"""One simulated office for the acceptance tests: its systems, a few rare rows written into them, and what was read.

The recounts of these tests look at the systems' own tables only; the packs look at what was synced.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import openpyxl
import pyarrow as pa

from jianheng.scoring.kernel.evaluation import Evaluation, evaluate
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import Policy, load_policy
from office_driver import CODE, ROOT
from upstream import CHINA

PROVINCES = ROOT / "plugins" / "jianheng_plugins" / "provinces"
ROLES = {"员额检察官": "quota_prosecutor", "检察官助理": "prosecutor_assistant", "书记员": "clerk"}
LEVELS = {"检察长": "chief", "副检察长": "deputy_chief", "主任": "dept_head"}

# Columns of the real system that the simulated one leaves out, and rare things that a small office hardly has.
COLUMNS = {
    "TYYW_ZJ_LAJD": ("LARQ", "LAJG_DM"),
    "TYYW_ZXJC_BYXBLQK": ("SFJYRQ", "FKRQ", "FKJG_DM"),
    "TYYW_MX_MSXZJD": ("XSRQ",),
}
RARE = """
UPDATE TYYW_ZJ_LAJD SET JDLX_DM = '0225123040300', YQGAJGSMLALYRQ = NULL, GAJGZDLARQ = NULL, TZGAJGLARQ = NULL,
  JYYSRQ = '2025-03-03', XZZFJGYSRQ = '2025-03-12', LARQ = '2025-03-20', LAJG_DM = '9901190102000' WHERE rowid % 3 = 1;
UPDATE TYYW_ZJ_LAJD SET GAZXTZLARQ = '2025-05-06' WHERE TZGAJGLARQ IS NOT NULL;
UPDATE TYYW_ZJ_LAJD SET GAJGZDLARQ = '2025-04-01', YQGAJGSMLALYRQ = '2025-03-01',
  TZGAJGLARQ = '2025-04-02', GAZXTZLARQ = '2025-05-06' WHERE rowid % 3 = 2;
UPDATE TYYW_ZJ_ZCHDJD SET HFRQ = ZCRQ, FCJG_DM = NULL;
CREATE TABLE trial AS SELECT BMSAH, row_number() OVER (ORDER BY min(YYSPJRQ), BMSAH) AS n FROM TYYW_GS_XYRQK
  WHERE YSXGX_DM LIKE '0333334400400%' AND BMSAH LIKE '%起诉受%' AND SFSC = 'N' GROUP BY BMSAH;
INSERT INTO YX_AG_GLAJ (SFSC, YAJ_BMSAH, GLAJ_BMSAH, CJSJ, ZHXGSJ, YAJ_AJLB_BM, YAJ_CBDW_BM, GLAJ_AJLB_BM, GLAJ_CBDW_BM)
  SELECT 'N', l.BMSAH, t.BMSAH, '2025-06-01', '2025-06-01', '0204', '990101', '0301', '990101' FROM trial t JOIN
  (SELECT BMSAH, row_number() OVER (ORDER BY SLRQ DESC) AS n FROM TYYW_GG_AJJBXX WHERE AJLB_BM = '0204' AND SFSC = 'N') l USING (n);
UPDATE TYYW_GS_XYRQK SET YSXGXXQ = CASE n % 2 WHEN 0 THEN '48' ELSE '144' END
  FROM trial WHERE trial.BMSAH = TYYW_GS_XYRQK.BMSAH AND YSXGX_DM LIKE '0333334400400%';
UPDATE TYYW_ZXJC_BYXBLQK SET SFJYRQ = SJRQ, FKRQ = date(SJRQ, '+5 days'),
  FKJG_DM = CASE WHEN rowid % 3 THEN '1618000100000' ELSE '1618000200000' END WHERE SJRQ IS NOT NULL;
UPDATE TYYW_GG_AJJBXX SET AJLB_BM = '1626' WHERE AJLB_BM = '1611';
INSERT INTO TYYW_ZXJC_JZWFXX (BMSAH, SFSC, CBDW_BM, CJSJ, ZHXGSJ, SMTCYJJYRQ, FKRQ, FKYJ_DM, JCHJ_DM)
  SELECT BMSAH, 'N', CBDW_BM, CJSJ, ZHXGSJ, BJRQ, date(BJRQ, '+3 days'), '1618000100000',
  CASE WHEN rowid % 2 THEN '1617000200000' ELSE NULL END FROM TYYW_GG_AJJBXX WHERE AJLB_BM = '1626' AND BJRQ > '2000';
INSERT INTO TYYW_GG_JCJYQK (BMSAH, SFSC, CBDW_BM, CJSJ, ZHXGSJ, XH, JCJYRQ, CNRQ)
  SELECT BMSAH, 'N', CBDW_BM, CJSJ, ZHXGSJ, '91', SLRQ, date(SLRQ, '+20 days') FROM TYYW_GG_AJJBXX
  WHERE AJLB_BM IN ('0212', '1626') AND rowid % 2;
UPDATE TYYW_MX_SPCXJD SET TCJCJYRQ = JARQ, TCJCJYCNRQ = CASE WHEN rowid % 2 THEN date(JARQ, '+9 days') END;
UPDATE TYYW_MX_ZXHDJD SET TCJCJYRQ = '2025-03-01', TCJCJYCNRQ = '2025-04-01';
UPDATE TYYW_GG_AJJBXX SET SLRQ = datetime(SLRQ, '+200 days'), BJRQ = datetime(BJRQ, '+200 days'), WCRQ = datetime(WCRQ, '+200 days')
  WHERE AJLB_BM = '0703' AND BJRQ > '2000' AND WCRQ > '2000';
UPDATE TYYW_MX_BDLXZZJD SET CNDCYFLXZZJCJYRQ = date(DCYFLXZZRQ, '+9 days') WHERE rowid % 2;
UPDATE TYYW_MX_MSXZJD SET KSRQ = JACLRQ, KSAJZSJG_DM = CASE rowid % 2 WHEN 0 THEN '0701260100001' ELSE '0701260100002' END,
  AJXZ_DM = CASE rowid % 2 WHEN 0 THEN '0702501000000' ELSE AJXZ_DM END, XSRQ = CASE rowid % 3 WHEN 0 THEN JACLRQ END;
UPDATE TYYW_GG_AJJBXX SET AJLB_BM = '0707' WHERE AJLB_BM = '0705';
INSERT INTO TYYW_MX_FCJZ (BMSAH, SFSC, CBDW_BM, CJSJ, ZHXGSJ, JARQ, JAQK_DM, KSRQ, KSAJZSJG_DM)
  SELECT BMSAH, 'N', CBDW_BM, CJSJ, ZHXGSJ, BJRQ, '0707220100001', CASE WHEN rowid % 2 THEN BJRQ END, '0701260100002'
  FROM TYYW_GG_AJJBXX WHERE AJLB_BM = '0707' AND BJRQ > '2000';
UPDATE TYYW_GG_AJJBXX SET AJLB_BM = CASE WHEN rowid % 2 THEN '1304' ELSE '1305' END WHERE AJLB_BM IN ('0208', '0302');
UPDATE TYYW_ZJ_FZXYR SET BHCARQ = date(SJRQ, '+30 days') WHERE rowid % 11 = 3 AND SJCLJG_DM LIKE '0201101201%';
UPDATE TYYW_GS_XYRQK SET CHQSRQ = date(SJRQ, '+30 days') WHERE rowid % 17 = 3 AND SJCLQK_DM LIKE '0322110101000%';
UPDATE TYYW_GS_XYRQK SET YSXGX_DM = '0333334400800', SXPJRQ = YYSPJRQ WHERE rowid % 19 = 4 AND YYSPJRQ IS NOT NULL;
UPDATE TYYW_GG_AJJBXX SET AJLB_BM = '0304' WHERE rowid IN
  (SELECT rowid FROM TYYW_GG_AJJBXX WHERE AJLB_BM = '0301' AND WCRQ > '2025' AND SFSC = 'N' ORDER BY BMSAH LIMIT 2);
UPDATE TYYW_GG_AJJBXX SET AJLB_BM = '0305' WHERE rowid IN
  (SELECT rowid FROM TYYW_GG_AJJBXX WHERE AJLB_BM = '0301' AND WCRQ > '2025' AND SFSC = 'N' ORDER BY BMSAH DESC LIMIT 1);
INSERT INTO TYYW_GS_ESKS (BMSAH, SFSC, CBDW_BM, CJSJ, ZHXGSJ, CHKSRQ) SELECT BMSAH, 'N', CBDW_BM, CJSJ, ZHXGSJ,
  CASE row_number() OVER (ORDER BY BMSAH) WHEN 1 THEN WCRQ END FROM TYYW_GG_AJJBXX WHERE AJLB_BM = '0304';
INSERT INTO TYYW_GS_SPJDCXKS (BMSAH, SFSC, CBDW_BM, CJSJ, ZHXGSJ, BYCHKSRQ)
  SELECT BMSAH, 'N', CBDW_BM, CJSJ, ZHXGSJ, WCRQ FROM TYYW_GG_AJJBXX WHERE AJLB_BM = '0305';
UPDATE TYYW_GS_XYRQK SET ESXGX_DM = '0333334400801' WHERE BMSAH IN (SELECT BMSAH FROM TYYW_GS_ESKS WHERE CHKSRQ IS NULL);
UPDATE TYYW_GG_AJJBXX SET AJLB_BM = '0904' WHERE rowid IN
  (SELECT rowid FROM TYYW_GG_AJJBXX WHERE AJLB_BM = '0901' AND WCRQ > '2025' AND SFSC = 'N' ORDER BY BMSAH LIMIT 1);
INSERT INTO TYYW_SS_XSPC (BMSAH, SFSC, CBDW_BM, CJSJ, ZHXGSJ, JDQK_DMS)
  SELECT BMSAH, 'N', CBDW_BM, CJSJ, ZHXGSJ, '09031337020000903133701000' FROM TYYW_GG_AJJBXX WHERE AJLB_BM = '0904';
UPDATE TYYW_SS_XSSSFC SET SSLB_DM = '0930136301000', LAFCJG_DM = '0916132402000' WHERE rowid % 2;
UPDATE TYYW_MX_MSXZJD SET AJXZ_DM = '0702501000000',
  JACLQK_DM = CASE rowid % 4 WHEN 0 THEN '0704220100004' ELSE '0704220100005' END WHERE rowid % 2 = 0 AND JACLRQ IS NOT NULL;
UPDATE TYYW_GG_XYRJBXX SET ZASNL = '9' WHERE rowid % 7 = 1 AND BMSAH LIKE '%检捕受%';
UPDATE TYYW_GG_XYRJBXX SET ZASNL = '100' WHERE rowid % 7 = 2 AND BMSAH LIKE '%检捕受%';
"""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The office: the file of its case database, its personnel workbook, and what was synced of both."""

    cases: Path
    workbook: Path
    facts: Mapping[str, pa.Table]


def law(pack: str) -> Policy:
    """Load a shipped pack."""
    return load_policy(PROVINCES / pack, lambda name: PROVINCES / name, calendars={"china": CHINA})


def scored(accepted: Accepted, policy: Policy, year: str) -> Evaluation:
    """Score the office for a period."""
    order = ("ucs", "archive", "personnel")
    return evaluate(accepted.facts, policy, period(year, policy.file.calendar), [CODE], order)


def books(accepted: Accepted) -> sqlite3.Connection:
    """Open the case database for a recount: live rows of live cases, days without the placeholder, and postings."""
    opened = sqlite3.connect(":memory:")
    opened.execute("ATTACH ? AS ucs", (str(accepted.cases),))
    opened.execute("CREATE TABLE posting (person, unit, role, level, since, until, department)")
    book = openpyxl.load_workbook(accepted.workbook, read_only=True, data_only=True)
    for values in list(book["任职经历"].iter_rows(values_only=True))[1:]:
        unit, number, role, title, since, until = (values[i] for i in (0, 1, 6, 7, 8, 9))
        row = (
            f"{unit}-{number}",
            unit,
            ROLES.get(role, role),
            LEVELS.get(title, "member"),
            str(since)[:10],
            str(until)[:10] if until else "9999-12-31",
            str(values[3]),
        )
        opened.execute("INSERT INTO posting VALUES (?,?,?,?,?,?,?)", row)
    book.close()
    opened.executescript(_BOOKS)
    return opened


_DAY = "CASE WHEN date({0}) > '1900-01-01' THEN date({0}) END"
_BOOKS = f"""
CREATE TABLE c AS SELECT BMSAH AS no, AJLB_BM AS cat, CBDW_BM || '-' || trim(CBRGH) AS who, date(SLRQ) AS taken,
  {_DAY.format("BJRQ")} AS concluded, {_DAY.format("WCRQ")} AS completed, {_DAY.format("DQRQ")} AS due,
  AJZT IN ('2', '3') AS done, DQJD = '流程结束' AS ended
FROM ucs.TYYW_GG_AJJBXX WHERE SFSC = 'N' AND CBDW_BM = '990101' AND AJLB_BM NOT IN ('1401', '1402');
CREATE TABLE d AS SELECT s.DWBM || '-' || trim(s.WSBH) AS id, s.BMSAH AS no, trim(s.WSMBBH) AS code,
  {_DAY.format("s.NZRQ")} AS day FROM ucs.YX_WS_SL s JOIN c ON c.no = s.BMSAH WHERE s.SFSC = 'N';
CREATE TABLE a AS SELECT p.BMSAH AS no, trim(w.WSMBBH) AS code, {_DAY.format("p.SPRQ")} AS day,
  p.DWBM || '-' || trim(p.SPRGH) AS who FROM ucs.YX_WS_SP p JOIN c ON c.no = p.BMSAH
  LEFT JOIN ucs.YX_WS_SL w ON w.DWBM = p.DWBM AND w.WSBH = p.WSBH WHERE p.SFSC = 'N';
CREATE TABLE s AS SELECT b.BMSAH AS no, b.XYRBH AS suspect, CAST(nullif(trim(b.ZASNL), '') AS INTEGER) AS age, trim(b.ZASNL) AS age_text,
  trim(z.SJCLJG_DM) AS arrest, {_DAY.format("z.SJRQ")} AS arrested, {_DAY.format("z.BHCARQ")} AS freed, trim(g.SJCLQK_DM) AS charged,
  trim(g.YSXGX_DM) AS sentence, CAST(g.YSXGXXQ AS INTEGER) AS months, {_DAY.format("g.CHQSRQ")} AS dropped,
  {_DAY.format("g.SXPJRQ")} AS final FROM ucs.TYYW_GG_XYRJBXX b JOIN c ON c.no = b.BMSAH
  LEFT JOIN (SELECT BMSAH, XYRBH, SFSC, SJCLJG_DM, SJRQ, BHCARQ FROM ucs.TYYW_ZJ_FZXYR
    UNION ALL SELECT BMSAH, XYRBH, SFSC, SJCLJG_DM, SJRQ, BHCARQ FROM ucs.TYYW_WJ_FZXYR) z ON z.BMSAH = b.BMSAH AND z.XYRBH = b.XYRBH AND z.SFSC = 'N'
  LEFT JOIN (SELECT BMSAH, XYRBH, SFSC, SJCLQK_DM, YSXGX_DM, YSXGXXQ, CHQSRQ, SXPJRQ FROM ucs.TYYW_GS_XYRQK
    UNION ALL SELECT BMSAH, XYRBH, SFSC, SJCLQK_DM, YSXGX_DM, YSXGXXQ, CHQSRQ, SXPJRQ FROM ucs.TYYW_WJ_XYRQK) g ON g.BMSAH = b.BMSAH AND g.XYRBH = b.XYRBH AND g.SFSC = 'N' WHERE b.SFSC = 'N';
CREATE TABLE link AS SELECT YAJ_BMSAH AS one, GLAJ_BMSAH AS other FROM ucs.YX_AG_GLAJ WHERE SFSC = 'N'
  UNION SELECT GLAJ_BMSAH, YAJ_BMSAH FROM ucs.YX_AG_GLAJ WHERE SFSC = 'N'
  UNION SELECT BMSAH, BMSAH_Y FROM ucs.YX_AG_CAJL WHERE SFSC = 'N' UNION SELECT BMSAH_Y, BMSAH FROM ucs.YX_AG_CAJL WHERE SFSC = 'N'
  UNION SELECT BMSAH, BMSAH_B FROM ucs.YX_AG_BAJL WHERE SFSC = 'N' UNION SELECT BMSAH_B, BMSAH FROM ucs.YX_AG_BAJL WHERE SFSC = 'N';
CREATE TABLE gone AS SELECT BMSAH_Y AS no FROM ucs.YX_AG_CAJL WHERE SFSC = 'N' UNION SELECT BMSAH_B FROM ucs.YX_AG_BAJL WHERE SFSC = 'N';
"""
