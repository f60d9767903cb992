"""From ledger sums to indicator values: every node of the tree for everybody, exact and with its reasons.

Indicators are worked out one after the other, each for all people at once, because some compare a person
with his peers. Everything is worked out twice, with all entries and with the final ones only; the
difference is what is provisional. Counts and ratings are the same in both.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from jianheng.scoring.indicators.kinds import KINDS
from jianheng.scoring.indicators.outcome import Gap, Rating, Scored, Tally, Value
from jianheng.scoring.indicators.reader import NoValueError, Reader
from jianheng.scoring.indicators.remembered import Remembered, Worked
from jianheng.scoring.indicators.world import Outcome, World, applies, world_of
from jianheng.scoring.law.exact import rounded, whole
from jianheng.scoring.law.indicator_order import evaluation_order
from jianheng.scoring.law.pack import Indicator
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.points import SCALE
from jianheng.scoring.law.policy import Policy

_FINEST = 3
"""Decimals of a ledger line: a node rounded to fewer need not add up."""


def indicator_values(
    policy: Policy,
    period: Period,
    tallies: Iterable[Tally],
    people: Iterable[Scored],
    ratings: Iterable[Rating],
    last: Remembered | None = None,
) -> list[Value]:
    """Return every indicator of everybody: by person and sheet, and in the order of the file.

    Args:
        policy: the law; its parameters are read as of the last day of the period.
        period: the window.
        tallies: what the ledger holds.
        people: everybody with a sheet, also who has no tally.
        ratings: what raters gave within the period.
        last: what is remembered of the last time, brought up to date.

    Raises:
        StopError: a formula failed.
        ValueError: indicators need each other in a circle, or a tally is of nobody among the people. Both
            are the program's fault: circles are refused at load.
    """
    order, circles = evaluation_order(policy.file.indicators)
    if circles:
        raise ValueError(f"indicators need each other: {circles}")
    everybody = sorted(people, key=lambda each: (each.person_key, each.sheet))
    told = [each for each in tallies if each.sheet]
    world, final, lines = world_of(policy, period, told, everybody, ratings)
    remembering = last is not None
    kept = Remembered() if last is None else last
    kept.begin(everybody)
    if final is not None:
        for _ in _work_out(final, order, kept, recording=False, remembering=remembering):
            pass  # its columns fill up
    entries = _entries(world, order, lines)
    for name, worked in _work_out(world, order, kept, recording=True, remembering=remembering):
        certain = None if final is None else final.columns[name]
        kept.values[name] = _values(name, everybody, worked, entries[name], certain, kept.values.get(name))
    columns = [kept.values[each.id] for each in policy.file.indicators]
    return [column[place][1] for place in range(len(everybody)) for column in columns]


def _entries(
    world: World, order: Sequence[str], lines: Mapping[str, Sequence[int]]
) -> dict[str, Sequence[int]]:
    """Return how many ledger lines went into each indicator, its children's included, by position."""
    nothing = [0] * len(world.people)
    found: dict[str, Sequence[int]] = {}
    for name in order:
        columns = [lines.get(name, nothing), *(found[each.id] for each in world.children.get(name, ()))]
        found[name] = columns[0] if len(columns) == 1 else [sum(some) for some in zip(*columns, strict=True)]
    return found


def _work_out(
    world: World, order: Sequence[str], last: Remembered, *, recording: bool, remembering: bool
) -> Iterator[tuple[str, list[Worked]]]:
    """Work out every indicator for everybody; what still holds of the last time is taken over."""
    by_id = {each.id: each for each in world.policy.file.indicators}
    for name in order:
        node = by_id[name]
        if not recording and not remembering and (added := _added(world, node)) is not None:
            world.columns[name] = added
            yield name, []
            continue
        reader = Reader(world, node, recording=recording, remembering=remembering)
        column = world.columns[name] = []
        before = last.worked.get((name, recording))
        made = []
        for place in range(len(world.people)):
            reader.turn_to(place)
            held = before[place] if before is not None else None
            if held is None or held.seen is None or not reader.still_sees(held.seen):
                outcome = _outcome(node, reader)
                seen = None if reader.seen is None else tuple(reader.seen)
                held = Worked(outcome, tuple(reader.basis), tuple(reader.reads.values()), seen)
            column.append(held.outcome)
            made.append(held)
        last.worked[name, recording] = made
        yield name, made


def adds_up(node: Indicator) -> bool:
    """Return whether a node is nothing but the sum of its lines and children, for everybody."""
    free = node.floor is None and node.ceiling is None and not node.roles and not node.post_levels
    return node.kind == "sum" and node.places == _FINEST and free


def _added(world: World, node: Indicator) -> list[Outcome] | None:
    """Return everybody's outcome of an indicator that only adds up, where each part has a number for everybody.

    None where it does more: then each is worked out by himself (:func:`_outcome`), which would give the same here.
    """
    if not adds_up(node):
        return None
    columns: list[Sequence[Outcome]] = [world.columns[each.id] for each in world.children.get(node.id, ())]
    if any(isinstance(each, Gap) for column in columns for each in column):
        return None
    own = world.points.get(node.id)
    columns += [own] if own is not None else []
    return [sum(some) for some in zip(*columns, strict=True)] if columns else [0] * len(world.people)


def _outcome(node: Indicator, reader: Reader) -> Outcome:
    """Return what an indicator gives one person, within its bounds and rounded."""
    obstacle = applies(node, reader.person)
    if obstacle is not None:
        return obstacle
    try:
        found = KINDS[node.kind](node, reader)
        if isinstance(found, int):
            if node.places == _FINEST and node.floor is None and node.ceiling is None:
                return found
            found = whole(found)
        value = _within_bounds(node, reader, found)
    except NoValueError as nothing:
        return nothing.gap
    points = rounded(value, node.places)
    if points * value.denominator != value.numerator * SCALE:
        reader.note("unrounded", value)
    return points


def _within_bounds(node: Indicator, reader: Reader, value: Fraction) -> Fraction:
    floor = Decimal(0) if node.floor is None and node.kind == "deduct" else node.floor
    if floor is not None and value < (bound := reader.quietly(floor)):
        reader.note("floor", bound)
        return bound
    if node.ceiling is not None and value > (bound := reader.quietly(node.ceiling)):
        reader.note("ceiling", bound)
        return bound
    return value


def _values(
    name: str,
    people: Sequence[Scored],
    worked: Sequence[Worked],
    entries: Sequence[int],
    certain: Sequence[Outcome] | None,
    before: Sequence[tuple[Worked, Value]] | None,
) -> list[tuple[Worked, Value]]:
    """Return what is kept of everybody's outcomes. Where final entries alone give nothing, all of it is provisional."""
    found = []
    for place, (person, each) in enumerate(zip(people, worked, strict=True)):
        outcome, provisional = each.outcome, 0
        if certain is not None and not isinstance(outcome, Gap):
            sure = certain[place]
            provisional = outcome - (0 if isinstance(sure, Gap) else sure)
        if before is not None:
            value = before[place][1]
            if before[place][0] is each and (value.provisional, value.entries) == (
                provisional,
                entries[place],
            ):
                found.append((each, value))
                continue
        key = person.person_key, person.sheet, name
        if isinstance(outcome, Gap):
            value = Value(
                *key, outcome.state, None, 0, entries[place], outcome.reason, each.basis, each.reads
            )
        else:
            value = Value(*key, "scored", outcome, provisional, entries[place], "", each.basis, each.reads)
        found.append((each, value))
    return found
