"""What cannot stand where it stands: unlike kinds, empty cells that are compared, numbers out of all measure.

Each check notes what is wrong with a form, after its parts were found sound, so that one fault is told once;
a kind that the form does not tell passes.
"""

import re
from collections.abc import Iterable, Sequence

from sqlglot import exp

from jianheng.rules.kinds import DAYS, Kind, alike, is_day, is_moment, kind_of, kind_word, settled_kind
from jianheng.rules.place import Place

_NUMBER = re.compile(r"\d{1,12}(\.\d{0,6})?|\.\d{1,6}", re.ASCII)
_DAYS = re.compile(r"\d{1,5}", re.ASCII)


def check_number(node: exp.Literal, place: Place) -> None:
    """Note a number that is not counted exactly: an exponent, or more digits than any fact has."""
    if not _NUMBER.fullmatch(str(node.this)):
        place.refuse("rule-number-form", text=str(node.this)[:60])


def check_truth(node: exp.Expr, place: Place) -> None:
    """Note what is no condition where one is wanted: a text, a number, a day."""
    kind = settled_kind(node, place.over)
    if kind not in {None, "truth"}:
        place.refuse("rule-not-a-condition", what=_shown(node), kind=kind_word(kind))


def condition_of(node: exp.Expr, place: Place) -> exp.Expr:
    """Compile what must be a condition."""
    noted = len(place.problems)
    made = place.compile(node, place)
    if len(place.problems) == noted:
        check_truth(node, place)
    return made


def check_is(node: exp.Is, place: Place) -> bool:
    """Return whether ``is`` is followed by what may follow it; only a condition is true or false."""
    if isinstance(node.expression, exp.Boolean):
        check_truth(node.this, place)
    return isinstance(node.expression, exp.Boolean | exp.Null)


def check_sum(node: exp.Expr, place: Place) -> None:
    """Note what cannot be reckoned with: numbers with numbers, a day and a number of days, a day less a day."""
    parts = [each for each in (node.this, node.args.get("expression")) if each is not None]
    kinds = [settled_kind(each, place.over) for each in parts]
    odd = next((kind for kind in kinds if kind not in {None, "number", *DAYS}), None)
    days = [kind for kind in kinds if kind in DAYS]
    if odd is not None:
        _unlike(node, odd, days[0] if days else "number", place)
    elif days and not _can_be_moved(node, kinds):
        _unlike(node, days[0], "number", place)
    elif days:
        for each, kind in zip(parts, kinds, strict=True):
            if kind == "number" and not _is_whole(each, place):
                place.refuse("rule-number-form", text=_shown(each))


def _is_whole(node: exp.Expr, place: Place) -> bool:
    """Return whether a number is whole whatever the facts: a part of a day moves no day."""
    if isinstance(node, exp.Literal):
        return bool(_DAYS.fullmatch(str(node.this)))
    if any(not _DAYS.fullmatch(str(each.this)) for each in node.find_all(exp.Literal) if not each.is_string):
        return False
    columns = [each.name for each in node.find_all(exp.Column) if each.name in place.over.columns]
    if any(place.over.origin(name)[1].type == "decimal" for name in columns):
        return False
    read = [each for each in node.find_all(exp.Anonymous) if str(each.this).lower() == "parameter"]
    named = [str(name.this) for each in read for name in each.expressions]
    spans = [span for name in named for span in place.context.parameters.get(name, ())]
    return all(value == value.to_integral_value() for _, _, value in spans if not isinstance(value, tuple))


def _can_be_moved(node: exp.Expr, kinds: Sequence[Kind | None]) -> bool:
    """Return whether a form that holds a day gives a day or a number of days."""
    if isinstance(node, exp.Add):
        return not all(kind in DAYS for kind in kinds)
    return isinstance(node, exp.Sub) and kinds[0] != "number"


def check_branches(values: Sequence[exp.Expr], node: exp.Expr, place: Place) -> None:
    """Note values of unlike kinds of which one is given: the branches of ``case``, the parts of ``coalesce``."""
    first = next((kind for each in values if (kind := kind_of(each, place.over)) is not None), None)
    if first is not None:
        _check_alike(first, values, node, place)


def check_compared(left: exp.Expr, others: Iterable[exp.Expr], node: exp.Expr, place: Place) -> None:
    """Note what can never be equal: an empty cell, unlike kinds, texts that are no day, codes of no catalogue."""
    others = list(others)
    if any(isinstance(each.unnest(), exp.Null) for each in (left, *others)):
        place.refuse("rule-compared-with-null", what=_shown(node))
        return
    kind = settled_kind(left, place.over) if _text(left) is None else None
    if kind is not None:
        _check_alike(kind, others, node, place)
    else:
        for other in others:
            against = settled_kind(other, place.over) if _text(other) is None else None
            if against is not None:
                _check_alike(against, [left], node, place)
    if isinstance(node, exp.Between):
        return
    for other in others:
        for of, text in ((place.origin(left), _text(other)), (place.origin(other), _text(left))):
            place.check_code(of, text)


def _check_alike(kind: Kind, others: Iterable[exp.Expr], node: exp.Expr, place: Place) -> None:
    for other in others:
        text = _text(other)
        if text is None:
            against = settled_kind(other, place.over)
            if against is not None and not alike(kind, against):
                _unlike(node, kind, against, place)
        elif kind in DAYS:
            if not (is_day if kind == "day" else is_moment)(str(text.this)):
                place.refuse("rule-no-such-day", text=str(text.this))
        elif kind != "text":
            _unlike(node, kind, "text", place)


def _text(node: exp.Expr) -> exp.Literal | None:
    """Return a text that is written out, whatever parentheses stand around it; it may mean a day."""
    inner = node.unnest()
    return inner if isinstance(inner, exp.Literal) and inner.is_string else None


def _unlike(node: exp.Expr, one: Kind, other: Kind, place: Place) -> None:
    place.refuse("rule-unlike", what=_shown(node), one=kind_word(one), other=kind_word(other))


def _shown(node: exp.Expr) -> str:
    told = node.sql(dialect="duckdb")
    return told if len(told) <= 100 else f"{told[:99]}…"  # noqa: PLR2004
