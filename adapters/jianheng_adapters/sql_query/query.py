"""What a stream is read from: a table or view as it is in the database, or somebody's own SELECT."""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from jianheng.errors import FaultsError, Problem, StopError, problem
from jianheng.facts.time import SHANGHAI
from jianheng_adapters.mapping import StreamMapping
from jianheng_adapters.mapping.load import nearest
from jianheng_adapters.mapping.position import Position

Column = sa.ColumnElement[Any]

_ALIAS = "read_from"
_WRITING = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Into, exp.Lock, exp.DDL, exp.Drop, exp.Command)
_DIALECTS = {"postgresql": "postgres", "mariadb": "mysql", "mssql": "tsql", "dm": "oracle"}
_EARLIEST = dt.datetime(1900, 1, 1)  # noqa: DTZ001 -- wall time
_LEAST = Decimal(-(10**15))


@dataclass(frozen=True, slots=True)
class From:
    """Where rows come from, ready for a statement.

    Attributes:
        clause: the table or the subquery.
        columns: those the stream needs, by the name the mapping gives them.
        place: how locators and messages call it.
        stamp: a value of the cursor column as the driver gives it, None where there is none.
    """

    clause: sa.FromClause
    columns: Mapping[str, Column]
    place: str
    stamp: Any = None

    def bound(self, position: Position) -> Any:
        """Return a position in the form that the cursor column has."""
        return as_kept(position, self.stamp)


def as_kept(position: Position, stamp: Any) -> Any:
    """Return a position as a database keeps such values: text as text is written there, zones where there are some."""
    if isinstance(position, Decimal):
        return int(position) if position == int(position) else position
    if not isinstance(position, dt.datetime):
        return position
    if isinstance(stamp, str):
        # What stands there may be shorter than a moment, and is compared as text.
        told = position.isoformat("T" if "T" in stamp else " ", "seconds")
        return told[: max(len(stamp), len("2026-01-01"))]
    if isinstance(stamp, dt.datetime):
        return position if stamp.tzinfo is None else position.replace(tzinfo=SHANGHAI)
    return position.date() if isinstance(stamp, dt.date) else position


def check_select(sql: str, dialect: str, stream: str) -> str:
    """Return a query ready to be read from: without the semicolon at its end.

    Raises:
        StopError: it is anything but one SELECT that only reads.
    """
    told = re.sub(r"\(\s*:units\s*\)", ":units", sql.strip().rstrip(";"))
    try:
        found = sqlglot.parse(told, dialect=_DIALECTS.get(dialect, dialect))
    except (SqlglotError, ValueError) as error:
        reason = str(error).splitlines()[0][:120]
        raise StopError("sql-not-select", stream=stream, reason=reason) from None
    kinds = [type(each).__name__ for each in found]
    writes = next((each for one in found if one for each in one.walk() if isinstance(each, _WRITING)), None)
    if writes is not None:
        raise StopError("sql-not-select", stream=stream, reason=type(writes).__name__)
    if len(found) != 1 or not isinstance(found[0], exp.Query):
        raise StopError("sql-not-select", stream=stream, reason=", ".join(kinds))
    return told


def read_from(
    connection: sa.Connection,
    stream: StreamMapping,
    name: str,
    table: str,
    schema: str | None,
    filled: Mapping[str, Any],
) -> From:
    """Find out what a stream is read from, and that it has what the mapping names.

    Args:
        connection: where.
        stream: the stream.
        name: what it is called.
        table: its table, as the site calls it; unused where the stream has a query.
        schema: the schema of tables.
        filled: the values of the query's parameters.

    Raises:
        FaultsError: the table or columns that are missing.
        StopError: the query is none.
    """
    if stream.sql is not None:
        told = check_select(stream.sql, connection.dialect.name, name)
        parameters: list[sa.BindParameter[Any]] = [
            sa.bindparam(key, value, expanding=isinstance(value, list))
            for key, value in filled.items()
            if re.search(rf"(?<![:\w]):{key}\b", told)
        ]
        query = sa.text(told).bindparams(*parameters)
        probe = sa.select(sa.text("*")).select_from(query.columns().subquery(_ALIAS)).where(sa.false())
        with connection.execute(probe) as nothing:
            keys = list(nothing.keys())
        clause: sa.FromClause = query.columns(*(sa.column(key) for key in keys)).subquery(_ALIAS)
        return From(clause, _wanted(stream, name, "sql", keys, clause), name)
    inspector = sa.inspect(connection)
    names = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
    real = next((each for each in names if each.upper() == table.upper()), None)
    if real is None:
        raise FaultsError(
            [problem("sql-table-missing", stream=name, table=table, nearest=nearest(table, names))]
        )
    keys = [str(each["name"]) for each in inspector.get_columns(real, schema)]
    # Columns carry no type on purpose: a driver's own value reaches the mapping, so that one broken
    # date in a text column can't stop the whole stream.
    clause = sa.table(real, *(sa.column(key) for key in keys), schema=schema).alias(_ALIAS)
    return From(clause, _wanted(stream, name, real, keys, clause), real)


def _wanted(
    stream: StreamMapping, name: str, table: str, keys: Sequence[str], clause: sa.FromClause
) -> dict[str, Column]:
    known = {key.upper(): key for key in keys}
    wanted = tuple(dict.fromkeys((*stream.all_sources(), *stream.order)))
    optional = stream.optional_sources()
    missing = [each for each in wanted if each.upper() not in known and each not in optional]
    if missing:
        raise FaultsError(list(_missing(missing, name, table, keys)))
    return {each: clause.c[known[each.upper()]] for each in wanted if each.upper() in known}


def _missing(columns: Iterable[str], name: str, table: str, keys: Sequence[str]) -> Iterator[Problem]:
    for column in columns:
        yield problem(
            "sql-column-missing", stream=name, table=table, column=column, nearest=nearest(column, keys)
        )


def first_position(kind: str) -> Position:
    """Return what stands before everything, for a query that asks what changed since."""
    return _LEAST if kind == "number" else "" if kind == "text" else _EARLIEST


def in_scope(stream: StreamMapping, columns: Mapping[str, Column], units: Sequence[str]) -> list[Column]:
    """Return the conditions of what is ours. NOT IN would also lose rows that have no value at all."""
    found: list[Column] = []
    if stream.scope:
        told = [columns[name] for name in stream.scope]
        nobody = sa.and_(*(each.is_(None) for each in told))  # core must see it, to quarantine it
        found.append(sa.or_(nobody, *(each.in_(list(units)) for each in told)))
    for name, values in stream.exclude.items():
        found.append(sa.or_(columns[name].is_(None), columns[name].not_in(values)))
    found += [columns[name].in_(values) for name, values in stream.only.items()]
    return found


def live(stream: StreamMapping, columns: Mapping[str, Column]) -> list[Column]:
    """Return the conditions of what is not gone."""
    found: list[Column] = []
    if stream.deleted is not None:
        mark = columns[stream.deleted.column]
        found.append(sa.or_(mark.is_(None), mark.not_in(stream.deleted.values)))
    if stream.only_with:
        found.append(sa.or_(*(columns[name].is_not(None) for name in stream.only_with)))
    return found
