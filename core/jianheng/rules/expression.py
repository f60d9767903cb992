"""The condition language: SQL's scalar subset and a few domain functions, checked before anything runs.

Parsing and printing are sqlglot's. Only what stands in the white list below passes; a name that
does not exist is an error with the nearest one named. Domain functions:

- ``prefix(column, 'x', ...)``: a code that begins with any of these.
- ``contains(column, 'x')``: a multi-value text that holds this code.
- ``attr('name')``: an attribute that core does not know, as text.
- ``has_document('template', ...)``, ``missing_document('template', ...)``: the case has any / none of these.
- ``has_event('kind', ...)``: the case has an event of any of these kinds.
- ``linked(condition)``: a linked case, in either direction, meets the condition; one step, not further.
"""

import difflib
from collections.abc import Callable, Sequence
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from jianheng.errors import Problem, problem
from jianheng.rules.views import View, view

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
FUNCTIONS = ("prefix", "contains", "attr", "has_document", "missing_document", "has_event", "linked")


class _WrongError(Exception):
    """An expression breaks a rule of the language."""

    def __init__(self, told: Problem) -> None:
        super().__init__(told.code)
        self.problem = told


def compile_expression(text: str, grain: str, where: str, over: View | None = None) -> str | Problem:
    """Return an expression as DuckDB SQL (alias ``t``), or what is wrong with it.

    It speaks of the view of the grain, or of ``over`` where fewer columns are there yet.
    """
    try:
        parsed = sqlglot.parse(text, dialect="duckdb")
        if len(parsed) != 1 or parsed[0] is None:
            return problem("rule-syntax", where=where, text=text, told="one expression is wanted")
        return _compile(parsed[0], over or view(grain), "t", where).sql(dialect="duckdb", comments=False)
    except _WrongError as wrong:
        return wrong.problem
    except SqlglotError as error:
        return problem("rule-syntax", where=where, text=text, told=str(error).splitlines()[0])
    except RecursionError:
        return problem("rule-syntax", where=where, text=f"{text[:60]}…", told="nested too deeply")


def _compile(tree: exp.Expr, over: View, alias: str, where: str) -> exp.Expr:
    def visit(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Anonymous | exp.StartsWith | exp.Contains | exp.ArrayContains):
            return _function(node, over, alias, where)
        if not isinstance(node, _ALLOWED):
            raise _WrongError(problem("rule-not-allowed", where=where, what=node.sql(dialect="duckdb")))
        if isinstance(node, exp.In) and not node.expressions:  # a subquery, a list column, or nothing
            raise _WrongError(problem("rule-not-allowed", where=where, what=node.sql(dialect="duckdb")))
        if isinstance(node, exp.Column):
            return _column(node, over, alias, where)
        return type(node)(**{name: part(value) for name, value in node.args.items()})

    def part(value: Any) -> Any:
        if isinstance(value, list):
            return [part(each) for each in value]
        return visit(value) if isinstance(value, exp.Expr) else value

    return visit(tree)


def _column(node: exp.Column, over: View, alias: str, where: str) -> exp.Expr:
    if node.table:
        raise _WrongError(problem("rule-not-allowed", where=where, what=node.sql(dialect="duckdb")))
    name = node.name
    if name not in over.columns:
        nearest = difflib.get_close_matches(name, over.columns, 1)
        told = nearest[0] if nearest else "、".join(over.columns[:8]) + "…"
        raise _WrongError(
            problem("rule-unknown-column", where=where, name=name, grain=over.grain, nearest=told)
        )
    return exp.column(name, table=alias)


def _texts(arguments: Sequence[exp.Expr], name: str, where: str) -> list[str]:
    if not arguments or not all(isinstance(each, exp.Literal) and each.is_string for each in arguments):
        raise _WrongError(problem("rule-wrong-arguments", where=where, function=name))
    return [str(each.this) for each in arguments]


def _function(node: exp.Expr, over: View, alias: str, where: str) -> exp.Expr:
    if isinstance(node, exp.Anonymous):
        name, arguments = str(node.this).lower(), list(node.expressions)
    else:  # sqlglot knows these two by names of its own
        name = type(node).__name__.lower()
        arguments = [each for each in node.args.values() if isinstance(each, exp.Expr)]
        name = {"startswith": "prefix", "arraycontains": "contains"}.get(name, name)
    make = _MAKERS.get(name)
    if make is None:
        nearest = difflib.get_close_matches(name, FUNCTIONS, 1, cutoff=0)
        raise _WrongError(problem("rule-unknown-function", where=where, name=name, nearest="".join(nearest)))
    return make(arguments, over, alias, where)


def _prefix(arguments: list[exp.Expr], over: View, alias: str, where: str) -> exp.Expr:
    if len(arguments) < 2 or not isinstance(arguments[0], exp.Column):  # noqa: PLR2004
        raise _WrongError(problem("rule-wrong-arguments", where=where, function="prefix"))
    column = _column(arguments[0], over, alias, where)
    starts = [
        exp.func("starts_with", column.copy(), exp.Literal.string(start))
        for start in _texts(arguments[1:], "prefix", where)
    ]
    return exp.paren(exp.or_(*starts))


def _contains(arguments: list[exp.Expr], over: View, alias: str, where: str) -> exp.Expr:
    if len(arguments) != 2 or not isinstance(arguments[0], exp.Column):  # noqa: PLR2004
        raise _WrongError(problem("rule-wrong-arguments", where=where, function="contains"))
    column = _column(arguments[0], over, alias, where)
    return exp.func("contains", column, exp.Literal.string(_texts(arguments[1:], "contains", where)[0]))


def _attr(arguments: list[exp.Expr], over: View, alias: str, where: str) -> exp.Expr:
    names = _texts(arguments, "attr", where)
    if len(names) != 1 or set(names[0]) & set('"\\') or "attributes" not in over.columns:
        raise _WrongError(problem("rule-wrong-arguments", where=where, function="attr"))
    path = exp.Literal.string(f'$."{names[0]}"')
    return exp.func("json_extract_string", exp.column("attributes", table=alias), path)


def _exists(
    table: str, column: str, arguments: list[exp.Expr], name: str, alias: str, where: str
) -> exp.Expr:
    codes = [exp.Literal.string(code) for code in _texts(arguments, name, where)]
    inner = exp.select("1").from_(f"{table} AS x")
    inner = inner.where(exp.column("case_no", "x").eq(exp.column("case_no", alias)))
    return exp.Exists(this=inner.where(exp.column(column, "x").isin(*codes)))


def _needs_case(over: View, name: str, where: str) -> None:
    if "case_no" not in over.columns:
        raise _WrongError(problem("rule-wrong-arguments", where=where, function=name))


def _has_document(arguments: list[exp.Expr], over: View, alias: str, where: str) -> exp.Expr:
    _needs_case(over, "has_document", where)
    return _exists("fact_document", "template_code", arguments, "has_document", alias, where)


def _missing_document(arguments: list[exp.Expr], over: View, alias: str, where: str) -> exp.Expr:
    return exp.not_(_has_document(arguments, over, alias, where))


def _has_event(arguments: list[exp.Expr], over: View, alias: str, where: str) -> exp.Expr:
    _needs_case(over, "has_event", where)
    return _exists("fact_event", "kind", arguments, "has_event", alias, where)


def _linked(arguments: list[exp.Expr], over: View, alias: str, where: str) -> exp.Expr:
    _needs_case(over, "linked", where)
    if alias != "t" or len(arguments) != 1:  # one step: what is scored again after a change looks no further
        raise _WrongError(problem("rule-wrong-arguments", where=where, function="linked"))
    condition = _compile(arguments[0], view("case"), "o", where)
    inner = (
        exp.select("1")
        .from_("v_link AS l")
        .join("v_case AS o", on="o.case_no = l.other_case_no")
        .where(exp.column("case_no", "l").eq(exp.column("case_no", alias)))
        .where(condition)
    )
    return exp.Exists(this=inner)


_MAKERS: dict[str, Callable[[list[exp.Expr], View, str, str], exp.Expr]] = {
    "prefix": _prefix,
    "contains": _contains,
    "attr": _attr,
    "has_document": _has_document,
    "missing_document": _missing_document,
    "has_event": _has_event,
    "linked": _linked,
}
