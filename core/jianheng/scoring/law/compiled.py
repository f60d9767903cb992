"""The expressions of a policy as SQL: closing, gates, factors, measures. What cannot be compiled is a fault with its place."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from jianheng.errors import problem
from jianheng.rules.expression import Context, compile_over
from jianheng.rules.kinds import DAYS, Kind, kind_word
from jianheng.rules.measure import ITEM_DAY, compile_measure
from jianheng.rules.views import View, plain_case, uses, view
from jianheng.scoring.law.chain import Draft
from jianheng.scoring.law.pack import Closing, Factor, Number
from jianheng.scoring.law.parameters import resolve


@dataclass(frozen=True, slots=True)
class CompiledGate:
    """When a point is final: a condition over the case view (alias ``t``). No measures: for every case item."""

    id: str
    label: str
    sql: str
    measures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CompiledChoice:
    """One value of a factor; ``when_sql`` is None for what is chosen by declaration only, or over items."""

    id: str
    label: str
    value: Number
    when_sql: str | None
    declared: str | None


@dataclass(frozen=True, slots=True)
class CompiledFactor:
    """A factor.

    Over items the choice that holds stands in the column ``factor_<id>`` of the measures' selects: its id, or
    for ``best`` the ids of all that hold, in listed order, joined by ``;``.
    """

    id: str
    label: str
    over: str
    take: str
    measures: tuple[str, ...]
    choices: tuple[CompiledChoice, ...]


@dataclass(frozen=True, slots=True)
class Compiled:
    """Everything of a policy that became SQL."""

    measures: Mapping[str, str]
    closing: str
    due: str | None
    gates: tuple[CompiledGate, ...]
    factors: tuple[CompiledFactor, ...]

    @property
    def uses(self) -> frozenset[str]:
        """Which optional tables the statements speak of (``rules.views.OPTIONAL``)."""
        whens = [choice.when_sql or "" for each in self.factors for choice in each.choices]
        gates = [each.sql for each in self.gates]
        return uses(*self.measures.values(), self.closing, self.due or "", *gates, *whens)


def compile_draft(draft: Draft) -> Compiled:
    """Compile a policy; faults are added to the draft's problems."""
    context = _context(draft)
    file, case = draft.file, view("case")
    gates = tuple(
        CompiledGate(
            each.id,
            each.label,
            _compile(draft, each.final_when, case, f"{draft.at('gates', each.id)} final_when", context),
            each.measures,
        )
        for each in file.gates
    )
    factors = tuple(_factor(draft, each, context) for each in file.factors)
    due = file.due_for_archive
    return Compiled(
        measures=_measures(draft, context),
        closing=_closing(draft, context),
        due=None if due is None else _compile(draft, due, case, draft.at("due_for_archive"), context),
        gates=gates,
        factors=factors,
    )


def _context(draft: Draft) -> Context:
    """Return what conditions may read. A parameter that cannot be read itself is known, and holds nothing."""
    declared = {name for layer in draft.layers for name in layer.declarations}
    spans = {
        name: [(span.since, span.until, span.value) for span in resolve(draft.layers, name)]
        for name in declared
    }
    return Context(
        parameters={**dict.fromkeys(draft.named.get("parameters", ()), ()), **spans},
        catalogues=draft.catalogues,
        since=None if "from" in draft.faulty else draft.file.since,
    )


def _compile(
    draft: Draft, text: str, over: View, where: str, context: Context, wanted: tuple[Kind, ...] = ("truth",)
) -> str:
    """Return an expression as SQL; where it cannot be one, NULL and the reason among the problems."""
    done = compile_over(text, over, where, context)
    if isinstance(done, list):
        draft.problems += done
        return "NULL"
    if done.kind is not None and done.kind not in wanted:
        kinds = {"kind": kind_word(done.kind), "wanted": kind_word(wanted[0])}
        draft.problems.append(
            problem("measure-part-kind", where=where, part=where.rsplit(" ", 1)[-1], **kinds)
        )
    return done.sql


def _closing(draft: Draft, context: Context) -> str:
    """Compile the closing rules; what is computed of a case comes after them, so they speak of the source's columns."""
    said = draft.file.closing
    if said is None:
        return "NULL"
    where = draft.at("closing")
    if isinstance(said, str):
        return _closing_rule(draft, said, where, context)
    rules = [
        (each, _closing_rule(draft, each.rule, f"{where} {each.since or ''}".rstrip(), context))
        for each in said
    ]
    days = [each.since or dt.date.min for each in said]
    if not days or days != sorted(set(days)):
        draft.problems.append(problem("policy-closing-days", where=where))
        return "NULL"
    return _dated(rules)


def _closing_rule(draft: Draft, text: str, where: str, context: Context) -> str:
    sql = _compile(draft, text, plain_case(), where, context, DAYS)
    if uses(sql) & {"link", "chain", "suspect"}:
        draft.problems.append(problem("policy-closing-circle", where=where))
    return sql


def _dated(rules: Sequence[tuple[Closing, str]]) -> str:
    """Each rule gives the days within its own span; of two that both would, the earlier rule had its say first."""
    parts: list[str] = []
    for position, (rule, sql) in enumerate(rules):
        day = f"CAST(({sql}) AS DATE)"
        bounds = [f"{day} >= DATE '{rule.since.isoformat()}'"] if rule.since else []
        if position + 1 < len(rules):
            until = rules[position + 1][0].since
            bounds += [f"{day} < DATE '{until.isoformat()}'"] if until else []
        parts.append(f"WHEN {' AND '.join(bounds) or 'true'} THEN {day}")
    return f"CASE {' '.join(parts)} END"


def _factor(draft: Draft, factor: Factor, context: Context) -> CompiledFactor:
    where = draft.at("factors", factor.id)
    choices = []
    for each in factor.choices:
        at = f"{where} {each.id} when"
        by_case = each.when is not None and factor.over == "case"
        sql = _compile(draft, str(each.when), view("case"), at, context) if by_case else None
        choices.append(CompiledChoice(each.id, each.label, each.value, sql, each.declared))
    return CompiledFactor(factor.id, factor.label, factor.over, factor.take, factor.measures, tuple(choices))


def _measures(draft: Draft, context: Context) -> dict[str, str]:
    """Compile the measures; each select ends with one column for every factor over items."""
    over_items = [each for each in draft.file.factors if each.over == "item"]
    compiled: dict[str, str] = {}
    for name, (where, measure) in draft.measures.items():
        extra = {
            f"factor_{each.id}": _choice(draft, each, view(measure.grain), context)
            if not each.measures or name in each.measures
            else "CAST(NULL AS VARCHAR)"
            for each in over_items
        }
        sql = compile_measure(name, measure, where.removesuffix(f" [{name}]"), context, extra)
        if isinstance(sql, list):
            draft.problems += sql
        else:
            compiled[name] = sql
    return compiled


def _choice(draft: Draft, factor: Factor, over: View, context: Context) -> str:
    """Return the expression that gives the choices of a factor that hold for an item."""
    where = draft.at("factors", factor.id)
    of_item = replace(context, day=ITEM_DAY)
    holds = [
        (each.id, _compile(draft, each.when, over, f"{where} {each.id} when", of_item))
        for each in factor.choices
        if each.when is not None
    ]
    if not holds:
        return "CAST(NULL AS VARCHAR)"
    if factor.take == "first":
        listed = " ".join(f"WHEN {sql} THEN '{choice}'" for choice, sql in holds)
        return f"CASE {listed} END"
    listed = ", ".join(f"CASE WHEN {sql} THEN '{choice}' END" for choice, sql in holds)
    return f"nullif(concat_ws(';', {listed}), '')"
