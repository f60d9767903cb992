"""The receipt of a closed period: a hash tree over all that a result was made of.

A leaf is the SHA-256 of one row's text: ``name=value`` of every column that has a value, in the order of
the columns, after the name of the part, separated by the unit separator (U+001F). Days are ``2025-03-04``,
moments ``2025-03-04 09:30:00.000000``, decimals have six places. Leaves go into buckets by the first hex
digits of the SHA-256 of their key, so that a difference can be found without keeping every leaf; a bucket's
hash is that of its leaves, sorted and written one after the other; a part's hash that of its buckets. The
root is the hash of the lines ``name hash`` of all parts, sorted. Whoever has the receipt can compute the
root again from what it holds, with nothing but SHA-256.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from jianheng.errors import StopError
from jianheng.scoring.kernel.engine import connection
from jianheng.scoring.law.points import SCALE
from jianheng.scoring.law.policy import ENGINE_VERSION

_LEAVES_A_BUCKET = 16
_MOST_DIGITS = 4

CLOSING, ENGINE, SUMMARY, LAW, CALENDAR = "closing", "engine", "summary", "law", "workdays"
FACTS = "facts/"
"""Begins the names of the parts that hold facts, one for each entity."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Part(_Strict):
    """One part of the tree.

    Attributes:
        leaves: how many rows, files or values it covers.
        hash: the part's hash.
        buckets: the hashes it is made of, in order; empty for a bucket without leaves.
        files: for the law: the hash of each file.
    """

    leaves: int
    hash: str
    buckets: tuple[str, ...] = ()
    files: Mapping[str, str] = {}


class Waived(_Strict):
    """A record in quarantine in spite of which somebody closed."""

    number: int
    source: str
    stream: str
    entity: str
    record_key: str


class Closing(_Strict):
    """What was closed, on what, by whom: all that is needed to compute it again beside facts and law.

    Attributes:
        facts_at: the recorded moment (microseconds since 1970, UTC) whose facts were used.
        corrects: the closed periods whose later facts were entered in this one, with their root hashes.
        program: the version of the program that closed; it says what to install to reproduce.
    """

    office: str
    policy: str
    policy_label: str
    policy_version: str
    period: str
    label: str
    start: dt.date
    end: dt.date
    units: tuple[str, ...]
    sources: tuple[str, ...]
    facts_at: int
    run_id: int
    corrects: Mapping[str, str]
    closed_at: int
    closed_by: str
    program: str
    waived: tuple[Waived, ...] = ()


class Summary(_Strict):
    """The result in numbers; points are 0.001 point.

    Attributes:
        provisional_entries: entries whose gate was not passed; when it is, that is an adjustment.
        missing: indicator values that were missing where the law leaves a missing part out.
    """

    people: int
    entries: int
    points: int
    provisional: int
    provisional_entries: int
    withheld: int
    missing: int
    digest: str


class Receipt(_Strict):
    """A receipt as it is kept and handed out."""

    format: Literal[1]
    root: str
    closing: Closing
    engine: Mapping[str, str | int]
    summary: Summary
    parts: Mapping[str, Part]


def engine_constants() -> dict[str, str | int]:
    """Return what decides entries beside law and facts, whatever libraries are installed."""
    return {"version": ENGINE_VERSION, "unit": f"1/{SCALE}", "rounding": "half-up", "hash": "sha256"}


def sha256(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8 as 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(value: Any) -> str:
    """Return a value as JSON in exactly one way; of a model what was said, so that later fields change nothing."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_unset=True)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def value_part(name: str, value: Any) -> Part:
    """Return the part of a single value."""
    return Part(leaves=1, hash=sha256(f"{name}\x1f{canonical(value)}"))


def law_part(sources: Mapping[str, str]) -> Part:
    """Return the part of a policy's texts, file by file."""
    files = {name: sha256(f"{LAW}\x1f{name}\x1f{text}") for name, text in sorted(sources.items())}
    return Part(leaves=len(files), hash=_hash_of_files(files), files=files)


def _hash_of_files(files: Mapping[str, str]) -> str:
    return sha256("\n".join(f"{held} {name}" for name, held in sorted(files.items())))


def rows_part(name: str, rows: pa.Table, columns: Sequence[str], key: Sequence[str]) -> Part:
    """Return the part of a table's rows.

    Args:
        name: the part's name; it stands in every leaf.
        rows: the rows, in any order.
        columns: what a leaf says of a row.
        key: what decides the bucket of a row.
    """
    digits = 0
    while digits < _MOST_DIGITS and rows.num_rows > 16**digits * _LEAVES_A_BUCKET:
        digits += 1
    with connection() as engine:
        engine.register("arriving", rows)
        found = engine.execute(
            f"SELECT bucket, sha256(string_agg(leaf, '' ORDER BY leaf)) FROM ("  # noqa: S608 names of ours
            f"SELECT substr({_key_sql(key)}, 1, {digits}) AS bucket, {_leaf_sql(name, rows, columns)} AS leaf"
            " FROM arriving) GROUP BY bucket"
        ).fetchall()
        engine.unregister("arriving")
    hashes = dict(found)
    names = [f"{number:0{digits}x}" if digits else "" for number in range(16**digits)]
    buckets = tuple(hashes.get(each, "") for each in names)
    return Part(leaves=rows.num_rows, hash=_hash_of_buckets(buckets), buckets=buckets)


def rows_in_buckets(rows: pa.Table, key: Sequence[str], then: Sequence[str], now: Sequence[str]) -> pa.Table:
    """Return the rows of those buckets in which two trees differ; all, where they have not equally many."""
    if len(then) != len(now):
        return rows
    digits = len(f"{len(then) - 1:x}") if len(then) > 1 else 0
    differing = [f"{n:0{digits}x}" if digits else "" for n in range(len(then)) if then[n] != now[n]]
    with connection() as engine:
        engine.register("arriving", rows)
        engine.register("differing", pa.table({"bucket": pa.array(differing, pa.string())}))
        return engine.sql(
            f"SELECT * FROM arriving WHERE substr({_key_sql(key)}, 1, {digits})"  # noqa: S608 names of ours
            " IN (SELECT bucket FROM differing)"
        ).to_arrow_table()


def _hash_of_buckets(buckets: Iterable[str]) -> str:
    return sha256("".join(buckets))


def _key_sql(key: Sequence[str]) -> str:
    return f"sha256(concat_ws(chr(31), {', '.join(map(_quoted, key))}))"


def _quoted(column: str) -> str:
    return f'"{column}"'


def _leaf_sql(name: str, rows: pa.Table, columns: Sequence[str]) -> str:
    """Return the expression of a leaf; a column without a value says nothing, so that new columns may come."""
    told = ", ".join(f"'{each}=' || {_text_sql(each, rows.schema.field(each).type)}" for each in columns)
    return f"sha256(concat_ws(chr(31), '{name}', {told}))"


def _text_sql(name: str, kind: pa.DataType) -> str:
    column = _quoted(name)
    if pa.types.is_timestamp(kind):
        return f"strftime({column}, '%Y-%m-%d %H:%M:%S.%f')"
    if pa.types.is_date(kind):
        return f"strftime({column}, '%Y-%m-%d')"
    return f"CAST({column} AS VARCHAR)"


def seal(closing: Closing, summary: Summary, parts: Mapping[str, Part]) -> Receipt:
    """Return the receipt over parts of facts, law and results."""
    engine = engine_constants()
    whole = {
        **parts,
        CLOSING: value_part(CLOSING, closing),
        ENGINE: value_part(ENGINE, engine),
        SUMMARY: value_part(SUMMARY, summary),
    }
    return Receipt(
        format=1,
        root=root_of(whole),
        closing=closing,
        engine=engine,
        summary=summary,
        parts=dict(sorted(whole.items())),
    )


def root_of(parts: Mapping[str, Part]) -> str:
    """Return the hash over all parts."""
    return sha256("\n".join(f"{name} {part.hash}" for name, part in sorted(parts.items())))


def read_receipt(text: str, where: str) -> Receipt:
    """Return a receipt that was written down.

    Raises:
        StopError: it is none; ``where`` says what was read.
    """
    try:
        return Receipt.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        told = f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
        raise StopError("receipt-unreadable", where=where, told=told) from None


def broken_parts(receipt: Receipt) -> list[str]:
    """Return the parts of a receipt that do not hold together, ``root`` among them; nothing else is read."""
    told = {CLOSING: receipt.closing, ENGINE: receipt.engine, SUMMARY: receipt.summary}
    broken = {name for name in told if name not in receipt.parts}
    for name, part in receipt.parts.items():
        if name in told:
            holds = part == value_part(name, told[name])
        elif part.files:
            holds = part.hash == _hash_of_files(part.files) and part.leaves == len(part.files)
        else:
            holds = part.hash == _hash_of_buckets(part.buckets)
        broken |= set() if holds else {name}
    if receipt.root != root_of(receipt.parts):
        broken.add("root")
    return sorted(broken)
