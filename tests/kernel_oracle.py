"""The scoring semantics once more, in plain Python over dictionaries: what the kernel's plan must agree with.

Written from the documentation, one item at a time, without SQL. Conditions of the pack ``laoshan`` are
written out by hand; :data:`CONDITIONS` holds the texts they stand for, so that a changed pack is noticed.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from jianheng.facts.convert import Fact, convert
from jianheng.facts.entities import ENTITIES, ROLES
from jianheng.scoring.pack import AuthorityRow, PointsRow
from jianheng.scoring.parameters import value_on
from jianheng.scoring.policy import Policy

Record = Mapping[str, Any]

REPORTS = ("100000002001", "100000003001", "100000007001", "100000009001", "100000016001")

CONDITIONS = {
    "closing": "case when category in ('0201', '0301') then concluded_on else coalesce(completed_on, concluded_on) end",
    "gate": "archive_accepted_on is not null",
    "major_case": "is_supervised or suspect_count >= 5",
    "document_made": "drafted_on is not null",
    "document_guided": "drafted_on is not null and drafter_key <> case_handler_key and template_code in\n"
    "  ('100000002001', '100000003001', '100000007001', '100000009001', '100000016001')",
    "document_reviewed": "approved_on is not null and conclusion = '审核同意'",
    "document_approved": "approved_on is not null and conclusion = '同意'",
    "case_closed": "closed_on is not null",
    "case_in_time": "closed_on is not null and due_on is not null and closed_on <= due_on",
    "prosecution_without_return": "closed_on is not null and has_document('100000003007')"
    " and missing_document('100000003009')",
    "guilty_plea_applied": "closed_on is not null and has_document('100000003005')"
    " and has_document('100000003007', '100000003008')",
    "rights_told": "closed_on is not null and category in ('0201', '0301', '1701', '1722')"
    " and has_document('100000002002', '100000003002')",
    "archived_in_time": "closed_on is not null and archive_accepted_on <= closed_on + 90",
    "excellent_declared": "decision = 'approved' and kind in ('excellent_case', 'excellent_document')",
}


@dataclass(frozen=True, slots=True)
class Line:
    """What both sides must say of one counted item and subject."""

    person: str
    rule: str
    item: str
    points: int
    withheld: int
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Item:
    """One counted thing; ``actor`` None with ``team`` unset means that the source does not say who."""

    measure: str
    key: str
    case_no: str
    category: str
    code: str
    day: dt.date
    actor: str | None
    team: bool


@dataclass(slots=True)
class Part:
    """What one person has to do with one item under one rule, on the way to a line."""

    item: Item
    person: str
    role: str | None
    unit: str | None
    weight: int
    rule: PointsRow
    allowed: bool
    coefficient: int
    reason: str
    due: int = 0


class World:
    """The facts of a small world, looked up by hand."""

    def __init__(self, rows: Mapping[str, Iterable[Record]]) -> None:
        self.records: dict[str, list[Record]] = {
            name: [_typed(name, row) for row in rows.get(name, ())] for name in ENTITIES
        }
        self.cases = {each["case_no"]: each for each in self.records["case"]}

    def of_case(self, entity: str, number: str) -> list[Record]:
        """Return the records of an entity that hang on a case."""
        return [each for each in self.records[entity] if each["case_no"] == number]

    def templates(self, number: str) -> set[str]:
        """Return the templates of a case's documents."""
        return {each["template_code"] for each in self.of_case("document", number)}

    def closed_on(self, number: str) -> dt.date | None:
        """Return the day a case closed by the policy's rule."""
        found = self.cases[number]
        concluded: dt.date | None = found["concluded_on"]
        completed: dt.date | None = found["completed_on"]
        return concluded if found["category"] in {"0201", "0301"} else completed or concluded

    def archived_on(self, number: str) -> dt.date | None:
        """Return the day the last volume was accepted, if every volume was."""
        volumes = self.of_case("archive_volume", number)
        if not volumes or any(each["state"] != "accepted" or each["accepted_on"] is None for each in volumes):
            return None
        last: dt.date = max(each["accepted_on"] for each in volumes)
        return last

    def is_major(self, number: str) -> bool:
        """Return whether a case is special, by rule or by an approved declaration."""
        declared = [
            each
            for each in self.of_case("declaration", number)
            if each["kind"] == "major_case" and each["decision"] == "approved"
        ]
        by_rule = self.cases[number]["is_supervised"] or len(self.of_case("suspect", number)) >= 5
        return bool(by_rule or declared)

    def members(self, number: str) -> dict[str, tuple[str, Any]]:
        """Return who takes part in a case: the strongest role of each and the share agreed."""
        found: dict[str, list[tuple[str, Any]]] = defaultdict(list)
        for each in self.of_case("participation", number):
            found[each["person_key"]].append((each["role"], each["share"]))
        handler = self.cases[number]["handler_key"] if number in self.cases else None
        if not found and handler is not None:
            return {handler: ("quota_prosecutor", None)}
        return {
            person: (
                min((role for role, _ in told), key=ROLES.index),
                max((share for _, share in told if share is not None), default=None),
            )
            for person, told in found.items()
        }

    def posting(self, person: str, day: dt.date) -> Record | None:
        """Return the posting somebody held on a day, the latest begun."""
        held = [
            each
            for each in self.records["posting"]
            if each["person_key"] == person
            and each["valid_from"] <= day
            and (each["valid_to"] is None or day <= each["valid_to"])
        ]
        held.sort(key=lambda each: each["posting_key"])
        return max(held, key=lambda each: each["valid_from"], default=None)

    def unit(self, person: str, day: dt.date) -> str | None:
        """Return where somebody was on a day: '' is elsewhere, None that nobody knows him."""
        if any(each["person_key"] == person for each in self.records["posting"]):
            held = self.posting(person, day)
            return held["unit_code"] if held else ""
        listed = [each for each in self.records["person"] if each["person_key"] == person]
        return listed[0]["unit_code"] if listed else None


def _typed(name: str, row: Record) -> Record:
    fact = convert(ENTITIES[name], row)
    assert isinstance(fact, Fact), fact
    return dict(zip(ENTITIES[name].names, fact.values, strict=True))


def items(world: World) -> Iterator[Item]:
    """Yield everything the pack's measures count, of any day."""
    yield from _documents(world)
    yield from _cases(world)
    for each in world.records["declaration"]:
        counts = each["decision"] == "approved" and each["kind"] in {"excellent_case", "excellent_document"}
        if counts and each["decided_on"] and each["case_no"] in world.cases:
            yield _item(
                world,
                "excellent_declared",
                each["declaration_key"],
                each,
                each["kind"],
                "decided_on",
                "person_key",
            )


def _item(world: World, measure: str, key: str, row: Record, code: str, date: str, actor: str) -> Item:
    number = row["case_no"]
    return Item(
        measure, key, number, world.cases[number]["category"], code, row[date], row[actor], team=False
    )


def _documents(world: World) -> Iterator[Item]:
    for each in world.records["document"]:
        if each["drafted_on"] is None or each["case_no"] not in world.cases:
            continue
        key, code = each["document_key"], each["template_code"]
        yield _item(world, "document_made", key, each, code, "drafted_on", "drafter_key")
        handler = world.cases[each["case_no"]]["handler_key"]
        drafter = each["drafter_key"]
        if code in REPORTS and drafter is not None and handler is not None and drafter != handler:
            guided = {**each, "handler_key": handler}
            yield _item(world, "document_guided", key, guided, code, "drafted_on", "handler_key")
    for each in world.records["approval"]:
        measure = {"审核同意": "document_reviewed", "同意": "document_approved"}.get(each["conclusion"])
        if measure and each["approved_on"] and each["case_no"] in world.cases:
            code = each["template_code"] or ""
            yield _item(world, measure, each["approval_key"], each, code, "approved_on", "approver_key")


def _cases(world: World) -> Iterator[Item]:
    for number, each in world.cases.items():
        closed = world.closed_on(number)
        if closed is None:
            continue
        has = world.templates(number)
        archived = world.archived_on(number)
        team = {
            "case_closed": True,
            "prosecution_without_return": "100000003007" in has and "100000003009" not in has,
            "guilty_plea_applied": "100000003005" in has and bool(has & {"100000003007", "100000003008"}),
        }
        alone = {
            "case_in_time": each["due_on"] is not None and closed <= each["due_on"],
            "rights_told": each["category"] in {"0201", "0301", "1701", "1722"}
            and bool(has & {"100000002002", "100000003002"}),
            "archived_in_time": archived is not None and archived <= closed + dt.timedelta(days=90),
        }
        for measure, counts in team.items():
            if counts:
                yield Item(measure, number, number, each["category"], "", closed, None, team=True)
        for measure, counts in alone.items():
            if counts:
                yield Item(
                    measure, number, number, each["category"], "", closed, each["handler_key"], team=False
                )


def _fits(row: PointsRow | AuthorityRow, item: Item, role: str | None) -> bool:
    return (
        row.measure == item.measure
        and (not row.code or item.code in row.code)
        and (not row.category or item.category in row.category)
        and (not row.role or role in row.role)
    )


def is_allowed(policy: Policy, item: Item, role: str | None, level: str | None) -> bool:
    """Return whether the authority list lets somebody do this."""
    rows = [row for row in policy.authority if row.measure == item.measure]
    if not rows:
        return True
    if any(_fits(row, item, role) and (not row.post_level or level in row.post_level) for row in rows):
        return True
    named = any(
        (not row.code or item.code in row.code) and (not row.category or item.category in row.category)
        for row in rows
    )
    return bool(policy.file.authority and policy.file.authority.unlisted == "permit" and not named)


def _rules(policy: Policy, item: Item, role: str | None, *, allowed: bool) -> list[PointsRow]:
    """Return the rules of an item; for what is not allowed the one that says best what was lost."""
    in_force = [
        row
        for row in policy.points
        if (row.since is None or row.since <= item.day) and (row.until is None or item.day < row.until)
    ]
    own = [row for row in in_force if _fits(row, item, role)]
    if allowed:
        return own
    anyone = [row for row in in_force if _fits(row.model_copy(update={"role": ()}), item, role)]
    return sorted(anyone, key=lambda row: (row not in own, not row.role and row in own, row.id))[:1]


def coefficient(policy: Policy, world: World, item: Item) -> tuple[int, str]:
    """Return the largest factor in force for an item, and its name."""
    found = []
    for each in policy.coefficients if world.is_major(item.case_no) else ():
        span = value_on(policy.layers, each.parameter, item.day)
        if span and (not each.measures or item.measure in each.measures):
            found.append((int(span.value * 1000), each.id))
    return max(found, default=(1000, ""))


def worth(unit_points: int, permille: int) -> int:
    """Return what an item is worth with its factor, half away from zero."""
    size = abs(Fraction(unit_points * permille, 1000)) + Fraction(1, 2)
    whole = size.numerator // size.denominator
    return whole if unit_points >= 0 else -whole


def _weights(
    policy: Policy, item: Item, roles: Mapping[str, str | None], shares: Mapping[str, Any]
) -> dict[str, int]:
    """Return the weights of a team: what was agreed if it makes one, else by the role on the day."""
    if all(share is not None for share in shares.values()) and sum(shares.values()) == 1:
        return {person: int(share * 1_000_000) for person, share in shares.items()}
    sizes = Counter(roles.values())
    weights = {}
    for person, role in roles.items():
        parameter = policy.file.team.weights.get(role or "") if policy.file.team else None
        span = value_on(policy.layers, parameter, item.day) if parameter else None
        weights[person] = int(span.value * 1000) * 5040 // sizes[role] if span else 0
    return weights


def _subjects(policy: Policy, world: World, item: Item) -> tuple[dict[str, str | None], dict[str, int]]:
    """Return for whom an item counts: each one's role on the day, and his weight."""
    members = world.members(item.case_no)
    people = list(members) if item.team else [item.actor] if item.actor is not None else []
    roles: dict[str, str | None] = {}
    for person in people:
        held = world.posting(person, item.day)
        roles[person] = held["role"] if held else members.get(person, (None, None))[0]
    if not item.team:
        return roles, dict.fromkeys(roles, 1)
    return roles, _weights(policy, item, roles, {person: members[person][1] for person in roles})


def _obstacle(policy: Policy, part: Part, units: Sequence[str]) -> str:
    if part.unit is None:
        return "unknown-person"
    if part.unit not in units:
        return "outside-office"
    if not part.allowed:
        return "not-authorised"
    return "" if any(each.role == part.role for each in policy.file.sheets) else "no-sheet"


def _share_out(parts: list[Part]) -> None:
    """Give each his part: the difference of two cumulative shares, strongest role first."""
    parts.sort(key=lambda each: (ROLES.index(each.role) if each.role else len(ROLES), each.person))
    whole = sum(each.weight for each in parts)
    amount = worth(int(parts[0].rule.points * 1000), parts[0].coefficient)
    so_far = 0
    for each in parts:
        before, so_far = so_far, so_far + each.weight
        size = abs(amount) * so_far // whole - abs(amount) * before // whole if whole else 0
        each.due = size if amount >= 0 else -size


def ledger(
    rows: Mapping[str, Iterable[Record]], policy: Policy, start: dt.date, end: dt.date, units: Sequence[str]
) -> Counter[Line]:
    """Return the lines of the ledger of a window, counted."""
    world = World(rows)
    lines: Counter[Line] = Counter()
    parts: list[Part] = []
    for item in items(world):
        if not start <= item.day < end:
            continue
        roles, weights = _subjects(policy, world, item)
        if not roles:
            lines[Line("", "-", item.key, 0, 0, "void", "no-person")] += 1
        shared: dict[str, list[Part]] = defaultdict(list)
        for person, role in roles.items():
            held = world.posting(person, item.day)
            allowed = is_allowed(policy, item, role, held["post_level"] if held else None)
            unit = world.unit(person, item.day)
            rules = _rules(policy, item, role, allowed=allowed)
            if not rules:
                reason = "unknown-person" if unit is None else "no-rule"
                lines[Line(person, "-", item.key, 0, 0, "void", reason)] += 1
            for rule in rules:
                factor, name = coefficient(policy, world, item)
                part = Part(item, person, role, unit, weights[person], rule, allowed, factor, name)
                shared[rule.id].append(part)
        for each in shared.values():
            _share_out(each)
            parts += each
    lines.update(_judged(world, policy, parts, units))
    return lines


def _judged(world: World, policy: Policy, parts: list[Part], units: Sequence[str]) -> Iterator[Line]:
    """Yield lines; of what counts, only the first so many of a rule, case and person."""
    counted: Counter[tuple[str, str, str]] = Counter()
    for part in sorted(parts, key=lambda each: (each.item.day, each.item.key)):
        void = _obstacle(policy, part, units)
        if not void:
            place = (part.rule.id, part.item.case_no, part.person)
            counted[place] += 1
            if part.rule.per_case is not None and counted[place] > part.rule.per_case:
                void = "per-case-limit"
        final = world.archived_on(part.item.case_no) is not None
        state = "void" if void else "final" if final else "provisional"
        points, withheld = (0, part.due) if void else (part.due, 0)
        yield Line(part.person, part.rule.id, part.item.key, points, withheld, state, void or part.reason)
