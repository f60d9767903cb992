"""The scoring semantics once more, in plain Python over dictionaries: what the kernel's plan must agree with.

Written from the documentation, one line at a time, without SQL, and without the kernel's short cuts: it
looks at everything since the policy's first day and then keeps the lines of the period. Numbers of the law
are read from the policy; what its conditions say is given in Python (:class:`Conditions`).
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from jianheng.facts.convert import Fact, convert
from jianheng.facts.entities import ENTITIES, ROLES
from jianheng.scoring.law.pack import Cap, Choice, Factor
from jianheng.scoring.law.pack_rows import AuthorityRow, PointsRow
from jianheng.scoring.law.parameters import amount
from jianheng.scoring.law.period import Period, unit_start
from jianheng.scoring.law.policy import Policy

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """What both sides must say of one counted item and subject."""

    person: str
    rule: str
    measure: str
    item: str
    day: dt.date
    quantity: int
    coefficient: int
    factors: str
    share: int
    points: int
    withheld: int
    state: str
    reason: str
    caps: str


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
    team: bool = False
    quantity: int = 1
    fault: str | None = None
    row: Record = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a pack's expressions say: its items, when choices hold (by ``factor choice``), its gates by case."""

    items: Callable[["World"], Iterable[Item]]
    choices: Mapping[str, Callable[["World", Item], bool]]
    gates: Mapping[str, Callable[["World", str], bool]]


@dataclass(slots=True)
class Part:
    """What one person has to do with one item under one rule, on the way to a line."""

    item: Item
    person: str
    role: str | None
    unit: str | None
    weight: int
    rule: PointsRow
    number: int
    allowed: bool
    chosen: tuple[tuple[str, str, int], ...]
    due: int = 0
    share: int = 1000
    points: int = 0
    counted: int = 0
    void: str = ""
    caps: str = ""


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

    def of_known_cases(self, entity: str) -> list[Record]:
        """Return the records of an entity whose case is known."""
        return [each for each in self.records[entity] if each["case_no"] in self.cases]

    def is_archived(self, number: str) -> bool:
        """Return whether a case has volumes and all of them were accepted."""
        volumes = self.of_case("archive_volume", number)
        accepted = [each for each in volumes if each["state"] == "accepted" and each["accepted_on"]]
        return bool(volumes) and len(accepted) == len(volumes)

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


def ledger(
    rows: Mapping[str, Iterable[Record]],
    policy: Policy,
    conditions: Conditions,
    period: Period,
    units: Sequence[str],
) -> Counter[Line]:
    """Return the lines of the ledger of a period, counted."""
    world = World(rows)
    lines: Counter[Line] = Counter()
    parts: list[Part] = []
    for item in conditions.items(world):
        if policy.file.since <= item.day < period.end:
            found, unruled = _parts(policy, conditions, world, item, units)
            parts += found
            lines.update(unruled)
    _refuse_more_than_so_many(parts)
    _refuse_doubles(parts)
    for part in parts:
        left = part.due + part.counted if part.due < 0 else part.due - part.counted
        part.points = 0 if part.void else left
    _cap_all(policy, parts, period)
    lines.update(_line(policy, conditions, world, part) for part in parts)
    return Counter({line: times for line, times in lines.items() if line.day >= period.start})


def _parts(
    policy: Policy, conditions: Conditions, world: World, item: Item, units: Sequence[str]
) -> tuple[list[Part], list[Line]]:
    """Return what each subject has to do with an item, and lines for what no rule speaks of."""
    chosen = choices(policy, conditions, world, item)
    unruled: list[Line] = []
    roles, weights = _subjects(policy, world, item)
    if not roles:
        unruled.append(_unruled(item, "", "no-person", 0 if item.team else 1000, chosen))
    shared: dict[int, list[Part]] = defaultdict(list)
    for person, role in roles.items():
        held = world.posting(person, item.day)
        allowed = is_allowed(policy, item, role, held["post_level"] if held else None)
        unit = world.unit(person, item.day)
        rules = _rules(policy, item, role, allowed=allowed)
        for number, rule in rules:
            part = Part(item, person, role, unit, weights[person], rule, number, allowed, chosen)
            part.void = _obstacle(policy, part, units)
            shared[number].append(part)
        if not rules:
            shared[-1].append(Part(item, person, role, unit, weights[person], NO_RULE, -1, allowed, chosen))
    for each in shared.values():
        _share_out(each)
    for part in shared.pop(-1, []):
        reason = "unknown-person" if part.unit is None else "no-rule"
        unruled.append(_unruled(item, part.person, reason, part.share, chosen))
    return [part for each in shared.values() for part in each], unruled


NO_RULE = PointsRow.model_construct(id="-", points=0)


def _unruled(
    item: Item, person: str, reason: str, share: int, chosen: tuple[tuple[str, str, int], ...]
) -> Line:
    told = _told(chosen)
    said = (item.quantity, *told, share, 0, 0, "void", reason, "")
    return Line(person, "-", item.measure, item.key, item.day, *said)


def _told(chosen: tuple[tuple[str, str, int], ...]) -> tuple[int, str]:
    """Return the coefficient of an item in permille, half up, and the text of its factors."""
    product = Fraction(1000)
    for _, _, permille in chosen:
        product *= Fraction(permille, 1000)
    return half_up(product), ";".join(f"{factor}={choice}*{permille}" for factor, choice, permille in chosen)


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
        value = amount(policy.layers, parameter, item.day).value if parameter else None
        weights[person] = int(value * 1000) * 5040 // sizes[role] if value else 0
    return weights


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


def _rules(policy: Policy, item: Item, role: str | None, *, allowed: bool) -> list[tuple[int, PointsRow]]:
    """Return the rules of an item by number; for what is not allowed the one that says best what was lost."""
    in_force = [(number, row) for number, row in enumerate(policy.points) if _holds_on(row, item.day)]
    own = [(number, row) for number, row in in_force if _fits(row, item, role)]
    if allowed:
        return own
    anyone = [
        (number, row) for number, row in in_force if _fits(row.model_copy(update={"role": ()}), item, role)
    ]
    return sorted(anyone, key=lambda pair: (pair not in own, not pair[1].role and pair in own, pair[1].id))[
        :1
    ]


def _holds_on(row: PointsRow, day: dt.date) -> bool:
    return (row.since is None or row.since <= day) and (row.until is None or day < row.until)


def choices(
    policy: Policy, conditions: Conditions, world: World, item: Item
) -> tuple[tuple[str, str, int], ...]:
    """Return the factor, the choice and the permille of everything that multiplies an item."""
    found = []
    for factor in policy.file.factors:
        if factor.measures and item.measure not in factor.measures:
            continue
        if factor.over == "case" and not item.case_no:
            continue
        holding = [each for each in factor.choices if _choice_holds(conditions, world, item, factor, each)]
        if factor.take == "first":
            holding = holding[:1]
        values = [(amount(policy.layers, each.value, item.day).value, each.id) for each in holding]
        valued = [(int(value * 1000), choice) for value, choice in values if value is not None]
        if valued:
            largest = max(value for value, _ in valued)
            choice = next(choice for value, choice in valued if value == largest)
            found.append((factor.id, choice, largest))
    return tuple(found)


def _choice_holds(conditions: Conditions, world: World, item: Item, factor: Factor, choice: Choice) -> bool:
    declared = [
        each
        for each in (world.of_case("declaration", item.case_no) if choice.declared else ())
        if each["kind"] == choice.declared and each["decision"] == "approved"
    ]
    when = conditions.choices.get(f"{factor.id} {choice.id}")
    return bool(declared or (when is not None and when(world, item)))


def half_up(value: Fraction) -> int:
    """Return the nearest integer, half away from zero."""
    size = abs(value) + Fraction(1, 2)
    whole = size.numerator // size.denominator
    return whole if value >= 0 else -whole


def worth(rule: PointsRow, quantity: int, chosen: Iterable[tuple[str, str, int]]) -> int:
    """Return what an item is worth under a rule: everything multiplied, then rounded once."""
    product = Fraction(rule.points) * 1000 * quantity
    for _, _, permille in chosen:
        product *= Fraction(permille, 1000)
    return half_up(product)


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
    whole_amount = worth(parts[0].rule, parts[0].item.quantity, parts[0].chosen)
    if not parts[0].item.team:
        parts[0].due = whole_amount
        return
    parts.sort(key=lambda each: (ROLES.index(each.role) if each.role else len(ROLES), each.person))
    whole = sum(each.weight for each in parts)
    so_far = 0
    for each in parts:
        before, so_far = so_far, so_far + each.weight
        size = abs(whole_amount) * so_far // whole - abs(whole_amount) * before // whole if whole else 0
        each.due = size if whole_amount >= 0 else -size
        each.share = each.weight * 1000 // whole if whole else 0


def _refuse_doubles(parts: Iterable[Part]) -> None:
    """What is told of one fault of one person in one case comes, day by day, to the heaviest told so far."""
    alike: dict[tuple[str, str, str, str, bool], list[Part]] = defaultdict(list)
    for part in parts:
        if not part.void and part.rule.fault and part.item.fault is not None:
            word, takes = part.rule.fault, part.rule.points < 0
            alike[word, part.item.case_no, part.item.fault, part.person, takes].append(part)
    for same in alike.values():
        same.sort(key=lambda part: (part.item.day, -abs(part.due), part.rule.id, part.item.key))
        heaviest = abs(same[0].due)
        for part in same[1:]:
            if abs(part.due) <= heaviest:
                part.void = "same-fault"
            elif heaviest:
                part.counted = heaviest
                part.caps = f"{part.rule.id}.fault_cap:{heaviest};"
            heaviest = max(heaviest, abs(part.due))


def _refuse_more_than_so_many(parts: Iterable[Part]) -> None:
    """Of what a rule counts of a person in a case only the first so many count; one fault is one, however often told."""
    alike: dict[tuple[str, str, str], list[Part]] = defaultdict(list)
    for part in parts:
        if not part.void and part.rule.per_case is not None:
            alike[part.rule.id, part.item.case_no, part.person].append(part)
    for same in alike.values():
        same.sort(key=lambda part: (part.item.day, part.item.key))
        things: list[tuple[bool, str]] = []
        for part in same:
            told = bool(part.rule.fault) and part.item.fault is not None
            thing = (told, part.item.fault if told and part.item.fault is not None else part.item.key)
            things += [] if thing in things else [thing]
            if part.rule.per_case is not None and things.index(thing) >= part.rule.per_case:
                part.void = "per-case-limit"


def _cap_all(policy: Policy, parts: Sequence[Part], period: Period) -> None:
    """Apply the caps of the rules themselves, then the policy's in their order."""
    open_parts = [part for part in parts if not part.void]
    for unit in ("case", "month", "year"):
        by_rule: dict[str, list[tuple[Part, int]]] = defaultdict(list)
        for part in open_parts:
            limit = getattr(part.rule, f"{unit}_cap")
            if limit is not None:
                by_rule[part.rule.id].append((part, int(limit * 1000)))
        for rule, bound in by_rule.items():
            _grant(policy, bound, f"{rule}.{unit}_cap", ("person", unit), period)
    for cap in policy.file.caps:
        limited = [
            (part, amount(policy.layers, cap.limit, part.item.day).value)
            for part in open_parts
            if _bound(cap, part)
        ]
        bound = [(part, int(limit * 1000)) for part, limit in limited if limit is not None]
        _grant(policy, bound, cap.id, cap.per, period, by_points=cap.allot == "points")


def _bound(cap: Cap, part: Part) -> bool:
    named = part.rule.id in cap.rules or part.rule.indicator in cap.indicators
    return named and ("case" not in cap.per or part.item.case_no != "")


def _grant(
    policy: Policy,
    bound: Iterable[tuple[Part, int]],
    name: str,
    per: Sequence[str],
    period: Period,
    *,
    by_points: bool = False,
) -> None:
    """Grant each line what is left of its unit's limit on its day, one after the other."""
    units: dict[tuple[object, ...], list[tuple[Part, int]]] = defaultdict(list)
    for part, limit in bound:
        # Within the period the largest come first; what was before it is another period's.
        early = (by_points and part.item.day < period.start,)
        units[early + tuple(_unit(policy, part, unit) for unit in per)].append((part, limit))
    for lines in units.values():

        def place(pair: tuple[Part, int]) -> tuple[object, ...]:
            item = pair[0].item
            first = -abs(pair[0].points) if by_points else 0
            return (first, item.day, item.key, pair[0].person, pair[0].number)

        granted = 0
        for part, limit in sorted(lines, key=place):
            size = abs(part.points)
            given = min(size, max(0, limit - granted))
            granted += given
            if given < size:
                part.caps += f"{name}:{size - given};"
            part.points = given if part.points >= 0 else -given


def _unit(policy: Policy, part: Part, unit: str) -> object:
    if unit == "person":
        return part.person
    return part.item.case_no if unit == "case" else unit_start(part.item.day, unit, policy.file.calendar)


def _line(policy: Policy, conditions: Conditions, world: World, part: Part) -> Line:
    item = part.item
    gates = [each for each in policy.file.gates if not each.measures or item.measure in each.measures]
    final = not item.case_no or all(conditions.gates[each.id](world, item.case_no) for each in gates)
    state = "void" if part.void else "final" if final else "provisional"
    points = 0 if part.void else part.points
    said = (item.quantity, *_told(part.chosen), part.share, points, part.due - points, state, part.void)
    return Line(part.person, part.rule.id, item.measure, item.key, item.day, *said, part.caps)
