"""What of somebody's score is asked for: a case, an indicator, a rule, an entry; and what there is of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jianheng.errors import StopError
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.law.reading import nearest
from jianheng.store.tables import NO_RULE

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for of somebody's score; all of it where nothing is named.

    Attributes:
        case_no: only entries of this case.
        indicator: only this indicator and those below it.
        rule: only this rule.
        entry: only the entry whose number begins so.
    """

    case_no: str | None = None
    indicator: str | None = None
    rule: str | None = None
    entry: str | None = None

    @property
    def narrow(self) -> bool:
        """Whether what is asked for are single entries rather than sums."""
        return (self.case_no or self.rule or self.entry) is not None


EVERYTHING = Asked()


def resolve(policy: Policy, period: Period, wanted: str, entries: Sequence[Row], asked: Asked) -> Asked:
    """Return what is asked for with the whole number of the entry; StopError for what is not there."""
    told = {"wanted": wanted, "period": period.id}
    if asked.case_no is not None and all(entry["case_no"] != asked.case_no for entry in entries):
        raise StopError("explain-no-such-case", case_no=asked.case_no, **told)
    indicators = [each.id for each in policy.file.indicators]
    if asked.indicator is not None and asked.indicator not in indicators:
        near = nearest(asked.indicator, indicators)
        raise StopError(
            "explain-no-such-indicator", policy=policy.id, indicator=asked.indicator, nearest=near
        )
    rules = {row.id for row in policy.points} | {entry["rule_id"] for entry in entries} - {NO_RULE}
    if asked.rule is not None and asked.rule not in rules:
        near = nearest(asked.rule, sorted(rules))
        raise StopError("explain-no-such-rule", policy=policy.id, rule=asked.rule, nearest=near)
    if asked.entry is None:
        return asked
    ids = [entry["entry_id"] for entry in entries if entry["entry_id"].startswith(asked.entry)]
    if not ids:
        raise StopError("explain-no-such-entry", entry=asked.entry, **told)
    if len(ids) > 1:
        raise StopError("explain-several-entries", entry=asked.entry, count=len(ids))
    return replace(asked, entry=ids[0])


def fits(entry: Row, asked: Asked, indicators: set[str] | None) -> bool:
    """Say whether an entry is among what is asked for; ``indicators`` are those asked for, None for any."""
    return (
        asked.case_no in {None, entry["case_no"]}
        and asked.rule in {None, entry["rule_id"]}
        and asked.entry in {None, entry["entry_id"]}
        and (indicators is None or entry["indicator"] in indicators)
    )


def below(policy: Policy, indicator: str) -> Iterator[str]:
    """Yield an indicator and all below it."""
    yield indicator
    for each in policy.file.indicators:
        if each.parent == indicator:
            yield from below(policy, each.id)


def has_sheet(policy: Policy, standing: Row, listed: Iterable[Row], asked: Asked) -> bool:
    """Say whether a sheet has something of the entry, or could have something of the rule, that is asked for."""
    sheet = standing["sheet"]
    given = any(entry["sheet"] == sheet and entry["rule_id"] != NO_RULE for entry in listed)
    if asked.entry is not None or given:
        return given
    if asked.rule is None:
        return True
    role = next(each.role for each in policy.file.sheets if each.id == sheet)
    rows = [row for row in policy.points if row.id == asked.rule]
    return any(not row.role or role in row.role for row in rows)
