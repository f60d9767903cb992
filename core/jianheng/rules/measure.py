"""Measures: what is counted, said once, by name, with its dated changes."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from jianheng.errors import Problem, problem
from jianheng.rules.catalogues import nearest
from jianheng.rules.expression import Compiled, Context, compile_over
from jianheng.rules.kinds import Kind, kind_word
from jianheng.rules.place import Span
from jianheng.rules.reach import Window, check_reach
from jianheng.rules.views import Grain, View, view

ITEM_DAY = "item_day"
"""The column, in every measure's statement, with the day that puts the item into a period."""

ITEM_COLUMNS = (
    "measure",
    "item_kind",
    "item_key",
    "case_no",
    "category",
    "code",
    "item_label",
    "day",
    "actor",
    "fact_hash",
    "quantity",
    "fault",
)
"""What every measure's statement tells of an item, in order."""

_NOWHERE = Context()
_WANTED: Mapping[str, Kind] = {"where": "truth", "quantity": "number", "fault": "text"}
_PARTS = ("where", "date", "code", "item", "actor", "team", "quantity", "fault")


class Change(BaseModel):
    """What a measure says otherwise from a day on; what is not named stays as it was."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: dt.date = Field(alias="from")
    where: str | None = None
    date: str | None = None
    code: str | None = None
    item: str | None = None
    actor: str | None = None
    team: bool | None = None
    quantity: str | None = None
    fault: str | None = None
    cite: str = ""


class Measure(BaseModel):
    """One thing that is counted.

    Attributes:
        label: what a reader sees.
        grain: what one item is; its key is the distinct key, so a join can never multiply.
        where: condition over the fact view of the grain.
        date: the column that puts an item into a period ``[start, end)``.
        unit: 件, 份, 次, 人.
        code: the column that decision tables match as ``code``.
        item: the column that names the item for a reader.
        actor: the column with the person it counts for; or
        team: it counts for everyone who takes part in the case, by shares.
        quantity: an expression that gives how many units one item is; 1 if unsaid.
        fault: an expression that gives a text: items with the same one are the same fault.
        changes: what is otherwise from a day on, that day being the item's date under the change.
        replaces: the fingerprint of the measure of the same name in a layer above.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    grain: Grain
    where: str = "true"
    date: str
    unit: str
    code: str | None = None
    item: str | None = None
    actor: str | None = None
    team: bool = False
    quantity: str | None = None
    fault: str | None = None
    changes: tuple[Change, ...] = ()
    replaces: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")] | None = None
    cite: str = ""


def definitions(measure: Measure) -> list[tuple[Window, Measure, frozenset[str]]]:
    """Return what a measure says on each span of days, the earliest first, and which parts were changed there."""
    days = [None, *(each.since for each in measure.changes), None]
    found, named = [measure], [frozenset(_PARTS)]
    for change in measure.changes:
        parts = {part: value for part in _PARTS if (value := getattr(change, part)) is not None}
        if change.actor is not None:
            parts.setdefault("team", False)
        if change.team:
            parts.setdefault("actor", None)
        found.append(found[-1].model_copy(update=parts))
        named.append(frozenset(parts))
    return [(Window(days[n], days[n + 1]), each, named[n]) for n, each in enumerate(found)]


def team_sql(measure: Measure, day: str) -> str:
    """Return whether an item counts for the team of its case, as SQL over the item's day."""
    told = [(window, "true" if each.team else "false") for window, each, _ in definitions(measure)]
    if len({team for _, team in told}) == 1:
        return told[0][1]
    earlier = " ".join(
        f"WHEN {day} < CAST('{window.until}' AS DATE) THEN {team}" for window, team in told[:-1]
    )
    return f"CASE {earlier} ELSE {told[-1][1]} END"


def compile_measure(
    name: str,
    measure: Measure,
    file: str,
    context: Context = _NOWHERE,
    extra: Mapping[str, str] | None = None,
) -> str | list[Problem]:
    """Return the select of a measure's items, or everything wrong with it.

    The statement gives :data:`ITEM_COLUMNS` and then those of ``extra``, and has two parameters: ``$start``,
    the window's first day, and ``$end``, the day after its last. An item that was counted by its date under an
    earlier definition is not counted again under a later one that dates it otherwise.

    Args:
        name: its id.
        measure: what it says.
        file: where it stands, for problems.
        context: parameters and catalogues; its ``day`` is set here.
        extra: further columns by name: checked SQL over the view (alias ``t``, the day as :data:`ITEM_DAY`).
    """
    named = tuple(
        (each, tuple(spans)) for each, spans in context.parameters.items() if _speaks_of(measure, each)
    )
    sound = None
    if not context.catalogues:
        sound = _compiled(name, measure, named, context.since, tuple((extra or {}).items()))
    return sound or _compile(name, measure, file, context, extra or {})


def _speaks_of(measure: Measure, parameter: str) -> bool:
    texts = [measure.where, measure.quantity, measure.fault]
    texts += [text for each in measure.changes for text in (each.where, each.quantity, each.fault)]
    return any(f"'{parameter}'" in text for text in texts if text is not None)


# Packs over one another, and one pack loaded again, say the same measures: what was sound is not compiled twice.
@lru_cache(maxsize=2048)
def _compiled(
    name: str,
    measure: Measure,
    parameters: tuple[tuple[str, tuple[Span, ...]], ...],
    since: dt.date | None,
    extra: tuple[tuple[str, str], ...],
) -> str | None:
    """Return the select of a measure, which speaks of no more than these parameters; None where something is wrong."""
    done = _compile(name, measure, "", Context(parameters=dict(parameters), since=since), dict(extra))
    return done if isinstance(done, str) else None


def _compile(
    name: str, measure: Measure, file: str, context: Context, extra: Mapping[str, str]
) -> str | list[Problem]:
    where = f"{file} [{name}]"
    made: list[str] = []
    earlier: list[tuple[str, str]] = []
    problems = _check_changes(measure, where)
    spans = definitions(measure)
    for window, each, named in spans[:1] if problems else spans:
        at = where if window.since is None else f"{where} changes {window.since}"
        done = _compile_definition(each, at, replace(context, day=ITEM_DAY), window)
        if isinstance(done, list):  # what a change took over with its faults is told once
            problems += [
                told for told in done if not problems or str(told.fields["where"]).split()[-1] in named
            ]
        elif not problems:
            again = [condition for date, condition in earlier if date != each.date]
            made.append(_select(name, each, done, window, again, extra))
            if window.until is not None:  # only a later definition asks
                earlier.append((each.date, _counted_before(each, at, context, window)))
    return problems or "\nUNION ALL\n".join(made)


def _check_changes(measure: Measure, where: str) -> list[Problem]:
    days = [each.since for each in measure.changes]
    found = [] if days == sorted(set(days)) else [problem("measure-change-days", where=where)]
    return found + [
        problem("measure-change-empty", where=f"{where} changes {each.since}")
        for each in measure.changes
        if all(getattr(each, part) is None for part in _PARTS)
    ]


_Parts = dict[str, Compiled]


def _compile_definition(
    measure: Measure, where: str, context: Context, window: Window
) -> _Parts | list[Problem]:
    over = view(measure.grain)
    problems: list[Problem] = []
    parts: _Parts = {}
    for part, wanted in _WANTED.items():
        text = getattr(measure, part)
        if text is None:
            continue
        done = compile_over(text, over, f"{where} {part}", context)
        if isinstance(done, list):
            problems += done
        elif done.kind is not None and done.kind != wanted:
            kinds = {"kind": kind_word(done.kind), "wanted": kind_word(wanted)}
            problems.append(problem("measure-part-kind", where=f"{where} {part}", part=part, **kinds))
        else:
            parts[part] = done
    problems += _check_columns(measure, over, where)
    if not problems:
        problems += check_reach(parts["where"].tree, measure.date, f"{where} where", context.since, window)
    return problems or parts


def _check_columns(measure: Measure, over: View, where: str) -> list[Problem]:
    found: list[Problem] = []
    for part in ("date", "code", "item", "actor"):
        column = getattr(measure, part)
        if column is None:
            continue
        at = f"{where} {part}"
        if column not in over.columns:
            told = {"name": column, "grain": measure.grain, "nearest": nearest(column, over.columns)}
            found.append(problem("rule-unknown-column", where=at, **told))
            continue
        _, origin = over.origin(column)
        if part == "date" and origin.type not in {"date", "datetime"}:
            found.append(problem("measure-no-day", where=at, column=column, type=origin.type))
        if part == "actor" and origin.ref != "person":
            found.append(problem("measure-no-person", where=at, column=column))
    if (measure.actor is None) == (not measure.team) or (measure.team and "case_no" not in over.columns):
        found.append(problem("measure-for-whom", where=where))
    return found


def _counted(parts: _Parts, window: Window, day: str, *more: str) -> str:
    """Return the condition of a definition on its own span of days; what may fail is asked last."""
    held = [*more]
    if window.since is not None:
        held.append(f"{day} >= CAST('{window.since}' AS DATE)")
    if window.until is not None:
        held.append(f"{day} < CAST('{window.until}' AS DATE)")
    condition = parts["where"]
    if condition.can_fail:
        return f"CASE WHEN {' AND '.join(held) or 'TRUE'} THEN ({condition.sql}) ELSE FALSE END"
    return " AND ".join([*held, f"({condition.sql})"])


def _counted_before(measure: Measure, where: str, context: Context, window: Window) -> str:
    """Return the condition that a definition has counted an item, as a later one may ask it."""
    done = compile_over(measure.where, view(measure.grain), where, replace(context, day=measure.date))
    if isinstance(done, list):
        raise TypeError(where)  # it has been compiled before
    return _counted({"where": done}, window, f"CAST(t.{measure.date} AS DATE)")


def _quantity(parts: _Parts, key: str) -> str:
    """Return how many units an item is: a whole number not below zero, or the rule fails."""
    if "quantity" not in parts:
        return "CAST(1 AS BIGINT)"
    number = f"({parts['quantity'].sql})"
    return (
        f"CASE WHEN {number} >= 0 AND {number} % 1 = 0 THEN CAST({number} AS BIGINT)"
        f" ELSE CAST(ERROR('数量不是 0 或正整数: ' || {key} || ', ' || COALESCE(CAST({number} AS VARCHAR), '空')) AS BIGINT) END"
    )


def _select(
    name: str,
    measure: Measure,
    parts: _Parts,
    window: Window,
    again: list[str],
    extra: Mapping[str, str],
) -> str:
    over = view(measure.grain)
    in_case = "case_no" in over.columns
    category = "category" if measure.grain == "case" else "case_category"
    columns = {
        "measure": f"'{name}'",
        "item_kind": f"'{measure.grain}'",
        "item_key": f"t.{over.key}",
        "case_no": "t.case_no" if in_case else "''",
        "category": f"COALESCE(t.{category}, '')" if in_case else "''",
        "code": f"COALESCE(CAST(t.{measure.code} AS VARCHAR), '')" if measure.code else "''",
        "item_label": f"COALESCE(CAST(t.{measure.item} AS VARCHAR), '')" if measure.item else "''",
        "day": f"t.{ITEM_DAY}",
        "actor": f"t.{measure.actor}" if measure.actor else "CAST(NULL AS VARCHAR)",
        "fact_hash": "t.content_hash",
        "quantity": _quantity(parts, f"t.{over.key}"),
        "fault": f"CAST(({parts['fault'].sql}) AS VARCHAR)" if "fault" in parts else "CAST(NULL AS VARCHAR)",
        **{column: f"({sql})" for column, sql in extra.items()},
    }
    told = ", ".join(f"{value} AS {column}" for column, value in columns.items())
    day = f"t.{ITEM_DAY}"
    period = f"{day} >= CAST($start AS DATE) AND {day} < CAST($end AS DATE)"
    condition = _counted(parts, window, day, period)
    if parts["where"].can_fail:
        condition = f"{period} AND {condition}"
    for sql in again:
        asked = f"NOT COALESCE({sql}, FALSE)"
        fails = "ERROR(" in sql
        condition = (
            f"CASE WHEN {condition} THEN {asked} ELSE FALSE END" if fails else f"{condition} AND {asked}"
        )
    return (
        f"SELECT {told} FROM (SELECT v.*, CAST(v.{measure.date} AS DATE) AS {ITEM_DAY} FROM {over.name} AS v) AS t"  # noqa: S608 names of ours, checked conditions
        f" WHERE {condition}"
    )
