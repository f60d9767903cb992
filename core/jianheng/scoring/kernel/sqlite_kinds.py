"""What the parts of a select give, as far as SQLite must know it: it has neither days nor decimals nor truths of its own."""

from collections.abc import Collection, Mapping
from functools import cache

from sqlglot import exp

from jianheng.facts.entities import ENTITIES
from jianheng.rules.views import view

OURS: Mapping[str, str] = dict.fromkeys(("day", "item_day", "since", "until", "before"), "day")
"""Columns of the program's own tables that are neither whole numbers nor texts nor truths."""

_KIND_OF: Mapping[str, str] = {
    "date": "day",
    "datetime": "moment",
    "decimal": "decimal",
    "integer": "whole",
    "boolean": "truth",
    **dict.fromkeys(("text", "code", "attributes"), "text"),
}


@cache
def kinds_of_facts() -> Mapping[str, str]:
    """Return the kind that the columns of a name have, in whatever table; ``unsure`` where they differ."""
    found: dict[str, set[str]] = {name: {kind} for name, kind in OURS.items()}
    told = [column for entity in ENTITIES.values() for column in entity.columns]
    of_case = [view("case").origin(name)[1] for name in view("case").columns]
    for column in (*told, *of_case):
        found.setdefault(column.name, set()).add(_KIND_OF[column.type])
    for column in of_case:
        found.setdefault(f"case_{column.name}", set()).add(_KIND_OF[column.type])
    return {name: kinds.pop() if len(kinds) == 1 else "unsure" for name, kinds in found.items()}


UNLIKE_WHOLE = frozenset({"day", "moment", "decimal", "text", "truth", "unsure"})
"""What is no whole number; a form that does not tell is one of the program's own, and is."""
NO_SUM = UNLIKE_WHOLE - {"day"}


def kind_of(node: exp.Expr | None) -> str:  # noqa: PLR0911 one for each form
    """Return what a form gives: ``day``, ``moment``, ``decimal``, ``whole``, ``text``, ``truth``; empty where it does not tell."""
    if node is not None and "kind" in node.meta:
        return str(node.meta["kind"])
    if isinstance(node, exp.Literal):
        return "text" if node.is_string else ("decimal" if "." in str(node.this) else "whole")
    if isinstance(node, exp.Cast):
        return {"DATE": "day", "TIMESTAMP": "moment", "TEXT": "text", "VARCHAR": "text"}.get(
            type_of(node), ""
        )
    if isinstance(node, exp.Paren | exp.Max | exp.Min | exp.Lead | exp.Lag | exp.Neg):
        return kind_of(node.this)
    if isinstance(node, exp.Window):
        return kind_of(node.this)
    if isinstance(node, exp.Subquery):
        inner = node.this
        return kind_of(inner.selects[0].unalias()) if isinstance(inner, exp.Select) else ""
    if isinstance(node, exp.Coalesce):
        return _common([node.this, *node.expressions])
    if isinstance(node, exp.Case):
        return _common([*(each.args["true"] for each in node.args["ifs"]), node.args.get("default")])
    if isinstance(node, exp.Add | exp.Sub | exp.Mul):
        kinds = {kind_of(node.this), kind_of(node.expression)}
        return next((kind for kind in ("unsure", "decimal", "moment", "day") if kind in kinds), "whole")
    return "whole" if isinstance(node, exp.DateDiff | exp.Extract | exp.Abs | exp.IntDiv | exp.Count) else ""


def _common(nodes: Collection[exp.Expr | None]) -> str:
    """Return the kind of values of which one is given."""
    kinds = {kind_of(each) for each in nodes if each is not None and not isinstance(each, exp.Null)}
    if kinds == {"decimal", "whole"}:
        return "decimal"
    return kinds.pop() if len(kinds) == 1 else ("unsure" if kinds & {"moment", "decimal", "unsure"} else "")


def type_of(node: exp.Expr) -> str:
    """Return the name of the type that a cast asks for."""
    return str(node.args["to"].this.value)
