"""The chain of a policy: packs from the general to the special, laid one over the other by id.

What a lower layer says again must name what it replaces: the fingerprint of the thing above, for points and
parameters the value. When that changes, loading fails until somebody has looked. Nothing is replaced by chance.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

from pydantic import BaseModel

from jianheng.errors import Problem, problem
from jianheng.rules.measure import Measure
from jianheng.scoring.law.formulas import Formula
from jianheng.scoring.law.layer_files import Written, read_pack
from jianheng.scoring.law.pack import LEVELS, Overriding, PolicyFile, Vocabulary
from jianheng.scoring.law.pack_files import Files
from jianheng.scoring.law.pack_rows import PointsRow
from jianheng.scoring.law.parameters import Layer
from jianheng.scoring.law.reading import Line

_FIRST, _LAST = dt.date.min, dt.date.max
_LISTED = ("sheets", "indicators", "gates", "factors", "caps", "groups")
_SINGLE = ("team", "authority", "grades")
_PLAIN = ("closing", "due_for_archive", "calendar", "adjustments")
Thing = TypeVar("Thing", bound=BaseModel)


@dataclass(slots=True)
class Draft:
    """A policy put together from its layers, not yet checked as a whole.

    Attributes:
        file: ``policy.toml`` of the whole chain.
        where: the policy file of the pack itself, for what is missing altogether.
        origins: where each thing stands, by kind and id.
        named: every id some file names, by kind, faulty things too.
        catalogues: the codes of each catalogue, with the code each stands under (empty at the top).
        faulty: parts that could not be read in full: what is missing there is no fault of its own.
        blind: the kinds of which not every id is known.
        unread_parameters: parameters that are named but could not be read; None where there is no telling which.
    """

    file: PolicyFile
    where: str
    problems: list[Problem]
    origins: dict[tuple[str, str], str] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    measures: dict[str, tuple[str, Measure]] = field(default_factory=dict)
    points: list[Line] = field(default_factory=list)
    authority: list[Line] = field(default_factory=list)
    formulas: dict[str, Formula] = field(default_factory=dict)
    formula_texts: list[str] = field(default_factory=list)
    catalogues: dict[str, dict[str, str]] = field(default_factory=dict)
    named: dict[str, set[str]] = field(default_factory=dict)
    faulty: frozenset[str] = frozenset()
    blind: frozenset[str] = frozenset()
    unread_parameters: frozenset[str] | None = frozenset()

    def at(self, kind: str, name: str = "") -> str:
        """Return where something stands."""
        return self.origins.get((kind, name), self.where)


def read_chain(
    files: Files, find: Callable[[str], Files | None]
) -> tuple[list[tuple[Files, Written]], list[Problem]]:
    """Return the packs from the most general to this one, and what is wrong with the chain itself."""
    chain: list[tuple[Files, Written]] = []
    current: Files | None = files
    asked: str | None = None
    while current is not None:
        written = read_pack(current)
        where = f"{current.name}/policy.toml"
        if asked is not None and asked != written.id and "id" not in written.faulty:
            return chain[::-1], [problem("policy-id-differs", where=where, id=written.id, pack=asked)]
        if any(written.id == below.id for _, below in chain):
            return chain[::-1], [problem("policy-circle", pack=written.id, where=where)]
        chain.append((current, written))
        asked = written.file.extends if written.file is not None else None
        if asked is None:
            break
        current = find(asked)
        if current is None:
            return chain[::-1], [problem("policy-not-found", pack=asked, where=f"{where} extends")]
    found = [
        problem(
            "policy-level-order",
            where=f"{written.name}/policy.toml extends",
            pack=above.id,
            above=above.level,
            level=written.level,
        )
        for (_, written), (_, above) in pairwise(chain)
        if LEVELS.index(above.level) > LEVELS.index(written.level)
        and not {"level"} & (above.faulty | written.faulty)
    ]
    return chain[::-1], found


def fingerprint(thing: BaseModel) -> str:
    """Return the mark by which a lower layer names what it replaces.

    It holds what differs from the defaults only, so that a version of Jianheng that knows one key more does not
    make every override of every province stale.
    """
    said = thing.model_dump(mode="json", exclude={"replaces"}, exclude_defaults=True)
    told = json.dumps(said, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def merge(layers: Sequence[Written], *, whole: bool = True) -> Draft:
    """Lay the layers over each other, from the most general to the most special.

    The last pack gives the identity; an office's folder comes after it. Where a layer above is missing
    (``whole`` is false) or partly unreadable, nothing is said of overrides that may well be of its parts.
    """
    packs = [each for each in layers if each.file is not None]
    file = packs[-1].file
    if file is None:  # pragma: no cover  a pack always has one
        raise AssertionError
    draft = Draft(
        file, f"{packs[-1].name}/policy.toml", [fault for each in layers for fault in each.problems]
    )
    draft.faulty = frozenset().union(*(each.faulty for each in layers))
    draft.blind = frozenset().union(*(each.blind for each in layers))
    merged: dict[str, dict[str, tuple[str, Any]]] = {kind: {} for kind in _LISTED}
    single: dict[str, Any] = {}
    limits: dict[str, list[frozenset[str]]] = {}
    unread: set[str] = set() if whole else {*_LISTED, *_SINGLE, "measures", "points"}
    for layer in layers:
        above = _Above(layer, limits, frozenset(unread))
        unread |= layer.faulty
        for kind, names in layer.named.items():
            draft.named.setdefault(kind, set()).update(names)
        if layer.file is not None:
            for kind in _LISTED:
                things = [
                    (f"{layer.name}/policy.toml [{kind} {each.id}]", each.id, each)
                    for each in getattr(layer.file, kind)
                ]
                draft.problems += _overlay(kind, merged[kind], things, above)
            draft.problems += _overlay_single(draft, single, layer.file, above)
        measures = [
            (f"{layer.name}/measures.toml [{name}]", name, each) for name, each in layer.measures.items()
        ]
        draft.problems += _overlay("measures", draft.measures, measures, above)
        draft.problems += _overlay_points(draft, layer, above)
        draft.authority += layer.authority
        draft.layers.append(layer.layer)
        draft.problems += [
            problem("policy-id-twice", file=f"{each.file}:{each.line}", id=name)
            for name, each in layer.formulas.items()
            if name in draft.formulas
        ]
        draft.formulas |= layer.formulas
        draft.formula_texts += [layer.formula_text] if layer.formula_text else []
        for name, lines in layer.catalogues.items():
            draft.catalogues.setdefault(name, {}).update((line.row.code, line.row.parent) for line in lines)
        for kind, levels in layer.file.may_set.items() if layer.file is not None else ():
            limits.setdefault(kind, []).append(frozenset(levels))
    for kind, have in merged.items():
        draft.origins |= {(kind, name): where for name, (where, _) in have.items()}
        draft.named.setdefault(kind, set()).update(have)
    draft.unread_parameters = _unread_parameters(layers, whole=whole)
    draft.origins |= {("measures", name): where for name, (where, _) in draft.measures.items()}
    draft.named.setdefault("measures", set()).update(draft.measures)
    listed = {kind: tuple(each for _, each in have.values()) for kind, have in merged.items()}
    may_set = {
        kind: tuple(each for each in LEVELS if all(each in one for one in told))
        for kind, told in limits.items()
    }
    draft.file = file.model_copy(update={**listed, **single, "may_set": may_set})
    return draft


def _unread_parameters(layers: Sequence[Written], *, whole: bool) -> frozenset[str] | None:
    """Return the parameters that some file names but nobody could read; None where there is no telling."""
    if not whole or any("parameters" in each.blind for each in layers):
        return None
    return frozenset().union(
        *(each.named.get("parameters", set()) - each.parameters.keys() for each in layers)
    )


@dataclass(frozen=True, slots=True)
class _Above:
    """What the layers above say of what a layer may set, and which parts of them could not be read."""

    layer: Written
    limits: Mapping[str, Sequence[frozenset[str]]]
    unread: frozenset[str]

    def refuses(self, kind: str, *, inherited: bool) -> bool:
        told = self.limits.get(kind)
        if self.layer.free:
            return False
        if self.layer.file is None:
            return not told or any("office" not in each for each in told)
        return inherited and bool(told) and any(self.layer.level not in each for each in told or ())

    def problem(self, where: str, kind: str) -> Problem:
        told = self.limits.get(kind, ())
        may = [level for level in LEVELS if told and all(level in each for each in told)]
        return problem(
            "override-may-not", where=where, level=self.layer.level, kind=kind, may="、".join(may) or "—"
        )


def _overlay(
    kind: str, have: dict[str, tuple[str, Any]], things: Iterable[tuple[str, str, Any]], above: _Above
) -> Iterator[Problem]:
    here: set[str] = set()
    inherited = dict(have)
    for where, name, thing in things:
        if name in here:
            yield problem("policy-id-twice", file=where, id=name)
            continue
        here.add(name)
        if above.refuses(kind, inherited=name in inherited):
            yield above.problem(where, kind)
        else:
            yield from _check_replaces(
                where, name, thing, inherited.get(name), known=kind not in above.unread
            )
        have[name] = (where, thing.model_copy(update={"replaces": None}))


def _check_replaces(
    where: str, name: str, thing: Any, inherited: tuple[str, Any] | None, *, known: bool
) -> Iterator[Problem]:
    if inherited is None:
        if thing.replaces is not None and known:
            yield problem("override-of-nothing", where=where, given=thing.replaces)
        return
    above, held = inherited
    mark = fingerprint(held)
    if thing.replaces is None:
        yield problem("override-unmarked", where=where, id=name, above=above, mark=f'"{mark}"')
    elif thing.replaces != mark:
        yield problem("override-stale", where=where, id=name, above=above, given=thing.replaces, mark=mark)


def _overlay_single(draft: Draft, have: dict[str, Any], file: PolicyFile, above: _Above) -> Iterator[Problem]:
    """Take what the policy file says once: the lowest layer that says it wins."""
    for name in (*_SINGLE, *_PLAIN):
        said = getattr(file, name)
        if said is None:
            continue
        where = f"{above.layer.name}/policy.toml [{name}]"
        if isinstance(said, Overriding):
            inherited = (draft.origins[name, ""], have[name]) if have.get(name) is not None else None
            yield from _check_replaces(where, name, said, inherited, known=name not in above.unread)
            said = said.model_copy(update={"replaces": None})
        have[name] = said
        draft.origins[name, ""] = where
    vocabulary: Vocabulary = have.get("vocabulary", Vocabulary())
    joined: dict[str, Any] = {}
    for kind in Vocabulary.model_fields:
        terms = {each.id: each for each in getattr(vocabulary, kind)}
        for each in getattr(file.vocabulary, kind):
            if terms.setdefault(each.id, each) != each:
                yield problem(
                    "policy-id-twice", file=f"{above.layer.name}/policy.toml [vocabulary] {kind}", id=each.id
                )
        joined[kind] = tuple(terms.values())
    have["vocabulary"] = Vocabulary(**joined)


def _overlay_points(draft: Draft, layer: Written, above: _Above) -> Iterator[Problem]:
    inherited: dict[str, list[PointsRow]] = {}
    for _, row in draft.points:
        inherited.setdefault(row.id, []).append(row)
    own: dict[str, list[tuple[dt.date, dt.date]]] = {}
    for where, row in layer.points:
        if above.refuses("points", inherited=row.id in inherited):
            yield above.problem(where, "points")
        else:
            known = "points" not in above.unread
            yield from _check_points_replaces(where, row, inherited.get(row.id, ()), known=known)
        own.setdefault(row.id, []).append(span_of(row))
    kept = [
        Line(where, part)
        for where, row in draft.points
        for part in (without_days(row, own[row.id]) if row.id in own else (row,))
    ]
    added = [Line(where, row.model_copy(update={"replaces": None})) for where, row in layer.points]
    draft.points = [*kept, *added]


def span_of(row: PointsRow) -> tuple[dt.date, dt.date]:
    """Return the days ``[since, until)`` on which a row holds, without open ends."""
    return row.since or _FIRST, row.until or _LAST


def _check_points_replaces(
    where: str, row: PointsRow, above: Sequence[PointsRow], *, known: bool
) -> Iterator[Problem]:
    since, until = span_of(row)
    held = [each for each in above if span_of(each)[0] < until and since < span_of(each)[1]]
    if not held:
        if row.replaces is not None and known:
            yield problem("override-of-nothing", where=where, given=row.replaces)
        return
    if row.replaces is None:
        yield problem(
            "override-unmarked", where=where, id=row.id, above=f"{held[0].cite}", mark=held[0].points
        )
        return
    for each in held:
        if each.points != row.replaces:
            yield problem(
                "override-stale",
                where=where,
                id=row.id,
                above=each.cite,
                given=row.replaces,
                mark=each.points,
            )


def without_days(row: PointsRow, spans: Iterable[tuple[dt.date, dt.date]]) -> Iterator[PointsRow]:
    """Yield a row on what is left of its days beside those on which a lower layer says otherwise."""
    start, end = span_of(row)
    for since, until in sorted(spans):
        if start < min(since, end):
            yield _on(row, start, min(since, end))
        start = max(start, until)
    if start < end:
        yield _on(row, start, end)


def _on(row: PointsRow, since: dt.date, until: dt.date) -> PointsRow:
    return row.model_copy(
        update={"since": None if since == _FIRST else since, "until": None if until == _LAST else until}
    )
