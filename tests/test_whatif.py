"""A draft: one more layer that may set anything within the bounds, must say what it replaces, and is never kept."""

import datetime as dt

import pytest

from compare_world import WORLD, compared, deployment, held, law, run
from jianheng.errors import JianhengError
from jianheng.scoring.comparison.whatif import with_draft, with_draft_text
from jianheng.scoring.law.policy import load_policy
from mini_pack import write_pack
from upstream import sync_world

LARGE = "[factor.large]\nreplaces = 2\nvalues = [{ from = 2025-07-01, value = 3, cite = '草案' }]\n"


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    return law(tmp_path_factory.mktemp("mini") / "mini")


def edited(folder, *edits):
    return law(folder / "mini", *edits)


def problems(policy, text):
    with pytest.raises(JianhengError) as wrong:
        with_draft_text(policy, text, "draft.toml")
    return [
        (each.code, str(each.fields.get("where", each.fields.get("file", ""))))
        for each in wrong.value.problems
    ]


# What a draft says holds as if the law said it.


def test_a_parameter_of_a_draft_holds_as_if_the_law_said_it(mini, tmp_path):
    tried = with_draft_text(mini, LARGE, "draft.toml")
    written = edited(
        tmp_path, ("parameters/numbers.toml", "from = 2025-07-01, value = 2", "from = 2025-07-01, value = 3")
    )
    by_draft, by_law = compared(mini, tried), compared(mini, written)
    assert by_draft.lines.num_rows > 0
    assert by_draft.lines.equals(by_law.lines)
    assert tried.version not in {mini.version, written.version}


@pytest.mark.parametrize("since", ["", "from = 2025-06-01\n"])
def test_points_of_a_draft_hold_from_their_day_on(mini, tmp_path, since):
    tried = with_draft_text(mini, f"[points.made_p]\npoints = 4\nreplaces = 3\n{since}", "draft.toml")
    row = "made_p,检察官文书,made,charge;report,,quota_prosecutor,papers,3,,,,第四条"
    new = row.replace(",3,,,,", ",4,,,,")
    if since:
        new = row.replace(",3,,,,", ",3,,,2025-06-01,") + "\n" + row.replace(",3,,,,", ",4,,2025-06-01,,")
    written = edited(tmp_path, ("points.csv", row, new))
    by_draft, by_law = compared(mini, tried), compared(mini, written)
    assert by_draft.lines.num_rows > 0
    assert by_draft.lines.equals(by_law.lines)
    if since:
        assert min(by_draft.lines["day"].to_pylist()) >= dt.date(2025, 6, 1)


def test_points_and_a_group_of_parameters_named_points_are_told_apart(mini):
    text = "[points.bonus]\nlabel = '加分'\nunit = '分'\nvalues = []\n[points.made_p]\npoints = 4\nreplaces = 3\n"
    tried = with_draft_text(mini, text, "draft.toml")
    assert "points.bonus" in tried.layers[-1].declarations
    assert {row.points for row in tried.points if row.id == "made_p"} == {4}


def test_a_draft_may_stand_in_a_folder_like_an_offices_own_layer(mini, tmp_path):
    folder = tmp_path / "draft"
    (folder / "parameters").mkdir(parents=True)
    (folder / "parameters" / "large.toml").write_text(LARGE, encoding="utf-8")
    (folder / "points.csv").write_text(
        "id,label,measure,code,role,indicator,points,replaces,from,cite\n"
        "made_p,检察官文书,made,charge;report,quota_prosecutor,papers,4,3,,草案\n"
        "closed,办结,closed,,,work,12,10,2025-07-01,草案\n",
        encoding="utf-8",
    )
    tried = with_draft(mini, folder)
    assert {"made_p": 4, "closed": 12}.items() <= {row.id: row.points for row in tried.points}.items()
    assert tried.layers[-1].name == "draft"


def test_a_draft_lies_over_the_offices_own_layer(tmp_path):
    pack = write_pack(
        tmp_path / "mini",
        ("parameters/numbers.toml", "[factor.large]\nlabel", '[factor.large]\nmay_set = ["office"]\nlabel'),
    )
    own = tmp_path / "own" / "parameters"
    own.mkdir(parents=True)
    (own / "own.toml").write_text(LARGE.replace("value = 3", "value = 2.5"), encoding="utf-8")
    now = load_policy(pack, office_layer=tmp_path / "own")
    assert problems(now, LARGE) == [("parameter-stale", "draft.toml [factor.large]")]
    tried = with_draft_text(now, LARGE.replace("replaces = 2", "replaces = 2.5"), "draft.toml")
    assert [layer.name for layer in tried.layers] == ["mini", "own", "draft.toml"]


# What it may, and what it may not.


def test_a_draft_may_set_what_the_law_keeps_from_an_office_but_not_beyond_its_bounds(tmp_path):
    bounded = edited(
        tmp_path,
        ("parameters/numbers.toml", "[factor.large]\nlabel", "[factor.large]\nmin = 1\nmax = 3\nlabel"),
    )
    assert with_draft_text(bounded, LARGE, "draft.toml")
    assert problems(bounded, LARGE.replace("value = 3", "value = 3.5")) == [
        ("parameter-bounds", "draft.toml [factor.large]")
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (LARGE.replace("replaces = 2", "replaces = 1.5"), "parameter-stale"),
        (LARGE.replace("replaces = 2\n", ""), "parameter-replaces-nothing"),
        ("[factor.huge]\nvalues = [{ from = 2025-01-01, value = 2, cite = '草案' }]", "parameter-undeclared"),
        ("[points.made_p]\npoints = 4\nreplaces = 5", "override-stale"),
        ("[points.made_p]\npoints = 4", "override-unmarked"),
        ("[points.made_q]\npoints = 4\nreplaces = 3", "policy-unknown-name"),
        ("[points.made_p]\npoint = 4", "policy-unknown-key"),
        ("[points.made_p]\npoints = 4.00001\nreplaces = 3", "policy-too-fine"),
        ("[points.made_p", "policy-file-syntax"),
        ("points = 4", "policy-wrong-value"),
        ("", "whatif-empty"),
        ("# nothing yet", "whatif-empty"),
    ],
)
def test_a_draft_that_does_not_fit_is_refused(mini, text, code):
    found = problems(mini, text)
    assert code in {each for each, _ in found}
    assert all(where.startswith("draft.toml") for _, where in found)


def test_everything_wrong_with_a_draft_is_told_at_once(mini):
    text = (
        LARGE.replace("replaces = 2", "replaces = 1")
        + "[points.made_q]\npoints = 4\n[points.made_p]\npoints = 1\n"
    )
    assert {code for code, _ in problems(mini, text)} == {
        "parameter-stale",
        "policy-unknown-name",
        "override-unmarked",
    }


# The command.


@pytest.fixture
def office(lite_store, tmp_path, monkeypatch):
    """An office whose year is scored, and a draft over its policy."""
    sync_world(lite_store, WORLD)
    (tmp_path / "draft.toml").write_text(LARGE, encoding="utf-8")
    return deployment(tmp_path, lite_store, monkeypatch)


def test_nothing_of_a_draft_is_kept(office, lite_store):
    assert run(office, "score").code == 0
    file = office / "store.db"
    rows, content = held(lite_store), file.read_bytes()
    for words in (
        (),
        ("--json",),
        ("-o", office / "out.html"),
        ("-o", office / "out.xlsx"),
        ("--period", "2024"),
    ):
        told = run(office, "whatif", office / "draft.toml", *words)
        assert told.code == 0, told.text
    assert held(lite_store) == rows
    assert file.read_bytes() == content


def test_the_command_compares_the_policy_in_force_with_the_draft(office):
    told = run(office, "whatif", office / "draft.toml", "--json").json()
    (found,) = told["comparisons"]
    assert found["a"]["policy"] == found["b"]["policy"] == "mini"
    assert "现行" in found["a"]["label"]
    assert "draft.toml" in found["b"]["label"]
    assert found["moved"] > 0


def test_a_draft_that_is_not_there_is_refused(office):
    told = run(office, "whatif", office / "none.toml", "--json")
    assert (told.code, list(told.errors())) == (2, ["policy-file-missing"])
