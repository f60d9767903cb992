"""The part of a law's page that says what gives points: measures, points by indicator, factors, caps, authority."""

import datetime as dt
from collections.abc import Iterator, Sequence

from jianheng.facts.entities import ENTITIES
from jianheng.messages import text
from jianheng.rules.measure import Measure, definitions
from jianheng.scoring.explanation.words import measure_name, post_level_name, role_name, span_words
from jianheng.scoring.law.pack import Cap
from jianheng.scoring.law.pack_rows import PointsRow
from jianheng.scoring.law.points_check import holds_on
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.lawbook.blocks import (
    Block,
    Heading,
    Paragraph,
    assumed_mark,
    cited,
    grid,
    items,
    number,
)

_POINT_COLUMNS = (
    "rule", "measure", "code", "category", "role", "points", "per-case", "caps", "fault", "days", "source",
)  # fmt: skip


def points_sections(policy: Policy, day: dt.date) -> Iterator[Block]:
    """Yield what is counted and what it gives."""
    yield Heading(2, text("law-measures"))
    rows = [(name, _on(measure, day)) for name, measure in policy.measures.items()]
    columns = ("measure", "grain", "condition", "day", "whom", "quantity", "source")
    yield grid(columns, (_measure(name, measure) for name, measure in rows))
    yield Heading(2, text("law-points"))
    for indicator in policy.file.indicators:
        held = [row for row in policy.points if row.indicator == indicator.id and holds_on(row, day)]
        if held:
            yield Heading(3, indicator.label)
            yield grid(_POINT_COLUMNS, (_row(policy, row) for row in held))
    yield from _factors(policy, day)
    yield from _caps(policy, day)
    yield from _team(policy, day)
    yield from _authority(policy)


def _on(measure: Measure, day: dt.date) -> Measure:
    """Return what a measure says on a day."""
    return next(
        each
        for window, each, _ in reversed(definitions(measure))
        if window.since is None or window.since <= day
    )


def _measure(name: str, measure: Measure) -> tuple[str, ...]:
    quantity = measure.quantity or "1"
    fault = text("law-fault-key", fault=measure.fault) if measure.fault else ""
    whom = text("law-team-whom") if measure.team else str(measure.actor)
    return (
        f"{measure.label} [{name}]",
        ENTITIES[measure.grain].label,
        measure.where,
        measure.date,
        whom,
        f"{quantity} {measure.unit}{fault}",
        measure.cite,
    )


def _row(policy: Policy, row: PointsRow) -> tuple[str, ...]:
    caps = (("case", row.case_cap), ("month", row.month_cap), ("year", row.year_cap))
    limits = [f"{text(f'explain-unit-{unit}')} {limit:f}" for unit, limit in caps if limit is not None]
    return (
        f"{row.label} [{row.id}]",
        measure_name(policy, row.measure),
        "; ".join(row.code),
        "; ".join(row.category),
        "、".join(role_name(policy, role) for role in row.role),
        f"{row.points:f}",
        "" if row.per_case is None else str(row.per_case),
        "; ".join(limits),
        row.fault,
        span_words(row.since, row.until) if row.since or row.until else "",
        row.cite + assumed_mark(row.assumed),
    )


def _names(policy: Policy, measures: Sequence[str]) -> str:
    return "、".join(measure_name(policy, each) for each in measures) or text("law-every-measure")


def _factors(policy: Policy, day: dt.date) -> Iterator[Block]:
    if not policy.file.factors:
        return
    yield Heading(2, text("law-factors"))
    yield Paragraph(text("law-factors-how"))
    for factor in policy.file.factors:
        yield Heading(3, factor.label)
        take = text(f"law-take-{factor.take}")
        yield Paragraph(
            text("law-factor", measures=_names(policy, factor.measures), take=take) + cited(factor.cite)
        )
        rows = (
            (
                each.label,
                each.when or "",
                text("law-declared", kind=each.declared) if each.declared else "",
                number(policy, each.value, day),
                each.cite,
            )
            for each in factor.choices
        )
        yield grid(("choice", "condition", "declared", "value", "source"), rows)


def _caps(policy: Policy, day: dt.date) -> Iterator[Block]:
    if not policy.file.caps:
        return
    yield Heading(2, text("law-caps"))
    yield items(
        text(
            "law-cap",
            label=each.label,
            per="、".join(text(f"explain-unit-{unit}") for unit in each.per),
            limit=number(policy, each.limit, day),
            bound=_bound(policy, each),
            allot=text(f"explain-allot-{each.allot}"),
        )
        + cited(each.cite)
        for each in policy.file.caps
    )


def _bound(policy: Policy, cap: Cap) -> str:
    labels = {row.id: row.label for row in policy.points}
    rules = [labels.get(rule, rule) for rule in cap.rules]
    return "、".join([*rules, *(policy.indicator_label(each) for each in cap.indicators)])


def _team(policy: Policy, day: dt.date) -> Iterator[Block]:
    team = policy.file.team
    if team is None:
        return
    yield Heading(2, text("law-team"))
    yield Paragraph(text("law-team-how") + cited(team.cite))
    rows = ((role_name(policy, role), number(policy, weight, day)) for role, weight in team.weights.items())
    yield grid(("role", "value"), rows)


def _authority(policy: Policy) -> Iterator[Block]:
    if policy.file.authority is None:
        return
    yield Heading(2, text("law-authority"))
    unlisted = text(f"law-unlisted-{policy.file.authority.unlisted}")
    yield Paragraph(unlisted + cited(policy.file.authority.cite))
    rows = (
        (
            measure_name(policy, row.measure),
            "; ".join(row.code),
            "; ".join(row.category),
            "、".join(role_name(policy, role) for role in row.role),
            "、".join(post_level_name(policy, level) for level in row.post_level),
            row.cite,
        )
        for row in policy.authority
    )
    yield grid(("measure", "code", "category", "role", "post-level", "source"), rows)
