"""How an indicator looks at the world, and the record of what it looked at.

A kind of indicator (:mod:`jianheng.scoring.indicators.kinds`) reads everything through a
:class:`Reader`; basis and parameters of a value are what the reader saw, so no kind reports anything itself
and none can forget to.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from jianheng.scoring.indicators.groups import Key, group_key, members
from jianheng.scoring.indicators.outcome import Gap, Scored
from jianheng.scoring.indicators.peers import Peers, peers
from jianheng.scoring.indicators.world import Counted, World, applies
from jianheng.scoring.law.exact import exact_text, points_text, whole
from jianheng.scoring.law.formulas import call_formula
from jianheng.scoring.law.pack import Group, Indicator, Number
from jianheng.scoring.law.parameters import Resolved

_NOTHING = Counted()

Seen = tuple[str, Any, Any]
"""One thing a reader was told: of what kind, of what, and what it was."""


class NoValueError(Exception):
    """Carries the reason why an indicator has no number up to where it is written down."""

    def __init__(self, gap: Gap) -> None:
        super().__init__(gap.reason)
        self.gap = gap


class Reader:
    """One indicator looking at one person after the other.

    Attributes:
        node: the indicator.
        position: of the person it is being worked out for.
        basis: what was read or worked out on the way, in order, as texts.
        reads: the parameters read, by name.
        seen: what differs from person to person and was read; None once something was that cannot be asked again,
            and where nobody will ask.
    """

    def __init__(self, world: World, node: Indicator, *, recording: bool, remembering: bool) -> None:
        self._world = world
        self._recording = recording
        self._remembering = remembering
        self._points = world.points.get(node.id)
        self.node = node
        self.children: Sequence[Indicator] = world.children.get(node.id, ())
        self.earns = node.id in world.earning
        self.position = 0
        self.person: Scored = world.people[0] if world.people else Scored("", "", "", "", "", "", "")
        self.basis: list[tuple[str, str]] = []
        self.reads: dict[str, Resolved] = {}
        self.seen: list[Seen] | None = None

    def turn_to(self, position: int) -> Scored:
        """Begin with the next person, and with an empty record."""
        self.position, self.person = position, self._world.people[position]
        self.basis, self.reads, self.seen = [], {}, [] if self._remembering else None
        return self.person

    def still_sees(self, seen: Iterable[Seen]) -> bool:
        """Return whether the person's reads would give what they gave."""
        world, position = self._world, self.position
        for kind, name, told in seen:
            if kind == "points":
                same = (0 if self._points is None else self._points[position]) == told
            elif kind == "outcome":
                same = world.columns[name][position] == told
            elif kind == "counted":
                same = world.counted.get(name, {}).get(position, _NOTHING) == told
            elif kind == "ratings":
                same = self._ratings() == told
            elif kind == "formula":
                same = self._formula() == told
            else:
                same = self._same_peers(name, told)
            if not same:
                return False
        return True

    def _same_peers(self, levels: tuple[str, ...], told: Peers | None) -> bool:
        try:
            found = self._peers(levels)
        except NoValueError:
            return False
        return found is told or (found is not None and told is not None and found.values == told.values)

    def _saw(self, kind: str, name: Any, told: Any) -> None:
        if self.seen is not None:
            self.seen.append((kind, name, told))

    def note(self, name: str, value: Fraction | Decimal | int | str) -> None:
        """Write down what was read or worked out."""
        if self._recording:
            self.basis.append((name, value if isinstance(value, str) else exact_text(value)))

    def entries(self) -> int:
        """Return the 0.001 points of the indicator's own entries."""
        points = 0 if self._points is None else self._points[self.position]
        self._saw("points", None, points)
        if self._recording and self.earns:
            self.basis.append(("entries", points_text(points)))
        return points

    def counted(self, measure: str) -> Counted:
        """Return what somebody has of a measure."""
        found = self._world.counted.get(measure, {}).get(self.position, _NOTHING)
        self._saw("counted", measure, found)
        return found

    def outcome(self, name: str, indicator: str) -> int | Gap:
        """Return what another indicator gave in 0.001, or why it gave nothing."""
        found = self._world.columns[indicator][self.position]
        self._saw("outcome", indicator, found)
        if self._recording:
            told = found.reason if isinstance(found, Gap) else points_text(found)
            self.basis.append((name, told))
        return found

    def value(self, name: str) -> Fraction:
        """Return what the indicator gave that this one names in field ``name``.

        Raises:
            NoValueError: it gave nothing.
        """
        found = self.outcome(name, self._named(name))
        if isinstance(found, Gap):
            raise NoValueError(found)
        return whole(found)

    def number(self, name: str) -> Fraction:
        """Return the number of field ``name`` on the day.

        Raises:
            NoValueError: its parameter has no value on the day.
        """
        return self.amount(name, self._named(name))

    def amount(self, name: str, number: Number) -> Fraction:
        """Return a number of the policy on the day, written down as ``name``; raises as :meth:`number`."""
        value = self.quietly(number)
        self.note(name, self._world.amount(number).text)
        return value

    def quietly(self, number: Number) -> Fraction:
        """Return a number of the policy on the day; of it only the parameter read is written down."""
        found = self._world.amount(number)
        if found.value is None:
            raise NoValueError(Gap("missing", f"parameter:{number}"))
        if found.read is not None:
            self.reads[found.read.name] = found.read
        return found.value

    def peers(self, levels: tuple[str, ...] = ()) -> Peers | None:
        """Return the values of the indicator's ``input`` in the person's ``group``; None where nobody has any.

        Args:
            levels: only of those at these post levels; blank: of everybody, the person himself included.

        Raises:
            NoValueError: which group he is in is not known, or whether somebody in it is at one of the levels.
        """
        held, self.seen = self.seen, None  # who is without peers is asked again next time
        found = self._peers(levels)
        self.seen = held
        self._saw("peers", levels, found)
        self.note("peers", len(found.values) if found else 0)
        return found

    def _peers(self, levels: tuple[str, ...]) -> Peers | None:
        world, name = self._world, str(self._named("input"))
        group = next(each for each in world.policy.file.groups if each.id == self.node.group)
        key = group_key(self.person, group)
        if key is None:
            raise NoValueError(Gap("missing", f"group-unknown:{group.id}"))
        if (name, group.id, key, levels) not in world.peers:
            column = world.columns[name]
            told = [
                (place, value)
                for place in self._members(group)[key]
                if not isinstance(value := column[place], Gap)
            ]
            at = {place: world.people[place].post_level for place, _ in told} if levels else {}
            if not all(at.values()):
                raise NoValueError(Gap("missing", f"peer-level-unknown:{group.id}"))
            values = [value for place, value in told if not levels or at[place] in levels]
            world.peers[name, group.id, key, levels] = peers(values) if values else None
        return world.peers[name, group.id, key, levels]

    def ratings(self) -> Mapping[str, Sequence[Decimal]]:
        """Return the scores the person was given for the indicator's ``rating``, by kind of rater."""
        found = self._ratings()
        self._saw("ratings", None, found)
        return found

    def _ratings(self) -> Mapping[str, Sequence[Decimal]]:
        return self._world.ratings.get((self.person.person_key, str(self.node.rating)), {})

    def formula(self) -> Fraction | None:
        """Return what the indicator's function gave this person."""
        found = self._formula()
        self._saw("formula", None, found)
        return found

    def _formula(self) -> Fraction | None:
        if self.node.id not in self._world.formulas:
            self._world.formulas[self.node.id] = _formula_column(self._world, self.node)
        return self._world.formulas[self.node.id][self.position]

    def _members(self, group: Group) -> dict[Key, list[int]]:
        if group.id not in self._world.groups:
            self._world.groups[group.id] = members(self._world.people, group)
        return self._world.groups[group.id]

    def _named(self, name: str) -> Any:
        """Return a field that this kind of indicator must have; that it has is checked at load."""
        found = getattr(self.node, name)
        if found is None:
            raise ValueError(f"indicator {self.node.id} has no {name}")
        return found


def _formula_column(world: World, node: Indicator) -> list[Fraction | None]:
    """Call the function once a sheet, with the people it speaks of in the order of their keys."""
    results: list[Fraction | None] = [None] * len(world.people)
    sheets: dict[str, list[int]] = {}
    for position, person in enumerate(world.people):
        if applies(node, person) is None:
            sheets.setdefault(person.sheet, []).append(position)
    for positions in sheets.values():
        columns = {name: _column(world, told, positions) for name, told in node.inputs.items()}
        formula = world.policy.formulas[str(node.function)]
        given = call_formula(formula, columns, len(positions))
        for position, value in zip(positions, given, strict=True):
            results[position] = value
    return results


def _column(world: World, told: str, positions: Sequence[int]) -> tuple[Fraction | None, ...]:
    """Return one argument of a formula: an indicator's values, or a parameter's, the same for everyone."""
    if told not in world.columns:
        return (world.amount(told).value,) * len(positions)
    found = (world.columns[told][position] for position in positions)
    return tuple(None if isinstance(each, Gap) else whole(each) for each in found)
