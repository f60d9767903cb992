"""Publications made up for tests: the same arguments always give the same content; nobody in them exists."""

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from jianheng.contract import (
    AdapterContext,
    CaseText,
    Entry,
    EntryState,
    IndicatorValue,
    PersonScore,
    Publication,
    RuleText,
    Secret,
)
from jianheng.errors import Problem
from jianheng.messages import add_texts, speaking

OFFICE = "990101"
TEAM = 4
START, END = dt.date(2024, 1, 1), dt.date(2025, 1, 1)
DEPARTMENTS = ("第一检察部", "第二检察部", "第三检察部", "案件管理办公室")
SHEETS = ("quota_prosecutor", "prosecutor_assistant", "clerk")
CATEGORIES = (
    ("0201", "审查逮捕"),
    ("0301", "一审公诉"),
    ("1701", "民事生效裁判监督"),
    ("2101", "行政公益诉讼"),
)
INDICATORS = (
    ("handling", "办案数量", "total"),
    ("quality", "办案质量", "total"),
    ("special", "特殊案件加分", "total"),
)
NASTY_NAMES = (
    "=1+1",
    "<script>alert(1)</script>",
    "欧阳\"'&",
    "张:伟/三\\[四]*?",
    "很" * 40,
    "王芳",
    "王芳",
    "'李四'",
    "@SUM(A1)",
    "<r>赵五</r>",
)
_SURNAMES, _GIVEN = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨", "文明正清和安宁思远志华建国秀英"
_ITEMS = (
    ("document", "起诉书"),
    ("document", "审查报告"),
    ("document", "讯问笔录"),
    ("approval", "不起诉决定书"),
    ("event", "出庭支持公诉"),
)


def sample_publication(
    people: int = 12, entries: int = 240, cases: int = 40, *, seed: int = 1
) -> Publication:
    """Return a publication of a size; the first people have names that break careless writers."""
    rnd = random.Random(seed)  # noqa: S311  # repeatable on purpose
    rules = _rules()
    keys = [f"{OFFICE}-{number:04d}" for number in range(1, people + 1)]
    names = [
        NASTY_NAMES[n] if n < len(NASTY_NAMES) else rnd.choice(_SURNAMES) + "".join(rnd.sample(_GIVEN, 2))
        for n in range(people)
    ]
    described = {case.case_no: case for case in (_case(rnd, number) for number in range(1, cases + 1))}
    teams = [(case_no, rnd.sample(range(people), min(TEAM, people))) for case_no in described]
    made = [_entry(rnd, number, keys, *rnd.choice(teams), rules) for number in range(1, entries + 1)]
    return Publication(
        id=f"sample-{people}-{entries}-{cases}-{seed}",
        kind="scores",
        office=OFFICE,
        office_name="滨海市东屿区人民检察院",
        policy="laoshan",
        policy_label="三类人员量化赋分（示例）",
        policy_version="3f9c2a71",
        period="2024",
        period_label="2024年度",
        start=START,
        end=END,
        as_of=dt.datetime(2025, 1, 15, 8, 30),  # noqa: DTZ001  # wall time, as core keeps it
        people=_people(keys, names, made),
        indicators=_indicators(keys, made, rules),
        entries=made,
        rules=rules,
        cases=described,
        notices=("有 3 条记录处于隔离状态，处理后得分可能变化。", "<b>本结果含示例参数</b>，不得用于考核。"),
    )


def _rules() -> list[RuleText]:
    return [
        RuleText(
            rule_id=f"{sheet[:2]}-{number:02d}",
            label=f"{label}（{'主办' if sheet == SHEETS[0] else '协办'}）",
            indicator=INDICATORS[number % len(INDICATORS)][0],
            sheet=sheet,
            points=500 * (number + 1),
            cite=f"《量化赋分办法》第{number + 1}条",
            assumed=number % 4 == 0,
        )
        for sheet in SHEETS
        for number, (_, label) in enumerate(_ITEMS)
    ]


def _case(rnd: random.Random, number: int) -> CaseText:
    code, name = rnd.choice(CATEGORIES)
    accepted = START + dt.timedelta(days=rnd.randrange(300))
    closed = accepted + dt.timedelta(days=rnd.randrange(7, 60))
    return CaseText(f"{OFFICE}2024{number:05d}", code, name, accepted, closed, archived=rnd.random() < 0.8)


def _entry(
    rnd: random.Random,
    number: int,
    keys: Sequence[str],
    case_no: str,
    team: Sequence[int],
    rules: Sequence[RuleText],
) -> Entry:
    position = rnd.choice(team)
    own = [rule for rule in rules if rule.sheet == _sheet(position)]
    rule = rnd.choice(own)
    kind, label = _ITEMS[own.index(rule)]
    draw = rnd.random()
    state: EntryState = "final" if draw < 0.85 else "provisional" if draw < 0.95 else "void"
    coefficient, share = rnd.choice((1000, 1000, 1200, 800)), rnd.choice((1000, 1000, 1000, 500, 333))
    earned = rule.points * coefficient * share // 1_000_000
    withheld = earned if state == "void" else earned // 2 if rnd.random() < 0.05 else 0
    reason = "权力清单未授予该动作" if state == "void" else "超出同类文书计分上限" if withheld else ""
    return Entry(
        entry_id=f"e{number:06d}",
        person_key=keys[position],
        rule_id=rule.rule_id,
        indicator=rule.indicator,
        case_no=case_no,
        item_kind=kind,
        item_key=f"{kind}-{number // 2:06d}",
        item_label=label,
        day=START + dt.timedelta(days=rnd.randrange(366)),
        quantity=1,
        unit_points=rule.points,
        coefficient=coefficient,
        share=share,
        points=earned - withheld,
        withheld=withheld,
        state=state,
        reason=reason,
        evidence=f"ucs:YX_WS_SL/{number:08d}",
    )


def _sheet(position: int) -> str:
    return SHEETS[position % len(SHEETS)]


def _people(keys: Sequence[str], names: Sequence[str], entries: Sequence[Entry]) -> list[PersonScore]:
    mine: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        mine[entry.person_key].append(entry)
    totals = {key: sum(entry.points for entry in mine[key]) for key in keys}
    scores = []
    for position, key in enumerate(keys):
        peers = [totals[other] for place, other in enumerate(keys) if _sheet(place) == _sheet(position)]
        final = sum(entry.points for entry in mine[key] if entry.state == "final")
        scores.append(
            PersonScore(
                person_key=key,
                name=names[position],
                department=DEPARTMENTS[position % len(DEPARTMENTS)],
                role=_sheet(position),
                sheet=_sheet(position),
                points=totals[key],
                final=final,
                provisional=totals[key] - final,
                rank=1 + sum(peer > totals[key] for peer in peers),
                of=len(peers),
                cases=len({entry.case_no for entry in mine[key]}),
                entries=len(mine[key]),
                note="" if mine[key] else "期内无可计分事项",
            )
        )
    return scores


def _indicators(
    keys: Sequence[str], entries: Sequence[Entry], rules: Sequence[RuleText]
) -> list[IndicatorValue]:
    of_rule = {rule.rule_id: rule.indicator for rule in rules}
    found: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        found[entry.person_key, of_rule[entry.rule_id]].append(entry)
        found[entry.person_key, "total"].append(entry)
    values = []
    for position, key in enumerate(keys):
        for indicator, label, parent in (("total", "业绩得分", ""), *INDICATORS):
            mine = found[key, indicator]
            unknown = indicator == "special" and position % 5 == 0
            values.append(
                IndicatorValue(
                    person_key=key,
                    sheet=_sheet(position),
                    indicator=indicator,
                    label=label,
                    parent=parent,
                    points=None if unknown else sum(entry.points for entry in mine),
                    provisional=sum(entry.points for entry in mine if entry.state == "provisional"),
                    entries=len(mine),
                    note="不适用：本人无申报" if unknown else "",
                )
            )
    return values


REVISED_ON = dt.date(2024, 7, 1)
WHY = "缺少数据, 不作推定: 没有群众的评分"


def uneven(publication: Publication) -> Publication:
    """Return a publication by a law of more than sums.

    The first person has no total; everybody else has a grade and a place in his department. One indicator
    counts cases and is missing for the first person. The first rule has other words and points from July on.
    """
    first, rule = publication.people[0].person_key, publication.rules[0]
    people = [
        replace(score, points=None, final=None, provisional=0, rank=0, state="missing", note=WHY)
        if score.person_key == first
        else replace(score, grade="优秀", places={"本部门": (score.rank, 3)})
        for score in publication.people
    ]
    counted = [
        IndicatorValue(
            score.person_key, score.sheet, "count", "办结数", "", None if score.points is None else 7000, 0, 0,
            note=WHY if score.points is None else "", state=score.state, unit="件",
        )
        for score in people
    ]  # fmt: skip
    before, after = (
        replace(rule, until=REVISED_ON),
        replace(rule, since=REVISED_ON, label=f"{rule.label} 修订", points=rule.points + 250, cite="修订"),
    )
    return replace(
        publication,
        id=f"{publication.id}-uneven",
        people=people,
        indicators=[*publication.indicators, *counted],
        rules=[before, after, *publication.rules[1:]],
    )


class SilentLog:
    """A log that nobody reads."""

    def debug(self, event: str, **fields: Any) -> None: ...

    def info(self, event: str, **fields: Any) -> None: ...

    def warning(self, event: str, **fields: Any) -> None: ...


def target_context(options: Mapping[str, Any], **secrets: str) -> AdapterContext:
    """Return what core would give a target with these options."""
    return AdapterContext(
        office=OFFICE,
        name="target",
        options=options,
        secrets={name: Secret(value) for name, value in secrets.items()},
        units=[OFFICE],
        log=SilentLog(),
        pseudonym=str,
    )


def told(module: ModuleType, problem: Problem) -> str:
    """Return a problem's text in both languages, as an operator who has the adapter reads it."""
    add_texts(Path(str(module.__file__)).with_name("messages.toml"))
    texts = [problem.message().as_text()]
    with speaking("en"):
        texts.append(problem.message().as_text())
    both = "\n".join(texts)
    assert "{" not in both, both
    assert both.count("\n") == 7, both  # what, where, why and what to do, twice
    return both
