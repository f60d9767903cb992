"""Entries in words, made once and shown on every page that tells of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from jinja2.environment import TemplateModule
from markupsafe import Markup, escape

from jianheng.contract import CaseText, Entry
from jianheng_adapters.html_report.address import case_page, entry_anchor, person_page, rule_anchor
from jianheng_adapters.scores_view import (
    STATE_LABELS,
    ScoresView,
    factor_text,
    item_kind_label,
    points_text,
    share_text,
)

NO_CASE = "非案件事项"
NOTHING = Markup()


@dataclass(frozen=True, slots=True)
class Line:
    """One entry as a reader sees it. Every :class:`Markup` is escaped already: rows take it as it is."""

    entry: Entry
    anchor: Markup
    day: Markup
    kind: str
    indicator: str
    name: str
    person_href: Markup
    rule: str
    rule_href: str
    number: Markup
    evidence: Markup
    points: Markup
    withheld: Markup
    mark: Markup
    item: Markup
    measure: Markup
    outcome: Markup
    person: Markup


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together, a case's or an item's, with what they add up to."""

    title: str
    href: str
    case: CaseText | None
    lines: Sequence[Line]
    points: str

    @property
    def first(self) -> Line:
        """The first line; what the lines share can be read from it."""
        return self.lines[0]


def make_lines(view: ScoresView, fragments: TemplateModule) -> Mapping[str, Line]:
    """Return every entry in words, by its id.

    Args:
        view: whose entries.
        fragments: the macros of ``fragments.html.jinja``; each distinct piece is rendered once.
    """
    mark, item, measure, outcome, person_cell = (
        cache(getattr(fragments, name)) for name in ("mark", "item", "measure", "outcome", "person")
    )
    indicators = {value.indicator: value.label for value in view.publication.indicators}
    rules = {
        rule: (rule.label, f"rules.html#{rule_anchor(rule)}")
        for texts in view.rules.values()
        for rule in texts
    }
    amount = cache(lambda thousandths: escape(points_text(thousandths)))
    lines: dict[str, Line] = {}
    for person in view.people:
        href = escape(person_page(person.key))
        name = f"{person.name}（{person.staff_no}）"
        cell = person_cell(name, href)
        for entry in person.entries:
            kind = item_kind_label(entry.item_kind)
            indicator = indicators.get(entry.indicator, entry.indicator)
            text = view.rule_on(entry.rule_id, entry.day)
            rule, rule_href = (entry.rule_id, "") if text is None else rules[text]
            lines[entry.entry_id] = Line(
                entry=entry,
                anchor=escape(entry_anchor(entry.entry_id)),
                day=escape(entry.day.isoformat()),
                kind=kind,
                indicator=indicator,
                name=name,
                person_href=href,
                rule=rule,
                rule_href=rule_href,
                number=escape(entry.entry_id),
                evidence=escape(entry.evidence),
                points=amount(entry.points),
                withheld=amount(entry.withheld) if entry.withheld else NOTHING,
                mark=mark(entry.state, indicator),
                item=item(kind, entry.item_label),
                measure=measure(
                    rule,
                    rule_href,
                    entry.quantity,
                    points_text(entry.unit_points),
                    factor_text(entry.coefficient),
                    share_text(entry.share),
                ),
                outcome=outcome(entry.state, STATE_LABELS[entry.state], entry.reason),
                person=cell,
            )
    return lines


def blocks_by_case(view: ScoresView, lines: Iterable[Line]) -> list[Block]:
    """Return lines case by case, by case number, what belongs to no case last."""
    ordered = sorted(lines, key=lambda line: (not line.entry.case_no, line.entry.case_no))
    found = [
        (case_no, list(lines)) for case_no, lines in groupby(ordered, key=lambda line: line.entry.case_no)
    ]
    return [
        _block(case_no or NO_CASE, case_page(case_no) if case_no else "", view.case(case_no), lines)
        for case_no, lines in found
    ]


def blocks_by_item(lines: Iterable[Line]) -> list[Block]:
    """Return a case's lines item by item, by day: who got what for each document or action."""
    ordered = sorted(
        lines, key=lambda line: (line.day, line.entry.item_kind, line.entry.item_key, line.anchor)
    )
    items: dict[tuple[str, str], list[Line]] = {}
    for line in ordered:
        items.setdefault((line.entry.item_kind, line.entry.item_key), []).append(line)
    return [_block(found[0].entry.item_label, "", None, found) for found in items.values()]


def _block(title: str, href: str, case: CaseText | None, lines: Sequence[Line]) -> Block:
    return Block(title, href, case, lines, points_text(sum(line.entry.points for line in lines)))
