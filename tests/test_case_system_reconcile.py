"""Both sides counted: what the case system holds and what the store has of it, by unit and year."""

import json
import sys
from pathlib import Path
from shutil import copytree

import pytest
import sqlalchemy as sa

from jianheng_simulator.simulation import create
from office_driver import CODE, SMALL, jianheng

sys.path.insert(0, str(Path(__file__).with_name("adapters")))

DEPLOYMENT = f"""
[office]
code = "{CODE}"
name = "滨海市东屿区人民检察院"
[store]
url = "sqlite:///store.db"
[policy]
pack = "permit-desk"
periods = ["2025"]
[sources.cases]
adapter = "unified-case-sql"
[sources.cases.options]
url = "sqlite:///upstream/case.db"
[sources.people]
adapter = "personnel-workbook"
[sources.people.options]
path = "upstream/personnel"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """An office whose sources nobody has read."""
    folder = tmp_path_factory.mktemp("made")
    create(folder / "upstream", SMALL)
    (folder / "deployment.toml").write_text(DEPLOYMENT, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def read(made, tmp_path_factory) -> Path:
    """The same office with everything read."""
    folder = tmp_path_factory.mktemp("read") / "office"
    copytree(made, folder)
    assert jianheng("sync", "--config", folder).code == 0
    return folder


@pytest.fixture
def office(read, tmp_path) -> Path:
    """A copy of its own for every test: what one changes is nothing to another."""
    return Path(copytree(read, tmp_path / "office"))


def change(office: Path, statement: str) -> None:
    engine = sa.create_engine(f"sqlite:///{office / 'upstream' / 'case.db'}")
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def reconciled(office: Path, *words: object):
    told = jianheng("reconcile", "cases", *words, "--json", "--config", office)
    return told, {each["stream"]: each for each in json.loads(told.out)["streams"]}


def test_before_and_after_a_sync_and_after_each_kind_of_difference(made, tmp_path):
    office = Path(copytree(made, tmp_path / "office"))
    told, streams = reconciled(office)
    assert told.code == 4
    case = streams["case"]
    assert case["here"] == 0 < case["there"]
    assert {each["reason"] for part in case["differences"] for each in part["reasons"]} == {"never-read"}
    assert {(part["unit_code"], part["year"]) for part in case["differences"]} == {(CODE, 2024), (CODE, 2025)}

    jianheng("sync", "--config", office)
    told, streams = reconciled(office)
    assert told.code == 0, [each for each in streams.values() if each["differences"]]
    engine = sa.create_engine(f"sqlite:///{office / 'upstream' / 'case.db'}")
    with engine.connect() as connection:  # counted once more, in plain SQL
        by_year = dict(
            connection.execute(
                sa.text(
                    "select substr(SLRQ, 1, 4), count(*) from TYYW_GG_AJJBXX"
                    " where SFSC = 'N' and AJLB_BM not in ('1401', '1402') group by 1"
                )
            ).fetchall()
        )
    engine.dispose()
    assert streams["case"]["there"] == streams["case"]["here"] == sum(by_year.values())
    assert len([each for each in streams.values() if each["there"]]) > 20

    change(office, "delete from YX_WS_SL where rowid = (select max(rowid) from YX_WS_SL where SFSC = 'N')")
    change(office, "update TYYW_GG_XYRJBXX set SFSC = 'N' where SFSC = 'Y'")
    told, streams = reconciled(office, "--stream", "document", "--stream", "suspect")
    assert told.code == 4
    assert set(streams) == {"document", "suspect"}
    (gone,) = streams["document"]["differences"]
    assert (gone["there"] - gone["here"], gone["reasons"]) == (-1, [{"reason": "gone-unmarked", "rows": 1}])
    for part in streams["suspect"]["differences"]:
        assert [each["reason"] for each in part["reasons"]] == ["not-yet-read"]


def test_a_quarantined_row_is_the_reason_that_is_told(office):
    change(
        office,
        "update TYYW_GG_AJJBXX set CBRGH = '9876', ZHXGSJ = '2026-01-02 09:00:00' where rowid = "
        "(select max(rowid) from TYYW_GG_AJJBXX where AJLB_BM = '0301' and SFSC = 'N')",
    )
    jianheng("sync", "cases", "--config", office)
    told, streams = reconciled(office, "--stream", "case")
    # The last good version stays: the counts agree, and a row in quarantine is told by the sync itself.
    assert (told.code, streams["case"]["differences"]) == (0, [])
    change(
        office,
        "insert into TYYW_GG_AJJBXX (BMSAH, SFSC, CBDW_BM, AJLB_BM, SLRQ, CBRGH, ZHXGSJ) values "
        f"('新案', 'N', '{CODE}', '0301', '2025-05-05 00:00:00', '9877', '2026-01-02 09:00:00')",
    )
    jianheng("sync", "cases", "--config", office)
    told, streams = reconciled(office, "--stream", "case")
    (part,) = streams["case"]["differences"]
    assert (told.code, part["year"], part["there"] - part["here"]) == (4, 2025, 1)
    assert part["reasons"][0]["reason"] == "quarantined"


def test_a_table_for_people_and_a_source_that_cannot_count(office):
    change(office, "delete from YX_WS_SP where rowid = (select max(rowid) from YX_WS_SP)")
    told = jianheng("reconcile", "--config", office)
    assert told.code == 4
    assert "approval" in told.out
    assert "数据源 people 的适配器不支持清点" in told.out
    english = jianheng("reconcile", "people", "--lang", "en", "--config", office)
    assert (english.code, "offers no counting" in english.out) == (0, True)


def test_a_stream_that_cannot_be_counted_is_a_problem_not_a_zero(office):
    change(office, "alter table YX_DZJZ_JZJBXX rename to GONE")
    told, streams = reconciled(office)
    assert told.code == 2
    assert [each["code"] for each in json.loads(told.out)["errors"]] == ["ucs-table-missing"]
    assert "electronic_file" not in streams
    assert "case" in streams


def test_a_stream_or_a_source_that_is_not_there_agrees_with_nothing(office):
    """No sum is told of what was not counted."""
    for words, code in (
        (("cases", "--stream", "nosuch"), "sync-unknown-stream"),
        (("nosuch",), "cli-no-such-use"),
    ):
        told = jianheng("reconcile", *words, "--config", office)
        assert told.code == 2
        assert code in told.text
        assert "一致" not in told.text
