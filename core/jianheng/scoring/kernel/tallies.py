"""Sums of ledger lines, and moving them by a difference."""

from collections.abc import Collection, Iterable, Mapping

import pyarrow as pa
import pyarrow.compute

from jianheng.scoring.indicators.outcome import ALL_RULES, Tally
from jianheng.scoring.kernel.engine import connection
from jianheng.scoring.kernel.few import rows_of_few
from jianheng.scoring.law.policy import Policy
from jianheng.store.tables import ADJUSTS

Key = tuple[str, str, str, str]
"""Person, sheet, measure, rule."""

CASES = "*"
"""``measure`` of the tally that counts in how many cases somebody has lines that count."""

_AMOUNTS = ("points", "provisional", "withheld", "entries", "items", "quantity", "shares")

# Whoever is not of this office has lines that say so, and no sums. What no rule speaks of is an item all
# the same; what was refused is not. A line that corrects a closed period moves points, and is no item here.
# An item under several rules is one: found by grouping, and so only for measures that somebody asks.
_OWN = f"""
WITH own AS (
  SELECT *, (state <> 'void' OR reason = 'no-rule') AND NOT starts_with(reason, '{ADJUSTS}') AS counts
  FROM ledger
  WHERE sheet <> '' AND reason NOT IN ('outside-office', 'unknown-person')
)
"""  # noqa: S608 only names of ours
_OF_RULES = """
SELECT person_key, sheet, measure, rule_id, max(indicator) AS indicator, CAST(sum(points) AS BIGINT) AS points,
  CAST(sum(CASE WHEN state = 'provisional' THEN points ELSE 0 END) AS BIGINT) AS provisional,
  CAST(sum(withheld) AS BIGINT) AS withheld, count(*) AS entries,
  CAST(sum(CASE WHEN counts THEN 1 ELSE 0 END) AS BIGINT) AS items,
  CAST(sum(CASE WHEN counts THEN quantity ELSE 0 END) AS BIGINT) AS quantity,
  CAST(sum(CASE WHEN counts THEN share ELSE 0 END) AS BIGINT) AS shares
FROM own GROUP BY person_key, sheet, measure, rule_id
"""
_OF_CASES = f"""
SELECT person_key, sheet, '{CASES}', '{ALL_RULES}', '', 0, 0, 0, 0, count(DISTINCT case_no), 0, 0
FROM own WHERE counts AND state <> 'void' GROUP BY person_key, sheet
"""  # noqa: S608 only names of ours
_OF_ITEMS = f"""
SELECT person_key, sheet, measure, '{ALL_RULES}', '', 0, 0, 0, 0, count(*), CAST(sum(quantity) AS BIGINT), CAST(sum(share) AS BIGINT)
FROM (
  SELECT person_key, sheet, measure, item_key, max(quantity) AS quantity, max(share) AS share
  FROM own WHERE counts AND measure IN (SELECT measure FROM asked)
  GROUP BY person_key, sheet, measure, item_key
) item GROUP BY person_key, sheet, measure
"""  # noqa: S608 only names of ours


def counted_measures(policy: Policy) -> frozenset[str]:
    """Return the measures whose items an indicator counts or a veto looks for."""
    grades = policy.file.grades
    counted = {name for node in policy.file.indicators for name in node.measures}
    return frozenset(counted | {each.measure for each in (grades.vetoes if grades else ())})


def tallies_of(ledger: pa.Table, counted: Collection[str] | None = None) -> dict[Key, Tally]:
    """Return the sums of some ledger lines.

    Args:
        ledger: the lines.
        counted: the measures whose items are counted too (:data:`ALL_RULES`); None for all.
    """
    measures = (
        pa.compute.unique(ledger["measure"]) if counted is None else pa.array(sorted(counted), pa.string())
    )
    tables = {"ledger": ledger, "asked": pa.table({"measure": measures})}
    parts = [_OF_RULES, _OF_CASES, *([_OF_ITEMS] if len(measures) else [])]
    select = _OWN + " UNION ALL ".join(parts)
    rows = (
        rows_of_few(select, {**tables, "ledger": ledger.select(_SUMMED)}) if ledger.num_rows <= _FEW else None
    )
    if rows is None:
        with connection() as engine:
            for name, table in tables.items():
                engine.register(name, table)
            columns = engine.sql(select).to_arrow_table().columns
            rows = list(zip(*(each.to_pylist() for each in columns), strict=True))
    return {row[:4]: Tally._make(row) for row in rows}


_SUMMED = (
    *("person_key", "sheet", "measure", "rule_id", "indicator", "case_no", "item_key", "quantity", "share"),
    *("points", "withheld", "state", "reason"),
)
_FEW = 2_000
"""So many lines are summed before DuckDB has planned to."""


def moved(held: Mapping[Key, Tally], old: Mapping[Key, Tally], new: Mapping[Key, Tally]) -> dict[Key, Tally]:
    """Return sums after some lines were replaced: what was held, less the old lines', plus the new lines'.

    A sum of nothing at all is left out, as if there had never been a line.
    """
    after = dict(held)
    for key in sorted(old.keys() | new.keys()):
        some = next(one[key] for one in (new, old) if key in one)
        amounts = [
            _amount(held, key, name) - _amount(old, key, name) + _amount(new, key, name) for name in _AMOUNTS
        ]
        if any(amounts):
            after[key] = Tally(*key, some.indicator, *amounts)
        else:
            after.pop(key, None)
    return after


def _amount(tallies: Mapping[Key, Tally], key: Key, name: str) -> int:
    tally = tallies.get(key)
    return 0 if tally is None else int(getattr(tally, name))


def total(tallies: Iterable[Tally], name: str) -> int:
    """Return one amount summed."""
    return sum(getattr(each, name) for each in tallies)


TALLY_FIELDS = Tally._fields
