"""Policy packs: every fault in any of their files is told by code and place, and all are told at once."""

import shutil
from pathlib import Path

import pytest

from jianheng.errors import FaultsError
from jianheng.scoring.checking.examples import check_examples
from jianheng.scoring.law.policy import load_policy
from mini_pack import edit

LAOSHAN = Path(__file__).parents[1] / "plugins/jianheng_plugins/provinces/laoshan"


@pytest.fixture
def pack(tmp_path):
    """A copy of a real pack, to be broken."""
    return shutil.copytree(LAOSHAN, tmp_path / "laoshan")


def told(pack, **options):
    """Return every problem of a pack as code and where; a file stands for its place."""
    with pytest.raises(FaultsError) as faults:
        load_policy(pack, **options)
    return [
        (each.code, str(each.fields.get("where") or each.fields.get("file")))
        for each in faults.value.problems
    ]


POLICY = [
    ('id = "laoshan"\n', 'id = "laoshan"\nlabbel = "x"\n', "policy-unknown-key"),
    ('id = "laoshan"\n', 'id = "Laoshan!"\n', "policy-wrong-value"),
    ('jurisdiction = "370212"\n', "", "policy-missing-key"),
    ("from = 2018-01-01\n", 'from = "soon"\n', "policy-wrong-value"),
    ('level = "office"\n', 'level = "street"\n', "policy-wrong-value"),
    ('level = "office"\n', "level = office\n", "policy-file-syntax"),
    ('id = "laoshan"\n', 'id = "laoshan"\nid = "twice"\n', "policy-file-syntax"),
    ("[source]\n", "[source]\nauthor = 1\n", "policy-unknown-key"),
    ('unlisted = "refuse"', 'unlisted = "perhaps"', "policy-wrong-value"),
    ("", '[[indicators]]\nid = "x"\nlabel = "x"\nparent = "nowhere"', "policy-unknown-name"),
    ("", '[[indicators]]\nid = "x"\nlabel = "x"\nparent = "x"', "indicator-circle"),
    ("", '[[indicators]]\nid = "total"\nlabel = "x"', "policy-id-twice"),
    ("", '[[sheets]]\nid = "x"\nlabel = "x"\nrole = "other"', "policy-weight-missing"),
    ("", '[[sheets]]\nid = "second"\nlabel = "x"\nrole = "clerk"', "policy-id-twice"),
    ("", '[[sheets]]\nid = "x"\nlabel = "x"\nrole = "captain"', "policy-unknown-name"),
    (
        'quota_prosecutor = "team.quota_prosecutor"',
        'captain = "team.quota_prosecutor"',
        "policy-unknown-name",
    ),
    ('clerk = "team.clerk"', 'clerk = "team.clark"', "policy-unknown-name"),
    ('value = "special.major_case"', 'value = "special.major"', "policy-unknown-name"),
    ('measures = ["document_made", "case_closed"]', 'measures = ["case_closd"]', "policy-unknown-name"),
    ('declared = "major_case"', 'declared = "large_case"', "policy-unknown-name"),
    (
        "",
        '[[factors]]\nid = "special"\nlabel = "x"\nchoices = [{ id = "x", label = "x", value = 2, when = "true" }]',
        "policy-id-twice",
    ),
    ('when = "is_supervised', 'when = "is_supervise', "rule-unknown-column"),
    ('when = "is_supervised or', 'when = "now() or', "rule-unknown-function"),
    ('final_when = "archive_accepted_on', 'final_when = "archive_acepted_on', "rule-unknown-column"),
    ('due_for_archive = "closed_on', 'due_for_archive = "closd_on', "rule-unknown-column"),
    ('closing = "case when', 'closing = "select case when', "rule-not-allowed"),
    ("then concluded_on else", "then closed_on else", "rule-unknown-column"),
    ("coalesce(completed_on, concluded_on)", "archive_accepted_on", "rule-unknown-column"),
    (
        "case when category in",
        "case when linked(category = '0301') then due_on when category in",
        "policy-closing-circle",
    ),
    (', clerk = "team.clerk"', "", "policy-weight-missing"),
]


@pytest.mark.parametrize(("old", "new", "code"), POLICY)
def test_a_fault_in_policy_toml_is_told(pack, old, new, code):
    edit(pack, "policy.toml", old, new)
    problems = told(pack)
    assert [each for each, _ in problems] == [code]
    assert problems[0][1].startswith("laoshan/policy.toml")


MEASURES = [
    ("", '[extra]\nlabel = "x"', "policy-missing-key"),
    (
        'item = "category"\nteam = true\ncite = "办案量',
        'itm = "category"\nteam = true\ncite = "办案量',
        "policy-unknown-key",
    ),
    ('grain = "declaration"', 'grain = "decision"', "policy-wrong-value"),
    ('date = "decided_on"', 'date = "decided_at"', "rule-unknown-column"),
    ('code = "kind"', 'code = "kinds"', "rule-unknown-column"),
    ('item = "kind"', 'item = "kinds"', "rule-unknown-column"),
    ('item = "kind"\nactor = "person_key"', 'item = "kind"\nactor = "persons"', "rule-unknown-column"),
    ('item = "kind"\nactor = "person_key"', 'item = "kind"', "measure-for-whom"),
    ('item = "kind"\nactor', 'item = "kind"\nteam = true\nactor', "measure-for-whom"),
    ("decision = 'approved' and", "decisions = 'approved' and", "rule-unknown-column"),
    ("decision = 'approved' and", "decision = 'approved' but", "rule-syntax"),
    ("decision = 'approved' and", "kind in (select 1) and", "rule-not-allowed"),
    ("decision = 'approved' and", "linked() and", "rule-wrong-arguments"),
]


@pytest.mark.parametrize(("old", "new", "code"), MEASURES)
def test_a_fault_in_measures_toml_is_told_without_echoes(pack, old, new, code):
    """Rows that count by a faulty measure are not told to count by an unknown one."""
    edit(pack, "measures.toml", old, new)
    problems = told(pack)
    assert {each for each, _ in problems} == {code}
    assert all(where.startswith("laoshan/measures.toml") for _, where in problems)


def test_a_measure_has_a_plain_name(pack):
    """It becomes part of a statement."""
    edit(pack, "measures.toml", "", "[\"x' or 'x\"]\nlabel = 'x'")
    assert told(pack) == [("policy-wrong-value", "laoshan/measures.toml")]


def test_something_that_is_no_measure_is_told(pack):
    text = (pack / "measures.toml").read_text(encoding="utf-8")
    (pack / "measures.toml").write_text(f"extra = 1\n{text}", encoding="utf-8")
    assert told(pack) == [("policy-wrong-value", "laoshan/measures.toml [extra]")]


ROW = "x1,甲,case_closed,,0201,clerk,archive,quantity,1,,,,,,,出处,true"


@pytest.mark.parametrize(
    ("row", "code", "where"),
    [
        ("x1,甲,case_closd,,,,,quantity,1,,,,,,,出处,", "policy-unknown-name", ":{line} x1"),
        ("x1,甲,case_closed,,,,,quality_,1,,,,,,,出处,", "policy-unknown-name", ":{line} x1"),
        ("x1,甲,case_closed,,,captain,,quantity,1,,,,,,,出处,", "policy-unknown-name", ":{line} x1"),
        ("x1,甲,case_closed,,,,dance,quantity,1,,,,,,,出处,", "policy-unknown-name", ":{line} x1"),
        ("x1,甲,case_closed,0201,,,,quantity,1,,,,,,,出处,", "policy-code-without-column", ":{line} x1"),
        ("x1,甲,case_closed,,,,,quantity,0.0001,,,,,,,出处,", "policy-too-fine", ":{line} x1"),
        ("x1,甲,case_closed,,,,,quantity,1000001,,,,,,,出处,", "policy-too-large", ":{line} x1"),
        (
            "x1,甲,case_closed,,,,,quantity,1,,,,2025-01-01,2025-01-01,,出处,",
            "policy-empty-span",
            ":{line} x1",
        ),
        ("x1,甲,case_closed,,,,,quantity,许多,,,,,,,出处,", "policy-wrong-value", ":{line}"),
        ("x1,甲,case_closed,,,,,quantity,NaN,,,,,,,出处,", "policy-wrong-value", ":{line}"),
        ("x1,甲,case_closed,,,,,quantity,1,0,,,,,,出处,", "policy-wrong-value", ":{line}"),
        ("x1,甲,case_closed,,,,,quantity,1,,,,2025年,,,出处,", "policy-wrong-value", ":{line}"),
        ("x1,甲,case_closed,,,,,quantity,1,,,,,,,出处,也许", "policy-wrong-value", ":{line}"),
        ("X 1,甲,case_closed,,,,,quantity,1,,,,,,,出处,", "policy-wrong-value", ":{line}"),
        ("x1,甲,case_closed,,,,,quantity,,,,,,,,出处,", "policy-missing-key", ":{line}"),
        ("x1,甲,case_closed,,,,,quantity,1,,,,,,,,", "policy-missing-key", ":{line}"),
        ("x1,甲,case_closed,,,,,quantity,1,,,,出处", "policy-row-width", ":{line}"),
        ("x1,甲,乙,case_closed,,,,,quantity,1,,,,出处,", "policy-row-width", ":{line}"),
        ("in_time,甲,case_in_time,,,,,efficiency,1,,,,,,,出处,", "policy-id-twice", ":{line} in_time"),
    ],
)
def test_a_fault_in_a_row_of_points_is_told_with_its_place(pack, row, code, where):
    lines = len((pack / "points.csv").read_text(encoding="utf-8-sig").splitlines())
    edit(pack, "points.csv", "", row)
    assert told(pack) == [(code, f"laoshan/points.csv{where.format(line=lines + 1)}")]


def test_a_good_row_of_points_is_taken(pack):
    edit(pack, "points.csv", "", ROW)
    row = load_policy(pack).points[-1]
    assert (row.id, row.category, row.role, row.per_case, row.assumed) == (
        "x1",
        ("0201",),
        ("clerk",),
        None,
        True,
    )


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("document_mad,100000000001,,clerk,,出处", "policy-unknown-name"),
        ("document_made,100000000001,,captain,,出处", "policy-unknown-name"),
        ("document_made,100000000001,,clerk,king,出处", "policy-unknown-name"),
        ("document_made,100000000001,clerk", "policy-row-width"),
        (",100000000001,,clerk,,出处", "policy-missing-key"),
    ],
)
def test_a_fault_in_the_authority_list_is_told(pack, row, code):
    edit(pack, "authority.csv", "", row)
    ((found, where),) = told(pack)
    assert (found, where.startswith("laoshan/authority.csv")) == (code, True)


@pytest.mark.parametrize("name", ["points.csv", "authority.csv"])
@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("colour", "policy-unknown-key"),
        ("", "policy-unknown-key"),
        ("measure", "policy-column-twice"),
    ],
)
def test_a_fault_in_a_header_is_told(pack, name, header, code):
    text = (pack / name).read_text(encoding="utf-8")
    first, rest = text.split("\n", 1)
    (pack / name).write_text(f"{first},{header}\n{rest}", encoding="utf-8")
    assert [each for each, _ in told(pack)] == [code]


def test_an_authority_list_needs_a_word_on_what_it_does_not_name(pack):
    text = (pack / "policy.toml").read_text(encoding="utf-8")
    start, end = text.index("[authority]"), text.index("[team]")
    (pack / "policy.toml").write_text(text[:start] + text[end:], encoding="utf-8")
    assert told(pack) == [("policy-missing-key", "laoshan/policy.toml")]


def test_a_measure_for_a_team_needs_shares(pack):
    text = (pack / "policy.toml").read_text(encoding="utf-8")
    start, end = text.index("[team]"), text.index("[vocabulary]")
    (pack / "policy.toml").write_text(text[:start] + text[end:], encoding="utf-8")
    problems = told(pack)
    assert {code for code, _ in problems} == {"policy-team-missing"}
    assert all(where.startswith("laoshan/measures.toml [") for _, where in problems)


PARAMETERS = [
    ("maximum = 3", "policy-unknown-key"),
    ("label = 7", "policy-wrong-value"),
    ("values = [{ from = 2018-01-01, value = ['0201'], cite = 'x' }]\nmax = 3", "parameter-kind"),
    ("values = [{ from = 2018/1/1, value = 1, cite = 'x' }]", "policy-file-syntax"),
    ("values = [{ from = '2018/1/1', value = 1, cite = 'x' }]", "policy-date-form"),
    ("values = [{ from = 20180101, value = 1, cite = 'x' }]", "policy-date-form"),
    ("values = [{ from = 2018-01-01, value = '１.５', cite = 'x' }]", "policy-number-form"),
    ("values = [{ from = 2018-01-01, value = nan, cite = 'x' }]", "policy-wrong-value"),
    ("values = [{ from = 2018-01-01, value = 1 }]", "policy-missing-key"),
    ("values = [{ from = 2018-01-01, value = 0.1234, cite = 'x' }]", "policy-too-fine"),
    ("values = [{ from = 2018-01-01, value = 2, cite = 'x' }]\nmax = 1", "parameter-bounds"),
    ("values = [{ from = 2018-01-01, inherit = true, cite = 'x' }]", "parameter-value"),
    (
        "values = [{ from = 2019-01-01, value = 1, cite = 'x' }, { from = 2018-01-01, value = 1, cite = 'x' }]",
        "parameter-days",
    ),
    ("unit = 3", "policy-wrong-value"),
]


@pytest.mark.parametrize(("lines", "code"), PARAMETERS)
def test_a_fault_in_a_parameter_is_told_with_its_name(pack, lines, code):
    base = {"label": "'x'", "unit": "'x'", "values": "[{ from = 2018-01-01, value = 1, cite = 'x' }]"}
    given = {line.split(" = ", 1)[0]: line.split(" = ", 1)[1] for line in lines.split("\n")}
    text = "\n".join(f"{key} = {value}" for key, value in (base | given).items())
    (pack / "parameters/extra.toml").write_text(f"[extra.x]\n{text}\n", encoding="utf-8")
    problems = told(pack)
    assert {found for found, _ in problems} == {code}
    assert all("extra.x" in where or code == "policy-file-syntax" for _, where in problems)


def test_a_parameter_declared_twice_is_told(pack):
    shutil.copy(pack / "parameters/special.toml", pack / "parameters/zz.toml")
    assert told(pack) == [("policy-id-twice", "laoshan/parameters/zz.toml")]


def test_a_value_outside_a_parameter_is_not_ignored(pack):
    (pack / "parameters/extra.toml").write_text("clerk = 0.2\n[team]\nx = 1\n", encoding="utf-8")
    problems = told(pack)
    assert {code for code, _ in problems} == {"policy-wrong-value"}
    assert [where.split(" ")[-1] for _, where in problems] == ["[clerk]", "[team.x]"]


OFFICE = {
    "parameter-may-not-set": "[team.assistant_share]\nreplaces = 0.3\n",
    "parameter-replaces-nothing": "[team.clerk]\n",
    "parameter-stale": "[team.clerk]\nreplaces = 0.2\n",
    "parameter-bounds": "[team.clerk]\nreplaces = 0.1\nHIGH",
    "override-of-nothing": "[team.clark]\nreplaces = 0.1\n",
}


@pytest.mark.parametrize("code", OFFICE)
def test_what_an_office_sets_is_checked_against_the_law(pack, tmp_path, code):
    shares = pack / "parameters/shares.toml"
    locked = "\n[team.assistant_share]\nlabel = 'x'\nunit = 'x'\nvalues = [{ from = 2018-01-01, value = 0.3, cite = 'x' }]\n"
    shares.write_text(shares.read_text(encoding="utf-8") + locked, encoding="utf-8")
    (tmp_path / "office/parameters").mkdir(parents=True)
    value = "5" if "HIGH" in OFFICE[code] else "0.2"
    said = f"{OFFICE[code].replace('HIGH', '')}values = [{{ from = 2025-01-01, value = {value}, cite = '本院' }}]\n"
    (tmp_path / "office/parameters/own.toml").write_text(said, encoding="utf-8")
    ((found, where),) = told(pack, office_layer=tmp_path / "office")
    assert found == code
    assert where.startswith("office/parameters/own.toml [team.")


def test_an_office_may_set_what_it_is_allowed_to_and_that_is_another_law(pack, tmp_path):
    (tmp_path / "office/parameters").mkdir(parents=True)
    said = "[team.clerk]\nreplaces = 0.1\nvalues = [{ from = 2025-01-01, value = 0.2, cite = '本院' }]\n"
    (tmp_path / "office/parameters/own.toml").write_text(said, encoding="utf-8")
    with_office = load_policy(pack, office_layer=tmp_path / "office")
    assert with_office.version != load_policy(pack).version


def test_all_faults_of_a_pack_are_told_at_once(pack):
    edit(pack, "policy.toml", 'final_when = "archive_accepted_on', 'final_when = "archive_acepted_on')
    edit(pack, "policy.toml", "", '[[indicators]]\nid = "x"\nlabel = "x"\nparent = "nowhere"')
    edit(pack, "measures.toml", 'date = "decided_on"', 'date = "decided_at"')
    edit(pack, "points.csv", "", "x1,甲,case_closed,,,,,quantity,0.0001,,,,,,,出处,\nx2,甲,乙")
    edit(pack, "authority.csv", "", "document_made,1,,captain,,出处")
    edit(pack, "parameters/special.toml", "max = 3", "max = 1")
    assert sorted({code for code, _ in told(pack)}) == [
        "parameter-bounds",
        "policy-row-width",
        "policy-too-fine",
        "policy-unknown-name",
        "rule-unknown-column",
    ]


def test_every_fault_of_policy_toml_is_told_at_once(pack):
    edit(pack, "policy.toml", 'level = "office"\n', 'level = "street"\nlabbel = "x"\n')
    edit(pack, "policy.toml", 'jurisdiction = "370212"\n', "")
    assert sorted(code for code, _ in told(pack)) == [
        "policy-missing-key",
        "policy-unknown-key",
        "policy-wrong-value",
    ]


def test_an_unknown_key_comes_with_the_nearest_known_one(pack):
    edit(pack, "policy.toml", 'final_when = "archive', 'final_wen = "archive')
    with pytest.raises(FaultsError) as faults:
        load_policy(pack)
    nearest = {each.fields.get("key"): each.fields.get("nearest") for each in faults.value.problems}
    assert nearest["gates.archive.final_wen"] == "final_when"


@pytest.mark.parametrize("name", ["policy.toml", "measures.toml", "points.csv", "authority.csv"])
def test_a_file_in_another_encoding_is_refused_and_not_misread(pack, name):
    file = pack / name
    file.write_bytes(file.read_text(encoding="utf-8-sig").encode("gb18030"))
    assert ("policy-file-encoding", f"laoshan/{name}") in told(pack)


@pytest.mark.parametrize("name", ["policy.toml", "measures.toml", "points.csv", "parameters/special.toml"])
def test_a_file_may_begin_with_the_mark_that_spreadsheets_write(pack, name):
    text = (pack / name).read_text(encoding="utf-8-sig")
    (pack / name).write_text(text, encoding="utf-8")
    without = load_policy(pack)
    (pack / name).write_text(text, encoding="utf-8-sig")
    assert load_policy(pack).version == without.version


@pytest.mark.parametrize("name", ["policy.toml", "measures.toml", "points.csv"])
def test_a_missing_file_is_told(pack, name):
    (pack / name).unlink()
    assert ("policy-file-missing", f"laoshan/{name}") in told(pack)


def test_an_empty_table_is_told(pack):
    (pack / "points.csv").write_text("", encoding="utf-8")
    assert told(pack) == [("policy-table-empty", "laoshan/points.csv")]


def test_a_quotation_that_is_never_closed_is_told(pack):
    edit(pack, "points.csv", "", 'x1,"甲,case_closed')
    lines = len((pack / "points.csv").read_text(encoding="utf-8-sig").splitlines())
    assert told(pack) == [("policy-file-syntax", f"laoshan/points.csv:{lines}")]


def test_a_cell_may_hold_line_breaks_and_the_rows_after_it_keep_their_places(pack):
    edit(pack, "points.csv", "", 'x1,"甲\n乙, 丙",case_closed,,,,,quantity,1,,,,,,,出处,')
    assert load_policy(pack).points[-1].label == "甲\n乙, 丙"
    lines = len((pack / "points.csv").read_text(encoding="utf-8-sig").splitlines())
    edit(pack, "points.csv", "", "x2,甲")
    assert told(pack) == [("policy-row-width", f"laoshan/points.csv:{lines + 1}")]


def test_blank_lines_and_windows_line_ends_are_nothing(pack):
    before = load_policy(pack)
    text = (pack / "points.csv").read_text(encoding="utf-8-sig").replace("\n", "\r\n")
    (pack / "points.csv").write_bytes(f"{text}\r\n,,,,,,,,,,,,,,,,\r\n\r\n".encode())
    assert load_policy(pack).version == before.version


def test_a_file_of_unreasonable_size_is_refused(pack):
    (pack / "points.csv").write_bytes(b"x" * 5_000_001)
    assert told(pack) == [("policy-file-too-large", "laoshan/points.csv")]


EXAMPLE = """
[[example]]
name = "例"
period = "2025"
people = { wang = { role = "clerk" } }
points = { wang = 0 }
facts = {}
"""


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("points =", "ponts =", "policy-unknown-key"),
        ('name = "例"\n', "", "policy-missing-key"),
        ('period = "2025"', "period = 2025", "policy-wrong-value"),
        ("facts = {}", "facts = { spaceship = [] }", "example-unknown-entity"),
        ("facts = {}", "facts = { case = [{ catgory = '1' }] }", "row-missing-value"),
        ('role = "clerk"', 'role = "captain"', "row-unknown-code"),
        ("points = { wang = 0 }", "points = { wang = 1 }", "example-differs"),
        ("points = { wang = 0 }", "final = { wang = 1 }", "example-differs"),
        (
            "points = { wang = 0 }",
            "entries = [{ person = 'wang', rule = 'in_time' }]",
            "example-entry-missing",
        ),
        ('period = "2025"', 'period = "2017"', "example-stopped"),
        ('period = "2025"', 'period = "someday"', "example-stopped"),
        ("[[example]]", "[[example]", "policy-file-syntax"),
    ],
)
def test_an_example_that_does_not_hold_is_told(pack, old, new, code):
    for file in (pack / "examples").glob("*.toml"):
        file.unlink()
    assert EXAMPLE.count(old) == 1
    (pack / "examples/own.toml").write_text(EXAMPLE.replace(old, new), encoding="utf-8")
    _, problems = check_examples(load_policy(pack))
    assert code in {each.code for each in problems}


def test_a_policy_without_examples_is_told(pack):
    shutil.rmtree(pack / "examples")
    count, problems = check_examples(load_policy(pack))
    assert (count, [each.code for each in problems]) == (0, ["example-none"])


def test_the_version_names_the_law_and_not_its_files(pack):
    """Remarks and the order of rows of a table of parameters do not make another law; a value does."""
    before = load_policy(pack).version
    edit(pack, "policy.toml", "", "# 一条注释")
    assert load_policy(pack).version == before
    edit(pack, "parameters/special.toml", "value = 1.5", "value = 1.6")
    assert load_policy(pack).version != before
