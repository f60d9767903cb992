"""A policy over past periods: on the facts known now, against what was in force, and marked where it was not in force."""

import datetime as dt
from dataclasses import replace

import pytest

from compare_world import OPEN, WORLD, YEAR, compared, deployment, held, law, run, snapshot, write_layer
from jianheng.errors import StopError
from jianheng.scoring.comparison.backtest import backtest
from jianheng.scoring.comparison.compare import side
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import varied
from mini_pack import write_pack
from upstream import case, document, facts_of, sync_world

RICHER = ("points.csv", "report,,quota_prosecutor,papers,3", "report,,quota_prosecutor,papers,4")
OLD = {
    **WORLD,
    "case": [
        *WORLD["case"],
        case("O1", handler_key="990101-1", accepted_on="2022-01-02", concluded_on="2022-05-04"),
        case("O2", handler_key="990101-2", accepted_on="2022-01-02", concluded_on="2023-05-04"),
    ],
    "suspect": [
        *WORLD["suspect"],
        *({"suspect_key": f"o{n}", "case_no": "O1", "suspect_no": n} for n in range(2)),
    ],
    "document": [
        *WORLD["document"],
        document("o1", "O1", template_code="report", drafter_key="990101-1", drafted_on="2022-05-03"),
    ],
}
BANDS = """
[grades]
bands = [
  { id = "good", label = "优秀", at_least = 40 },
  { id = "plain", label = "称职", less_than = 40 },
]
"""


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    return law(tmp_path_factory.mktemp("mini") / "mini")


def known(world=OLD):
    return replace(snapshot(), facts=facts_of(world))


def test_each_period_is_what_the_policy_gives_for_it(mini):
    lines = backtest(known(), "甲", mini, ["2025", "2024"], {})
    assert [each.period.id for each in lines] == ["2024", "2025"]
    for line in lines:
        placed = side(known(), mini, line.period).result.standings
        own = [each.points for each in placed if each.sheet == "prosecutor"]
        assert (line.sheets[0].spread.count, line.sheets[0].spread.most) == (len(own), max(own))
        assert (line.in_force, line.same, line.sheets[0].against) == ("", False, None)


def test_it_is_held_against_the_policy_in_force_then(tmp_path):
    graded = law(tmp_path / "a" / "mini", ("policy.toml", "", BANDS))
    richer = law(tmp_path / "b" / "mini", ("policy.toml", "", BANDS), RICHER)
    (line,) = backtest(known(), "乙", richer, ["2025"], {"2025": ("甲", graded)})
    wanted = compared(graded, richer, known()).sheets[0]
    assert line.in_force == "甲"
    assert line.sheets[0].against.other_grade == wanted.other_grade > 0
    assert line.sheets[0].against.moved == wanted.moved
    assert dict(line.sheets[0].grades) == {
        label: sum(each.grade_b == label for each in wanted.moves) for label in ("优秀", "称职")
    }
    (own,) = backtest(known(), "甲", graded, ["2025"], {"2025": ("甲", graded)})
    assert (own.same, own.sheets[0].against) == (True, None)


def test_periods_before_the_first_day_are_refused_by_name(mini):
    with pytest.raises(StopError) as early:
        backtest(known(), "甲", mini, ["2022", "2025", "2023-Q4"], {})
    assert early.value.code == "backtest-not-in-force"
    assert early.value.problem.fields["periods"] == "2022、2023-Q4"


def test_where_nobody_is_scored_there_is_nothing_to_tell(mini):
    with pytest.raises(StopError) as nobody:
        backtest(known({"case": OLD["case"]}), "甲", mini, ["2025"], {})
    assert nobody.value.code == "compare-nobody"


# As if it had been in force.


def test_as_if_in_force_is_marked_and_moves_no_later_period(mini):
    lines = backtest(known(), "甲", mini, ["2022", "2023", "2025"], {}, as_if=True)
    assert [each.as_if for each in lines] == [True, True, False]
    assert lines[2] == backtest(known(), "甲", mini, ["2025"], {})[0]
    # O1: ten points and half as much again for two suspects; the report three, times the same.
    assert (lines[0].totals.points, lines[1].totals.points) == (15_000 + 4_500, 10_000)


def test_what_held_on_the_first_day_holds_before_it(mini, tmp_path):
    """Not what an earlier law said, nor what changed later."""
    edits = (
        (
            "parameters/numbers.toml",
            "{ from = 2024-01-01, value = 1.5",
            '{ from = 2020-01-01, value = 9, cite = "旧" },\n  { from = 2024-01-01, value = 1.5',
        ),
        (
            "points.csv",
            "closed,办结,closed,,,,work,10,,,,第三条",
            "closed,办结,closed,,,,work,99,,,2024-01-01,旧\nclosed,办结,closed,,,,work,10,,2024-01-01,2025-07-01,第三条\nclosed,办结,closed,,,,work,11,,2025-07-01,,修订",
        ),
        (
            "policy.toml",
            'closing = "concluded_on"',
            'closing = [{ rule = "completed_on" }, { from = 2024-01-01, rule = "concluded_on" }]',
        ),
    )
    dated = law(tmp_path / "mini", *edits)
    years = ["2022", "2023"]
    plain, moved = (
        [each.totals for each in backtest(known(), "甲", policy, years, {}, as_if=True)]
        for policy in (mini, dated)
    )
    assert moved == plain
    later = varied(dated, since=dt.date(2022, 1, 1))
    assert side(known(), later, YEAR).result.ledger.equals(side(known(), dated, YEAR).result.ledger)


def test_a_policy_is_as_it_was_where_its_first_day_is_earlier_already(mini):
    assert varied(mini, since=dt.date(2025, 1, 1)).version == mini.version
    assert varied(mini).version == mini.version
    assert varied(mini, since=dt.date(2020, 1, 1)).version != mini.version


# The command.


@pytest.fixture
def office(lite_store, tmp_path, monkeypatch):
    sync_world(lite_store, OLD)
    write_pack(tmp_path / "mini", OPEN, RICHER)
    return deployment(tmp_path, lite_store, monkeypatch)


def test_the_command_tells_a_line_a_year_and_keeps_nothing(office, lite_store):
    before = held(lite_store)
    words = ("backtest", office / "mini", "--periods", "2023,2024,2025", "--as-if-in-force")
    told = run(office, *words, "--json").json()
    assert [(each["period"], each["as_if"]) for each in told["periods"]] == [
        ("2023", True),
        ("2024", False),
        ("2025", False),
    ]
    assert [each["in_force"] for each in told["periods"]] == [None, "小政策 (现行)", "小政策 (现行)"]
    assert told["periods"][0]["sheets"][0]["against"] is None
    assert told["periods"][2]["sheets"][0]["against"]["moved"] > 0
    shown = run(office, *words)
    assert "2023年度 (假定施行)" in shown.out
    assert "不是当时的结果" in shown.out
    assert held(lite_store) == before


def test_by_default_the_configured_periods_are_told(office):
    told = run(office, "backtest", "mini", "--json").json()
    assert [each["period"] for each in told["periods"]] == ["2024", "2025"]
    assert all(each["same"] and each["sheets"][0]["against"] is None for each in told["periods"])


def test_a_period_that_was_closed_has_the_law_it_was_closed_by(office):
    """Whatever the policy says today."""
    assert run(office, "score").code == 0
    closed = run(office, "close", "2024", "--json")
    assert closed.code == 0, closed.text
    write_layer(office / "own", "3")
    file = office / "deployment.toml"
    file.write_text(file.read_text(encoding="utf-8") + 'layer = "own"\n', encoding="utf-8")
    told = run(office, "backtest", "mini", "--json").json()["periods"]
    assert [("结账" in each["in_force"], each["same"]) for each in told] == [(True, False), (False, True)]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("mini", "--periods", "2023,2024"), "backtest-not-in-force"),
        (("mini", "--periods", "2024,then"), "period-unknown"),
        (("nowhere",), "policy-not-found"),
    ],
)
def test_what_cannot_be_told_is_refused_with_a_code(office, monkeypatch, words, code):
    monkeypatch.chdir(office)
    told = run(office, "backtest", *words, "--json")
    assert (told.code, list(told.errors())) == (2, [code])


def test_the_window_is_of_the_policys_own_calendar(mini):
    assert backtest(known(), "甲", mini, ["2025-Q1"], {})[0].period == period("2025-Q1")
