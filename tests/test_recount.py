"""The books: workbook, ledger, and a recount that shares no code with the product are one number per person.

The recount is plain SQL over the simulator's own tables (the case database, the archive's database, the
personnel workbook read with another library) and the pack's tables read with the csv module.
"""

import csv
import sqlite3
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa

import jianheng_simulator as simulator
from jianheng.cli import main
from jianheng.cli.init import Answers, deployment_text, write_deployment

PACK = Path(__file__).parents[1] / "plugins" / "jianheng_plugins" / "provinces" / "laoshan"
UNIT, PERIOD = "990101", "2025"
ROLES = {"员额检察官": "quota_prosecutor", "检察官助理": "prosecutor_assistant", "书记员": "clerk"}
LEVELS = {"检察长": "chief", "副检察长": "deputy_chief", "主任": "dept_head"}
SHEET_OF = {"quota_prosecutor": "prosecutor", "prosecutor_assistant": "assistant", "clerk": "clerk"}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated office, synced, scored and published into a workbook."""
    folder = tmp_path_factory.mktemp("office")
    upstream = folder / "upstream"
    simulator.create(upstream, simulator.World(people=20, cases=400, seed=7))
    with simulator.running_archive(upstream) as url:
        (folder / "secret").touch(mode=0o600)
        (folder / "secret").write_text(simulator.CLIENT_SECRET, encoding="utf-8")
        answers = Answers(
            office_code=UNIT,
            office_name="东屿区人民检察院",
            policy="laoshan",
            periods=(PERIOD,),
            store="sqlite:///jianheng.db",
            ucs_url="sqlite:///upstream/case.db",
            personnel="upstream/personnel",
            archive_url=url,
            archive_client_id=simulator.CLIENT_ID,
            archive_secret="file:secret",
            workbook="out",
        )
        write_deployment(folder / "deployment.toml", deployment_text(answers))
        assert main(["sync", "--config", str(folder), "--quiet"]) in {0, 4}
        assert main(["score", "--config", str(folder), "--quiet"]) == 0
        assert main(["publish", "workbook", "--config", str(folder), "--quiet"]) == 0
    return folder


@dataclass(frozen=True, slots=True)
class Recount:
    """What plain SQL over the upstream tables comes to, in thousandths, by person and sheet.

    Attributes:
        entries: the points of counted items.
        totals: with what is given for the rate of cases closed in time.
        cut: what caps took.
    """

    entries: dict[tuple[str, str], int]
    totals: dict[tuple[str, str], int]
    cut: int


@pytest.fixture(scope="module")
def recounted(office: Path) -> Recount:
    """The office's year, counted again."""
    with sqlite3.connect(":memory:") as books:
        books.execute("ATTACH ? AS ucs", (str(office / "upstream" / "case.db"),))
        books.execute("ATTACH ? AS arc", (str(office / "upstream" / "archive.db"),))
        _load_law(books)
        _load_people(books, office)
        books.executescript(_VIEWS)
        books.executescript(_POINTS)
        rows = books.execute(
            "SELECT who, role, sum(points), sum(part - points), sum(measure = 'case_in_time'),"
            " sum(measure = 'case_overdue') FROM counted WHERE day >= '2025-01-01' GROUP BY who, role"
        ).fetchall()
    books.close()
    entries = {(who, SHEET_OF[role]): points for who, role, points, *_ in rows}
    totals = {
        (who, SHEET_OF[role]): points + (_rate_points(in_time, overdue) if role == "quota_prosecutor" else 0)
        for who, role, points, _, in_time, overdue in rows
    }
    return Recount(entries, totals, sum(row[3] for row in rows))


def _rate_points(in_time: int, overdue: int) -> int:
    """What the share of cases closed in time gives: 95 % twenty points, 85 % ten; without such cases nothing."""
    if in_time + overdue == 0:
        return 0
    hundredths = int(Fraction(10_000 * in_time, in_time + overdue) + Fraction(1, 2))
    return 20_000 if hundredths >= 9500 else 10_000 if hundredths >= 8500 else 0


def _load_law(books: sqlite3.Connection) -> None:
    books.execute(
        "CREATE TABLE rule (id, measure, code, category, role, indicator, points, per_case, month_cap)"
    )
    books.execute("CREATE TABLE permit (measure, code, role, level)")
    with (PACK / "points.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            for category in row["category"].split(";"):
                books.execute(
                    "INSERT INTO rule VALUES (?,?,?,?,?,?,?,?,?)",
                    (
                        row["id"],
                        row["measure"],
                        row["code"],
                        category,
                        row["role"],
                        row["indicator"],
                        int(Decimal(row["points"]) * 1000),
                        int(row["per_case"] or 999999),
                        int(Decimal(row["month_cap"] or 999999) * 1000),
                    ),
                )
    with (PACK / "authority.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            for role in row["role"].split(";"):
                for level in row["post_level"].split(";"):
                    books.execute(
                        "INSERT INTO permit VALUES (?,?,?,?)", (row["measure"], row["code"], role, level)
                    )


def _load_people(books: sqlite3.Connection, office: Path) -> None:
    books.execute("CREATE TABLE posting (person, unit, role, level, since, until)")
    books.execute("CREATE TABLE declared (case_no, person, kind, day, approved)")
    book = openpyxl.load_workbook(
        simulator.workbook_path(office / "upstream"), read_only=True, data_only=True
    )
    for values in list(book["任职经历"].iter_rows(values_only=True))[1:]:
        unit, number, role, title, since, until = (values[i] for i in (0, 1, 6, 7, 8, 9))
        books.execute(
            "INSERT INTO posting VALUES (?,?,?,?,?,?)",
            (
                f"{unit}-{number}",
                unit,
                ROLES.get(role, role),
                LEVELS.get(title, "member" if title else None),
                str(since)[:10],
                str(until)[:10] if until else "9999-12-31",
            ),
        )
    for values in list(book["特殊案件申报"].iter_rows(values_only=True))[1:]:
        unit, case_no, applicant, kind, decided, decision = (values[i] for i in (1, 2, 4, 5, 8, 9))
        person = f"{unit}-{applicant}"
        row = (case_no, person, kind, str(decided)[:10] if decided else None, decision == "同意")
        books.execute("INSERT INTO declared VALUES (?,?,?,?,?)", row)
    book.close()


_VIEWS = """
CREATE TABLE c AS
SELECT BMSAH AS case_no, AJLB_BM AS category, CBDW_BM || '-' || trim(CBRGH) AS handler,
  nullif(date(CASE WHEN AJLB_BM IN ('0201', '0301') THEN BJRQ
    WHEN date(WCRQ) > '1900-01-01' THEN WCRQ ELSE BJRQ END), '1900-01-01') AS closed,
  nullif(date(DQRQ), '1900-01-01') AS due, date(SLRQ) AS begun, trim(SFDBAJ) = 'Y' AS supervised
FROM ucs.TYYW_GG_AJJBXX
WHERE SFSC = 'N' AND CBDW_BM = '990101' AND AJLB_BM NOT IN ('1401', '1402');

CREATE TABLE d AS
SELECT s.DWBM || '-' || trim(s.WSBH) AS document, s.BMSAH AS case_no, trim(s.WSMBBH) AS code,
  nullif(date(s.NZRQ), '1900-01-01') AS day, s.DWBM || '-' || trim(s.NZRGH) AS person
FROM ucs.YX_WS_SL s JOIN c ON c.case_no = s.BMSAH WHERE s.SFSC = 'N';

CREATE TABLE special AS
SELECT case_no FROM c WHERE supervised
UNION SELECT case_no FROM (SELECT BMSAH AS case_no FROM ucs.TYYW_GG_XYRJBXX WHERE SFSC = 'N'
  GROUP BY BMSAH HAVING count(DISTINCT XYRBH) >= 5) WHERE case_no IN (SELECT case_no FROM c)
UNION SELECT case_no FROM declared WHERE approved AND kind = '重大疑难复杂案件';

-- What the day of closing does to the points for closing: past the limit less, in half the time more.
CREATE TABLE timely AS
SELECT case_no, CASE WHEN closed > due AND closed < '2025-07-01' THEN 900 WHEN closed > due THEN 800
  WHEN 2 * (julianday(closed) - julianday(begun)) <= julianday(due) - julianday(begun) THEN 1100
  ELSE 1000 END AS permille
FROM c WHERE closed IS NOT NULL;

-- Who takes part: members of the handling unit and co-handlers, the strongest role each; else the handler.
CREATE TABLE member AS
SELECT case_no, person, min(place) AS place FROM (
  SELECT BMSAH AS case_no, DWBM || '-' || trim(GH) AS person,
    CASE trim(BADYJSBH) WHEN '1' THEN 1 WHEN '2' THEN 1 WHEN '3' THEN 2 ELSE 3 END AS place
  FROM ucs.YX_QX_BADYAJQX WHERE SFSC = 'N'
  UNION ALL
  SELECT BMSAH, XTCBRDW_BM || '-' || trim(XTCBRGH), 1 FROM ucs.YX_XT_XTCBR WHERE SFSC = 'N'
) WHERE case_no IN (SELECT case_no FROM c) GROUP BY case_no, person;
INSERT INTO member SELECT case_no, handler, 1 FROM c WHERE case_no NOT IN (SELECT case_no FROM member);

-- An item: what was done, when, by whom; team items have no person yet.
CREATE TABLE item AS
SELECT 'document_made' AS measure, document AS item, case_no, code, day, person FROM d WHERE day IS NOT NULL
UNION ALL
SELECT 'document_guided', document, case_no, code, day, c.handler FROM d JOIN c USING (case_no)
  WHERE day IS NOT NULL AND d.person <> c.handler
  AND code IN ('100000002001', '100000003001', '100000007001', '100000009001', '100000016001')
UNION ALL
SELECT CASE p.SPJL WHEN '同意' THEN 'document_approved' ELSE 'document_reviewed' END,
  p.DWBM || p.WSBH || p.SPRGH || p.SPSY, p.BMSAH, trim(s.WSMBBH), nullif(date(p.SPRQ), '1900-01-01'),
  p.DWBM || '-' || trim(p.SPRGH)
FROM ucs.YX_WS_SP p JOIN c ON c.case_no = p.BMSAH
JOIN ucs.YX_WS_SL s ON s.DWBM = p.DWBM AND s.WSBH = p.WSBH
WHERE p.SFSC = 'N' AND trim(p.SPJL) IN ('同意', '审核同意') AND date(p.SPRQ) > '1900-01-01'
UNION ALL SELECT 'case_closed', case_no, case_no, '', closed, NULL FROM c WHERE closed IS NOT NULL
UNION ALL SELECT 'case_in_time', case_no, case_no, '', closed, handler FROM c WHERE closed <= due
UNION ALL SELECT 'case_overdue', case_no, case_no, '', closed, handler FROM c WHERE closed > due
UNION ALL SELECT 'prosecution_without_return', case_no, case_no, '', closed, NULL FROM c WHERE closed IS NOT NULL
  AND EXISTS (SELECT 1 FROM d WHERE d.case_no = c.case_no AND code = '100000003007')
  AND NOT EXISTS (SELECT 1 FROM d WHERE d.case_no = c.case_no AND code = '100000003009')
UNION ALL SELECT 'guilty_plea_applied', case_no, case_no, '', closed, NULL FROM c WHERE closed IS NOT NULL
  AND EXISTS (SELECT 1 FROM d WHERE d.case_no = c.case_no AND code = '100000003005')
  AND EXISTS (SELECT 1 FROM d WHERE d.case_no = c.case_no AND code IN ('100000003007', '100000003008'))
UNION ALL SELECT 'rights_told', case_no, case_no, '', closed, handler FROM c WHERE closed IS NOT NULL
  AND category IN ('0201', '0301', '1701', '1722')
  AND EXISTS (SELECT 1 FROM d WHERE d.case_no = c.case_no AND code IN ('100000002002', '100000003002'))
UNION ALL SELECT 'archived_in_time', c.case_no, c.case_no, '', closed, handler FROM c
  JOIN (SELECT bmsah, max(date(accepted_at)) AS accepted FROM arc.volume WHERE NOT deleted
    GROUP BY bmsah HAVING sum(state = '已归档') = count(*)) v ON v.bmsah = c.case_no
  WHERE julianday(accepted) <= julianday(closed) + 90
UNION ALL SELECT 'excellent_declared', 'declared' || declared.rowid, declared.case_no,
  CASE kind WHEN '优秀案件' THEN 'excellent_case' ELSE 'excellent_document' END, declared.day, declared.person
  FROM declared JOIN c USING (case_no) WHERE approved AND kind IN ('优秀案件', '优秀法律文书');
"""

# Everything since the law's first day: a case may have begun before the year, and limits look back.
_POINTS = """
CREATE TABLE counted AS
WITH subject AS (
  SELECT i.*, i.person AS who, 0 AS shared, NULL AS place FROM item i
    WHERE measure NOT IN ('case_closed', 'prosecution_without_return', 'guilty_plea_applied')
  UNION ALL
  SELECT i.*, m.person, 1, m.place FROM item i JOIN member m USING (case_no)
    WHERE measure IN ('case_closed', 'prosecution_without_return', 'guilty_plea_applied')
),
posted AS (
  SELECT s.*, c.category, p.level, p.unit AS unit,
    coalesce(p.role, CASE place WHEN 1 THEN 'quota_prosecutor' WHEN 2 THEN 'prosecutor_assistant' WHEN 3 THEN 'clerk' END)
      AS role
  FROM subject s JOIN c USING (case_no)
  LEFT JOIN posting p ON p.person = s.who AND s.day BETWEEN p.since AND p.until
  WHERE s.day >= '2018-01-01' AND s.day < '2026-01-01'
),
weighed AS (
  SELECT *, CASE role WHEN 'quota_prosecutor' THEN 600 WHEN 'prosecutor_assistant' THEN 300
      WHEN 'clerk' THEN 100 ELSE 0 END * 5040
    / count(*) OVER (PARTITION BY measure, item, role) AS weight,
    CASE role WHEN 'quota_prosecutor' THEN 1 WHEN 'prosecutor_assistant' THEN 2 WHEN 'clerk' THEN 3 ELSE 4 END AS rank
  FROM posted
),
allowed AS (
  SELECT w.*, measure NOT IN (SELECT measure FROM permit) OR EXISTS (
    SELECT 1 FROM permit t WHERE t.measure = w.measure AND t.code = w.code
      AND t.role IN ('', w.role) AND t.level IN ('', w.level)) AS may
  FROM weighed w
),
priced AS (
  SELECT a.*, r.id AS rule, r.indicator, r.per_case, r.month_cap,
    (r.points
      * CASE WHEN a.case_no IN (SELECT case_no FROM special) AND a.measure IN ('document_made', 'case_closed')
        THEN 1500 ELSE 1000 END
      * CASE a.measure WHEN 'case_closed' THEN (SELECT permille FROM timely y WHERE y.case_no = a.case_no)
        ELSE 1000 END
      + 500000) / 1000000 AS worth
  FROM allowed a JOIN rule r ON r.measure = a.measure AND r.code IN ('', a.code)
    AND r.category IN ('', a.category) AND r.role IN ('', a.role)
  WHERE may
),
parted AS (
  SELECT *, CASE WHEN NOT shared THEN worth ELSE
      worth * sum(weight) OVER so_far / sum(weight) OVER whole
      - worth * (sum(weight) OVER so_far - weight) / sum(weight) OVER whole END AS part
  FROM priced
  WINDOW whole AS (PARTITION BY measure, item, rule),
    so_far AS (PARTITION BY measure, item, rule ORDER BY rank, who)
),
numbered AS (
  SELECT *, row_number() OVER (PARTITION BY rule, case_no, who ORDER BY day, item) AS nth FROM parted
  WHERE unit = '990101' AND role IN ('quota_prosecutor', 'prosecutor_assistant', 'clerk')
),
monthly AS (
  SELECT *, min(sum(part) OVER m, month_cap) - min(sum(part) OVER m - part, month_cap) AS of_month
  FROM numbered WHERE nth <= per_case
  WINDOW m AS (PARTITION BY rule, who, substr(day, 1, 7) ORDER BY day, item ROWS UNBOUNDED PRECEDING)
)
SELECT *, CASE indicator WHEN 'documents'
    THEN min(sum(of_month) OVER d, 20000) - min(sum(of_month) OVER d - of_month, 20000)
    ELSE of_month END AS points
FROM monthly
WINDOW d AS (PARTITION BY indicator, case_no, who ORDER BY day, item, rule ROWS UNBOUNDED PRECEDING)
"""


def _stored(office: Path, statement: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(f"sqlite:///{office / 'jianheng.db'}")
    with engine.connect() as connection:
        rows = connection.execute(sa.text(statement)).fetchall()
    engine.dispose()
    return [tuple(row) for row in rows]


def test_ledger_equals_the_recount_for_every_person(office: Path, recounted: Recount) -> None:
    """Nobody has a point more or less on any sheet than plain SQL over the upstream tables gives him."""
    held = _stored(
        office,
        "SELECT person_key, sheet, sum(points) FROM ledger_entry WHERE state <> 'void' GROUP BY person_key, sheet",
    )
    assert len(held) > 8
    assert {(person, sheet): points for person, sheet, points in held} == recounted.entries


def test_the_caps_of_the_law_bind_somebody_here(office: Path, recounted: Recount) -> None:
    """What they took is as much as the recount says; a cap that never bit would prove nothing."""
    taken = _stored(office, "SELECT sum(withheld) FROM ledger_entry WHERE state <> 'void' AND caps <> ''")
    names = _stored(office, "SELECT DISTINCT caps FROM ledger_entry WHERE caps <> ''")
    assert taken == [(recounted.cut,)]
    bitten = {name.split(":")[0] for (told,) in names for name in told.split(";") if name}
    assert {"approved_p.month_cap", "documents_in_case"} <= bitten


def test_totals_equal_the_recount_for_every_person(office: Path, recounted: Recount) -> None:
    """Totals and places, too: the points for cases closed in time are not in the ledger."""
    held = _stored(office, "SELECT person_key, sheet, points, place FROM person_score")
    totals = {(person, sheet): points for person, sheet, points, _ in held}
    assert totals == {key: recounted.totals.get(key, 0) for key in totals}
    assert recounted.totals.keys() <= totals.keys()
    assert any(recounted.totals[key] != recounted.entries[key] for key in totals.keys() & recounted.totals)
    for sheet in SHEET_OF.values():
        best_first = sorted({points for (_, of), points in totals.items() if of == sheet}, reverse=True)
        for person, of, points, place in held:
            assert of != sheet or place == best_first.index(points) + 1, person


def test_workbook_equals_the_recount_for_every_person(office: Path, recounted: Recount) -> None:
    """What a reader sees in the ranking and on the sheets is the recounted number."""
    (path,) = (office / "out").glob("*.xlsx")
    book = openpyxl.load_workbook(path, data_only=True)
    rows = [list(values) for values in book["排名"].iter_rows(values_only=True)]
    header = next(position for position, row in enumerate(rows) if "姓名" in row)
    name, total = rows[header].index("姓名"), rows[header].index("总分")
    shown = sorted(
        round(Decimal(str(row[total])), 3) for row in rows[header + 1 :] if row[name] and row[total]
    )
    assert shown == sorted(Decimal(points) / 1000 for points in recounted.totals.values() if points)
    entries = Decimal(0)
    for sheet in book.worksheets[4:]:
        lines = [list(values) for values in sheet.iter_rows(values_only=True)]
        top = next(position for position, row in enumerate(lines) if "得分" in row and "规则" in row)
        column = lines[top].index("得分")
        points = (row[column] for row in lines[top + 1 :] if isinstance(row[column], int | float))
        entries += sum((round(Decimal(str(value)), 3) for value in points), Decimal(0))
    assert entries == Decimal(sum(recounted.entries.values())) / 1000
    book.close()
