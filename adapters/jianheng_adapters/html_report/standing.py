"""What the pages say above the entries: who stands where, what a department adds up to, which rule gave what."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jianheng.contract import Entry, IndicatorValue, PersonScore, RuleText
from jianheng_adapters.html_report.address import department_page, person_page, rule_anchor
from jianheng_adapters.html_report.figure import Figure, distribution
from jianheng_adapters.scores_view import NO_DEPARTMENT, Person, ScoresView, role_label

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
    """The ranking of one score sheet."""

    anchor: str
    label: str
    rows: Sequence[Row]
    figure: Figure


@dataclass(frozen=True, slots=True)
class Department:
    """What the people of a department add up to."""

    name: str
    href: str
    people: int
    cases: int
    entries: Sequence[Entry]
    points: int
    final: int
    provisional: int
    groups: Sequence[Group]


@dataclass(frozen=True, slots=True)
class IndicatorRow:
    """One indicator of a person, with the rules that fed it."""

    value: IndicatorValue
    parent: str
    bar: Bar


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule and what it gave."""

    rule: RuleText
    anchor: str
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
    """Return a person's indicators on one sheet, drawn against the highest of them."""
    values = [value for value in person.indicators if value.sheet == sheet]
    labels = {value.indicator: value.label for value in values}
    widest = max((value.points or 0 for value in values), default=0)
    return [
        IndicatorRow(
            value, labels.get(value.parent, value.parent), _bar(value.points or 0, value.provisional, widest)
        )
        for value in values
    ]


def rule_rows(view: ScoresView) -> list[RuleRow]:
    """Return the rules in the policy's order with what each gave."""
    given: defaultdict[str, list[int]] = defaultdict(list)
    for entry in view.publication.entries:
        given[entry.rule_id].append(entry.points)
    indicators = {value.indicator: value.label for value in view.publication.indicators}
    return [
        RuleRow(
            rule,
            rule_anchor(rule.rule_id),
            role_label(rule.sheet),
            indicators.get(rule.indicator, rule.indicator),
            len(given[rule.rule_id]),
            sum(given[rule.rule_id]),
        )
        for rule in view.rules.values()
    ]


def _group(number: int, sheet: str, scores: Sequence[PersonScore]) -> Group:
    widest = max(score.points for score in scores)
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
    return Group(f"g-{number}", label, rows, distribution(scores, f"{label}得分分布（横轴：分）"))


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
        points=sum(score.points for score in scores),
        final=sum(score.final for score in scores),
        provisional=sum(score.provisional for score in scores),
        groups=make_groups(scores),
    )


def _numbered(name: str) -> str:
    return name.translate(_NUMERALS)


def _bar(points: int, provisional: int, widest: int) -> Bar:
    if points <= 0 or widest <= 0:
        return Bar(0, 0)
    waiting = min(max(provisional, 0), points)
    return Bar(round((points - waiting) * 100 / widest, 2), round(waiting * 100 / widest, 2))
