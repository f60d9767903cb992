"""What the personnel workbook holds: people, posts, awards, punishments, training, attendance, declarations."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from random import Random

from jianheng_simulator.catalogue import words
from jianheng_simulator.chance import dice, happens
from jianheng_simulator.life import NEVER, Numbered
from jianheng_simulator.office import (
    CLASS_NAMES,
    DEPARTMENTS,
    DEPUTY,
    ROLE_NAMES,
    Office,
    Person,
    Post,
    level_of,
)
from jianheng_simulator.paper import plan_papers
from jianheng_simulator.paperfile import paper_number
from jianheng_simulator.view import View
from jianheng_simulator.worktime import SHIFT, day_of, end_of, is_workday, later
from jianheng_simulator.world import Scene, World, scenes

Cell = str | int | float | date | None
Sheet = list[list[Cell]]

HEADERS: Mapping[str, Sequence[str]] = {
    "人员信息": (
        "单位编码",
        "部门名称",
        "工号",
        "姓名",
        "性别",
        "出生年月",
        "文化程度",
        "学位",
        "身份类别",
        "检察官等级",
        "职务信息",
        "入额时间",
        "行政职级",
        "政治面貌",
    ),
    "任职经历": (
        "单位编码",
        "工号",
        "姓名",
        "部门编码",
        "部门名称",
        "身份类别",
        "办案角色",
        "职务",
        "起始日期",
        "终止日期",
    ),
    "奖励": ("编号", "单位编码", "工号", "姓名", "名称", "授予单位", "级别", "授予日期"),
    "处分": ("编号", "单位编码", "工号", "姓名", "种类", "决定机关", "决定日期", "事由"),
    "培训": ("编号", "单位编码", "工号", "姓名", "名称", "类型", "开始日期", "结束日期", "学时"),
    "考勤": ("单位编码", "工号", "姓名", "月份", "应出勤天数", "实出勤天数", "请假天数"),
    "特殊案件申报": (
        "申报编号",
        "单位编码",
        "部门受案号",
        "文书编号",
        "申报人工号",
        "申报类别",
        "申报日期",
        "审批人工号",
        "审批日期",
        "审批结果",
    ),
}
_GRADES = ("一级科员", "四级主任科员", "三级主任科员", "二级主任科员", "一级主任科员")


def personnel_sheets(world: World) -> dict[str, Sheet]:
    """All sheets as they stand today."""
    sheets: dict[str, Sheet] = {name: [] for name in HEADERS}
    for scene in scenes(world):
        for person in scene.office.people:
            _add_person(sheets, world, scene.office, person)
        sheets["特殊案件申报"] += _declarations(world, scene)
    return sheets


def _begun(person: Person, today: date) -> list[Post]:
    return [post for post in person.posts if post.start <= today]


def _post_at(person: Person, day: date) -> Post | None:
    return next(
        (post for post in person.posts if post.start <= day and (post.end is None or day <= post.end)), None
    )


def _add_person(sheets: dict[str, Sheet], world: World, office: Office, person: Person) -> None:
    posts = _begun(person, world.today)
    last = posts[-1]
    rng = dice(world.seed, office.place.code, person.staff_no, "grade")
    quota = person.quota_since if person.quota_since and person.quota_since <= world.today else None
    sheets["人员信息"].append(
        [
            last.unit,
            DEPARTMENTS[last.department][0],
            last.staff_no,
            person.name,
            "男" if person.male else "女",
            person.born.replace(day=1),
            person.education,
            person.degree,
            CLASS_NAMES[last.role],
            person.rank if quota else "",
            last.duty,
            quota,
            "" if quota else rng.choice(_GRADES),
            person.party,
        ]
    )
    for post in posts:
        # An end that lies ahead is not written down yet.
        end = post.end if post.end and post.end <= world.today else None
        sheets["任职经历"].append(
            [
                post.unit,
                post.staff_no,
                person.name,
                post.department,
                DEPARTMENTS[post.department][0],
                CLASS_NAMES[post.role],
                ROLE_NAMES[post.role],
                post.duty,
                post.start,
                end,
            ]
        )
    _add_records(sheets, world, office, person)


def _months(first: date, last: date) -> Iterator[date]:
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = (month + timedelta(days=32)).replace(day=1)


def _add_records(sheets: dict[str, Sheet], world: World, office: Office, person: Person) -> None:
    for month in _months(world.first, world.today):
        rng = dice(world.seed, office.place.code, person.staff_no, f"{month:%Y-%m}")
        day = month + timedelta(days=rng.randint(0, 26))
        post = _post_at(person, day)
        if post is None:
            continue
        who: list[Cell] = [post.unit, post.staff_no, person.name]
        code = f"{office.place.code}{month:%Y%m}{person.staff_no}"
        if day <= world.today:
            _add_events(sheets, rng, who, code, day, office)
        following = (month + timedelta(days=32)).replace(day=1)
        if following <= world.today + timedelta(days=1):
            due = sum(is_workday(month + timedelta(days=k)) for k in range((following - month).days))
            leave = rng.choices((0, 0.5, 1, 2, 5, due), (70, 8, 10, 7, 4.6, 0.4))[0]
            sheets["考勤"].append([*who, f"{month:%Y-%m}", due, due - leave, leave])


def _add_events(
    sheets: dict[str, Sheet], rng: Random, who: list[Cell], code: str, day: date, office: Office
) -> None:
    lists = words()
    if happens(rng, 0.12):
        kind = rng.choice(("业务培训", "政治培训", "网络培训"))
        days = rng.randint(1, 5)
        sheets["培训"].append(
            [
                f"PX{code}",
                *who,
                rng.choice(lists["training"]),
                kind,
                day,
                day + timedelta(days=days - 1),
                days * 8,
            ]
        )
    if happens(rng, 0.018):
        level, place = rng.choice(
            (
                ("院级", office.place.name),
                ("市级", office.place.above[0][1]),
                ("省级", office.place.above[1][1]),
            )
        )
        sheets["奖励"].append([f"JL{code}", *who, rng.choice(lists["awards"]), place, level, day])
    if happens(rng, 0.002):
        reason = rng.choice(lists["punishment_reasons"])
        sheets["处分"].append(
            [f"CF{code}", *who, rng.choice(lists["punishments"]), office.place.name, day, reason]
        )


def _declarations(world: World, scene: Scene) -> Sheet:
    """Cases and documents that their handlers declare as hard or excellent."""
    now = end_of(world.today)
    view = View(scene.office.place, scene.cases, now)
    deputy = next(one for one in scene.office.people if one.posts[0].duty == DEPUTY)
    found: list[tuple[int, list[Cell]]] = []
    for numbered in scene.cases.values():
        rng = dice(world.seed, "declared", numbered.case_no)
        if happens(rng, 0.02) or len(numbered.life.suspects) > 4:  # noqa: PLR2004
            declared = later(numbered.life.concluded, rng.randint(2, 25), rng.randrange(SHIFT))
            if declared < now:
                found.append((declared, _declaration(rng, world, scene, view, numbered, declared, deputy)))
    found.sort(key=lambda entry: (entry[0], str(entry[1][0])))
    return [row for _, row in found]


def _declaration(
    rng: Random, world: World, scene: Scene, view: View, numbered: Numbered, declared: int, deputy: Person
) -> list[Cell]:
    kind = rng.choices(("重大疑难复杂案件", "优秀案件", "优秀法律文书"), (50, 25, 25))[0]
    paper_no: str | None = None
    if kind == "优秀法律文书":
        papers = plan_papers(world.seed, scene.bosses, numbered.life)
        able = [
            one
            for one in papers
            if one.template.approval != "none" and one.drafted < declared and one.deleted == NEVER
        ]
        if able:
            paper_no = paper_number(
                view, numbered, next((one for one in able if one.template.conclusive), able[-1])
            )
        else:
            kind = "优秀案件"
    decided = later(declared, rng.randint(1, 20), rng.randrange(SHIFT))
    verdict = rng.choices(("同意", "不同意"), (82, 18))[0]
    done = decided < view.now
    handler = numbered.life.handler
    approver = deputy if level_of(handler.posts[0].duty) != "deputy_chief" else scene.bosses.chief
    return [
        f"SB{view.place.code}{numbered.ordinal}",
        view.place.code,
        numbered.case_no,
        paper_no,
        handler.staff_no,
        kind,
        day_of(declared),
        approver.staff_no,
        day_of(decided) if done else None,
        verdict if done else None,
    ]
