"""``has`` and ``latest``: what a condition may ask of the records that hang on a case, and that nothing multiplies."""

import pytest

from jianheng.errors import Problem
from jianheng.rules.expression import compile_expression
from jianheng.rules.views import plain_case, view
from upstream import case, document, views_of

WORLD = {
    "case": [case("A", category="0301"), case("B", category="0201"), case("C"), case("D")],
    "suspect": [
        {"suspect_key": "a1", "case_no": "A", "suspect_no": "1", "age_at_offence": 17},
        {"suspect_key": "a2", "case_no": "A", "suspect_no": "2", "age_at_offence": 9},
        {"suspect_key": "b1", "case_no": "B", "suspect_no": "1", "age_at_offence": 18},
        {"suspect_key": "b2", "case_no": "B", "suspect_no": "2"},
    ],
    "document": [document("d1", "A"), document("d2", "A"), document("d3", "B")],
    "approval": [
        {"approval_key": "1", "document_key": "d1", "case_no": "A", "approved_on": "2025-03-02"},
        {"approval_key": "2", "document_key": "d2", "case_no": "A", "approved_on": "2025-03-09"},
        {"approval_key": "3", "document_key": "d3", "case_no": "B", "conclusion": "同意"},
    ],
    "event": [{"event_key": "e", "case_no": "C", "kind": "told", "at": "2025-03-04T09:30"}],
    "case_link": [
        {"link_key": "l1", "from_case_no": "A", "to_case_no": "B", "kind": "split"},
        {"link_key": "l2", "from_case_no": "B", "to_case_no": "C", "kind": "related"},
    ],
}


@pytest.fixture(scope="module")
def engine():
    with views_of(WORLD) as connection:
        yield connection


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("has('suspect', age_at_offence < 18)", "A"),
        ("has('suspect', true)", "A B"),
        ("has('suspect', age_at_offence is null)", "B"),
        ("not has('suspect', age_at_offence < 18)", "B C D"),
        ("has('suspect', age_at_offence < 18 and suspect_no = '3')", ""),
        ("has('case_link', kind in ('split', 'merge'))", "A"),
        ("has('case_link', true)", "A B"),
        ("linked(has('suspect', age_at_offence < 18))", "B"),
        ("latest('approval', approved_on, true) = '2025-03-09'", "A"),
        ("latest('approval', approved_on, approved_on < '2025-03-09') = '2025-03-02'", "A"),
        ("latest('approval', approved_on, true) is null", "B C D"),
        ("latest('event', at, kind = 'told') = '2025-03-04'", "C"),
        ("days_between('2025-03-01', latest('approval', approved_on, true)) = 8", "A"),
    ],
)
def test_a_case_is_found_once_by_what_hangs_on_it(engine, text, expected):
    sql = compile_expression(text, "case", "here")
    assert isinstance(sql, str), sql
    rows = engine.execute(f"SELECT t.case_no FROM v_case t WHERE {sql} ORDER BY 1").fetchall()
    assert " ".join(row[0] for row in rows) == expected


def test_other_grains_ask_of_their_case(engine):
    sql = compile_expression("has('suspect', age_at_offence < 18)", "document", "here")
    rows = engine.execute(f"SELECT t.document_key FROM v_document t WHERE {sql} ORDER BY 1").fetchall()
    assert rows == [("d1",), ("d2",)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("has('suspect')", "rule-wrong-arguments"),
        ("has('person', true)", "rule-wrong-arguments"),
        ("has('case', true)", "rule-wrong-arguments"),
        ("has(category, true)", "rule-wrong-arguments"),
        ("has('suspect', has('suspect', true))", "rule-wrong-arguments"),
        ("has('suspect', category = '0301')", "rule-unknown-column"),
        ("latest('approval', true)", "rule-wrong-arguments"),
        ("latest('approval', conclusion, true)", "rule-wrong-arguments"),
        ("latest('approval', '2025-01-01', true)", "rule-wrong-arguments"),
        ("latest('approval', approvd_on, true)", "rule-unknown-column"),
        ("latest('approval', approved_on, true) > 3", "rule-unlike"),
    ],
)
def test_what_makes_no_sense_is_refused(text, code):
    told = compile_expression(text, "case", "here")
    assert isinstance(told, Problem), told
    assert told.code == code


def test_a_record_without_a_case_has_none(engine):
    told = compile_expression("has('suspect', true)", "personnel_record", "here")
    assert isinstance(told, Problem)


def test_a_closing_rule_may_ask_them(engine):
    """What 办结 means may depend on the last approval: the case as it is before anything is computed."""
    text = "coalesce(latest('approval', approved_on, true), concluded_on)"
    sql = compile_expression(text, "case", "closing", plain_case())
    assert isinstance(sql, str), sql
    rows = engine.execute(f"SELECT t.case_no, ({sql}) FROM fact_case t WHERE t.case_no = 'A'").fetchall()
    assert [str(row[1]) for row in rows] == ["2025-03-09"]
    assert view("case").name == "v_case"
