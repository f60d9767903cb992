import datetime as dt
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from source_fakes import UNIT, make_context, read_rows

from jianheng.errors import StopError
from jianheng.facts.convert import Fact, convert
from jianheng.facts.entities import ENTITIES
from jianheng_adapters import personnel_workbook

Sheets = dict[str, list[list[Any]]]


def sheets() -> Sheets:
    day = dt.date(2024, 3, 5)
    return {
        "人员信息": [
            [
                "单位编码",
                "部门名称",
                "工号",
                "姓名",
                "性别",
                "出生年月",
                "文化程度",
                "学位",
                "身份类别",
                "检察官等级",
                "职务信息",
                "入额时间",
                "行政职级",
                "政治面貌",
            ],
            [990101, "一部", 7, "甲", "男", day, "本科", "学士", "检察官", "一级检察官", "", day, "", "党员"],
        ],
        "任职经历": [
            [
                "单位编码",
                "工号",
                "姓名",
                "部门编码",
                "部门名称",
                "身份类别",
                "办案角色",
                "职务",
                "起始日期",
                "终止日期",
            ],
            [UNIT, "0007", "甲", "0101", "一部", "检察官", "员额检察官", "", day, None],
            [UNIT, "0007", "甲", "0102", "二部", "检察官", "员额检察官", "", "2024年3月5日", "2024.12.31"],
        ],
        "奖励": [
            ["编号", "单位编码", "工号", "姓名", "名称", "授予单位", "级别", "授予日期"],
            ["J1", UNIT, "0007", "甲", "嘉奖", "市院", "市级", day],
        ],
        "处分": [
            ["编号", "单位编码", "工号", "姓名", "种类", "决定机关", "决定日期", "事由"],
            ["C1", UNIT, "0007", "甲", "警告", "本院", day, "迟到"],
        ],
        "培训": [
            ["编号", "单位编码", "工号", "姓名", "名称", "类型", "开始日期", "结束日期", "学时"],
            ["P1", UNIT, "0007", "甲", "刑法", "业务", day, day, 8.5],
        ],
        "考勤": [
            ["单位编码", "工号", "姓名", "月份", "应出勤天数", "实出勤天数", "请假天数"],
            [UNIT, "0007", "甲", "2024-02", 20, 19.5, 0.5],
        ],
        "特殊案件申报": [
            [
                "申报编号",
                "单位编码",
                "部门受案号",
                "文书编号",
                "申报人工号",
                "申报类别",
                "申报日期",
                "审批人工号",
                "审批日期",
                "审批结果",
            ],
            ["S1", UNIT, "案1", "W1", "0007", "优秀法律文书", day, "0001", day, "同意"],
            ["S2", UNIT, "案2", None, "0007", "重大疑难复杂案件", day, "0001", None, None],
        ],
    }


def make(folder: Path, change: Callable[[Sheets], object] = lambda _sheets: None, **options):
    made = sheets()
    change(made)
    with xlsxwriter.Workbook(str(folder / "人员信息.xlsx"), {"default_date_format": "yyyy-mm-dd"}) as book:
        for name, rows in made.items():
            page = book.add_worksheet(name)
            for number, row in enumerate(rows):
                page.write_row(number, 0, row)
    return personnel_workbook.make_source(make_context({"path": folder, "pattern": "*.xlsx", **options}))


def test_every_sheet_fits_its_entity(tmp_path):
    source = make(tmp_path)
    for stream in source.streams():
        rows = read_rows(source, stream.name)
        assert rows
        for row in rows:
            assert isinstance(convert(ENTITIES[stream.entity], row), Fact), row
    assert all(finding.ok for finding in source.check())
    manifest = tomllib.loads(
        Path(personnel_workbook.__file__).with_name("adapter.toml").read_text(encoding="utf-8")
    )
    assert [stream.name for stream in source.streams()] == manifest["streams"]
    assert set(personnel_workbook.sources()) == {manifest["id"]}


def test_values(tmp_path):
    source = make(tmp_path)
    (person,) = read_rows(source, "person_profile")
    assert (person["person_key"], person["staff_no"], person["quota_since"]) == (
        f"{UNIT}-0007",
        "0007",
        dt.date(2024, 3, 5),
    )
    first, second = read_rows(source, "posting")
    assert first["posting_key"] == f"{UNIT}|0007|2024-03-05|0101"
    assert second["posting_key"] == f"{UNIT}|0007|2024-03-05|0102"
    assert (first["role"], first["valid_to"], second["valid_to"]) == (
        "quota_prosecutor",
        None,
        dt.date(2024, 12, 31),
    )
    (month,) = read_rows(source, "attendance")
    assert (month["starts_on"], month["ends_on"], month["quantity"], month["expected"]) == (
        dt.date(2024, 2, 1),
        dt.date(2024, 2, 29),
        19.5,
        20,
    )
    document, matter = read_rows(source, "declaration")
    assert (document["kind"], document["document_key"], document["decision"]) == (
        "excellent_document",
        f"{UNIT}-W1",
        "approved",
    )
    assert (matter["kind"], matter["document_key"], matter["decided_on"]) == ("major_case", None, None)
    assert document["_locator"] == "特殊案件申报!第2行"


def test_a_title_above_the_header(tmp_path):
    source = make(tmp_path, lambda made: [rows.insert(0, ["内部资料"]) for rows in made.values()])
    assert read_rows(source, "person_profile")[0]["_locator"] == "人员信息!第3行"
    assert all(finding.ok and "第 2 行" in finding.detail for finding in source.check())


def test_a_renamed_column_stops_its_sheet_only(tmp_path):
    def rename(made: Sheets) -> None:
        made["考勤"][0][3] = "月度"

    source = make(tmp_path, rename)
    with pytest.raises(StopError) as caught:
        read_rows(source, "attendance")
    fields = caught.value.problem.fields
    assert (caught.value.code, fields["column"], fields["nearest"]) == (
        "table-column-missing",
        "月份",
        "月度",
    )
    assert "考勤" in str(caught.value)
    assert read_rows(source, "training")
    assert [finding.problem.code for finding in source.check() if not finding.ok] == ["table-column-missing"]


def test_a_missing_sheet(tmp_path):
    source = make(tmp_path, lambda made: made.pop("处分"))
    with pytest.raises(StopError) as caught:
        read_rows(source, "discipline")
    assert caught.value.code == "table-sheet-missing"


def test_headings_with_breaks_and_stars(tmp_path):
    def decorate(made: Sheets) -> None:
        made["奖励"][0] = [f"*{heading[:1]}\n{heading[1:]}" for heading in made["奖励"][0]]

    assert read_rows(make(tmp_path, decorate), "award")[0]["title"] == "嘉奖"


def test_text_in_a_date_is_passed_on(tmp_path):
    def spoil(made: Sheets) -> None:
        made["奖励"][1][-1] = "2025年13月"

    assert read_rows(make(tmp_path, spoil), "award")[0]["starts_on"] == "2025年13月"


def test_a_site_with_other_headings(tmp_path):
    site = tmp_path / "site.toml"
    site.write_text(
        '[streams.award]\nsheet = "表彰"\n[streams.award.columns]\ntitle = "奖项"\nlevel = ""\n',
        encoding="utf-8",
    )

    def rename(made: Sheets) -> None:
        rows = made.pop("奖励")
        made["表彰"] = [[*("奖项" if cell == "名称" else cell for cell in row[:6]), row[7]] for row in rows]

    (row,) = read_rows(make(tmp_path, rename, mapping=site), "award")
    assert row["title"] == "嘉奖"
