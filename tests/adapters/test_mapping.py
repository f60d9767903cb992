import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
import source_fakes  # noqa: F401 -- adds the adapters' texts

from jianheng.errors import FaultsError, StopError
from jianheng_adapters.archive_http.source import SHIPPED as ARCHIVE
from jianheng_adapters.mapping import MappingFile, advance, load_mapping, row_maker
from jianheng_adapters.mapping.privacy import is_sensitive
from jianheng_adapters.personnel_workbook import SHIPPED as PERSONNEL
from jianheng_adapters.unified_case_sql.source import SHIPPED as CASES

at = dt.datetime.fromisoformat  # wall time carries no zone

EVENTS = """
[normalise]
null_dates = ["1900-01-01", "无"]
true = ["是"]
false = ["否"]
date_formats = ["%Y年%m月%d日"]
[codes.kind]
a = "start"
[streams.event]
entity = "event"
[streams.event.columns]
event_key = { columns = ["case", { row = true }], join = "#" }
case_no = "case"
kind = { column = "kind", codes = "kind" }
label = { first_of = ["name", "other"] }
at = { column = "at" }
actor_key = [{ value = "990101" }, { column = "who", width = 4 }]
[streams.event.attributes]
channel = "channel"
seen = { column = "seen", format = "%d.%m.%Y" }
"""
FIELDS = ("case", "kind", "name", "other", "at", "who", "channel", "seen")


def write(folder: Path, text: str, name: str = "site.toml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def load(folder: Path, text: str, **options) -> MappingFile:
    return load_mapping(None, write(folder, text), placement="sheet", **options)


def faults_of(folder: Path, text: str, shipped: Path | None = CASES, **options):
    with pytest.raises(FaultsError) as caught:
        load_mapping(shipped, write(folder, text), placement="table", **options)
    assert all("位置" in problem.message().as_text() for problem in caught.value.problems)
    return caught.value.problems


def make_row(mapping: MappingFile, stream: str, record: dict, number: int = 7):
    index = {name: name for name in record}
    return row_maker(mapping, stream, index, place="档", pseudonym=lambda name: f"化名{len(name)}")(
        record, number
    )


def test_every_kind_of_expression(tmp_path):
    mapping = load(tmp_path, EVENTS)
    record = dict.fromkeys(FIELDS) | {
        "case": " A ", "kind": "a", "name": " ", "other": "乙", "at": "2011-10-11 13:45:40.276+02:00", "who": 7.0, "channel": "网", "seen": "05.03.2024"
    }  # fmt: skip
    row = make_row(mapping, "event", record)
    assert row == {
        "event_key": "A#7",
        "case_no": "A",
        "kind": "start",
        "label": "乙",
        "at": at("2011-10-11 19:45:40.276000"),
        "actor_key": "990101-0007",
        "attributes": {"channel": "网", "seen": "2024-03-05"},
        "_deleted": False,
        "_locator": "档!第7行",
    }
    empty = make_row(mapping, "event", dict.fromkeys(FIELDS) | {"kind": "z", "at": "昨天"})
    assert (empty["event_key"], empty["kind"], empty["at"], empty["actor_key"]) == (None, "z", "昨天", None)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("2024年3月5日", at("2024-03-05")),
        (dt.date(2024, 3, 5), at("2024-03-05")),
        (dt.datetime(2024, 3, 5, 1, tzinfo=dt.UTC), at("2024-03-05 09:00:00")),
        ("1900-01-01 00:00:00", None),
        (at("1900-01-01"), None),
        ("无", None),
        ("", None),
        (45000.0, 45000.0),
        ("2025年13月", "2025年13月"),
    ],
)
def test_moments(tmp_path, raw, told):
    assert make_row(load(tmp_path, EVENTS), "event", dict.fromkeys(FIELDS) | {"at": raw})["at"] == told


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (12, "12"),
        (12.0, "12"),
        (1.5, "1.5"),
        (Decimal("4.00"), "4"),
        (float("nan"), "nan"),
        (dt.date(2024, 3, 5), "2024-03-05"),
        (" \u3000甲 ", "甲"),
        (at("2024-03-05 08:00:00"), "2024-03-05 08:00:00"),
    ],
)
def test_text_of_cells(tmp_path, raw, told):
    assert make_row(load(tmp_path, EVENTS), "event", dict.fromkeys(FIELDS) | {"name": raw})["label"] == told


def test_booleans_months_zones_and_gaps(tmp_path):
    mapping = load(
        tmp_path,
        '[normalise]\ntrue = ["是"]\nfalse = ["否"]\n[streams.x]\nentity = "personnel_record"\n[streams.x.columns]\n'
        'record_key = { columns = ["a", "b"], gaps = true }\nkind = { value = "award" }\nperson_key = "a"\n'
        'starts_on = { column = "m", format = "%Y-%m" }\nends_on = { column = "m", format = "%Y-%m", month_end = true }\n'
        '[streams.y]\nentity = "event"\n[streams.y.columns]\nevent_key = "a"\ncase_no = "a"\nkind = "a"\nat = { column = "m", zone = "UTC" }\n'
        '[streams.z]\nentity = "department"\n[streams.z.columns]\ndepartment_key = "a"\nunit_code = "a"\ndepartment_code = "a"\nname = "a"\nhandles_cases = "m"\n',
    )
    row = make_row(mapping, "x", {"a": "1", "b": None, "m": "2024-02"})
    assert (row["record_key"], row["starts_on"], row["ends_on"]) == (
        "1-",
        dt.date(2024, 2, 1),
        dt.date(2024, 2, 29),
    )
    assert make_row(mapping, "x", {"a": None, "b": None, "m": None})["record_key"] is None
    assert make_row(mapping, "y", {"a": "1", "m": "2024-01-01 20:00"})["at"] == at("2024-01-02 04:00:00")
    found = [
        make_row(mapping, "z", {"a": "1", "m": raw})["handles_cases"]
        for raw in ("是", "否", "也许", True, None)
    ]
    assert found == [True, False, "也许", True, None]


@pytest.mark.parametrize(
    ("shipped", "placement"), [(CASES, "table"), (ARCHIVE, "field"), (PERSONNEL, "sheet")]
)
def test_shipped_mappings_are_sound(shipped, placement):
    assert load_mapping(shipped, None, placement=placement).streams


def test_unknown_keys_everywhere_are_named_with_the_nearest(tmp_path):
    found = faults_of(
        tmp_path,
        'table_sufix = "_X"\n[normalise]\nstripp = true\n[streams.case]\ncursr = "X"\n[streams.case.deleted]\ncolum = "SFSC"\n'
        '[streams.case.columns]\nstatus = { column = "AJZT", code = "case_status" }\n[streams.suspect.join.arrest]\ncursorr = "X"\n',
    )
    told = {
        (each.fields["key"], each.fields["nearest"]) for each in found if each.code == "mapping-unknown-key"
    }
    assert told == {
        ("table_sufix", "table_suffix"),
        ("stripp", "strip"),
        ("cursr", "cursor"),
        ("colum", "column"),
        ("code", "codes"),
        ("cursorr", "cursor"),
    }


def test_faults_of_meaning_are_told_together(tmp_path):
    found = faults_of(
        tmp_path,
        '[streams.case.columns]\naccepted_day = "SLRQ"\nstatus = { column = "AJZT", codes = "case_statis" }\ncase_no = ""\n'
        '[streams.extra]\nentity = "documents"\ntable = "X"\ncolumns = {}\n[streams.code_line]\nmode = "cursor"\n',
    )
    told = {(each.code, each.fields.get("nearest")) for each in found}
    assert told == {
        ("mapping-unknown-column", "accepted_on"),
        ("mapping-unknown-codes", "case_status"),
        ("mapping-required-column", None),
        ("mapping-unknown-entity", "document"),
        ("mapping-key-missing", None),
    }


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[streams.case.columns]\nstatus = 5\n", "mapping-value-wrong"),
        ("[streams.case.columns]\nstatus = { column = 'A', value = 'b' }\n", "mapping-value-wrong"),
        ("[streams.case.columns]\nstatus = { zone = 'Asia/Shanghai' }\n", "mapping-value-wrong"),
        (
            "[streams.case.columns]\naccepted_on = { column = 'A', zone = 'Mars/Olympus' }\n",
            "mapping-value-wrong",
        ),
        ("[streams.case]\nmode = 'sometimes'\n", "mapping-value-wrong"),
        ("[streams.case]\ndeleted = 'SFSC'\n", "mapping-value-wrong"),
        ("streams = 3\n", "mapping-value-wrong"),
        ("[streams]\ncase = 3\n", "mapping-value-wrong"),
        ("[streams.case]\nenabled = false\n", "mapping-case-stream"),
        ("[streams.suspect.join.more]\ntable = 'X'\n", "mapping-key-missing"),
        ("[streams.suspect.join.more]\ntable = 'X'\non = []\n", "mapping-value-wrong"),
    ],
)
def test_values_of_the_wrong_kind(tmp_path, text, code):
    assert code in {each.code for each in faults_of(tmp_path, text)}


def test_no_streams_at_all(tmp_path):
    (found,) = faults_of(tmp_path, "", shipped=None)
    assert (found.code, found.fields["key"]) == ("mapping-key-missing", "streams")


@pytest.mark.parametrize(
    ("column", "code"),
    [
        ("KL", "mapping-sensitive-column"),
        ("FZRSFZHM", "mapping-sensitive-column"),
        ("arrest.zjhm", "mapping-sensitive-column"),
        ("AQZY", "mapping-sensitive-column"),
        ("XM", "mapping-party-name"),
    ],
)
@pytest.mark.parametrize("place", ["columns", "attributes", "locator", "order", "part"])
def test_sensitive_columns_may_not_be_mapped(tmp_path, column, code, place):
    stream = "case" if place == "attributes" else "suspect"
    texts = {
        "columns": f'[streams.suspect.columns]\ngender = "{column}"\n',
        "attributes": f'[streams.case]\nattributes = {{ x = "{column.removeprefix("arrest.")}" }}\n',
        "locator": f'[streams.suspect]\nlocator = ["{column}"]\n',
        "order": f'[streams.suspect]\norder = ["{column}"]\n',
        "part": f'[streams.suspect.columns]\nsuspect_key = ["BMSAH", "{column}"]\n',
    }
    found = faults_of(tmp_path, texts[place])
    assert {(each.code, each.fields["stream"]) for each in found} == {(code, stream)}
    bare = column.rpartition(".")[2].upper()
    assert load_mapping(CASES, tmp_path / "site.toml", placement="table", allow_sensitive=[bare])


def test_chinese_headings_are_sensitive_too():
    assert is_sensitive("身份证号码")
    assert is_sensitive("联系电话")
    assert not is_sensitive("工号")
    assert not is_sensitive("dh")


def test_names_of_parties_are_pseudonymised(tmp_path):
    mapping = load_mapping(CASES, None, placement="table")
    record = dict.fromkeys(mapping.streams["suspect"].sources()) | {"XM": " 甲某某 "}
    assert make_row(mapping, "suspect", record)["pseudonym"] == "化名3"
    record["XM"] = " "
    assert make_row(mapping, "suspect", record)["pseudonym"] is None


def test_files_that_are_no_mapping(tmp_path):
    with pytest.raises(StopError) as caught:
        load_mapping(None, tmp_path / "gone.toml", placement="table")
    assert caught.value.code == "mapping-file-missing"
    with pytest.raises(StopError) as caught:
        load_mapping(None, tmp_path, placement="table")
    assert caught.value.code == "mapping-file-unreadable"
    file = tmp_path / "gbk.toml"
    file.write_bytes("x = '中'".encode("gb18030"))
    with pytest.raises(StopError) as caught:
        load_mapping(None, file, placement="table")
    assert caught.value.code == "mapping-file-unreadable"
    with pytest.raises(StopError) as caught:
        load_mapping(None, write(tmp_path, "[streams\n"), placement="table")
    assert caught.value.code == "mapping-syntax"
    assert "line 1" in str(caught.value)


def test_a_site_replaces_a_column_as_a_whole(tmp_path):
    site = write(tmp_path, '[streams.case.columns]\nstatus = "ZT"\n[codes.case_status]\n"9" = "archived"\n')
    mapping = load_mapping(CASES, site, placement="table")
    assert mapping.streams["case"].columns["status"].codes is None
    assert mapping.codes["case_status"] == {
        "0": "accepted",
        "1": "in_hand",
        "2": "concluded",
        "3": "archived",
        "9": "archived",
    }


def test_advance_ignores_the_future_and_what_is_no_time():
    start = at("2024-01-01")
    assert advance(None, [None, "x", "2099-01-01"]) is None
    assert advance(start, ["2023-01-01"]) == start
    assert advance(start, ["2024-02-01 00:00:00", dt.date(2024, 3, 1)]) == at("2024-03-01")
