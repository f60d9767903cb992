"""Explaining: every entry of somebody's ledger is shown, sums are those of his score, each with its record."""

import datetime as dt
import shutil
from decimal import Decimal

import pytest

from jianheng.errors import StopError
from jianheng.scoring.explanation.asked import Asked
from jianheng.scoring.explanation.explain import explain
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import load_policy
from jianheng.scoring.records import ledger
from jianheng.scoring.records.scope import Subject
from jianheng.scoring.run import score_periods
from jianheng.store.engine import open_store
from mini_pack import write_pack
from upstream import OFFICE, case, document, person, posting, sync_world

YEAR = period("2025")
SUBJECT = Subject(OFFICE, (OFFICE,), ("world",))
SUSPECTS = [{"suspect_key": f"s{n}", "case_no": "B", "suspect_no": n} for n in range(2)]
WORLD = {
    "person": [
        person("990101-1", name="王一", staff_no="1"),
        person("990101-2", name="孙二", staff_no="2"),
        person("990101-3", name="李三", staff_no="3"),
        person("990101-4", name="李三", staff_no="4"),
    ],
    "posting": [
        posting("990101-1", valid_to="2025-06-30", department_name="第一检察部", post="检察官"),
        posting("990101-1", "clerk", posting_key="p", valid_from="2025-07-01", valid_to="2025-08-31"),
        posting("990101-1", "prosecutor_assistant", posting_key="q", valid_from="2025-09-01"),
        posting("990101-2", "prosecutor_assistant"),
        posting("990101-4"),
    ],
    "case": [
        case("A", concluded_on="2025-03-04", handler_key="990101-1"),
        case("B", concluded_on="2025-03-05", handler_key="990101-1"),
        case("C", concluded_on="2025-07-15", handler_key="990101-1"),
    ],
    "suspect": SUSPECTS,
    "document": [
        document("d1", "A", template_code="report", drafter_key="990101-1", _locator="YX_WS_SL d1"),
        document("d2", "A", template_code="report", drafter_key="990101-1", drafted_on="2025-07-15"),
        document("d3", "A", template_code="report", drafter_key="990101-1", drafted_on="2025-10-01"),
        document("d4", "A", template_code="odd", name="奇文", drafter_key="990101-1"),
        document("d5", "A", template_code="charge", drafter_key="990101-2"),
        document("d6", "B", template_code="charge", drafter_key="990101-1"),
    ],
    "archive_volume": [{"volume_key": "v", "case_no": "A", "state": "accepted", "accepted_on": "2025-05-01"}],
    "code": [{"code_key": "c", "catalogue": "case_category", "code": "0301", "name": "一审公诉案件"}],
}


@pytest.fixture(scope="module")
def law(tmp_path_factory):
    edit = ("authority.csv", "made,report,,,,", "made,report;odd,,,,")
    return load_policy(write_pack(tmp_path_factory.mktemp("pack") / "mini", edit))


@pytest.fixture(scope="module")
def store(set_up_file, tmp_path_factory, law):
    """A store with a small office, scored for 2025; explaining changes nothing in it."""
    file = tmp_path_factory.mktemp("scored") / "store.db"
    shutil.copyfile(set_up_file, file)
    engine = open_store(f"sqlite:///{file}")
    sync_world(engine, WORLD)
    score_periods(engine, SUBJECT, law, [YEAR])
    yield engine
    engine.dispose()


def told(store, law, wanted="990101-1", **asked):
    with store.connect() as connection:
        return explain(connection, OFFICE, law, YEAR, wanted, asked=Asked(**asked))


def lines(store, law, person_key):
    with store.connect() as connection:
        return ledger.lines(connection, OFFICE, law, YEAR, person_key)


def walk(indicator):
    yield indicator
    for child in indicator["children"]:
        yield from walk(child)


def rules(sheet):
    return [rule for root in sheet["indicators"] for node in walk(root) for rule in node["rules"]]


def entries(sheet):
    return [entry for rule in rules(sheet) for entry in rule["entries"]]


@pytest.mark.parametrize("who", ["990101-1", "990101-2"])
def test_every_line_of_the_ledger_is_in_the_explanation(store, law, who):
    """As an entry of a sheet, or among what is on no sheet, with its reason."""
    found = told(store, law, who)
    shown = [entry["id"] for sheet in found["sheets"] for entry in entries(sheet)]
    held = lines(store, law, who)
    assert len(shown) == len(set(shown))
    assert set(shown) <= {line["entry_id"] for line in held}
    assert len(shown) + sum(each["items"] for each in found["uncounted"]) == len(held)


def test_what_is_on_no_sheet_says_why(store, law):
    found = told(store, law)["uncounted"]
    assert [(each["item"], each["reason"], each["items"]) for each in found] == [
        ("0301", "no-sheet", 1),
        ("奇文", "no-rule", 1),
        ("起诉书", "no-rule", 1),
    ]


def number(text):
    return Decimal(text)


@pytest.mark.parametrize("who", ["990101-1", "990101-2"])
def test_sums_match_from_the_entries_to_the_score(store, law, who):
    for sheet in told(store, law, who)["sheets"]:
        assert sum(number(entry["points"]) for entry in entries(sheet)) == number(sheet["points"])
        assert number(sheet["final"]) + number(sheet["provisional"]) == number(sheet["points"])
        assert sum(number(root["points"]) for root in sheet["indicators"]) == number(sheet["points"])
        for root in sheet["indicators"]:
            for node in walk(root):
                below = sum(number(child["points"]) for child in node["children"])
                own = sum(number(rule["points"]) for rule in node["rules"])
                assert number(node["points"]) == own + below
        for rule in rules(sheet):
            assert sum(number(entry["points"]) for entry in rule["entries"]) == number(rule["points"])
            assert sum(number(entry["withheld"]) for entry in rule["entries"]) == number(rule["withheld"])


def test_somebody_with_two_roles_has_two_sheets(store, law):
    found = told(store, law)
    assert found["person"]["posting_changed"]
    assert {sheet["id"]: sheet["points"] for sheet in found["sheets"]} == {
        "prosecutor": "32.500",
        "assistant": "2.000",
    }


def test_an_entry_says_what_it_was_worth_and_by_which_rule_and_parameter(store, law):
    sheets = {sheet["id"]: sheet for sheet in told(store, law)["sheets"]}
    (rule,) = [each for each in rules(sheets["prosecutor"]) if each["id"] == "closed"]
    assert (rule["label"], rule["cite"], rule["measure"]["unit"], rule["unit_points"]) == (
        "办结",
        "第三条",
        "件",
        ["10.000"],
    )
    plain, large = rule["entries"]
    assert (plain["item"], plain["state"], plain["points"]) == ("一审公诉案件", "final", "10.000")
    assert (plain["factors"], plain["calculation"]) == ([], "10.000")
    assert (large["coefficient"], large["points"], large["state"]) == ("1.500", "15.000", "provisional")
    assert large["calculation"] == "10.000 × 1.5 = 15.000"
    (factor,) = large["factors"]
    assert (factor["label"], factor["choice"], factor["value"]) == ("特殊案件", "人多", "1.5")
    assert (factor["parameter"]["name"], factor["parameter"]["value"], factor["parameter"]["cite"]) == (
        "factor.large",
        "1.5",
        "第八条",
    )


def test_what_was_refused_is_shown_with_what_it_would_have_given(store, law):
    (sheet,) = told(store, law, "990101-2")["sheets"]
    (entry,) = entries(sheet)
    assert (entry["state"], entry["reason"], entry["points"], entry["withheld"]) == (
        "void",
        "not-authorised",
        "0.000",
        "3.000",
    )
    assert (sheet["points"], sheet["withheld"]) == ("0.000", "3.000")


def test_an_entry_names_the_record_it_came_from(store, law):
    found = [entry for sheet in told(store, law)["sheets"] for entry in entries(sheet)]
    assert all(entry["record"]["source"] == "world" for entry in found)
    assert all(entry["record"]["locator"] for entry in found)
    (first,) = [entry for entry in found if entry["item_key"] == "d1"]
    assert first["record"]["locator"] == "YX_WS_SL d1"
    assert dt.datetime.fromisoformat(first["record"]["recorded_at"]).tzinfo is not None


def test_one_case_may_be_asked_for_and_totals_stay_whole(store, law):
    whole, part = told(store, law), told(store, law, case_no="B")
    assert {entry["case_no"] for sheet in part["sheets"] for entry in entries(sheet)} == {"B"}
    assert [sheet["points"] for sheet in part["sheets"]] == [sheet["points"] for sheet in whole["sheets"]]
    with pytest.raises(StopError) as nothing:
        told(store, law, case_no="D")
    assert nothing.value.code == "explain-no-such-case"


@pytest.mark.parametrize(
    ("wanted", "key"), [("990101-2", "990101-2"), ("孙二", "990101-2"), ("2", "990101-2"), ("4", "990101-4")]
)
def test_a_person_is_found_by_key_name_or_staff_number(store, law, wanted, key):
    assert told(store, law, wanted)["person"]["key"] == key


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ("赵九", "explain-nobody"),
        ("", "explain-nobody"),
        ("李三", "explain-several"),
        ("3", "explain-not-scored"),
    ],
)
def test_a_person_who_is_unknown_ambiguous_or_not_scored_is_an_error(store, law, wanted, code):
    with pytest.raises(StopError) as refused:
        told(store, law, wanted)
    assert refused.value.code == code


def test_of_several_with_one_name_all_are_named(store, law):
    with pytest.raises(StopError) as several:
        told(store, law, "李三")
    assert several.value.problem.fields["found"] == "990101-3、990101-4"


def test_an_old_score_is_not_explained_by_a_new_law(store, law, tmp_path):
    changed = load_policy(write_pack(tmp_path / "mini", ("points.csv", ",work,10,", ",work,11,")))
    with pytest.raises(StopError) as refused:
        told(store, changed)
    assert refused.value.code == "score-policy-changed"


def test_what_was_never_scored_is_not_explained(lite_store, law):
    sync_world(lite_store, WORLD)
    with pytest.raises(StopError) as refused:
        told(lite_store, law)
    assert refused.value.code == "score-not-yet"


def test_the_explanation_names_the_law_and_the_run(store, law):
    found = told(store, law)
    assert (found["policy"]["id"], found["policy"]["version"]) == ("mini", law.version)
    assert found["policy"]["source"] == "测试 (第一条)"
    assert (found["period"]["start"], found["period"]["end"]) == ("2025-01-01", "2026-01-01")
    assert found["run"]["digest"]


def test_an_entry_names_the_version_that_was_scored(lite_store, law):
    """What was read after the scoring made no point of it, so it is not what the explanation shows."""
    sync_world(lite_store, WORLD)
    score_periods(lite_store, SUBJECT, law, [YEAR])
    changed = document("d1", "A", template_code="report", drafter_key="990101-1", drafted_on="2025-02-02")
    others = [row for row in WORLD["document"] if row["document_key"] != "d1"]
    sync_world(lite_store, WORLD | {"document": [*others, {**changed, "_locator": "YX_WS_SL moved"}]})

    def record():
        sheets = told(lite_store, law)["sheets"]
        (entry,) = [each for sheet in sheets for each in entries(sheet) if each["item_key"] == "d1"]
        return entry["record"]["locator"], entry["record"]["current"]

    assert record() == ("YX_WS_SL d1", False)
    score_periods(lite_store, SUBJECT, law, [YEAR])
    assert record() == ("YX_WS_SL moved", True)
