"""Measures: what is counted, said once, by name."""

from pydantic import BaseModel, ConfigDict, Field

from jianheng.errors import Problem, problem
from jianheng.rules.expression import compile_expression
from jianheng.rules.views import Grain, view


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
    cite: str = Field(default="")


def compile_measure(name: str, measure: Measure, file: str) -> str | list[Problem]:
    """Return the select of a measure's items, or everything wrong with it.

    The statement has two parameters: the window's first day and the day after its last.
    """
    where = f"{file} [{name}]"
    over = view(measure.grain)
    problems: list[Problem] = []
    condition = compile_expression(measure.where, measure.grain, f"{where} where")
    if isinstance(condition, Problem):
        problems.append(condition)
    for part in ("date", "code", "item", "actor"):
        column = getattr(measure, part)
        if column is not None and column not in over.columns:
            problems.append(
                problem(
                    "rule-unknown-column",
                    where=f"{where} {part}",
                    name=column,
                    grain=measure.grain,
                    nearest="、".join(over.columns),
                )
            )
    if (measure.actor is None) == (not measure.team):
        problems.append(problem("measure-for-whom", where=where))
    if measure.team and "case_no" not in over.columns:
        problems.append(problem("measure-for-whom", where=where))
    if problems:
        return problems
    in_case = "case_no" in over.columns
    category = "category" if measure.grain == "case" else "case_category"
    columns = {
        "measure": f"'{name}'",
        "item_kind": f"'{measure.grain}'",
        "item_key": f"t.{over.key}",
        "case_no": "t.case_no" if in_case else "''",
        "category": f"t.{category}" if in_case else "''",
        "code": f"t.{measure.code}" if measure.code else "''",
        "item_label": f"coalesce(t.{measure.item}, '')" if measure.item else "''",
        "day": f"CAST(t.{measure.date} AS DATE)",
        "actor": f"t.{measure.actor}" if measure.actor else "NULL",
        "fact_hash": "t.content_hash",
    }
    told = ", ".join(f"{value} AS {column}" for column, value in columns.items())
    return (
        f"SELECT {told} FROM {over.name} t WHERE ({condition})"  # noqa: S608 names of ours, a checked condition
        f" AND t.{measure.date} >= CAST($start AS DATE) AND t.{measure.date} < CAST($end AS DATE)"
    )
