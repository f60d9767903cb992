"""The program's selects in SQLite's words, for a few cases; what SQLite would not do exactly alike is refused.

SQLite has no days, no decimals and no errors of type, so its tables hold days as whole days since 1970 and
moments as microseconds, and every form is let through by name only: whoever writes a new one into a step or a
rule has it run on DuckDB until it is taught here.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from jianheng.scoring.kernel.sqlite_kinds import NO_SUM, OURS, UNLIKE_WHOLE, kind_of, kinds_of_facts, type_of

EPOCH = dt.date(1970, 1, 1)
DAY_US = 86_400_000_000
"""Microseconds of a day."""


class NotAlikeError(Exception):
    """Says that SQLite would not do something exactly as DuckDB does."""


@lru_cache(maxsize=1024)
def in_sqlite(select: str, *, facts: bool = False) -> str:
    """Return a select in SQLite's words.

    Args:
        select: the statement, in DuckDB's words.
        facts: it speaks of facts, perhaps in expressions of a policy: names have the types of their columns, and
            nobody proved products to be small. Otherwise only days are no whole numbers, texts or truths.

    Raises:
        NotAlikeError: it holds what SQLite would not do exactly alike.
    """
    try:
        return _in_sqlite(select, facts=facts)
    except (SqlglotError, ValueError, RecursionError) as odd:  # a form of no known kind, a day that is none
        raise NotAlikeError(str(odd)) from odd


def _in_sqlite(select: str, *, facts: bool) -> str:
    tree = sqlglot.parse_one(select, dialect="duckdb")
    for call in list(tree.find_all(exp.Anonymous)):
        if str(call.this).lower() == "error":  # what it would say is DuckDB's to say
            call.replace(_call("failed"))
    _note_kinds(tree, kinds_of_facts() if facts else OURS)
    for node in tree.walk():
        _check(node, facts=facts)
    # From the inside out; what is replaced still says of which kind it was.
    for node in reversed(list(tree.walk())):
        replaced = _REPLACED.get(type(node))
        if replaced is not None:
            kind = kind_of(node)
            made = replaced(node)
            made.meta["kind"] = kind
            if made is not node:
                node.replace(made)
    for outer in list(tree.find_all(exp.Paren)):  # older SQLites read no more than a hundred levels
        if isinstance(outer.this, _WHOLE):
            outer.replace(outer.this)
    return str(tree.sql(dialect="sqlite"))


def _note_kinds(tree: exp.Expr, known: Mapping[str, str]) -> None:
    """Note of which kind each column is, and which casts bring numbers of 128 bits back to 64."""
    for column in tree.find_all(exp.Column):
        column.meta["kind"] = known.get(column.name, "")
    for cast in tree.find_all(exp.Cast):
        if type_of(cast) == "BIGINT":
            cast.meta["narrows"] = any(type_of(each) == "INT128" for each in cast.this.find_all(exp.Cast))


def _check(node: exp.Expr, *, facts: bool) -> None:
    """See that a form is one that is known here, and may stand where it stands."""
    if type(node) not in _ALLOWED and type(node) not in _REPLACED:
        raise NotAlikeError(type(node).__name__)
    if isinstance(node, exp.Star) and any(node.args.values()):
        raise NotAlikeError("all columns but some")
    if facts and isinstance(node, exp.Mul) and not _literal_factor(node):
        raise NotAlikeError("a product of two facts")
    if isinstance(node, _COMPARED):
        _check_compared(node)
    elif isinstance(node, exp.Alias) and node.alias == "closed_on" and kind_of(node.this) != "day":
        raise NotAlikeError("closed on a moment")


_WHOLE = (exp.Paren, exp.Column, exp.Literal, exp.Case, exp.Anonymous, exp.Exists)
"""What needs no parentheses."""


_ALLOWED: frozenset[type] = frozenset(
    {
        *(
            exp.Select,
            exp.From,
            exp.Join,
            exp.Where,
            exp.Group,
            exp.Having,
            exp.Order,
            exp.Ordered,
            exp.Limit,
        ),
        *(exp.Union, exp.With, exp.CTE, exp.Subquery, exp.Table, exp.TableAlias, exp.Alias, exp.Star),
        *(exp.Distinct, exp.Identifier, exp.Column, exp.Null, exp.Boolean, exp.Paren),
        *(exp.And, exp.Or, exp.Not, exp.Is, exp.In, exp.Between, exp.Exists),
        *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE),
        *(exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Abs),
        *(exp.Window, exp.WindowSpec, exp.RowNumber, exp.DenseRank, exp.FirstValue, exp.Lead, exp.Lag),
        *(exp.Count, exp.Min, exp.Max, exp.DataType, exp.DataTypeParam, exp.Var),
        *(exp.JSONPath, exp.JSONPathRoot, exp.JSONPathKey),  # inside of what is replaced
    }
)
_COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In)


def _literal_factor(node: exp.Mul) -> bool:
    return any(isinstance(each.unnest(), exp.Literal) for each in (node.this, node.expression))


def _check_compared(node: exp.Expr) -> None:
    """Days with days, moments with moments: DuckDB takes a day for its midnight, SQLite for a small number."""
    others = [node.args.get("expression"), node.args.get("low"), node.args.get("high")]
    kinds = {
        kind_of(each) for each in (node.this, *others, *node.args.get("expressions", ())) if each is not None
    }
    if "unsure" in kinds or ("moment" in kinds and len(kinds) > 1):
        raise NotAlikeError("a moment beside a day")


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _literal(node: exp.Expr) -> exp.Expr:
    """A number that SQLite would read as another one is refused."""
    told = str(node.this)
    if node.is_string:
        return node
    if "." in told:
        if Decimal(repr(float(told))) != Decimal(told):
            raise NotAlikeError("a number too fine")
    elif abs(int(told)) >= 2**62:
        raise NotAlikeError("a number too large")
    return node


def _whole_number(node: exp.Expr) -> exp.Expr:
    """Sums and differences: of whole numbers and days. Of decimals SQLite keeps only about fifteen digits."""
    if kind_of(node) in NO_SUM:
        raise NotAlikeError("arithmetic on decimals")
    return node


def _product(node: exp.Expr) -> exp.Expr:
    """Products: a decimal may stand in one only where the whole number it comes to is taken."""
    kinds = {kind_of(node.this), kind_of(node.expression)}
    if kinds & UNLIKE_WHOLE:
        outer = node.parent
        if not (kinds == {"decimal", "whole"} and isinstance(outer, exp.Cast) and type_of(outer) == "BIGINT"):
            raise NotAlikeError("arithmetic on decimals")
    return node


def _sum(node: exp.Expr) -> exp.Expr:
    if kind_of(node.this) in UNLIKE_WHOLE:
        raise NotAlikeError("a sum of what is not whole")
    return node


def _divided(node: exp.Expr) -> exp.Expr:
    """Both divide towards zero where both numbers are whole, and are asked of nothing else."""
    if {kind_of(node.this), kind_of(node.expression)} & UNLIKE_WHOLE:
        raise NotAlikeError("a part of what is not whole")
    return exp.Div(this=_in_parentheses(node.this), expression=_in_parentheses(node.expression), typed=True)


def _remainder(node: exp.Expr) -> exp.Expr:
    """The remainder of whole numbers; of a decimal only that of one, which tells whether it is whole."""
    kind, by = kind_of(node.this), node.expression
    if kind == "decimal" and isinstance(by, exp.Literal) and str(by.this) == "1":
        part = exp.Sub(this=node.this, expression=exp.cast(node.this.copy(), "INTEGER"))
        return exp.paren(part)
    if {kind, kind_of(by)} & UNLIKE_WHOLE:
        raise NotAlikeError("a remainder of what is not whole")
    return node


def _in_parentheses(node: exp.Expr) -> exp.Expr:
    return node if isinstance(node, exp.Paren | exp.Column | exp.Literal) else exp.paren(node)


def _cast(node: exp.Expr) -> exp.Expr:
    inner, told = node.this, type_of(node)
    if isinstance(inner, exp.Null) and told in {"TEXT", "VARCHAR", "BIGINT", "DATE"}:
        return exp.null()
    if node.meta.get("narrows"):
        return _call("whole", inner)
    make = _CASTS.get(told)
    if make is None:
        raise NotAlikeError(f"cast to {told}")
    return make(inner, kind_of(inner), node)


def _as_moment(inner: exp.Expr, _kind: str, _node: exp.Expr) -> exp.Expr:
    if not isinstance(inner, exp.Literal):
        raise NotAlikeError("what may be no moment as a moment")
    moment = dt.datetime.fromisoformat(str(inner.this)) - dt.datetime(1970, 1, 1)  # noqa: DTZ001 wall time
    return exp.Literal.number(moment // dt.timedelta(microseconds=1))


def _as_wide(inner: exp.Expr, kind: str, node: exp.Expr) -> exp.Expr:
    if kind in UNLIKE_WHOLE or not _narrowed(node):
        raise NotAlikeError("a number of 128 bits")
    return inner


def _as_whole(inner: exp.Expr, kind: str, node: exp.Expr) -> exp.Expr:
    if kind == "decimal" and type_of(node) == "BIGINT":  # DuckDB takes the nearest
        return exp.cast(exp.Round(this=inner), "INTEGER")
    if kind in UNLIKE_WHOLE:
        raise NotAlikeError(f"{kind} as a number")
    return exp.cast(inner, "INTEGER")


def _as_truth(inner: exp.Expr, _kind: str, _node: exp.Expr) -> exp.Expr:
    if not isinstance(inner, (exp.And, exp.Or, exp.Not, *_COMPARED)):
        raise NotAlikeError("what may be no truth as a truth")
    return inner


def _narrowed(node: exp.Expr) -> bool:
    """Return whether what needs 128 bits is seen to be of 64 afterwards: beyond them SQLite's numbers are no whole ones."""
    outer = node.find_ancestor(exp.Cast)
    while outer is not None and not outer.meta.get("narrows"):
        outer = outer.find_ancestor(exp.Cast)
    return outer is not None


def _as_day(inner: exp.Expr, kind: str, _node: exp.Expr) -> exp.Expr:
    if isinstance(inner, exp.Literal) and inner.is_string:
        return exp.Literal.number((dt.date.fromisoformat(str(inner.this)) - EPOCH).days)
    if kind == "day":
        return inner
    if kind == "moment" and isinstance(inner, exp.Column):
        return _call("day_of", inner)
    raise NotAlikeError("what may be no day as a day")


def _as_text(inner: exp.Expr, kind: str, _node: exp.Expr) -> exp.Expr:
    if kind == "text":
        return inner
    if kind == "day":
        return _call("day_text", inner)
    if kind == "whole" or (isinstance(inner, exp.Column) and kind == "" and inner.name in _NUMBERS):
        return exp.cast(inner, "TEXT")
    raise NotAlikeError("a text of what is none")


_NUMBERS = frozenset({"so_far"})
"""Columns of ours that are written out."""


_CASTS: Mapping[str, Callable[[exp.Expr, str, exp.Expr], exp.Expr]] = {
    "DATE": _as_day,
    "TIMESTAMP": _as_moment,
    "TEXT": _as_text,
    "VARCHAR": _as_text,
    "BIGINT": _as_whole,
    "INT": _as_whole,
    "INT128": _as_wide,
    "BOOLEAN": _as_truth,
}


def _extract(node: exp.Expr) -> exp.Expr:
    if kind_of(node.expression) != "day":
        raise NotAlikeError("a part of what is no day")
    return _call("day_part", exp.Literal.string(str(node.this).lower()), node.expression)


def _days_between(node: exp.Expr) -> exp.Expr:
    unit = str(node.args["unit"]).upper().strip("'")
    if unit != "DAY" or {kind_of(node.this), kind_of(node.expression)} != {"day"}:
        raise NotAlikeError("a difference of what is no day")
    return exp.paren(exp.Sub(this=_in_parentheses(node.this), expression=_in_parentheses(node.expression)))


def _joined(node: exp.Expr) -> exp.Expr:
    """Texts one after the other, nothing for what is empty; numbers that are whole may be among them."""
    if any(kind_of(each) not in {"text", "whole", ""} for each in node.expressions):
        raise NotAlikeError("a text of what is none")
    return _call("texts_with" if isinstance(node, exp.ConcatWs) else "texts", *node.expressions)


def _listed(node: exp.Expr) -> exp.Expr:
    """Every text once, in order."""
    ordered = node.this
    distinct = ordered.this if isinstance(ordered, exp.Order) else None
    if not isinstance(distinct, exp.Distinct) or len(distinct.expressions) != 1:
        raise NotAlikeError("a list of texts")
    same = [each.this.sql() for each in ordered.expressions] == [distinct.expressions[0].sql()]
    if not same or kind_of(distinct.expressions[0]) != "text" or str(node.args["separator"].this) != ";":
        raise NotAlikeError("a list of texts")
    return _call("texts_once", distinct.expressions[0])


def _anonymous(node: exp.Expr) -> exp.Expr:
    if str(node.this) != "failed":
        raise NotAlikeError(str(node.this))
    return node


def _extracted(node: exp.Expr) -> exp.Expr:
    if str(node.args.get("group")) != "1":
        raise NotAlikeError("a group of a pattern")
    return _call("first_group", node.this, node.expression)


def _json(node: exp.Expr) -> exp.Expr:
    path = [each for each in node.expression.expressions if not isinstance(each, exp.JSONPathRoot)]
    if len(path) != 1 or not isinstance(path[0], exp.JSONPathKey) or node.args.get("expressions"):
        raise NotAlikeError("a path of more than one name")
    return _call("attribute", node.this, exp.Literal.string(str(path[0].this)))


def _try_cast(node: exp.Expr) -> exp.Expr:
    if type_of(node) != "INT":
        raise NotAlikeError("a cast that may fail")
    return _call("digits", node.this)


def _named(name: str) -> Callable[[exp.Expr], exp.Expr]:
    def make(node: exp.Expr) -> exp.Expr:
        return _call(name, *(each for each in node.args.values() if isinstance(each, exp.Expr)))

    return make


_REPLACED: Mapping[type, Callable[[exp.Expr], exp.Expr]] = {
    exp.Literal: _literal,
    exp.Neg: _whole_number,
    exp.Add: _whole_number,
    exp.Sub: _whole_number,
    exp.Mul: _product,
    exp.IntDiv: _divided,
    exp.Mod: _remainder,
    exp.Sum: _sum,
    exp.Cast: _cast,
    exp.TryCast: _try_cast,
    exp.Extract: _extract,
    exp.DateDiff: _days_between,
    exp.Concat: _joined,
    exp.ConcatWs: _joined,
    exp.GroupConcat: _listed,
    exp.LogicalAnd: lambda node: exp.Min(this=node.this),
    exp.Greatest: lambda node: _call("max", node.this, *node.expressions),
    exp.StartsWith: _named("starts_with"),
    exp.Contains: _named("holds"),
    exp.RegexpLike: _named("matches"),
    exp.RegexpExtract: _extracted,
    exp.Translate: _named("exchanged"),
    exp.SplitPart: _named("part_of"),
    exp.JSONExtractScalar: _json,
    exp.Anonymous: _anonymous,
}
