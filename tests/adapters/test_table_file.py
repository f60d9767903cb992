import datetime as dt
import os
import tomllib
import zipfile
from pathlib import Path

import pytest
import xlsxwriter
from source_fakes import make_context, read_rows

from jianheng.contract import Source
from jianheng.errors import FaultsError, StopError
from jianheng.facts.convert import Fact, convert
from jianheng.facts.entities import ENTITIES
from jianheng_adapters import table_file

at = dt.datetime.fromisoformat  # wall time carries no zone

LOG = """
[streams.unit]
entity = "unit"
distinct = true
[streams.unit.columns]
unit_code = { value = "990101" }
name = { value = "示范院" }

[streams.case]
entity = "case"
distinct = true
attributes = { channel = "case:channel" }
[streams.case.columns]
case_no = "case:concept:name"
unit_code = { value = "990101" }
category = { value = "9901" }
accepted_on = "case:startdate"

[streams.person]
entity = "person"
distinct = true
exclude = { "org:resource" = ["", "SYSTEM"] }
[streams.person.columns]
person_key = [{ value = "990101" }, "org:resource"]
unit_code = { value = "990101" }
staff_no = "org:resource"

[streams.event]
entity = "event"
[streams.event.columns]
event_key = { columns = ["case:concept:name", { row = true }] }
case_no = "case:concept:name"
kind = "concept:name"
at = "time:timestamp"
actor_key = [{ value = "990101" }, "org:resource"]
"""
HEAD = "case:channel,case:concept:name,case:startdate,concept:name,org:resource,time:timestamp"
LINES = [
    "Internet,case-1,2011-10-11 13:42:22.688000+02:00,受理,R1,2011-10-11 13:45:40.276000+02:00",
    'Internet,case-1,2011-10-11 13:42:22.688000+02:00,"审,查",R2,2011-10-11 23:45:40.276000+02:00',
    "Desk,case-2,2011-10-12 13:42:22+02:00,受理,R1,2011-10-12 13:45:40+02:00",
]


def make(folder: Path, mapping: str = LOG, **options):
    site = folder / "mapping.toml"
    site.write_text(mapping, encoding="utf-8")
    return table_file.make_source(make_context({"path": folder / "drop", "mapping": site, **options}))


def drop(folder: Path, text: str, name: str = "log.csv", encoding: str = "utf-8") -> Path:
    file = folder / "drop" / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text.encode(encoding))
    return file


def log(*lines: str) -> str:
    return "\n".join([HEAD, *(lines or LINES)]) + "\n"


def code_of(source, stream: str = "event") -> str:
    with pytest.raises(StopError) as caught:
        read_rows(source, stream)
    assert "{" not in str(caught.value)
    return caught.value.code


def test_one_flat_file_feeds_several_streams(tmp_path):
    drop(tmp_path, log())
    source = make(tmp_path)
    assert isinstance(source, Source)
    assert len(read_rows(source, "unit")) == 1
    first, _second = read_rows(source, "case")
    assert (first["case_no"], first["accepted_on"], first["attributes"]) == (
        "case-1",
        dt.date(2011, 10, 11),
        {"channel": "Internet"},
    )
    assert [row["staff_no"] for row in read_rows(source, "person")] == ["R1", "R2"]
    events = read_rows(source, "event")
    assert [row["event_key"] for row in events] == ["case-1-2", "case-1-3", "case-2-4"]
    assert events[1]["at"] == at("2011-10-12 05:45:40.276000")  # Shanghai
    assert events[1]["kind"] == "审,查"
    assert events[0]["_locator"] == "log.csv!第2行"
    for stream in source.streams():
        assert stream.mode == "snapshot"
        assert all(
            isinstance(convert(ENTITIES[stream.entity], row), Fact) for row in read_rows(source, stream.name)
        )
    assert all(finding.ok for finding in source.check())


def test_a_parent_that_contradicts_itself_is_passed_on(tmp_path):
    drop(tmp_path, log(*LINES, "Phone,case-1,2011-10-11 13:42:22+02:00,x,R1,2011-10-11 13:45:40+02:00"))
    assert [row["case_no"] for row in read_rows(make(tmp_path), "case")] == ["case-1", "case-2", "case-1"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_encodings_are_found_out(tmp_path, encoding):
    drop(tmp_path, log(), encoding=encoding)
    assert read_rows(make(tmp_path), "event")[0]["kind"] == "受理"


def test_encodings_and_separators_can_be_said(tmp_path):
    drop(tmp_path, log().replace(",", ";").replace('"', "'").replace("审;查", "审;查"), encoding="gb18030")
    source = make(tmp_path, '[format]\ndelimiter = ";"\nquote = "\'"\nencoding = "gb18030"\n' + LOG)
    assert [row["kind"] for row in read_rows(source, "event")] == ["受理", "审;查", "受理"]
    assert (
        code_of(make(tmp_path, '[format]\nencoding = "utf-8"\ndelimiter = ";"\n' + LOG))
        == "table-encoding-wrong"
    )
    assert code_of(make(tmp_path, '[format]\nencoding = "martian"\n' + LOG)) == "table-encoding-unknown"
    with pytest.raises(FaultsError) as caught:
        make(tmp_path, '[format]\ndelimiter = ";;"\nquot = "x"\n' + LOG)
    assert {each.code for each in caught.value.problems} == {"mapping-value-wrong", "mapping-unknown-key"}


def test_ragged_lines(tmp_path):
    drop(tmp_path, log(LINES[0], "", "Internet,case-5", LINES[2] + ",,", LINES[2] + ",stray"))
    rows = read_rows(make(tmp_path), "event")
    assert [row["case_no"] for row in rows] == ["case-1", "case-5", "case-2", None]
    assert rows[1]["at"] is None
    assert rows[3]["_locator"] == "log.csv!第6行"


def test_broken_quotes_stop_with_the_line(tmp_path):
    drop(tmp_path, log(LINES[0], 'a,"b,c,d,e,f', LINES[2]))
    assert code_of(make(tmp_path)) == "table-csv-broken"
    drop(tmp_path, log("x" * 200_000))
    assert code_of(make(tmp_path)) == "table-csv-broken"


def test_headers(tmp_path):
    drop(tmp_path, "某院收件台账,,,,,\n\n" + log())
    source = make(tmp_path)
    assert len(read_rows(source, "event")) == 3
    assert any("表头在第 3 行" in finding.detail for finding in source.check())
    drop(tmp_path, log().replace("org:resource", "org:person"))
    with pytest.raises(StopError) as caught:
        read_rows(source, "event")
    assert caught.value.problem.fields["nearest"] == "org:person"
    assert len(read_rows(source, "case")) == 2  # what doesn't need the column still reads
    drop(tmp_path, log().replace("case:channel", "concept:name"))
    assert code_of(source) == "table-column-twice"
    drop(tmp_path, "")
    assert code_of(source) == "table-column-missing"


def test_the_newest_file_of_a_folder(tmp_path):
    old, new = drop(tmp_path, log(LINES[0]), "b.csv"), drop(tmp_path, log(LINES[2]), "a.csv")
    drop(tmp_path, "lock", "~$c.csv")
    os.utime(old, (1, 1))
    os.utime(new, (2, 2))
    assert read_rows(make(tmp_path, pattern="*.csv"), "event")[0]["case_no"] == "case-2"
    assert read_rows(make(tmp_path, pattern="*.csv", newest="name"), "event")[0]["case_no"] == "case-1"
    assert (
        read_rows(make(tmp_path, LOG.replace('entity = "event"', 'entity = "event"\nfile = "b*"')), "event")[
            0
        ]["case_no"]
        == "case-1"
    )
    assert code_of(make(tmp_path, pattern="*.txt")) == "table-folder-empty"
    assert len(read_rows(make(tmp_path, path=old), "event")) == 1
    assert code_of(make(tmp_path, path=tmp_path / "gone")) == "table-path-missing"


def test_sizes(tmp_path):
    drop(tmp_path, log())
    assert code_of(make(tmp_path, max_bytes=100)) == "table-file-too-large"
    bomb = tmp_path / "drop" / "log.xlsx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b"0" * 3_000_000)
    sheet = LOG.replace('entity = "event"', 'entity = "event"\nsheet = "x"')
    assert code_of(make(tmp_path, sheet, path=bomb, max_bytes=100_000)) == "table-file-too-large"


def test_workbooks(tmp_path):
    sheet = LOG.replace('entity = "event"', 'entity = "event"\nsheet = "日志"')
    file = tmp_path / "drop" / "log.xlsx"
    file.parent.mkdir()
    with xlsxwriter.Workbook(str(file)) as book:
        page = book.add_worksheet("日志 ")
        page.write_row(0, 0, HEAD.split(","))
        page.write_row(1, 0, ["网", "case-1", "2011-10-11", "受理", 12, "2011-10-11 13:45:40"])
    (row,) = read_rows(make(tmp_path, sheet, path=file), "event")
    assert (row["actor_key"], row["_locator"]) == ("990101-12", "日志!第2行")
    assert code_of(make(tmp_path, sheet.replace("日志", "日记"), path=file)) == "table-sheet-missing"
    assert code_of(make(tmp_path, path=file)) == "table-sheet-unnamed"
    file.write_bytes(file.read_bytes()[:3000])
    assert code_of(make(tmp_path, sheet, path=file)) == "table-not-workbook"
    file.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5000))
    assert code_of(make(tmp_path, sheet, path=file)) == "table-workbook-encrypted"


def test_scope(tmp_path):
    drop(tmp_path, log())
    source = make(tmp_path, LOG.replace('entity = "event"', 'entity = "event"\nscope = "org:resource"'))
    assert read_rows(source, "event") == []


def test_unknown_stream_and_cursor_mode(tmp_path):
    drop(tmp_path, log())
    assert code_of(make(tmp_path), "nothing") == "mapping-stream-unknown"
    with pytest.raises(FaultsError):
        make(
            tmp_path,
            LOG.replace('entity = "event"', 'entity = "event"\nmode = "cursor"\ncursor = "time:timestamp"'),
        )


def test_is_what_its_manifest_says():
    manifest = tomllib.loads(Path(table_file.__file__).with_name("adapter.toml").read_text(encoding="utf-8"))
    assert set(table_file.sources()) == {manifest["id"]}
