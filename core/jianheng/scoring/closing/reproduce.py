"""Reproducing a closed period: everything is computed again from what is kept, and compared to the bit.

The facts as they were known at the recorded moment, the law's texts that were kept with it, units, sources and
window from the receipt. What is compared: the receipt with itself, the kept law, the facts, the kept result,
and the result made again. Nothing is changed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from jianheng.errors import JianhengError
from jianheng.facts.convert import Fact, convert
from jianheng.facts.entities import ENTITIES
from jianheng.scoring.closing.close import summary_of
from jianheng.scoring.closing.corrections import corrections_for
from jianheng.scoring.closing.receipt import (
    CALENDAR,
    CLOSING,
    ENGINE,
    FACTS,
    LAW,
    SUMMARY,
    Part,
    Receipt,
    broken_parts,
    engine_constants,
    law_part,
    read_receipt,
    root_of,
    rows_in_buckets,
    value_part,
)
from jianheng.scoring.closing.receipt_parts import (
    KEYS,
    OUTCOME,
    Outcome,
    fact_key,
    facts_parts,
    kept_outcome,
    law_parts,
    outcome_of,
    outcome_parts,
)
from jianheng.scoring.kernel.engine import connection as engine_connection
from jianheng.scoring.kernel.evaluation import evaluate
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.points import shown
from jianheng.scoring.records.closed_periods import ClosedPeriod, archived_texts, law_of, receipt_text
from jianheng.scoring.records.scope import read_facts_at

_NAMED = 20
"""How many of many rows a difference names."""

_NOTHING = Part(leaves=0, hash="")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was.

    Attributes:
        where: ``receipt``, ``law``, ``facts``, ``kept`` (what stands in the store of the result) or ``again``
            (what comes out now).
        part: the part of the tree.
        then, now: rows the receipt covers, rows there are; both 0 where it is not about rows.
        named: what differs, as far as it can be told.
    """

    where: str
    part: str
    then: int = 0
    now: int = 0
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came of it.

    Attributes:
        root: the root hash of the receipt.
        again: the root hash over what was computed now; empty if it could not be.
        engine_then, engine_now: the engine's version. With another one the same law may give other entries:
            what differs then may be the engine's doing, and what does not is proven for both.
        program: the version of the program that closed.
    """

    closed: ClosedPeriod
    root: str
    again: str
    engine_then: str
    engine_now: str
    program: str
    differences: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        """Whether everything is as it was closed."""
        return not self.differences


def reproduce(connection: sa.Connection, closed: ClosedPeriod) -> Reproduction:
    """Compute a closed period again and compare; read only.

    Raises:
        StopError: the kept receipt is no receipt any more.
    """
    receipt = read_receipt(receipt_text(connection, closed), f"closed_period {closed.period}")
    found = list(_receipt_differences(closed, receipt))
    texts = archived_texts(connection, closed)
    found += _law_differences(receipt, texts)
    facts = read_facts_at(connection, closed.office, receipt.closing.facts_at)
    found += _facts_differences(receipt, facts)
    kept = kept_outcome(connection, closed.office, closed.policy, closed.period, receipt.closing.run_id)
    again = ""
    try:
        made, parts = _made_again(connection, closed, receipt, facts)
    except JianhengError as error:
        told = tuple(f"[{each.code}] {each.message().what}" for each in error.problems[:_NAMED])
        found.append(Difference("again", "ledger", named=told))
    else:
        again = root_of(parts)
        found += _outcome_differences(receipt, kept, made, parts)
    return Reproduction(
        closed,
        receipt.root,
        again,
        str(receipt.engine.get("version", "")),
        str(engine_constants()["version"]),
        receipt.closing.program,
        tuple(found),
    )


def _receipt_differences(closed: ClosedPeriod, receipt: Receipt) -> Iterator[Difference]:
    """Yield what does not hold together in the receipt, or between it and the register of closed periods."""
    for part in broken_parts(receipt):
        yield Difference("receipt", part)
    told = receipt.closing
    same = {
        "office": (told.office, closed.office),
        "policy": (told.policy, closed.policy),
        "period": (told.period, closed.period),
        "start": (told.start, closed.start_day),
        "end": (told.end, closed.end_day),
        "policy_version": (told.policy_version, closed.policy_version),
        "facts_at": (told.facts_at, closed.facts_at),
        "run_id": (told.run_id, closed.run_id),
        "closed_at": (told.closed_at, closed.closed_at),
        "closed_by": (told.closed_by, closed.closed_by),
        "engine": (receipt.engine.get("version"), closed.engine_version),
        "root": (receipt.root, closed.receipt_hash),
    }
    unlike = tuple(f"{name}: {one} ≠ {other}" for name, (one, other) in same.items() if one != other)
    if unlike:
        yield Difference("receipt", CLOSING, named=unlike)


def _law_differences(receipt: Receipt, texts: Mapping[str, str] | None) -> list[Difference]:
    then = receipt.parts.get(LAW, _NOTHING)
    now = law_part(texts or {})
    files = sorted(then.files.keys() | now.files.keys())
    unlike = tuple(name for name in files if then.files.get(name) != now.files.get(name))
    return [] if then == now else [Difference("law", LAW, then.leaves, now.leaves, unlike[:_NAMED])]


def _facts_differences(receipt: Receipt, facts: Mapping[str, pa.Table]) -> Iterator[Difference]:
    """Yield the entities whose facts are not those of the receipt, with the records as far as they can be told."""
    parts = facts_parts(facts)
    before = {name: part for name, part in receipt.parts.items() if name.startswith(FACTS)}
    for name in sorted(parts.keys() | before.keys()):
        then, now = before.get(name, _NOTHING), parts.get(name, _NOTHING)
        if then != now:
            entity = name.removeprefix(FACTS)
            named = tuple(_changed_records(entity, facts.get(entity), then, now)) if now.leaves else ()
            yield Difference("facts", name, then.leaves, now.leaves, named)


def _changed_records(entity: str, rows: pa.Table | None, then: Part, now: Part) -> Iterator[str]:
    """Yield the records that differ: those whose values are not what their hash says, else all of their buckets.

    A record that is gone leaves no trace but the count.
    """
    if rows is None:
        return
    suspect = rows_in_buckets(rows, fact_key(entity), then.buckets, now.buckets).to_pylist()
    contradict = [row for row in suspect if _hash_of(entity, row) != row["content_hash"]]
    told = contradict if 0 < len(contradict) < len(suspect) else suspect
    names = sorted(f"{row['source']} {row[ENTITIES[entity].key.name]}" for row in told)
    yield from names[:_NAMED]


def _hash_of(entity: str, row: Mapping[str, object]) -> str:
    """Return the hash that the values of a fact have, whatever is kept beside them."""
    declared = ENTITIES[entity]
    values = {name: row[name] for name in declared.names}
    for column in declared.columns:
        held = values[column.name]
        if column.type == "attributes" and isinstance(held, str):
            try:
                values[column.name] = json.loads(held)
            except ValueError:
                return ""
    fact = convert(
        declared, values | {"_deleted": True}
    )  # deleted: what is wrong with it is not the question
    return fact.content_hash if isinstance(fact, Fact) else ""


def _made_again(
    connection: sa.Connection, closed: ClosedPeriod, receipt: Receipt, facts: Mapping[str, pa.Table]
) -> tuple[Outcome, dict[str, Part]]:
    """Return the result made again, and all parts of the tree over it.

    Raises:
        StopError: the law's texts are gone, or a rule fails.
        FaultsError: the texts no longer make a policy.
    """
    told, law = receipt.closing, law_of(connection, closed)
    window = Period(told.period, told.label, told.start, told.end)
    corrections = corrections_for(
        connection, told.office, law, window, lambda: facts, only=frozenset(told.corrects)
    )
    result = evaluate(facts, law, window, told.units, told.sources, corrections)
    made = outcome_of(result)
    return made, {
        **facts_parts(facts),
        **law_parts(law.sources, law.workdays),
        **outcome_parts(made),
        CLOSING: value_part(CLOSING, told),
        ENGINE: receipt.parts.get(ENGINE, _NOTHING),
        SUMMARY: value_part(SUMMARY, summary_of(result)),
    }


def _outcome_differences(
    receipt: Receipt, kept: Outcome, made: Outcome, parts: Mapping[str, Part]
) -> Iterator[Difference]:
    """Yield where the result made again, or the one in the store, is not the receipt's."""
    for name in (CALENDAR, SUMMARY):
        then, now = receipt.parts.get(name, _NOTHING), parts.get(name, _NOTHING)
        if then != now:
            yield Difference("law" if name == CALENDAR else "again", name, then.leaves, now.leaves)
    held = outcome_parts(kept)
    for name in OUTCOME:
        then = receipt.parts.get(name, _NOTHING)
        for where, now in (("kept", held[name]), ("again", parts[name])):
            if then != now:
                named = tuple(islice(unlike_rows(name, getattr(kept, name), getattr(made, name)), _NAMED))
                yield Difference(where, name, then.leaves, now.leaves, named)


def unlike_rows(part: str, kept: pa.Table, made: pa.Table) -> Iterator[str]:
    """Yield the rows of a result that are not alike: ``-`` only kept, ``+`` only made again, else what differs."""
    key = KEYS[part]
    only_kept, only_made = _outside(kept, made), _outside(made, kept)
    again = {tuple(row[name] for name in key): row for row in only_made}
    for row in only_kept:
        other = again.pop(tuple(row[name] for name in key), None)
        if other is None:
            yield f"- {_head(row)}"
        else:
            unlike = [f"{name} {row[name]} ≠ {other[name]}" for name in row if row[name] != other[name]]
            yield f"{_head(row)}: {', '.join(unlike)}"
    for row in again.values():
        yield f"+ {_head(row)}"


def _outside(rows: pa.Table, others: pa.Table) -> list[dict[str, Any]]:
    """Return the rows that another table does not have, in a fixed order."""
    names = ", ".join(f'"{name}"' for name in others.column_names)
    with engine_connection() as engine:
        engine.register("these", rows)
        engine.register("others", others)
        found = engine.sql(
            f"SELECT {names} FROM these EXCEPT ALL SELECT {names} FROM others ORDER BY ALL"  # noqa: S608 names of ours
        ).to_arrow_table()
    told: list[dict[str, Any]] = found.to_pylist()
    return told


def _head(row: Mapping[str, Any]) -> str:
    """Return what a row is about, and what it gives."""
    names = ("person_key", "sheet", "indicator", "rule_id", "item_key", "day")
    about = " ".join(str(row[name]) for name in names if row.get(name))
    points = "—" if row["points"] is None else shown(row["points"])
    return f"{about} {points} {row['state']}"
