"""Whether a condition lets any item come into a period at all: a rule that can never count is a mistake."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from jianheng.errors import Problem, problem
from jianheng.rules.kinds import is_moment

_DAY = dt.timedelta(days=1)
_TURNED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
}


@dataclass(frozen=True, slots=True)
class Window:
    """The days ``[since, until)``; None has no end."""

    since: dt.date | None
    until: dt.date | None


def check_reach(
    tree: exp.Expr, date: str, where: str, since: dt.date | None, window: Window
) -> list[Problem]:
    """Return a problem if a condition can hold on no day of the window and the law.

    Only what stands at the top level of ``and`` is looked at: what it asks of the date column itself.

    Args:
        tree: the condition as parsed; it has been found correct.
        date: the column that puts an item into a period.
        where: the file and key that the problem names.
        since: the policy's first day, if known.
        window: the days on which this definition holds.
    """
    firsts = [each for each in (since, window.since) if each is not None]
    lasts = [window.until - _DAY] if window.until is not None else []
    for part in _parts(tree):
        if isinstance(part, exp.Null) or (isinstance(part, exp.Boolean) and not part.this):
            return [problem("measure-unreachable", where=where, date=date, told=part.sql(dialect="duckdb"))]
        if isinstance(part, exp.Is) and _is_column(part.this, date) and isinstance(part.expression, exp.Null):
            return [problem("measure-unreachable", where=where, date=date, told=part.sql(dialect="duckdb"))]
        first, last = _span(part, date)
        firsts += [first] if first else []
        lasts += [last] if last else []
    if firsts and lasts and max(firsts) > min(lasts):
        told = f"{max(firsts)} … {min(lasts)}"
        return [problem("measure-unreachable", where=where, date=date, told=told)]
    return []


def _parts(tree: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(tree, exp.Paren):
        yield from _parts(tree.this)
    elif isinstance(tree, exp.And):
        yield from _parts(tree.this)
        yield from _parts(tree.expression)
    else:
        yield tree


def _is_column(node: exp.Expr, name: str) -> bool:
    return isinstance(node, exp.Column) and node.name == name


def _day(node: exp.Expr) -> dt.date | None:
    if isinstance(node, exp.Literal) and node.is_string and is_moment(str(node.this)):
        return dt.date.fromisoformat(str(node.this)[:10])
    return None


def _span(part: exp.Expr, date: str) -> tuple[dt.date | None, dt.date | None]:
    """Return the first and last day that one comparison leaves to a date column; None where it leaves all."""
    if isinstance(part, exp.Between) and _is_column(part.this, date):
        return _day(part.args["low"]), _day(part.args["high"])
    form, left, right = type(part), part.args.get("this"), part.args.get("expression")
    if not isinstance(left, exp.Expr) or not isinstance(right, exp.Expr):
        return None, None
    if _is_column(right, date):
        form, left, right = _TURNED.get(form, form), right, left
    day = _day(right) if _is_column(left, date) else None
    if day is None:
        return None, None
    # A moment may lie within the day, so a day itself is never excluded by < or >.
    if form is exp.EQ:
        return day, day
    if form in {exp.LT, exp.LTE}:
        return None, day - _DAY if form is exp.LT and str(right.this) == day.isoformat() else day
    return (day if form in {exp.GT, exp.GTE} else None), None
