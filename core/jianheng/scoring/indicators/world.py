"""Everything that indicators are worked out from, laid out so that each can be worked out for all people at once."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

from jianheng.scoring.indicators.groups import Key
from jianheng.scoring.indicators.outcome import ALL_RULES, Gap, Rating, Scored, Tally
from jianheng.scoring.indicators.peers import Peers
from jianheng.scoring.law.exact import exact_text
from jianheng.scoring.law.indicator_order import children
from jianheng.scoring.law.pack import Indicator, Number
from jianheng.scoring.law.parameters import Resolved, amount
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy

Outcome = int | Gap
"""What an indicator gave somebody: 0.001, or why there is nothing."""

Position = Mapping[tuple[str, str], int]
"""Where a person with a sheet stands in the list of people."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The items of one measure that somebody has; shares in permille."""

    items: int = 0
    quantity: int = 0
    shares: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """A number of the law on the day, as indicators use it.

    Attributes:
        value: None where its parameter has none.
        text: how it is written down.
        read: the parameter read, if one was.
    """

    value: Fraction | None
    text: str
    read: Resolved | None


@dataclass(frozen=True, slots=True)
class World:
    """What the indicators of one evaluation look at.

    Attributes:
        day: the day on which parameters are read.
        people: by person and sheet; everything else goes by the position in this list.
        children: of each indicator that has any.
        earning: the indicators that rules give points to.
        points: of each indicator with entries, the 0.001 points of everybody.
        counted: of each measure, by position, who has items.
        ratings: by person and rating, the scores of each kind of rater.
        columns: fills up as indicators are worked out: the outcomes of everybody.
        numbers, groups, peers, formulas: what was found once and is not looked for again.
    """

    policy: Policy
    day: dt.date
    people: Sequence[Scored]
    children: Mapping[str, Sequence[Indicator]]
    earning: frozenset[str]
    points: Mapping[str, Sequence[int]]
    counted: Mapping[str, Mapping[int, Counted]]
    ratings: Mapping[tuple[str, str], Mapping[str, Sequence[Decimal]]]
    columns: dict[str, list[Outcome]] = field(default_factory=dict)
    numbers: dict[Number, "Known"] = field(default_factory=dict)
    groups: dict[str, dict[Key, list[int]]] = field(default_factory=dict)
    peers: dict[tuple[str, str, Key, tuple[str, ...]], Peers | None] = field(default_factory=dict)
    formulas: dict[str, list[Fraction | None]] = field(default_factory=dict)

    def with_points(self, points: Mapping[str, Sequence[int]]) -> "World":
        """Return the same world with other points, in which nothing has been worked out yet."""
        return replace(self, points=points, columns={}, peers={}, formulas={})

    def amount(self, number: Number) -> "Known":
        """Return a number on the day of the evaluation."""
        found = self.numbers.get(number)
        if found is None:
            held = amount(self.policy.layers, number, self.day)
            value = None if held.value is None else Fraction(held.value)
            text = "" if value is None else exact_text(value)
            found = self.numbers[number] = Known(value, text, held.read)
        return found


def world_of(
    policy: Policy,
    period: Period,
    tallies: Sequence[Tally],
    people: Sequence[Scored],
    ratings: Iterable[Rating],
) -> tuple[World, World | None, Mapping[str, Sequence[int]]]:
    """Return the world with all entries, the one with final ones only, and the ledger lines of each indicator.

    The second is None where nothing is provisional.

    Raises:
        ValueError: a tally is of nobody among the people.
    """
    position = {(each.person_key, each.sheet): place for place, each in enumerate(people)}
    strangers = {(each.person_key, each.sheet) for each in tallies} - position.keys()
    if strangers:
        raise ValueError(f"tallies of people who are not scored: {sorted(strangers)}")
    by_id = {each.id: each for each in policy.file.indicators}
    points, final, lines = _sums(position, tallies)
    measures = {name: node.measures for name, node in by_id.items() if node.measures}
    for name, entries in _counted_lines(position, tallies, measures).items():
        lines[name] = entries
    world = World(
        policy=policy,
        day=period.end - dt.timedelta(days=1),
        people=people,
        children={
            name: tuple(by_id[child] for child in below)
            for name, below in children(policy.file.indicators).items()
        },
        earning=frozenset(row.indicator for row in policy.points),
        points=points,
        counted=_counted(position, tallies),
        ratings=_ratings(ratings),
    )
    return world, None if final == points else world.with_points(final), lines


Columns = dict[str, list[int]]


def _sums(position: Position, tallies: Sequence[Tally]) -> tuple[Columns, Columns, Columns]:
    """Return points, final points and ledger lines of each indicator, by position."""
    nothing = [0] * len(position)
    points: Columns = {}
    final: Columns = {}
    lines: Columns = {}
    for each in tallies:
        name = each.indicator
        if not name:
            continue
        if name not in points:
            points[name], final[name], lines[name] = nothing.copy(), nothing.copy(), nothing.copy()
        place = position[each.person_key, each.sheet]
        points[name][place] += each.points
        final[name][place] += each.points - each.provisional
        lines[name][place] += each.entries
    return points, final, lines


def _counted_lines(
    position: Position, tallies: Sequence[Tally], measures: Mapping[str, Sequence[str]]
) -> Columns:
    """Return the ledger lines of what each indicator counts, by position."""
    of_measure: Columns = {}
    counted = {measure for named in measures.values() for measure in named}
    for each in tallies:
        if each.measure in counted:
            column = of_measure.setdefault(each.measure, [0] * len(position))
            column[position[each.person_key, each.sheet]] += each.entries
    nothing = [0] * len(position)
    return {
        name: [sum(some) for some in zip(*(of_measure.get(each, nothing) for each in named), strict=True)]
        for name, named in measures.items()
    }


def _counted(position: Position, tallies: Sequence[Tally]) -> dict[str, dict[int, Counted]]:
    found: dict[str, dict[int, Counted]] = {}
    for each in tallies:
        if each.rule_id == ALL_RULES:
            place = position[each.person_key, each.sheet]
            found.setdefault(each.measure, {})[place] = Counted(each.items, each.quantity, each.shares)
    return found


def _ratings(ratings: Iterable[Rating]) -> dict[tuple[str, str], dict[str, list[Decimal]]]:
    found: dict[tuple[str, str], dict[str, list[Decimal]]] = {}
    for each in ratings:
        kinds = found.setdefault((each.person_key, each.rating), {})
        kinds.setdefault(each.rater_kind, []).append(each.score)
    return found


def applies(node: Indicator, person: Scored) -> Gap | None:
    """Return why an indicator does not speak of somebody; None where it does."""
    if node.roles and person.role not in node.roles:
        return Gap("not-applicable", f"role:{person.role}")
    if node.post_levels and not person.post_level:
        return Gap("missing", "post-level-unknown")
    if node.post_levels and person.post_level not in node.post_levels:
        return Gap("not-applicable", f"post-level:{person.post_level}")
    return None
