"""Policies that are wrong on purpose, one fault each: it is told once, by its code, and where it stands.

The pack is the one that ``jianheng policy new`` writes, with a catalogue, an indicator by tiers and a city's pack on top.
"""

from pathlib import Path

import pytest

from jianheng.cli import main
from jianheng.errors import FaultsError
from jianheng.scoring.law.chain import fingerprint
from jianheng.scoring.law.policy import load_policy
from jianheng.scoring.lawbook.template import write_new_pack
from mini_pack import edit

CATALOGUE = "code,parent,name\nindictment,,起诉书\nreport,,审查报告\n"
MORE = """
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
  { less_than = 5, points = 0 },
  { at_least = 5, points = 3 },
]
"""
CITY = """
id = "city"
label = "市级"
level = "city"
jurisdiction = "990100"
from = 2025-01-01
extends = "good"

[source]
title = "实施细则"
cite = "示例"

[[groups]]
replaces = "MARK"
id = "department"
label = "同部门"
by = ["sheet", "department"]
"""
CITY_POINTS = "id,label,measure,code,indicator,points,from,replaces,cite\nreport,审查报告,document_made,report,work,2.5,2025-07-01,2,市细则\n"
CITY_NUMBERS = (
    '[team.assistant]\nreplaces = 0.4\nvalues = [{ from = 2025-07-01, value = 0.3, cite = "市细则" }]\n'
)


def write_good(folder: Path) -> Path:
    """Write a sound pack and a city's pack that extends it; return the city's."""
    write_new_pack(folder / "good", "good")
    (folder / "good/catalogues").mkdir()
    (folder / "good/catalogues/document_template.csv").write_text(CATALOGUE, encoding="utf-8")
    policy = folder / "good/policy.toml"
    policy.write_text(
        policy.read_text(encoding="utf-8").replace("# 系数: 按", f"{MORE}\n# 系数: 按"), encoding="utf-8"
    )
    measures = folder / "good/measures.toml"
    measures.write_text(
        measures.read_text(encoding="utf-8").replace(
            'unit = "件"', 'unit = "件"\nquantity = "document_count"'
        ),
        encoding="utf-8",
    )
    (group,) = load_policy(folder / "good").file.groups
    city = folder / "city"
    (city / "parameters").mkdir(parents=True)
    (city / "policy.toml").write_text(CITY.replace("MARK", fingerprint(group)), encoding="utf-8")
    (city / "points.csv").write_text(CITY_POINTS, encoding="utf-8")
    (city / "parameters/own.toml").write_text(CITY_NUMBERS, encoding="utf-8")
    return city


@pytest.fixture
def city(tmp_path):
    return write_good(tmp_path)


def finder(folder):
    return lambda name: folder / name if (folder / name / "policy.toml").exists() else None


def told(city):
    """Return every problem of the city's policy as code and place."""
    with pytest.raises(FaultsError) as faults:
        load_policy(city, finder(city.parent))
    return [(each.code, each.message().where) for each in faults.value.problems]


def test_the_pack_to_be_broken_is_sound(city):
    law = load_policy(city, finder(city.parent))
    assert [layer.name for layer in law.layers] == ["good", "city"]


POLICY, MEASURES, POINTS = "good/policy.toml", "good/measures.toml", "good/points.csv"
NUMBERS, LIST = "good/parameters/numbers.toml", "good/authority.csv"
LARGE = "".join(
    f'[[factors]]\nid = "{name}"\nlabel = "{name}"\nchoices = [{{ id = "c", label = "c", value = 1000000, when = "true" }}]\n\n'
    for name in ("one", "two")
)

WRONG = {
    # Names.
    "unknown indicator": (POINTS, ",work,10,", ",wrok,10,", "policy-unknown-name", f"{POINTS}:2 closed"),
    "unknown measure": (POINTS, "办结案件,case_closed", "办结案件,case_close", "policy-unknown-name", f"{POINTS}:2 closed"),
    "unknown role": (LIST, "indictment,,quota_prosecutor", "indictment,,captain", "policy-unknown-name", f"{LIST}:2"),
    "unknown parameter": (POLICY, 'value = "factor.major"', 'value = "factor.mayor"', "policy-unknown-name", f"{POLICY} [factors special] major value"),
    "unknown column": (MEASURES, 'date = "drafted_on"', 'date = "drafted_at"', "rule-unknown-column", f"{MEASURES} [document_made] date"),
    "unknown function": (MEASURES, "state = 'confirmed'", "is_state('confirmed')", "rule-unknown-function", f"{MEASURES} [fault_found] where"),
    "unknown parameter in a condition": (MEASURES, "state = 'confirmed'", "listed(severity, 'no.list')", "rule-unknown-parameter", f"{MEASURES} [fault_found] where"),
    "unknown measure of a gate": (POLICY, 'final_when = "archive_accepted_on is not null"', 'final_when = "true"\nmeasures = ["papers"]', "policy-unknown-name", f"{POLICY} [gates archived] measures"),
    "unknown rule of a cap": (POLICY, 'rules = ["indictment", "report"]', 'rules = ["indictment", "reports"]', "policy-unknown-name", f"{POLICY} [caps papers_month] rules"),
    "unknown kind of declaration": (POLICY, 'declared = "major_case"', 'declared = "large_case"', "policy-unknown-name", f"{POLICY} [factors special] major declared"),
    "code not in the catalogue": (POINTS, "document_made,report,", "document_made,raport,", "policy-code-unknown", f"{POINTS}:4 report"),
    "code not in the catalogue in the authority list": (LIST, "document_made,report,", "document_made,reprot,", "policy-code-unknown", f"{LIST}:3"),
    "parent not in the catalogue": ("good/catalogues/document_template.csv", "report,,", "report,document,", "policy-unknown-name", "good/catalogues/document_template.csv:3"),
    # Twice, in circles, too early, too late.
    "id twice": (POLICY, 'id = "volume"', 'id = "work"', "policy-id-twice", f"{POLICY} [indicators work]"),
    "unknown parent": (POLICY, 'label = "办案"\nparent = "total"', 'label = "办案"\nparent = "totals"', "policy-unknown-name", f"{POLICY} [indicators work]"),
    "circle of indicators": (POLICY, 'id = "total"\nlabel = "总分"', 'id = "total"\nlabel = "总分"\nparent = "work"', "indicator-circle", f"{POLICY} [indicators total]"),
    "one role, two sheets": (POLICY, 'role = "prosecutor_assistant"', 'role = "quota_prosecutor"', "policy-id-twice", f"{POLICY} [sheets assistant]"),
    "rows of one rule overlap": (POINTS, "", "closed,办结案件,case_closed,,,,work,11,,,2025-07-01,,x,", "policy-points-overlap", f"{POINTS}:7 closed"),
    "two rules pay the same": (POINTS, "", "again,再计,case_closed,,,,work,1,,,,,x,", "policy-points-overlap", f"{POINTS}:7 again"),
    "days without a row": (POINTS, ",3,1,,,,第四条(示例),true", ",3,1,,,2025-07-01,第四条(示例),true\nindictment,起诉书,document_made,indictment,,quota_prosecutor,work,4,1,,2025-08-01,,x,", "policy-points-gap", f"{POINTS}:4 indictment"),
    "a row that never holds": (POINTS, ",3,1,,,,", ",3,1,,2025-07-01,2025-07-01,", "policy-empty-span", f"{POINTS}:3 indictment"),
    "values not in order": (NUMBERS, "{ from = 2025-07-01, value = 2,", "{ from = 2024-07-01, value = 2,", "parameter-days", f"{NUMBERS} [factor.crowded]"),
    "no weight on the first day": (NUMBERS, "{ from = 2025-01-01, value = 0.6,", "{ from = 2025-02-01, value = 0.6,", "policy-weight-missing", f"{POLICY} [team] weights"),
    "a period without days": (POLICY, 'workdays = "china"', 'workdays = "china"\nperiods = [{ id = "spring", label = "春", start = 2025-03-01, end = 2025-03-01 }]', "calendar-empty-period", f"{POLICY} [calendar] periods"),
    "a year from a day that months lack": (POLICY, 'year_start = "01-01"', 'year_start = "12-31"', "calendar-year-start", f"{POLICY} [calendar] year_start"),
    "closing rules out of order": (POLICY, 'closing = "coalesce(completed_on, concluded_on)"', 'closing = [{ rule = "concluded_on", from = 2025-07-01 }, { rule = "completed_on" }]', "policy-closing-days", f"{POLICY} [closing]"),
    "closing speaks of what comes after it": (POLICY, "coalesce(completed_on, concluded_on)", "coalesce(archive_accepted_on, concluded_on)", "rule-unknown-column", f"{POLICY} [closing]"),
    "closing gives no day": (POLICY, "coalesce(completed_on, concluded_on)", "concluded_on is not null", "measure-part-kind", f"{POLICY} [closing]"),
    # Numbers.
    "wrong unit": (NUMBERS, 'label = "重大案件系数"\nunit = "倍"', 'label = "重大案件系数"\nunit = "分"', "policy-unit", f"{POLICY} [factors special] major value"),
    "too fine": (POINTS, ",work,3,", ",work,0.0001,", "policy-too-fine", f"{POINTS}:3 indictment"),
    "too large": (POINTS, ",work,3,", ",work,1000001,", "policy-too-large", f"{POINTS}:3 indictment"),
    "an exponent without end": (POINTS, ",work,3,", ",work,1e999999999,", "policy-too-large", f"{POINTS}:3 points"),
    "an exponent of a parameter": (NUMBERS, "value = 15,", "value = 1e999999999,", "policy-too-large", f"{NUMBERS} [grade.good] values.0.value"),
    "an exponent of a tier": (POLICY, "{ at_least = 5, points = 3 }", "{ at_least = 5, points = 1e-999999999 }", "policy-too-fine", f"{POLICY} indicators.volume.tiers.1.points"),
    "a whole number without end": (NUMBERS, "value = 15,", f"value = {'9' * 5000},", "policy-file-syntax", NUMBERS),
    "too large to be multiplied exactly": (POLICY, "# 系数: 按", f"{LARGE}# 系数: 按", "policy-overflow", f"{POINTS}:2 closed"),
    "outside its bounds": (NUMBERS, "value = 1.8", "value = 3.8", "parameter-bounds", f"{NUMBERS} [factor.major]"),
    "numbers and codes": (NUMBERS, "value = 1.8", "value = ['x']", "parameter-kind", f"{NUMBERS} [factor.major]"),
    "a limit below zero": (POLICY, 'limit = "cap.papers_month"', "limit = -5", "policy-negative", f"{POLICY} [caps papers_month] limit"),
    "tiers with a hole": (POLICY, "{ at_least = 5, points = 3 }", "{ at_least = 6, points = 3 }", "tiers-gap", f"{POLICY} [indicators volume] tiers"),
    "grades that overlap": (POLICY, 'less_than = "grade.good"', 'at_most = "grade.good"', "tiers-overlap", f"{POLICY} [grades] bands"),
    "division by zero": (POLICY, 'kind = "tiers"\ninput = "closed_count"\ntiers = [\n  { less_than = 5, points = 0 },\n  { at_least = 5, points = 3 },\n]', 'kind = "target"\ninput = "closed_count"\ntarget = 0\nfull = 3', "indicator-not-positive", f"{POLICY} [indicators volume] target"),
    # Parts that do not go together.
    "a choice that never holds": (POLICY, 'declared = "major_case"\n', "", "policy-choice-never", f"{POLICY} [factors special] major"),
    "declared over items": (POLICY, 'label = "特殊案件"\n', 'label = "特殊案件"\nover = "item"\n', "policy-choice-declared", f"{POLICY} [factors special] major"),
    "a cap of nothing": (POLICY, 'rules = ["indictment", "report"]\n', "", "policy-cap-of-what", f"{POLICY} [caps papers_month]"),
    "a cap of both signs": (POLICY, 'rules = ["indictment", "report"]', 'rules = ["indictment", "minor_fault"]', "policy-cap-both-signs", f"{POLICY} [caps papers_month]"),
    "a cap per case, twice": (POLICY, 'per = ["person", "month"]', 'per = ["case", "case"]', "policy-cap-unit", f"{POLICY} [caps papers_month]"),
    "a cap per month and year": (POLICY, 'per = ["person", "month"]', 'per = ["person", "month", "year"]', "policy-cap-unit", f"{POLICY} [caps papers_month]"),
    "a fault without a key": (MEASURES, 'fault = "fault_key"\n', "", "policy-fault-without-key", f"{POINTS}:5 minor_fault"),
    "a code for a measure without codes": (LIST, "", "case_closed,0201,,,,x", "policy-code-without-column", f"{LIST}:4"),
    "a measure for nobody": (MEASURES, 'actor = "person_key"\n', "", "measure-for-whom", f"{MEASURES} [fault_found]"),
    "a measure dated by no day": (MEASURES, 'date = "found_on"', 'date = "severity"', "measure-no-day", f"{MEASURES} [fault_found] date"),
    "a condition of unlike things": (MEASURES, "state = 'confirmed'", "found_on = 3", "rule-unlike", f"{MEASURES} [fault_found] where"),
    "a field its kind does not have": (POLICY, 'id = "work"\nlabel = "办案"\n', 'id = "work"\nlabel = "办案"\nfull = 3\n', "indicator-unused", f"{POLICY} [indicators work]"),
    # Layers.
    "stale fingerprint": (POLICY, 'label = "同部门同表"', 'label = "同一部门"', "override-stale", "city/policy.toml [groups department]"),
    "stale points": (POINTS, ",work,2,", ",work,1.5,", "override-stale", "city/points.csv:2"),
    "stale value": (NUMBERS, "value = 0.4", "value = 0.35", "parameter-stale", "city/parameters/own.toml [team.assistant]"),
    "an override that does not say so": ("city/parameters/own.toml", "replaces = 0.4\n", "", "parameter-replaces-nothing", "city/parameters/own.toml [team.assistant]"),
    "an override of nothing": ("city/points.csv", "report,审查", "raport,审查", "override-of-nothing", "city/points.csv:2"),
    "what a level may not set": (POLICY, 'points = ["city", "office"]', 'points = ["office"]', "override-may-not", "city/points.csv:2"),
    "what a level may not set of a parameter": (NUMBERS, 'label = "检察官助理份额"\nunit = "权重"\nmin = 0\nmax = 1\nmay_set = ["city", "office"]', 'label = "检察官助理份额"\nunit = "权重"\nmin = 0\nmax = 1\nmay_set = ["office"]', "parameter-may-not-set", "city/parameters/own.toml [team.assistant]"),
    "a pack that does not exist": ("city/policy.toml", 'extends = "good"', 'extends = "god"', "policy-not-found", "city/policy.toml extends"),
    "packs in a circle": (POLICY, 'id = "good"\n', 'id = "good"\nextends = "city"\n', "policy-circle", "city/policy.toml"),
    "a more special pack below": (POLICY, 'level = "province"', 'level = "office"', "policy-level-order", "city/policy.toml extends"),
    # Files.
    "unknown key": (POLICY, "[calendar]\n", '[calendar]\ncolour = "red"\n', "policy-unknown-key", POLICY),
    "key twice": (POLICY, 'id = "good"\n', 'id = "good"\nid = "better"\n', "policy-file-syntax", f"{POLICY}:6"),
    "missing key": (POLICY, 'jurisdiction = "990000"\n', "", "policy-missing-key", POLICY),
    "missing cell": (POINTS, ",3,1,,,,第四条(示例),true", ",3,1,,,,,true", "policy-missing-key", f"{POINTS}:3"),
    "a cell too many": (POINTS, ",3,1,,,,第四条(示例),true", ",3,1,,,,第四条(示例),true,", "policy-row-width", f"{POINTS}:3"),
    "header in capitals": (POINTS, ",points,", ",Points,", "policy-unknown-key", f"{POINTS}:1"),
    "header twice": (POINTS, ",fault,", ",code,", "policy-column-twice", f"{POINTS}:1"),
    "sep= line": (POINTS, "id,label", "sep=,\nid,label", "policy-table-sep-line", f"{POINTS}:1"),
    "full-width digits": (POINTS, ",work,2,", ",work,２,", "policy-number-form", f"{POINTS}:4"),
    "decimal comma": (POINTS, ",work,2,", ',work,"2,5",', "policy-number-form", f"{POINTS}:4"),
    "day with slashes": (POINTS, ",3,1,,,,", ",3,1,,2025/7/1,,", "policy-date-form", f"{POINTS}:3"),
    "day as a number": (NUMBERS, "from = 2025-07-01", "from = 20250701", "policy-date-form", f"{NUMBERS} [factor.crowded]"),
    "list with a full-width semicolon": (LIST, "quota_prosecutor;prosecutor_assistant", "quota_prosecutor；prosecutor_assistant", "policy-full-width", f"{LIST}:3"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_one_fault_is_told_once_by_its_code_and_where_it_stands(city, name):
    file, old, new, code, where = WRONG[name]
    edit(city.parent, file, old, new)
    assert told(city) == [(code, where)]


def encoded(city, name, encoding):
    """Save a file of the good pack as a program in another encoding would."""
    file = city.parent / name
    text = file.read_text(encoding="utf-8-sig")
    mark = {"utf-16": b"", "gb18030-mark": b"\x84\x31\x95\x33"}.get(encoding, b"")
    file.write_bytes(mark + text.encode(encoding.removesuffix("-mark")))


@pytest.mark.parametrize("name", [POINTS, POLICY, NUMBERS])
@pytest.mark.parametrize(
    ("encoding", "shown"), [("gb18030", "GB18030"), ("gb18030-mark", "GB18030"), ("utf-16", "UTF-16")]
)
def test_a_file_in_another_encoding_is_named_with_its_encoding(city, name, encoding, shown):
    encoded(city, name, encoding)
    with pytest.raises(FaultsError) as faults:
        load_policy(city, finder(city.parent))
    (one,) = [each for each in faults.value.problems if each.code == "policy-file-encoding"]
    assert (one.message().where, shown in one.message().what) == (name, True)
    assert {each.code for each in faults.value.problems} == {"policy-file-encoding"}


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_another_separator_of_columns_is_named(city, separator):
    text = (city / "points.csv").read_text(encoding="utf-8")
    (city / "points.csv").write_text(text.replace(",", separator), encoding="utf-8")
    assert told(city) == [("policy-table-separator", "city/points.csv:1")]


def test_nul_characters_are_told_with_their_line(city):
    raw = (city / "points.csv").read_bytes()
    (city / "points.csv").write_bytes(raw.replace(b"report", b"re\x00port", 1))
    assert told(city) == [("policy-file-binary", "city/points.csv:2")]


FORMULA = """
[[indicators]]
id = "odd"
label = "公式"
parent = "total"
kind = "formula"
function = "{function}"
inputs = {{ counts = "closed_count" }}
"""


@pytest.mark.parametrize(
    ("code", "function", "expected"),
    [
        ("import random\ndef odd(*, counts):\n    return counts\n", "odd", ("formula-chance", "good/formulas.py:1")),
        ("def odd(*, counts):\n    return counts\n", "even", ("policy-unknown-name", f"{POLICY} [indicators odd] function")),
        ("def odd(*, counts)\n    return counts\n", "odd", ("policy-file-syntax", "good/formulas.py:1")),
    ],
)  # fmt: skip
def test_a_faulty_formula_is_told(city, code, function, expected):
    (city.parent / "good/formulas.py").write_text(code, encoding="utf-8")
    edit(city.parent, POLICY, "", FORMULA.format(function=function))
    assert told(city) == [expected]


def test_a_calendar_that_is_counted_by_must_be_there(city):
    edit(city.parent, MEASURES, "state = 'confirmed'", "workdays_between(found_on, closed_on) < 5")
    assert told(city) == [("policy-no-calendar", f"{POLICY} [calendar]")]


def test_a_cap_per_case_of_what_hangs_on_no_case(city):
    training = '[training]\nlabel = "培训"\ngrain = "personnel_record"\nwhere = "kind = \'training\'"\ndate = "starts_on"\nunit = "项"\nactor = "person_key"\n'
    edit(city.parent, MEASURES, "", training)
    edit(city.parent, POINTS, "", "trained,参加培训,training,,,,work,1,,,,,x,")
    cap = '[[caps]]\nid = "trained"\nlabel = "培训"\nper = ["case"]\nlimit = 5\nrules = ["trained"]\n'
    edit(city, "policy.toml", "", cap)
    assert told(city) == [("policy-measure-without-case", "city/policy.toml [caps trained] per")]


def test_many_faults_of_many_files_are_told_at_once(city):
    """One of each kind of file and of both layers: nothing hides anything else."""
    chosen = [
        "unknown key", "unknown column", "full-width digits", "a code for a measure without codes",
        "outside its bounds", "parent not in the catalogue", "a cap per month and year", "stale value",
        "unknown kind of declaration", "no weight on the first day",
    ]  # fmt: skip
    for name in chosen:
        edit(city.parent, *WRONG[name][:3])
    edit(city, "policy.toml", "", '[[gates]]\nid = "own"\nlabel = "x"\nfinal_when = "nonsense"\n')
    expected = {WRONG[name][3:] for name in chosen} | {
        ("rule-unknown-column", "city/policy.toml [gates own] final_when")
    }
    assert set(told(city)) == expected


@pytest.mark.parametrize("name", [*WRONG, "encoding"])
def test_no_fault_shows_as_a_traceback(city, name, capsys, monkeypatch):
    """The command line tells it in four parts and ends with 2."""
    monkeypatch.chdir(city.parent)
    if name == "encoding":
        encoded(city, POINTS, "gb18030")
    else:
        edit(city.parent, *WRONG[name][:3])
    assert main(["policy", "check", "city"]) == 2
    shown = capsys.readouterr().err
    assert shown.count("[") >= 1
    assert "处理: " in shown
    assert "Traceback" not in shown
    assert "{" not in shown.replace("{3,}", "")  # a field that nobody filled would show as its name in braces
