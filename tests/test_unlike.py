"""What cannot stand where it stands in a condition is one clear fault, told before anything runs."""

import duckdb
import pytest

from jianheng.rules.expression import Context, compile_over
from jianheng.rules.measure import Measure, compile_measure
from jianheng.rules.views import view
from upstream import case, views_of

LONG = "9" * 13


def faults(text, grain="case"):
    done = compile_over(text, view(grain), "measures.toml [x] where", Context())
    assert isinstance(done, list), done
    assert all(each.fields["where"] == "measures.toml [x] where" and each.message().what for each in done)
    return [each.code for each in done]


@pytest.mark.parametrize(
    "text",
    [
        "category = null",
        "category <> null",
        "null = category",
        "category = (null)",
        "handling_days < null",
        "handling_days between null and 3",
        "category in ('0301', null)",
        "category not in (null)",
        "case category when null then true else false end",
        "is_supervised and not (closed_on = null)",
    ],
)
def test_nothing_is_compared_with_null(text):
    """It would never hold, and whoever wrote it meant ``is null``."""
    assert faults(text) == ["rule-compared-with-null"]


@pytest.mark.parametrize(
    "text",
    [
        "not category",
        "not 'yes'",
        "not (suspect_count)",
        "category and is_supervised",
        "is_supervised or suspect_count",
        "is_supervised or (is_watched and closed_on)",
        "1 or is_supervised",
        "case when suspect_count then true else false end",
        "case when 'x' then true end",
        "not coalesce(category, 'x')",
        "not attr('x')",
        "not months(charge_name)",
        "linked(category)",
        "linked('x')",
        "category is true",
        "suspect_count is not false",
    ],
)
def test_only_what_is_true_or_false_is_a_condition(text):
    assert faults(text) == ["rule-not-a-condition"]


@pytest.mark.parametrize(
    "text",
    [
        "coalesce(category, 1) = '1'",
        "coalesce(handling_days, 'none') = 1",
        "coalesce(closed_on, handling_days) is null",
        "case when is_supervised then 1 else 'x' end = 1",
        "case when is_supervised then closed_on else 3 end is null",
        "case when is_supervised then true else 1 end",
        "case when is_supervised then 'a' else 'b' end = 3",
        "handling_days = ('10')",
        "category = (301)",
        "category = is_supervised",
        "closed_on = category",
        "1 = 'a'",
        "category * 2 = 4",
        "-category = 4",
        "is_supervised + 1 = 2",
        "'2025-01-01' + 90 = closed_on",
        "closed_on + accepted_on = 3",
        "closed_on * 2 = 3",
        "-closed_on = 3",
        "5 - closed_on = 3",
        "closed_on - '2025-01-01' = 3",
        "closed_on + category = accepted_on",
        "days_between(coalesce('a', 'b'), closed_on) = 1",
    ],
)
def test_unlike_values_are_not_compared_reckoned_or_given_in_turn(text):
    assert faults(text) == ["rule-unlike"]


@pytest.mark.parametrize(
    "text", ["coalesce(closed_on, 'never')", "case when true then closed_on else '2025-02-30' end"]
)
def test_a_text_given_instead_of_a_day_must_be_one(text):
    assert faults(f"{text} is null") == ["rule-no-such-day"]


@pytest.mark.parametrize(
    "text",
    [
        f"handling_days > {LONG}",
        "handling_days > 1e9",
        "handling_days > 1E400",
        "handling_days > 0.0000001",
        f"handling_days in (1, {LONG}{LONG}{LONG}{LONG})",
        f"closed_on + {LONG[:6]} > accepted_on",
        "closed_on + 1.5 > accepted_on",
    ],
)
def test_a_number_that_is_not_counted_exactly_is_refused(text):
    assert faults(text) == ["rule-number-form"]


@pytest.mark.parametrize("text", ["handling_days is 5", "category is 'x'", "if(is_supervised, true, false)"])
def test_forms_that_the_language_does_not_have_are_not_allowed(text):
    assert faults(text) == ["rule-not-allowed"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("closed_on is null", "B"),
        ("not coalesce(is_supervised, false)", "B"),
        ("is_supervised is not true", "B"),
        ("coalesce(closed_on, '2025-07-01') = '2025-07-01'", "B"),
        ("case when closed_on is null then '2025-01-01' else closed_on end < '2025-03-01'", "B"),
        ("coalesce(category, 'none') = ('0301')", "A B"),
        ("90 + accepted_on = '2025-04-02'", "A B"),
        ("handling_days - 0.5 > -1.5", "A"),
        ("handling_days < 999999999999.999999", "A"),
    ],
)
def test_what_is_alike_stays_allowed_and_means_what_it_says(text, expected):
    rows = [case("A", concluded_on="2025-03-04", handling_days=1, is_supervised=True), case("B")]
    done = compile_over(text, view("case"), "here", Context())
    assert not isinstance(done, list), done
    with views_of({"case": rows}) as engine:
        held = engine.execute(f"SELECT case_no FROM v_case t WHERE {done.sql} ORDER BY 1").fetchall()
    assert " ".join(each for (each,) in held) == expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("'x'", "text"),
        ("case when true then 'x' else 'y' end", "text"),
        ("coalesce(closed_on, '2025-01-01')", "day"),
    ],
)
def test_a_text_that_is_written_out_is_a_text_unless_a_day_is_wanted(text, kind):
    assert compile_over(text, view("case"), "here", Context()).kind == kind


def test_a_measure_refuses_a_text_as_its_condition_or_quantity():
    """What is wrong with the whole of a part is told as that part's."""
    told = {"label": "x", "grain": "case", "date": "closed_on", "unit": "件", "actor": "handler_key"}
    for part, text in (("where", "'x'"), ("quantity", "'3'"), ("fault", "3")):
        (problem,) = compile_measure("x", Measure.model_validate(told | {part: text}), "measures.toml")
        assert (problem.code, problem.fields["where"]) == ("measure-part-kind", f"measures.toml [x] {part}")


@pytest.mark.parametrize("column", ["category", "handling_days", "closed_on", "is_supervised"])
def test_what_passes_is_accepted_by_the_engine(column):
    """A check that lets something through must not leave it to the engine to stumble over."""
    others = ["'0301'", "3", "'2025-01-01'", "true", "category", "suspect_count", "accepted_on", "is_watched"]
    forms = [
        "{0} = {1}",
        "coalesce({0}, {1}) is null",
        "case when true then {0} else {1} end is null",
        "not {0}",
        "{0} + {1} is null",
    ]
    texts = {form.format(column, other) for form in forms for other in others}
    done = {text: compile_over(text, view("case"), "here", Context()) for text in texts}
    passed = {text: each.sql for text, each in done.items() if not isinstance(each, list)}
    assert 3 < len(passed) < len(texts)
    with views_of({"case": [case("A")]}) as engine:
        for text, sql in passed.items():
            try:
                engine.execute(f"SELECT {sql} FROM v_case t").fetchall()
            except duckdb.Error as error:
                pytest.fail(f"{text}: {error}")
