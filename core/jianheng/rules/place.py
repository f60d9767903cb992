"""Where a condition stands: what it may speak of there, and what is wrong with it so far."""

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from sqlglot import exp

from jianheng.errors import Problem, problem
from jianheng.facts.entities import POSTING
from jianheng.facts.entity import Column
from jianheng.rules.catalogues import codes_of, nearest
from jianheng.rules.views import View

Span = tuple[dt.date, dt.date | None, Decimal | tuple[str, ...]]
"""A value of the law on the days ``[since, until)``; None has no end."""

POSTING_FUNCTIONS: Mapping[str, str] = {
    "role_on": "role",
    "post_level_on": "post_level",
    "class_on": "staff_class",
}
"""Functions that tell of a person's posting on a day, and the column each tells."""

TERM = Column("term", "刑期", "code", allowed=("fixed", "none", "unreadable"))
"""What the function ``term`` tells: a length, none (life, death, a fine, acquitted), or what nobody can read."""


@dataclass(frozen=True, slots=True)
class Context:
    """What surrounds a condition.

    Attributes:
        parameters: by name every span of a parameter, in order.
        day: the column (of the outermost view) with the day whose values are read; None where there is none.
        catalogues: the codes of each catalogue; a catalogue that is not here is not checked.
        since: the policy's first day; None when it is not known.
    """

    parameters: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    day: str | None = None
    catalogues: Mapping[str, Collection[str]] = field(default_factory=dict)
    since: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A view under an alias, in a context; ``compile`` turns a parsed part into SQL over it."""

    over: View
    alias: str
    where: str
    context: Context
    problems: list[Problem]
    compile: Callable[[exp.Expr, "Place"], exp.Expr]

    def within(self, over: View, alias: str) -> "Place":
        """Return the place of a condition over other records, inside this one."""
        return Place(over, alias, self.where, self.context, self.problems, self.compile)

    def refuse(self, problem_code: str, /, **fields: object) -> exp.Expr:
        """Note a problem and go on with NULL in its place, so that all problems are found."""
        told = problem(problem_code, where=self.where, **fields)
        if told not in self.problems:
            self.problems.append(told)
        return exp.null()

    def wrong_arguments(self, function: str) -> exp.Expr:
        """Note that a function was given what it cannot take."""
        return self.refuse("rule-wrong-arguments", function=function)

    def column(self, node: exp.Column) -> exp.Expr:
        """Return a column of the view under its alias."""
        if node.table:
            return self.refuse("rule-not-allowed", what=node.sql(dialect="duckdb"))
        name = node.name
        if name not in self.over.columns:
            near = nearest(name, self.over.columns)
            told = "、".join(self.over.columns[:8]) + "…" if near == "—" else near
            return self.refuse("rule-unknown-column", name=name, grain=self.over.grain, nearest=told)
        return exp.column(name, table=self.alias)

    def origin(self, node: exp.Expr | None) -> tuple[str, Column] | None:
        """Return the entity and column whose codes a part of a condition gives, where it is that simple."""
        if isinstance(node, exp.Paren):
            return self.origin(node.this)
        if isinstance(node, exp.Column) and not node.table and node.name in self.over.columns:
            return self.over.origin(node.name)
        if isinstance(node, exp.Anonymous) and str(node.this).lower() in POSTING_FUNCTIONS:
            return "posting", POSTING.column(POSTING_FUNCTIONS[str(node.this).lower()])
        if isinstance(node, exp.Anonymous) and str(node.this).lower() == TERM.name:
            return "term", TERM
        return None

    def check_code(self, of: tuple[str, Column] | None, literal: exp.Expr | None) -> None:
        """Note a problem if a text that is compared with a column of codes is none of them."""
        if of is not None and isinstance(literal, exp.Literal) and literal.is_string:
            self.check_codes(of, [str(literal.this)])

    def check_codes(
        self, of: tuple[str, Column], codes: Collection[str], known: Collection[str] | None = None
    ) -> None:
        """Note a problem for each text that is none of the codes a column may hold, or of those ``known``."""
        entity, column = of
        held = codes_of(entity, column, self.context.catalogues) if known is None else known
        for code in codes:
            if held and code not in held:
                near = nearest(code, held)
                self.refuse(
                    "rule-unknown-code", code=code, column=column.name, label=column.label, nearest=near
                )
