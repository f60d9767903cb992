"""What lies between the ledger and what is published: sums, who is scored, values, standings.

Points are integers of 0.001 point throughout. An outcome is one of three and never a fourth: scored,
not applicable, or missing, the last two with a reason. Zero is a score; unknown is not zero.

A reason is a stable word, with what it speaks of after a colon where there is such a thing:
``parameter:team.target``, ``ratings:department``. It is handed up unchanged, so a total that is missing
names what is missing at the bottom. :func:`reason_text` says it to people.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from jianheng.messages import text
from jianheng.scoring.law.parameters import Resolved

ALL_RULES = "*"
"""``rule_id`` of the tally that counts a measure's items: each once, whatever rules speak of it."""

State = Literal["scored", "not-applicable", "missing"]

_NEXT_REASON = re.compile(r";(?=(?:veto|quota|tie):)")


class Tally(NamedTuple):  # of which there are many: made five times as fast as a frozen dataclass
    """The current ledger of one person, sheet, measure and rule, summed.

    Attributes:
        rule_id: the rule; ``-`` for what no rule speaks of: that still counts as an item; or
            :data:`ALL_RULES`, whose row has no points and no indicator. What is counted (``count``,
            caseloads, vetoes) is read from that row alone: an item that two rules speak of is one item.
        indicator: where the rule's points go; empty for ``-``.
        points: 0.001 point, provisional ones included.
        provisional: the part of ``points`` whose gate is not passed yet.
        withheld: 0.001 point that caps took or that was refused.
        entries: ledger lines, void ones included.
        items: distinct item keys, void lines left out (but not those no rule speaks of); so are
            ``quantity`` and ``shares``.
        quantity: the quantities of those items, summed.
        shares: the person's shares of those items in permille, summed.
    """

    person_key: str
    sheet: str
    measure: str
    rule_id: str
    indicator: str
    points: int
    provisional: int
    withheld: int
    entries: int
    items: int
    quantity: int
    shares: int


@dataclass(frozen=True, slots=True)
class Scored:
    """Somebody with a sheet: post, role and department as of his last day on it within the period.

    What is not known of him is empty, and is then equal to nobody else's.
    """

    person_key: str
    sheet: str
    role: str
    unit_code: str
    department_key: str
    post_level: str
    staff_class: str


@dataclass(frozen=True, slots=True)
class Rating:
    """The score one rater gave one person for one thing within the period."""

    person_key: str
    rating: str
    rater_kind: str
    score: Decimal


@dataclass(frozen=True, slots=True)
class Gap:
    """Why there is no number."""

    state: Literal["not-applicable", "missing"]
    reason: str


class Value(NamedTuple):
    """One indicator of one person.

    Attributes:
        points: 0.001 of the indicator's unit, rounded to its places; None unless ``state`` is scored.
        provisional: ``points`` less what the final entries alone would give; 0 unless scored.
        entries: ledger lines that went into it: its own, those it counts, and its children's.
        reason: why it is not scored; empty where it is.
        basis: what the number was made of: names and exact decimals, ``a/b`` where no decimal is exact;
            the reason where one of them is not scored. ``child:ID`` names a child, everything else is
            named as in the policy.
        reads: the parameters read for it, in the order of reading.
    """

    person_key: str
    sheet: str
    indicator: str
    state: State
    points: int | None
    provisional: int
    entries: int
    reason: str = ""
    basis: tuple[tuple[str, str], ...] = ()
    reads: tuple[Resolved, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """One person's total on one sheet and what it gives him. Equal totals share a place.

    Attributes:
        final: ``points`` less ``provisional``.
        entries: ledger lines that a rule speaks of.
        place: within the sheet; None for whoever has no total, who is also not in ``place_of``.
        grade: the id of a band, or empty.
        grade_reason: why it is not the grade the total alone would give, or why there is none: reasons
            separated by ``;``. Empty where the total alone decides.
        places: other ranked groups: id to place and how many have one.
        reason: why there is no total.
        reads: the parameters that the grade was decided by.
    """

    person_key: str
    sheet: str
    state: State
    points: int | None
    final: int | None
    provisional: int
    withheld: int
    place: int | None
    place_of: int
    entries: int
    grade: str = ""
    grade_reason: str = ""
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    reason: str = ""
    reads: tuple[Resolved, ...] = ()


def reason_text(reason: str, label: Callable[[str], str] = str) -> str:
    """Return a reason, or the several of a grade, as people read them; ``label`` turns an id into a name."""
    told = (each.partition(":") for each in _NEXT_REASON.split(reason) if each)
    return "; ".join(text(f"outcome-{word}", name=label(name)) for word, _, name in told)
