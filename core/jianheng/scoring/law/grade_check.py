"""Whether groups and grades fit: ids, bands that cover every total once and descend, quotas somebody can be within."""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import pairwise

from jianheng.errors import Problem, problem
from jianheng.scoring.law.indicator_numbers import (
    POINT,
    SHARE,
    Use,
    check_spans,
    check_use,
    days_of,
    spans_on,
)
from jianheng.scoring.law.pack import Band, Grades, PolicyFile
from jianheng.scoring.law.parameters import Layer, amounts
from jianheng.scoring.law.reading import unknown
from jianheng.scoring.law.tiers import BOUND_NAMES


def check_grades(
    file: PolicyFile,
    layers: Sequence[Layer],
    named: Mapping[str, Collection[str]],
    at: Callable[[str, str], str],
) -> Iterator[Problem]:
    """Yield what is wrong with a policy's grades; the arguments are those of ``check_indicators``."""
    grades = file.grades
    if grades is None:
        return
    where = at("grades", "")
    bands = [each.id for each in grades.bands]
    for name in sorted(set(bands)):
        if bands.count(name) > 1:
            yield problem("policy-id-twice", file=f"{where} bands", id=name)
    yield from _check_names(grades, named, where)
    found = [fault for band in grades.bands for fault in _check_uses(band, layers, named, where)]
    yield from found
    if not found:
        yield from _check_bands(grades, file.since, layers, where)
    yield from _check_shares(grades, where)


def _check_names(grades: Grades, named: Mapping[str, Collection[str]], where: str) -> Iterator[Problem]:
    bands = [each.id for each in grades.bands]
    told = [("groups", "group", grades.group)] if grades.group is not None else []
    told += [("measures", "measure", each.measure) for each in grades.vetoes]
    for kind, what, name in told:
        have = named.get(kind)
        if have is not None and name not in have:
            yield unknown(name, have, where, what)
    for veto in grades.vetoes:
        if veto.at_most not in bands:
            yield unknown(veto.at_most, bands, where, "band")
        elif veto.at_most == bands[0]:
            yield problem("grades-veto-idle", where=where, measure=veto.measure, band=veto.at_most)


def _check_uses(
    band: Band, layers: Sequence[Layer], named: Mapping[str, Collection[str]], where: str
) -> Iterator[Problem]:
    uses = [
        Use(name, number, POINT, POINT) for name in BOUND_NAMES if (number := getattr(band, name)) is not None
    ]
    if band.share is not None:
        uses.append(Use("share", band.share, None, SHARE))
    for use in uses:
        at = f"{where} bands {band.id} {use.key}"
        faults = check_use(use, layers, named.get("parameters"), at)
        yield from faults
        if faults or use.key != "share":
            continue
        for value, since, _ in amounts(layers, use.number):
            if not 0 <= value <= 1:
                yield problem("grades-share", where=at, value=value, day=since or "—")
                break


def _check_bands(grades: Grades, since: dt.date, layers: Sequence[Layer], where: str) -> Iterator[Problem]:
    """Bands by totals cover every total once, the best first; bands by quota alone have no totals at all."""
    if all(getattr(band, name) is None for band in grades.bands for name in BOUND_NAMES):
        for band in grades.bands[:-1]:
            if band.share is None:
                yield problem("grades-band-of-all", where=where, band=band.id)
        return
    flaws = list(check_spans(grades.bands, since, layers, f"{where} bands"))
    yield from flaws
    numbers = [getattr(band, name) for band in grades.bands for name in BOUND_NAMES]
    for day in days_of(numbers, since, layers) if not flaws else ():
        spans = spans_on(grades.bands, layers, day)
        for (better, above), (worse, below) in pairwise(zip(grades.bands, spans, strict=False)):
            if above.low < below.high:
                yield problem("grades-order", where=where, better=better.id, worse=worse.id, day=day)
                return


def _check_shares(grades: Grades, where: str) -> Iterator[Problem]:
    shared = [each.id for each in grades.bands if each.share is not None]
    if shared and grades.group is None:
        yield problem("grades-share-without-group", where=where, bands="、".join(shared))
    if grades.bands[-1].share is not None:
        yield problem("grades-last-share", where=where, band=grades.bands[-1].id)
