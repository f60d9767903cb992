"""The sheet of one person: totals, indicators, then every entry with all that made it."""

from jianheng.contract import IndicatorValue, PersonScore
from jianheng.errors import StopError
from jianheng_adapters.excel_workbook.page import LAST_ROW, Page
from jianheng_adapters.scores_view import (
    NO_DEPARTMENT,
    STATE_LABELS,
    Person,
    ScoresView,
    indicator_label,
    item_kind_label,
    places_text,
    points_text,
    rank_text,
    role_label,
)

_HEADS = (
    "日期",
    "规则",
    "规则编号",
    "案号",
    "案件类别",
    "计分对象",
    "指标",
    "数量",
    "单位分值",
    "系数(1 不写)",
    "份额(全部不写)",
    "得分",
    "核减",
    "状态",
    "说明",
    "来源记录",
)
_WIDTHS = (12, 26, 13, 20, 15, 24, 13, 9, 10, 13, 15, 11, 11, 9, 22, 24)
_WHOLE = 1000
"""A coefficient or share that changes nothing: most entries have no other, and an empty cell reads better."""
_QUANTITY, _POINTS, _WITHHELD = 7, 11, 12
_BLOCK = len(_HEADS) - 1
_RESERVED_ROWS = 200


def check_size(view: ScoresView) -> None:
    """Refuse a person whose entries do not fit on a worksheet.

    Raises:
        StopError: someone has too many entries.
    """
    limit = LAST_ROW - _RESERVED_ROWS
    for person in view.people:
        if len(person.entries) > limit:
            raise StopError(
                "workbook-too-many-rows", rows=len(person.entries), limit=limit, person_key=person.key
            )


def write_person(page: Page, person: Person, view: ScoresView) -> None:
    """Write everything about one person on one sheet."""
    page.widths(_WIDTHS)
    row = _write_standing(page, person)
    row = _write_indicators(page, person.indicators, row)
    head_row = row + 1
    first, last = head_row + 1, head_row + len(person.entries)
    page.total_row(row, len(_HEADS))
    page.filtered_sum(row, _QUANTITY, first, last, sum(each.quantity for each in person.entries), exact=False)
    page.filtered_sum(row, _POINTS, first, last, sum(each.points for each in person.entries))
    page.filtered_sum(row, _WITHHELD, first, last, sum(each.withheld for each in person.entries))
    page.heads(head_row, _HEADS)
    _write_entries(page, person, view, first)
    page.table(head_row, last, len(_HEADS))


def _write_standing(page: Page, person: Person) -> int:
    page.text(0, 0, f"{person.name}（{person.staff_no}）", page.formats.title)
    page.link(0, _BLOCK, "排名", "返回排名")
    row = 1
    for score in person.scores:
        page.text(row, 0, _standing(score))
        row += 1
    return row


def _standing(score: PersonScore) -> str:
    """Return one line about a total: what it is made of and what it gave, or that there is none."""
    total = "没有总分"
    if score.points is not None and score.final is not None:
        total = f"总分 {points_text(score.points)} ＝ 最终 {points_text(score.final)} ＋ 暂计 {points_text(score.provisional)}"
    parts = [
        role_label(score.sheet),
        f"名次 {rank_text(score)}",
        places_text(score),
        f"等次 {score.grade}" if score.grade else "",
        score.department or NO_DEPARTMENT,
        total,
        f"案件 {score.cases}",
        f"条目 {score.entries}",
        score.note,
    ]
    return "　".join(part for part in parts if part)


def _write_indicators(page: Page, values: tuple[IndicatorValue, ...], row: int) -> int:
    """Indicators run sideways, so that the frozen head stays low however many there are."""
    labels = {value.indicator: value.label for value in values}
    for start in range(0, len(values), _BLOCK):
        for offset, title in enumerate(("指标", "上级指标", "得分", "其中暂计", "条目数", "说明")):
            page.text(row + offset, 0, title, page.formats.label)
        for column, value in enumerate(values[start : start + _BLOCK], 1):
            page.text(row, column, indicator_label(value), page.formats.head)
            page.text(row + 1, column, labels.get(value.parent, value.parent), page.formats.label)
            page.points(row + 2, column, value.points)
            page.points(row + 3, column, value.provisional)
            page.count(row + 4, column, value.entries)
            page.text(row + 5, column, value.note, page.formats.label)
        row += 6
    return row


def _write_entries(page: Page, person: Person, view: ScoresView, first: int) -> None:
    """The one long loop of the workbook: formats and methods are looked up once."""
    text, points, count, day = page.text, page.points, page.count, page.day
    factor, share, centred = page.formats.factor, page.formats.share, page.formats.centred
    indicators = {value.indicator: value.label for value in view.publication.indicators}
    items: dict[tuple[str, str], str] = {}
    for row, entry in enumerate(person.entries, first):
        kind = (entry.item_kind, entry.item_label)
        item = items.get(kind)
        if item is None:
            item = items[kind] = f"{item_kind_label(entry.item_kind)}：{entry.item_label}"
        day(row, 0, entry.day)
        text(row, 1, view.rule_label(entry))
        text(row, 2, entry.rule_id)
        text(row, 3, entry.case_no)
        text(row, 4, view.category_name(entry.case_no))
        text(row, 5, item)
        text(row, 6, indicators.get(entry.indicator, entry.indicator))
        count(row, 7, entry.quantity)
        points(row, 8, entry.unit_points)
        if entry.coefficient != _WHOLE:
            points(row, 9, entry.coefficient, factor)
        if entry.share != _WHOLE:
            points(row, 10, entry.share, share)
        points(row, 11, entry.points)
        if entry.withheld:
            points(row, 12, entry.withheld)
        text(row, 13, STATE_LABELS[entry.state], centred)
        text(row, 14, entry.reason)
        text(row, 15, entry.evidence)
