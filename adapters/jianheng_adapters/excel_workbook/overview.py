"""The first sheets: what the workbook is, who stands where, indicator by indicator, and the rules."""

from collections.abc import Mapping, Sequence

from jianheng.contract import IndicatorValue, PersonScore, RuleText
from jianheng.facts.time import wall_time
from jianheng_adapters.excel_workbook.page import Page
from jianheng_adapters.scores_view import (
    NO_DEPARTMENT,
    NO_NUMBER,
    STATE_LABELS,
    STATE_MEANINGS,
    ScoresView,
    indicator_label,
    known_sum,
    places_text,
    rank_text,
    role_label,
    span_text,
    total_text,
    without_total,
)

_RANKING = {
    "评分表": 16,
    "名次": 10,
    "姓名": 16,
    "工号": 14,
    "部门": 20,
    "角色": 16,
    "总分": 13,
    "最终得分": 13,
    "暂计得分": 13,
    "案件数": 9,
    "条目数": 9,
    "等次": 12,
    "其他名次": 28,
    "备注": 36,
}
"""Heads and widths; 等次 and 其他名次 only where somebody has one."""

_RULES = ("评分表", "规则编号", "规则", "指标", "分值", "期间", "依据", "取值性质", "计分条目", "得分合计")
_RULES_WIDTHS = (16, 18, 44, 22, 10, 26, 52, 12, 10, 13)
_LEAD = ("评分表", "姓名", "工号", "部门")
_WIDE = 100


def write_about(page: Page, view: ScoresView) -> None:
    """Write what the workbook holds, its words, and what every reader must know."""
    publication, formats = view.publication, page.formats
    page.widths((18, _WIDE))
    page.text(0, 0, f"{publication.office_name} {publication.period_label} 得分明细", formats.title)
    total = known_sum(score.points for score in publication.people)
    unknown = without_total(publication.people)
    lines = [
        ("考核办法", publication.policy_label),
        ("办法版本", f"{publication.policy} / {publication.policy_version}"),
        (
            "考核期间",
            f"{publication.period_label}（{publication.start:%Y-%m-%d} 起，{publication.end:%Y-%m-%d} 前）",
        ),
        ("数据截至", f"{wall_time(publication.as_of):%Y-%m-%d %H:%M}"),
        ("发布编号", publication.id),
        (
            "规模",
            f"{len(publication.people)} 人次，{len(publication.entries)} 个条目，总分合计 {total_text(total)}"
            + (f"（{unknown}）" if unknown else ""),
        ),
        ("没有数值", f"以“{NO_NUMBER}”表示，原因见说明或备注：不适用，或缺少数据；不作零分"),
        ("得分单位", "分，精确到 0.001；系数 1.2 表示按 1.2 倍计，份额为多人共同完成时本人所占比例"),
        *((f"状态：{STATE_LABELS[state]}", meaning) for state, meaning in STATE_MEANINGS.items()),
        ("核减", "因计分上限、权限不符等原因未计入的得分，原因见“说明”列"),
        ("如何查看", "在“排名”中点击姓名进入本人明细；筛选后，明细上方的合计只含筛选出的条目"),
        *((f"提示 {number}", notice) for number, notice in enumerate(publication.notices, 1)),
    ]
    for row, (label, value) in enumerate(lines, 2):
        page.text(row, 0, label, formats.label)
        page.text(row, 1, value, formats.wrapped)


def write_ranking(page: Page, view: ScoresView, sheets: Mapping[str, str]) -> None:
    """Write everybody's standing, sheet by sheet; each name leads to the person's sheet."""
    scores = [score for group in view.groups.values() for score in group]
    also = [name for name, shown in _also(scores).items() if shown]
    heads = [head for head in _RANKING if head in also or head not in _also(scores)]
    page.widths([_RANKING[head] for head in heads])
    first, last = 2, 1 + len(scores)
    page.total_row(0, len(heads))
    for column, total in ((6, "points"), (7, "final"), (8, "provisional")):
        page.filtered_sum(0, column, first, last, known_sum(getattr(score, total) for score in scores))
    page.filtered_sum(0, 10, first, last, sum(score.entries for score in scores), exact=False)
    page.heads(1, heads)
    for row, score in enumerate(scores, first):
        page.text(row, 0, role_label(score.sheet))
        page.text(row, 1, rank_text(score), page.formats.centred)
        page.link(row, 2, sheets[score.person_key], score.name or score.person_key)
        page.text(row, 3, score.person_key.partition("-")[2] or score.person_key)
        page.text(row, 4, score.department or NO_DEPARTMENT)
        page.text(row, 5, role_label(score.role))
        page.points(row, 6, score.points)
        page.points(row, 7, score.final)
        page.points(row, 8, score.provisional)
        page.count(row, 9, score.cases)
        page.count(row, 10, score.entries)
        more = {"等次": score.grade, "其他名次": places_text(score)}
        for column, told in enumerate((*(more[name] for name in also), score.note), 11):
            page.text(row, column, told)
    page.table(1, last, len(heads))


def _also(scores: Sequence[PersonScore]) -> Mapping[str, bool]:
    """Return which of the columns that not every policy has are needed."""
    return {"等次": any(score.grade for score in scores), "其他名次": any(score.places for score in scores)}


def write_indicators(page: Page, view: ScoresView, sheets: Mapping[str, str]) -> None:
    """Write a matrix of people and indicators; a dash stands where there is no value."""
    labels: dict[str, IndicatorValue] = {}
    values: dict[tuple[str, str, str], IndicatorValue] = {}
    for value in view.publication.indicators:
        labels.setdefault(value.indicator, value)
        values[value.sheet, value.person_key, value.indicator] = value
    columns = {indicator: column for column, indicator in enumerate(labels, len(_LEAD))}
    page.widths((16, 16, 14, 20, *(14 for _ in columns)))
    for indicator, column in columns.items():
        parent = labels.get(labels[indicator].parent)
        page.text(0, column, parent.label if parent else labels[indicator].parent, page.formats.label)
    page.heads(1, (*_LEAD, *(indicator_label(value) for value in labels.values())))
    row = 2
    for score in (score for group in view.groups.values() for score in group):
        page.text(row, 0, role_label(score.sheet))
        page.link(row, 1, sheets[score.person_key], score.name or score.person_key)
        page.text(row, 2, score.person_key.partition("-")[2] or score.person_key)
        page.text(row, 3, score.department or NO_DEPARTMENT)
        for indicator, column in columns.items():
            found = values.get((score.sheet, score.person_key, indicator))
            if found and found.points is not None:
                page.points(row, column, found.points)
            elif found:
                page.text(row, column, found.note or NO_NUMBER, page.formats.label)
        row += 1
    page.table(1, row - 1, len(_LEAD) + len(columns))


def write_rules(page: Page, view: ScoresView) -> None:
    """Write every rule, once for each span of days, with its authority, whether it is assumed, and what it gave."""
    page.widths(_RULES_WIDTHS)
    indicators = {value.indicator: value.label for value in view.publication.indicators}
    given: dict[RuleText | None, list[int]] = {}
    for entry in view.publication.entries:
        given.setdefault(view.rule_on(entry.rule_id, entry.day), []).append(entry.points)
    page.heads(0, _RULES)
    rules = [rule for texts in view.rules.values() for rule in texts]
    for row, rule in enumerate(rules, 1):
        page.text(row, 0, role_label(rule.sheet))
        page.text(row, 1, rule.rule_id)
        page.text(row, 2, rule.label)
        page.text(row, 3, indicators.get(rule.indicator, rule.indicator))
        page.points(row, 4, rule.points)
        page.text(row, 5, span_text(rule))
        page.text(row, 6, rule.cite)
        page.text(row, 7, "示例" if rule.assumed else "有依据")
        page.count(row, 8, len(given.get(rule, ())))
        page.points(row, 9, sum(given.get(rule, ())))
    page.table(0, len(rules), len(_RULES))
