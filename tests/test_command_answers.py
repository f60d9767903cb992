"""What commands answer to what is typed wrongly, and what they say of what they leave out or write."""

import contextlib
import re

import pytest

from closing_world import NEXT, closed_case, closed_office, law_in, paper, score, volume, world
from compare_world import WORLD, deployment, install, run, write_layer
from jianheng.cli import demo
from jianheng.cli.output import check_place, write_whole
from jianheng.errors import StopError
from jianheng.messages import LANGUAGES, set_language, some_of, text
from jianheng.scoring.explanation.asked import Asked
from jianheng.scoring.explanation.explain import explain
from jianheng.scoring.law.period import period
from mini_pack import write_pack
from upstream import OFFICE, sync_world


@pytest.fixture
def office(lite_store, tmp_path, monkeypatch):
    """An office with facts and the mini pack in force; commands run in its folder."""
    sync_world(lite_store, WORLD)
    monkeypatch.chdir(tmp_path)
    return deployment(tmp_path, lite_store, monkeypatch)


def refusal(folder, *words):
    """Run a command that stops; return the one error it tells."""
    told = run(folder, *words, "--json")
    assert told.code == 2, told.text
    ((code, parts),) = told.errors().items()
    return code, parts


# Periods.


@pytest.mark.parametrize("words", [("reproduce",), ("adjustments",), ("close", "--show")])
@pytest.mark.parametrize(
    ("name", "code"), [("2025-13", "period-unknown"), ("abc", "period-unknown"), ("2025", "close-not-closed")]
)
def test_what_is_no_period_is_not_called_open(office, words, name, code):
    assert refusal(office, *words, name)[0] == code


def test_a_period_that_only_the_calendar_names_is_a_period(lite_store, tmp_path, monkeypatch):
    calendar = (
        '[calendar]\nperiods = [{ id = "spring", label = "春", start = 2025-01-01, end = 2025-05-01 }]\n'
    )
    folder = deployment(tmp_path, lite_store, monkeypatch, ("policy.toml", "[source]", f"{calendar}[source]"))
    assert refusal(folder, "reproduce", "spring")[0] == "close-not-closed"
    install(monkeypatch)  # the pack is gone
    assert refusal(folder, "reproduce", "2025")[0] == "close-not-closed"
    assert refusal(folder, "reproduce", "abc")[0] == "period-unknown"


def test_a_wrong_period_is_told_before_that_both_sides_are_the_same(office):
    assert refusal(office, "compare", "mini", "mini", "--period", "2025-13")[0] == "period-unknown"
    assert refusal(office, "compare", "mini", "mini", "--period", "2025")[0] == "compare-same"


@pytest.mark.parametrize(
    ("words", "given", "other"),
    [
        (("--list", "2025"), "--list", "周期"),
        (("--verify", "x.json", "2025"), "--verify", "周期"),
        (("--list", "--verify", "x.json"), "--list", "--verify"),
        (("--show", "2025", "--by", "王检"), "--show", "--by"),
        (("--list", "-o", "x.json"), "--list", "-o"),
    ],
)
def test_what_would_have_no_effect_on_a_closing_is_refused(office, words, given, other):
    code, parts = refusal(office, "close", *words)
    assert code == "cli-not-together"
    assert given in parts["what"]
    assert other in parts["what"]


def test_a_list_alone_is_still_a_list(office):
    assert run(office, "close", "--list", "--json").json() == {"ok": True, "closed": []}


# Names.


def test_where_nothing_is_near_the_first_names_stand_and_how_many_more():
    names = [f"n{number:02d}" for number in range(13)]
    assert some_of(names[:10]) == "、".join(names[:10])
    assert some_of(names) == f"{'、'.join(names[:10])} 等, 另有 3 个"
    assert some_of([]) == "—"


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("explain", "990101-1", "--indicator", "zzzz"), "explain-no-such-indicator", "papers、total、work"),
        (("explain", "990101-1", "--rule", "qqqq"), "explain-no-such-rule", "closed、made_a、made_p"),
        (("measure", "run", "xxxx"), "policy-unknown-name", "closed、made"),
        (("zzzz",), "cli-unknown-command", "adjustments、backtest"),
    ],
)
def test_an_answer_to_a_name_like_no_other_lists_those_there_are(office, words, code, named):
    if words[0] == "explain":
        assert run(office, "score", "--period", "2025").code == 0
    found, parts = refusal(office, *words)
    assert found == code
    assert named in parts["do"]


def test_the_kind_of_a_name_is_told_in_the_language_in_force(office):
    _, parts = refusal(office, "measure", "run", "xxxx")
    assert parts["what"] == "引用了不存在的计量: xxxx"
    _, parts = refusal(office, "publish", "xxxx")
    assert parts["what"] == "配置中没有名为 xxxx 的目标"


# Files and folders.


@pytest.mark.parametrize("name", ["", "  "])
def test_a_new_pack_without_a_folders_name_is_refused(office, name):
    before = sorted(each.name for each in office.iterdir())
    assert refusal(office, "policy", "new", name)[0] == "policy-new-no-folder"
    assert sorted(each.name for each in office.iterdir()) == before


def test_a_new_pack_says_which_folders_it_makes(office):
    told = run(office, "policy", "new", "deep/er/pack", "--json").json()
    assert told["folders"] == ["deep", "deep/er", "deep/er/pack"]
    assert "新建文件夹: deep/er/other" in run(office, "policy", "new", "deep/er/other").out


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (("policy", "docs", "mini", "-o"), "none/law.md"),
        (("policy", "docs", "mini", "-o"), "taken"),
        (("policy", "schema", "policy", "-o"), "deployment.toml"),
        (("policy", "new"), "deployment.toml/x"),
        (("whatif", "x.toml", "-o"), "none/x.html"),
        (("calibrate", "-o"), "none/x.toml"),
        (("explain", "990101-1", "--html"), "none/x.html"),
        (("close", "2025", "-o"), "none/x.json"),
    ],
)
def test_a_file_that_cannot_be_written_is_named(office, words, place):
    (office / "taken").mkdir()
    code, parts = refusal(office, *words, office / place)
    assert code == "cli-file-unwritable"
    assert str(office / place.removesuffix("/x")) in parts["what"]


def test_a_file_that_was_there_stays_whole_when_another_cannot_be_written(tmp_path, monkeypatch):
    file = tmp_path / "x"
    write_whole(file, b"old")

    def full(_self, _content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(StopError) as refused:
        write_whole(file, b"new")
    assert refused.value.code == "cli-file-unwritable"
    assert file.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
    check_place(None)


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (("policy", "docs", "nosuch"), 'jianheng policy docs "nosuch"'),
        (("policy", "new", "fresh", "--extends", "nosuch"), 'jianheng policy new --extends "nosuch"'),
    ],
)
def test_a_pack_that_is_not_there_is_told_where_it_was_typed(office, words, where):
    code, parts = refusal(office, *words)
    assert (code, parts["where"]) == ("policy-not-found", where)


def test_a_draft_in_a_folder_that_is_not_read_names_its_files(office):
    folder = office / "draft"
    folder.mkdir()
    (folder / "draft.toml").write_text("[factor.large]\n", encoding="utf-8")
    code, parts = refusal(office, "whatif", folder)
    assert (code, parts["where"]) == ("whatif-unread", str(folder))
    assert "draft.toml" in parts["what"]
    assert "parameters/*.toml" in parts["do"]
    write_layer(folder, "3")  # something is read now, and still the other file is not passed over
    assert refusal(office, "whatif", folder)[0] == "whatif-unread"
    (folder / "draft.toml").rename(folder / "notes.md")
    assert run(office, "whatif", folder).code == 0


# The demonstration.


def test_the_explanation_of_the_demonstration_stands_under_its_own_heading(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(demo, "_sync", lambda *_: [])
    monkeypatch.setattr(demo, "_score", lambda *_: [{"run_id": 1}])
    monkeypatch.setattr(demo, "_publish", lambda *_: [])
    monkeypatch.setattr(demo, "_publishing", lambda *_: contextlib.nullcontext([]))
    monkeypatch.setattr(demo, "_published", lambda _running: [])
    monkeypatch.setattr(demo, "_best", lambda *_: "somebody")
    monkeypatch.setattr(demo, "explanation", lambda *_: {})
    monkeypatch.setattr(demo, "_one_case", lambda *_: {})
    monkeypatch.setattr(demo, "print_tree", lambda *_, **__: demo.print_line("THE TREE"))
    (tmp_path / "deployment.toml").write_text(
        f'[office]\ncode = "{OFFICE}"\nname = "院"\n[policy]\npack = "laoshan"\nperiods = ["2025"]\n',
        encoding="utf-8",
    )
    demo._work(demo.Session({}), demo._Steps(quiet=False), tmp_path)
    out = capsys.readouterr().out
    headings = [line for line in out.splitlines() if line.startswith("■") or line == "THE TREE"]
    assert headings[headings.index("THE TREE") - 1] == f"■ {text('demo-explain')}"


# Gates.

SECOND_GATE = (
    "policy.toml",
    "[authority]",
    """[[gates]]
id = "checked"
label = "审结"
final_when = "concluded_on is not null"
measures = ["made"]

[authority]""",
)


@pytest.fixture
def gated(lite_store, tmp_path):
    """A year scored under two gates on papers: A passed the first only, B the second only, C none."""
    law = law_in(tmp_path, SECOND_GATE)
    told = world()
    told["case"] = [
        closed_case("A", concluded_on=None),
        closed_case("B"),
        closed_case("C", concluded_on=None),
    ]
    told["document"] = [paper(name.lower(), name) for name in "ABC"]
    told["archive_volume"] = [volume("A")]
    sync_world(lite_store, told)
    score(lite_store, law, "2025")
    return lite_store, law, told


def until(store, law):
    with store.connect() as connection:
        found = explain(connection, OFFICE, law, period("2025"), "wang", ("world",), Asked(rule="made_p"))
    nodes = [node for sheet in found["sheets"] for node in sheet["indicators"]]
    return {
        entry["case_no"]: (entry["state"], entry["until_gates"])
        for node in nodes
        for rule in node["rules"]
        for entry in rule["entries"]
    }


def test_of_several_gates_those_that_are_open_are_told(gated):
    store, law, told = gated
    expected = {
        "A": ("provisional", ["审结"]),
        "B": ("provisional", ["归档"]),
        "C": ("provisional", ["归档", "审结"]),
    }
    assert until(store, law) == expected
    # What is known since, but not scored yet, changes no word of the explanation.
    sync_world(store, told | {"archive_volume": [volume("A"), volume("B")]})
    assert until(store, law) == expected
    score(store, law, "2025")
    assert until(store, law) == expected | {"B": ("final", [])}


# Corrections.


def test_a_comparison_names_the_corrections_that_it_leaves_out(lite_store, tmp_path, monkeypatch):
    law = law_in(tmp_path, NEXT)
    facts = world()
    closed_office(lite_store, law, facts)
    facts["document"].append(paper("e", "A"))
    facts["case"].append(closed_case("C", concluded_on="2026-02-03"))
    sync_world(lite_store, facts)
    folder = deployment(tmp_path / "desk", lite_store, monkeypatch, NEXT)
    dearer = write_pack(tmp_path / "dearer" / "mini", NEXT, ("points.csv", ",work,10,", ",work,11,"))
    words = ("compare", "mini", dearer, "--period", "2026", "--no-office-layer")

    def compared():
        told = run(folder, *words, "--json")
        assert told.code == 0, told.text
        (found,) = told.json()["comparisons"]
        return found["left_out"], [each for each in told.json()["notices"] if "已结账的 2025" in each]

    found, (notice,) = compared()
    assert found == {"corrects": ["2025"], "entries": None, "points": None}
    assert "还没有评分" in notice
    score(lite_store, law_in(tmp_path / "again", NEXT), "2026")
    found, (notice,) = compared()
    assert found == {"corrects": ["2025"], "entries": 1, "points": "3.000"}
    assert "有 1 条 (3.000 分) 更正已结账的 2025" in notice
    assert notice in run(folder, "backtest", dearer, "--periods", "2026").out
    (plain,) = run(folder, *words[:-3], "--period", "2025", "--json").json()["comparisons"]
    assert plain["left_out"] is None


# Words.


def test_score_and_compare_call_the_same_thing_by_the_same_word():
    for language in LANGUAGES:
        set_language(language)
        line = text("cli-score-line")
        for row in ("uncounted", "withheld"):
            assert text(f"compare-row-{row}") in line
        assert re.search(r"条目|entries", text("compare-row-entries"))


def test_what_compare_counts_adds_up_to_what_score_counts(office):
    (done,) = run(office, "score", "--period", "2025", "--json").json()["runs"]
    dearer = write_pack(office / "dearer" / "mini", ("points.csv", ",work,10,", ",work,11,"))
    (found,) = run(office, "compare", "mini", dearer, "--json").json()["comparisons"]
    assert all(
        sum(found["totals"][side][name] for name in ("entries", "uncounted", "others")) == done["lines"]
        for side in "ab"
    )
    assert found["totals"]["a"]["points"] == f"{done['points'] / 1000:.3f}"
