"""What leaves for targets: finished results with all that made them, lists, notices; and what a target answers."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

PublicationKind = Literal["scores", "archive-due", "notices"]
NoticeAbout = Literal["source", "quarantine", "job", "target", "period"]
EntryState = Literal["final", "provisional", "void"]
OutcomeState = Literal["scored", "not-applicable", "missing"]
"""What becomes of a number: it is there, it does not apply, or something it needs is not known. Never 0 for the latter two."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a target did: where the result is and how many records it holds."""

    location: str
    records: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger: one counted item for one subject, and all that made it.

    Points are integers of 0.001 point. ``points`` is what counts; ``withheld`` is what a cap, a limit or
    a missing authority took away; ``reason`` says why, and what multiplied the points. ``coefficient`` is
    the product of all factors in permille, rounded for reading. ``evidence`` names the record of
    the source that the item came from.
    """

    entry_id: str
    person_key: str
    rule_id: str
    indicator: str
    case_no: str
    item_kind: str
    item_key: str
    item_label: str
    day: dt.date
    quantity: int
    unit_points: int
    coefficient: int
    share: int
    points: int
    withheld: int
    state: EntryState
    reason: str
    evidence: str


@dataclass(frozen=True, slots=True)
class IndicatorValue:
    """The value of one indicator for one subject, in 0.001 of its ``unit``, or why there is none.

    ``points`` is None unless ``state`` is ``scored``; ``note`` then says why.
    """

    person_key: str
    sheet: str
    indicator: str
    label: str
    parent: str
    points: int | None
    provisional: int
    entries: int
    note: str = ""
    state: OutcomeState = "scored"
    unit: str = "分"


@dataclass(frozen=True, slots=True)
class PersonScore:
    """The standing of one person in one period, in 0.001 point.

    ``points`` is None, and ``rank`` 0, unless ``state`` is ``scored``; ``note`` then says why. ``grade`` is
    a label, empty where the policy gives none. ``places`` are those in groups other than the sheet: the
    group's label to place and how many have one.
    """

    person_key: str
    name: str
    department: str
    role: str
    sheet: str
    points: int | None
    final: int | None
    provisional: int
    rank: int
    of: int
    cases: int
    entries: int
    note: str = ""
    grade: str = ""
    state: OutcomeState = "scored"
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleText:
    """A rule as a person reads it: what it gives, on whose sheets (labels), on which authority.

    A rule whose points changed has one for each span of days ``[since, until)``; None has no end.
    """

    rule_id: str
    label: str
    indicator: str
    sheet: str
    points: int
    cite: str
    assumed: bool
    since: dt.date | None = None
    until: dt.date | None = None


@dataclass(frozen=True, slots=True)
class DueCase:
    """A case that ought to be in the archive and is not."""

    case_no: str
    unit_code: str
    handler_key: str
    closed_on: dt.date


@dataclass(frozen=True, slots=True)
class CaseText:
    """What a reader needs to know a case by, without anybody's name."""

    case_no: str
    category: str
    category_name: str
    accepted_on: dt.date | None
    closed_on: dt.date | None
    archived: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened and that somebody should hear of without having asked.

    Each is sent twice at most: when it begins, and when it is over.

    Attributes:
        key: the same for a beginning and its end, and for nothing else of the office.
        over: whether it has ended; otherwise it began.
        about: what it concerns: a source that was not read to its end, rows set aside, a job that failed, a
            target that takes nothing, a period that has ended and is not closed.
        subject: which one: the name of the source, job or target, or the period.
        at: when it began, or when its end was seen.
        needs_person: whether it waits for somebody; otherwise it is tried again by itself.
        title: one line, in the language of the deployment.
        text: what happened, where, why it matters and what to do; several lines, without personal data.
        codes: the stable codes of what is told (docs/errors.md).
    """

    key: str
    over: bool
    about: NoticeAbout
    subject: str
    at: dt.datetime
    needs_person: bool
    title: str
    text: str
    codes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Publication:
    """A finished result on its way to targets.

    Attributes:
        id: the same content has the same id; targets use it to write once.
        kind: what it holds; a target's manifest says which kinds it takes.
        sheets: the labels of the score sheets, by the ids that people and indicators name.
        notices: things every reader of results must know (void entries, unknown people, open quarantine).
        notice: what happened, of the kind ``notices``: one each; policy and period are empty then.
    """

    id: str
    kind: PublicationKind
    office: str
    office_name: str
    policy: str
    policy_label: str
    policy_version: str
    period: str
    period_label: str
    start: dt.date
    end: dt.date
    as_of: dt.datetime
    sheets: Mapping[str, str] = field(default_factory=dict)
    people: Sequence[PersonScore] = ()
    indicators: Sequence[IndicatorValue] = ()
    entries: Sequence[Entry] = ()
    rules: Sequence[RuleText] = ()
    cases: Mapping[str, CaseText] = field(default_factory=dict)
    due: Sequence[DueCase] = ()
    notices: Sequence[str] = ()
    notice: Notice | None = None
