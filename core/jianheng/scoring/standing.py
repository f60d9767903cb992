"""From ledger sums to standings: indicator trees, totals, dense ranks. Plain functions on plain numbers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jianheng.scoring.pack import Indicator


@dataclass(frozen=True, slots=True)
class Sum:
    """The ledger of one person, sheet and indicator, summed. Points are 0.001 point."""

    person_key: str
    sheet: str
    indicator: str
    points: int
    provisional: int
    withheld: int
    entries: int


@dataclass(frozen=True, slots=True)
class Value:
    """One indicator of one person, children included."""

    person_key: str
    sheet: str
    indicator: str
    points: int
    provisional: int
    entries: int


@dataclass(frozen=True, slots=True)
class Standing:
    """One person's total on one sheet and the place it gives him; equal totals share a place."""

    person_key: str
    sheet: str
    points: int
    final: int
    provisional: int
    withheld: int
    place: int
    place_of: int
    entries: int


def indicator_values(
    sums: Iterable[Sum], indicators: Sequence[Indicator], subjects: Iterable[tuple[str, str]]
) -> list[Value]:
    """Return every indicator of every subject: its own entries and its children's, zero where there are none."""
    own: dict[tuple[str, str, str], tuple[int, int, int]] = {}
    people = set(subjects)
    for each in sums:
        own[each.person_key, each.sheet, each.indicator] = (each.points, each.provisional, each.entries)
        people.add((each.person_key, each.sheet))
    children: dict[str | None, list[str]] = {}
    for node in indicators:
        children.setdefault(node.parent, []).append(node.id)

    def value(person: str, sheet: str, indicator: str) -> tuple[int, int, int]:
        parts = [own.get((person, sheet, indicator), (0, 0, 0))]
        parts += [value(person, sheet, child) for child in children.get(indicator, ())]
        return sum(part[0] for part in parts), sum(part[1] for part in parts), sum(part[2] for part in parts)

    return [
        Value(person, sheet, node.id, *value(person, sheet, node.id))
        for person, sheet in sorted(people)
        for node in indicators
    ]


def standings(sums: Iterable[Sum], subjects: Iterable[tuple[str, str]]) -> list[Standing]:
    """Return totals and dense ranks within each sheet, best first; people without entries stand at zero."""
    totals: dict[tuple[str, str], list[int]] = {subject: [0, 0, 0, 0] for subject in subjects}
    for each in sums:
        total = totals.setdefault((each.person_key, each.sheet), [0, 0, 0, 0])
        for position, amount in enumerate((each.points, each.provisional, each.withheld, each.entries)):
            total[position] += amount
    placed: list[Standing] = []
    for sheet in sorted({sheet for _, sheet in totals}):
        members = {person: total for (person, on), total in totals.items() if on == sheet}
        places = dense_places({person: total[0] for person, total in members.items()})
        for person in sorted(members, key=lambda name: (places[name], name)):
            points, provisional, withheld, entries = members[person]
            placed.append(
                Standing(
                    person,
                    sheet,
                    points,
                    points - provisional,
                    provisional,
                    withheld,
                    places[person],
                    len(members),
                    entries,
                )
            )
    return placed


def dense_places(totals: Mapping[str, int]) -> dict[str, int]:
    """Return dense ranks: equal totals share a place and the next total takes the next number."""
    place_of = {
        points: place for place, points in enumerate(sorted(set(totals.values()), reverse=True), start=1)
    }
    return {name: place_of[points] for name, points in totals.items()}
