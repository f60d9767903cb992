"""The parts of a law's page before and after the points: what it is, indicators in words, grades, examples."""

import datetime as dt
from collections.abc import Iterator

from jianheng.errors import Problem
from jianheng.messages import text
from jianheng.scoring.checking.example_world import read_examples
from jianheng.scoring.explanation.words import (
    bounds_told,
    group_name,
    indicator_name,
    measure_name,
    post_level_name,
    rater_name,
    role_name,
)
from jianheng.scoring.law.indicator_order import children
from jianheng.scoring.law.pack import Closing, Indicator
from jianheng.scoring.law.pack_files import FolderFiles
from jianheng.scoring.law.parameters import shown_value, value_on
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.lawbook.blocks import (
    Block,
    Heading,
    Items,
    Paragraph,
    assumed_mark,
    cited,
    grid,
    items,
    number,
)

_NUMBERS = ("base", "scale", "target", "full", "beyond", "reference", "floor", "ceiling")
_NAMED = ("input", "numerator", "denominator", "per")


def first_sections(policy: Policy, day: dt.date) -> Iterator[Block]:
    """Yield what the law is, what 办结 means, when points are final, the sheets and indicators."""
    file = policy.file
    yield Heading(1, policy.label)
    yield Paragraph(text("law-about", day=day, version=policy.version[:12], id=policy.id))
    yield items(
        [
            text("law-source", title=file.source.title, cite=file.source.cite),
            text("law-since", since=file.since, jurisdiction=file.jurisdiction),
            text("law-chain", chain=" → ".join(_layers(policy))),
        ]
    )
    yield Heading(2, text("law-closing"))
    yield items(_closing(policy, day))
    yield from _calendar(policy)
    yield Heading(2, text("law-gates"))
    gates = [
        text("law-gate", label=gate.label, when=gate.final_when, measures=_measures(policy, gate.measures))
        + cited(gate.cite)
        for gate in file.gates
    ]
    yield items(gates or [text("law-no-gate")])
    yield Heading(2, text("law-sheets"))
    root = next((each.id for each in file.indicators if each.parent is None), "")
    rows = (
        (sheet.label, role_name(policy, sheet.role), policy.indicator_label(sheet.total or root))
        for sheet in file.sheets
    )
    yield grid(("sheet", "role", "total"), rows)
    yield Heading(2, text("law-indicators"))
    yield Items(tuple(_tree(policy, day)))


def last_sections(policy: Policy, day: dt.date) -> Iterator[Block]:
    """Yield groups, grades, what happens afterwards, parameters, formulas and examples."""
    file = policy.file
    if file.groups:
        yield Heading(2, text("law-groups"))
        yield items(
            text(
                "law-group",
                label=each.label,
                by="、".join(text(f"explain-by-{by}") for by in each.by),
                rank=text("law-ranked" if each.rank else "law-unranked"),
            )
            + cited(each.cite)
            for each in file.groups
        )
    yield from _grades(policy, day)
    yield Heading(2, text("law-adjustments"))
    rule = file.adjustments.rule if file.adjustments else "list"
    yield Paragraph(text(f"law-adjust-{rule}") + cited(file.adjustments.cite if file.adjustments else ""))
    yield from _parameters(policy, day)
    if policy.formulas:
        yield Heading(2, text("law-formulas"))
        told = ((name, formula.text) for name, formula in sorted(policy.formulas.items()))
        yield items(text("law-formula", name=name, told=about) for name, about in told)
    examples = [
        each[1] for each in read_examples(FolderFiles(policy.folder)) if not isinstance(each, Problem)
    ]
    if examples:
        yield Heading(2, text("law-examples"))
        yield items(f"{each.name} ({each.period}){cited(each.cite)}" for each in examples)


def _layers(policy: Policy) -> list[str]:
    return [f"{text(f'explain-level-{layer.level}')} {layer.name}" for layer in policy.layers]


def _closing(policy: Policy, day: dt.date) -> Iterator[str]:
    said = policy.file.closing
    rules = said if isinstance(said, tuple) else (Closing(rule=str(said)),)
    for place, rule in enumerate(rules):
        until = rules[place + 1].since if place + 1 < len(rules) else None
        if (rule.since is None or rule.since <= day) and (until is None or day < until):
            since = text("law-closing-since", since=rule.since) if rule.since else ""
            yield text("law-closing-rule", rule=rule.rule, since=since) + cited(rule.cite)
    if policy.file.due_for_archive is not None:
        yield text("law-due", when=policy.file.due_for_archive)


def _calendar(policy: Policy) -> Iterator[Block]:
    calendar = policy.file.calendar
    if calendar is None:
        return
    yield Heading(2, text("law-calendar"))
    quarter = calendar.quarter_first_month
    named = text(f"law-named-{calendar.year_named}")
    lines = [text("law-year", start=calendar.year_start, named=named, workdays=calendar.workdays)]
    lines += [text("law-quarter", month=quarter)] if quarter is not None else []
    lines += [
        text("law-period", label=each.label, start=each.start, end=each.end) for each in calendar.periods
    ]
    yield items(line + (cited(calendar.cite) if not place else "") for place, line in enumerate(lines))


def _measures(policy: Policy, measures: tuple[str, ...]) -> str:
    return "、".join(measure_name(policy, each) for each in measures) or text("law-every-measure")


def _tree(policy: Policy, day: dt.date) -> Iterator[tuple[int, str]]:
    below = children(policy.file.indicators)
    nodes = {each.id: each for each in policy.file.indicators}
    pending = [(0, each.id) for each in reversed(policy.file.indicators) if each.parent is None]
    while pending:
        depth, name = pending.pop()
        yield depth, _indicator(policy, nodes[name], day)
        pending += [(depth + 1, child) for child in reversed(below.get(name, ()))]


def _indicator(policy: Policy, node: Indicator, day: dt.date) -> str:
    details = [*_details(policy, node, day)]
    told = text("law-indicator", label=node.label, id=node.id, how=text(f"explain-kind-{node.kind}"))
    return told + "".join(f"; {each}" for each in details) + cited(node.cite) + assumed_mark(node.assumed)


def _details(policy: Policy, node: Indicator, day: dt.date) -> Iterator[str]:
    if node.roles or node.post_levels:
        who = [role_name(policy, each) for each in node.roles]
        who += [post_level_name(policy, each) for each in node.post_levels]
        yield text("law-only-for", who="、".join(who))
    if node.measures:
        counting = text(f"law-{node.counting}")
        yield text("law-counts", measures=_measures(policy, node.measures), counting=counting)
    yield from _named(policy, node, day)
    for tier in node.tiers:
        bounds = bounds_told(policy, tier, day)["words"]
        yield text("law-tier", bounds=bounds, points=number(policy, tier.points, day))
    if node.group is not None:
        yield text("law-among", group=group_name(policy, node.group))
    if node.against is not None:
        yield text(f"law-against-{node.against}")
    if node.kind in {"ratio", "per_head", "target", "caseload", "peers"} or node.per is not None:
        yield text(f"law-zero-{node.when_zero}")


def _named(policy: Policy, node: Indicator, day: dt.date) -> Iterator[str]:
    """Yield the other indicators and the numbers of the law that an indicator is made of."""
    told = [(name, indicator_name(policy, value)) for name in _NAMED if (value := getattr(node, name))]
    told += [
        (name, number(policy, value, day)) for name in _NUMBERS if (value := getattr(node, name)) is not None
    ]
    for name, value in told:
        yield text("explain-basis", label=text(f"explain-basis-{name}"), value=value)
    for name, told_of in node.inputs.items():
        value = number(policy, told_of, day) if "." in told_of else indicator_name(policy, told_of)
        yield text("explain-basis", label=f"{node.function} {name}", value=value)
    for name, weight in node.weights.items():
        of = rater_name(policy, name) if node.kind == "raters" else policy.indicator_label(name)
        yield text("law-weight", name=of, value=number(policy, weight, day))
    if node.kind == "caseload" and node.mean_of:
        yield text("law-mean-of", levels="、".join(post_level_name(policy, each) for each in node.mean_of))
    for level, ratio in node.ratios.items():
        yield text("law-ratio", name=post_level_name(policy, level), value=number(policy, ratio, day))


def _grades(policy: Policy, day: dt.date) -> Iterator[Block]:
    grades = policy.file.grades
    if grades is None:
        return
    yield Heading(2, text("law-grades"))
    yield Paragraph(
        text(
            "law-grades-how",
            group=group_name(policy, grades.group or "sheet"),
            ties=text(f"law-ties-{grades.ties}"),
        )
        + cited(grades.cite)
    )
    rows = (
        (
            band.label,
            bounds_told(policy, band, day)["words"],
            ""
            if band.share is None
            else text(
                "law-share",
                share=number(policy, band.share, day),
                rounding=text(f"law-round-{band.rounding}"),
            ),
        )
        for band in grades.bands
    )
    yield grid(("grade", "total", "share"), rows)
    if any(band.consequence for band in grades.bands):
        yield items(
            text("law-consequence", label=band.label, told=band.consequence)
            for band in grades.bands
            if band.consequence
        )
    labels = {band.id: band.label for band in grades.bands}
    if grades.vetoes:
        yield items(
            text(
                "law-veto",
                label=veto.label,
                measure=measure_name(policy, veto.measure),
                grade=labels[veto.at_most],
            )
            + cited(veto.cite)
            for veto in grades.vetoes
        )


def _parameters(policy: Policy, day: dt.date) -> Iterator[Block]:
    names = sorted({name for layer in policy.layers for name in layer.declarations})
    if not names:
        return
    yield Heading(2, text("law-parameters"))
    rows = []
    for name in names:
        held = value_on(policy.layers, name, day)
        told = [layer.declarations[name][1] for layer in policy.layers if name in layer.declarations]
        first, verified = told[0], told[-1].verified
        value = text("law-no-value") if held is None else f"{shown_value(held.value)} {held.unit}"
        bounds = [f"≥ {first.minimum}"] if first.minimum is not None else []
        bounds += [f"≤ {first.maximum}"] if first.maximum is not None else []
        may = "、".join(text(f"explain-level-{level}") for level in first.may_set)
        source = "" if held is None else held.cite + assumed_mark(held.assumed)
        since = "" if held is None else str(held.since)
        layer = "" if held is None else held.layer
        shown = str(verified) if verified else ""
        rows.append((f"{first.label} [{name}]", value, since, layer, ", ".join(bounds), may, source, shown))
    yield grid(("parameter", "value", "since", "layer", "bounds", "may-set", "source", "verified"), rows)
