"""The program for a few cases: the same selects on SQLite, in tables that stay open from one scoring to the next.

DuckDB plans each of some thirty selects anew, which for one case takes many times as long as its rows do. SQLite
keeps what it planned as long as its tables stay. So a process that scores the same again and again keeps them, and
runs only those steps whose tables hold something else than before. Whatever SQLite would not do exactly alike, and
whatever goes wrong, is left to DuckDB: :func:`score_few` then returns None.
"""

import re
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.compute

from jianheng.scoring.kernel import program
from jianheng.scoring.kernel.plan import has_team
from jianheng.scoring.kernel.plan_ledger import LEDGER_COLUMNS, LEDGER_ORDER, entry_id
from jianheng.scoring.kernel.sqlite_functions import day_of, install
from jianheng.scoring.kernel.sqlite_words import NotAlikeError, in_sqlite
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy
from jianheng.store.bulk import arrow_type
from jianheng.store.tables import LEDGER

MOST_CASES = 200
"""Of more cases at once DuckDB is the quicker one."""
MOST_FACTS = 20_000
AFTER = 1
"""How often a law and period are scored on DuckDB before tables are kept for them: most processes score once."""
PATIENCE = 20
"""After so many more it is tried again what was left to DuckDB."""
_MOST_KEPT = 8
"""For so many laws and periods tables stay open."""
_MOST_KNOWN = 256

Row = tuple[Any, ...]
Carried = Callable[[Iterable[Row]], pa.Table]
"""Given whose lines stand where (person, rule, day), returns the lines elsewhere under a cap of theirs."""


_Key = tuple[str, Period]
_open: "OrderedDict[_Key, Tables]" = OrderedDict()
_scored: OrderedDict[_Key, int] = OrderedDict()
_turn = Lock()


def few(facts: Mapping[str, pa.Table]) -> bool:
    """Return whether facts are so few that planning takes longer than scoring them."""
    cases = facts["case"].num_rows if "case" in facts else 0
    return cases <= MOST_CASES and sum(each.num_rows for each in facts.values()) <= MOST_FACTS


def score_few(
    facts: Mapping[str, pa.Table],
    policy: Policy,
    period: Period,
    units: Sequence[str],
    only: Sequence[str],
    carried: Carried,
) -> tuple[pa.Table, int] | None:
    """Apply a policy to the facts of a few cases, as :func:`jianheng.scoring.kernel.score.score` does.

    Args:
        facts: by entity, one row per key; every entity that the policy's program reads.
        policy: the law.
        period: the window that items must fall into.
        units: unit codes whose people are scored.
        only: the case numbers whose items are scored.
        carried: returns the lines elsewhere that share a cap with theirs.

    Returns:
        The ledger and how many cases were looked at; None where DuckDB must do it.
    """
    known = policy.version, period
    with _turn:
        times = _scored.pop(known, 0)
        _scored[known] = times + 1
        while len(_scored) > _MOST_KNOWN:
            _scored.popitem(last=False)
        tables = _open.pop(known, None)
    if tables is None and times < AFTER:
        return None
    try:
        tables = tables or Tables(policy, period)
        found = tables.score(facts, units, only, carried)
    except (NotAlikeError, sqlite3.Error):
        with _turn:
            _scored[known] = AFTER - PATIENCE
        if tables is not None:
            tables.close()
        return None
    with _turn:
        _open[known] = tables
        left = [_open.popitem(last=False)[1] for _ in range(len(_open) - _MOST_KEPT)]
    for each in left:
        each.close()
    return found


def rows_of_few(select: str, tables: Mapping[str, pa.Table], *, facts: bool = False) -> list[Row] | None:
    """Return what a select gives over a few rows, days as numbers; None where DuckDB must do it.

    Args:
        select: the statement, in DuckDB's words.
        tables: what it speaks of.
        facts: some of the tables are facts.
    """
    try:
        with closing(_database()) as database:
            for name, table in tables.items():
                _create(database, name, table.column_names)
                _insert(database, name, table)
            return database.execute(in_sqlite(select, facts=facts)).fetchall()
    except (NotAlikeError, sqlite3.Error):
        return None


def _database() -> sqlite3.Connection:
    database = sqlite3.connect(
        ":memory:", isolation_level=None, check_same_thread=False, cached_statements=512
    )
    install(database)
    database.execute("PRAGMA journal_mode = OFF")
    return database


def _create(database: sqlite3.Connection, name: str, columns: Sequence[str]) -> None:
    """Create a table whose columns have no types: SQLite then keeps and compares what it is given as it is."""
    quoted = ", ".join(f'"{each}"' for each in columns)
    database.execute(f"CREATE TABLE {name} ({quoted})")
    if name in _INDEXES:
        database.execute(f"CREATE INDEX {name}_by ON {name} ({', '.join(_INDEXES[name])})")


def _insert(database: sqlite3.Connection, name: str, table: pa.Table) -> None:
    rows = zip(*(_values(column) for column in table.columns), strict=True)
    marks = ", ".join("?" * table.num_columns)
    database.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)  # noqa: S608 names of ours


_FACTS = re.compile(r"\b(?:FROM|JOIN)\s+(?:fact|v)_")
_NAMES_ONLY = re.compile(r"item|outcome|ledger|settled|refused|v_\w+")
"""Steps that stay views even here; of the others every row is looked at more than once."""


class _Words:
    """A step in SQLite's words."""

    def __init__(self, step: program.Step) -> None:
        self.name = step.name
        self.kept = step.kept or _NAMES_ONLY.fullmatch(step.name) is None
        self.select = in_sqlite(step.select, facts=_FACTS.search(step.select) is not None)
        self.names = frozenset(re.findall(r"\w+", self.select))


class Tables:
    """The tables of one law and period, as the last scoring left them."""

    def __init__(self, policy: Policy, period: Period) -> None:
        self._policy = policy
        self._pricing = [
            _Words(each) for each in (*program.views(policy), *program.pricing(policy, period, some=True))
        ]
        self._settling = [_Words(each) for each in program.settling(policy, period)]
        self._checks = [in_sqlite(_DOUBLED), *([in_sqlite(program.BADLY_SPLIT)] if has_team(policy) else [])]
        self._spots = in_sqlite(program.SPOTS)
        self._held: dict[str, pa.Table] = {}
        self._made: set[str] = set()
        self._changed: set[str] = set()
        self._database = _database()

    def close(self) -> None:
        """Give up what they take."""
        self._database.close()

    def score(
        self, facts: Mapping[str, pa.Table], units: Sequence[str], only: Sequence[str], carried: Carried
    ) -> tuple[pa.Table, int]:
        """Return the ledger and how many cases were looked at.

        Raises:
            NotAlikeError: DuckDB must do it; these tables are of no further use.
            sqlite3.Error: likewise.
        """
        self._changed.clear()
        for name, table in facts.items():
            self._put(f"fact_{name}", table)
        for name, table in program.tables(self._policy).items():
            self._put(name, table)
        self._put("scope_unit", pa.table({"unit_code": pa.array(list(units), pa.string())}))
        self._put("scored_case", pa.table({"case_no": pa.array(list(only), pa.string())}))
        if self._policy.workdays is not None:
            self._put("workday", self._policy.workdays)
        for step in self._pricing:
            self._run(step)
        for check in self._checks:
            if self._rows(check):
                raise NotAlikeError("what does not add up")
        spots = ((person, rule, day_of(day)) for person, rule, day in self._rows(self._spots))
        self._put("carried", carried(spots).select(LEDGER_COLUMNS))
        for step in self._settling:
            self._run(step)
        cases = self._rows("SELECT count(*) FROM fact_case")[0][0]
        return _ledger(self._rows(f"SELECT {', '.join(LEDGER_COLUMNS)} FROM ledger")), int(cases)  # noqa: S608 names of ours

    def _rows(self, statement: str) -> list[Row]:
        return self._database.execute(statement).fetchall()

    def _put(self, name: str, table: pa.Table) -> None:
        """Fill a table, unless it holds the same already."""
        held = self._held.get(name)
        if held is not None and (held is table or held.equals(table)):
            return
        if held is None:
            _create(self._database, name, table.column_names)
        elif held.column_names != table.column_names:
            raise NotAlikeError("other columns")
        else:
            self._database.execute(f"DELETE FROM {name}")  # noqa: S608 names of ours
        _insert(self._database, name, table)
        self._held[name] = table
        self._changed.add(name)

    def _run(self, step: _Words) -> None:
        """Run a step, unless it would give what it gave last time."""
        first = step.name not in self._made
        if not first and step.names.isdisjoint(self._changed):
            return
        self._made.add(step.name)
        self._changed.add(step.name)
        if not step.kept:
            if first:
                self._database.execute(f"CREATE VIEW {step.name} AS {step.select}")
            return
        if first:
            told = self._database.execute(step.select).description
            _create(self._database, step.name, [each[0] for each in told])
        else:
            self._database.execute(f"DELETE FROM {step.name}")  # noqa: S608 names of ours
        self._database.execute(f"INSERT INTO {step.name} {step.select}")


_DOUBLED = "SELECT 1 FROM counted GROUP BY measure_no, item_key HAVING count(*) > 1 LIMIT 1"
_INDEXES = {
    "rule_row": ("measure_no", "code"),
    "rule_text": ("rule_no",),
    "workday": ("day",),
    "fact_code": ("catalogue", "code"),
}

_LARGEST = 2**53
"""Far below what 64 bits hold, so that a few of them can be added."""


def _values(column: pa.ChunkedArray) -> Sequence[Any]:
    """Return a column as SQLite keeps it.

    Raises:
        NotAlikeError: a number is not kept exactly.
    """
    kind = column.type
    if pa.types.is_date32(kind):
        return column.cast(pa.int32()).to_pylist()  # type: ignore[no-any-return]
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us")).cast(pa.int64()).to_pylist()  # type: ignore[no-any-return]
    values: list[Any] = column.to_pylist()
    if pa.types.is_decimal(kind):
        return [None if each is None else _number(each) for each in values]
    if pa.types.is_integer(kind) and any(each is not None and abs(each) > _LARGEST for each in values):
        raise NotAlikeError("a number too large")
    if not (pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        raise NotAlikeError(str(kind))
    return values


def _number(value: Decimal) -> float:
    kept = float(value)
    if Decimal(repr(kept)) != value:
        raise NotAlikeError("a number too fine")
    return kept


_DAY = LEDGER_COLUMNS.index("day")
_PLACES = [LEDGER_COLUMNS.index(name) for name in LEDGER_ORDER]


def _ledger(rows: Iterable[Row]) -> pa.Table:
    """Return lines named and in order, as DuckDB gives them."""
    dated = [(*row[:_DAY], day_of(row[_DAY]), *row[_DAY + 1 :]) for row in rows]
    dated.sort(key=lambda row: [row[place] for place in _PLACES])
    columns: Sequence[Sequence[Any]] = list(zip(*dated, strict=True)) if dated else [()] * len(LEDGER_COLUMNS)
    told = {"entry_id": pa.array([entry_id(row) for row in dated], pa.string())}
    for name, values in zip(LEDGER_COLUMNS, columns, strict=True):
        told[name] = pa.array(values, arrow_type(LEDGER.c[name]))
    return pa.table(told)
