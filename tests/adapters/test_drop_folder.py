import json
import os
import time
import tomllib
from pathlib import Path

import pytest
import xlsxwriter
from source_fakes import UNIT, make_context, read_batches, read_rows

from jianheng.contract import Source
from jianheng.errors import FaultsError, StopError
from jianheng_adapters import drop_folder

PEOPLE = """
[streams.person]
entity = "person"
mode = "cursor"
file = "people*"
[streams.person.columns]
person_key = ["单位", "工号"]
unit_code = "单位"
staff_no = "工号"
name = "姓名"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def make(folder: Path, mapping: str = PEOPLE, **options):
    site = folder.parent / "mapping.toml"
    site.write_text(mapping, encoding="utf-8")
    given = {"path": folder, "mapping": site, "quiet_s": 0, **options}
    return drop_folder.make_source(make_context(given))


def people(*numbers: int) -> str:
    return "单位,工号,姓名\n" + "".join(f"{UNIT},{number:04d},人{number}\n" for number in numbers)


def drop(folder: Path, name: str, text: str, encoding: str = "gb18030") -> Path:
    file = folder / name
    file.write_bytes(text.encode(encoding))
    return file


def sync(source, stream: str = "person", cursor: str | None = None) -> tuple[list[str], str | None]:
    """Read as core does, keeping the latest cursor."""
    numbers: list[str] = []
    for batch in source.read(stream, cursor):
        numbers += [row["staff_no"] for row in batch.rows]
        cursor = batch.cursor or cursor
    return numbers, cursor


def broken(source, cursor: str | None = None) -> tuple[list[str], str | None, FaultsError]:
    """Read what can be read; return also what was told at the end."""
    numbers: list[str] = []
    batches = source.read("person", cursor)
    try:
        for batch in batches:
            numbers += [row["staff_no"] for row in batch.rows]
            cursor = batch.cursor or cursor
    except FaultsError as error:
        return numbers, cursor, error
    raise AssertionError(numbers)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.is_file()) if folder.is_dir() else []


def test_is_what_its_manifest_says(folder):
    manifest = tomllib.loads(Path(drop_folder.__file__).with_name("adapter.toml").read_text(encoding="utf-8"))
    assert isinstance(make(folder), Source)
    assert set(drop_folder.sources()) == {manifest["id"]}


def test_files_are_read_once_in_order_and_moved_when_a_later_read_shows_they_are_kept(folder):
    drop(folder, "people-2.csv", people(2))
    drop(folder, "people-1.csv", people(1))
    drop(folder, "other.csv", "?")
    numbers, cursor = sync(make(folder))
    assert numbers == ["0001", "0002"]
    assert names(folder) == ["other.csv", "people-1.csv", "people-2.csv"]  # what was read may not be kept yet
    drop(folder, "people-3.csv", people(3))
    assert sync(make(folder), cursor=cursor)[0] == ["0003"]
    assert names(folder) == ["other.csv", "people-3.csv"]
    assert names(folder / "done") == ["people-1.csv", "people-2.csv"]


@pytest.mark.parametrize("stop_after", range(5))
def test_killed_anywhere_nothing_is_lost_and_nothing_moved_unread(folder, stop_after):
    """Whatever batch was the last that core kept, the next run reads the rest."""
    drop(folder, "people-1.csv", people(1, 2, 3))
    drop(folder, "people-2.csv", people(4))
    kept: list[str] = []
    cursor = None
    for place, batch in enumerate(make(folder, batch_size=2).read("person", None)):
        if place == stop_after:
            break
        kept += [row["staff_no"] for row in batch.rows]
        cursor = batch.cursor or cursor
    numbers, last = sync(make(folder, batch_size=2), cursor=cursor)
    assert sorted({*kept, *numbers}) == ["0001", "0002", "0003", "0004"]
    sync(make(folder), cursor=last)
    assert names(folder / "done") == ["people-1.csv", "people-2.csv"]


def test_a_read_that_was_broken_off_goes_on_inside_the_file(folder):
    drop(folder, "people-1.csv", people(*range(1, 7)))
    batches = read_batches(make(folder, batch_size=2), "person")
    inside = next(batch.cursor for batch in batches if batch.cursor)
    assert json.loads(inside)["rows"] == 2
    assert sync(make(folder), cursor=inside)[0] == ["0003", "0004", "0005", "0006"]


def test_a_cursor_comes_by_itself_since_reading_on_does_not_repeat_rows(folder):
    drop(folder, "people-1.csv", people(1, 2))
    assert [(len(batch.rows), batch.cursor is None) for batch in read_batches(make(folder), "person")] == [
        (2, True),
        (0, False),
    ]


def test_a_file_that_is_still_being_written_is_left_for_later(folder):
    fresh = drop(folder, "people-1.csv", people(1))
    for name in ("people-2.csv.part", "~$people.xlsx", ".people.csv", "people.tmp"):
        drop(folder, name, "?")
    assert sync(make(folder, quiet_s=60))[0] == []
    old = time.time() - 61
    os.utime(fresh, (old, old))
    assert sync(make(folder, quiet_s=60))[0] == ["0001"]
    ahead = time.time() + 3600  # the other side's clock
    os.utime(fresh, (ahead, ahead))
    assert sync(make(folder, quiet_s=60))[0] == ["0001"]


def test_a_marker_says_that_a_file_is_complete(folder):
    drop(folder, "people-1.csv", people(1))
    assert sync(make(folder, marker=".ok"))[0] == []
    drop(folder, "people-1.csv.ok", "")
    numbers, cursor = sync(make(folder, marker=".ok"))
    assert numbers == ["0001"]
    sync(make(folder, marker=".ok"), cursor=cursor)
    assert names(folder) == []
    assert names(folder / "done") == ["people-1.csv", "people-1.csv.ok"]


def test_the_same_content_is_read_once_whatever_it_is_called(folder):
    """An old file that is dropped again would bring old values back."""
    drop(folder, "people-1.csv", people(1))
    drop(folder, "people-2.csv", people(1))
    numbers, cursor = sync(make(folder))
    assert numbers == ["0001"]
    _, cursor = sync(make(folder), cursor=cursor)
    drop(folder, "people-1.csv", people(1))
    numbers, cursor = sync(make(folder), cursor=cursor)
    assert numbers == []
    assert names(folder) == []
    assert len(names(folder / "done")) == 3  # each is there, none written over


def test_a_file_that_cannot_be_read_is_told_keeps_no_other_back_and_goes_to_failed(folder):
    drop(folder, "people-1.csv", "单位,姓名\n990101,甲\n")
    drop(folder, "people-2.csv", people(2))
    numbers, cursor, error = broken(make(folder))
    assert numbers == ["0002"]
    assert [each.code for each in error.problems] == ["drop-file-failed"]
    assert "工号" in str(error)
    numbers, cursor = sync(make(folder), cursor=cursor)
    assert numbers == []
    assert names(folder) == []
    assert names(folder / "failed") == ["people-1.csv", "people-1.csv.reason.txt"]
    assert "工号" in (folder / "failed" / "people-1.csv.reason.txt").read_text(encoding="utf-8")
    told = [each.problem.code for each in make(folder).check() if each.problem]
    assert told == ["drop-failed-waiting"]
    # Mended by the mapping, not in the file: the same bytes dropped again are tried again.
    drop(folder, "people-1.csv", "单位,姓名\n990101,甲\n")
    easier = PEOPLE.replace('"工号"', '"姓名"')
    assert sync(make(folder, easier), cursor=cursor)[0] == ["甲"]


def test_a_mended_mapping_tries_again_what_failed_and_still_lies_there(folder):
    drop(folder, "people-1.csv", "单位,姓名\n990101,甲\n")
    _, cursor, _ = broken(make(folder))
    assert sync(make(folder, PEOPLE.replace('"工号"', '"姓名"')), cursor=cursor)[0] == ["甲"]


def test_a_failed_file_dropped_again_unchanged_is_tried_again(folder):
    bad = "单位,姓名\n990101,甲\n"
    drop(folder, "people-1.csv", bad)
    _, cursor, _ = broken(make(folder))
    _, cursor = sync(make(folder), cursor=cursor)  # moves it
    _, cursor = sync(make(folder), cursor=cursor)
    drop(folder, "people-1.csv", bad)
    with pytest.raises(FaultsError):
        sync(make(folder), cursor=cursor)


TWO = (
    PEOPLE.replace('file = "people*"', 'file = "book*"\nsheet = "人员"')
    + """
[streams.unit]
entity = "unit"
mode = "cursor"
file = "book*"
sheet = "单位"
[streams.unit.columns]
unit_code = "代码"
name = "名称"
"""
)


def book(file: Path, **sheets: list[list[str]]) -> None:
    with xlsxwriter.Workbook(file) as made:
        for name, rows in sheets.items():
            sheet = made.add_worksheet(name)
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)


def test_a_workbook_is_moved_when_every_stream_that_reads_it_has_kept_it(folder):
    book(
        folder / "book1.xlsx",
        人员=[["单位", "工号", "姓名"], [UNIT, "1", "甲"]],
        单位=[["代码", "名称"], [UNIT, "院"]],
    )
    first = make(folder, TWO)
    _, person = sync(first)
    units = [batch.cursor for batch in first.read("unit", None)][-1]
    later = make(folder, TWO)
    sync(later, cursor=person)
    assert names(folder) == ["book1.xlsx"]  # the other stream may want it yet
    list(later.read("unit", units))
    assert names(folder / "done") == ["book1.xlsx"]


def test_reading_all_anew_begins_with_what_was_read_before(folder):
    drop(folder, "people-1.csv", people(1))
    _, cursor = sync(make(folder))
    drop(folder, "people-2.csv", people(2))
    _, cursor = sync(make(folder), cursor=cursor)
    assert names(folder / "done") == ["people-1.csv"]
    assert sync(make(folder))[0] == ["0001", "0002"]


def test_a_stream_read_whole_takes_the_latest_file_and_leaves_it_there(folder):
    drop(folder, "people-1.csv", people(1, 2))
    drop(folder, "people-2.csv", people(2))
    whole = make(folder, PEOPLE.replace('mode = "cursor"\n', ""))
    assert [row["staff_no"] for row in read_rows(whole, "person")] == ["0002"]
    assert names(folder) == ["people-2.csv"]
    assert names(folder / "done") == ["people-1.csv"]
    assert [row["staff_no"] for row in read_rows(whole, "person")] == ["0002"]


def test_files_may_be_taken_in_the_order_of_their_time(folder):
    old = time.time() - 100
    os.utime(drop(folder, "people-z.csv", people(1)), (old, old))
    drop(folder, "people-a.csv", people(2))
    assert sync(make(folder, order="time"))[0] == ["0001", "0002"]


# Kinds of files.

FIXED = """
[format]
{more}
[streams.person]
entity = "person"
mode = "cursor"
[streams.person.fields]
unit = [1, 6]
no = [7, 10]
name = [11, 20]
[streams.person.columns]
person_key = ["unit", "no"]
unit_code = "unit"
staff_no = "no"
name = "name"
"""


def test_positions_of_fixed_width_count_bytes_as_old_systems_do(folder):
    lines = [f"{UNIT}0001{name}{' ' * (10 - len(name.encode('gb18030')))}X" for name in ("赵四", "欧阳明")]
    (folder / "p.dat").write_bytes("\r\n".join(["HEAD", *lines, ""]).encode("gb18030"))
    rows = read_rows(make(folder, FIXED.format(more='skip = 1\nencoding = "gb18030"')), "person")
    assert [(row["staff_no"], row["name"]) for row in rows] == [("0001", "赵四"), ("0001", "欧阳明")]
    assert rows[0]["_locator"] == "p.dat!第2行"


def test_positions_may_count_characters(folder):
    drop(folder, "p.dat", f"{UNIT}0001赵四\n\n{UNIT}0002\n", "utf-8-sig")
    rows = read_rows(make(folder, FIXED.format(more='positions = "characters"')), "person")
    assert [(row["staff_no"], row["name"]) for row in rows] == [("0001", "赵四"), ("0002", None)]


def test_a_field_that_cuts_a_character_in_two_is_told(folder):
    drop(folder, "p.dat", f"{UNIT}000赵四甲乙丙丁\n")
    with pytest.raises(FaultsError) as caught:
        read_rows(make(folder, FIXED.format(more='encoding = "gb18030"')), "person")
    assert "gb18030" in str(caught.value)


XML = """
[streams.suspect]
entity = "suspect"
mode = "cursor"
record = "案件"
each = "嫌疑人"
[streams.suspect.columns]
suspect_key = ["parent.@编号", "序号"]
case_no = "parent.@编号"
suspect_no = "序号"
pseudonym = "姓名"
"""
CASES = """<?xml version="1.0" encoding="{encoding}"?>
<报文 xmlns="urn:x"><头>1</头><案件 编号="案1"><嫌疑人><序号>1</序号><姓名>甲</姓名></嫌疑人>
<嫌疑人><序号>2</序号><姓名>乙</姓名></嫌疑人></案件><案件 编号="案2"/></报文>"""


@pytest.mark.parametrize("encoding", ["GB18030", "GBK", "gb2312", "UTF-8", "UTF-16"])
def test_xml_in_any_encoding_with_records_inside_records(folder, encoding):
    drop(folder, "cases.xml", CASES.format(encoding=encoding), encoding)
    rows = read_rows(make(folder, XML), "suspect")
    assert [(row["suspect_key"], row["case_no"]) for row in rows] == [("案1-1", "案1"), ("案1-2", "案1")]


def reason(folder: Path, mapping: str, stream: str) -> str:
    with pytest.raises(FaultsError) as caught:
        read_rows(make(folder, mapping), stream)
    return "".join(str(each.fields["told"]) for each in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<a><案件>", "不是合法的 XML"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a><案件>&x;</案件></a>', "不准使用"),
        ("<a>" * 60 + "</a>" * 60, "不准使用"),
        ("<a><b/></a>", "没有元素 案件"),
    ],
)
def test_xml_that_cannot_be_right_is_told(folder, text, told):
    drop(folder, "cases.xml", text, "utf-8")
    assert told in reason(folder, XML, "suspect")


MERGED = PEOPLE.replace("[streams.person]\n", "[format]\nheader_rows = 2\n[streams.person]\n", 1)


def test_a_header_of_merged_cells_is_found_under_a_title(folder):
    text = "人员名册,,,,\n编号,基本情况,,备注,\n,单位,姓名,,\n1,990101,甲,,\n".replace("编号", "工号")
    drop(folder, "people-1.csv", text)
    (row,) = read_rows(make(folder, MERGED), "person")
    assert (row["staff_no"], row["unit_code"], row["name"]) == ("1", UNIT, "甲")


def test_a_heading_that_stands_in_two_groups_is_named_with_its_group(folder):
    drop(folder, "people-1.csv", "工号,原,,现,\n,单位,姓名,单位,姓名\n1,000000,旧,990101,甲\n")
    with pytest.raises(FaultsError, match="出现了两次"):
        read_rows(make(folder, MERGED), "person")
    whole = MERGED.replace('"单位"', '"现/单位"').replace('"姓名"', '"现/姓名"')
    (row,) = read_rows(make(folder, whole), "person")
    assert (row["unit_code"], row["name"]) == (UNIT, "甲")


# What goes wrong.


def test_a_missing_folder_is_told_and_moves_are_tried_again(folder, tmp_path):
    gone = make(tmp_path / "nowhere")
    assert [each.problem.code for each in gone.check() if each.problem] == ["drop-folder-missing"]
    with pytest.raises(StopError) as caught:
        read_rows(gone, "person")
    assert caught.value.code == "drop-folder-missing"
    drop(folder, "people-1.csv", people(1))
    _, cursor = sync(make(folder))
    (folder / "done").write_text("a file where the folder should be", encoding="utf-8")
    assert sync(make(folder), cursor=cursor)[0] == []
    assert "people-1.csv" in names(folder)
    (folder / "done").unlink()
    sync(make(folder), cursor=cursor)
    assert names(folder / "done") == ["people-1.csv"]


@pytest.mark.parametrize("given", ["../out", "a/b", ".", "failed"])
def test_files_are_moved_inside_the_folder_only(folder, given):
    with pytest.raises(StopError) as caught:
        make(folder, done=given)
    assert caught.value.code == "drop-folder-name"


@pytest.mark.parametrize("cursor", ["?", "[]", '{"v":2,"read":[],"in":"","rows":0,"mapping":""}', '{"v":1}'])
def test_a_strange_cursor_is_told(folder, cursor):
    with pytest.raises(StopError) as caught:
        read_rows(make(folder), "person", cursor)
    assert caught.value.code == "cursor-unreadable"


def test_a_check_looks_at_every_file_and_moves_nothing(folder):
    drop(folder, "people-1.csv", people(1, 2))
    drop(folder, "people-2.csv", "单位\n1\n")
    findings = list(make(folder).check())
    assert [each.problem.code for each in findings if not each.ok] == ["table-column-missing"] * 2
    assert any("people-1.csv" in each.detail for each in findings)
    assert names(folder) == ["people-1.csv", "people-2.csv"]


def test_a_preview_moves_nothing(folder):
    drop(folder, "people-1.csv", people(1))
    source = make(folder)
    ((raw, row),) = source.preview("person")
    assert raw == {"单位": UNIT, "工号": "0001", "姓名": "人1"}
    assert row["person_key"] == f"{UNIT}-0001"
    assert source.origins("person")["name"] == ("姓名",)
    assert names(folder) == ["people-1.csv"]
