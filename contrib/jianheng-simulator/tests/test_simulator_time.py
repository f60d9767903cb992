"""Passing time: only what changed is touched, and later equals made later."""

import shutil
from dataclasses import replace
from datetime import date

import openpyxl
from small_world import SMALL, elsewhere, rows_in

from jianheng_simulator import create, fill_database, pass_time, workbook_path
from jianheng_simulator.database import KEYS, schema
from jianheng_simulator.world import load_world, save_world


def snapshot(folder, table):
    keys = KEYS[table]
    return {tuple(row[key] for key in keys): dict(row) for row in rows_in(folder, f'select * from "{table}"')}


def test_changed_rows_carry_a_newer_change_time(folder):
    dated = [name for name, table in schema().tables.items() if "ZHXGSJ" in table.c]
    before = {name: snapshot(folder, name) for name in dated}
    summary = pass_time(folder, 20)
    assert summary["today"] == "2026-01-20"
    assert load_world(folder).today == date(2026, 1, 20)
    for name in dated:
        after = snapshot(folder, name)
        assert set(before[name]) <= set(after)
        changed = [row for key, row in after.items() if before[name].get(key) != row]
        assert len(changed) == summary["inserted"].get(name, 0) + summary["changed"].get(name, 0)
        assert all("2026-01-01" <= row["ZHXGSJ"] < "2026-01-21" for row in changed), name
    assert summary["inserted"]["TYYW_GG_AJJBXX"] > 0
    assert summary["changed"]["YX_WS_SL"] > 0


def test_passing_time_equals_making_the_world_later(folder, tmp_path):
    pass_time(folder, 9)
    pass_time(folder, 6)
    later = tmp_path / "later"
    create(later, replace(SMALL, today=date(2026, 1, 15)))
    for name in schema().tables:
        assert snapshot(folder, name) == snapshot(later, name), name


def test_passing_time_twice_is_the_same(folder, made, tmp_path):
    assert pass_time(folder, 10) == pass_time(_copy(made, tmp_path), 10)


def _copy(made, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(made, other)
    return other


def test_postgresql_passes_time(postgresql, tmp_path):
    world = elsewhere(postgresql)
    fill_database(tmp_path, world)
    save_world(tmp_path, world)
    before = rows_in(tmp_path, 'select count(*) as n from "YX_WS_SL"')[0]["n"]
    summary = pass_time(tmp_path, 10)
    assert (
        rows_in(tmp_path, 'select count(*) as n from "YX_WS_SL"')[0]["n"]
        == before + summary["inserted"]["YX_WS_SL"]
    )


def test_workbook_has_the_stated_sheets_and_dates(made):
    book = openpyxl.load_workbook(workbook_path(made))
    assert book.sheetnames == ["人员信息", "任职经历", "奖励", "处分", "培训", "考勤", "特殊案件申报"]
    people = list(book["人员信息"].values)
    assert people[0][:4] == ("单位编码", "部门名称", "工号", "姓名")
    posts = list(book["任职经历"].values)[1:]
    assert all(row[8].year > 2000 for row in posts)
    assert {row[6] for row in posts} == {"员额检察官", "检察官助理", "书记员", "司法行政人员"}
    by_name = {}
    for row in posts:
        by_name.setdefault((row[2],), []).append(row)
    changed = [rows for rows in by_name.values() if len(rows) > 1]
    assert changed
    for rows in changed:
        assert (rows[1][8] - rows[0][9]).days == 1
    book.close()
