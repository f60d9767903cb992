"""Which cases a scoring must look at, and reading what the kernel needs of them.

A run after a change costs in proportion to the change: only cases whose facts (or whose people's
postings) changed since the last run are read and scored again.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from jianheng.facts.entities import ENTITIES
from jianheng.rules.views import NEEDED
from jianheng.scoring.kernel.horizon import caps_reach
from jianheng.scoring.kernel.score import FACT_ENTITIES
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy
from jianheng.store import fact_versions, moments

_PEOPLE_OF_CASE = tuple(
    (entity.name, column.name)
    for entity in (ENTITIES[name] for name in NEEDED)
    for column in entity.columns
    if column.ref == "person" and "case_no" in entity.names
)
"""Wherever a case names a person: his posting changing makes the case one to score again."""

NO_CASE = ""
"""The case number of lines for items that hang on no case, such as awards."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose work is scored: an office, the units whose people count, and its sources, the more trusted first."""

    office: str
    units: tuple[str, ...]
    source_order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """What a run looks at.

    Attributes:
        mode: ``full``, ``incremental`` or ``unchanged``.
        reason: why, as a word that texts are named by.
        cases: the case numbers whose lines are made anew; None for all.
        reading: the case numbers whose facts that takes: linked cases too, where conditions speak of them.
    """

    mode: str
    reason: str
    cases: tuple[str, ...] | None
    reading: tuple[str, ...] | None


def scope_of(
    connection: sa.Connection,
    subject: Subject,
    policy: Policy,
    period: Period,
    last: Mapping[str, Any] | None,
    *,
    full: bool,
) -> Scope:
    """Return which cases changed since the last run, or why all must be scored."""
    office = subject.office
    reasons = {
        "asked": full,
        "first": last is None,
        "policy": last is not None and last["policy_version"] != policy.version,
        "units": last is not None and tuple(last["units"]) != subject.units,
        "sources": last is not None and tuple(last.get("sources", ())) != subject.source_order,
    }
    for reason, holds in reasons.items():
        if holds:
            return Scope("full", reason, None, None)
    assert last is not None  # noqa: S101 the first of the reasons above
    since = int(last["facts_at"])
    changed = moments.changed_since(connection, office, since)
    if not changed.intersection(FACT_ENTITIES):
        return Scope("unchanged", "none", (), ())
    if "code" in changed and "code" in policy.uses:
        return Scope("full", "codes", None, None)
    if caps_reach(policy, period) == "all":
        return Scope("full", "reach", None, None)
    cases = _with_linked(
        connection, office, policy, _changed_cases(connection, office, policy, changed, since)
    )
    reading = _with_linked(connection, office, policy, cases)
    return Scope("incremental", "changes", tuple(sorted(cases)), tuple(sorted(reading)))


def _changed_cases(
    connection: sa.Connection, office: str, policy: Policy, changed: set[str], since: int
) -> set[str]:
    """Return the cases of which something changed, or of whose people's postings."""
    cases: set[str] = set()
    for name in changed.intersection(NEEDED):
        columns = ("from_case_no", "to_case_no") if name == "case_link" else ("case_no",)
        for column in columns:
            cases |= fact_versions.touched(connection, ENTITIES[name], office, column, since)
    if "handling_unit_member" in changed:
        member, case = ENTITIES["handling_unit_member"], ENTITIES["case"]
        units = fact_versions.touched(connection, member, office, "handling_unit_key", since)
        cases |= fact_versions.keys_where(connection, case, office, "handling_unit_key", units, "case_no")
    people: set[str] = set()
    for name in changed.intersection(("posting", "person")):
        people |= fact_versions.touched(connection, ENTITIES[name], office, "person_key", since)
    if policy.counts_people and (people or "personnel_record" in changed):
        cases |= {NO_CASE}  # such items hang on no case; they are few and looked at together
    for name, column in _PEOPLE_OF_CASE if people else ():
        cases |= fact_versions.keys_where(connection, ENTITIES[name], office, column, people, "case_no")
    return cases


def _with_linked(connection: sa.Connection, office: str, policy: Policy, cases: set[str]) -> set[str]:
    """Return cases with those linked to them, as far as the policy's conditions look."""
    if "link" not in policy.uses:
        return cases
    found, last = set(cases), set(cases)
    while last:
        last = _linked(connection, office, last) - found
        found |= last
        if "chain" not in policy.uses:
            break
    return found


def _linked(connection: sa.Connection, office: str, cases: Iterable[str]) -> set[str]:
    link = ENTITIES["case_link"]
    found = fact_versions.keys_where(connection, link, office, "from_case_no", cases, "to_case_no")
    return found | fact_versions.keys_where(connection, link, office, "to_case_no", cases, "from_case_no")


def read_facts(
    connection: sa.Connection,
    office: str,
    cases: Iterable[str] | None = None,
    only: Collection[str] = FACT_ENTITIES,
) -> dict[str, pa.Table]:
    """Return current facts by entity: of all cases or of some, with everything about people."""
    wanted = None if cases is None else set(cases)
    facts: dict[str, pa.Table] = {}
    for name in only:
        entity = ENTITIES[name]
        if name == "person":
            facts[name] = fact_versions.read_current(connection, entity, office, with_deleted=True)
        elif wanted is None or ("case_no" not in entity.names and name != "case_link"):
            facts[name] = fact_versions.read_current(connection, entity, office)
        elif name != "case_link":
            facts[name] = fact_versions.read_current(connection, entity, office, wanted)
    if wanted is not None and "case_link" in only:
        facts["case_link"] = fact_versions.read_links(connection, office, wanted)
    return facts


def read_facts_at(connection: sa.Connection, office: str, at: int) -> dict[str, pa.Table]:
    """Return all facts by entity as they were known at a recorded moment (microseconds since 1970)."""
    return read_facts_of(connection, office, FACT_ENTITIES, at)


def read_facts_of(
    connection: sa.Connection, office: str, only: Iterable[str], at: int, cases: Iterable[str] | None = None
) -> dict[str, pa.Table]:
    """Return facts of some entities as they were known at a recorded moment; of ``cases`` what belongs to them alone."""
    wanted = None if cases is None else set(cases)
    return {
        name: fact_versions.read_current(
            connection,
            ENTITIES[name],
            office,
            wanted if "case_no" in ENTITIES[name].names else None,
            with_deleted=name == "person",
            at=at,
        )
        for name in only
    }
