"""Derived values of the mapping language, and records that are not flat."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from source_fakes import make_context

from jianheng.errors import FaultsError, StopError
from jianheng_adapters.mapping import MappingFile, load_mapping, row_maker
from jianheng_adapters.mapping.markup import tree_of
from jianheng_adapters.mapping.position import Marks
from jianheng_adapters.mapping.records import Records, Taken, distinct, find, is_there

at = dt.datetime.fromisoformat  # wall time carries no zone

EVENT = """
[normalise]
null_dates = ["1900-01-01"]
[codes.kind]
"1" = "start"
[streams.event]
entity = "event"
[streams.event.columns]
event_key = "id"
case_no = "id"
kind = { value = "x" }
at = { column = "at", optional = true }
[streams.event.attributes]
told = %s
"""


def load(folder: Path, text: str, **options: Any) -> MappingFile:
    file = folder / "mapping.toml"
    file.write_text(text, encoding="utf-8")
    return load_mapping(None, file, **{"placement": "sheet", **options})


def told(folder: Path, expression: str, **record: Any) -> Any:
    """What an expression makes of a record."""
    mapping = load(folder, EVENT % expression)
    whole = {"id": "1", "a": None, "b": None, "c": None, **record}
    index = {name: name for name in whole}
    return row_maker(mapping, "event", index, place="x", pseudonym=str)(whole, 1)["attributes"]["told"]


@pytest.mark.parametrize(
    ("expression", "record", "wanted"),
    [
        ('{ column = "a", default = "无" }', {}, "无"),
        ('{ column = "a", default = "无" }', {"a": " "}, "无"),
        ('{ column = "a", default = "无" }', {"a": "有"}, "有"),
        ('{ column = "a", default = 0 }', {}, "0"),
        ('{ column = "a", present = true }', {"a": "x"}, True),
        ('{ column = "a", present = true }', {"a": "1900-01-01"}, False),
        ('{ column = "a", present = true }', {}, False),
        ('{ first_of = ["a", "b"], present = true }', {"b": "x"}, True),
        ('{ first_of = ["a", "b"], present = true }', {}, False),
        ('{ column = "a", extract = "〔(\\\\d{4})〕" }', {"a": "东检刑诉〔2024〕12号"}, "2024"),
        ('{ column = "a", extract = "\\\\d+" }', {"a": "第12号"}, "12"),
        ('{ column = "a", extract = "\\\\d+" }', {"a": "无号"}, None),
        ('{ column = "a", extract = "x(y)?" }', {"a": "x"}, None),
        ('{ column = "a", times = 10000 }', {"a": "1.5"}, "15000"),
        ('{ column = "a", times = 0.1 }', {"a": Decimal("0.3")}, "0.03"),
        ('{ column = "a", times = 10 }', {"a": "约三万"}, "约三万"),  # core says that it is no number
        ('{ column = "a", times = 10 }', {}, None),
        ('{ column = "a", only_if = { column = "b", values = ["1", "true"] } }', {"a": "x", "b": 1}, "x"),
        ('{ column = "a", only_if = { column = "b", values = ["1", "true"] } }', {"a": "x", "b": True}, "x"),
        ('{ column = "a", only_if = { column = "b", values = ["1"] } }', {"a": "x", "b": "2"}, None),
        ('{ column = "a", only_if = { column = "b", values = ["1"] }, default = "-" }', {"a": "x"}, "-"),
        (
            '{ first_of = [{ column = "a", only_if = { column = "c", values = ["甲"] } }, "b"] }',
            {"a": "1", "b": "2", "c": "甲"},
            "1",
        ),
        (
            '{ first_of = [{ column = "a", only_if = { column = "c", values = ["甲"] } }, "b"] }',
            {"a": "1", "b": "2", "c": "乙"},
            "2",
        ),
        ('{ first_of = ["a", { columns = ["b", "c"], join = "/" }] }', {"b": "1", "c": "2"}, "1/2"),
        ('{ first_of = [{ column = "a", codes = "kind" }, { value = "other" }] }', {"a": "1"}, "start"),
        ('{ first_of = [{ column = "a", codes = "kind" }, { value = "other" }] }', {}, "other"),
    ],
)
def test_derived_values(tmp_path, expression, record, wanted):
    assert told(tmp_path, expression, **record) == wanted


@pytest.mark.parametrize(
    ("form", "raw", "wanted"),
    [
        ("epoch", 1772326860, at("2026-03-01 09:01:00")),
        ("epoch_ms", "1772326860000", at("2026-03-01 09:01:00")),
        ("epoch_ms", 1772326860500, at("2026-03-01 09:01:00.500")),
        ("excel", 46082.375, at("2026-03-01 09:00:00")),
        ("epoch", "2026-03-01T09:01:00", at("2026-03-01 09:01:00")),
        ("epoch", "gestern", "gestern"),
        ("epoch", None, None),
        ("epoch", 10**30, 10**30),
    ],
)
def test_moments_that_are_counted(tmp_path, form, raw, wanted):
    text = EVENT.replace('{ column = "at", optional = true }', f'{{ column = "at", format = "{form}" }}')
    mapping = load(tmp_path, text % '"id"')
    make = row_maker(mapping, "event", {"id": "id", "at": "at"}, place="x", pseudonym=str)
    assert make({"id": "1", "at": raw}, 1)["at"] == wanted


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ('{ column = "a", extract = "(" }', "mapping-value-wrong"),
        ('{ column = "a", times = "x" }', "mapping-value-wrong"),
        ('{ column = "a", only_if = { column = "b" } }', "mapping-key-missing"),
        ('{ column = "a", only_if = { colum = "b", values = ["1"] } }', "mapping-unknown-key"),
        ('{ column = "a", defualt = "x" }', "mapping-unknown-key"),
        ('{ first_of = [{ column = "a", codes = "kindd" }] }', "mapping-unknown-codes"),
    ],
)
def test_a_derived_value_that_is_wrong_is_told(tmp_path, expression, code):
    with pytest.raises(FaultsError) as caught:
        load(tmp_path, EVENT % expression)
    assert code in {each.code for each in caught.value.problems}


def test_names_of_parties_are_not_shown_through_what_is_derived(tmp_path):
    with pytest.raises(FaultsError) as caught:
        load(tmp_path, EVENT % '{ first_of = ["a", { column = "XM", extract = "." }] }')
    assert [each.code for each in caught.value.problems] == ["mapping-party-name"]


@pytest.mark.parametrize("name", ["party.idCard", "身份证.号码", "a.mobilePhone", "b.0.XM", "@手机"])
def test_what_identifies_people_is_found_at_any_depth(tmp_path, name):
    with pytest.raises(FaultsError) as caught:
        load(tmp_path, EVENT % f'"{name}"')
    assert len(caught.value.problems) == 1
    assert load(tmp_path, EVENT % f'"{name}"', allow_sensitive=[name])


# Records.

NESTED = """
[streams.person]
entity = "person"
scope = "dept.code"
exclude = { state = ["gone"] }
only = { kind = ["1"] }
[streams.person.columns]
person_key = ["dept.code", "no"]
unit_code = "dept.code"
staff_no = "no"
name = { column = "names.0.text", optional = true }
"""


def nested(folder: Path, text: str = NESTED) -> Records:
    return Records(load(folder, text), "person", make_context({}), "/people")


def one(number: int = 1, unit: str | None = "990101", **more: Any) -> dict[str, Any]:
    told = {"dept": {"code": unit}, "no": number, "names": [{"text": "甲"}], "state": "", "kind": 1}
    return {**told, **more}


def test_a_path_leads_through_tables_and_lists_and_a_name_with_dots_comes_first(tmp_path):
    (taken,) = nested(tmp_path).take([one()])
    assert taken.raw["names.0.text"] == "甲"
    assert taken.row["_locator"] == "/people dept.code=990101 no=1"
    (taken,) = nested(tmp_path).take([one() | {"dept.code": "990101", "dept": None}])
    assert taken.row["unit_code"] == "990101"


@pytest.mark.parametrize("names", [[], None, [{}], [None]])
def test_what_lies_in_something_empty_is_nothing(tmp_path, names):
    taken = nested(tmp_path).take([one(names=names), one(2)])
    assert [each.row["name"] for each in taken] == [None, "甲"]


def test_what_is_out_of_scope_or_excluded_is_left_out(tmp_path):
    records = [one(), one(2, unit="990102"), one(3, state="gone"), one(4, kind=2), one(5, unit=None)]
    assert [each.row["staff_no"] for each in nested(tmp_path).take(records)] == ["1", "5"]


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"no": 1, "state": "", "kind": 1}, "mapping-field-missing"),
        (one(no={"a": 1}), "mapping-field-nested"),
        (one(no=[1, 2]), "mapping-field-nested"),
        ([1], "mapping-records-missing"),
        ("x", "mapping-records-missing"),
    ],
)
def test_records_that_do_not_fit_are_told(tmp_path, record, code):
    with pytest.raises(StopError) as caught:
        nested(tmp_path).take([record])
    assert code in {each.code for each in caught.value.problems}


def test_one_record_may_lack_what_others_have(tmp_path):
    lacking = {name: value for name, value in one().items() if name != "no"}
    assert [each.row["staff_no"] for each in nested(tmp_path).take([one(), lacking])] == ["1", None]


def test_of_repeated_rows_the_first_is_kept_and_what_contradicts_it(tmp_path):
    rows = [
        {"k": "1", "v": "a", "_locator": "x"},
        {"k": "1", "v": "a", "_locator": "y"},
        {"k": "1", "v": "b"},
        {"k": None},
    ]
    kept = [each.row for each in distinct([Taken({}, row) for row in rows], "k")]
    assert kept == [rows[0], rows[2], rows[3]]


def test_finding_in_an_answer():
    answer = {"a": {"b": [{"c": 1}], "d": None}, "e": []}
    assert [find(answer, path) for path in ("a.b.0.c", "a.d.x", "a.x", "e", "")] == [
        1,
        None,
        None,
        None,
        answer,
    ]
    assert [is_there(answer, path) for path in ("a.b", "a.d.x", "a.x", "e", "")] == [
        True,
        True,
        False,
        True,
        True,
    ]


# Positions.


@pytest.mark.parametrize(
    ("kind", "values", "reached"),
    [
        ("moment", ["2026-03-01", None, "x", "2026-02-01"], at("2026-03-01")),
        ("moment", ["2199-01-01"], None),  # it would hide what comes until then
        ("number", ["9", 10, None, "x", True], Decimal(10)),
        ("text", ["b", "a", " "], "b"),
        ("moment", [], None),
    ],
)
def test_how_far_a_read_has_come(kind, values, reached):
    marks = Marks(kind)
    assert marks.advance(None, values) == reached
    cursor = marks.cursor(reached)
    assert marks.parse(cursor, stream="x").reached == reached
    assert marks.advance(reached, []) == reached


def test_a_cursor_may_hold_more_than_a_position():
    marks = Marks("number")
    assert marks.parse(marks.cursor(None, page="x"), stream="s").more == {"page": "x"}
    assert marks.parse(None, stream="s").reached is None


@pytest.mark.parametrize("cursor", ["", "x", "[]", "1", '{"v":2,"at":"1"}', '{"v":1,"at":"x"}', '{"at":"1"}'])
def test_a_cursor_of_somebody_else_is_told(cursor):
    with pytest.raises(StopError) as caught:
        Marks("number").parse(cursor, stream="s")
    assert caught.value.code == "cursor-unreadable"


# XML.


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ('<r a="1"><b>x</b><b/><c><d>y</d></c></r>', {"@a": "1", "b": ["x", None], "c": {"d": "y"}}),
        ("<r> x </r>", {"#text": "x"}),
        ('<r><b a="1">x</b></r>', {"b": {"@a": "1", "#text": "x"}}),
        ('<n:r xmlns:n="urn:x"><n:b>1</n:b></n:r>', {"b": "1"}),
    ],
)
def test_xml_is_told_as_tables(text, tree):
    assert tree_of(text) == tree


@pytest.mark.parametrize("text", ["", "x", "<a>", "<!DOCTYPE a><a/>", "<a>" * 60 + "</a>" * 60])
def test_xml_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"Error|Forbidden"):
        tree_of(text)
