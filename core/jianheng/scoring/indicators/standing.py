"""Who stands where: totals, dense ranks within sheets and groups, grades. Plain functions on plain numbers."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from jianheng.scoring.indicators.grades import Bar, grade_group, rungs_on
from jianheng.scoring.indicators.groups import SHEET, group_key, members
from jianheng.scoring.indicators.indicators import indicator_values
from jianheng.scoring.indicators.outcome import ALL_RULES, Gap, Scored, Standing, Tally, Value
from jianheng.scoring.law.pack import Grades, Group, PolicyFile
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy
from jianheng.store.tables import NO_RULE

__all__ = ["dense_places", "indicator_values", "standings", "total_indicators"]


def total_indicators(file: PolicyFile) -> dict[str, str]:
    """Return the indicator that is each sheet's total: the one it names, or the first without a parent."""
    root = next((each.id for each in file.indicators if each.parent is None), "")
    return {sheet.id: sheet.total or root for sheet in file.sheets}


def standings(
    policy: Policy,
    period: Period,
    values: Iterable[Value],
    tallies: Iterable[Tally],
    people: Iterable[Scored],
) -> list[Standing]:
    """Return where everybody stands: by sheet, best first; who has no total comes last and has no place.

    Args:
        policy: the law; its parameters are read as of the last day of the period.
        period: the window.
        values: every indicator of everybody (:func:`indicator_values`).
        tallies: what the ledger holds: entries, what was withheld, what vetoes look at.
        people: the same people as for the values.
    """
    everybody = sorted(people, key=lambda each: (each.sheet, each.person_key))
    told = list(tallies)
    totals = total_indicators(policy.file)
    by_key = {(each.person_key, each.sheet): each for each in values if totals[each.sheet] == each.indicator}
    placed = _unplaced(everybody, by_key, told)
    placed = _with_places(placed, everybody, SHEET)
    for group in policy.file.groups:
        placed = _with_places(placed, everybody, group) if group.rank else placed
    if policy.file.grades is not None:
        day = period.end - dt.timedelta(days=1)
        placed = _with_grades(policy, policy.file.grades, day, placed, everybody, told)
    return sorted(placed, key=lambda each: (each.sheet, each.place is None, each.place, each.person_key))


def _unplaced(
    people: Sequence[Scored], totals: Mapping[tuple[str, str], Value], tallies: Sequence[Tally]
) -> list[Standing]:
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for each in tallies:
        if each.rule_id not in {NO_RULE, ALL_RULES}:
            withheld, entries = sums.get((each.person_key, each.sheet), (0, 0))
            sums[each.person_key, each.sheet] = withheld + each.withheld, entries + each.entries
    found: list[Standing] = []
    for person in people:
        key = person.person_key, person.sheet
        total = totals[key]
        withheld, entries = sums.get(key, (0, 0))
        found.append(
            Standing(
                *key,
                state=total.state,
                points=total.points,
                final=None if total.points is None else total.points - total.provisional,
                provisional=total.provisional,
                withheld=withheld,
                place=None,
                place_of=0,
                entries=entries,
                reason=total.reason,
            )
        )
    return found


def _with_places(placed: Sequence[Standing], people: Sequence[Scored], group: Group) -> list[Standing]:
    """Return the standings with everybody's place in his group; who has no total or no group gets none."""
    found = list(placed)
    for positions in members(people, group).values():
        totals = {place: total for place in positions if (total := placed[place].points) is not None}
        ranks = dense_places(totals)
        for place in positions:
            if group is SHEET:
                found[place] = replace(placed[place], place=ranks.get(place), place_of=len(ranks))
            elif place in ranks:
                also = {**placed[place].places, group.id: (ranks[place], len(ranks))}
                found[place] = replace(placed[place], places=also)
    return found


def dense_places(totals: Mapping[int, int]) -> dict[int, int]:
    """Return dense ranks: equal totals share a place and the next total takes the next number."""
    rank = {total: place for place, total in enumerate(sorted(set(totals.values()), reverse=True), start=1)}
    return {name: rank[total] for name, total in totals.items()}


def _with_grades(
    policy: Policy,
    grades: Grades,
    day: dt.date,
    placed: Sequence[Standing],
    people: Sequence[Scored],
    tallies: Sequence[Tally],
) -> list[Standing]:
    """Return the standings with their grades; who has no total gets none."""
    resolved = rungs_on(grades, policy.layers, day)
    if isinstance(resolved, Gap):
        return [_with_grade(each, "", resolved.reason) for each in placed]
    rungs, reads = resolved
    named = next((each for each in policy.file.groups if each.id == grades.group), SHEET)
    group = named if any(each.share is not None for each in rungs) else SHEET
    bars = _bars(grades, tallies)
    found = [
        _with_grade(each, "", "" if group_key(person, group) else f"group-unknown:{group.id}")
        for each, person in zip(placed, people, strict=True)
    ]
    for positions in members(people, group).values():
        scored = {place: total for place in positions if (total := placed[place].points) is not None}
        barred = [bars.get(people[place].person_key) for place in scored]
        given = grade_group(rungs, list(scored.values()), barred, grades.ties)
        for place, grade in zip(scored, given, strict=True):
            found[place] = replace(placed[place], grade=grade.id, grade_reason=grade.reason, reads=reads)
    return found


def _with_grade(standing: Standing, grade: str, reason: str) -> Standing:
    return standing if standing.points is None else replace(standing, grade=grade, grade_reason=reason)


def _bars(grades: Grades, tallies: Sequence[Tally]) -> dict[str, Bar]:
    """Return the strictest veto of everybody who has one: a counted item on any of his sheets is enough."""
    place = {band.id: position for position, band in enumerate(grades.bands)}
    found: dict[str, Bar] = {}
    for veto in grades.vetoes:
        bar = Bar(place[veto.at_most], f"veto:{veto.measure}")
        for each in tallies:
            if each.rule_id == ALL_RULES and each.measure == veto.measure and each.items > 0:
                held = found.get(each.person_key)
                if held is None or bar.best > held.best:
                    found[each.person_key] = bar
    return found
