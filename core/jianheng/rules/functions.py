"""The domain functions of the condition language, each as the SQL it stands for.

None of them can multiply rows: what looks at other records is ``EXISTS`` or a single value.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeGuard

from sqlglot import exp

from jianheng.facts.entities import ENTITIES
from jianheng.rules.catalogues import CATALOGUES, codes_above, codes_of, nearest
from jianheng.rules.failing import fails, told
from jianheng.rules.kinds import DAYS, is_day, kind_of, kind_word, settled_kind
from jianheng.rules.place import POSTING_FUNCTIONS, Context, Place, Span
from jianheng.rules.terms import make_months, make_term
from jianheng.rules.unlike import condition_of
from jianheng.rules.views import records, view

OUTERMOST = "t"
"""The alias of the record that an item is made of."""

Arguments = list[exp.Expr]


def _texts(arguments: Sequence[exp.Expr]) -> list[str]:
    """Return texts written out as arguments; none where anything else stands there."""
    if not all(isinstance(each, exp.Literal) and each.is_string for each in arguments):
        return []
    return [str(each.this) for each in arguments]


def _is_text(node: exp.Expr, place: Place) -> TypeGuard[exp.Column]:
    """Return whether an argument is a column that may hold codes."""
    return isinstance(node, exp.Column) and kind_of(node, place.over) in {"text", None}


def _prefix(place: Place, arguments: Arguments) -> exp.Expr:
    starts = _texts(arguments[1:])
    if not starts or not _is_text(arguments[0], place):
        return place.wrong_arguments("prefix")
    column = place.column(arguments[0])
    of = place.origin(arguments[0])
    if of is not None:
        known = codes_of(*of, place.context.catalogues)
        begun = {code[:length] for code in known for length in {len(start) for start in starts}}
        place.check_codes(of, starts, begun)
    found = [exp.func("starts_with", column.copy(), exp.Literal.string(start)) for start in starts]
    return exp.paren(exp.or_(*found))


_BETWEEN = "[,;|/、，； 　]"
"""What stands between the codes of a multi-value text."""
_LONG_CODE = "[0-9]{13}"


def _contains(place: Place, arguments: Arguments) -> exp.Expr:
    texts = _texts(arguments[1:])
    if len(texts) != 1 or len(arguments) != 2 or not _is_text(arguments[0], place):  # noqa: PLR2004
        return place.wrong_arguments("contains")
    of = place.origin(arguments[0])
    if of is not None:
        place.check_codes(of, texts)
    column, code = place.column(arguments[0]), re.escape(texts[0])
    patterns = [f"(^|{_BETWEEN}){code}({_BETWEEN}|$)"]
    if re.fullmatch(_LONG_CODE, texts[0]):  # the case system writes its long codes one after the other
        patterns.append(f"^({_LONG_CODE})*{code}({_LONG_CODE})*$")
    either = (
        exp.RegexpLike(this=column.copy(), expression=exp.Literal.string(pattern)) for pattern in patterns
    )
    return exp.paren(exp.or_(*either))


def _attr(place: Place, arguments: Arguments) -> exp.Expr:
    names = _texts(arguments)
    if len(names) != 1 or set(names[0]) & set('"\\') or "attributes" not in place.over.columns:
        return place.wrong_arguments("attr")
    path = exp.Literal.string(f'$."{names[0]}"')
    return exp.func("json_extract_string", exp.column("attributes", table=place.alias), path)


def _in_tree(place: Place, arguments: Arguments) -> exp.Expr:
    codes = _texts(arguments[1:])
    if not codes or not isinstance(arguments[0], exp.Column):
        return place.wrong_arguments("in_tree")
    column, of = place.column(arguments[0]), place.origin(arguments[0])
    if of is None:
        return column  # unknown, and told
    named = CATALOGUES.get((of[0], of[1].name), ())
    if not named:
        return place.wrong_arguments("in_tree")
    known = codes_of(*of, place.context.catalogues)
    place.check_codes(of, codes, known | codes_above(*of, place.context.catalogues) if known else known)
    texts = [exp.Literal.string(code) for code in codes]
    here = exp.column("catalogue", "k").isin(*(exp.Literal.string(name) for name in named))
    found = exp.select("1").from_("v_code_tree AS k").where(here)
    below = found.copy().where(exp.column("code", "k").eq(column.copy()))
    below = below.where(exp.column("ancestor", "k").isin(*texts))
    unknown = fails(told(f"没有代码目录 {'、'.join(named)}, 不能判断上下级"))
    return (
        exp.case()
        .when(column.copy().is_(exp.null()), exp.null())
        .when(column.copy().isin(*(each.copy() for each in texts)), exp.true())
        .when(exp.Exists(this=below), exp.true())
        .when(exp.Exists(this=found), exp.false())
        .else_(unknown)
    )


def _of_case(place: Place, entity: str, column: str, codes: Sequence[str]) -> exp.Expr:
    place.check_codes((entity, ENTITIES[entity].column(column)), codes)
    inner = exp.select("1").from_(f"fact_{entity} AS x")
    inner = inner.where(exp.column("case_no", "x").eq(exp.column("case_no", place.alias)))
    texts = [exp.Literal.string(code) for code in codes]
    return exp.Exists(this=inner.where(exp.column(column, "x").isin(*texts)))


def _sets(place: Place, arguments: Arguments, function: str) -> list[list[str]]:
    """Return each wanted text as its alternatives; none where the function cannot stand or be so called."""
    sets = [[code.strip() for code in text.split("|")] for text in _texts(arguments)]
    if "case_no" not in place.over.columns or not sets or not all(code for each in sets for code in each):
        place.wrong_arguments(function)
        return []
    return sets


def _document(place: Place, codes: Sequence[str]) -> exp.Expr:
    return _of_case(place, "document", "template_code", codes)


def _has_document(place: Place, arguments: Arguments) -> exp.Expr:
    sets = _sets(place, arguments, "has_document")
    return _document(place, [code for each in sets for code in each]) if sets else exp.null()


def _missing_document(place: Place, arguments: Arguments) -> exp.Expr:
    sets = _sets(place, arguments, "missing_document")
    return exp.not_(_document(place, [code for each in sets for code in each])) if sets else exp.null()


def _has_documents(place: Place, arguments: Arguments) -> exp.Expr:
    sets = _sets(place, arguments, "has_documents")
    return exp.paren(exp.and_(*(_document(place, each) for each in sets))) if sets else exp.null()


def _missing_documents(place: Place, arguments: Arguments) -> exp.Expr:
    sets = _sets(place, arguments, "missing_documents")
    return exp.paren(exp.or_(*(exp.not_(_document(place, each)) for each in sets))) if sets else exp.null()


def _has_event(place: Place, arguments: Arguments) -> exp.Expr:
    kinds = _texts(arguments)
    if "case_no" not in place.over.columns or not kinds:
        return place.wrong_arguments("has_event")
    return _of_case(place, "event", "kind", kinds)


_RECORD = "h"
"""The alias of a record of the case that a function looks at."""


def _has(place: Place, arguments: Arguments) -> exp.Expr:
    if len(arguments) != 2:  # noqa: PLR2004 of what, and which
        return place.wrong_arguments("has")
    found = _records(place, arguments[0], arguments[1], "has")
    return exp.null() if found is None else exp.Exists(this=found.select("1"))


def _latest(place: Place, arguments: Arguments) -> exp.Expr:
    if len(arguments) != 3 or not isinstance(arguments[1], exp.Column):  # noqa: PLR2004 of what, which day, which
        return place.wrong_arguments("latest")
    found = _records(place, arguments[0], arguments[2], "latest")
    over = records(_texts(arguments[:1])[0]) if found is not None else None
    if found is None or over is None:
        return exp.null()
    day = place.within(over, _RECORD).column(arguments[1])
    if kind_of(arguments[1], over) not in DAYS:
        return place.wrong_arguments("latest")
    return exp.cast(found.select(exp.func("max", day)).subquery(), "DATE")


def _records(place: Place, name: exp.Expr, condition: exp.Expr, function: str) -> exp.Select | None:
    """Return the select, of nothing yet, of the case's records that meet a condition; None where it makes no sense."""
    names = _texts([name])
    over = records(names[0]) if names else None
    if (
        over is None or "case_no" not in place.over.columns or place.alias == _RECORD
    ):  # a record has no records
        place.wrong_arguments(function)
        return None
    of_case = exp.column("from_case_no" if over.grain == "case_link" else "case_no", _RECORD)
    found = exp.select().from_(f"{over.name} AS {_RECORD}")
    found = found.where(of_case.eq(exp.column("case_no", place.alias)))
    return found.where(condition_of(condition, place.within(over, _RECORD)))


def _links(place: Place, arguments: Arguments, function: str) -> str | None:
    """Return the table of links a function follows; None where it cannot stand or be so called."""
    wide = _texts(arguments[1:])
    fits = place.alias == OUTERMOST and "case_no" in place.over.columns  # what is linked looks no further
    if not fits or len(arguments) not in {1, 2} or (len(arguments) == 2 and wide != ["chain"]):  # noqa: PLR2004
        place.wrong_arguments(function)
        return None
    return "v_chain" if wide else "v_link"


def _linked(place: Place, arguments: Arguments) -> exp.Expr:
    links = _links(place, arguments, "linked")
    if links is None:
        return exp.null()
    condition = condition_of(arguments[0], place.within(view("case"), "o"))
    inner = (
        exp.select("1")
        .from_(f"{links} AS l")
        .join("v_case AS o", on="o.case_no = l.other_case_no")
        .where(exp.column("case_no", "l").eq(exp.column("case_no", place.alias)))
        .where(condition)
    )
    return exp.Exists(this=inner)


def _linked_suspect(place: Place, arguments: Arguments) -> exp.Expr:
    links = _links(place, arguments, "linked_suspect")
    if links is None or place.over.grain != "suspect":
        return place.wrong_arguments("linked_suspect")
    condition = condition_of(arguments[0], place.within(view("suspect"), "o"))
    inner = (
        exp.select("1")
        .from_(f"{links} AS l")
        .join("v_suspect AS o", on="o.case_no = l.other_case_no")
        .where(exp.column("case_no", "l").eq(exp.column("case_no", place.alias)))
        .where(exp.column("suspect_no", "o").eq(exp.column("suspect_no", place.alias)))
        .where(condition)
    )
    return exp.Exists(this=inner)


def _day(place: Place, node: exp.Expr) -> exp.Expr | None:
    """Return an argument that is a day; None, with the problem noted, where it is something else."""
    if isinstance(node, exp.Literal) and node.is_string:
        if not is_day(str(node.this)):
            place.refuse("rule-no-such-day", text=str(node.this))
            return None
        return exp.cast(node.copy(), "DATE")
    kind = settled_kind(node, place.over)
    compiled = place.compile(node, place)
    if kind is not None and kind not in DAYS:
        place.refuse(
            "rule-unlike", what=node.sql(dialect="duckdb"), one=kind_word(kind), other=kind_word("day")
        )
        return None
    return compiled if kind == "day" else exp.cast(compiled, "DATE")


def _two_days(place: Place, arguments: Arguments, function: str) -> tuple[exp.Expr, exp.Expr] | None:
    if len(arguments) != 2:  # noqa: PLR2004 from and to
        place.wrong_arguments(function)
        return None
    first, last = _day(place, arguments[0]), _day(place, arguments[1])
    return None if first is None or last is None else (first, last)


def _workdays_between(place: Place, arguments: Arguments) -> exp.Expr:
    days = _two_days(place, arguments, "workdays_between")
    if days is None:
        return exp.null()

    def number(day: exp.Expr) -> exp.Expr:
        counted = exp.select("max(w.number)").from_("workday AS w")
        return counted.where(exp.column("day", "w").eq(day.copy())).subquery()

    first, last = days
    beyond = fails(told("工作日历不包含的日期: ", first, " 或 ", last))
    between = exp.Sub(this=number(last), expression=number(first))
    known = exp.and_(exp.not_(first.copy().is_(exp.null())), exp.not_(last.copy().is_(exp.null())))
    return exp.case().when(known, exp.Coalesce(this=between, expressions=[beyond]))


def _days_between(place: Place, arguments: Arguments) -> exp.Expr:
    days = _two_days(place, arguments, "days_between")
    return exp.null() if days is None else days_from(*days)


def days_from(first: exp.Expr, last: exp.Expr) -> exp.Expr:
    """Return how many days after one day another one is; both are already days."""
    return exp.DateDiff(this=last, expression=first, unit=exp.var("DAY"))


def _posting(function: str) -> Callable[[Place, Arguments], exp.Expr]:
    def make(place: Place, arguments: Arguments) -> exp.Expr:
        if len(arguments) != 2 or not isinstance(arguments[0], exp.Column):  # noqa: PLR2004 whose, and when
            return place.wrong_arguments(function)
        person, of = place.column(arguments[0]), place.origin(arguments[0])
        if of is not None and of[1].ref != "person":
            return place.wrong_arguments(function)
        day = _day(place, arguments[1])
        if day is None:
            return exp.null()
        held = exp.select(f"max(p.{POSTING_FUNCTIONS[function]})").from_("v_posting AS p")
        held = held.where(exp.column("person_key", "p").eq(person))
        return held.where(exp.column("since", "p") <= day, exp.column("until", "p") > day.copy()).subquery()

    return make


def _spans(place: Place, name: str) -> Sequence[Span] | None:
    """Return the spans of a parameter; None, with the problem noted, where it cannot be read here."""
    context: Context = place.context
    if name not in context.parameters:
        place.refuse("rule-unknown-parameter", name=name, nearest=nearest(name, context.parameters))
        return None
    if context.day is None:
        place.refuse("rule-no-day", name=name)
        return None
    return context.parameters[name]


def _dated(place: Place, name: str, spans: Sequence[Span], value: Callable[[Span], exp.Expr]) -> exp.Expr:
    """Return what a parameter gives on the day of the item; a day on which it has no value stops the rule."""
    day = exp.column(str(place.context.day), table=OUTERMOST)
    chosen = exp.case().when(day.is_(exp.null()), exp.null())
    for span in spans:
        held: exp.Expr = day.copy() >= exp.cast(exp.Literal.string(span[0].isoformat()), "DATE")
        if span[1] is not None:
            held = exp.and_(held, day.copy() < exp.cast(exp.Literal.string(span[1].isoformat()), "DATE"))
        chosen = chosen.when(held, value(span))
    return chosen.else_(fails(told(f"参数 {name} 没有当日的值: ", day)))


def _parameter(place: Place, arguments: Arguments) -> exp.Expr:
    names = _texts(arguments)
    if len(names) != 1:
        return place.wrong_arguments("parameter")
    spans = _spans(place, names[0])
    if spans is None:
        return exp.null()
    if any(not isinstance(span[2], Decimal) for span in spans):
        return place.refuse("rule-parameter-kind", name=names[0], function="parameter", instead="listed")
    return _dated(place, names[0], spans, lambda span: exp.Literal.number(f"{span[2]:f}"))


def _listed(place: Place, arguments: Arguments) -> exp.Expr:
    names = _texts(arguments[1:])
    if len(names) != 1 or not _is_text(arguments[0], place):
        return place.wrong_arguments("listed")
    column, of, spans = place.column(arguments[0]), place.origin(arguments[0]), _spans(place, names[0])
    if spans is None:
        return exp.null()
    if any(isinstance(span[2], Decimal) for span in spans):
        return place.refuse("rule-parameter-kind", name=names[0], function="listed", instead="parameter")

    def among(span: Span) -> exp.Expr:
        codes = span[2] if isinstance(span[2], tuple) else ()
        if of is not None:
            place.check_codes(of, codes)
        texts = [exp.Literal.string(code) for code in codes]
        return column.copy().isin(*texts) if texts else exp.false()

    return _dated(place, names[0], spans, among)


MAKERS: Mapping[str, Callable[[Place, Arguments], exp.Expr]] = {
    "prefix": _prefix,
    "in_tree": _in_tree,
    "contains": _contains,
    "attr": _attr,
    "has_document": _has_document,
    "missing_document": _missing_document,
    "has_documents": _has_documents,
    "missing_documents": _missing_documents,
    "has_event": _has_event,
    "has": _has,
    "latest": _latest,
    "linked": _linked,
    "linked_suspect": _linked_suspect,
    "workdays_between": _workdays_between,
    "days_between": _days_between,
    "months": make_months,
    "term": make_term,
    **{name: _posting(name) for name in POSTING_FUNCTIONS},
    "parameter": _parameter,
    "listed": _listed,
}
