"""The parts of a receipt: which rows of facts, law and result go into the tree, and what is said of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import pyarrow as pa
import sqlalchemy as sa

from jianheng.facts.entities import ENTITIES
from jianheng.scoring.closing.receipt import CALENDAR, FACTS, LAW, Part, law_part, rows_part
from jianheng.scoring.kernel import ledger_lines
from jianheng.scoring.kernel.evaluation import Evaluation
from jianheng.scoring.kernel.plan_ledger import LEDGER_COLUMNS
from jianheng.scoring.records.kept import as_arrow, read_kept, standing_row, value_row
from jianheng.store.tables import INDICATOR, PERSON_SCORE

_DAY = "day"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out, as it is kept: the names of the fields are those of the parts."""

    ledger: pa.Table
    values: pa.Table
    standings: pa.Table


OUTCOME = tuple(each.name for each in fields(Outcome))

KEYS: Mapping[str, tuple[str, ...]] = {
    "ledger": ("entry_id",),
    "values": ("person_key", "sheet", "indicator"),
    "standings": ("person_key", "sheet"),
}
"""By part what names a row of a result."""


def outcome_of(evaluation: Evaluation) -> Outcome:
    """Return what an evaluation would keep."""
    return Outcome(
        evaluation.ledger,
        as_arrow(INDICATOR, [value_row(each) for each in evaluation.values]),
        as_arrow(PERSON_SCORE, [standing_row(each, evaluation.tallies) for each in evaluation.standings]),
    )


def kept_outcome(connection: sa.Connection, office: str, policy: str, period: str, run_id: int) -> Outcome:
    """Return what a scoring run has kept; for a ledger that is what holds now."""
    ledger_id = ledger_lines.scope_id(connection, office, policy, period)
    return Outcome(
        ledger_lines.every_line(connection, ledger_id),
        read_kept(connection, INDICATOR, run_id),
        read_kept(connection, PERSON_SCORE, run_id),
    )


def outcome_parts(outcome: Outcome) -> dict[str, Part]:
    """Return the parts of a result."""
    columns = {
        "ledger": ("entry_id", *LEDGER_COLUMNS),
        "values": outcome.values.column_names,
        "standings": outcome.standings.column_names,
    }
    return {name: rows_part(name, getattr(outcome, name), columns[name], KEYS[name]) for name in OUTCOME}


def fact_key(entity: str) -> Sequence[str]:
    """Return what names a version of a fact within an office at one moment."""
    return ("source", ENTITIES[entity].key.name)


def facts_parts(facts: Mapping[str, pa.Table]) -> dict[str, Part]:
    """Return the parts of facts, one for each entity of which there are any.

    A leaf says the source, every value and the hash kept with them, so that neither can be changed alone.
    """
    return {
        f"{FACTS}{name}": rows_part(
            f"{FACTS}{name}", rows, ("source", *ENTITIES[name].names, "content_hash"), fact_key(name)
        )
        for name, rows in sorted(facts.items())
        if rows.num_rows
    }


def law_parts(sources: Mapping[str, str], workdays: pa.Table | None) -> dict[str, Part]:
    """Return the parts of the law: its texts, and the working days it counts by where it counts any."""
    parts = {LAW: law_part(sources)}
    if workdays is not None:
        parts[CALENDAR] = rows_part(CALENDAR, workdays, workdays.column_names, (_DAY,))
    return parts
