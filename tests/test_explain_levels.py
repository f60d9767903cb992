"""Each level of an explanation by itself: indicator, rule, entry, fact; what has no number says why."""

import shutil
from decimal import Decimal
from fractions import Fraction

import pytest

import explained_law
from explained_law import HOSTILE, WORLD, write_law
from jianheng.cli.explain_tree import print_tree
from jianheng.errors import StopError
from jianheng.facts.entities import DOCUMENT
from jianheng.messages import speaking
from jianheng.scoring.explanation.arithmetic import is_number
from jianheng.scoring.explanation.asked import Asked
from jianheng.scoring.explanation.explain import explain
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import load_policy
from jianheng.scoring.records.scope import Subject
from jianheng.scoring.run import score_periods
from jianheng.store.engine import open_store
from upstream import OFFICE, document, sync_world

YEAR = period("2025")
SUBJECT = Subject(OFFICE, (OFFICE,), ("world", "second"))


@pytest.fixture(scope="module")
def law(tmp_path_factory):
    return load_policy(write_law(tmp_path_factory.mktemp("pack") / "mini"))


@pytest.fixture(scope="module")
def store(set_up_file, tmp_path_factory, law):
    """A small office scored by every kind of indicator; explaining changes nothing in it."""
    file = tmp_path_factory.mktemp("scored") / "store.db"
    shutil.copyfile(set_up_file, file)
    engine = open_store(f"sqlite:///{file}")
    sync_world(engine, WORLD)
    second = document("d1", "A", template_code="report", name="另一名称", submitted_on="2025-03-05")
    sync_world(engine, {"document": [second]}, name="second")
    score_periods(engine, SUBJECT, law, [YEAR])
    yield engine
    engine.dispose()


def told(store, law, wanted="wang", when=YEAR, **asked):
    with store.connect() as connection:
        return explain(connection, OFFICE, law, when, wanted, ("world", "second"), Asked(**asked))


def walk(nodes):
    for node in nodes:
        yield node
        yield from walk(node["children"])


def nodes(found):
    return {node["id"]: node for sheet in found["sheets"] for node in walk(sheet["indicators"])}


def the_rule(found):
    (rule,) = [rule for node in nodes(found).values() for rule in node["rules"]]
    return rule


# A person.


def test_the_total_stands_first_with_grade_places_and_bands(store, law):
    (sheet,) = told(store, law)["sheets"]
    assert sheet["indicators"][0]["id"] == sheet["total"] == "overall"
    assert (sheet["points"], sheet["indicators"][0]["points"]) == ("88.550", "88.550")
    assert [(each["label"], each["place"], each["of"]) for each in sheet["places"]] == [("本部门", 1, 2)]
    grade = sheet["grade"]
    assert (grade["label"], grade["reason"], grade["reason_text"]) == ("称职", "veto:odd", "一票否决: 奇文")
    assert [(band["label"], band["words"]) for band in grade["bands"]] == [
        ("优秀", "≥ 50"),
        ("称职", "≥ 40, < 50"),
        ("不称职", "< 40"),
    ]
    assert grade["bands"][0]["ends"]["at_least"]["parameter"]["name"] == "grade.good"
    assert grade["bands"][0]["share"]["words"] == "不超过本院检察官人数的 0.5"


def test_who_has_no_total_is_told_why_and_has_no_zero(store, law):
    (sheet,) = told(store, law, "sun")["sheets"]
    assert (sheet["state"], sheet["points"], sheet["final"], sheet["place"]) == ("missing", None, None, None)
    assert (sheet["reason"], sheet["reason_text"]) == (
        "ratings:colleague",
        "缺少数据, 不作推定: 没有 colleague 的评分",
    )
    assert sheet["grade"]["label"] == ""


def test_every_value_that_is_none_says_why(store, law):
    for who in ("wang", "sun", "li", "zhao"):
        found = nodes(told(store, law, who))
        assert {
            name for name, node in found.items() if node["points"] is None and not node["reason_text"]
        } == set()
        assert {
            name for name, node in found.items() if node["points"] is not None and node["reason"]
        } == set()
    assert found["share"]["reason_text"] == "缺少数据, 不作推定: 参数 人均文书 当日没有值"
    assert found["study"]["reason_text"] == "缺少数据, 不作推定: 不知属于哪一组 (本部门)"


# An indicator.


def test_an_indicator_is_told_with_its_kind_its_arithmetic_and_what_it_was_made_of(store, law):
    found = told(store, law, indicator="amount")
    assert list(nodes(found)) == ["amount"]
    node = nodes(found)["amount"]
    assert node["kind_label"].startswith("达标")
    assert node["calculation"] == "100 × min(38, 30) ÷ 30 + max(38 - 30, 0) × 0.5 = 104"
    parts = {part["name"]: part for part in node["basis"]}
    assert {name: part["value"] for name, part in parts.items()} == {
        "input": "38",
        "target": "30",
        "full": "100",
        "beyond": "0.5",
    }
    assert parts["input"]["indicator"] == "total"
    assert node["limits"]["ceiling"]["value"] == "150"


def test_a_parameter_is_told_with_layer_day_citation_and_what_is_known_of_its_truth(store, law):
    parts = {part["name"]: part for part in nodes(told(store, law))["amount"]["basis"]}
    assert parts["target"]["parameter"] == {
        "name": "target.points",
        "label": "目标分",
        "unit": "分",
        "value": "30",
        "level": "office",
        "layer": "mini",
        "since": "2025-06-01",
        "cite": "第十一条 修订",
        "assumed": True,
        "verified": None,
    }
    weights = {part["name"]: part for part in nodes(told(store, law))["overall"]["basis"]}
    assert weights["weight:amount"]["parameter"]["verified"] == "2025-05-06"
    assert weights["weight:standard"]["label"] == "规范的权重"


def test_the_parameters_resolved_again_are_the_numbers_that_were_read(store, law):
    for who in ("wang", "sun", "li"):
        for node in nodes(told(store, law, who)).values():
            for part in node["basis"]:
                if "parameter" in part:
                    assert Fraction(part["parameter"]["value"]) == Fraction(part["value"])


def test_a_part_that_is_no_number_says_why(store, law):
    parts = {part["name"]: part for part in nodes(told(store, law, "sun"))["overall"]["basis"]}
    opinion = parts["child:opinion"]
    assert (opinion["value"], opinion["reason_text"]) == (None, "没有 colleague 的评分")
    assert is_number(parts["child:amount"]["value"])


def test_tiers_are_all_told_and_the_one_that_holds_is_marked(store, law):
    node = nodes(told(store, law, indicator="tidy"))["tidy"]
    assert [(tier["words"], tier["points"]["value"], tier["holds"]) for tier in node["tiers"]] == [
        ("< 1", "-10", False),
        ("≥ 1, < 3", "-5", True),
        ("≥ 3", "0", False),
    ]
    assert node["calculation"] == "2.5 → -5"


def test_who_is_compared_with_whom_is_told(store, law):
    found = nodes(told(store, law))
    assert found["study"]["group"] == {
        "id": "department",
        "label": "本部门",
        "by": ["同一单位", "同一部门"],
        "size": 3,
        "against": "mean",
        "reference": "16",
    }
    assert found["study"]["calculation"] == "100 × 38 ÷ 16 = 237.5 → 上限 120"
    assert found["due"]["group"]["reference"] == "1"
    assert found["above"]["group"]["against"] == "percentile"


def test_a_formula_is_told_with_its_text_and_what_it_was_given(store, law):
    node = nodes(told(store, law))["extra"]
    assert node["formula"] == {"function": "half", "text": "Half of what is above the least."}
    assert node["calculation"] == "half(given = 38, least = 30) = 4.000"


def test_a_number_that_does_not_come_to_itself_is_not_explained(lite_store, law):
    sync_world(lite_store, WORLD)
    score_periods(lite_store, Subject(OFFICE, (OFFICE,), ("world",)), law, [YEAR])
    with lite_store.begin() as connection:
        connection.exec_driver_sql("UPDATE indicator_value SET points = 1 WHERE indicator = 'amount'")
    with pytest.raises(StopError) as refused:
        told(lite_store, law)
    assert refused.value.code == "explain-not-equal"
    assert refused.value.problem.fields["worked"] == "104.000"


# A rule.


def test_a_rule_is_told_with_its_rows_and_each_entry_by_the_row_of_its_day(store, law):
    rule = the_rule(told(store, law, rule="odd"))
    assert [(row["span"], row["points"], row["cite"]) for row in rule["rows"]] == [
        ("2025-04-01 至 2025-06-01(不含)", "-3", "第十八条"),
        ("2025-06-01 起", "-4", "第十八条 修订"),
    ]
    assert [(entry["day"], entry["row"], entry["unit_points"]) for entry in rule["entries"]] == [
        ("2025-05-01", 0, "-3.000"),
        ("2025-09-01", 1, "-4.000"),
    ]
    assert [entry["calculation"] for entry in rule["entries"]] == [
        "2 × -3.000 = -6.000",
        "3 × -4.000 = -12.000",
    ]


def test_a_measure_is_told_with_the_definitions_of_the_period(store, law):
    measure = the_rule(told(store, law, rule="odd"))["measure"]
    assert [(each["span"], each["quantity"]) for each in measure["definitions"]] == [
        ("2025-07-01 前", "2"),
        ("2025-07-01 起", "3"),
    ]
    first = measure["definitions"][0]
    assert (first["where"], first["date_label"], first["actor_label"]) == (
        "template_code = 'odd'",
        "拟制日期",
        "拟制人",
    )
    assert (measure["grain_label"], measure["unit"]) == ("文书", "份")


def test_what_bears_on_a_rule_is_told_and_nothing_else(store, law):
    closed = the_rule(told(store, law, rule="closed"))
    assert [(each["label"], each["final_when"]) for each in closed["gates"]] == [
        ("归档", "archive_accepted_on is not null")
    ]
    assert [[choice["label"] for choice in each["choices"]] for each in closed["factors"]] == [
        ["人多", "申报"]
    ]
    assert closed["factors"][0]["choices"][0]["parameter"]["since"] == "2025-07-01"
    assert closed["caps"] == []
    assert [(each["label"], each["value"]) for each in closed["team"]] == [("检察官", "0.6"), ("助理", "0.3")]
    made = the_rule(told(store, law, rule="made_p"))
    assert [(each["label"], each["per"], each["value"]) for each in made["caps"]] == [
        ("文书每月", ["每人", "每月"], "4")
    ]
    assert made["caps"][0]["parameter"]["name"] == "cap.papers"
    assert made["team"] == []
    assert made["authority"]["unlisted"] == "refuse"


def test_a_rule_that_gave_nothing_is_told_all_the_same(store, law):
    rule = the_rule(told(store, law, "zhao", rule="closed"))
    assert (rule["points"], rule["entries"]) == ("0.000", [])
    assert told(store, law, "zhao", rule="made_a")["sheets"] == []  # a rule of the assistants' sheet


def test_rules_that_gave_nothing_are_left_out_of_the_whole(store, law):
    found = nodes(told(store, law))
    assert {rule["id"] for node in found.values() for rule in node["rules"]} == {"closed", "made_p", "odd"}


# An entry.


def test_an_entry_says_what_a_cap_took_and_by_which_limit(store, law):
    second = the_rule(told(store, law, rule="made_p"))["entries"][1]
    assert second["calculation"] == "3.000 - 2.000 → 1.000"
    (cap,) = second["caps"]
    assert (cap["label"], cap["taken"], cap["value"]) == ("文书每月", "2.000", "4")
    assert cap["parameter"]["cite"] == "第十四条"
    assert Decimal(second["due"]) == Decimal(second["points"]) + Decimal(second["withheld"])


def test_an_entry_that_is_provisional_says_until_which_gate(store, law):
    states = {
        entry["case_no"]: (entry["state"], entry["until_gates"])
        for entry in the_rule(told(store, law, rule="closed"))["entries"]
    }
    assert states == {"A": ("final", []), "B": ("provisional", ["归档"])}


def test_an_entry_that_is_void_says_why(store, law):
    (entry,) = the_rule(told(store, law, "li", rule="made_p"))["entries"]
    assert (entry["state"], entry["reason_text"]) == ("void", "权力清单不允许此人作此动作")
    assert entry["calculation"] == "3.000 → 0.000"


def test_one_entry_is_found_by_the_beginning_of_its_number(store, law):
    wanted = the_rule(told(store, law, rule="odd"))["entries"][0]["id"]
    found = told(store, law, entry=wanted[:8])
    assert found["asked"]["entry"] == wanted
    assert [entry["id"] for entry in the_rule(found)["entries"]] == [wanted]
    assert list(found["facts"]) == ["document/d4"]
    assert found["uncounted"] == []


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"indicator": "amuont"}, "explain-no-such-indicator"),
        ({"rule": "clsed"}, "explain-no-such-rule"),
        ({"entry": "zz"}, "explain-no-such-entry"),
        ({"entry": ""}, "explain-several-entries"),
        ({"case_no": "Z"}, "explain-no-such-case"),
    ],
)
def test_what_is_not_there_is_an_error_that_names_what_is_near(store, law, asked, code):
    with pytest.raises(StopError) as refused:
        told(store, law, **asked)
    assert refused.value.code == code
    near = refused.value.problem.fields.get("nearest")
    assert near == {"explain-no-such-indicator": "amount", "explain-no-such-rule": "closed"}.get(code)


def test_an_entry_on_no_sheet_can_be_asked_for(store, law):
    """Also what no rule speaks of has a number and a fact."""
    found = told(store, law, case_no="A")
    (row,) = [each for each in found["uncounted"] if each["item"] == HOSTILE]
    (entry,) = row["entries"]
    alone = told(store, law, entry=entry["id"])
    assert alone["sheets"] == []
    assert [each["entries"][0]["id"] for each in alone["uncounted"]] == [entry["id"]]
    assert entry["fact"] in alone["facts"]


def test_of_a_case_only_what_it_has_entries_in_is_told(store, law):
    found = nodes(told(store, law, case_no="B"))
    assert set(found) == {"overall", "standard", "total", "work", "papers"}
    assert {
        entry["case_no"] for node in found.values() for rule in node["rules"] for entry in rule["entries"]
    } == {"B"}


# A fact.


def fact(found, name):
    return found["facts"][name]


def test_a_fact_has_every_column_and_names_people_and_categories(store, law):
    found = told(store, law, rule="made_p")
    held = fact(found, "document/d1")
    assert list(held["values"]) == list(found["entities"]["document"]["columns"]) == list(DOCUMENT.names)
    assert (held["values"]["drafter_key"], held["means"]["drafter_key"]) == ("wang", "王一")
    assert held["values"]["approved_on"] is None
    closed = fact(told(store, law, rule="closed"), "case/A")
    assert (closed["values"]["category"], closed["means"]["category"]) == ("0301", "一审公诉案件")


def test_a_fact_of_two_sources_is_what_they_say_together(store, law):
    """Per column the first source that knows; both records are named."""
    found = told(store, law, rule="made_p")
    held = fact(found, "document/d1")["values"]
    assert (held["name"], held["submitted_on"]) == ("起诉书", "2025-03-05")
    records = found["facts"]["document/d1"]["records"]
    assert [(each["source"], each["locator"]) for each in records] == [
        ("world", "YX_WS_SL d1"),
        ("second", "d1"),
    ]
    assert all(each["current"] and each["run"] for each in records)
    assert the_rule(found)["entries"][0]["record"] == records[0]


def test_the_version_that_was_scored_is_told_after_a_source_has_changed(lite_store, law):
    subject = Subject(OFFICE, (OFFICE,), ("world", "second"))
    sync_world(lite_store, WORLD)
    second = document("d1", "A", template_code="report", submitted_on="2025-03-05")
    sync_world(lite_store, {"document": [second]}, name="second")
    score_periods(lite_store, subject, law, [YEAR])
    sync_world(lite_store, {"document": [second | {"submitted_on": "2025-04-05"}]}, name="second")
    found = told(lite_store, law, rule="made_p")
    assert fact(found, "document/d1")["values"]["submitted_on"] == "2025-03-05"
    records = found["facts"]["document/d1"]["records"]
    assert [(each["source"], each["current"]) for each in records] == [("world", True), ("second", False)]


def test_personal_data_of_parties_is_not_told(lite_store, tmp_path, capsys):
    """Neither the pseudonym of a suspect nor anything that hides behind it."""
    edits = (
        ("measures.toml", "", explained_law.SUSPECTS),
        ("points.csv", "", "seen,嫌疑人,suspects,,,,work,1,,,,第十九条"),
    )
    law = load_policy(write_law(tmp_path / "mini", *edits))
    sync_world(lite_store, WORLD)
    score_periods(lite_store, Subject(OFFICE, (OFFICE,), ("world",)), law, [YEAR])
    found = told(lite_store, law, rule="seen")
    held = fact(found, "suspect/s1")
    assert (held["values"]["pseudonym"], held["denied"]) == (None, ["pseudonym"])
    assert held["values"]["suspect_no"] == "1"
    assert "甲某" not in str(found)
    (entry,) = [each for each in the_rule(found)["entries"] if each["item_key"] == "s1"]
    assert "化名 pseudonym: (当事人信息, 不显示)" in shown(told(lite_store, law, entry=entry["id"]), capsys)


# As text.


def shown(found, capsys, most=None):
    print_tree(found, most)
    return capsys.readouterr().out


@pytest.mark.parametrize("who", ["wang", "sun", "li", "zhao"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_everybody_is_shown_in_both_languages_without_a_bare_field(store, law, capsys, who, language):
    found = told(store, law, who)
    with speaking(language):
        out = shown(found, capsys)
    (sheet,) = found["sheets"]
    assert f"[{sheet['total']}]" in out
    assert "None" not in out
    assert "{" not in out.replace(HOSTILE, "")


def test_the_total_of_another_sheet_is_told_to_those_who_ask_for_it_only(store, law):
    """Two totals of one person would be read as two scores."""
    (sheet,) = told(store, law, "li")["sheets"]
    assert "overall" not in {node["id"] for node in sheet["indicators"]}
    (asked,) = told(store, law, "li", indicator="overall")["sheets"]
    assert [node["id"] for node in asked["indicators"]] == ["overall"]


def test_the_text_shows_levels_in_order_and_a_missing_total_as_no_number(store, law, capsys):
    out = shown(told(store, law, "sun"), capsys)
    assert out.splitlines()[0].endswith("2025年度 没有总分; 缺少数据, 不作推定: 没有 colleague 的评分")
    assert "评议 [opinion] —: 缺少数据" in out
    whole = shown(told(store, law), capsys)
    steps = [
        "综合得分 [overall]",
        "办案量 [amount]",
        "目标分 30分, 本院 mini, 2025-06-01 起",
        "办结 [closed]",
        "来源 world A",
    ]
    assert [whole.index(step) for step in steps] == sorted(whole.index(step) for step in steps)


def test_an_entry_as_text_goes_down_to_every_column(store, law, capsys):
    wanted = the_rule(told(store, law, rule="odd"))["entries"][0]["id"]
    out = shown(told(store, law, entry=wanted), capsys)
    for expected in (
        "2 × -3.000 = -6.000 分 最终",
        "计量「奇文」[odd]",
        "条件 template_code = 'odd'",
        "事实: 文书 d4",
        "拟制人 drafter_key: wang (王一)",
        "审批人 approver_key: —",
        "来源 world d4",
    ):
        assert expected in out


def test_only_the_first_entries_are_shown_unless_asked(store, law, capsys):
    found = told(store, law)
    assert "还有 2 条" in shown(found, capsys, most=1)
    assert "还有" not in shown(found, capsys)
