"""What comes to light about a closed period: how its result would differ if it were closed today.

A closed period is never changed. Its own law, on the facts that are known now, tells what would be entered
today; what differs from the closed lines are its adjustments.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute
import sqlalchemy as sa

from jianheng.scoring.closing.receipt import Closing, read_receipt
from jianheng.scoring.kernel import ledger_lines
from jianheng.scoring.kernel.engine import connection as engine_connection
from jianheng.scoring.kernel.evaluation import evaluate
from jianheng.scoring.records.closed_periods import ClosedPeriod, law_of, receipt_text
from jianheng.scoring.records.kept import as_arrow, read_kept, standing_row, value_row
from jianheng.store.tables import ADJUSTS, INDICATOR, PERSON_SCORE

Facts = Mapping[str, pa.Table]

IDENTITY = ("person_key", "sheet", "measure", "rule_id", "item_key")
"""What makes two lines speak of the same thing: for whom, on which sheet, by which rule, of which item."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """One line of a closed period that is not what it would be today.

    Attributes:
        kind: ``added``, ``removed``, ``final`` (only its gate was passed since), or ``changed``.
        entry_id: the closed line; empty for ``added``.
        was, now: 0.001 point.
        was_state, now_state: as in the ledger; empty where there is no line.
    """

    kind: str
    person_key: str
    sheet: str
    measure: str
    rule_id: str
    indicator: str
    case_no: str
    item_kind: str
    item_key: str
    item_label: str
    day: dt.date
    entry_id: str
    was: int
    now: int
    was_state: str
    now_state: str

    @property
    def difference(self) -> int:
        """What it moves, in 0.001 point."""
        return self.now - self.was


@dataclass(frozen=True, slots=True)
class Moved:
    """A number of the closed result and what it would be today; None where there is none.

    Attributes:
        indicator: which of the person's indicators; empty for the total.
    """

    person_key: str
    sheet: str
    indicator: str
    was: int | None
    now: int | None


@dataclass(frozen=True, slots=True)
class Adjustments:
    """Everything that came to light about a closed period.

    Attributes:
        lines: the lines that differ, by person.
        totals: people whose total differs; points of lines alone do not tell where shares, tiers or limits
            stand between.
        values: indicators that differ.
    """

    closed: ClosedPeriod
    lines: Sequence[Adjustment]
    totals: Sequence[Moved]
    values: Sequence[Moved]


def closing_of(connection: sa.Connection, closed: ClosedPeriod) -> Closing:
    """Return on what a period was closed: units, sources and the rest.

    Raises:
        StopError: its receipt is unreadable.
    """
    return read_receipt(receipt_text(connection, closed), f"closed_period {closed.period}").closing


def adjustments_of(connection: sa.Connection, closed: ClosedPeriod, facts: Facts) -> Adjustments:
    """Return what would be otherwise in a closed period if it were closed on these facts, by its own law."""
    closing, law = closing_of(connection, closed), law_of(connection, closed)
    kept, corrections = kept_lines(connection, closed)
    today = evaluate(facts, law, closed.window, closing.units, closing.sources, corrections)
    standings = as_arrow(PERSON_SCORE, [standing_row(each, today.tallies) for each in today.standings])
    values = as_arrow(INDICATOR, [value_row(each) for each in today.values])
    return Adjustments(
        closed,
        differences(kept, own_lines(today.ledger)),
        _moved(connection, closed, PERSON_SCORE, standings, ()),
        _moved(connection, closed, INDICATOR, values, ("indicator",)),
    )


def kept_lines(connection: sa.Connection, closed: ClosedPeriod) -> tuple[pa.Table, pa.Table]:
    """Return the lines of a closed period: its own, and those that correct earlier ones."""
    ledger_id = ledger_lines.scope_id(connection, closed.office, closed.policy, closed.period)
    lines = ledger_lines.every_line(connection, ledger_id)
    return own_lines(lines), lines.filter(_corrects(lines))


def own_lines(lines: pa.Table) -> pa.Table:
    """Return the lines that correct no closed period."""
    return lines.filter(pa.compute.invert(_corrects(lines)))


def _corrects(lines: pa.Table) -> pa.ChunkedArray:
    return pa.compute.starts_with(lines["reason"], ADJUSTS)


def _moved(
    connection: sa.Connection, closed: ClosedPeriod, table: sa.Table, today: pa.Table, more: Sequence[str]
) -> list[Moved]:
    """Return the points of kept rows that differ from today's."""
    key = ("person_key", "sheet", *more)
    with engine_connection() as engine:
        engine.register("kept", read_kept(connection, table, closed.run_id))
        engine.register("today", today)
        names = ", ".join(key)
        found = engine.execute(
            f"SELECT {names}, k.points, t.points FROM kept k FULL JOIN today t USING ({names})"  # noqa: S608 ours
            f" WHERE k.points IS DISTINCT FROM t.points ORDER BY {names}"
        ).fetchall()
    return [
        Moved(row[0], row[1], indicator=row[2] if more else "", was=row[-2], now=row[-1]) for row in found
    ]


def differences(closed: pa.Table, today: pa.Table) -> list[Adjustment]:
    """Return the lines that differ in what they give; a label or a version of a fact alone is none."""
    counted = ("points", "withheld", "state", "reason", "quantity", "share", "indicator")
    differ = " OR ".join(f"c.{name} IS DISTINCT FROM f.{name}" for name in counted)
    told = (*IDENTITY[:4], "indicator", "case_no", "item_kind", "item_key", "item_label", "day")
    columns = ", ".join(f"coalesce(f.{name}, c.{name})" for name in told)
    gate = "c.state = 'provisional' AND f.state = 'final' AND c.points = f.points"
    kind = (
        "CASE WHEN c.entry_id IS NULL THEN 'added' WHEN f.entry_id IS NULL THEN 'removed'"
        f" WHEN {gate} THEN 'final' ELSE 'changed' END"
    )
    with engine_connection() as engine:
        engine.register("closed", closed)
        engine.register("today", today)
        key = ", ".join(IDENTITY)
        found = engine.execute(
            f"SELECT {kind}, {columns}, coalesce(c.entry_id, ''), coalesce(c.points, 0),"  # noqa: S608 ours
            " coalesce(f.points, 0), coalesce(c.state, ''), coalesce(f.state, '')"
            f" FROM closed c FULL JOIN today f USING ({key}) WHERE {differ}"
            " ORDER BY 2, 3, 11, 4, 5, 9, 1"
        ).fetchall()
    return [Adjustment(*row) for row in found]
