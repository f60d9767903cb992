"""Which cases a scoring must look at, and reading what the kernel needs of them.

A run after a change costs in proportion to the change: only cases whose facts (or whose people's
postings) changed since the last run are read and scored again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from jianheng.facts.entities import ENTITIES, POSTING
from jianheng.rules.views import NEEDED
from jianheng.scoring.kernel import FACT_ENTITIES
from jianheng.scoring.policy import Policy
from jianheng.store import fact_versions

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
    cases: set[str] = set()
    for name in NEEDED:
        entity = ENTITIES[name]
        columns = ("from_case_no", "to_case_no") if name == "case_link" else ("case_no",)
        for column in columns:
            cases |= fact_versions.touched(connection, entity, office, column, since)
    people = fact_versions.touched(connection, POSTING, office, "person_key", since)
    people |= fact_versions.touched(connection, ENTITIES["person"], office, "person_key", since)
    if policy.counts_people:  # such items hang on no case; they are few and looked at together
        records = fact_versions.touched(connection, ENTITIES["personnel_record"], office, "person_key", since)
        cases |= {NO_CASE} if people | records else set()
    for name, column in _PEOPLE_OF_CASE if people else ():
        cases |= fact_versions.keys_where(connection, ENTITIES[name], office, column, people, "case_no")
    if policy.uses_links:
        cases |= _linked(connection, office, cases)
    if not cases and not people:
        return Scope("unchanged", "none", (), ())
    reading = cases | _linked(connection, office, cases) if policy.uses_links else cases
    return Scope("incremental", "changes", tuple(sorted(cases)), tuple(sorted(reading)))


def _linked(connection: sa.Connection, office: str, cases: Iterable[str]) -> set[str]:
    link = ENTITIES["case_link"]
    found = fact_versions.keys_where(connection, link, office, "from_case_no", cases, "to_case_no")
    return found | fact_versions.keys_where(connection, link, office, "to_case_no", cases, "from_case_no")


def read_facts(
    connection: sa.Connection,
    office: str,
    cases: Iterable[str] | None = None,
    only: Iterable[str] = FACT_ENTITIES,
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
    if wanted is not None:
        facts["case_link"] = fact_versions.read_links(connection, office, wanted)
    return facts
