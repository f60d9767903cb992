"""The condition language: each word means what the documentation says, and nothing else is let through."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jianheng.errors import Problem
from jianheng.rules.expression import FUNCTIONS, Compiled, Context, compile_expression, compile_over
from jianheng.rules.views import OPTIONAL, uses, view
from thoroughness import examples
from upstream import case, document, person, posting, views_of

WORLD = {
    "case": [
        case("A", category="0301", is_supervised=True, handling_days=10, attributes={"来源": "移送", "n": 2}),
        case(
            "B", category="0201", is_supervised=False, handling_days=-1, status="concluded", charge_code="1;2"
        ),
        case("C", category="0302", concluded_on="2025-03-04", accepted_on="2025-03-01", handler_key="p1"),
        case("D", category="1701", concluded_on="2025-03-05", completed_on="2025-03-09", charge_name="it's"),
    ],
    "person": [person("p1"), person("p2")],
    "posting": [
        posting("p1", "clerk", valid_from="2020-01-01", valid_to="2025-03-01", staff_class="a"),
        posting("p1", post_level="member", posting_key="p1-2", valid_from="2025-03-02", staff_class="b"),
        posting("p1", post_level="chief", posting_key="p1-3", valid_from="2025-03-02", staff_class="c"),
        posting("p2", posting_key="p2-1", valid_from="2025-03-05"),
    ],
    "code": [
        {"code_key": "1", "catalogue": "case_category", "code": "0301", "parent": "03"},
        {"code_key": "2", "catalogue": "case_category", "code": "0302", "parent": "0301"},
        {"code_key": "3", "catalogue": "case_category", "code": "0201", "parent": "02"},
        {"code_key": "4", "catalogue": "case_category", "code": "round", "parent": "about"},
        {"code_key": "5", "catalogue": "case_category", "code": "about", "parent": "round"},
        {"code_key": "6", "catalogue": "elsewhere", "code": "1701", "parent": "03"},
    ],
    "document": [
        document("d1", "A", template_code="起诉书"),
        document("d2", "A", template_code="起诉书"),
        document("d3", "B", template_code="告知书"),
    ],
    "event": [{"event_key": "e1", "case_no": "C", "kind": "returned", "at": "2025-03-04"}],
    "case_link": [
        {"link_key": "l1", "from_case_no": "A", "to_case_no": "B", "kind": "related"},
        {"link_key": "l2", "from_case_no": "B", "to_case_no": "A", "kind": "related"},
        {"link_key": "l3", "from_case_no": "C", "to_case_no": "C", "kind": "related"},
        {"link_key": "l4", "from_case_no": "C", "to_case_no": "nowhere", "kind": "related"},
    ],
    "suspect": [{"suspect_key": f"s{n}", "case_no": "B", "suspect_no": n} for n in range(3)],
}
CATALOGUES = {
    "case_category": frozenset({"0301", "0302", "0201", "1701"}),
    "business_line": frozenset({"02", "03"}),
    "document_template": frozenset({"起诉书", "告知书"}),
}


@pytest.fixture(scope="module")
def engine():
    with views_of(WORLD) as connection:
        yield connection


def found(engine, text, grain="case", context=Context(), day="NULL"):  # noqa: B008 a constant
    """Return the keys of the records that meet a condition, joined."""
    over = view(grain)
    sql = compile_expression(text, grain, "here", context=context)
    assert isinstance(sql, str), sql
    records = f"(SELECT *, {day} AS early FROM {over.name})"
    rows = engine.execute(f"SELECT {over.key} FROM {records} t WHERE {sql} ORDER BY 1").fetchall()
    return " ".join(row[0] for row in rows)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", "A B C D"),
        ("false", ""),
        ("null", ""),
        ("category = '0301'", "A"),
        ("category <> '0301'", "B C D"),
        ("category != '0301'", "B C D"),
        ("category in ('0201', '0301')", "A B"),
        ("category not in ('0201', '0301')", "C D"),
        ("category between '0201' and '0301'", "A B"),
        ("handling_days > 0 or handling_days < 0", "A B"),
        ("handling_days >= 10 and handling_days <= 10", "A"),
        ("handling_days * 2 + 1 - 1 = 20", "A"),
        ("-handling_days = 1", "B"),
        ("is_supervised", "A"),
        ("not is_supervised", "B"),
        ("is_supervised is null", "C D"),
        ("is_supervised is not null", "A B"),
        ("is_supervised is true", "A"),
        ("concluded_on - accepted_on = 3", "C"),
        ("concluded_on < '2025-03-05'", "C"),
        ("concluded_on + 1 = '2025-03-05'", "C"),
        ("coalesce(completed_on, concluded_on) > concluded_on", "D"),
        ("case when category = '0301' then true else category = '1701' end", "A D"),
        ("case category when '0301' then true else false end", "A"),
        ("(category = '0301' or category = '0201') and not is_supervised", "B"),
        ("charge_name = 'it''s'", "D"),
        ("closed_on is not null", "C D"),
        ("suspect_count = 3", "B"),
        ("document_count = 0", "C D"),
        ("true -- a remark */ or false", "A B C D"),
        ("true /* a remark */", "A B C D"),
        ("prefix(category, '03')", "A C"),
        ("prefix(category, '03', '17')", "A C D"),
        ("prefix(category, '%')", ""),
        ("contains(charge_code, '2')", "B"),
        ("attr('来源') = '移送'", "A"),
        ("attr('n') = '2'", "A"),
        ("attr('nothing') is null", "A B C D"),
        ("has_document('起诉书')", "A"),
        ("has_document('起诉书', '告知书')", "A B"),
        ("missing_document('起诉书')", "B C D"),
        ("missing_document('起诉书', '告知书')", "C D"),
        ("has_event('returned', 'other')", "C"),
        ("has('event', kind = 'returned')", "C"),
        ("latest('event', at, true) = '2025-03-04'", "C"),
        ("linked(category = '0201')", "A"),
        ("linked(category = '0301')", "B"),
        ("linked(has_document('起诉书'))", "B"),
        ("linked(true)", "A B"),
        ("not linked(true)", "C D"),
        ("HAS_DOCUMENT('起诉书')", "A"),
        ("has_document('起诉书|告知书')", "A B"),
        ("missing_document('起诉书|告知书')", "C D"),
        ("has_documents('起诉书|告知书', '起诉书')", "A"),
        ("has_documents('起诉书', '告知书')", ""),
        ("missing_documents('起诉书|告知书', '起诉书')", "B C D"),
        ("missing_documents('起诉书', '告知书')", "A B C D"),
        ("in_tree(category, '03')", "A C"),
        ("in_tree(category, '0301')", "A C"),
        ("in_tree(category, '0302', '02')", "B C"),
        ("in_tree(category, 'about')", ""),
        ("not in_tree(category, '03')", "B D"),
        ("linked(category = '0201', 'chain')", "A"),
        ("days_between(accepted_on, concluded_on) = 3", "C"),
        ("days_between(accepted_on, '2025-01-04') = 2", "A B D"),
        ("workdays_between(accepted_on, concluded_on) = 2", "C"),
        ("workdays_between(concluded_on, accepted_on) = -2", "C"),
        ("workdays_between(concluded_on, completed_on + 1) = 3", "D"),
        ("workdays_between(completed_on, concluded_on) is null", "A B C"),
        ("workdays_between('2025-01-25', '2025-02-08') = 6", "A B C D"),
        ("concluded_on between '2025-03-04' and '2025-03-04'", "C"),
        ("concluded_on in ('2025-03-04', '2025-03-06')", "C"),
        ("'2025-03-04' = concluded_on", "C"),
        ("role_on(handler_key, accepted_on) = 'clerk'", "C"),
        ("role_on(handler_key, concluded_on) = 'quota_prosecutor'", "C"),
        ("post_level_on(handler_key, accepted_on) is null", "A B C D"),
        ("post_level_on(handler_key, concluded_on) = 'member'", "C"),
        ("class_on(handler_key, '2025-03-02') = 'b'", "C"),
        ("class_on(handler_key, '2019-12-31') is null", "A B C D"),
    ],
)
def test_a_condition_finds_what_it_says(engine, text, expected):
    assert found(engine, text) == expected


@pytest.mark.parametrize(
    ("grain", "text", "expected"),
    [
        ("document", "template_code = '起诉书' and case_is_supervised", "d1 d2"),
        ("document", "has_document('告知书')", "d3"),
        ("document", "linked(category = '0201')", "d1 d2"),
        ("document", "case_suspect_count = 3", "d3"),
        ("event", "case_closed_on is not null", "e1"),
        ("suspect", "case_category = '0201'", "s0 s1 s2"),
        ("event", "at < '2025-03-04 00:00:01'", "e1"),
        ("event", "at + 1 = '2025-03-05' and at - case_accepted_on = 3", "e1"),
        ("event", "workdays_between(case_accepted_on, at) = 2", "e1"),
    ],
)
def test_a_record_of_a_case_knows_its_case(engine, grain, text, expected):
    assert found(engine, text, grain) == expected


def test_every_function_is_exercised_here():
    """A function added to the language must be added to these tests."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in FUNCTIONS if f"{name}(" not in text] == []


ASKS = "workdays_between(accepted_on, due_on) > 1"


def code_of(text, grain="case"):
    refused = compile_expression(text, grain, "measures.toml [x] where")
    assert isinstance(refused, Problem), refused
    assert refused.fields["where"] == "measures.toml [x] where"
    return refused.code


@pytest.mark.parametrize(
    "text",
    [
        "(select 1) = 1",
        "exists (select 1 from fact_person)",
        "category in (select name from fact_person)",
        "category = any(['a'])",
        "category in unnest(['a'])",
        "category in ()",
        "select 1",
        "from fact_person",
        "values (1)",
        "pragma database_list",
        "random() > 0.5",
        "uuid() is null",
        "current_date > accepted_on",
        "current_timestamp is null",
        "row_number() over () = 1",
        "sum(handling_days) over (partition by category) > 1",
        "count(*) > 1",
        "x -> x",
        "*",
        "columns(*) is null",
        "fact_person.name = 'x'",
        "t.category = '0301'",
        "category.field = 1",
        "main.prefix(category, '03')",
        "cast(category as integer) = 1",
        "category::json = 'x'",
        "try_cast(category as blob) is null",
        "date '2025-01-01' < accepted_on",
        "accepted_on + interval 1 day < due_on",
        "category like '03%'",
        "category ilike '03%'",
        "category ~ '03'",
        "category similar to '03'",
        "category || 'x' = 'x'",
        "category collate nocase = 'x'",
        "handling_days / 3 = 1",
        "handling_days % 3 = 1",
        "handling_days // 3 = 1",
        "handling_days & 1 = 1",
        "case_no = $1",
        "case_no = ?",
        "case_no = $start",
        "[1, 2] = [1, 2]",
        "{'a': 1} is null",
        "category[1] = '0'",
        "read_csv('x.csv') is null",
        "$$text$$ = category",
    ],
)
def test_what_is_outside_the_language_is_not_allowed(text):
    assert code_of(text) == "rule-not-allowed"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "true; drop table fact_case",
        "true; true",
        "a, b",
        "category =",
        "category = 'open",
        "(category = '1'",
        "category = '1')",
        "lambda x: x",
        "/* open",
        "(" * 300 + "true" + ")" * 300,
        "(" * 5000 + "true" + ")" * 5000,
        "not " * 3000 + "true",
        "case when " * 500 + "true",
        "linked(" * 2000 + "true" + ")" * 2000,
        "((" * 20 + ASKS + f" and {ASKS}) or {ASKS})" * 20,
    ],
)
def test_what_is_no_expression_is_a_fault_of_syntax(text):
    assert code_of(text) == "rule-syntax"


@pytest.mark.parametrize("function", ["now", "getenv", "nextval", "query", "has_docment"])
def test_an_unknown_function_is_refused(function):
    assert code_of(f"{function}('x') is null") == "rule-unknown-function"


@pytest.mark.parametrize(
    "text",
    [
        "prefix(category)",
        "prefix('0301', '03')",
        "prefix(category, charge_code)",
        "prefix(category, null)",
        "contains(category, 'a', 'b')",
        "contains('a', category)",
        "attr()",
        "attr('a', 'b')",
        "attr(category)",
        "attr('a\"b')",
        "attr('a\\')",
        "has_document()",
        "has_document(category)",
        "has_document(1)",
        "missing_document()",
        "has_event(true)",
        "has('event')",
        "latest('event', at)",
        "linked()",
        "linked(true, true)",
        "linked(linked(true))",
        "linked(true, 'far')",
        "linked(true, category)",
        "linked_suspect(true)",
        "has_documents()",
        "has_documents('a||b')",
        "has_documents('')",
        "missing_documents(category)",
        "in_tree(category)",
        "in_tree('03', category)",
        "in_tree(charge_name, '03')",
        "days_between(accepted_on)",
        "workdays_between(accepted_on, concluded_on, '3')",
        "months(handling_days)",
        "months()",
        "months(months(charge_name))",
        "term(handling_days)",
        "term(charge_name, category)",
        "prefix(handling_days, '1')",
        "contains(handling_days, '1')",
        "listed(is_supervised, 'team.codes')",
        "role_on(handler_key)",
        "role_on(category, accepted_on)",
        "role_on('p1', accepted_on)",
        "parameter()",
        "parameter(category)",
        "listed(category)",
        "listed('0301', 'team.codes')",
        "listed(category, charge_code)",
    ],
)
def test_arguments_that_make_no_sense_are_refused(text):
    assert code_of(text) == "rule-wrong-arguments"


@pytest.mark.parametrize(
    "text",
    ["has_document('x')", "has_documents('x')", "linked(true)", "has_event('x')", "attr('x') = '1'"],
)
def test_a_record_without_a_case_has_no_functions_of_cases(text):
    assert code_of(text, "personnel_record") == "rule-wrong-arguments"


@pytest.mark.parametrize(
    ("text", "grain", "nearest"),
    [
        ("catgory = '1'", "case", "category"),
        ("prefix(catgory, '1')", "case", "category"),
        ("linked(catgory = '1')", "document", "category"),
        ("case_catgory = '1'", "document", "case_category"),
        ('"Category" = 1', "case", "category"),
    ],
)
def test_an_unknown_column_is_refused_with_the_nearest_named(text, grain, nearest):
    refused = compile_expression(text, grain, "here")
    assert (refused.code, refused.fields["nearest"]) == ("rule-unknown-column", nearest)


def test_an_unknown_function_is_refused_with_the_nearest_named():
    refused = compile_expression("has_docment('x')", "case", "here")
    assert refused.fields["nearest"] == "has_document"


@pytest.mark.parametrize("text", ["x" * 10_000, "'" + "x" * 10_000, "𠮷" * 10_000, "1 + " * 2_500 + "1"])
def test_ten_thousand_characters_are_an_expression_or_a_problem(text):
    assert isinstance(compile_expression(text, "case", "here"), str | Problem)


def test_many_conditions_that_may_fail_grow_a_statement_no_faster_than_their_number():
    lengths = [len(str(compile_expression(" and ".join([ASKS] * n), "case", "here"))) for n in (10, 20, 40)]
    assert lengths[2] < 3 * lengths[1] < 9 * lengths[0]
    assert isinstance(compile_expression("(" * 30 + " and ".join([ASKS + ")"] * 30), "case", "here"), str)


def test_a_text_of_ten_thousand_characters_stays_a_text(engine):
    assert found(engine, f"charge_name <> '{'x' * 10_000}'") == "D"


def all_codes(text, grain="case", **context):
    problems = compile_over(text, view(grain), "here", Context(**context))
    assert isinstance(problems, list), problems
    assert all(each.message().what for each in problems)
    return [(each.code, each.fields.get("name") or each.fields.get("code")) for each in problems]


def test_everything_wrong_with_a_condition_is_told_together():
    text = "catgory = '1' and nothing(1) and linked(caze = '2') and charge_cod is null"
    assert all_codes(text) == [
        ("rule-unknown-column", "catgory"),
        ("rule-unknown-function", "nothing"),
        ("rule-unknown-column", "caze"),
        ("rule-unknown-column", "charge_cod"),
    ]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("category = '0310'", ["0310"]),
        ("'0310' <> category", ["0310"]),
        ("category in ('0301', '0310', '9')", ["0310", "9"]),
        ("case category when '9' then true else false end", ["9"]),
        ("prefix(category, '03', '04')", ["04"]),
        ("in_tree(category, '03', '04')", ["04"]),
        ("has_documents('起诉书|起诉', '告知')", ["起诉", "告知"]),
        ("linked(category = '9')", ["9"]),
        ("status = 'conclude'", ["conclude"]),
        ("role_on(handler_key, accepted_on) = 'boss'", ["boss"]),
        ("listed(category, 'team.codes')", ["9"]),
        ("charge_code = 'anything'", []),
    ],
)
def test_a_code_that_stands_in_no_catalogue_is_refused(text, wrong):
    """What is not checked is only what nobody has given a catalogue of."""
    codes = {"team.codes": ((dt.date(2024, 1, 1), None, ("0301", "9")),)}
    done = compile_over(text, view("case"), "here", Context(codes, "accepted_on", CATALOGUES))
    told = done if isinstance(done, list) else []
    assert (
        [each.fields["code"] for each in told if each.code == "rule-unknown-code"]
        == wrong
        == [each.fields["code"] for each in told]
    )


def test_an_unknown_code_is_refused_with_the_nearest_named():
    (told,) = compile_over("category = '0311'", view("case"), "here", Context(catalogues=CATALOGUES))
    assert told.fields["nearest"] == "0301"


@pytest.mark.parametrize(
    "text",
    [
        "category = 301",
        "category in ('0301', 302)",
        "handling_days = '10'",
        "handling_days between 1 and '2'",
        "is_supervised = 'Y'",
        "is_supervised = 1",
        "concluded_on = 20250304",
        "concluded_on = handling_days",
        "days_between(accepted_on, category) = 1",
        "workdays_between(handling_days, accepted_on) = 1",
        "role_on(handler_key, category) = 'clerk'",
        "parameter('team.n') = 'x'",
        "case handling_days when '1' then true else false end",
    ],
)
def test_what_is_unlike_is_not_compared(text):
    numbers = {"team.n": ((dt.date(2024, 1, 1), None, Decimal(1)),)}
    assert [code for code, _ in all_codes(text, parameters=numbers, day="accepted_on")] == ["rule-unlike"]


@pytest.mark.parametrize("day", ["2025-02-29", "2025-3-4", "20250304", "yesterday", "2025-03-04 25:00:00"])
def test_a_day_that_does_not_exist_is_refused(day):
    assert all_codes(f"concluded_on = '{day}'") == [("rule-no-such-day", None)]
    assert all_codes(f"days_between(concluded_on, '{day}') = 1") == [("rule-no-such-day", None)]


# The law's own numbers and lists, by the day of the item.

LAW = {
    "team.days": (
        (dt.date(2025, 1, 1), dt.date(2025, 3, 5), Decimal("3.0")),
        (dt.date(2025, 3, 5), None, Decimal("60.5")),
    ),
    "team.codes": (
        (dt.date(2025, 1, 1), dt.date(2025, 3, 5), ("0301", "0302")),
        (dt.date(2025, 3, 5), None, ()),
    ),
    "team.unset": (),
}
DATED = Context(LAW, "concluded_on")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("concluded_on - accepted_on = parameter('team.days')", "C"),
        ("parameter('team.days') > 60", "D"),
        ("parameter('team.days') is null", "A B"),
        ("listed(category, 'team.codes')", "C"),
        ("not listed(category, 'team.codes')", "D"),
        ("concluded_on is null and parameter('team.unset') = 1", ""),
    ],
)
def test_the_day_of_the_item_says_which_value_of_the_law_holds(engine, text, expected):
    assert found(engine, text, context=DATED) == expected


def test_a_day_before_the_law_had_a_value_stops_the_rule_and_says_so(engine):
    with pytest.raises(duckdb.Error, match=r"参数 team\.days 没有当日的值: 2024-12-31"):
        found(engine, "parameter('team.days') = 1", context=Context(LAW, "early"), day="DATE '2024-12-31'")


def test_a_parameter_without_any_value_is_never_a_number(engine):
    with pytest.raises(duckdb.Error, match=r"team\.unset"):
        found(engine, "parameter('team.unset') = 1", context=DATED)


@pytest.mark.parametrize(
    ("text", "context", "code"),
    [
        ("parameter('team.day') = 1", DATED, "rule-unknown-parameter"),
        ("parameter('team.codes') = 1", DATED, "rule-parameter-kind"),
        ("listed(category, 'team.days')", DATED, "rule-parameter-kind"),
        ("parameter('team.days') = 1", Context(LAW), "rule-no-day"),
        ("listed(category, 'team.codes')", Context(LAW), "rule-no-day"),
    ],
)
def test_a_parameter_that_cannot_be_read_here_is_refused(text, context, code):
    (told,) = compile_over(text, view("case"), "here", context)
    assert told.code == code
    assert told.message().what


# What cannot answer stops the rule, unless something before it decided.


def test_a_day_outside_the_working_calendar_stops_the_rule_and_names_both(engine):
    with pytest.raises(duckdb.Error, match="工作日历不包含的日期: 1999-12-31 或 2025-03-04"):
        found(engine, "workdays_between('1999-12-31', concluded_on) = 1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("category = '0201' and workdays_between('1999-12-31', concluded_on) = 1", ""),
        ("is_supervised is null and concluded_on is null and workdays_between('1999-12-31', concluded_on) = 1", ""),
        ("category <> '0201' or workdays_between('1999-12-31', accepted_on) = 1", None),
        ("concluded_on is null or category in ('0302', '1701') or workdays_between('1999-12-31', accepted_on) = 1", "A B C D"),
        ("case when concluded_on is null then true else workdays_between('2013-01-01', concluded_on) > 1 end", "A B C D"),
        ("not (category <> 'x' or workdays_between('1999-12-31', accepted_on) = 1)", ""),
    ],
)  # fmt: skip
def test_what_stands_before_decides_whether_it_is_asked(engine, text, expected):
    if expected is None:
        with pytest.raises(duckdb.Error, match="1999-12-31"):
            found(engine, text)
    else:
        assert found(engine, text) == expected


def test_a_code_tree_that_is_not_there_is_no_answer():
    with (
        views_of({"case": WORLD["case"]}) as empty,
        pytest.raises(duckdb.Error, match="没有代码目录 case_category"),
    ):
        found(empty, "in_tree(category, '03')")


@pytest.mark.parametrize("left", ["true", "false", "null"])
@pytest.mark.parametrize("right", ["true", "false", "null"])
@pytest.mark.parametrize("word", ["and", "or"])
def test_asking_in_order_changes_no_truth(engine, left, right, word):
    """``and`` and ``or`` of what may fail mean what they mean in SQL, also for what is unknown."""
    asked = (
        f"workdays_between('2025-01-25', '2025-02-08') = case when {right} then 6 when not {right} then 4 end"
    )
    sql = compile_expression(f"{left} {word} {asked}", "case", "here")
    plain = engine.execute(f"SELECT {left} {word} {right}").fetchone()
    assert engine.execute(f"SELECT {sql} FROM v_case t WHERE case_no = 'A'").fetchone() == plain


# Months of a sentence.

LENGTHS = {
    "3年6个月": 42,
    "3年零6个月": 42,
    "有期徒刑3年": 36,
    "拘役6个月": 6,
    "管制2年": 24,
    "10月": 10,
    "P3Y6M": 42,
    "P3Y": 36,
    "P10M": 10,
    "42": 42,
    "０４２": 42,
    "0": 0,
    "有期徒刑三年六个月": 42,
    "判处有期徒刑三年六个月": 42,
    "有期徒刑 三年 零六个月": 42,
    "有期徒刑３年６个月": 42,
    "三年": 36,
    "十年": 120,
    "十年十个月": 130,
    "十一个月": 11,
    "二十年零十一个月": 251,
    "二十五年": 300,
    "二〇个月": 20,
    "一年零六个月": 18,
    "一年〇六个月": 18,
    "两年": 24,
    "贰年陆个月": 30,
    "拘役四个月": 4,
    "管制一年": 12,
}
NO_LENGTH = [
    "死刑",
    "死刑,缓期二年执行",
    "死刑缓期两年执行，剥夺政治权利终身",
    "死缓",
    "无期徒刑",
    "判处无期徒刑、剥夺政治权利终身",
    "免予刑事处罚",
    "单处罚金",
    "宣告无罪",
]
UNREADABLE = [
    "P",
    "有期徒刑",
    "3.5年",
    "三年半",
    "三年零",
    "二三年",
    "3二年",
    "四十二",
    "3年6个月缓刑5年",
    "无期徒刑减为有期徒刑二十年",
    "拘役一个月十五日",
    "-3",
    "1234",
    "0333334400400",
]


def of_sentence(engine, function, told):
    sql = compile_expression(f"{function}(charge_name)", "case", "here")
    (given,) = engine.execute(
        f"SELECT {sql} FROM (SELECT 'A' AS case_no, $1 AS charge_name) t", [told]
    ).fetchone()
    return given


@pytest.mark.parametrize("told", LENGTHS)
def test_a_sentence_has_its_months_in_digits_and_in_words(engine, told):
    assert (of_sentence(engine, "months", told), of_sentence(engine, "term", told)) == (
        LENGTHS[told],
        "fixed",
    )


@pytest.mark.parametrize("told", NO_LENGTH)
def test_a_sentence_without_a_length_has_no_months(engine, told):
    assert (of_sentence(engine, "months", told), of_sentence(engine, "term", told)) == (None, "none")


@pytest.mark.parametrize("told", [None, ""])
def test_where_no_sentence_is_told_nothing_is_known_of_it(engine, told):
    assert (of_sentence(engine, "months", told), of_sentence(engine, "term", told)) == (None, None)


@pytest.mark.parametrize("told", UNREADABLE)
def test_a_sentence_that_cannot_be_read_stops_the_rule_and_is_named(engine, told):
    """It is not left out as if it were too short; a rule that asks ``term()`` first goes on without it."""
    assert of_sentence(engine, "term", told) == "unreadable"
    with pytest.raises(duckdb.Error, match=rf"刑期读不出: {told} \(case_no A\)"):
        of_sentence(engine, "months", told)


def test_a_rule_may_leave_out_what_it_cannot_read():
    told = {"A": "三年六个月", "B": "两年", "C": "三年半", "D": "无期徒刑", "E": None}
    with views_of({"case": [case(number, charge_name=each) for number, each in told.items()]}) as engine:
        assert found(engine, "term(charge_name) = 'fixed' and months(charge_name) > 36") == "A"
        assert found(engine, "term(charge_name) = 'none' or term(charge_name) = 'unreadable'") == "C D"
        with pytest.raises(duckdb.Error, match=r"刑期读不出: 三年半 \(case_no C\)"):
            found(engine, "months(charge_name) > 36")


@pytest.mark.parametrize("word", ["life", "Fixed", ""])
def test_a_kind_of_sentence_that_does_not_exist_is_refused(word):
    assert code_of(f"term(charge_name) = '{word}'") == "rule-unknown-code"


# Chains, and the same suspect in them.


def chain_world(*links):
    cases = sorted({each for pair in links for each in pair} | {"Z"})
    return {
        "case": [case(each, category=f"c{each}") for each in cases],
        "case_link": [
            {"link_key": f"l{n}", "from_case_no": a, "to_case_no": b, "kind": "related"}
            for n, (a, b) in enumerate(links)
        ],
        "suspect": [
            {
                "suspect_key": f"{each}{n}",
                "case_no": each,
                "suspect_no": n,
                "at_large": each == cases[0] and n == 1,
            }
            for each in cases
            for n in (1, 2)
        ],
    }


def test_a_chain_reaches_any_number_of_steps_in_both_directions_and_one_step_does_not():
    with views_of(chain_world("AB", "CB", "CD", "EE")) as engine:
        assert found(engine, "linked(category = 'cA')") == "B"
        assert found(engine, "linked(category = 'cA', 'chain')") == "B C D"
        assert found(engine, "linked(category = 'cD', 'chain')") == "A B C"
        assert found(engine, "linked(true, 'chain')") == "A B C D"


def test_the_same_suspect_is_found_in_linked_cases_and_no_other():
    with views_of(chain_world("AB", "BC")) as engine:
        assert found(engine, "linked_suspect(at_large)", "suspect") == "B1"
        assert found(engine, "linked_suspect(at_large, 'chain')", "suspect") == "B1 C1"
        assert found(engine, "linked(case_no = 'A')", "suspect") == "B1 B2"


NODES = "ABCDEF"


@settings(max_examples=examples(40), deadline=None)
@given(links=st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=8))
def test_a_chain_is_the_connected_part_without_the_case_itself(links):
    with views_of(chain_world(*(f"{a}{b}" for a, b in links))) as engine:
        rows = engine.execute("SELECT case_no, other_case_no FROM v_chain").fetchall()
    part = {each: {each} for each in NODES}
    for a, b in links:
        joined = part[a] | part[b]
        for each in joined:
            part[each] = joined
    assert sorted(rows) == sorted((a, b) for a in NODES for b in part[a] if a != b)


# What a statement uses.


@pytest.mark.parametrize(
    ("text", "grain", "expected"),
    [
        ("category = '0301'", "case", ""),
        ("has_document('x')", "case", ""),
        ("linked(true)", "case", "link"),
        ("linked(true, 'chain')", "case", "chain link"),
        ("linked_suspect(true)", "suspect", "link suspect"),
        ("linked_suspect(true, 'chain')", "suspect", "chain link suspect"),
        ("in_tree(category, '03')", "case", "code"),
        ("workdays_between(accepted_on, due_on) > 3", "case", "workday"),
        ("class_on(handler_key, accepted_on) = 'a'", "case", "posting"),
    ],
)
def test_a_statement_tells_which_tables_it_needs(text, grain, expected):
    found_in = uses(compile_expression(text, grain, "here"))
    assert found_in == set(expected.split()) <= set(OPTIONAL)


def test_no_function_reaches_the_clock():
    """Nothing that any function compiles to differs from one day to the next."""
    texts = [
        "months(charge_name)",
        "term(charge_name)",
        "workdays_between(accepted_on, due_on)",
        "role_on(handler_key, due_on)",
    ]
    compiled = " ".join(str(compile_expression(each, "case", "here")) for each in texts).lower()
    assert not any(word in compiled for word in ("now(", "current_", "today", "random", "uuid"))


WORDS = st.sampled_from(
    [
        "category",
        "handling_days",
        "t",
        ".",
        ",",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "=",
        "<>",
        "<",
        ">",
        "+",
        "-",
        "*",
        "/",
        "||",
        "::",
        ";",
        "--",
        "/*",
        "*/",
        "'",
        "''",
        '"',
        "$1",
        "?",
        "null",
        "true",
        "not",
        "and",
        "or",
        "in",
        "is",
        "between",
        "case",
        "when",
        "then",
        "else",
        "end",
        "select",
        "from",
        "where",
        "prefix(",
        "contains(",
        "attr(",
        "has_document(",
        "linked(",
        "'0301'",
        "cast(",
        "as",
        "int",
        "exists(",
        "over(",
        "partition",
        "by",
        "interval",
        "x",
        "->",
        "lambda",
        "unnest(",
        "1",
        "1.5",
        "1e9",
        "@",
        "#",
        "~",
        "!",
        "%",
        "^",
        "&",
        "|",
        "\\",
        "\n",
        "\t",
        "案件",
        "workdays_between(",
        "days_between(",
        "months(",
        "in_tree(",
        "has_documents(",
        "linked_suspect(",
        "role_on(",
        "parameter(",
        "listed(",
        "accepted_on",
        "handler_key",
        "'chain'",
        "'team.n'",
        "'2025-01-01'",
        "'a|b'",
    ]
)


HOSTILE = Context({"team.n": ((dt.date(2024, 1, 1), None, Decimal(1)),)}, "accepted_on", CATALOGUES)


@given(
    text=st.one_of(
        st.text(), st.lists(WORDS, max_size=25).map(" ".join), st.lists(WORDS, max_size=25).map("".join)
    )
)
def test_no_text_whatever_raises(text):
    done = compile_over(text, view("case"), "here", HOSTILE)
    assert isinstance(done, Compiled) or all(
        isinstance(each, Problem) and each.message().what for each in done
    )


@pytest.mark.parametrize(
    ("told", "code", "has"),
    [
        ("0101", "0101", True),
        ("0305,0101", "0101", True),
        ("0305；0101、0201", "0101", True),
        ("20101,0305", "0101", False),
        ("01011", "0101", False),
        ("", "0101", False),
        ("a.c", "abc", False),
        ("abc", "a.c", False),
        ("09031337010000704220100004", "0704220100004", True),
        ("09031337010000704220100004", "0903133701000", True),
        ("09031337010000704220100004", "0100007042201", False),
    ],
)
def test_a_multi_value_text_has_a_code_only_as_a_whole(told, code, has):
    """A code that stands inside another one is another code."""
    with views_of({"case": [case("A", charge_code=told)]}) as engine:
        condition = compile_expression(f"contains(charge_code, '{code}')", "case", "here")
        found = engine.execute(f"SELECT case_no FROM v_case t WHERE {condition}").fetchall()
    assert bool(found) is has
