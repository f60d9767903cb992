"""A policy pack for tests that uses everything the kernel knows, and what its conditions say once more in Python."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from kernel_oracle import Conditions, Item, Record, World

POLICY = """
id = "whole"
label = "全部用到"
level = "office"
jurisdiction = "990000"
from = 2024-01-01
closing = "concluded_on"

[source]
title = "测试"
cite = "第一条"

[authority]
unlisted = "refuse"

[team]
weights = { quota_prosecutor = "team.prosecutor", prosecutor_assistant = "team.assistant" }

[[gates]]
id = "archive"
label = "归档"
final_when = "archive_accepted_on is not null"
measures = ["closed", "made"]

[[gates]]
id = "settled"
label = "无督办"
final_when = "is_supervised is null or not is_supervised"

[[sheets]]
id = "prosecutor"
label = "检察官"
role = "quota_prosecutor"

[[sheets]]
id = "assistant"
label = "助理"
role = "prosecutor_assistant"

[[indicators]]
id = "total"
label = "总分"

[[indicators]]
id = "work"
label = "办案"
parent = "total"

[[indicators]]
id = "papers"
label = "文书"
parent = "total"

[[indicators]]
id = "faults"
label = "问题"
parent = "total"

[[factors]]
id = "special"
label = "特殊案件"
measures = ["closed", "made"]
choices = [
  { id = "large", label = "人多", value = "factor.large", when = "suspect_count >= 2" },
  { id = "declared", label = "申报", value = "factor.declared", declared = "major_case" },
  { id = "watched", label = "关注", value = 0.7, when = "is_watched" },
]

[[factors]]
id = "found_by"
label = "谁发现"
over = "item"
take = "first"
measures = ["found"]
choices = [
  { id = "own", label = "自查", value = 0, when = "found_by = 'self'" },
  { id = "mended", label = "已改", value = 0.5, when = "rectified" },
  { id = "strict", label = "上级", value = "factor.strict", when = "found_by = 'superior'" },
]

[[factors]]
id = "style"
label = "质量"
over = "item"
choices = [
  { id = "filed", label = "入卷", value = "factor.filed", when = "in_dossier" },
  { id = "report", label = "报告", value = 1.333, when = "template_code = 'report'" },
]
measures = ["made"]

[[caps]]
id = "papers_month"
label = "文书每月"
per = ["person", "month"]
indicators = ["papers"]
limit = "cap.papers"

[[caps]]
id = "case_all"
label = "一案"
per = ["case"]
rules = ["closed", "closed_big", "report_p"]
limit = 12

[[caps]]
id = "closed_quarter"
label = "办结每季"
per = ["person", "quarter"]
rules = ["closed"]
limit = 15
allot = "points"

[[caps]]
id = "faults_year"
label = "问题每年"
per = ["person", "year"]
indicators = ["faults"]
limit = 5

[[caps]]
id = "reviews_day"
label = "全院每日审批"
per = ["day"]
rules = ["reviewed"]
limit = 2.5

[[caps]]
id = "awards"
label = "奖励"
per = ["person"]
rules = ["award"]
limit = 7

[[caps]]
id = "papers_year"
label = "文书每年"
per = ["person", "year"]
rules = ["report_p", "report_a", "letter"]
limit = 9
"""

MEASURES = """
[closed]
label = "办结"
grain = "case"
where = "closed_on is not null"
date = "closed_on"
unit = "件"
team = true

[made]
label = "文书"
grain = "document"
where = "drafted_on is not null"
date = "drafted_on"
unit = "份"
code = "template_code"
actor = "drafter_key"
quantity = "case when template_code = 'batch' then coalesce(case_handling_days, 0) else 1 end"

[reviewed]
label = "审批"
grain = "approval"
where = "conclusion = '同意'"
date = "approved_on"
unit = "次"
actor = "approver_key"
changes = [
  { from = 2025-07-01, where = "conclusion is not null", date = "submitted_on", actor = "submitter_key" },
]

[found]
label = "发现问题"
grain = "finding"
where = "state is null or state <> 'rejected'"
date = "found_on"
unit = "个"
code = "kind"
actor = "person_key"
fault = "fault_key"

[missed]
label = "应当发现而未发现"
grain = "finding"
where = "missed_by_owner"
date = "found_on"
unit = "个"
actor = "case_handler_key"
fault = "fault_key"

[award]
label = "奖励"
grain = "personnel_record"
where = "kind = 'award'"
date = "starts_on"
unit = "项"
actor = "person_key"
quantity = "coalesce(quantity, 1)"
"""

POINTS = """\
id,label,measure,code,category,role,indicator,points,per_case,case_cap,month_cap,year_cap,fault,from,until,cite
closed,办结,closed,,,,work,10,,,,,,,,第一条
closed_big,大案,closed,,0301,quota_prosecutor,work,4.001,,3,,,,,,第一条
report_p,报告,made,report,,quota_prosecutor,papers,3,2,,,,,,,第二条
report_a,报告,made,report,,prosecutor_assistant,papers,2.5,,6,,,,,,第二条
letter,函,made,letter,,,papers,2,,,7,,,,2025-07-01,第三条
letter,函,made,letter,,,papers,4,,,5,6,,2025-07-01,,第三条
batch,批量,made,batch,,,papers,0.5,,,,2,,,,第三条
reviewed,审批,reviewed,,,,papers,1.5,,,,,,,,第四条
late,迟延,found,late,,,faults,-2.345,,,,,neglect,,,第五条
error,错误,found,error,,,faults,-4,,,4.5,,neglect,,,第五条
missed,漏查,missed,,,,faults,-3,,,,4,neglect,,,第五条
award,奖励,award,,,,work,4,,,,5,,,,第六条
"""

AUTHORITY = """measure,code,category,role,post_level,cite
made,report,,quota_prosecutor;prosecutor_assistant,,第七条
made,letter,,,,第七条
made,batch,,,member;dept_head,第七条
"""

PARAMETERS = """
[team.prosecutor]
label = "检察官"
unit = "权重"
values = [{ from = 2024-01-01, value = 0.6, cite = "第八条" }]

[team.assistant]
label = "助理"
unit = "权重"
values = [
  { from = 2024-01-01, value = 0.3, cite = "第八条" },
  { from = 2025-05-14, value = 0.4, cite = "第八条" },
]

[factor.large]
label = "人多"
unit = "倍"
values = [
  { from = 2024-01-01, value = 1.5, cite = "第九条" },
  { from = 2025-07-01, value = 2, cite = "第九条" },
]

[factor.declared]
label = "申报"
unit = "倍"
values = [{ from = 2024-01-01, value = 1.8, cite = "第九条" }]

[factor.strict]
label = "上级发现"
unit = "倍"
values = [
  { from = 2024-01-01, value = 1, cite = "第九条" },
  { from = 2025-01-15, value = 1.2, cite = "第九条" },
]

[factor.filed]
label = "入卷"
unit = "倍"
values = [
  { from = 2024-01-01, value = 1.111, cite = "第九条" },
  { from = 2025-05-14, value = 1.345, cite = "第九条" },
]

[cap.papers]
label = "文书每月上限"
unit = "分"
values = [
  { from = 2024-01-01, value = 5, cite = "第十条" },
  { from = 2025-05-14, value = 9.5, cite = "第十条" },
  { from = 2025-12-26, value = 4, cite = "第十条" },
]
"""

CALENDARS = {
    "calendar year": "",
    "26 December": '[calendar]\nyear_start = "12-26"\n',
    "quarters from February": "[calendar]\nquarter_first_month = 2\n",
}
"""Ways to cut time, by name."""


def write_whole_pack(folder: Path, calendar: str = "calendar year") -> Path:
    """Write the pack with one of :data:`CALENDARS`; return its folder."""
    policy = POLICY.replace("[source]", f"{CALENDARS[calendar]}\n[source]")
    files = {
        "policy.toml": policy,
        "measures.toml": MEASURES,
        "points.csv": POINTS,
        "authority.csv": AUTHORITY,
        "parameters/numbers.toml": PARAMETERS,
    }
    (folder / "parameters").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


JULY = dt.date(2025, 7, 1)


def _items(world: World) -> Iterator[Item]:
    """Yield everything the pack's measures count, of any day."""
    for number, case in world.cases.items():
        if case["concluded_on"] is not None:
            yield Item("closed", number, number, case["category"], "", case["concluded_on"], None, team=True)
    for each in world.of_known_cases("document"):
        if each["drafted_on"] is not None:
            yield _made(world, each)
    for each in world.records["personnel_record"]:
        if each["kind"] == "award" and each["starts_on"] is not None:
            quantity = 1 if each["quantity"] is None else int(each["quantity"])
            day, person = each["starts_on"], each["person_key"]
            yield Item("award", each["record_key"], "", "", "", day, person, quantity=quantity, row=each)
    yield from _reviewed(world)
    yield from _findings(world)


def _reviewed(world: World) -> Iterator[Item]:
    for each in world.of_known_cases("approval"):
        agreed = each["approved_on"] is not None and each["conclusion"] == "同意"
        if agreed and each["approved_on"] < JULY:
            yield _on_case(world, "reviewed", each, "", each["approved_on"], each["approver_key"])
        elif each["conclusion"] is not None and each["submitted_on"] and each["submitted_on"] >= JULY:
            yield _on_case(world, "reviewed", each, "", each["submitted_on"], each["submitter_key"])


def _findings(world: World) -> Iterator[Item]:
    for each in world.of_known_cases("finding"):
        handler = world.cases[each["case_no"]]["handler_key"]
        if each["state"] != "rejected":
            yield _on_case(world, "found", each, each["kind"], each["found_on"], each["person_key"])
        if each["missed_by_owner"]:
            yield _on_case(world, "missed", each, "", each["found_on"], handler)


def _made(world: World, row: Record) -> Item:
    days = world.cases[row["case_no"]]["handling_days"]
    quantity = (days or 0) if row["template_code"] == "batch" else 1
    code, day, drafter = row["template_code"], row["drafted_on"], row["drafter_key"]
    return _on_case(world, "made", row, code, day, drafter, quantity=quantity)


def _on_case(
    world: World, measure: str, row: Record, code: str, day: dt.date, actor: str | None, quantity: int = 1
) -> Item:
    key, number = str(next(iter(row.values()))), row["case_no"]
    category, fault = world.cases[number]["category"], row.get("fault_key")
    return Item(measure, key, number, category, code, day, actor, quantity=quantity, fault=fault, row=row)


CONDITIONS = Conditions(
    items=_items,
    choices={
        "special large": lambda world, item: len(world.of_case("suspect", item.case_no)) >= 2,
        "special watched": lambda world, item: bool(world.cases[item.case_no]["is_watched"]),
        "found_by own": lambda _, item: item.row["found_by"] == "self",
        "found_by mended": lambda _, item: bool(item.row["rectified"]),
        "found_by strict": lambda _, item: item.row["found_by"] == "superior",
        "style filed": lambda _, item: bool(item.row["in_dossier"]),
        "style report": lambda _, item: item.row["template_code"] == "report",
    },
    gates={
        "archive": lambda world, number: world.is_archived(number),
        "settled": lambda world, number: not world.cases[number]["is_supervised"],
    },
)
"""The conditions above, as the oracle asks them."""
