"""Why a number is what it is: value, indicators, rules, entries, facts, source records.

Each level can be asked for by itself. What is told is plain data; points are exact decimal texts, and None
where there is no number, with the reason beside it.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from jianheng.errors import StopError
from jianheng.scoring.explanation.asked import EVERYTHING, Asked, Row, below, fits, has_sheet, resolve
from jianheng.scoring.explanation.entry import entry_told
from jianheng.scoring.explanation.fact import entities_of, facts_of
from jianheng.scoring.explanation.gates import open_gates
from jianheng.scoring.explanation.indicator import indicator_told
from jianheng.scoring.explanation.rule import rows_of, rule_told
from jianheng.scoring.explanation.standing import standing_told
from jianheng.scoring.explanation.words import corrected_period, line_words
from jianheng.scoring.indicators.standing import total_indicators
from jianheng.scoring.kernel.directory import Member, category_names, directory
from jianheng.scoring.law.graph import reached
from jianheng.scoring.law.indicator_order import needs
from jianheng.scoring.law.pack import Indicator
from jianheng.scoring.law.pack_rows import PointsRow
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.points import shown
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.records.closed_periods import find_closed, get_closed, law_as_closed
from jianheng.scoring.records.ledger import kept_indicators, kept_standings, lines, scored_run
from jianheng.store.tables import NO_RULE


def find_person(members: Mapping[str, Member], wanted: str) -> Member:
    """Return a person by key, name or staff number.

    Raises:
        StopError: nobody fits, or several do.
    """
    if wanted in members:
        return members[wanted]
    fitting = [each for each in members.values() if wanted in {each.name, each.staff_no}]
    if not fitting:
        raise StopError("explain-nobody", wanted=wanted)
    if len(fitting) > 1:
        raise StopError(
            "explain-several", wanted=wanted, found="、".join(each.person_key for each in fitting)
        )
    return fitting[0]


def explain(
    connection: sa.Connection,
    office: str,
    policy: Policy,
    period: Period,
    wanted: str,
    source_order: Sequence[str] = (),
    asked: Asked = EVERYTHING,
) -> dict[str, Any]:
    """Return everything behind a person's score, or behind the part that is asked for; totals stay whole.

    A closed period is explained by the law it was closed by, whatever the policy says today.

    Raises:
        StopError: the person is unknown or ambiguous, has nothing of what is asked for, or nothing was
            scored yet; or what is kept does not come to itself.
    """
    policy = law_behind(connection, office, policy, period)
    run_id, run = scored_run(connection, office, policy, period)
    members = directory(connection, office, period.start, period.end, source_order)
    member = find_person(members, wanted)
    standings = [row for row in kept_standings(connection, run_id) if row["person_key"] == member.person_key]
    if not standings:
        raise StopError("explain-not-scored", wanted=wanted, period=period.id)
    entries = lines(connection, office, policy, period, member.person_key)
    asked = resolve(policy, period, wanted, entries, asked)
    within = None if asked.indicator is None else set(below(policy, asked.indicator))
    listed = [entry for entry in entries if fits(entry, asked, within)]
    names = category_names(connection, office)
    values = [row for row in kept_indicators(connection, run_id) if row["person_key"] == member.person_key]
    facts = facts_of(connection, office, listed, source_order, members, names)
    laws = _closed_laws(connection, office, policy, listed)
    writer = _Writer(policy, laws, period, names, facts, asked)
    until = open_gates(connection, office, listed, writer.law, source_order, run["facts_at"])
    writer = replace(writer, until=until)
    sheets = {standing["sheet"] for standing in standings}
    return {
        "person": {
            "key": member.person_key,
            "name": member.name,
            "department": member.department,
            "role": member.role,
            "post": member.post,
            "posting_changed": member.changed,
        },
        "period": {
            "id": period.id,
            "label": period.label,
            "start": str(period.start),
            "end": str(period.end),
        },
        "policy": {
            "id": policy.id,
            "label": policy.label,
            "version": policy.version,
            "source": f"{policy.file.source.title} ({policy.file.source.cite})",
            "gates": [each.label for each in policy.gates],
        },
        "run": {"id": run_id, "digest": run["digest"]},
        "asked": {name: getattr(asked, name) for name in Asked.__dataclass_fields__},
        "sheets": [
            writer.sheet(each, values, listed) for each in standings if has_sheet(policy, each, listed, asked)
        ],
        "uncounted": writer.uncounted(listed, sheets),
        "facts": facts,
        "entities": entities_of(facts.values()),
    }


def law_behind(connection: sa.Connection, office: str, policy: Policy, period: Period) -> Policy:
    """Return the law that a period's result is to be read with: of a closed one, that it was closed by."""
    closed = find_closed(connection, office, policy.id, period.id)
    return policy if closed is None else law_as_closed(connection, closed)


def _closed_laws(
    connection: sa.Connection, office: str, policy: Policy, entries: Iterable[Row]
) -> dict[str, Policy]:
    """Return the laws of the closed periods that some entries correct, by the names of the periods."""
    corrected = {name for entry in entries if (name := corrected_period(entry["reason"])) is not None}
    return {
        name: law_as_closed(connection, get_closed(connection, office, policy.id, name))
        for name in sorted(corrected)
    }


@dataclass(frozen=True, slots=True)
class _Writer:
    """Tells of sheets, indicators and rules under one law, within what is asked for; of corrections under theirs."""

    policy: Policy
    laws: Mapping[str, Policy]
    period: Period
    names: Mapping[str, str]
    facts: Mapping[str, Mapping[str, Any]]
    asked: Asked
    until: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rows: dict[tuple[str | None, str], list[PointsRow]] = field(default_factory=dict)

    @property
    def day(self) -> dt.date:
        """The day whose numbers hold for everything above the entries."""
        return self.period.end - dt.timedelta(days=1)

    def sheet(self, standing: Row, values: Iterable[Row], entries: Iterable[Row]) -> dict[str, Any]:
        """Return one sheet: what the total gave, and the indicators asked for."""
        policy, sheet = self.policy, standing["sheet"]
        total = total_indicators(policy.file)[sheet]
        mine: dict[str, dict[str, list[Row]]] = {}
        for entry in entries:
            if entry["sheet"] == sheet and entry["rule_id"] != NO_RULE:
                mine.setdefault(entry["indicator"], {}).setdefault(entry["rule_id"], []).append(entry)
        held = {value["indicator"]: value for value in values if value["sheet"] == sheet}
        return {
            "id": sheet,
            "label": next(each.label for each in policy.file.sheets if each.id == sheet),
            "total": total,
            **standing_told(policy, standing, self.day),
            "indicators": self._indicators(self._roots(mine, total), held, mine),
        }

    def _roots(self, entries: Mapping[str, Any], total: str) -> list[Indicator]:
        """Return the indicators to begin with: those asked for, or what has no parent and is not of another sheet."""
        nodes = self.policy.file.indicators
        if self.asked.rule is not None:
            named = {row.indicator for row in self.policy.points if row.id == self.asked.rule}
            named |= set(entries)
            return [each for each in nodes if each.id in named]
        if self.asked.entry is not None:
            return [each for each in nodes if each.id in entries]
        if self.asked.indicator is not None:
            return [each for each in nodes if each.id == self.asked.indicator]
        # Another sheet's total says nothing of this one: two totals of one person would be read as two scores.
        others = set(total_indicators(self.policy.file).values()) - reached([total], needs(nodes))
        roots = [each for each in nodes if each.parent is None and each.id not in others]
        return sorted(roots, key=lambda each: total not in below(self.policy, each.id))

    def _indicators(
        self,
        nodes: Iterable[Indicator],
        held: Mapping[str, Row],
        entries: Mapping[str, Mapping[str, Sequence[Row]]],
    ) -> list[dict[str, Any]]:
        """Return some indicators; of a case only those that it has entries in."""
        told = [self._indicator(each, held, entries) for each in nodes]
        return [each for each in told if self.asked.case_no is None or each["rules"] or each["children"]]

    def _indicator(
        self, node: Indicator, held: Mapping[str, Row], entries: Mapping[str, Mapping[str, Sequence[Row]]]
    ) -> dict[str, Any]:
        children = [each for each in self.policy.file.indicators if each.parent == node.id]
        states = {each.id: held[each.id]["state"] for each in children}
        told = indicator_told(self.policy, node, held[node.id], states, self.day)
        alone = self.asked.rule is not None or self.asked.entry is not None
        lower = [] if alone else self._indicators(children, held, entries)
        return told | {"rules": self._rules(node.id, entries.get(node.id, {})), "children": lower}

    def _rules(self, indicator: str, entries: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
        """Return the rules of an indicator that gave something or refused it, and the one asked for in any case."""
        known = [row.id for row in self.policy.points if row.indicator == indicator]
        ids = dict.fromkeys([*known, *entries])  # a correction may be by a rule that there is no longer
        return [
            self._rule(each, entries.get(each, ()))
            for each in ids
            if each in entries or each == self.asked.rule
        ]

    def _rule(self, rule: str, entries: Sequence[Row]) -> dict[str, Any]:
        law = self.policy if rows_of(self.policy, rule) else self.law(entries[0])
        worth = dict.fromkeys(shown(entry["unit_points"]) for entry in entries)
        told = rule_told(law, rule, self.period, self.names)
        return told | {
            "unit_points": list(worth),
            "points": shown(sum(entry["points"] for entry in entries)),
            "withheld": shown(sum(entry["withheld"] for entry in entries)),
            "entries": [self._entry(entry) for entry in entries],
        }

    def law(self, entry: Row) -> Policy:
        """Return the law that an entry was made by."""
        return self.laws.get(corrected_period(entry["reason"]) or "", self.policy)

    def _rows(self, entry: Row) -> list[PointsRow]:
        """Return the rows of an entry's rule in its law."""
        key = (corrected_period(entry["reason"]), entry["rule_id"])
        if key not in self.rows:
            self.rows[key] = rows_of(self.law(entry), entry["rule_id"])
        return self.rows[key]

    def _entry(self, entry: Row) -> dict[str, Any]:
        """Return an entry with the first of the records that its fact was read from; ``facts`` holds the rest."""
        name = f"{entry['item_kind']}/{entry['item_key']}"
        records = self.facts[name]["records"] if name in self.facts else []
        until = self.until.get(entry["entry_id"], ())
        return entry_told(self.law(entry), entry, self._rows(entry), self.names, until) | {
            "fact": name,
            "record": records[0] if records else {},
        }

    def uncounted(self, entries: Iterable[Row], sheets: set[str]) -> list[dict[str, Any]]:
        """Sum up what is on none of his sheets: items no rule speaks of, or done in a role without a sheet."""
        found: dict[tuple[str, str, str], list[Row]] = {}
        for entry in entries:
            if entry["rule_id"] == NO_RULE or entry["sheet"] not in sheets:
                key = (entry["measure"], entry["item_label"], entry["reason"])
                found.setdefault(key, []).append(entry)
        ranked = sorted(found.items(), key=lambda each: (-len(each[1]), each[0]))
        return [
            {
                "measure": measure,
                "item": label,
                "reason": reason,
                "reason_text": line_words("void", reason),
                "items": len(held),
                "entries": [self._entry(each) for each in held] if self.asked.narrow else [],
            }
            for (measure, label, reason), held in ranked
        ]
