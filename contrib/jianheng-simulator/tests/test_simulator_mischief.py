"""Every way to misbehave does what it says, and mending undoes it."""

import json

import openpyxl
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from small_world import rows_in

from jianheng_simulator import workbook_path
from jianheng_simulator.cli import main


def run(*words):
    result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def misbehave(folder, *words):
    return run("misbehave", "--folder", folder, *words)


def count(folder, table):
    return rows_in(folder, f'select count(*) as n from "{table}"')[0]["n"]


def test_late_rows_lie_before_the_newest_and_stay_when_mended(folder):
    before = count(folder, "YX_WS_SL")
    newest = rows_in(folder, 'select max("ZHXGSJ") as t from "YX_WS_SL"')[0]["t"]
    summary = misbehave(folder, "late-commit", "--rows", 4, "--minutes", 120)
    late = rows_in(folder, 'select * from "TYYW_GG_AJJBXX" where substr("BMSAH", -6, 2) = \'90\'')
    assert {row["BMSAH"] for row in late} == set(summary["late_cases"])
    assert len(late) == 4
    assert all(row["ZHXGSJ"] < newest for row in late)
    assert count(folder, "YX_WS_SL") == before + 4
    run("mend", "--folder", folder)
    assert count(folder, "YX_WS_SL") == before + 4


def test_malformed_rows(folder):
    before = count(folder, "TYYW_GG_AJJBXX")
    misbehave(folder, "malformed-rows")
    assert len(rows_in(folder, 'select 1 from "TYYW_GG_AJJBXX" where "SLRQ" = \'2025年13月\'')) == 1
    assert len(rows_in(folder, 'select 1 from "TYYW_GG_AJJBXX" where "BMSAH" = \'\'')) == 1
    assert len(rows_in(folder, 'select 1 from "TYYW_GG_AJJBXX" where "CBRGH" = \'9999  \'')) == 1
    run("mend", "--folder", folder)
    assert count(folder, "TYYW_GG_AJJBXX") == before


def test_broken_tables_are_mended(folder):
    before = {name: count(folder, name) for name in ("YX_WS_SL", "YX_WS_SP", "YX_AG_GLAJ", "XT_DM_AJLBBM")}
    misbehave(folder, "rename-column", "YX_WS_SL", "NZRGH", "NZRGH2")
    misbehave(folder, "drop-table", "YX_AG_GLAJ")
    misbehave(folder, "empty", "XT_DM_AJLBBM")
    misbehave(folder, "duplicate-rows", "YX_WS_SP", "--rows", "3")
    assert rows_in(folder, "select NZRGH2 from YX_WS_SL limit 1")
    with pytest.raises(sa.exc.OperationalError):
        count(folder, "YX_AG_GLAJ")
    assert count(folder, "XT_DM_AJLBBM") == 0
    assert count(folder, "YX_WS_SP") == before["YX_WS_SP"] + 3
    run("mend", "--folder", folder)
    assert {name: count(folder, name) for name in before} == before
    assert rows_in(folder, "select NZRGH from YX_WS_SL limit 1")


def test_unknown_names_are_refused(folder):
    result = CliRunner().invoke(main, ["misbehave", "--folder", str(folder), "drop-table", "NO_SUCH"])
    assert result.exit_code == 1
    assert "no such table" in result.output


def sheet(folder, name):
    book = openpyxl.load_workbook(workbook_path(folder))
    try:
        return [list(row) for row in book[name].values]
    finally:
        book.close()


def test_workbook_faults(folder):
    clean = sheet(folder, "人员信息")
    misbehave(folder, "workbook-shift")
    assert sheet(folder, "人员信息")[1] == clean[0]
    misbehave(folder, "workbook-drop-column", "工号")
    assert "工号" not in sheet(folder, "人员信息")[1]
    run("mend", "--folder", folder)
    assert sheet(folder, "人员信息") == clean
    misbehave(folder, "workbook-text-date")
    assert "2025年13月" in sheet(folder, "任职经历")[1]
    misbehave(folder, "workbook-duplicate-key")
    assert len(sheet(folder, "人员信息")) == len(clean) + 1
    run("pass-time", "--folder", folder, "--days", 3)
    assert len(sheet(folder, "人员信息")) == len(clean) + 1


def test_create_and_summary(tmp_path):
    summary = run(
        "create", "--folder", tmp_path / "new", "--people", 12, "--cases", 30, "--offices", 2, "--seed", 5
    )
    assert summary["rows"]["XT_ZZJG_DWBM"] == 7
    assert (tmp_path / "new" / "simulation.json").exists()
