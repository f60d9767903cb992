"""The condition language: SQL's scalar subset and a few domain functions, checked before anything runs.

Parsing and printing are sqlglot's. Only what stands in the white list below passes; a name that
does not exist is an error with the nearest one named. Domain functions:

- ``prefix(column, 'x', ...)``: a code that begins with any of these.
- ``in_tree(column, 'x', ...)``: one of these codes, or one below it in the column's catalogue.
- ``contains(column, 'x')``: a multi-value text that holds this code.
- ``attr('name')``: an attribute that core does not know, as text.
- ``has_document('a|b', ...)``, ``missing_document(...)``: the case has any / none of these templates.
- ``has_documents('a|b', 'c')``, ``missing_documents(...)``: the case has every one / lacks at least one of a
  set; ``|`` separates alternatives.
- ``has_event('kind', ...)``: the case has an event of any of these kinds.
- ``has('entity', condition)``: the case has a record of an entity (``suspect``, ``finding``, ...) that meets the
  condition over that record's own columns; of ``case_link``, a link that leads from this case.
- ``latest('entity', column, condition)``: the latest day in a column of such records; empty where there are none.
- ``linked(condition)``, ``linked(condition, 'chain')``: a linked case, in either direction, meets the
  condition; one step, or any number of steps.
- ``linked_suspect(condition)``: the same for the same suspect (by ``suspect_no``) in a linked case.
- ``workdays_between(a, b)``: working days after ``a`` up to and with ``b``; negative where ``b`` is earlier.
- ``days_between(a, b)``: days from ``a`` to ``b``.
- ``months(column)``: months of a sentence told as ``有期徒刑三年六个月``, ``10个月``, ``P3Y6M`` or ``42``; empty where
  nothing or no length is told (``无期徒刑``).
- ``term(column)``: what kind of sentence a text tells: ``fixed``, ``none`` or ``unreadable``.
- ``role_on(person, day)``, ``post_level_on(...)``, ``class_on(...)``: what the person's posting of that day says.
- ``parameter('group.name')``: the number in force on the item's day.
- ``listed(column, 'group.name')``: the code is in the list in force on the item's day.

A function that cannot answer (a day outside the working calendar, a parameter without a value, a sentence that
cannot be read) stops the rule; ``and``, ``or`` and ``case`` are read from left to right, so a condition before it
can keep it from being asked.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from jianheng.errors import Problem, problem
from jianheng.rules.catalogues import nearest
from jianheng.rules.failing import can_fail
from jianheng.rules.functions import MAKERS, OUTERMOST, days_from
from jianheng.rules.kinds import DAYS, OF_FUNCTION, Kind, kind_of, settled_kind
from jianheng.rules.place import Context, Place, Span
from jianheng.rules.unlike import (
    check_branches,
    check_compared,
    check_is,
    check_number,
    check_sum,
    check_truth,
    condition_of,
)
from jianheng.rules.views import View, view

__all__ = ["FUNCTIONS", "Compiled", "Context", "Span", "compile_expression", "compile_over"]

_ALLOWED: tuple[type[exp.Expr], ...] = (
    exp.And,
    exp.Or,
    exp.Not,
    exp.Paren,
    exp.EQ,
    exp.NEQ,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.Between,
    exp.In,
    exp.Is,
    exp.Null,
    exp.Boolean,
    exp.Literal,
    exp.Column,
    exp.Identifier,
    exp.Case,
    exp.If,
    exp.Coalesce,
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.Neg,
    exp.Anonymous,
)
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In)
FUNCTIONS = tuple(OF_FUNCTION)
"""The names of the domain functions."""

_NOWHERE = Context()
_MOST_NODES = 8_000


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression as SQL.

    Attributes:
        sql: over the alias ``t``.
        tree: the expression as parsed.
        kind: what it gives, where its form tells.
        can_fail: whether it may stop the statement for records that it should never be asked of.
    """

    sql: str
    tree: exp.Expr
    kind: Kind | None
    can_fail: bool


def compile_expression(
    text: str, grain: str, where: str, over: View | None = None, context: Context = _NOWHERE
) -> str | Problem:
    """Return an expression as DuckDB SQL (alias ``t``), or the first thing wrong with it.

    It speaks of the view of the grain, or of ``over`` where fewer columns are there yet.
    """
    done = compile_over(text, over or view(grain), where, context)
    return done[0] if isinstance(done, list) else done.sql


def compile_over(text: str, over: View, where: str, context: Context = _NOWHERE) -> Compiled | list[Problem]:
    """Return an expression over a view as DuckDB SQL (alias ``t``), or everything wrong with it."""

    def syntax(told: str, shown: str = text) -> list[Problem]:
        return [problem("rule-syntax", where=where, text=shown, told=told)]

    try:
        parsed = sqlglot.parse(text, dialect="duckdb")
        if len(parsed) != 1 or parsed[0] is None:
            return syntax("one expression is wanted")
        place = Place(over, OUTERMOST, where, context, [], _compile)
        made = _compile(parsed[0], place)
        if place.problems:
            return place.problems
        sql = made.sql(dialect="duckdb", comments=False)
        return Compiled(sql, parsed[0], settled_kind(parsed[0], over), can_fail(made))
    except SqlglotError as error:
        return syntax(str(error).splitlines()[0])
    except RecursionError:
        return syntax("nested too deeply", f"{text[:60]}…")


def _compile(node: exp.Expr, place: Place) -> exp.Expr:  # noqa: PLR0911 one for each form
    if isinstance(node, exp.Anonymous | exp.StartsWith | exp.Contains | exp.ArrayContains):
        return _function(node, place)
    if not isinstance(node, _ALLOWED):
        return place.refuse("rule-not-allowed", what=node.sql(dialect="duckdb"))
    if isinstance(node, exp.In) and not node.expressions:  # a subquery, a list column, or nothing
        return place.refuse("rule-not-allowed", what=node.sql(dialect="duckdb"))
    if isinstance(node, exp.Column):
        return place.column(node)
    if isinstance(node, exp.And | exp.Or):
        return _in_order(node, place)
    if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Neg):
        return _sum(node, place)
    if isinstance(node, _COMPARISONS):
        return _comparison(node, place)
    if isinstance(node, exp.Case | exp.Coalesce):
        return _choice(node, place)
    return _plain(node, place)


def _plain(node: exp.Expr, place: Place) -> exp.Expr:
    """Compile what stands for itself, and the forms that only ask for one kind."""
    if isinstance(node, exp.If) and not isinstance(node.parent, exp.Case):
        return place.refuse("rule-not-allowed", what=node.sql(dialect="duckdb"))
    if isinstance(node, exp.Not):
        return exp.Not(this=condition_of(node.this, place))
    if isinstance(node, exp.Literal) and not node.is_string:
        check_number(node, place)
    made, sound = _parts(node, place)
    if isinstance(node, exp.Is) and sound and not check_is(node, place):
        return place.refuse("rule-not-allowed", what=node.sql(dialect="duckdb"))
    return made


def _choice(node: exp.Case | exp.Coalesce, place: Place) -> exp.Expr:
    """Values of which one is given: all of one kind, and days written out as days."""
    made, sound = _parts(node, place)
    if not sound:
        return made
    if isinstance(node, exp.Case):
        asked = [each.this for each in node.args["ifs"]]
        if node.this is not None:
            check_compared(node.this, asked, node, place)
        else:
            for each in asked:
                check_truth(each, place)
    check_branches(_given(node), node, place)
    day = next((kind for each in _given(node) if (kind := kind_of(each, place.over)) in DAYS), None)
    if day is not None:
        _as_days(_given(made), day)
    return made


def _given(node: exp.Expr) -> list[exp.Expr]:
    """Return the values of which ``case`` or ``coalesce`` gives one."""
    if isinstance(node, exp.Case):
        default = node.args.get("default")
        return [each.args["true"] for each in node.args["ifs"]] + ([] if default is None else [default])
    return [node.this, *node.expressions]


def _as_days(compiled: Iterable[exp.Expr | None], kind: Kind) -> None:
    """Turn the texts that are written out among some parts of a compiled form into the days they mean."""
    for literal in compiled:
        if isinstance(literal, exp.Literal) and literal.is_string:
            literal.replace(exp.cast(literal.copy(), "DATE" if kind == "day" else "TIMESTAMP"))


def _parts(node: exp.Expr, place: Place) -> tuple[exp.Expr, bool]:
    """Return a form with its parts compiled, and whether nothing is wrong with any of them."""
    noted = len(place.problems)

    def part(value: Any) -> Any:
        if isinstance(value, list):
            return [part(each) for each in value]
        return _compile(value, place) if isinstance(value, exp.Expr) else value

    made = type(node)(**{name: part(value) for name, value in node.args.items()})
    return made, len(place.problems) == noted


def _function(node: exp.Expr, place: Place) -> exp.Expr:
    if isinstance(node, exp.Anonymous):
        name, arguments = str(node.this).lower(), list(node.expressions)
    else:  # sqlglot knows these two by names of its own
        name = type(node).__name__.lower()
        arguments = [each for each in node.args.values() if isinstance(each, exp.Expr)]
        name = {"startswith": "prefix", "arraycontains": "contains"}.get(name, name)
    make = MAKERS.get(name)
    if make is None:
        return place.refuse("rule-unknown-function", name=name, nearest=nearest(name, FUNCTIONS))
    return make(place, arguments)


def _in_order(node: exp.And | exp.Or, place: Place) -> exp.Expr:
    """Keep what may fail from being asked where what stands before it has decided: engines reorder conditions."""
    parts = [condition_of(each, place) for each in _joined(node, type(node))]
    joined = exp.and_(*parts) if isinstance(node, exp.And) else exp.or_(*parts)
    if not any(can_fail(each) for each in parts[1:]):
        return joined
    told = exp.case()
    for part in parts[:-1]:
        decides = part if isinstance(node, exp.Or) else exp.not_(exp.paren(part))
        told = told.when(decides, exp.true() if isinstance(node, exp.Or) else exp.false())
    made = told.else_(joined)
    if sum(1 for _ in made.walk()) > _MOST_NODES:  # every level of such conditions doubles what is in it
        shown = node.sql(dialect="duckdb")[:60]
        return place.refuse("rule-syntax", text=f"{shown}…", told="nested too deeply")
    return made


def _joined(node: exp.Expr, form: type[exp.Expr]) -> Iterator[exp.Expr]:
    """Yield what one word joins, in order, whatever parentheses stand around it."""
    inner = node.unnest() if isinstance(node, exp.Paren) else node
    if isinstance(inner, form):
        yield from _joined(inner.this, form)
        yield from _joined(inner.expression, form)
    else:
        yield node


def _sum(node: exp.Expr, place: Place) -> exp.Expr:
    """Sums of days: engines disagree on what a day less a day is, and on a moment and a number of days."""
    made, sound = _parts(node, place)
    if sound:
        check_sum(node, place)
    if not isinstance(node, exp.Add | exp.Sub):
        return made
    left, right = kind_of(node.this, place.over), kind_of(node.expression, place.over)
    if isinstance(node, exp.Sub) and left in DAYS and right in DAYS:
        return days_from(_as_day(made.expression, right), _as_day(made.this, left))
    if left in DAYS or right in DAYS:
        made.set("this", _as_day(made.this, left))
        made.set("expression", _as_day(made.expression, right))
    return made


def _as_day(compiled: exp.Expr, kind: Kind | None) -> exp.Expr:
    """Return a part of a sum of days as a day, or as the number of days that every engine adds to one."""
    if kind == "number" and not isinstance(compiled, exp.Literal):
        return exp.cast(exp.paren(compiled), "INT")
    return exp.cast(compiled, "DATE") if kind == "moment" else compiled


def _comparison(node: exp.Expr, place: Place) -> exp.Expr:
    if isinstance(node, exp.Between):
        others = [node.args["low"], node.args["high"]]
    else:
        others = node.expressions if isinstance(node, exp.In) else [node.expression]
    made, sound = _parts(node, place)
    if sound:
        check_compared(node.this, others, node, place)
    kinds = [kind_of(each, place.over) for each in (node.this, *others)]
    day = next((kind for kind in kinds if kind in DAYS), None)
    if day is None:
        return made
    _as_days(
        [made.this, *made.args.get("expressions", []), *map(made.args.get, ("expression", "low", "high"))],
        day,
    )
    return made
