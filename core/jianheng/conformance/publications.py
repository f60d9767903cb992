"""Publications made up for trials of targets: names that break careless writers, numbers that are not known."""

import datetime as dt
import hashlib
from dataclasses import replace

from jianheng.conformance.bench import Bench
from jianheng.contract import (
    CaseText,
    DueCase,
    Entry,
    IndicatorValue,
    Notice,
    PersonScore,
    Publication,
    PublicationKind,
    RuleText,
)

NAMES = (
    "示例甲",
    "欧阳\"'&<b>",
    "=1+1",
    "很" * 60,
    "㐀𠮷😀",
    "张,伟;\t三",
    "示例甲",  # two people may have one name
    "007",
    "NULL",
)
SHEET = "quota_prosecutor"
START, END = dt.date(2026, 1, 1), dt.date(2027, 1, 1)
UNKNOWN = 2
"""Which person, and which indicator, has no number: unknown is not zero."""


def made_publication(
    bench: Bench, kind: PublicationKind, number: int, people: int = len(NAMES)
) -> Publication:
    """Return a publication; the same number always gives the same content, another number another.

    Args:
        bench: for whose office.
        kind: what it holds.
        number: which one; it is in its id and in every number it holds.
        people: how many people or cases it has.
    """
    office = bench.settings.office
    whole = Publication(
        id=hashlib.sha256(f"conform-{kind}-{number}-{people}".encode()).hexdigest(),
        kind=kind,
        office=office,
        office_name="示例市示例区人民检察院",
        policy="conform",
        policy_label="一致性检查（示例）",
        policy_version="1",
        period="2026",
        period_label="2026年度",
        start=START,
        end=END,
        as_of=dt.datetime(2026, 7, 1, 8, number % 60),  # noqa: DTZ001  # wall time, as core keeps it
        notices=("这是一致性检查的示例, 不得用于考核。",),
    )
    cases = [_case(office, each) for each in range(1, people + 1)]
    if kind == "archive-due":
        due = [
            DueCase(case.case_no, office, f"{office}-{place:04d}", START + dt.timedelta(days=place + number))
            for place, case in enumerate(cases, 1)
        ]
        return replace(whole, due=due, cases={each.case_no: each for each in cases})
    if kind == "notices":
        return replace(
            whole, notice=_notice(number), policy="", policy_label="", policy_version="", period=""
        )
    scores = [_score(office, place, number, people) for place in range(1, people + 1)]
    known = [each for each in scores if each.points is not None]
    return replace(
        whole,
        sheets={SHEET: "员额检察官"},
        people=scores,
        indicators=[_indicator(each) for each in scores],
        entries=[_entry(each, case) for each, case in zip(scores, cases, strict=True) if each in known],
        rules=[RuleText("c-01", "示例事项", "total", SHEET, 1000, "《示例办法》第一条", assumed=False)],
        cases={each.case_no: each for each in cases},
    )


def _notice(number: int) -> Notice:
    at = dt.datetime(2026, 7, 1, 8, number % 60, tzinfo=dt.UTC)
    return Notice(
        key=f"source/conform/{number}",
        over=False,
        about="source",
        subject="conform",
        at=at,
        needs_person=True,
        title=f"示例通知 {number}",
        text="示例来源没有回应。\n处理: 这是一致性检查的示例, 不必处理。",
        codes=("conform-example",),
    )


def _case(office: str, place: int) -> CaseText:
    day = START + dt.timedelta(days=place % 300)
    return CaseText(
        f"{office}2026{place:05d}", "0301", "一审公诉", day, day + dt.timedelta(days=9), archived=False
    )


def _score(office: str, place: int, number: int, people: int) -> PersonScore:
    unknown = place == UNKNOWN
    points = None if unknown else 1000 * place + number
    return PersonScore(
        person_key=f"{office}-{place:04d}",
        name=NAMES[(place - 1) % len(NAMES)],
        department="第一检察部",
        role=SHEET,
        sheet=SHEET,
        points=points,
        final=points,
        provisional=0,
        rank=0 if unknown else people - place + 1,
        of=people,
        cases=1,
        entries=0 if unknown else 1,
        note="缺少数据, 不作推定" if unknown else "",
        state="missing" if unknown else "scored",
    )


def _indicator(score: PersonScore) -> IndicatorValue:
    return IndicatorValue(
        score.person_key,
        SHEET,
        "total",
        "业绩得分",
        "",
        score.points,
        0,
        score.entries,
        score.note,
        score.state,
    )


def _entry(score: PersonScore, case: CaseText) -> Entry:
    points = score.points or 0
    return Entry(
        entry_id=f"c-{score.person_key}",
        person_key=score.person_key,
        rule_id="c-01",
        indicator="total",
        case_no=case.case_no,
        item_kind="document",
        item_key=f"d-{case.case_no}",
        item_label="起诉书",
        day=START,
        quantity=1,
        unit_points=points,
        coefficient=1000,
        share=1000,
        points=points,
        withheld=0,
        state="final",
        reason="",
        evidence=f"示例/{case.case_no}",
    )
