"""Codes that a spreadsheet has changed are told as such, with what to do; nothing is mended silently."""

import pytest

from jianheng.errors import FaultsError
from jianheng.scoring.law.policy import load_policy
from jianheng.scoring.law.spreadsheet_codes import spreadsheet_fault
from mini_pack import edit, write_pack

CATEGORIES = "code,parent,name\n0201,,批准逮捕\n0301,,一审公诉\n1701,,申诉\n3-1,,其他\n"
ROW = "closed,办结,closed,,,,work,10,,,,第三条"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = write_pack(tmp_path_factory.mktemp("codes"))
    (made / "catalogues").mkdir()
    (made / "catalogues/case_category.csv").write_text(CATEGORIES, encoding="utf-8")
    return made


def told(folder):
    with pytest.raises(FaultsError) as faults:
        load_policy(folder)
    return [
        (each.code, str(each.fields["where"]).split("/")[-1], each.message())
        for each in faults.value.problems
    ]


@pytest.mark.parametrize(
    ("file", "old", "new", "code", "where", "says"),
    [
        ("points.csv", ROW, ROW.replace("closed,,,", "closed,,201;1701,"), "policy-code-zeros", "points.csv:2 closed", "0201"),
        ("points.csv", ROW, ROW.replace("closed,,,", "closed,,3月1日,"), "policy-code-as-day", "points.csv:2 closed", "3月1日"),
        ("points.csv", "charge;report", "1E+11;report", "policy-code-as-number", "points.csv:3 made_p", "1E+11"),
        ("points.csv", "charge;report", "charge;1.00E+11", "policy-code-as-number", "points.csv:3 made_p", "1.00E+11"),
        ("points.csv", "charge;report", "charge;1-Mar", "policy-code-as-day", "points.csv:3 made_p", "1-Mar"),
        ("authority.csv", "made,charge,,", "made,charge,301,", "policy-code-zeros", "authority.csv:2", "0301"),
        ("authority.csv", "made,charge,,", "made,9.03E+12,,", "policy-code-as-number", "authority.csv:2", "9.03E+12"),
        ("catalogues/case_category.csv", "1701,,申诉", "1E+11,,申诉", "policy-code-as-number", "case_category.csv:4", "1E+11"),
        ("catalogues/case_category.csv", "3-1,,其他", "3月1日,,其他", "policy-code-as-day", "case_category.csv:5", "3月1日"),
    ],
)  # fmt: skip
def test_a_code_that_a_spreadsheet_changed_is_told_once_with_what_to_do(
    folder, file, old, new, code, where, says
):
    """Documents have no catalogue here: what can be seen without one is told all the same."""
    before = (folder / file).read_bytes()
    edit(folder, file, old, new)
    try:
        ((found, at, message),) = told(folder)
    finally:
        (folder / file).write_bytes(before)
    assert (found, at) == (code, where)
    assert says in message.what + message.do
    assert "从文本/CSV" in message.do


@pytest.mark.parametrize(
    "code",
    ["0201", "1701", "3-1", "100000003007", "1E11", "E+11", "201a", "2025-03-01", "3月", "5-May-Day", "999"],
)
def test_a_code_that_may_be_one_is_left_to_the_catalogue(code):
    assert spreadsheet_fault(code, {"0201", "1701", "3-1"}, "points.csv:2", "category") is None


@pytest.mark.parametrize("code", ["1E+11", "3月1日", "201"])
def test_a_code_that_stands_in_its_catalogue_is_one_whatever_it_looks_like(code):
    assert spreadsheet_fault(code, {code, "0201"}, "points.csv:2", "category") is None


def test_lost_zeros_that_may_be_of_two_codes_name_both():
    found = spreadsheet_fault("1", {"01", "001", "1001"}, "points.csv:2", "code")
    assert found is not None
    assert (found.code, found.fields["meant"]) == ("policy-code-zeros", "001 / 01")
