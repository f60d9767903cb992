"""The workbook says exactly what the publication says, whatever people are called."""

import dataclasses
import errno
import os
import shutil
import subprocess
import zipfile
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from sample_publication import REVISED_ON, WHY, sample_publication, target_context, told, uneven

from jianheng.contract import Target
from jianheng.errors import RetryError, StopError
from jianheng_adapters import excel_workbook, output_folder
from jianheng_adapters.excel_workbook import person as person_sheet
from jianheng_adapters.excel_workbook.page import SheetNames

NAME = "990101-laoshan-2024.xlsx"
HEADS = 16


def make(folder: Path) -> Target:
    return excel_workbook.targets()["excel-workbook"](target_context({"folder": folder}))


def thousandths(value: object) -> int:
    return round(Decimal(str(value)).scaleb(3))


@pytest.fixture(scope="module")
def publication():
    return sample_publication()


@pytest.fixture(scope="module")
def written(publication, tmp_path_factory):
    return Path(make(tmp_path_factory.mktemp("out")).write(publication).location)


@pytest.fixture(scope="module")
def book(written):
    return openpyxl.load_workbook(written, data_only=True)


def sheet_of(book, person_key):
    return next(sheet for sheet in book if sheet.title.endswith(person_key.partition("-")[2]))


def entry_rows(sheet):
    head = next(row for row in range(1, 50) if sheet.cell(row, 1).value == "日期")
    return head, [row for row in sheet.iter_rows(head + 1, max_col=HEADS, values_only=True) if row[0]]


def test_it_lies_under_office_policy_and_period(written):
    assert written.name == NAME
    assert [each.name for each in written.parent.iterdir()] == [NAME]


def test_every_entry_stands_on_its_persons_sheet_with_exact_numbers(book, publication):
    for score in publication.people:
        expected = sorted(
            (
                e.day.isoformat(), e.rule_id, e.case_no, e.quantity, e.unit_points, e.coefficient, e.share,
                e.points, e.withheld, e.reason, e.evidence,
            )
            for e in publication.entries
            if e.person_key == score.person_key
        )  # fmt: skip
        _, rows = entry_rows(sheet_of(book, score.person_key))
        actual = sorted(
            (
                row[0].date().isoformat(), row[2], row[3], row[7], *(thousandths(1 if row[n] is None else row[n]) for n in (8, 9, 10, 11)),  # no factor written: 1
                thousandths(row[12] or 0), row[14] or "", row[15],
            )
            for row in rows
        )  # fmt: skip
        assert expected == actual


def test_totals_are_formulas_that_cached_the_sum_they_will_give(written, book, publication):
    formulas = openpyxl.load_workbook(written)
    for score in publication.people:
        head, _ = entry_rows(sheet_of(book, score.person_key))
        assert sheet_of(formulas, score.person_key).cell(head - 1, 12).value.startswith("=SUBTOTAL(109,L")
        assert thousandths(sheet_of(book, score.person_key).cell(head - 1, 12).value) == score.points
    assert thousandths(book["排名"]["G1"].value) == sum(score.points for score in publication.people)


@pytest.fixture(scope="module")
def uneven_book(publication, tmp_path_factory):
    location = make(tmp_path_factory.mktemp("uneven")).write(uneven(publication)).location
    return openpyxl.load_workbook(location, data_only=True)


def row_under(sheet, head_row, value):
    """Return a row by one of its cells, as head to value."""
    heads = [cell.value for cell in sheet[head_row]]
    rows = [dict(zip(heads, row, strict=True)) for row in sheet.iter_rows(head_row + 1, values_only=True)]
    return [row for row in rows if value in row.values()]


def test_no_total_is_a_dash_with_its_reason_and_in_no_sum(uneven_book, publication):
    ranking = uneven_book["排名"]
    (row,) = row_under(ranking, 2, "0001")
    assert (row["总分"], row["最终得分"], row["名次"], row["备注"]) == ("—", "—", "—", WHY)
    known = sum(score.points for score in publication.people[1:])
    assert thousandths(ranking["G1"].value) == known
    about = "\n".join(str(cell.value) for cells in uneven_book["说明"].iter_rows() for cell in cells)
    assert "1 人次没有总分，未计入" in about
    own = sheet_of(uneven_book, "990101-0001")
    assert "没有总分" in own["A2"].value
    assert WHY in own["A2"].value


def test_grades_and_other_places_have_columns_only_where_somebody_has_one(book, uneven_book, publication):
    assert [cell.value for cell in book["排名"][2]][-2:] == ["条目数", "备注"]
    (row,) = row_under(uneven_book["排名"], 2, "0002")
    assert (row["等次"], row["其他名次"]) == ("优秀", f"本部门 {publication.people[1].rank} / 3")


def test_an_indicator_without_a_number_says_why_and_names_its_unit(uneven_book):
    (row,) = row_under(uneven_book["指标"], 2, "0001")
    assert row["办结数（件）"] == WHY
    (row,) = row_under(uneven_book["指标"], 2, "0002")
    assert row["办结数（件）"] == 7


def test_a_rule_that_changed_stands_once_for_each_span_with_what_it_gave_then(uneven_book, publication):
    rule = publication.rules[0]
    before, after = row_under(uneven_book["规则"], 1, rule.rule_id)
    assert (before["期间"], after["期间"]) == ("2024-07-01 前", "2024-07-01 起")
    assert thousandths(after["分值"]) - thousandths(before["分值"]) == 250
    entries = [each for each in publication.entries if each.rule_id == rule.rule_id]
    assert before["计分条目"] == sum(each.day < REVISED_ON for each in entries)
    assert after["计分条目"] == sum(each.day >= REVISED_ON for each in entries)
    assert thousandths(before["得分合计"] + after["得分合计"]) == sum(each.points for each in entries)


def test_an_entry_is_called_as_its_rule_was_on_its_day(uneven_book, publication):
    rule = publication.rules[0]
    for sheet in uneven_book.worksheets[4:]:
        _, rows = entry_rows(sheet)
        for row in rows:
            if row[2] == rule.rule_id:
                assert row[1] == (f"{rule.label} 修订" if row[0].date() >= REVISED_ON else rule.label)


def test_points_show_three_places(book):
    assert book["排名"]["G3"].number_format == "0.000"


def test_text_never_becomes_a_formula(written, book, publication):
    formulas = openpyxl.load_workbook(written)
    names = {row[2].value for row in book["排名"].iter_rows(3)}
    assert {score.name for score in publication.people} == {name.rstrip() for name in names}
    found = [cell for sheet in formulas for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
    assert all(cell.value.startswith("=SUBTOTAL(109,") for cell in found)


def test_guarded_text_stays_text_after_editing(written, publication, tmp_path):
    rule = dataclasses.replace(publication.rules[0], label="=cmd|' /C calc'!A1")
    changed = dataclasses.replace(publication, rules=[rule, *publication.rules[1:]])
    book = openpyxl.load_workbook(make(tmp_path).write(changed).location)
    cell = book["规则"]["C2"]
    assert (cell.data_type, cell.value, cell.quotePrefix) == ("s", rule.label, True)


def test_each_name_in_the_ranking_leads_to_a_sheet(book):
    for row in book["排名"].iter_rows(3, min_col=3, max_col=3):
        assert row[0].hyperlink.location.split("!")[0].strip("'") in book.sheetnames


def test_sheets_are_filterable_frozen_and_print_on_a4(book):
    for sheet in book.worksheets[1:]:
        assert sheet.auto_filter.ref
        assert sheet.freeze_panes
        assert sheet.print_title_rows
        assert (sheet.page_setup.orientation, sheet.page_setup.paperSize) == ("landscape", 9)
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert sheet.page_setup.fitToHeight == 0  # as many pages as it takes, one wide


def test_sheet_names_are_accepted_by_excel_and_unique():
    names = SheetNames()
    wanted = ["王芳", "王芳", "王芳", "𠮷" * 40, "History", "a/b:c*[d]?\\", "'x'", "", "ABC", "abc"]
    given = [names.take(name, "0001") for name in wanted[:3]] + [
        names.take(name) or "-" for name in wanted[3:7]
    ]
    given += [names.take("无名"), names.take("ABC"), names.take("abc")]
    assert len({name.casefold() for name in given}) == len(given)
    for name in given:
        assert 0 < len(name.encode("utf-16-le")) // 2 <= 31
        assert not set(name) & set("[]:*?/\\'")


def test_notices_and_states_are_explained(book):
    text = "\n".join(str(cell.value) for row in book["说明"].iter_rows() for cell in row if cell.value)
    for expected in ("暂计", "不计分", "2025-01-15 08:30", "3f9c2a71", "隔离"):
        assert expected in text


def test_entries_of_people_who_are_not_listed_are_not_lost(publication, tmp_path):
    changed = dataclasses.replace(publication, people=publication.people[1:])
    book = openpyxl.load_workbook(make(tmp_path).write(changed).location, data_only=True)
    own = [entry for entry in publication.entries if entry.person_key == publication.people[0].person_key]
    assert len(entry_rows(book["未列入名单 0001"])[1]) == len(own)


def test_an_empty_publication_is_a_workbook(publication, tmp_path):
    empty = dataclasses.replace(publication, people=(), entries=(), indicators=(), rules=(), cases={})
    assert openpyxl.load_workbook(make(tmp_path).write(empty).location).sheetnames == [
        "说明",
        "排名",
        "指标",
        "规则",
    ]


def test_control_characters_and_endless_text_do_not_break_the_file(publication, tmp_path):
    entry = dataclasses.replace(publication.entries[0], reason="a\x00b\ud800c", evidence="很" * 40_000)
    changed = dataclasses.replace(publication, entries=[entry, *publication.entries[1:]])
    book = openpyxl.load_workbook(make(tmp_path).write(changed).location)
    texts = [str(cell.value) for row in sheet_of(book, entry.person_key).iter_rows() for cell in row]
    assert "a b c" in texts
    assert max(map(len, texts)) == 32_767


def test_writing_twice_gives_the_same_file(publication, written, tmp_path):
    target = make(tmp_path)
    target.write(publication)
    again = Path(target.write(publication).location)
    assert again.read_bytes() == written.read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == [NAME]


def test_what_a_killed_process_left_is_removed_once_it_is_old(publication, tmp_path):
    old, fresh = (tmp_path / f".{NAME}.{kind}.partial" for kind in ("old", "fresh"))
    for leftover in (old, fresh):
        leftover.touch()
    os.utime(old, (0, 0))
    make(tmp_path).write(publication)
    assert {each.name for each in tmp_path.iterdir()} == {NAME, fresh.name}


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (OSError(errno.ENOSPC, "full"), StopError, "workbook-disk-full"),
        (PermissionError(errno.EACCES, "open in Excel"), RetryError, "workbook-file-open"),
        (OSError(errno.EIO, "broken"), StopError, "workbook-folder-unusable"),
    ],
)
def test_a_fault_while_writing_leaves_the_former_workbook(
    publication, tmp_path, monkeypatch, fault, kind, code
):
    target = make(tmp_path)
    former = Path(target.write(publication).location).read_bytes()

    def fail(*_):
        raise fault

    monkeypatch.setattr(output_folder, "_replace", fail)
    with pytest.raises(kind) as raised:
        target.write(dataclasses.replace(publication, id="other", notices=()))
    assert raised.value.code == code
    told(excel_workbook, raised.value.problem)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [(NAME, former)]


def test_a_folder_that_is_a_file_is_found_by_the_check_and_refused_by_the_write(publication, tmp_path):
    (tmp_path / "file").touch()
    target = make(tmp_path / "file" / "out")
    (finding,) = target.check()
    assert finding.problem.code == "workbook-folder-unusable"
    told(excel_workbook, finding.problem)
    with pytest.raises(StopError, match="workbook-folder-unusable"):
        target.write(publication)


def test_the_check_finds_a_full_disk_and_leaves_nothing(tmp_path, monkeypatch):
    (finding,) = make(tmp_path / "new" / "out").check()
    assert finding.ok
    monkeypatch.setattr(output_folder.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0))
    (finding,) = make(tmp_path).check()
    assert finding.problem.code == "workbook-disk-full"
    assert not list(tmp_path.iterdir())


def test_more_entries_than_rows_are_refused_before_anything_is_written(publication, tmp_path, monkeypatch):
    monkeypatch.setattr(person_sheet, "LAST_ROW", 205)
    with pytest.raises(StopError) as raised:
        make(tmp_path).write(publication)
    assert raised.value.code == "workbook-too-many-rows"
    assert publication.people[0].name not in told(excel_workbook, raised.value.problem)
    assert not list(tmp_path.iterdir())


def test_libreoffice_calculates_the_same_totals(written, book, tmp_path):
    """Without the cached values LibreOffice must work the sums out by itself."""
    office = shutil.which("soffice")
    if not office:
        pytest.skip("LibreOffice (soffice) is not installed")
    bare = tmp_path / "bare.xlsx"
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(bare, "w") as stripped:
        for name in source.namelist():
            text = source.read(name)
            parts = text.split(b"</f><v>")
            stripped.writestr(
                name, parts[0] + b"".join(b"</f>" + part.split(b"</v>", 1)[1] for part in parts[1:])
            )
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    command = [office, profile, "--headless", "--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir"]
    subprocess.run(
        [*command, str(tmp_path / "done"), str(bare)], check=True, capture_output=True, timeout=120
    )
    done = openpyxl.load_workbook(tmp_path / "done" / "bare.xlsx", data_only=True)
    for sheet in book.worksheets[4:]:
        head, _ = entry_rows(sheet)
        for column in (8, 12, 13):
            there = done[sheet.title].cell(head - 1, column).value
            assert thousandths(sheet.cell(head - 1, column).value) == thousandths(there)
