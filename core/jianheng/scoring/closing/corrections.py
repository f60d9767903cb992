"""Entering what came to light about closed periods: lines of their own in the first later period that is open.

Where the law of a closed period says ``next``, today's lines less those it was closed with, less what later
closed periods have entered already, are lines of the open one: points only, since an item is counted in the
period it belongs to and nowhere else. Each says in its ``reason`` which period it corrects and, where there is
one, the closed line (the first 12 digits of its id).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute
import sqlalchemy as sa

from jianheng.errors import StopError
from jianheng.scoring.closing.adjustments import IDENTITY, Facts, closing_of, kept_lines
from jianheng.scoring.kernel import ledger_lines
from jianheng.scoring.kernel.engine import connection as engine_connection
from jianheng.scoring.kernel.plan_ledger import LEDGER_COLUMNS, NO_LINES, named_sql
from jianheng.scoring.kernel.program import facts_in
from jianheng.scoring.kernel.score import score
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.records.closed_periods import ClosedPeriod, before, law_of
from jianheng.scoring.records.scope import Subject, read_facts, scope_of
from jianheng.store.tables import ADJUSTS

_NONE = NO_LINES.add_column(0, "entry_id", pa.array([], pa.string()))


_OF_PEOPLE = ("person", "posting")


@dataclass(frozen=True, slots=True)
class Look:
    """What the last scoring of an open period found about the closed ones: it holds for those that nothing touched since.

    Attributes:
        facts_at: the recorded moment up to which it knew everything.
        corrects: the closed periods it looked at, each with the root of its receipt.
        entered: the lines it entered.
    """

    facts_at: int
    corrects: Mapping[str, str]
    entered: pa.Table


def corrects(connection: sa.Connection, office: str, policy: Policy, period: Period) -> dict[str, str]:
    """Return the closed periods that lead up to a period, each with the root of its receipt."""
    return {each.period: each.receipt_hash for each in before(connection, office, policy.id, period)}


def last_look(
    connection: sa.Connection, ledger_id: int, policy: Policy, last: Mapping[str, Any] | None
) -> Look | None:
    """Return what the last scoring of a period found about closed ones; None after another law, and before the first.

    Args:
        connection: where the ledger is.
        ledger_id: the period's.
        policy: the law of the period.
        last: what its last scoring told of itself.
    """
    if last is None or last["policy_version"] != policy.version or not last.get("corrects"):
        return None
    return Look(last["facts_at"], last["corrects"], ledger_lines.corrections(connection, ledger_id))


def corrections_for(
    connection: sa.Connection,
    office: str,
    policy: Policy,
    period: Period,
    facts: Callable[[], Facts],
    only: Collection[str] | None = None,
    look: Look | None = None,
) -> pa.Table:
    """Return the lines that the closed periods leading up to a period enter in it.

    Args:
        connection: where the closed periods are.
        office: whose.
        policy: the law of this period; what it corrects is judged by the law it was closed by.
        period: the first open period after those it corrects.
        facts: gives all facts as they are known; asked only where some law enters what it finds.
        only: look at no other closed periods than these.
        look: what was found last, so that closed periods which nothing touched since are not scored again.

    Raises:
        StopError: a line would go to an indicator or a sheet that this law does not have.
    """
    earlier = before(connection, office, policy.id, period)
    earlier = [each for each in earlier if only is None or each.period in only]
    if not any(each.adjustments == "next" for each in earlier):
        return _NONE
    if look is not None and look.corrects != {each.period: each.receipt_hash for each in earlier}:
        look = None
    made = [_NONE]
    for place, closed in enumerate(earlier):
        if closed.adjustments != "next":
            continue
        later = [kept_lines(connection, each)[1] for each in earlier[:place]]
        entered = pa.concat_tables([_NONE, *later])
        if look is not None and not _touched(connection, closed, look, entered):
            made.append(_correcting(look.entered, closed))
        else:
            made.append(_still_to_enter(connection, closed, facts(), entered))
    return _named(_placed(pa.concat_tables(made), policy))


def _touched(connection: sa.Connection, closed: ClosedPeriod, look: Look, entered: pa.Table) -> bool:
    """Return whether anything that changed since a look may move what is still to be entered of a closed period.

    Nothing does, if the cases that changed have no line in it, had none when it was closed, and none was entered of
    them since: within a period whose caps reach no further than a person's lines, other cases stand as they stood.
    """
    closing, law = closing_of(connection, closed), law_of(connection, closed)
    subject = Subject(closed.office, closing.units, closing.sources)
    known = {"policy_version": law.version, "units": closing.units, "sources": closing.sources}
    then = known | {"facts_at": look.facts_at}
    scope = scope_of(connection, subject, law, closed.window, then, full=False)
    if not scope.cases:
        return scope.cases is None
    own = ledger_lines.scope_id(connection, closed.office, closed.policy, closed.period)
    stood = [
        ledger_lines.lines_of_cases(connection, own, scope.cases),
        *(_of_cases(_correcting(each, closed), scope.cases) for each in (look.entered, entered)),
    ]
    if any(each.num_rows for each in stood):
        return True
    facts = read_facts(connection, closed.office, scope.reading, {*facts_in(law), *_OF_PEOPLE})
    today = score(facts, law, closed.window, closing.units, closing.sources, only=scope.cases)
    return bool(today.ledger.num_rows)


def _correcting(lines: pa.Table, closed: ClosedPeriod) -> pa.Table:
    """Return those of some lines that correct a closed period."""
    mark = f"{ADJUSTS}{closed.period}"
    whole = pa.compute.equal(lines["reason"], mark)
    return lines.filter(pa.compute.or_(whole, pa.compute.starts_with(lines["reason"], f"{mark}:")))


def _of_cases(lines: pa.Table, cases: Sequence[str]) -> pa.Table:
    return lines.filter(pa.compute.is_in(lines["case_no"], pa.array(cases, pa.string())))


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
        return engine.sql(named_sql("arriving")).to_arrow_table()
