"""Comparing: on the same facts every difference is found, told by whom and by which rule, and nothing is kept."""

import statistics
import zipfile
from fractions import Fraction
from html.parser import HTMLParser
from itertools import combinations

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compare_world import (
    OPEN,
    PEOPLE,
    WORLD,
    YEAR,
    compared,
    deployment,
    held,
    law,
    run,
    snapshot,
    write_layer,
)
from jianheng.errors import StopError
from jianheng.publish.comparison_blocks import notices, summary
from jianheng.publish.comparison_json import comparison_json
from jianheng.scoring.comparison.distribution import agreement, distribution
from jianheng.scoring.records.snapshot import read_snapshot
from mini_pack import write_pack
from upstream import sync_world

BANDS = """
[grades]
bands = [
  { id = "good", label = "优秀", at_least = 40 },
  { id = "plain", label = "称职", at_least = 10, less_than = 40 },
  { id = "poor", label = "不称职", less_than = 10 },
]
"""
CHANGES = {
    "points": ("points.csv", "report,,quota_prosecutor,papers,3", "report,,quota_prosecutor,papers,4"),
    "rule": ("points.csv", "made_a,助理文书", "made_x,助理文书"),
    "limit": ("points.csv", "papers,2,2,", "papers,2,1,"),
    "factor": ("parameters/numbers.toml", "value = 1.5", "value = 1.9"),
    "share": ("parameters/numbers.toml", "value = 0.6", "value = 0.5"),
    "authority": ("authority.csv", "made,report,,,,", "made,report,,quota_prosecutor,,"),
    "gone": ("points.csv", "closed,办结,closed,,,,work,10", "closed,办结,closed,,0201,,work,10"),
    "gate": ("policy.toml", 'final_when = "archive_accepted_on is not null"', 'final_when = "true"'),
}


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    return law(tmp_path_factory.mktemp("mini") / "mini")


# Figures.


@given(st.lists(st.integers(-9999, 9999), min_size=1, max_size=40))
def test_how_totals_lie_is_exact(totals):
    found = distribution(totals)
    rising = [Fraction(each) for each in sorted(totals)]
    assert (found.count, found.least, found.most) == (len(totals), min(totals), max(totals))
    assert found.mean == statistics.mean(rising)
    assert found.median == found.deciles[4] == statistics.median(rising)
    if len(totals) > 1:
        quartiles = statistics.quantiles(rising, n=4, method="inclusive")
        assert [found.first_quartile, found.median, found.third_quartile] == quartiles
        assert list(found.deciles) == statistics.quantiles(rising, n=10, method="inclusive")


def test_nobody_has_no_distribution():
    assert distribution([]) is None


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=30))
def test_two_orders_agree_pair_by_pair(totals):
    signs = [((a > c) - (a < c)) * ((b > d) - (b < d)) for (a, b), (c, d) in combinations(totals, 2)]
    found = agreement(totals)
    assert (found.pairs, found.alike, found.inverted) == (len(signs), signs.count(1), signs.count(-1))
    assert found.tied_a == sum(a == c for (a, _), (c, _) in combinations(totals, 2))
    assert found.tied_b == sum(b == d for (_, b), (_, d) in combinations(totals, 2))
    untied = (found.pairs - found.tied_a) * (found.pairs - found.tied_b)
    if untied == 0:
        assert found.tau is None
    else:  # the thousandth that is nearest to the root
        over = (found.alike - found.inverted) ** 2
        size = abs(found.tau)
        assert max(2 * size - 1, 0) ** 2 * untied <= over * 2000**2 or over == 0
        assert over * 2000**2 < (2 * size + 1) ** 2 * untied


@pytest.mark.parametrize(
    ("totals", "tau"),
    [([(1, 1), (2, 2), (3, 3)], 1000), ([(1, 3), (2, 2), (3, 1)], -1000), ([(1, 1), (1, 2), (2, 2)], 500)],
)
def test_tau_is_one_for_the_same_order_and_minus_one_for_the_opposite(totals, tau):
    assert agreement(totals).tau == tau


# Who moves, by which rule.


@pytest.mark.parametrize("change", [[each] for each in CHANGES] + [list(CHANGES)], ids="-".join)
def test_the_rules_tell_all_that_moves_where_indicators_are_sums(mini, tmp_path, change):
    found = compared(mini, law(tmp_path / "mini", *(CHANGES[each] for each in change)))
    moved = 0
    for sheet in found.sheets:
        for move in sheet.moves:
            assert sum(each.difference for each in move.effects) == move.difference
            moved += move.moved
    assert moved == found.moved
    assert found.lines.num_rows > 0
    whole = found.totals_b.points - found.totals_a.points
    assert sum(each.points_b - each.points_a for each in found.rules) == whole
    assert (
        sum(each.difference for sheet in found.sheets for move in sheet.moves for each in move.effects)
        == whole
    )


@pytest.mark.parametrize("change", [[each] for each in CHANGES] + [list(CHANGES)], ids="-".join)
def test_every_line_that_differs_is_listed_and_no_other(mini, tmp_path, change):
    found = compared(mini, law(tmp_path / "mini", *(CHANGES[each] for each in change)))
    lines = []
    for side in (found.a, found.b):
        told = [row for row in side.result.ledger.to_pylist() if row["rule_id"] != "-" and row["sheet"]]
        names = ("person_key", "measure", "item_key", "rule_id")
        lines.append({tuple(row[name] for name in names): row for row in told})
    wanted = {}
    for key in lines[0].keys() | lines[1].keys():
        a, b = (each.get(key) for each in lines)
        if not a or not b or any(a[name] != b[name] for name in ("points", "state", "withheld")):
            wanted[key] = (a and a["points"], b and b["points"])
    listed = {
        (row["person_key"], row["measure"], row["item_key"], row["rule_id"]): (
            row["points_a"] if row["state_a"] else None,
            row["points_b"] if row["state_b"] else None,
        )
        for row in found.lines.to_pylist()
    }
    assert listed == wanted


@pytest.mark.parametrize(
    ("change", "whys"),
    [
        ("points", {"unit-points"}),
        ("rule", {"rule-a", "rule-b"}),
        ("limit", {"void"}),
        ("factor", {"factors"}),
        ("share", {"share"}),
        ("authority", {"void"}),
        ("gone", {"only-a"}),
        ("gate", {"gate"}),
    ],
)
def test_it_is_told_what_differs(mini, tmp_path, change, whys):
    found = compared(mini, law(tmp_path / "mini", CHANGES[change]))
    assert set(found.lines["why"].to_pylist()) <= whys | {"share"}
    assert whys & set(found.lines["why"].to_pylist())


def test_who_moves_is_told_with_points_places_and_grades_before_and_after(tmp_path):
    plain = law(tmp_path / "a" / "mini", ("policy.toml", "", BANDS))
    richer = law(tmp_path / "b" / "mini", ("policy.toml", "", BANDS), CHANGES["points"])
    found = compared(plain, richer)
    (sheet, assistants) = found.sheets
    for move in sheet.moves:
        before = [each for each in found.a.result.standings if each.person_key == move.person_key]
        after = [each for each in found.b.result.standings if each.person_key == move.person_key]
        assert ([move.a], [move.b]) == (before, after)
        assert {move.grade_a, move.grade_b} <= {"优秀", "称职", "不称职"}
    changed = {(each.grade_a, each.grade_b) for each in sheet.moves if each.other_grade}
    assert changed
    assert sum(count for a, b, count in sheet.grades if a != b) == sheet.other_grade
    assert sum(count for _, _, count in sheet.grades) == 4
    differences = [abs(each.difference) for each in sheet.moves if each.moved]
    assert differences == sorted(differences, reverse=True)
    assert assistants.moved == 0


def test_who_is_scored_by_one_only_is_told(mini, tmp_path):
    sheet = '[[sheets]]\nid = "assistant"\nlabel = "助理"\nrole = "prosecutor_assistant"\n'
    found = compared(mini, law(tmp_path / "mini", ("policy.toml", sheet, "")))
    (_, assistants) = found.sheets
    assert {each.person_key for each in assistants.moves} == set(PEOPLE[4:])
    assert all(each.b is None and each.moved and each.difference is None for each in assistants.moves)
    assert assistants.b is None
    assert {why for move in assistants.moves for each in move.effects for why in [each.why]} == {"only-a"}
    told = [row for block in summary(found, {}) if block.id == "people" for row in block.rows]
    assert sum("B 不评此人" in str(row[-1]) for row in told) == 2


def test_sheets_are_matched_by_role_whatever_they_are_called(mini, tmp_path):
    other = law(tmp_path / "mini", ("policy.toml", 'id = "assistant"', 'id = "helper"'), CHANGES["points"])
    found = compared(mini, other)
    assert [each.role for each in found.sheets] == ["quota_prosecutor", "prosecutor_assistant"]
    assert all(each.a is not None and each.b is not None for sheet in found.sheets for each in sheet.moves)
    assert found.sheets[1].label == "助理"


def test_what_is_no_sum_of_rules_is_told_by_its_indicator(mini, tmp_path):
    bounded = law(
        tmp_path / "mini",
        ("policy.toml", 'label = "文书"\nparent = "work"', 'label = "文书"\nparent = "work"\nceiling = 5'),
    )
    found = compared(mini, bounded)
    (move, *_) = found.sheets[0].moves
    assert move.effects == ()
    shifted = {each.indicator: each.points_b - each.points_a for each in move.shifts}
    assert shifted == {"total": move.difference, "work": move.difference, "papers": move.difference}
    assert [each.indicator for each in move.shifts if not each.sums] == ["papers"]
    (row, *_) = [row for block in summary(found, {}) if block.id == "people" for row in block.rows]
    assert "指标「文书」" in row[-1]


def test_who_has_no_total_is_told_why(mini, tmp_path):
    node = (
        '[[indicators]]\nid = "votes"\nlabel = "评议"\nparent = "total"\nkind = "raters"\nrating = "peer"\n'
    )
    voted = law(tmp_path / "mini", ("policy.toml", "", f"{node}weights = {{ peer = 1 }}"))
    found = compared(mini, voted)
    assert all(each.difference is None and each.moved for sheet in found.sheets for each in sheet.moves)
    assert [each.without for each in found.sheets] == [(0, 4), (0, 2)]
    (row, *_) = [row for block in summary(found, {}) if block.id == "people" for row in block.rows]
    assert "缺少数据" in row[-1]


def test_who_only_changes_place_is_told_so(mini, tmp_path):
    found = compared(mini, law(tmp_path / "mini", CHANGES["factor"]))
    others = [each for each in found.sheets[0].moves if each.moved and each.difference == 0]
    told = [row for block in summary(found, {}) if block.id == "people" for row in block.rows]
    assert sum(row[-1] == "本人分数未变, 他人变动所致" for row in told) == len(others)


# What is refused.


def test_a_policy_is_not_compared_with_itself(mini, tmp_path):
    with pytest.raises(StopError) as same:
        compared(mini, law(tmp_path / "mini"))
    assert same.value.code == "compare-same"


def test_where_nobody_is_scored_there_is_nothing_to_compare(mini, tmp_path):
    empty = snapshot({"person": [], "case": WORLD["case"]} | {"posting": []})
    with pytest.raises(StopError) as nobody:
        compared(
            mini, law(tmp_path / "mini", ("policy.toml", 'label = "小政策"', 'label = "另一政策"')), empty
        )
    assert nobody.value.code == "compare-nobody"


def test_without_facts_there_is_nothing_to_try(lite_store):
    with pytest.raises(StopError) as nothing:
        read_snapshot(lite_store, snapshot().subject)
    assert nothing.value.code == "score-no-facts"


# The command, the workbook, the page.


@pytest.fixture
def office(lite_store, tmp_path, monkeypatch):
    sync_world(lite_store, WORLD)
    write_pack(tmp_path / "a" / "mini")
    write_pack(tmp_path / "b" / "mini", CHANGES["points"], CHANGES["rule"])
    return deployment(tmp_path, lite_store, monkeypatch)


def packs(office):
    return office / "a" / "mini", office / "b" / "mini"


def test_the_command_tells_people_what_it_tells_scripts(office, lite_store):
    before = held(lite_store)
    told = run(office, "compare", *packs(office), "--json").json()
    (found,) = told["comparisons"]
    wanted = compared(
        law(office / "x" / "mini"), law(office / "y" / "mini", CHANGES["points"], CHANGES["rule"])
    )
    expected = comparison_json(wanted, {})
    assert [each["order"] for each in found["sheets"]] == [each["order"] for each in expected["sheets"]]
    assert found["totals"] == expected["totals"]
    assert [
        (each["person"], each["difference"], each["rules"])
        for sheet in found["sheets"]
        for each in sheet["people"]
    ] == [
        (each["person"], each["difference"], each["rules"])
        for sheet in expected["sheets"]
        for each in sheet["people"]
    ]
    shown = run(office, "compare", *packs(office))
    assert shown.code == 0
    for each in (move for sheet in found["sheets"] for move in sheet["people"] if move["moved"]):
        assert each["name"] in shown.out
    assert "没有保存" in shown.out
    assert held(lite_store) == before


def test_the_period_is_each_policys_own(office):
    december = ("policy.toml", "[source]", '[calendar]\nyear_start = "12-26"\n\n[source]')
    write_pack(office / "c" / "mini", december)
    told = run(
        office, "compare", office / "a" / "mini", office / "c" / "mini", "--period", "2025", "--json"
    ).json()
    (found,) = told["comparisons"]
    assert (found["a"]["start"], found["b"]["start"]) == ("2025-01-01", "2024-12-26")
    assert any("2024-12-26" in line for line in told["notices"])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("a/mini", "a/mini"), "compare-same"),
        (("a/mini", "nowhere"), "policy-not-found"),
        (("a/mini", "b/mini", "--period", "2023"), "policy-not-in-force"),
        (("a/mini", "b/mini", "--period", "now"), "period-unknown"),
        (("a/mini", "b/mini", "-o", "x.docx"), "compare-file-form"),
        (("a/mini", "b/mini", "-o", "no/such/x.html"), "cli-file-unwritable"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_code(office, monkeypatch, words, code):
    monkeypatch.chdir(office)
    told = run(office, "compare", *words, "--json")
    assert (told.code, list(told.errors())) == (2, [code])


def test_the_deployments_policy_and_its_drafts_have_the_offices_layer_unless_told_otherwise(
    lite_store, tmp_path, monkeypatch
):
    sync_world(lite_store, WORLD)
    write_layer(tmp_path / "own", "3")
    folder = deployment(tmp_path, lite_store, monkeypatch, layer="own")
    draft = write_pack(tmp_path / "draft" / "mini", OPEN, CHANGES["points"])
    (layered,) = run(folder, "compare", "mini", draft, "--json").json()["comparisons"]
    (plain,) = run(folder, "compare", "mini", draft, "--no-office-layer", "--json").json()["comparisons"]
    assert all("含本院层" in layered[side]["label"] for side in "ab")
    assert {layered[side]["version"] for side in "ab"}.isdisjoint(plain[side]["version"] for side in "ab")
    rules = [{each["rule"] for each in found["rules"]} for found in (layered, plain)]
    assert rules == [{"made_p"}, {"made_p"}]  # what the office set for itself is no difference


def test_the_workbook_holds_everything_down_to_the_entry(office):
    file = office / "out.xlsx"
    told = run(office, "compare", *packs(office), "--json", "-o", file).json()
    book = openpyxl.load_workbook(file)
    lines = list(book["逐条目"].iter_rows(values_only=True))
    (found,) = told["comparisons"]
    head = next(number for number, row in enumerate(lines) if row[0] == "姓名")
    assert len(lines) - head - 1 == found["entries"] > 0
    moved = sum(row[9] for row in lines[head + 1 :])
    totals = found["totals"]
    assert round(moved, 3) == round(float(totals["b"]["points"]) - float(totals["a"]["points"]), 3)
    names = [row[0] for row in book["谁会变 检察官"].iter_rows(min_row=4, values_only=True)]
    assert {each["name"] for sheet in found["sheets"] for each in sheet["people"]} >= set(names)
    again = office / "again.xlsx"
    run(office, "compare", *packs(office), "-o", again)
    with zipfile.ZipFile(file) as one, zipfile.ZipFile(again) as other:
        assert one.namelist() == other.namelist()
        assert all(one.read(name) == other.read(name) for name in one.namelist())


class Page(HTMLParser):
    """What a page is made of: its tags stay balanced."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.addresses, self.told = [], set(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.addresses += [value for name, value in attrs if name in {"src", "href", "action"}]
        if tag not in {"meta", "line", "rect"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.told.append(data)


def test_the_page_needs_nothing_beside_it_and_escapes_everything(office):
    file = office / "out.html"
    assert run(office, "compare", *packs(office), "--lang", "en", "-o", file).code == 0
    text = file.read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.open == []
    assert "script" not in page.tags
    assert page.addresses == []
    assert "url(" not in text
    assert "b" not in page.tags
    assert "<b>化名1</b>" in "".join(page.told)
    assert "谁会变 检察官" in page.told  # Chinese whatever the terminal speaks


def test_notices_name_what_is_not_complete(mini, tmp_path):
    found = compared(mini, law(tmp_path / "mini", CHANGES["points"]))
    known = snapshot()
    assert len(notices(found, known)) == 1
    assert YEAR.id in known.members
