"""A publication of scores arranged as people read it: by sheet, by person, by case, in plain words."""

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
    "provisional": "案卷尚未经档案部门验收入库，得分先行计入，验收后转为最终得分。",
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
    rules: Mapping[str, RuleText]
    by_case: Mapping[str, tuple[Entry, ...]]

    def rule_label(self, rule_id: str) -> str:
        """Return what a rule is called; its id when the publication does not explain it."""
        rule = self.rules.get(rule_id)
        return rule.label if rule else rule_id

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
    rules: dict[str, RuleText] = {}
    for rule in publication.rules:
        rules.setdefault(rule.rule_id, rule)
    cases = {case_no: tuple(by_case[case_no]) for case_no in sorted(by_case)}
    return ScoresView(publication, people, ranked, rules, cases)


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
    return f"{score.rank} / {score.of}" if score.rank > 0 else "—"


def role_label(role: str) -> str:
    """Return what a role or a score sheet is called in Chinese; the value itself when it has no code."""
    return ROLE_LABELS.get(role, role)


@lru_cache(maxsize=65_536)
def item_kind_label(kind: str) -> str:
    """Return the Chinese term for the kind of thing that was counted."""
    entity = ENTITIES.get(kind)
    return entity.label if entity else kind
