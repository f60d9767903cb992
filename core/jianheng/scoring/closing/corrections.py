"""Entering what came to light about closed periods: lines of their own in the first later period that is open.

Where the law of a closed period says ``next``, today's lines less those it was closed with, less what later
closed periods have entered already, are lines of the open one: points only, since an item is counted in the
period it belongs to and nowhere else. Each says in its ``reason`` which period it corrects and, where there is
one, the closed line (the first 12 digits of its id).
"""

from collections.abc import Callable, Collection

import pyarrow as pa
import sqlalchemy as sa

from jianheng.errors import StopError
from jianheng.scoring.closing.adjustments import IDENTITY, Facts, closing_of, kept_lines
from jianheng.scoring.kernel.engine import connection as engine_connection
from jianheng.scoring.kernel.plan import LEDGER_COLUMNS, entry_id_sql
from jianheng.scoring.kernel.score import score
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.records.closed_periods import ClosedPeriod, before, law_of
from jianheng.store.bulk import arrow_type
from jianheng.store.tables import ADJUSTS, LEDGER

_NONE = pa.table({name: pa.array([], arrow_type(LEDGER.c[name])) for name in ("entry_id", *LEDGER_COLUMNS)})


def corrections_for(
    connection: sa.Connection,
    office: str,
    policy: Policy,
    period: Period,
    facts: Callable[[], Facts],
    only: Collection[str] | None = None,
) -> pa.Table:
    """Return the lines that the closed periods leading up to a period enter in it.

    Args:
        connection: where the closed periods are.
        office: whose.
        policy: the law of this period; what it corrects is judged by the law it was closed by.
        period: the first open period after those it corrects.
        facts: gives all facts as they are known; asked only where some law enters what it finds.
        only: look at no other closed periods than these.

    Raises:
        StopError: a line would go to an indicator or a sheet that this law does not have.
    """
    earlier = before(connection, office, policy.id, period)
    earlier = [each for each in earlier if only is None or each.period in only]
    if not any(each.adjustments == "next" for each in earlier):
        return _NONE
    made = [_NONE]
    for place, closed in enumerate(earlier):
        if closed.adjustments == "next":
            entered = [kept_lines(connection, each)[1] for each in earlier[:place]]
            made.append(_still_to_enter(connection, closed, facts(), pa.concat_tables([_NONE, *entered])))
    return _named(_placed(pa.concat_tables(made), policy))


def _still_to_enter(
    connection: sa.Connection, closed: ClosedPeriod, facts: Facts, entered: pa.Table
) -> pa.Table:
    """Return today's lines of a closed period, less its own, less those entered.

    By state: where points became final, the provisional ones go and final ones come.
    """
    closing, law = closing_of(connection, closed), law_of(connection, closed)
    today = score(facts, law, closed.window, closing.units, closing.sources).ledger
    tables = {"today": today, "closed": kept_lines(connection, closed)[0], "entered": entered}
    key = ", ".join(IDENTITY)
    mark = f"{ADJUSTS}{closed.period}"
    mine = f"(reason = '{mark}' OR starts_with(reason, '{mark}:'))"
    less = "-points AS points, -withheld AS withheld, -quantity AS quantity"
    told = ", ".join(
        {
            "quantity": "f.quantity",
            "points": "f.points",
            "withheld": "f.withheld",
            "state": "f.state",
            "reason": f"'{mark}' || coalesce(':' || substr(c.entry_id, 1, 12), '') AS reason",
            "factors": "'' AS factors",  # of a law that may be no more; the closed line has them
            "caps": "'' AS caps",
        }.get(name, f"t.{name}")
        for name in LEDGER_COLUMNS
    )
    with engine_connection() as engine:
        for name, table in tables.items():
            engine.register(name, table)
        return engine.sql(
            f"""
WITH signed AS (
  SELECT {key}, state, points, withheld, quantity FROM today WHERE state <> 'void'
  UNION ALL SELECT {key}, state, {less} FROM closed WHERE state <> 'void'
  UNION ALL SELECT {key}, state, {less} FROM entered WHERE {mine}
),
still AS (
  SELECT {key}, state, CAST(sum(points) AS BIGINT) AS points, CAST(sum(withheld) AS BIGINT) AS withheld,
    CAST(sum(quantity) AS BIGINT) AS quantity
  FROM signed GROUP BY {key}, state HAVING sum(points) <> 0
),
thing AS (
  SELECT * FROM (
    SELECT 0 AS place, * FROM today UNION ALL BY NAME SELECT 1 AS place, * FROM closed
    UNION ALL BY NAME SELECT 2 AS place, * FROM entered WHERE {mine}
  ) QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY place, state, entry_id) = 1
)
SELECT '' AS entry_id, {told}
FROM still f JOIN thing t ON {_same("t")} LEFT JOIN closed c ON {_same("c")}
ORDER BY {", ".join(f"f.{name}" for name in IDENTITY)}, f.state
"""  # noqa: S608 names of ours, and periods, which are letters, digits and dashes
        ).to_arrow_table()


def _same(alias: str) -> str:
    return " AND ".join(f"{alias}.{name} = f.{name}" for name in IDENTITY)


def _placed(lines: pa.Table, policy: Policy) -> pa.Table:
    """Return lines with the indicators of this law: a rule's own where it still has the rule.

    Raises:
        StopError: there is no such sheet or indicator any more.
    """
    sheets = {each.id for each in policy.file.sheets}
    indicators = {each.id for each in policy.file.indicators}
    now = {row.id: row.indicator for row in policy.points}
    rows = [row | {"indicator": now.get(row["rule_id"], row["indicator"])} for row in lines.to_pylist()]
    for row in rows:
        if row["sheet"] not in sheets or row["indicator"] not in indicators:
            told = {name: row[name] for name in ("sheet", "indicator", "rule_id")}
            raise StopError("close-no-place", policy=policy.id, closed=row["reason"].split(":")[1], **told)
    return pa.Table.from_pylist(rows, lines.schema)


def _named(lines: pa.Table) -> pa.Table:
    """Return lines named by all they say, as the kernel names its own."""
    with engine_connection() as engine:
        engine.register("arriving", lines)
        columns = ", ".join(LEDGER_COLUMNS)
        return engine.sql(f"SELECT {entry_id_sql()} AS entry_id, {columns} FROM arriving").to_arrow_table()  # noqa: S608
