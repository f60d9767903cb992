"""Facts: what a value is, why a row is none, and what the declarations promise each other."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jianheng.facts.convert import Fact, Reject, convert
from jianheng.facts.entities import ENTITIES, ROLES
from jianheng.facts.entity import Column, Entity
from upstream import case, document, person

THING = Entity(
    "thing",
    "东西",
    "一件一行",
    (
        Column("thing_key", "键", required=True),
        Column("text", "文字"),
        Column("code", "代码", "code"),
        Column("date", "日期", "date"),
        Column("datetime", "时间", "datetime"),
        Column("integer", "整数", "integer"),
        Column("decimal", "小数", "decimal"),
        Column("boolean", "是否", "boolean"),
        Column("attributes", "其他", "attributes"),
        Column("role", "角色", "code", allowed=ROLES),
    ),
)


def value_of(column, raw):
    """Return what one cell becomes, or the codes of why it is nothing."""
    fact = convert(THING, {"thing_key": "k", column: raw})
    if isinstance(fact, Reject):
        return [each.code for each in fact.problems]
    return fact.values[THING.names.index(column)]


@pytest.mark.parametrize(
    ("column", "raw", "expected"),
    [
        ("text", "  起诉书 ", "起诉书"),
        ("text", "   ", None),
        ("text", "", None),
        ("text", 12, "12"),
        ("text", "𠮷田", "𠮷田"),
        ("text", "两\n行", "两\n行"),
        ("code", 201, "201"),
        ("code", "0201 ", "0201"),
        ("date", "2025-03-04", dt.date(2025, 3, 4)),
        ("date", "2025-03-04 23:59:59", dt.date(2025, 3, 4)),
        ("date", dt.datetime.fromisoformat("2025-03-04 23:59"), dt.date(2025, 3, 4)),
        ("date", "2025-03-04T17:00:00+00:00", dt.date(2025, 3, 5)),
        ("date", "1900-01-02", dt.date(1900, 1, 2)),
        ("date", "2199-12-31", dt.date(2199, 12, 31)),
        ("datetime", dt.date(2025, 3, 4), dt.datetime.fromisoformat("2025-03-04")),
        ("datetime", "2025-03-04T01:00:00+00:00", dt.datetime.fromisoformat("2025-03-04 09:00")),
        ("datetime", "2025-03-04T01:00:00", dt.datetime.fromisoformat("2025-03-04 01:00")),
        ("integer", "7", 7),
        ("integer", "7.0", 7),
        ("integer", 7.0, 7),
        ("decimal", "0.1", Decimal("0.1")),
        ("decimal", 0.1, Decimal("0.1")),
        ("decimal", Decimal("0.000001"), Decimal("0.000001")),
        ("decimal", "-999999999999.999999", Decimal("-999999999999.999999")),
        ("boolean", True, True),
        ("boolean", "是", True),
        ("boolean", "N", False),
        ("boolean", 0, False),
        ("boolean", "", None),
        ("attributes", {"b": 1, "a": "x", "none": None, "empty": ""}, '{"a": "x", "b": "1"}'),
        ("attributes", {}, None),
        ("role", "clerk", "clerk"),
    ],
)
def test_a_value_is_what_its_column_says(column, raw, expected):
    assert value_of(column, raw) == expected


@pytest.mark.parametrize(
    ("column", "raw", "code"),
    [
        ("text", "a\x00b", "row-control-character"),
        ("text", "a\x1bb", "row-control-character"),
        ("text", "半个\ud83d", "row-control-character"),
        ("text", "长" * 4001, "row-text-too-long"),
        ("code", "1" * 101, "row-text-too-long"),
        ("thing_key", "k" * 201, "row-text-too-long"),
        ("date", "2025-02-30", "row-not-a-date"),
        ("date", "去年", "row-not-a-date"),
        ("date", "1900-01-01", "row-date-out-of-range"),
        ("date", "2200-01-01", "row-date-out-of-range"),
        ("datetime", "0001-01-01T00:00:00+23:00", "row-date-out-of-range"),
        ("datetime", "9999-12-31T23:00:00-23:00", "row-date-out-of-range"),
        ("integer", "7.5", "row-not-an-integer"),
        ("integer", "七", "row-not-a-number"),
        ("integer", True, "row-not-a-number"),
        ("decimal", "NaN", "row-not-a-number"),
        ("decimal", float("inf"), "row-not-a-number"),
        ("decimal", "0.0000001", "row-number-out-of-range"),
        ("decimal", "1000000000000", "row-number-out-of-range"),
        ("decimal", "1e30", "row-number-out-of-range"),
        ("decimal", "1e999999999", "row-number-out-of-range"),
        ("decimal", "1e-999999999", "row-number-out-of-range"),
        ("boolean", "也许", "row-not-a-boolean"),
        ("attributes", "a=b", "row-not-attributes"),
        ("attributes", {"a": "\ud800"}, "row-control-character"),
        ("role", "prosecutor", "row-unknown-code"),
        ("thing_key", "  ", "row-missing-value"),
    ],
)
def test_what_is_no_value_of_its_column_is_refused_with_its_reason(column, raw, code):
    assert value_of(column, raw) == [code]


def test_all_faults_of_a_row_are_told_together():
    row = {"thing_key": "k", "date": "x", "integer": "y", "stranger": 1, "_locator": "row 9"}
    rejected = convert(THING, row)
    assert isinstance(rejected, Reject)
    assert [each.code for each in rejected.problems] == [
        "row-not-a-date",
        "row-not-a-number",
        "row-unknown-column",
    ]
    assert {each.fields["at"] for each in rejected.problems} == {"row 9"}
    assert (rejected.key, rejected.locator) == ("k", "row 9")


def test_a_rejected_row_is_known_by_its_whole_key():
    """A long key must not be shortened: a bad row is not a vanished one."""
    key = "部受〔2025〕" + "9" * 150
    rejected = convert(THING, {"thing_key": f" {key} ", "date": "x"})
    assert isinstance(rejected, Reject)
    assert rejected.key == key


@pytest.mark.parametrize("key", [None, "", "x\x00y", "长" * 500])
def test_a_rejected_row_has_a_key_that_every_database_can_hold(key):
    rejected = convert(THING, {"thing_key": key, "date": "x"})
    assert isinstance(rejected, Reject)
    assert "\x00" not in rejected.key
    assert len(rejected.key) <= 200


def test_a_deleted_row_needs_only_its_key():
    fact = convert(ENTITIES["document"], {"document_key": "d", "drafted_on": "x", "_deleted": True})
    assert isinstance(fact, Fact)
    assert (fact.key, fact.deleted) == ("d", True)
    without_key = convert(ENTITIES["document"], {"_deleted": True})
    assert isinstance(without_key, Reject)


def test_the_hash_speaks_of_values_not_of_their_spelling():
    day = dt.date(2025, 3, 4)
    spelled = convert(ENTITIES["document"], document("d", "A", drafted_on="2025-03-04 08:00"))
    typed = convert(ENTITIES["document"], document("d", "A", drafted_on=day, _locator="elsewhere"))
    other = convert(ENTITIES["document"], document("d", "A", drafted_on=day + dt.timedelta(1)))
    assert spelled.content_hash == typed.content_hash
    assert spelled.content_hash != other.content_hash


def test_missing_and_empty_are_the_same_and_not_zero():
    missing = convert(ENTITIES["person"], person("p"))
    empty = convert(ENTITIES["person"], person("p", suspended=""))
    no = convert(ENTITIES["person"], person("p", suspended="N"))
    assert missing.content_hash == empty.content_hash
    assert missing.content_hash != no.content_hash


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(alphabet=st.characters(exclude_categories=())),
    st.binary(),
    st.dates(),
    st.datetimes(timezones=st.one_of(st.none(), st.timezones())),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.one_of(st.none(), st.text(max_size=3), st.dates()), max_size=3),
    st.from_regex(r"[+-]?\d{1,30}([.]\d{1,9})?([eE][+-]?\d{1,10})?", fullmatch=True),
    st.from_regex(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?([+-]\d{2}:\d{2})?)?", fullmatch=True),
)


@given(row=st.dictionaries(st.sampled_from([*THING.names, "_deleted", "_locator", "other"]), ANYTHING))
def test_every_row_is_a_fact_or_has_its_reasons(row):
    fact = convert(THING, row)
    if isinstance(fact, Reject):
        assert fact.problems
        return
    again = convert(THING, dict(zip(THING.names[:-2], fact.values[:-2], strict=True)))
    assert isinstance(again, Fact)
    assert again.values[:-2] == fact.values[:-2]


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=lambda each: each.name)
def test_a_declaration_keeps_its_promises(entity):
    """The key is required text; references, business time and codes exist; nothing is declared twice."""
    assert entity.key.required
    assert entity.key.type == "text" or entity.key.name == "unit_code"
    assert len(set(entity.names)) == len(entity.names)
    assert {column.ref for column in entity.columns if column.ref} <= ENTITIES.keys()
    assert entity.business_time is None or entity.column(entity.business_time).type in {"date", "datetime"}
    assert all(column.type == "code" for column in entity.columns if column.allowed)
    assert all(column.ref for column in entity.columns if column.strict)


def test_what_is_strictly_needed_comes_first():
    order = list(ENTITIES)
    assert [
        (name, ref) for name in order for ref in ENTITIES[name].refs if order.index(ref) > order.index(name)
    ] == []


def test_the_smallest_rows_of_the_tests_are_facts():
    for name, row in (("person", person("p")), ("case", case("A")), ("document", document("d", "A"))):
        assert isinstance(convert(ENTITIES[name], row), Fact)


def test_attributes_have_the_limit_of_a_text():
    """What core does not know is no way round the limit: just within it is kept, one more is refused."""
    room = 4000 - len('{"a": ""}')
    event = {"event_key": "e", "case_no": "c", "kind": "k", "at": "2025-01-02"}
    kept = convert(ENTITIES["event"], event | {"attributes": {"a": "x" * room}})
    refused = convert(ENTITIES["event"], event | {"attributes": {"a": "x" * (room + 1)}})
    assert not isinstance(kept, Reject)
    assert isinstance(refused, Reject)
    assert [each.code for each in refused.problems] == ["row-text-too-long"]
