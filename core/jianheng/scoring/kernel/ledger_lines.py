"""Keeping ledger lines: never edited; a line that no longer holds is closed by the run that found out."""

import hashlib
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.compute
import sqlalchemy as sa

from jianheng.errors import StopError
from jianheng.scoring.indicators.outcome import Tally
from jianheng.scoring.kernel.horizon import Under
from jianheng.scoring.kernel.plan_ledger import LEDGER_COLUMNS
from jianheng.scoring.kernel.tallies import TALLY_FIELDS, Key
from jianheng.store.bulk import insert_arrow, insert_rows, read_arrow
from jianheng.store.chunks import chunks
from jianheng.store.tables import ADJUSTS, CLOSED, CURRENT, LEDGER, SCOPE, TALLY

_COLUMNS = ("entry_id", *LEDGER_COLUMNS)
_DIGEST_SIZE = 2**256


@dataclass(frozen=True, slots=True)
class Moved:
    """What replacing some lines did.

    Attributes:
        digest: what must be added to the ledger's digest (modulo 2^256).
    """

    added: int
    closed: int
    digest: int


def scope_id(connection: sa.Connection, office: str, policy: str, period: str) -> int:
    """Return the number of the ledger of an office, policy and period; a new one is opened."""
    where = (SCOPE.c.office == office, SCOPE.c.policy == policy, SCOPE.c.period == period)
    found = connection.scalar(sa.select(SCOPE.c.scope_id).where(*where))
    if found is None:
        opened = (
            sa.insert(SCOPE).values(office=office, policy=policy, period=period).returning(SCOPE.c.scope_id)
        )
        found = connection.execute(opened).scalar_one()
    return int(found)


def take_turn(connection: sa.Connection, office: str, policy: str, period: str) -> None:
    """Wait until nobody else writes this ledger; the first thing to do in a transaction that will.

    Writing the row, not only locking it, makes a database that reads as of a transaction's beginning refuse
    whoever began before the other ended.
    """
    where = (SCOPE.c.office == office, SCOPE.c.policy == policy, SCOPE.c.period == period)
    connection.execute(sa.update(SCOPE).where(*where).values(period=period))


def current(ledger_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    """Return what makes a line of a ledger one that holds."""
    return (LEDGER.c.scope_id == ledger_id, LEDGER.c.run_to == CURRENT)


def every_line(connection: sa.Connection, ledger_id: int) -> pa.Table:
    """Return all current lines: ``entry_id`` and ``LEDGER_COLUMNS``."""
    statement = sa.select(*(LEDGER.c[name] for name in _COLUMNS)).where(*current(ledger_id))
    return read_arrow(connection, LEDGER, statement)


def corrections(connection: sa.Connection, ledger_id: int) -> pa.Table:
    """Return the current lines that correct closed periods; nothing is read where none was ever closed."""
    statement = sa.select(*(LEDGER.c[name] for name in _COLUMNS)).where(*current(ledger_id))
    same = sa.and_(CLOSED.c.office == SCOPE.c.office, CLOSED.c.policy == SCOPE.c.policy)
    closed = sa.select(CLOSED.c.period).join(SCOPE, same).where(SCOPE.c.scope_id == ledger_id).limit(1)
    if connection.scalar(closed) is None:
        return read_arrow(connection, LEDGER, statement.where(sa.false()))
    return read_arrow(connection, LEDGER, statement.where(LEDGER.c.reason.startswith(ADJUSTS)))


def lines_of_cases(connection: sa.Connection, ledger_id: int, cases: Iterable[str]) -> pa.Table:
    """Return the current lines of some cases; what corrects closed periods belongs to those."""
    return _read(connection, ledger_id, LEDGER.c.case_no, cases)


def lines_under_caps(connection: sa.Connection, ledger_id: int, wanted: Collection[Under]) -> pa.Table:
    """Return what counts of some people under some rules, each within a span of days."""
    spans = sorted({(each.person_key, rule, each.start, each.end) for each in wanted for rule in each.rules})
    parts = []
    for some in chunks(spans, _SPANS):
        filled = [*some, *some[-1:] * (_SPANS - len(some))]
        values: dict[str, Any] = {"ledger": ledger_id}
        for place, span in enumerate(filled):
            values |= {f"{name}{place}": value for name, value in zip(_SPAN, span, strict=True)}
        parts.append(read_arrow(connection, LEDGER, _under_caps(), values))
    if not parts:
        return read_arrow(connection, LEDGER, _lines().where(sa.false()))
    found = pa.concat_tables(parts)
    return found if len(parts) == 1 else found.group_by(found.column_names).aggregate([])


_SPANS = 20
"""Spans asked for at once: an expression of thousands is refused by some databases."""
_SPAN = ("person", "rule", "start", "end")


@cache
def _under_caps() -> sa.Select[Any]:
    """Return the question of :func:`lines_under_caps`: putting it together takes longer than asking it."""
    ledger = LEDGER.c.scope_id == sa.bindparam("ledger")
    spans = []
    for place in range(_SPANS):
        person, rule, start, end = (
            sa.bindparam(f"{name}{place}", type_=sa.String() if name in _SPAN[:2] else sa.Date())
            for name in _SPAN
        )
        inside = sa.and_(
            ledger,  # in each span: SQLite finds its index by what stands inside the OR
            LEDGER.c.run_to == CURRENT,
            LEDGER.c.person_key == person,
            LEDGER.c.rule_id == rule,
            LEDGER.c.day >= start,
            LEDGER.c.day < end,
            LEDGER.c.state != "void",
        )
        spans.append(inside)
    return _lines().where(sa.or_(*spans))


def _lines() -> sa.Select[Any]:
    return sa.select(*(LEDGER.c[name] for name in _COLUMNS))


def _read(
    connection: sa.Connection,
    ledger_id: int,
    column: sa.ColumnElement[str],
    values: Iterable[str],
) -> pa.Table:
    statement = sa.select(*(LEDGER.c[name] for name in _COLUMNS)).where(*current(ledger_id))
    statement = statement.where(LEDGER.c.reason.not_like(f"{ADJUSTS}%"))
    parts = [
        read_arrow(connection, LEDGER, statement.where(column.in_(some)))
        for some in chunks(sorted(set(values)))
    ]
    return pa.concat_tables(parts) if parts else read_arrow(connection, LEDGER, statement.where(sa.false()))


def replace_lines(
    connection: sa.Connection, ledger_id: int, old: Collection[str], new: pa.Table, run_id: int
) -> Moved:
    """Close those of some old lines (named by id) that are not among the new ones; add what is new.

    Raises:
        StopError: two new lines are equal in all they say.
    """
    ids = new["entry_id"].to_pylist()
    fresh_ids, holds = set(ids), set(old)
    if len(fresh_ids) != len(ids):
        raise StopError("score-entry-twice", ledger=ledger_id)
    gone = holds - fresh_ids
    for some in chunks(sorted(gone)):
        connection.execute(
            sa.update(LEDGER)
            .where(LEDGER.c.scope_id == ledger_id, LEDGER.c.entry_id.in_(some), LEDGER.c.run_to == CURRENT)
            .values(run_to=run_id)
        )
    fresh = new.filter(_outside(new["entry_id"], holds)) if holds else new
    insert_arrow(connection, LEDGER, fresh, {"scope_id": ledger_id, "run_from": run_id, "run_to": CURRENT})
    digest = digest_of(fresh["entry_id"].to_pylist()) - digest_of(gone)
    return Moved(fresh.num_rows, len(gone), digest % _DIGEST_SIZE)


def _outside(ids: pa.ChunkedArray, holds: set[str]) -> pa.ChunkedArray:
    return pa.compute.invert(pa.compute.is_in(ids, pa.array(sorted(holds), pa.string())))


def holding(connection: sa.Connection, ledger_id: int) -> set[str]:
    """Return the ids of all current lines."""
    return set(connection.scalars(sa.select(LEDGER.c.entry_id).where(*current(ledger_id))))


def digest_of(ids: Iterable[str]) -> int:
    """Return the digest of some lines: the sum of their hashes, so that it can move by a difference.

    It tells whether two ledgers are equal, line by line; a receipt's hash tree is what proves it.
    """
    return sum(int.from_bytes(hashlib.sha256(each.encode()).digest()) for each in ids) % _DIGEST_SIZE


def digest_text(digest: int) -> str:
    """Return a digest as it is shown and kept."""
    return f"{digest % _DIGEST_SIZE:064x}"


def read_tallies(
    connection: sa.Connection, ledger_id: int, version: str = "", digest: str = ""
) -> Mapping[Key, Tally]:
    """Return the kept sums of a ledger.

    Where this process has just worked them out they are not read: a ledger's digest tells its lines, and a
    law's version what is counted of them.
    """
    with _turn:
        known = _recent.get((version, digest))
    if known is not None:
        return known
    statement = sa.select(*(TALLY.c[name] for name in TALLY_FIELDS)).where(TALLY.c.scope_id == ledger_id)
    return {tuple(row[:4]): Tally(*row) for row in connection.execute(statement).fetchall()}


def remember_tallies(version: str, digest: str, tallies: Mapping[Key, Tally]) -> None:
    """Remember the sums of a ledger by its digest and the law's version, for the next run of this process."""
    with _turn:
        _recent[version, digest] = tallies
        _recent.move_to_end((version, digest))
        while len(_recent) > _MOST_RECENT:
            _recent.popitem(last=False)


_recent: OrderedDict[tuple[str, str], Mapping[Key, Tally]] = OrderedDict()
_turn = Lock()
_MOST_RECENT = 8


def keep_tallies(
    connection: sa.Connection, ledger_id: int, held: Mapping[Key, Tally], after: Mapping[Key, Tally]
) -> None:
    """Write the sums that changed."""
    changed = [key for key in held.keys() | after.keys() if held.get(key) != after.get(key)]
    gone = [key for key in changed if key in held]
    if len(gone) == len(held):
        connection.execute(sa.delete(TALLY).where(TALLY.c.scope_id == ledger_id))
    else:
        for person, sheet, measure, rule_id in sorted(gone):
            connection.execute(
                sa.delete(TALLY).where(
                    TALLY.c.scope_id == ledger_id,
                    TALLY.c.person_key == person,
                    TALLY.c.sheet == sheet,
                    TALLY.c.measure == measure,
                    TALLY.c.rule_id == rule_id,
                )
            )
    rows = [(ledger_id, *after[key]) for key in sorted(changed) if key in after]
    insert_rows(connection, TALLY, rows)


def in_order(tallies: Mapping[Key, Tally]) -> Sequence[Tally]:
    """Return sums in a fixed order."""
    return [tallies[key] for key in sorted(tallies)]
