"""A role that is blank or that nobody knows is no role: it meets no row that names one, and no row means everybody by accident."""

import pyarrow as pa
import pytest

from jianheng.errors import FaultsError
from jianheng.scoring.kernel.score import score
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import load_policy
from mini_pack import write_pack
from upstream import UNIT, case, document, facts_of, person, posting

EVERYBODY = "made_any,任何人文书,made,letter,,,papers,1,,,,第六条"
WORLD = {
    "person": [person("wang")],
    "posting": [posting("wang", post_level="member")],
    "case": [case("A")],
    "document": [
        document("1", "A", template_code="charge", drafter_key="wang"),
        document("2", "A", template_code="report", drafter_key="wang"),
        document("3", "A", template_code="letter", drafter_key="wang"),
    ],
}


@pytest.fixture(scope="module")
def law(tmp_path_factory):
    letters = ("authority.csv", "", "made,letter,,,,第六条")
    return load_policy(write_pack(tmp_path_factory.mktemp("law"), ("points.csv", "", EVERYBODY), letters))


def lines(law, role):
    facts = facts_of(WORLD)
    column = facts["posting"].schema.get_field_index("role")
    facts["posting"] = facts["posting"].set_column(column, "role", pa.array([role], pa.string()))
    found = score(facts, law, period("2025"), (UNIT,)).ledger.to_pylist()
    return {
        each["item_key"]: (each["rule_id"], each["reason"], each["points"], each["sheet"]) for each in found
    }


def test_a_role_that_is_known_meets_its_rows(law):
    papers = {
        key: (rule, reason, points)
        for key, (rule, reason, points, _) in lines(law, "quota_prosecutor").items()
    }
    assert papers == {"1": ("made_p", "", 3000), "2": ("made_p", "", 3000), "3": ("made_any", "", 1000)}


@pytest.mark.parametrize("role", [None, "", " ", "stranger"])
def test_a_role_that_is_blank_or_unknown_gives_no_points_and_says_why(law, role):
    """What is for one role is not authorised or without rule; what is for everybody has no sheet to go to."""
    assert lines(law, role) == {
        "1": ("made_p", "not-authorised", 0, ""),
        "2": ("-", "no-rule", 0, ""),
        "3": ("made_any", "no-sheet", 0, ""),
    }


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("points.csv", "made,charge;report,,quota_prosecutor,", "made,charge;report,,;,"),
        ("points.csv", "made,charge;report,,quota_prosecutor,", "made, ; ,,quota_prosecutor,"),
        ("authority.csv", "made,charge,,quota_prosecutor,", "made,charge,,;;,"),
    ],
)
def test_a_list_without_anything_in_it_is_not_everybody(tmp_path, file, old, new):
    with pytest.raises(FaultsError) as faults:
        load_policy(write_pack(tmp_path, (file, old, new)))
    assert [each.code for each in faults.value.problems] == ["policy-list-empty"]
