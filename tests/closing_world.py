"""A small office for tests of closing: two people, two cases, some papers; and the law it is scored by."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from filled_store import filled
from jianheng.scoring.closing.close import close_period
from jianheng.scoring.closing.receipt import Receipt
from jianheng.scoring.closing.reproduce import Reproduction, reproduce
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import Policy, load_policy
from jianheng.scoring.records.closed_periods import ClosedPeriod, get_closed
from jianheng.scoring.records.scope import Subject
from jianheng.scoring.run import Report, score_periods
from jianheng.store.tables import ADJUSTS, CURRENT, LEDGER, SCOPE
from mini_pack import write_pack
from upstream import OFFICE, case, document, person, posting, sync_world

LATER = dt.date(2030, 1, 1)
SUBJECT = Subject(OFFICE, (OFFICE,), ("world",))
NEXT = ("policy.toml", "[[gates]]", '[adjustments]\nrule = "next"\n\n[[gates]]')
"""The edit of the pack by which later facts are entered in the next open period."""

World = dict[str, list[Mapping[str, Any]]]


def world() -> World:
    """Return two cases that closed in 2025, one paper, one volume accepted."""
    return {
        "person": [person("wang"), person("sun")],
        "posting": [posting("wang"), posting("sun", role="prosecutor_assistant")],
        "case": [closed_case("A"), closed_case("B")],
        "document": [paper("d", "A")],
        "archive_volume": [volume("A")],
        "rating": [],
    }


def closed_case(number: str, **more: Any) -> Mapping[str, Any]:
    """Return a case of wang's that closed."""
    return case(number, handler_key="wang", concluded_on="2025-03-04") | more


def paper(key: str, number: str, **more: Any) -> Mapping[str, Any]:
    """Return a paper of wang's that gives three points."""
    return document(key, number, template_code="charge", drafter_key="wang") | more


def volume(number: str) -> Mapping[str, Any]:
    """Return an accepted volume: it makes the points of a case final."""
    return {"volume_key": number, "case_no": number, "state": "accepted", "accepted_on": "2025-05-01"}


def law_in(folder: Path, *edits: tuple[str, str, str]) -> Policy:
    """Write and load the pack."""
    return load_policy(write_pack(folder / "mini", *edits))


def score(store: sa.Engine, law: Policy, *names: str, **how: bool) -> list[Report]:
    """Score some years."""
    return score_periods(store, SUBJECT, law, [period(name) for name in names], **how)


def close(store: sa.Engine, law: Policy, name: str = "2025", **how: Any) -> Receipt:
    """Close a year long after it ended."""
    today = how.pop("today", LATER)
    return close_period(store, SUBJECT, law, period(name), today, "张三", **how)


Told = Mapping[str, Sequence[Mapping[str, Any]]]


def scored_office(store: sa.Engine, law: Policy, told: Told) -> None:
    """Sync a world into an empty store and score 2025."""

    def make() -> None:
        sync_world(store, told)
        score(store, law, "2025")

    filled(store, make, "scored", law.version, json.dumps(told))


def closed_office(store: sa.Engine, law: Policy, told: Told) -> Receipt:
    """Sync a world into an empty store, score 2025 and close it."""

    def make() -> Receipt:
        scored_office(store, law, told)
        return close(store, law)

    return filled(store, make, "closed", law.version, json.dumps(told))


def register(store: sa.Engine, name: str = "2025") -> ClosedPeriod:
    """Return what the store says of a closed year."""
    with store.connect() as connection:
        return get_closed(connection, OFFICE, "mini", name)


def made_again(store: sa.Engine, name: str = "2025") -> Reproduction:
    """Reproduce a closed year."""
    with store.connect() as connection:
        return reproduce(connection, get_closed(connection, OFFICE, "mini", name))


def ledger(store: sa.Engine, name: str, *, corrections: bool = False) -> list[dict[str, Any]]:
    """Return the current lines of a year: its own, or those that correct closed ones."""
    statement = sa.select(LEDGER).join(SCOPE, SCOPE.c.scope_id == LEDGER.c.scope_id)
    adjusts = LEDGER.c.reason.startswith(ADJUSTS)
    statement = statement.where(
        SCOPE.c.period == name, LEDGER.c.run_to == CURRENT, adjusts if corrections else ~adjusts
    )
    with store.connect() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


Sums = dict[tuple[str, ...], int]


def sums(lines: Sequence[Mapping[str, Any]] | pa.Table) -> Sums:
    """Return points by person, rule, item and state; what comes to nothing is left out."""
    rows = lines.to_pylist() if isinstance(lines, pa.Table) else lines
    found: Sums = {}
    for row in rows:
        key = (row["person_key"], row["sheet"], row["rule_id"], row["item_key"], row["state"])
        if row["state"] != "void":
            found[key] = found.get(key, 0) + row["points"]
    return {key: points for key, points in found.items() if points}


def plus(*parts: Sums) -> Sums:
    """Return sums added up."""
    found: Sums = {}
    for part in parts:
        for key, points in part.items():
            found[key] = found.get(key, 0) + points
    return {key: points for key, points in found.items() if points}
