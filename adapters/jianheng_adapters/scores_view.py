"""A publication of scores arranged as people read it: by sheet, by person, by case, in plain words."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

from jianheng.contract import CaseText, Entry, EntryState, IndicatorValue, PersonScore, Publication, RuleText
from jianheng.facts.entities import ENTITIES

STATE_LABELS: Mapping[EntryState, str] = {"final": "最终", "provisional": "暂计", "void": "不计分"}
STATE_MEANINGS: Mapping[EntryState, str] = {
    "final": "计分条件已全部满足，得分已确定。",
    "provisional": "转为最终得分的条件尚未全部满足，得分先行计入；条件见提示。",
    "void": "已识别但不计分，原因见该条目的“说明”；如有异议，可凭来源记录提出复核。",
}
ROLE_LABELS: Mapping[str, str] = {
    "quota_prosecutor": "员额检察官",
    "prosecutor_assistant": "检察官助理",
    "clerk": "书记员",
    "judicial_admin": "司法行政人员",
    "other": "其他人员",
}
NO_DEPARTMENT = "未分部门"
UNLISTED = "未列入名单"
NO_NUMBER = "—"
"""Stands where there is no number: unknown is not zero."""
POINT = "分"

RuleTexts = Mapping[str, tuple[RuleText, ...]]
"""The texts of each rule by its id: one where its points never changed, else one a span of days."""

_OfPerson = TypeVar("_OfPerson", PersonScore, IndicatorValue)


@dataclass(frozen=True, slots=True)
class Person:
    """Everything a publication says about one person; ``scores`` is empty for one it does not rank."""

    key: str
    scores: tuple[PersonScore, ...]
    indicators: tuple[IndicatorValue, ...]
    entries: tuple[Entry, ...]

    @property
    def name(self) -> str:
        """The person's name, or a word that says we have none."""
        return self.scores[0].name if self.scores else UNLISTED

    @property
    def staff_no(self) -> str:
        """The staff number: the person key without its unit."""
        return self.key.partition("-")[2] or self.key


@dataclass(frozen=True, slots=True)
class ScoresView:
    """A publication with its parts in reading order and at hand by key."""

    publication: Publication
    people: tuple[Person, ...]
    groups: Mapping[str, tuple[PersonScore, ...]]
    rules: RuleTexts
    by_case: Mapping[str, tuple[Entry, ...]]

    def rule_on(self, rule_id: str, day: dt.date) -> RuleText | None:
        """Return the text of a rule that was in force on a day; None of a rule the publication does not explain."""
        return rule_on(self.rules, rule_id, day)

    def rule_label(self, entry: Entry) -> str:
        """Return what an entry's rule was called on its day; its id when the publication does not explain it."""
        return rule_label(self.rules, entry)

    def case(self, case_no: str) -> CaseText | None:
        """Return what is known of a case, if the publication describes it."""
        return self.publication.cases.get(case_no)

    def category_name(self, case_no: str) -> str:
        """Return the name of a case's category, its code without one, nothing without a case."""
        case = self.case(case_no)
        return (case.category_name or case.category) if case else ""


def arrange(publication: Publication) -> ScoresView:
    """Return a publication arranged for reading. People come by sheet and rank, entries by day."""
    entries: defaultdict[str, list[Entry]] = defaultdict(list)
    by_case: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in sorted(
        publication.entries, key=lambda each: (each.day, each.case_no, each.rule_id, each.entry_id)
    ):
        entries[entry.person_key].append(entry)
        by_case[entry.case_no].append(entry)
    groups: defaultdict[str, list[PersonScore]] = defaultdict(list)
    sheets = publication.sheets
    for score in publication.people:
        groups[sheets.get(score.sheet, score.sheet)].append(_titled(score, sheets))
    ranked = {sheet: tuple(sorted(scores, key=_by_rank)) for sheet, scores in groups.items()}
    scores_of = _gathered(score for group in ranked.values() for score in group)
    indicators_of = _gathered(_titled(value, sheets) for value in publication.indicators)
    keys = dict.fromkeys((*scores_of, *sorted(indicators_of), *sorted(entries)))
    people = tuple(
        Person(key, scores_of.get(key, ()), indicators_of.get(key, ()), tuple(entries.get(key, ())))
        for key in keys
    )
    cases = {case_no: tuple(by_case[case_no]) for case_no in sorted(by_case)}
    return ScoresView(publication, people, ranked, rule_texts(publication.rules), cases)


def rule_texts(rules: Iterable[RuleText]) -> RuleTexts:
    """Return the texts of each rule, in the order of their days; the rules in the order given."""
    found: dict[str, tuple[RuleText, ...]] = {}
    for rule in rules:
        texts = (*found.get(rule.rule_id, ()), rule)
        found[rule.rule_id] = tuple(sorted(texts, key=lambda each: each.since or dt.date.min))
    return found


def rule_on(texts: RuleTexts, rule_id: str, day: dt.date) -> RuleText | None:
    """Return the text of a rule that had begun last on a day; the first where none had, None where there is none."""
    held = texts.get(rule_id, ())
    begun = [each for each in held if each.since is None or each.since <= day]
    return begun[-1] if begun else next(iter(held), None)


def rule_label(texts: RuleTexts, entry: Entry) -> str:
    """Return what an entry's rule was called on its day; its id where nothing explains it."""
    rule = rule_on(texts, entry.rule_id, entry.day)
    return rule.label if rule else entry.rule_id


def _titled(value: _OfPerson, sheets: Mapping[str, str]) -> _OfPerson:
    """Name the sheet as its readers know it."""
    return replace(value, sheet=sheets.get(value.sheet, value.sheet))


def _by_rank(score: PersonScore) -> tuple[bool, int, str]:
    return (score.rank <= 0, score.rank, score.person_key)


def _gathered(values: Iterable[_OfPerson]) -> dict[str, tuple[_OfPerson, ...]]:
    gathered: defaultdict[str, list[_OfPerson]] = defaultdict(list)
    for value in values:
        gathered[value.person_key].append(value)
    return {key: tuple(found) for key, found in gathered.items()}


@lru_cache(maxsize=65_536)
def points_text(thousandths: int) -> str:
    """Return points exactly: 12345 is ``12.345``."""
    whole, part = divmod(abs(thousandths), 1000)
    return f"{'-' if thousandths < 0 else ''}{whole}.{part:03d}"


def total_text(thousandths: int | None) -> str:
    """Return points exactly; a dash where there are none."""
    return NO_NUMBER if thousandths is None else points_text(thousandths)


def known_sum(values: Iterable[int | None]) -> int | None:
    """Return the sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def without_total(scores: Iterable[PersonScore]) -> str:
    """Say how many have no total and are in no sum; nothing where everybody has one."""
    count = sum(score.points is None for score in scores)
    return f"{count} 人次没有总分，未计入" if count else ""


@lru_cache(maxsize=65_536)
def factor_text(permille: int) -> str:
    """Return a coefficient without needless zeros: 1200 is ``1.2``."""
    return points_text(permille).rstrip("0").rstrip(".")


@lru_cache(maxsize=65_536)
def share_text(permille: int) -> str:
    """Return a share in per cent: 500 is ``50%``, 333 is ``33.3%``."""
    return f"{factor_text(permille * 100)}%"


def rank_text(score: PersonScore) -> str:
    """Return a rank with the number it is out of; a dash for who is not ranked."""
    return f"{score.rank} / {score.of}" if score.rank > 0 else NO_NUMBER


def places_text(score: PersonScore) -> str:
    """Return the places in groups other than the sheet, by the group's label."""
    return "；".join(f"{label} {place} / {of}" for label, (place, of) in score.places.items())


def span_text(rule: RuleText) -> str:
    """Return the days on which a rule's text holds; nothing where it always does."""
    since = f"{rule.since.isoformat()} 起" if rule.since else ""
    until = f"{rule.until.isoformat()} 前" if rule.until else ""
    return f"{since}{until}" if not (since and until) else f"{since}，{until}"


def indicator_label(value: IndicatorValue) -> str:
    """Return what an indicator is called, with its unit where that is not points."""
    return value.label if value.unit == POINT else f"{value.label}（{value.unit}）"


def role_label(role: str) -> str:
    """Return what a role or a score sheet is called in Chinese; the value itself when it has no code."""
    return ROLE_LABELS.get(role, role)


@lru_cache(maxsize=65_536)
def item_kind_label(kind: str) -> str:
    """Return the Chinese term for the kind of thing that was counted."""
    entity = ENTITIES.get(kind)
    return entity.label if entity else kind
