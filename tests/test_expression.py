"""The condition language: each word means what the documentation says, and nothing else is let through."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jianheng.errors import Problem
from jianheng.rules.expression import FUNCTIONS, compile_expression
from jianheng.rules.views import GRAINS, LINK_VIEW_SQL, NEEDED, PERSONAL, case_view_sql, grain_view_sql, view
from upstream import case, document, facts_of

WORLD = {
    **{name: [] for name in (*NEEDED, *PERSONAL)},
    "case": [
        case("A", category="0301", is_supervised=True, handling_days=10, attributes={"来源": "移送", "n": 2}),
        case(
            "B", category="0201", is_supervised=False, handling_days=-1, status="concluded", charge_code="1;2"
        ),
        case("C", category="0302", concluded_on="2025-03-04", accepted_on="2025-03-01"),
        case("D", category="1701", concluded_on="2025-03-05", completed_on="2025-03-09", charge_name="it's"),
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


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect() as connection:
        for name, rows in facts_of(WORLD).items():
            connection.register(f"fact_{name}", rows)
        connection.execute(case_view_sql("t.concluded_on"))
        connection.execute(LINK_VIEW_SQL)
        for grain in GRAINS:
            if grain != "case":
                connection.execute(grain_view_sql(grain))
        yield connection


def found(engine, text, grain="case"):
    """Return the keys of the records that meet a condition, joined."""
    over = view(grain)
    sql = compile_expression(text, grain, "here")
    assert isinstance(sql, str), sql
    rows = engine.execute(f"SELECT {over.key} FROM {over.name} t WHERE {sql} ORDER BY 1").fetchall()
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
        ("linked(category = '0201')", "A"),
        ("linked(category = '0301')", "B"),
        ("linked(has_document('起诉书'))", "B"),
        ("linked(true)", "A B"),
        ("not linked(true)", "C D"),
        ("HAS_DOCUMENT('起诉书')", "A"),
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
    ],
)
def test_a_record_of_a_case_knows_its_case(engine, grain, text, expected):
    assert found(engine, text, grain) == expected


def test_every_function_is_exercised_above():
    """A function added to the language must be added to these tests."""
    assert set(FUNCTIONS) == {
        "prefix",
        "contains",
        "attr",
        "has_document",
        "missing_document",
        "has_event",
        "linked",
    }


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
        "linked()",
        "linked(true, true)",
        "linked(linked(true))",
    ],
)
def test_arguments_that_make_no_sense_are_refused(text):
    assert code_of(text) == "rule-wrong-arguments"


@pytest.mark.parametrize("text", ["has_document('x')", "linked(true)", "has_event('x')", "attr('x') = '1'"])
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


def test_a_text_of_ten_thousand_characters_stays_a_text(engine):
    assert found(engine, f"charge_name <> '{'x' * 10_000}'") == "D"


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
    ]
)


@given(
    text=st.one_of(
        st.text(), st.lists(WORDS, max_size=25).map(" ".join), st.lists(WORDS, max_size=25).map("".join)
    )
)
def test_no_text_whatever_raises(text):
    assert isinstance(compile_expression(text, "case", "here"), str | Problem)
