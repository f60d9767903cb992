"""What kind of value a part of a condition gives, as far as its form tells: text, number, day, moment, truth."""

import datetime as dt
from typing import Literal

from sqlglot import exp

from jianheng.messages import text
from jianheng.rules.views import View

Kind = Literal["text", "number", "day", "moment", "truth"]

_OF_COLUMN: dict[str, Kind] = {
    "text": "text",
    "code": "text",
    "date": "day",
    "datetime": "moment",
    "integer": "number",
    "decimal": "number",
    "boolean": "truth",
}
OF_FUNCTION: dict[str, Kind] = {
    "prefix": "truth",
    "in_tree": "truth",
    "contains": "truth",
    "attr": "text",
    "has_document": "truth",
    "missing_document": "truth",
    "has_documents": "truth",
    "missing_documents": "truth",
    "has_event": "truth",
    "has": "truth",
    "latest": "day",
    "linked": "truth",
    "linked_suspect": "truth",
    "workdays_between": "number",
    "days_between": "number",
    "months": "number",
    "term": "text",
    "role_on": "text",
    "post_level_on": "text",
    "class_on": "text",
    "parameter": "number",
    "listed": "truth",
}
"""The functions of the language and what each gives."""

_TRUTHS = (
    exp.And,
    exp.Or,
    exp.Not,
    exp.EQ,
    exp.NEQ,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.Between,
    exp.In,
    exp.Is,
    exp.Boolean,
    exp.StartsWith,
    exp.Contains,
    exp.ArrayContains,
)
DAYS: tuple[Kind, Kind] = ("day", "moment")


def settled_kind(node: exp.Expr | None, over: View) -> Kind | None:
    """Return the kind of value where no day is wanted: a text that is written out is a text."""
    return kind_of(node, over) or kind_of(node, over, "text")


def kind_of(  # noqa: PLR0911 one for each form
    node: exp.Expr | None, over: View, written: Kind | None = None
) -> Kind | None:
    """Return the kind of value; None where the form does not tell, as for NULL.

    ``written`` is the kind of a text that is written out: it may be meant as a day, so it has none if unsaid.
    """
    if isinstance(node, _TRUTHS):
        return "truth"
    if isinstance(node, exp.Paren | exp.Neg):
        return kind_of(node.this, over, written)
    if isinstance(node, exp.Column):
        known = not node.table and node.name in over.columns
        return _OF_COLUMN.get(over.origin(node.name)[1].type) if known else None
    if isinstance(node, exp.Literal):
        return written if node.is_string else "number"
    if isinstance(node, exp.Anonymous):
        return OF_FUNCTION.get(str(node.this).lower())
    if isinstance(node, exp.Coalesce):
        return _first([node.this, *node.expressions], over, written)
    if isinstance(node, exp.Case):
        given = [each.args.get("true") for each in node.args.get("ifs", [])]
        return _first([*given, node.args.get("default")], over, written)
    if isinstance(node, exp.Add | exp.Sub):
        left, right = kind_of(node.this, over), kind_of(node.expression, over)
        if isinstance(node, exp.Sub) and left in DAYS and right in DAYS:
            return "number"
        return "day" if left in DAYS or right in DAYS else "number"
    return "number" if isinstance(node, exp.Mul) else None


def _first(nodes: list[exp.Expr | None], over: View, written: Kind | None) -> Kind | None:
    kinds = (kind_of(each, over, written) for each in nodes)
    return next((kind for kind in kinds if kind is not None), None)


def kind_word(kind: Kind) -> str:
    """Return the word for a kind in the language in force."""
    return text(f"kind-{kind}")


def alike(one: Kind | None, other: Kind | None) -> bool:
    """Return whether two kinds can be compared."""
    return one is None or other is None or one == other or (one in DAYS and other in DAYS)


def is_day(told: str) -> bool:
    """Return whether a text is a day in the one form conditions have: ``2025-07-01``."""
    try:
        return dt.date.fromisoformat(told).isoformat() == told
    except ValueError:
        return False


def is_moment(told: str) -> bool:
    """Return whether a text is a day or a day with a time: ``2025-07-01 08:30:00``."""
    try:
        return is_day(told) or dt.datetime.fromisoformat(told).isoformat(" ") == told
    except ValueError:
        return False
