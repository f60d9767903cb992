"""Worked examples: what they may expect, and that every threshold and change must be shown by one."""

import tomllib

import pytest

from jianheng.errors import StopError
from jianheng.scoring.checking.examples import check_examples
from jianheng.scoring.law.policy import load_policy
from jianheng.scoring.lawbook.template import write_new_pack
from mini_pack import edit


@pytest.fixture
def pack(tmp_path):
    write_new_pack(tmp_path / "demo", "demo")
    return tmp_path / "demo"


def told(pack):
    """Return every problem of the examples as code, place and what is missing."""
    _, problems = check_examples(load_policy(pack))
    return [(each.code, each.fields["where"], each.fields.get("what")) for each in problems]


def without(pack, *names):
    """Leave out the examples whose names begin so."""
    file = pack / "examples/cases.toml"
    head, *examples = file.read_text(encoding="utf-8").split("[[example]]\n")
    kept = [each for each in examples if not any(each.startswith(f'name = "{name}') for name in names)]
    assert len(kept) == len(examples) - len(names)
    file.write_text("[[example]]\n".join([head, *kept]), encoding="utf-8")


def test_the_new_pack_shows_all_it_says(pack):
    assert told(pack) == []


NUMBERS, POLICY, POINTS = "demo/parameters/numbers.toml", "demo/policy.toml", "demo/points.csv"


@pytest.mark.parametrize(
    ("example", "missing"),
    [
        (
            "三名嫌疑人",
            [
                ("example-day-missing", f"{NUMBERS} [factor.crowded]", "factor.crowded"),
                ("example-day-missing", f"{NUMBERS} [factor.crowded]", "factor.crowded"),
            ],
        ),
        ("同月三份文书", [("example-side-missing", f"{POLICY} [caps papers_month]", "papers_month")]),
        ("一案只计一份起诉书", [("example-side-missing", f"{POINTS}:3 indictment", "per_case 1")]),
        ("同一问题被发现两次", [("example-side-missing", f"{POLICY} [indicators quality]", "quality floor")]),
        ("重大案件申报", []),
    ],
)
def test_what_an_example_alone_shows_is_missed_without_it(pack, example, missing):
    without(pack, example)
    assert told(pack) == missing


def test_the_day_before_and_the_day_of_are_both_asked_for(pack):
    edit(
        pack,
        "examples/cases.toml",
        "concluded_on = 2025-06-30, handler_key",
        "concluded_on = 2025-06-29, handler_key",
    )
    (problem,) = check_examples(load_policy(pack))[1]
    assert (str(problem.fields["day"]), str(problem.fields["changed"])) == ("2025-06-30", "2025-07-01")
    assert "2025-06-30" in problem.message().what


def test_a_row_of_points_that_changes_is_shown_around_its_day(pack):
    edit(
        pack,
        "points.csv",
        "report,制作审查报告,document_made,report,,,work,2,,,,,第四条(示例),true",
        "report,制作审查报告,document_made,report,,,work,2,,,,2025-04-01,第四条,\n"
        "report,制作审查报告,document_made,report,,,work,2,,,2025-04-01,,第四条 (修订),",
    )
    # The template has a report on 31 March and one on 1 April.
    assert told(pack) == []
    edit(pack, "points.csv", "2025-04-01,第四条,", "2025-04-02,第四条,")
    edit(pack, "points.csv", "2025-04-01,,第四条 (修订)", "2025-04-02,,第四条 (修订)")
    assert told(pack) == [("example-day-missing", f"{POINTS}:5 report", "report")]


def test_a_measure_that_changes_is_shown_around_its_day(pack):
    change = 'fault = "fault_key"\nchanges = [{ from = 2025-04-01, where = "state = \'confirmed\' and grade is null" }]'
    edit(pack, "measures.toml", 'fault = "fault_key"', change)
    assert told(pack) == [("example-day-missing", "demo/measures.toml [fault_found]", "fault_found")]
    edit(pack, "measures.toml", "from = 2025-04-01", "from = 2025-04-02")
    assert told(pack) == []


def test_a_closing_rule_that_changes_is_shown_around_its_day(pack):
    old = 'closing = "coalesce(completed_on, concluded_on)"'
    new = 'closing = [{ rule = "coalesce(completed_on, concluded_on)" }, { rule = "concluded_on", from = 2025-07-01 }]'
    edit(pack, "policy.toml", old, new)
    assert told(pack) == []
    edit(pack, "policy.toml", "from = 2025-07-01 }]", "from = 2025-09-01 }]")
    assert told(pack) == [("example-day-missing", f"{POLICY} [closing]", "closing")] * 2


def test_what_indicators_read_once_a_period_is_shown_by_one_period_before_and_one_after(pack):
    edit(
        pack,
        "parameters/numbers.toml",
        'value = 6, cite = "第五条(示例)" }]',
        'value = 6, cite = "第五条" }, { from = 2026-07-01, value = 8, cite = "修订" }]',
    )
    assert told(pack) == [("example-period-missing", f"{NUMBERS} [quality.base]", "quality.base")]
    after = '[[example]]\nname = "修订后"\nperiod = "2026"\npeople = { wang = { role = "quota_prosecutor" } }\nindicators = { quality = { wang = 8 } }\nfacts = {}\n'
    edit(pack, "examples/cases.toml", "", after)
    assert told(pack) == []


TIERS = """
[[indicators]]
id = "closed_count"
label = "办结数"
kind = "count"
unit = "件"
measures = ["case_closed"]

[[indicators]]
id = "volume"
label = "办案量"
parent = "total"
kind = "tiers"
input = "closed_count"
tiers = [
  { less_than = 2, points = 0 },
  { at_least = 2, points = 0 },
]
"""


def test_a_tier_is_shown_from_both_sides(pack):
    edit(pack, "policy.toml", "# 系数: 按", f"{TIERS}\n# 系数: 按")
    assert told(pack) == [("example-side-missing", f"{POLICY} [indicators volume]", "volume")]
    edit(pack, "policy.toml", "{ less_than = 2, points", "{ less_than = 1, points")
    edit(pack, "policy.toml", "{ at_least = 2, points", "{ at_least = 1, points")
    assert told(pack) == []


def test_what_is_inherited_needs_no_example_again(pack):
    write_new_pack(pack.parent / "lower", "lower", load_policy(pack))
    law = load_policy(pack.parent / "lower", {"demo": pack}.get)
    assert check_examples(law) == (1, [])


def test_a_change_of_the_lower_pack_needs_its_own(pack):
    write_new_pack(pack.parent / "lower", "lower", load_policy(pack))
    said = '[factor.crowded]\nreplaces = 2\nvalues = [{ from = 2025-09-01, value = 3, cite = "市细则" }]\n'
    (pack.parent / "lower/parameters/own.toml").write_text(said, encoding="utf-8")
    _, problems = check_examples(load_policy(pack.parent / "lower", {"demo": pack}.get))
    assert {each.fields["where"] for each in problems} == {"lower/parameters/own.toml [factor.crowded]"}
    assert [str(each.fields["day"]) for each in problems] == ["2025-08-31", "2025-09-01"]


FIRST = "办结 10 分, 检察官与助理六四分; 档案未验收时为暂计"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("total = { wang = 12, sun = 10 }", "total = { wang = 13, sun = 10 }", "example-value-differs"),
        ("total = { wang = 12, sun = 10 }", 'total = { wang = "missing" }', "example-value-differs"),
        ("total = { wang = 12, sun = 10 }", "totl = { wang = 12 }", "example-unknown-name"),
        ("total = { wang = 12, sun = 10 }", "total = { li = 12 }", "example-which-sheet"),
        ("places = { wang = 1, sun = 1 }", "places = { wang = 2 }", "example-value-differs"),
        ("places = { wang = 1, sun = 1 }", 'grades = { wang = "good" }', "example-value-differs"),
        ("places = { wang = 1, sun = 1 }", 'grades = { wang = "best" }', "example-unknown-name"),
        ("points = { wang = 6, sun = 4 }", "points = { wang = 5.9999 }", "example-differs"),
    ],
)
def test_an_expectation_that_does_not_hold_is_told_with_the_example(pack, old, new, code):
    edit(pack, "examples/cases.toml", old, new)
    ((found, where, _),) = told(pack)
    assert (found, where) == (code, f"demo/examples/cases.toml 「{FIRST}」")


@pytest.mark.parametrize("key", ["points = { wang = 6,", "total = { wang = 12,"])
def test_a_number_without_end_is_refused_when_read(pack, key):
    edit(pack, "examples/cases.toml", key, f"{key.rpartition('=')[0]}= 1e999999999,")
    ((code, where, _),) = told(pack)
    assert (code, where.startswith("demo/examples/cases.toml example.")) == ("policy-too-large", True)


def test_somebody_with_two_sheets_is_named_with_the_sheet(pack):
    both = """
[[example]]
name = "年中转任"
period = "2025"
people = { wang = { role = "prosecutor_assistant", valid_to = 2025-06-30 } }
indicators = { work = { "wang/assistant" = 2, "wang/prosecutor" = 5 } }
[example.facts]
posting = [{ posting_key = "w2", person_key = "wang", role = "quota_prosecutor", valid_from = 2025-07-01 }]
case = [{ case_no = "A", category = "0301", accepted_on = 2025-03-01 }]
document = [
  { document_key = "d1", case_no = "A", template_code = "report", drafter_key = "wang", drafted_on = 2025-06-30 },
  { document_key = "d2", case_no = "A", template_code = "report", drafter_key = "wang", drafted_on = 2025-07-01 },
  { document_key = "d3", case_no = "A", template_code = "indictment", drafter_key = "wang", drafted_on = 2025-07-02 },
]
"""
    edit(pack, "examples/cases.toml", "", both)
    assert told(pack) == []
    edit(pack, "examples/cases.toml", '"wang/assistant" = 2', "wang = 2")
    assert [code for code, _, _ in told(pack)] == ["example-which-sheet"]


def test_examples_may_hold_every_kind_of_fact(pack):
    rated = """
[[example]]
name = "评议"
period = "2025"
people = { wang = { role = "quota_prosecutor" } }
points = { wang = 0 }
[example.facts]
rating = [{ rating = "peer", person_key = "wang", rater_kind = "peer", score = 90, rated_on = 2025-12-01 }]
code = [{ code_key = "x", catalogue = "severity", code = "minor" }]
department = [{ department_key = "d", department_code = "01", name = "一部" }]
"""
    edit(pack, "examples/cases.toml", "", rated)
    assert told(pack) == []


def test_the_template_is_made_of_readable_toml(pack):
    for file in pack.rglob("*.toml"):
        assert tomllib.loads(file.read_text(encoding="utf-8"))
        assert file.read_text(encoding="utf-8").startswith("#")


def test_a_pack_is_never_written_over_another(pack):
    before = load_policy(pack).version
    with pytest.raises(StopError) as there:
        write_new_pack(pack, "demo")
    with pytest.raises(StopError) as odd:
        write_new_pack(pack.parent / "x", "Not An Id")
    assert (there.value.code, odd.value.code) == ("policy-new-exists", "policy-new-id")
    assert load_policy(pack).version == before
