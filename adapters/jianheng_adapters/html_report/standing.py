"""What the pages say above the entries: who stands where, what a department adds up to, which rule gave what."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jianheng.contract import Entry, IndicatorValue, PersonScore, RuleText
from jianheng_adapters.html_report.address import department_page, person_page, rule_anchor
from jianheng_adapters.html_report.figure import Figure, distribution
from jianheng_adapters.scores_view import (
    NO_DEPARTMENT,
    POINT,
    Person,
    ScoresView,
    indicator_label,
    known_sum,
    role_label,
    span_text,
    without_total,
)

_NUMERALS = {ord(each): chr(0x10000 + number) for number, each in enumerate("一二三四五六七八九十")}
"""Sorts 第二 before 第三, and 第十 before 第十一: numerals in their order, after everything else."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar in a table, in per cent of the widest: what is final, then what is provisional."""

    final: float
    provisional: float


@dataclass(frozen=True, slots=True)
class Row:
    """One person in a ranking."""

    score: PersonScore
    href: str
    department_href: str
    bar: Bar


@dataclass(frozen=True, slots=True)
class Group:
    """The ranking of one score sheet. Columns that nobody has anything in are not shown."""

    anchor: str
    label: str
    rows: Sequence[Row]
    figure: Figure | None
    graded: bool
    placed: bool


@dataclass(frozen=True, slots=True)
class Department:
    """What the people of a department add up to."""

    name: str
    href: str
    people: int
    cases: int
    entries: Sequence[Entry]
    points: int | None
    final: int | None
    provisional: int
    without_total: str
    groups: Sequence[Group]


@dataclass(frozen=True, slots=True)
class IndicatorRow:
    """One indicator of a person, with the rules that fed it."""

    value: IndicatorValue
    label: str
    parent: str
    bar: Bar


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule and what it gave."""

    rule: RuleText
    anchor: str
    span: str
    sheet: str
    indicator: str
    entries: int
    points: int


def make_groups(scores: Iterable[PersonScore]) -> list[Group]:
    """Return the rankings of some scores, sheet by sheet in the order given."""
    sheets: defaultdict[str, list[PersonScore]] = defaultdict(list)
    for score in scores:
        sheets[score.sheet].append(score)
    return [_group(number, sheet, found) for number, (sheet, found) in enumerate(sheets.items(), 1)]


def make_departments(view: ScoresView) -> list[Department]:
    """Return the departments in the order of their names and numbers."""
    scores: defaultdict[str, list[PersonScore]] = defaultdict(list)
    for group in view.groups.values():
        for score in group:
            scores[score.department or NO_DEPARTMENT].append(score)
    entries = {person.key: person.entries for person in view.people}
    return [_department(name, scores[name], entries) for name in sorted(scores, key=_numbered)]


def indicator_rows(person: Person, sheet: str) -> list[IndicatorRow]:
    """Return a person's indicators on one sheet; those in points are drawn against the highest of them."""
    values = [value for value in person.indicators if value.sheet == sheet]
    labels = {value.indicator: value.label for value in values}
    drawn = {value.indicator: value.points for value in values if value.unit == POINT}
    widest = max((points for points in drawn.values() if points is not None), default=0)
    return [
        IndicatorRow(
            value,
            indicator_label(value),
            labels.get(value.parent, value.parent),
            _bar(drawn.get(value.indicator), value.provisional, widest),
        )
        for value in values
    ]


def rule_rows(view: ScoresView) -> list[RuleRow]:
    """Return the rules in the policy's order with what each gave on the days of each of its texts."""
    given: defaultdict[str, list[int]] = defaultdict(list)
    for entry in view.publication.entries:
        rule = view.rule_on(entry.rule_id, entry.day)
        given[rule_anchor(rule) if rule else ""].append(entry.points)
    indicators = {value.indicator: value.label for value in view.publication.indicators}
    return [
        RuleRow(
            rule,
            rule_anchor(rule),
            span_text(rule),
            role_label(rule.sheet),
            indicators.get(rule.indicator, rule.indicator),
            len(given[rule_anchor(rule)]),
            sum(given[rule_anchor(rule)]),
        )
        for texts in view.rules.values()
        for rule in texts
    ]


def _group(number: int, sheet: str, scores: Sequence[PersonScore]) -> Group:
    widest = max((score.points for score in scores if score.points is not None), default=0)
    rows = [
        Row(
            score,
            person_page(score.person_key),
            department_page(score.department or NO_DEPARTMENT),
            _bar(score.points, score.provisional, widest),
        )
        for score in scores
    ]
    label = role_label(sheet)
    return Group(
        anchor=f"g-{number}",
        label=label,
        rows=rows,
        figure=distribution(scores, f"{label}得分分布（横轴：分）"),
        graded=any(score.grade for score in scores),
        placed=any(score.places for score in scores),
    )


def _department(
    name: str, scores: Sequence[PersonScore], entries: Mapping[str, Sequence[Entry]]
) -> Department:
    keys = dict.fromkeys(score.person_key for score in scores)
    own = [entry for key in keys for entry in entries[key]]
    return Department(
        name=name,
        href=department_page(name),
        people=len(keys),
        cases=len({entry.case_no for entry in own if entry.case_no}),
        entries=own,
        points=known_sum(score.points for score in scores),
        final=known_sum(score.final for score in scores),
        provisional=sum(score.provisional for score in scores),
        without_total=without_total(scores),
        groups=make_groups(scores),
    )


def _numbered(name: str) -> str:
    return name.translate(_NUMERALS)


def _bar(points: int | None, provisional: int, widest: int) -> Bar:
    if points is None or points <= 0 or widest <= 0:
        return Bar(0, 0)
    waiting = min(max(provisional, 0), points)
    return Bar(round((points - waiting) * 100 / widest, 2), round(waiting * 100 / widest, 2))
