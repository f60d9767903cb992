"""Coefficients from observed effort: worked out as declared, exact, tried as a draft, and nothing is changed."""

import datetime as dt
import tomllib
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compare_world import PEOPLE, YEAR, compared, deployment, held, law, run, snapshot
from jianheng.cli.calibrate import efforts_of
from jianheng.errors import FaultsError, StopError
from jianheng.rules.workdays import WorkCalendar, Year
from jianheng.scoring.comparison.calibrate import Method, calibrate
from jianheng.scoring.comparison.calibrate_draft import draft_text, proposals
from jianheng.scoring.comparison.efforts import FinishedCase, Observed, observe
from jianheng.scoring.comparison.whatif import with_draft_text
from jianheng.scoring.law.exact import rounded
from upstream import case, document, person, posting, sync_world

HALVES = {"duration": Fraction(1, 2), "documents": Fraction(1, 2)}
BY_TYPE = """
[[factors]]
id = "type"
label = "案件类型"
measures = ["closed"]

[[factors.choices]]
id = "trial"
label = "公诉"
value = "weight.trial"
when = "category = '0301'"

[[factors.choices]]
id = "arrest"
label = "审查逮捕"
value = "weight.arrest"
when = "category in ('0201', '1701')"
"""
WEIGHTS = """
[weight.trial]
label = "公诉系数"
unit = "倍"
min = 0.5
max = 2
values = [{ from = 2024-01-01, value = 1, cite = "第十条" }]

[weight.arrest]
label = "审查逮捕系数"
unit = "倍"
values = [{ from = 2024-01-01, value = 1, cite = "第十条" }]
"""
EDITS = (("policy.toml", "", BY_TYPE), ("parameters/numbers.toml", "", WEIGHTS))


def cases_of(category, durations, documents, handler=PEOPLE[0], start=dt.date(2025, 2, 3)):
    """Return finished cases and their documents: so many calendar days each, the first and the last counted."""
    cases, papers = [], []
    for n, days in enumerate(durations):
        number = f"{category}-{n}"
        closed = start + dt.timedelta(days=days - 1)
        cases.append(
            case(
                number,
                category=category,
                accepted_on=str(start),
                concluded_on=str(closed),
                handler_key=handler,
            )
        )
        papers += [document(f"{number}-{k}", number, template_code="none") for k in range(documents)]
    return cases, papers


def world_of(*groups, more=()):
    return {
        "person": [person(key) for key in PEOPLE],
        "posting": [posting(key) for key in PEOPLE],
        "case": [each for cases, _ in groups for each in cases] + list(more),
        "document": [each for _, papers in groups for each in papers],
    }


WORLD = world_of(
    cases_of("0301", [10, 20, 30, 40], 4),
    cases_of("0201", [5, 5, 5, 5], 2, PEOPLE[1]),
    cases_of("9901", [100], 9, PEOPLE[2]),
    more=[
        case("open", accepted_on="2025-05-05"),
        case("later", accepted_on="2025-05-05", concluded_on="2026-01-01"),
        case("earlier", accepted_on="2024-05-05", concluded_on="2024-12-31"),
        case("backwards", accepted_on="2025-05-05", concluded_on="2025-05-04"),
        case("elsewhere", unit_code="990102", concluded_on="2025-05-05"),
    ],
)


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    return law(tmp_path_factory.mktemp("mini") / "mini", *EDITS)


def observed(law, world=WORLD, kinds=("duration", "documents"), **more):
    return observe(snapshot(world), law, YEAR, "category", kinds, **more)


def proposed(law, world=WORLD, **method):
    declared = {"efforts": HALVES, "trim": 0, "minimum": 4} | method
    return calibrate(observed(law, world, tuple(declared["efforts"])), Method(**declared))


# What counts.


def test_only_cases_finished_within_the_period_and_the_office_count(mini):
    found = observed(mini)
    assert {each.case_no for each in found.cases} == {
        *(f"0301-{n}" for n in range(4)),
        *(f"0201-{n}" for n in range(4)),
        "9901-0",
    }
    assert (found.unfinished, found.unclear) == (2, 1)


def test_both_days_of_a_case_count_as_days_of_work(mini):
    by_case = {each.case_no: each.efforts for each in observed(mini).cases}
    assert by_case["0301-1"] == {"duration": 20, "documents": 4}
    assert by_case["0201-0"] == {"duration": 5, "documents": 2}


def test_working_days_are_those_of_the_calendar(mini):
    calendar = WorkCalendar(
        "test", "试", {2025: Year(cite="无", off=[dt.date(2025, 2, 4)], work=[dt.date(2025, 2, 8)])}
    )
    found = observed(mini, kinds=("workdays",), workdays=calendar.table())
    days = {each.case_no: each.efforts["workdays"] for each in found.cases}
    assert days["0201-0"] == 4  # Monday 3 to Friday 7 February, Tuesday off
    assert days["0301-0"] == 4 + 1 + 3  # and Saturday 8 worked, Monday 10 to Wednesday 12
    assert "later" not in days


def test_a_record_that_two_sources_tell_is_one_record(mini):
    known = snapshot(WORLD)
    papers = known.facts["document"]
    twice = replace(known, facts={**known.facts, "document": pa.concat_tables([papers, papers])})
    counted = observe(twice, mini, YEAR, "category", ("documents",))
    assert {each.case_no: each.efforts["documents"] for each in counted.cases}["0301-0"] == 4


# What is worked out.


def test_a_coefficient_is_mean_effort_relative_to_the_mean_of_all(mini):
    """Days 25 and 5 against 15 in the mean, documents 4 and 2 against 3, half and half."""
    found = {each.id: each for each in proposed(mini).types}
    assert (found["0301"].weight, found["0201"].weight) == (Fraction(3, 2), Fraction(1, 2))
    assert (found["0301"].coefficient, found["0201"].coefficient) == (1500, 500)
    assert found["0301"].means == {"duration": 25, "documents": 4}


def test_a_type_with_too_few_cases_gets_no_proposal_and_moves_no_other(mini):
    found = {each.id: each for each in proposed(mini).types}
    assert (found["9901"].cases, found["9901"].kept, found["9901"].weight) == (1, 0, None)
    assert found["9901"].coefficient is None
    assert found["9901"].means == {"duration": 100, "documents": 9}


def test_the_reference_type_is_one(mini):
    found = {each.id: each.weight for each in proposed(mini, reference="0201").types}
    assert (found["0301"], found["0201"]) == (3, 1)


def test_the_declared_part_is_left_out_at_either_end_of_each_type(mini):
    durations = [1, 10, 10, 10, 10, 10, 10, 10, 10, 300]
    world = world_of(cases_of("0301", durations, 1), cases_of("0201", [20] * 10, 1))
    kept = {each.id: each for each in proposed(mini, world, trim=10).types}
    assert (kept["0301"].kept, kept["0301"].means["duration"]) == (8, 10)
    whole = {each.id: each for each in proposed(mini, world, trim=9).types}
    assert (whole["0301"].kept, whole["0301"].means["duration"]) == (10, Fraction(381, 10))


efforts = st.fixed_dictionaries({"duration": st.integers(1, 400), "documents": st.integers(1, 30)})


@given(
    st.lists(st.tuples(st.sampled_from("ABC"), efforts), min_size=6, max_size=60),
    st.integers(0, 49),
    st.integers(1, 99),
)
def test_the_average_case_is_one_whatever_was_observed(told, trim, percent):
    cases = tuple(FinishedCase(str(n), kind, "", each) for n, (kind, each) in enumerate(told))
    method = Method({"duration": Fraction(percent, 100), "documents": 1 - Fraction(percent, 100)}, trim, 2)
    if max(sum(each.type == kind for each in cases) for kind in "ABC") < 2:
        return
    found = calibrate(Observed(YEAR, cases, 0, 0), method)
    weighed = [each for each in found.types if each.weight is not None]
    kept = sum(each.kept for each in weighed)
    assert sum((each.weight * each.kept for each in weighed), start=Fraction(0)) == kept
    assert all(each.coefficient == rounded(each.weight, 2) for each in weighed)


def test_loads_are_cases_times_coefficients_with_places_before_and_after(mini):
    found = {each.person_key: each for each in proposed(mini).loads}
    told = {key: (each.cases, each.weighted, each.place, each.weighted_place) for key, each in found.items()}
    assert told == {
        PEOPLE[0]: (4, 6000, 1, 1),
        PEOPLE[1]: (4, 2000, 1, 2),
        PEOPLE[2]: (1, 1000, 2, 3),  # no proposal for its type: it counts as one
    }


# What is refused.


@pytest.mark.parametrize(
    ("world", "method", "code"),
    [
        (world_of(), {}, "calibrate-no-cases"),
        (WORLD, {"minimum": 5}, "calibrate-too-few"),
        (WORLD, {"reference": "9901"}, "calibrate-no-reference"),
        (WORLD, {"reference": "0000"}, "calibrate-no-reference"),
        (WORLD, {"efforts": {"events": Fraction(1)}}, "calibrate-no-effort"),
        (WORLD, {"efforts": {"approvals": Fraction(1)}, "trim": 25}, "calibrate-no-effort"),
    ],
)
def test_what_says_nothing_is_refused(mini, world, method, code):
    with pytest.raises(StopError) as refused:
        proposed(mini, world, **method)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "given",
    [
        "",
        "days=1",
        "duration=0",
        "duration=-1",
        "duration=x",
        "duration=1,duration=1",
        "duration=1e400000000",
        "duration=1e-400000000",
        "duration=nan",
        "duration=inf",
    ],
)
def test_an_effort_that_is_none_is_refused(given):
    with pytest.raises(StopError) as refused:
        efforts_of(given)
    assert refused.value.code == "calibrate-effort"


def test_weights_of_efforts_come_to_one():
    assert efforts_of("duration=2，documents=1") == {"duration": Fraction(2, 3), "documents": Fraction(1, 3)}
    assert efforts_of("events") == {"events": 1}


# The draft and its effect.


def draft_of(law, world=WORLD, **method):
    found = proposed(law, world, **method)
    return draft_text(proposals(law, YEAR, found, "category"), YEAR, {}, ["测算"])


def test_the_draft_sets_the_parameters_of_a_factor_by_case_type(mini):
    draft = tomllib.loads(draft_of(mini), parse_float=Decimal)
    values = {name: (each["replaces"], each["values"][0]["value"]) for name, each in draft["weight"].items()}
    assert values == {"trial": (1, Decimal("1.5")), "arrest": (1, Decimal("0.5"))}
    found = compared(mini, with_draft_text(mini, draft_of(mini), "draft.toml"), snapshot(WORLD))
    moved = {
        each.person_key: each.difference for sheet in found.sheets for each in sheet.moves if each.difference
    }
    assert moved == {PEOPLE[0]: 4 * 5000, PEOPLE[1]: -4 * 5000}
    assert set(found.lines["why"].to_pylist()) == {"factors"}


def test_a_parameter_of_several_types_gets_their_mean_by_cases(mini):
    world = world_of(
        cases_of("0301", [20] * 4, 3), cases_of("0201", [10] * 4, 3), cases_of("1701", [40] * 8, 3)
    )
    one = {"efforts": {"duration": Fraction(1)}}
    found = {each.parameter: each for each in proposals(mini, YEAR, proposed(mini, world, **one), "category")}
    mean = Fraction(20 * 4 + 10 * 4 + 40 * 8, 16)
    pooled = Fraction(10 * 4 + 40 * 8, 12) / mean
    assert found["weight.arrest"].types == ("0201", "1701")
    assert found["weight.arrest"].value == rounded(pooled, 2)


def test_what_is_out_of_bounds_is_told_and_left_out_of_the_draft(mini):
    world = world_of(cases_of("0301", [90] * 4, 1), cases_of("0201", [5] * 20, 1))
    one = {"efforts": {"duration": Fraction(1)}}
    found = {each.parameter: each for each in proposals(mini, YEAR, proposed(mini, world, **one), "category")}
    assert found["weight.trial"].value > 2000
    assert not found["weight.trial"].within
    assert "trial" not in tomllib.loads(draft_of(mini, world, **one))["weight"]


def test_a_change_begins_where_the_last_one_did(tmp_path):
    first = 'value = 1, cite = "第十条" }]\n\n[weight.arrest]'
    assert first in WEIGHTS
    then = WEIGHTS.replace(
        first, first.replace("]", ", { from = 2025-07-01, value = 1.2, cite = '修订' }]", 1)
    )
    changed = law(tmp_path / "mini", EDITS[0], ("parameters/numbers.toml", "", then))
    draft = tomllib.loads(draft_of(changed), parse_float=Decimal)["weight"]["trial"]
    assert (draft["replaces"], draft["values"][0]["from"]) == (Decimal("1.2"), dt.date(2025, 7, 1))
    assert with_draft_text(changed, draft_of(changed), "draft.toml")


def test_what_holds_already_is_not_proposed_again(mini):
    tried = with_draft_text(mini, draft_of(mini), "draft.toml")
    assert draft_of(tried) == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("when = \"category = '0301'\"", "when = \"category = '0301' and suspect_count > 0\""),
        ('value = "weight.trial"', "value = 1.1"),
        ('value = "weight.trial"', 'value = "weight.trial"\ndeclared = "major_case"'),
    ],
    ids=["more than the type decides", "no parameter", "declared"],
)
def test_without_a_factor_by_case_type_new_parameters_are_offered_that_move_nobody(tmp_path, old, new):
    assert old in BY_TYPE
    plain = law(tmp_path / "mini", ("policy.toml", "", BY_TYPE.replace(old, new)), EDITS[1])
    draft = tomllib.loads(draft_of(plain))
    assert set(draft) == {"case_weight"}
    found = compared(plain, with_draft_text(plain, draft_of(plain), "draft.toml"), snapshot(WORLD))
    assert found.moved == 0


def test_the_draft_of_a_stale_law_is_refused(mini, tmp_path):
    text = draft_of(mini)
    changed = law(
        tmp_path / "mini",
        EDITS[0],
        ("parameters/numbers.toml", "", WEIGHTS.replace("value = 1,", "value = 1.1,")),
    )
    with pytest.raises(FaultsError) as stale:
        with_draft_text(changed, text, "draft.toml")
    assert {each.code for each in stale.value.problems} == {"parameter-stale"}


# The command.


@pytest.fixture
def office(lite_store, tmp_path, monkeypatch):
    sync_world(lite_store, WORLD)
    return deployment(tmp_path, lite_store, monkeypatch)


def test_the_command_proposes_and_changes_nothing(office, lite_store):
    before = held(lite_store)
    file = office / "draft.toml"
    words = ("calibrate", "--minimum", "4", "--trim", "0", "-o", file)
    told = run(office, *words, "--json").json()
    assert {each["type"]: each["coefficient"] for each in told["types"]} == {
        "0201": "0.50",
        "0301": "1.50",
        "9901": None,
    }
    assert told["effect"] is None
    assert (told["finished"], told["unfinished"], told["unclear"]) == (9, 2, 1)
    shown = run(office, *words)
    assert "1.50" in shown.out
    assert "样本太少" in shown.out
    assert held(lite_store) == before
    tried = run(office, "whatif", file, "--json")
    assert tried.code == 0, tried.text
    assert tried.json()["comparisons"][0]["moved"] == 0


def test_the_command_tries_its_proposal_on_the_scores(lite_store, tmp_path, monkeypatch):
    sync_world(lite_store, WORLD)
    folder = deployment(tmp_path, lite_store, monkeypatch, *EDITS)
    before = held(lite_store)
    words = ("calibrate", "--minimum", "4", "--trim", "0", "-o", folder / "draft.toml")
    told = run(folder, *words, "--json").json()
    tried = run(folder, "whatif", folder / "draft.toml", "--json").json()["comparisons"][0]
    assert {each["parameter"]: each["proposed"] for each in told["parameters"]} == {
        "weight.arrest": "0.50",
        "weight.trial": "1.50",
    }
    assert [each["people"] for each in told["effect"]["sheets"]] == [
        each["people"] for each in tried["sheets"]
    ]
    moved = [each["difference"] for sheet in told["effect"]["sheets"] for each in sheet["people"]]
    assert sorted(each for each in moved if each != "0.000") == ["-20.000", "20.000"]
    assert "谁会变" in run(folder, *words).out
    assert held(lite_store) == before


def test_working_days_come_from_the_installed_calendar(office):
    told = run(office, "calibrate", "--minimum", "4", "--effort", "workdays", "--json").json()
    (arrest,) = [each for each in told["types"] if each["type"] == "0201"]
    assert arrest["means"] == {
        "workdays": "3"
    }  # of 3 to 7 February 2025; the spring festival lasts to the 4th


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--minimum", "50"), "calibrate-too-few"),
        (("--effort", "hours=1"), "calibrate-effort"),
        (("-o", "draft.csv"), "compare-file-form"),
        (("--period", "2024"), "calibrate-too-few"),
        (("--trim", "50"), "cli-bad-value"),
        (("--by", "weather"), "cli-bad-value"),
    ],
)
def test_what_cannot_be_proposed_is_refused_with_a_code(office, words, code):
    told = run(office, "calibrate", *words, "--json")
    assert (told.code, list(told.errors())) == (2, [code])
