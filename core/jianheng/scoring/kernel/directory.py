"""Who is who: names, departments and roles as readers need them, merged over sources."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from jianheng.facts.entities import CODE, DEPARTMENT, PERSON, POSTING
from jianheng.facts.entity import Entity
from jianheng.store import fact_versions


@dataclass(frozen=True, slots=True)
class Member:
    """One person as a report shows him at the end of a period."""

    person_key: str
    name: str
    staff_no: str
    department: str
    role: str
    post: str
    changed: bool


def merged(
    rows: Sequence[Mapping[str, Any]], entity: Entity, source_order: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return one record per key: per column the first value any source has, in the order of sources."""
    order = {name: position for position, name in enumerate(source_order)}
    ranked = sorted(rows, key=lambda row: (order.get(row["source"], len(order)), row["source"]))
    records: dict[str, dict[str, Any]] = {}
    for row in ranked:
        record = records.setdefault(row[entity.key.name], dict.fromkeys(entity.names))
        record.update({name: row[name] for name in entity.names if record[name] is None})
    return records


def directory(
    connection: sa.Connection, office: str, start: dt.date, end: dt.date, source_order: Sequence[str] = ()
) -> dict[str, Member]:
    """Return everyone known, with the last posting he held within ``[start, end)``."""
    people = merged(
        fact_versions.read_current(connection, PERSON, office, with_deleted=True).to_pylist(),
        PERSON,
        source_order,
    )
    departments = merged(
        fact_versions.read_current(connection, DEPARTMENT, office).to_pylist(), DEPARTMENT, source_order
    )
    postings: dict[str, list[dict[str, Any]]] = {}
    told = fact_versions.read_current(connection, POSTING, office).to_pylist()
    for posting in merged(told, POSTING, source_order).values():
        ends = posting["valid_to"]
        if posting["valid_from"] < end and (ends is None or ends >= start):
            postings.setdefault(posting["person_key"], []).append(posting)
    return {
        key: _member(
            key, person, sorted(postings.get(key, []), key=lambda each: each["valid_from"]), departments
        )
        for key, person in sorted(people.items())
    }


def _member(
    key: str,
    person: Mapping[str, Any],
    postings: Sequence[Mapping[str, Any]],
    departments: Mapping[str, Mapping[str, Any]],
) -> Member:
    last = postings[-1] if postings else {}
    department = departments.get(last.get("department_key") or "", {})
    return Member(
        person_key=key,
        name=person["name"] or key,
        staff_no=person["staff_no"],
        department=department.get("name") or last.get("department_name") or "",
        role=last.get("role") or "",
        post=last.get("post") or person["post"] or "",
        changed=len(postings) > 1,
    )


def category_names(connection: sa.Connection, office: str) -> dict[str, str]:
    """Return the names of case categories from the site's own catalogue."""
    codes = fact_versions.read_current(connection, CODE, office).to_pylist()
    return {
        code["code"]: code["name"] or code["code"] for code in codes if code["catalogue"] == "case_category"
    }
