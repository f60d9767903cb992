"""What is special to single schemes of the sources: each recounted here by other means than the kernel's."""

import datetime as dt
import shutil
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

import jianheng_plugins.provinces as shipped
from jianheng.cli.explain_tree import print_tree
from jianheng.errors import FaultsError
from jianheng.scoring.checking.example_world import UNIT, Example, facts_of
from jianheng.scoring.comparison.calibrate import Calibration, CaseType, Method
from jianheng.scoring.comparison.calibrate_draft import proposals
from jianheng.scoring.explanation.asked import EVERYTHING, Asked
from jianheng.scoring.explanation.explain import explain
from jianheng.scoring.explanation.standing import standing_told
from jianheng.scoring.explanation.words import post_level_name, reason_words
from jianheng.scoring.indicators.outcome import Value
from jianheng.scoring.kernel.evaluation import Evaluation, evaluate
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import Policy, load_policy
from jianheng.scoring.lawbook.page import law_page
from jianheng.scoring.records.scope import Subject
from jianheng.scoring.run import score_periods
from jianheng.store.engine import open_store
from upstream import CHINA, OFFICE, case, person, posting, sync_world

ROOT = Path(__file__).parents[1]
PROVINCES = Path(str(shipped.__file__)).parent
FOLDERS = {file.parent.name: file.parent for file in PROVINCES.glob("*/policy.toml")}
PROSECUTOR = {"role": "quota_prosecutor", "post_level": "member"}
DAY = dt.date(2025, 12, 31)


@cache
def law_of(pack: str, office: Path | None = None) -> Policy:
    """Load a shipped pack, with an office's own layer where one is named."""
    return load_policy(FOLDERS[pack], FOLDERS.get, office, {"china": CHINA})


def evaluated(law: Policy, people: dict[str, Any], facts: dict[str, Any], when: str = "2025") -> Evaluation:
    """Score a small world by a law."""
    tables, problems = facts_of(Example(name="-", period=when, people=people, facts=facts), "-")
    assert problems == []
    return evaluate(tables, law, period(when, law.file.calendar), [UNIT])


def value_of(got: Evaluation, indicator: str, person: str) -> Value:
    """Return what somebody has of an indicator."""
    (held,) = [each for each in got.values if (each.indicator, each.person_key) == (indicator, person)]
    return held


def points_of(got: Evaluation, indicator: str, person: str) -> Decimal:
    """Return the points somebody has of an indicator."""
    held = value_of(got, indicator, person)
    assert held.points is not None, held.reason
    return Decimal(held.points).scaleb(-3)


# Three classes: what follows from a grade.

ARTICLE_7 = {
    "优秀": "优先推荐评先评优、晋升职务",
    "良好": "予以表彰和奖励",
    "合格": "予以正常管理",
    "不合格": "进行约谈、培训或调整工作岗位",
}


def test_each_of_the_four_grades_tells_what_article_7_says_follows_from_it():
    law = law_of("three-classes")
    assert law.file.grades is not None
    assert {each.label: each.consequence for each in law.file.grades.bands} == ARTICLE_7
    assert list(ARTICLE_7) == [each.label for each in law.file.grades.bands]
    page = law_page(law, DAY, "markdown")
    for label, told in ARTICLE_7.items():
        assert f"{label}: {told}" in page
    standing = dict.fromkeys(
        ("points", "final", "provisional", "withheld", "place", "place_of", "cases", "entries"), 0
    )
    told = standing_told(
        law,
        {
            **standing,
            "state": "scored",
            "reason": "",
            "places": "{}",
            "grade": "unqualified",
            "grade_reason": "",
        },
        DAY,
    )
    assert told["grade"]["consequence"] == ARTICLE_7["不合格"]


def test_whoever_asks_for_a_score_is_told_what_follows_from_its_grade(tmp_path, capsys):
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    items = ("political_quality", "work_results", "self_discipline", "work_attitude")
    rated = [
        {
            "rating_key": f"{item}/{kind}",
            "rating": item,
            "person_key": "a",
            "rater_kind": kind,
            "score": 50,
            "rated_on": DAY,
        }
        for item in items
        for kind in ("assembly", "leader", "colleague")
    ]
    sync_world(store, {"person": [person("a")], "posting": [posting("a", role="clerk")], "rating": rated})
    law = law_of("three-classes")
    year = period("2025", law.file.calendar)
    score_periods(store, Subject(OFFICE, (OFFICE,), ("world",)), law, [year])
    with store.connect() as connection:
        told = explain(connection, OFFICE, law, year, "a", ("world",), EVERYTHING)
    store.dispose()
    print_tree(told, most=None)
    shown = "".join(capsys.readouterr().out.split())
    assert "等次:不合格" in shown
    assert f"结果运用:{ARTICLE_7['不合格']}" in shown
    assert ARTICLE_7["优秀"] not in shown


def test_the_eight_contents_change_the_sheet_of_prosecutors_and_nothing_else():
    five, eight = law_of("three-classes"), law_of("eight-contents")
    totals = [{each.id: each.total for each in law.file.sheets} for law in (five, eight)]
    assert totals[0] == dict.fromkeys(("prosecutor", "assistant", "clerk", "judicial_admin"), "five")
    assert totals[1] == totals[0] | {"prosecutor": "eight"}
    assert eight.file.grades == five.file.grades
    kept = {each.id: each for each in eight.file.indicators}
    assert all(kept[each.id] == each for each in five.file.indicators)


# Shenyang: deductions and reward for data.


@pytest.mark.parametrize("seed", [1, 2])
def test_data_deductions_and_the_reward_are_those_recounted_by_hand(seed):
    """Each fault comes to its heaviest report; what an earlier year took for it is not taken again."""
    random = Random(seed)  # noqa: S311 histories, not secrets
    people = ["a", "b", "c", "d"]  # d is never reported
    cases = [
        {
            "case_no": f"{who}{n}",
            "category": "0201",
            "accepted_on": "2024-01-01",
            "concluded_on": "2025-03-01",
            "handler_key": who,
        }
        for who in people
        for n in range(3)
    ]
    findings = [
        {
            "kind": random.choice(("data_quality", "data_quality", "data_quality", "case_review")),
            "case_no": f"{who}{random.randrange(3)}",
            "person_key": who,
            "found_on": dt.date(2024, 9, 1) + dt.timedelta(days=random.randrange(400)),
            "severity": random.choice(("late", "missing", "wrong", "other")),
            "fault_key": random.choice("甲乙丙丁"),
            "found_by": random.choice(("self", "tool", "superior", None)),
            "state": random.choice(("confirmed", "closed", "rejected", "open")),
        }
        for who in people[:3]
        for _ in range(40)
    ]
    law = law_of("shenyang-data-quality")
    got = evaluated(law, dict.fromkeys(people, PROSECUTOR), {"case": cases, "finding": findings})
    for who in people:
        taken = _taken(findings, who, dt.date(2026, 1, 1)) - _taken(findings, who, dt.date(2025, 1, 1))
        reward = 10 if who == "d" else 0
        assert points_of(got, "data_bonus", who) == reward
        assert points_of(got, "common_indicators", who) == max(0, 100 - taken) + reward
    assert {points_of(got, "common_indicators", who) for who in people[:3]} != {Decimal(100)}


def _taken(findings: list[dict[str, Any]], who: str, until: dt.date) -> int:
    """Return what the problems told of somebody before a day come to."""
    heaviest: dict[tuple[str, str], int] = {}
    for each in findings:
        told = (
            each["kind"] == "data_quality"
            and each["state"] in {"confirmed", "closed"}
            and each["found_by"] != "self"
        )
        if each["person_key"] != who or not told or each["found_on"] >= until:
            continue
        wrong = 5 if each["found_on"] < dt.date(2025, 1, 1) else 8
        worth = {"late": 2, "missing": 5, "wrong": wrong, "other": 0}[each["severity"]]
        fault = (each["case_no"], each["fault_key"])
        heaviest[fault] = max(heaviest.get(fault, 0), worth)
    return sum(heaviest.values())


def test_a_class_of_indicators_that_does_not_apply_gives_its_weight_to_the_others():
    law = law_of("shenyang-data-quality")
    finding = {
        "kind": "data_quality",
        "case_no": "A",
        "person_key": "a",
        "found_on": DAY,
        "severity": "wrong",
        "state": "confirmed",
    }
    facts = {
        "case": [{"case_no": "A", "category": "0201", "accepted_on": DAY, "handler_key": "a"}],
        "finding": [finding],
    }
    got = evaluated(law, {"a": PROSECUTOR}, facts)
    states = {
        name: value_of(got, f"{name}_indicators", "a").state
        for name in ("lead", "responsible", "linked", "common")
    }
    assert states == {
        "lead": "not-applicable",
        "responsible": "not-applicable",
        "linked": "scored",
        "common": "scored",
    }
    assert points_of(got, "data_total", "a") == (Decimal("0.1") * 0 + Decimal("0.3") * 92) / Decimal("0.4")


# Hunan: the weight of review.


def test_review_weighs_80_percent_and_the_draft_of_the_page_shows_what_50_gave(tmp_path):
    _, _, rest = (ROOT / "docs" / "packs" / "hunan.md").read_text(encoding="utf-8").partition("```toml\n")
    (tmp_path / "parameters").mkdir()
    (tmp_path / "parameters" / "draft.toml").write_text(rest.partition("```")[0], encoding="utf-8")
    facts = {
        "case": [{"case_no": "A", "category": "0301", "accepted_on": "2025-03-01", "handler_key": "a"}],
        "finding": [
            {
                "kind": "case_review",
                "case_no": "A",
                "person_key": "a",
                "found_on": DAY,
                "grade": "unqualified",
                "state": "confirmed",
            }
        ],
    }
    for law, total in ((law_of("hunan"), 68), (law_of("hunan", tmp_path), 80)):
        assert points_of(evaluated(law, {"a": PROSECUTOR}, facts), "law_status", "a") == total
    values = [
        each.declarations["status.review"][1].values
        for each in law_of("hunan").layers
        if each.declarations.get("status.review")
    ]
    assert [each.value for each in values[0]] == [Decimal("0.5"), Decimal("0.8")]


# Henan: fine points by the coefficients of their years.

CLOSED = {
    "0201": "1",
    "0301": "2",
    "0305": "3",
    "1701": "1",
    "1608": "0.5",
    "0701": "2",
    "0904": "2",
    "1305": "0.5",
    "0210": None,
}
BY_YEAR = {
    "02": ("1", "0.9"),
    "03": ("1", "1.1"),
    "17": ("1.2", "1.2"),
    "16": ("0.8", "0.8"),
    "07": ("1.5", "1.6"),
    "09": ("1.3", "1.3"),
    "13": ("0.5", "0.5"),
}


def test_three_years_of_fine_points_take_each_years_own_coefficients():
    random = Random(3)  # noqa: S311 histories, not secrets
    people = ["a", "b", "c"]
    cases = [
        {
            "case_no": str(n),
            "category": random.choice(list(CLOSED)),
            "accepted_on": "2022-01-01",
            "concluded_on": dt.date(2022, 12, 1) + dt.timedelta(days=random.randrange(1160)),
            "handler_key": random.choice(people),
        }
        for n in range(150)
    ]
    law = law_of("henan")
    got = evaluated(law, dict.fromkeys(people, PROSECUTOR), {"case": cases}, "quota-2025")
    sums = {
        who: sum((_worth(each) for each in cases if each["handler_key"] == who), Decimal(0)) for who in people
    }
    best = max(sums.values())
    for who in people:
        assert points_of(got, "fine_points", who) == sums[who]
        part = (sums[who] / best * 100).quantize(Decimal("0.001"), ROUND_HALF_UP)
        assert points_of(got, "evidence_statistics", who) == part
        assert value_of(got, "evidence", who).state == "missing"


def _worth(case: dict[str, Any]) -> Decimal:
    day = case["concluded_on"]
    if not dt.date(2023, 1, 1) <= day < dt.date(2026, 1, 1):
        return Decimal(0)
    late = day >= dt.date(2025, 1, 1)
    points = CLOSED[case["category"]] or ("0.2" if late else "0.3")
    worth = Decimal(points) * Decimal(BY_YEAR[case["category"][:2]][late])
    return worth.quantize(Decimal("0.001"), ROUND_HALF_UP)


def test_the_evidence_of_three_years_opens_down_to_what_was_entered_for_each_year(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    closed = [
        case(
            str(year),
            category="0301",
            concluded_on=f"{year}-06-01",
            accepted_on=f"{year}-01-02",
            handler_key="a",
        )
        for year in (2023, 2024, 2025)
    ]
    results = {"first_year": 70, "second_year": 80, "third_year": 90}
    rated = [
        ("trend", "case_management", 60),
        *(("appraisal_result", kind, score) for kind, score in results.items()),
    ]
    given = [
        {
            "rating_key": kind,
            "rating": item,
            "person_key": "a",
            "rater_kind": kind,
            "score": score,
            "rated_on": "2025-12-20",
        }
        for item, kind, score in rated
    ]
    sync_world(store, {"person": [person("a")], "posting": [posting("a")], "case": closed, "rating": given})
    law = law_of("henan")
    years = period("quota-2025", law.file.calendar)
    score_periods(store, Subject(OFFICE, (OFFICE,), ("world",)), law, [years])
    with store.connect() as connection:
        told = explain(connection, OFFICE, law, years, "a", ("world",), Asked(indicator="evidence"))
    store.dispose()
    (evidence,) = told["sheets"][0]["indicators"]
    parts = {node["id"]: node for node in evidence["children"]}
    assert Decimal(evidence["points"]) == Decimal("86.9")
    assert [
        Decimal(parts[f"evidence_{name}"]["points"]) for name in ("statistics", "trend", "appraisal")
    ] == [100, 60, 83]
    assert "70 × 0.2 + 80 × 0.3 + 90 × 0.5" in parts["evidence_appraisal"]["calculation"]
    labels = {each["label"] for each in parts["evidence_appraisal"]["basis"]}
    assert {"第一年的权重", "第二年的权重", "第三年的权重"} <= labels


def test_a_calibration_finds_the_coefficients_of_the_lines():
    law = law_of("henan")
    weighed = [
        CaseType(code, 20, 20, {}, Fraction(3, 2), 1500) for code in ("0201", "0204", "0301", "0701", "1304")
    ]
    calibration = Calibration(Method({}, 0, 1), tuple(weighed), {}, ())
    found = proposals(law, period("2025", law.file.calendar), calibration, "category")
    assert {each.parameter: (each.types, each.held, each.value) for each in found} == {
        "coefficient.arrest": (("0201", "0204"), 900, 1500),
        "coefficient.prosecution": (("0301",), 1100, 1500),
        "coefficient.civil": (("0701",), 1600, 1500),
        "coefficient.technology": (("1304",), 500, 1500),
    }


def test_the_sample_of_henan_is_called_one_and_counted_rightly():
    law = law_of("henan")
    fine, main = {row.id for row in law.points}, {row.indicator for row in law.points}
    told = f"{len(main)} main indicators and {len(fine)} fine points stand for them, and are not the list"
    assert told in (ROOT / "docs" / "packs" / "henan.md").read_text(encoding="utf-8")
    assert f"只有 {len(main)} 项主要指标、{len(fine)} 个细分点的样例" in (
        FOLDERS["henan"] / "policy.toml"
    ).read_text(encoding="utf-8")
    assert all(row.assumed for row in law.points)


# Norms: five by four.

TWENTY = {
    "案件办理效率": ("首次受理案件时间比例", "立案率", "办理时限超期率", "审查逮捕及提起公诉率"),
    "办案质量": ("不良办案率", "撤案率", "刑事判决准确率", "光荣清退率"),
    "执法作风": ("违反执法纪律情况", "举报处理及回访率", "案件落地服务率", "办案记录完整准确率"),
    "工作效果": ("破获刑事案件比例", "影响力和知名度提升情况", "监督效果评价", "群众信任度提升情况"),
    "队伍建设": (
        "干部任用情况",
        "岗位定位和人员配备规范情况",
        "培训计划和效果评价情况",
        "员工满意度和绩效情况",
    ),
}


def test_the_norms_are_the_five_classes_of_four_and_weigh_one():
    law = law_of("norms-5x4")
    nodes = law.file.indicators

    def below(name: str) -> list[Any]:
        return [each for each in nodes if each.parent == name]

    assert {each.label: tuple(item.label for item in below(each.id)) for each in below("norms")} == TWENTY
    told = {name: held for layer in law.layers for name, held in layer.declarations.items()}
    for node in nodes:
        if node.id == "norms" or node.parent == "norms":
            assert sum(told[str(name)][1].values[0].value for name in node.weights.values()) == 1


# A court: nothing of a procuratorate.


def test_the_court_stands_on_no_pack_and_its_law_says_no_word_of_a_procuratorate():
    law = law_of("beijing-court")
    assert [each.name for each in law.layers] == ["beijing-court"]
    page = law_page(law, DAY, "markdown")
    assert "检察" not in page
    assert [each.label for each in law.file.vocabulary.dimensions] == ["德", "能", "勤", "绩", "廉"]
    assert [each.label for each in law.file.sheets] == ["法官", "法官助理", "书记员", "司法行政人员"]


def test_a_policys_own_words_are_used_and_one_for_nothing_is_refused(tmp_path):
    law = law_of("beijing-court")
    assert post_level_name(law, "chief") == "院长"
    assert post_level_name(law_of("national"), "chief") == "检察长"
    assert "领导" in reason_words(law, "ratings:leader")
    assert "ratings" not in reason_words(law, "ratings:leader")
    shutil.copytree(law.folder, tmp_path / "beijing-court")
    file = tmp_path / "beijing-court" / "policy.toml"
    text = file.read_text(encoding="utf-8")
    for right, wrong in (('id = "chief"', 'id = "chef"'), ('id = "leader"', 'id = "leaders"')):
        file.write_text(text.replace(right, wrong, 1), encoding="utf-8")
        with pytest.raises(FaultsError) as refused:
            load_policy(tmp_path / "beijing-court", FOLDERS.get)
        assert [each.code for each in refused.value.problems] == ["policy-unknown-name"]


@pytest.mark.parametrize(
    ("level", "cases", "reached"),
    [("deputy_chief", 1, 50), ("dept_head", 1, 25), ("member", 3, 50), (None, 1, None)],
)
def test_a_post_is_held_to_the_task_of_its_own_description(level, cases, reached):
    """Whoever holds no post that a description speaks of is not measured by another's."""
    closed = [
        {
            "case_no": str(n),
            "category": "民初",
            "accepted_on": "2025-01-01",
            "concluded_on": "2025-02-01",
            "handler_key": "a",
        }
        for n in range(cases)
    ]
    who = {"role": "quota_prosecutor"} | ({} if level is None else {"post_level": level})
    got = evaluated(law_of("beijing-court"), {"a": who}, {"case": closed})
    if reached is None:
        assert value_of(got, "docket", "a").state != "scored"
    else:
        assert points_of(got, "docket", "a") == reached
