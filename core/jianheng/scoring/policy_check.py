"""Whether the parts of a policy fit together: every name exists, every number is fit, nothing runs in a circle."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

from jianheng.errors import Problem, problem
from jianheng.facts.entities import DECLARATION, POST_LEVELS, ROLES
from jianheng.rules.measure import Measure
from jianheng.scoring.pack import AuthorityRow, PointsRow, PolicyFile
from jianheng.scoring.parameters import Layer, resolve
from jianheng.scoring.points import thousandths


@dataclass(slots=True)
class Draft:
    """What has been read of a policy so far, and everything wrong with it.

    ``named`` holds every measure that a file names, faulty ones too: what counts by a faulty measure
    does not count by an unknown one, and saying so would bury the fault under its echoes.
    """

    problems: list[Problem]
    layers: list[Layer]
    measures: dict[str, tuple[str, Measure]]
    points: dict[str, tuple[str, PointsRow]]
    authority: list[AuthorityRow]
    named: set[str] = field(default_factory=set)


def check_draft(draft: Draft, file: PolicyFile) -> list[Problem]:
    """Return everything that does not fit."""
    where = f"{file.id}/policy.toml"
    return [
        *_check_tree(file, where),
        *_check_roles(file, where),
        *_check_declared(file, where),
        *_check_parameters(draft, file, where),
        *_check_measures(draft, file, where),
        *_check_points(draft, file),
        *_check_authority(draft, file),
    ]


def _unknown(name: str, known: Iterable[str], where: str, kind: str) -> Problem:
    near = difflib.get_close_matches(name, list(known), 1)
    return problem("policy-unknown-name", where=where, kind=kind, name=name, nearest=near[0] if near else "—")


def _strangers(names: Iterable[str], known: Iterable[str], where: str, kind: str) -> list[Problem]:
    have = list(known)
    return [_unknown(name, have, where, kind) for name in names if name not in have]


def _check_tree(file: PolicyFile, where: str) -> list[Problem]:
    parents = {each.id: each.parent for each in file.indicators}
    found = _strangers((parent for parent in parents.values() if parent), parents, where, "indicator")
    for start, first in parents.items():
        seen, at = {start}, first
        while at is not None and at in parents:
            if at in seen:
                found.append(problem("policy-circle", pack=start, where=f"{where} indicators"))
                break
            seen.add(at)
            at = parents[at]
    for listed in (file.indicators, file.sheets, file.coefficients):
        ids = [each.id for each in listed]
        found += [
            problem("policy-id-twice", file=where, id=each)
            for each in sorted(set(ids))
            if ids.count(each) > 1
        ]
    return found


def _check_roles(file: PolicyFile, where: str) -> list[Problem]:
    weights = file.team.weights if file.team else {}
    found = _strangers((each.role for each in file.sheets), ROLES, f"{where} sheets", "role")
    roles = [each.role for each in file.sheets]
    found += [
        problem("policy-id-twice", file=f"{where} sheets", id=role)
        for role in set(roles)
        if roles.count(role) > 1
    ]
    return found + _strangers(weights, ROLES, f"{where} team", "role")


def _check_declared(file: PolicyFile, where: str) -> list[Problem]:
    kinds = DECLARATION.column("kind").allowed
    declared = (each.declared for each in file.coefficients if each.declared)
    return _strangers(declared, kinds, f"{where} coefficients", "declared")


def _check_parameters(draft: Draft, file: PolicyFile, where: str) -> list[Problem]:
    known = sorted({name for layer in draft.layers for name in layer.declarations})
    found = _strangers(
        (each.parameter for each in file.coefficients), known, f"{where} coefficients", "parameter"
    )
    found += _strangers(
        (file.team.weights if file.team else {}).values(), known, f"{where} team", "parameter"
    )
    spans = (span for name in known for span in resolve(draft.layers, name))
    fine = (thousandths(span.value, f"{span.layer} {span.name}") for span in spans)
    return found + [each for each in fine if isinstance(each, Problem)]


def _check_measures(draft: Draft, file: PolicyFile, where: str) -> list[Problem]:
    named = [name for each in file.coefficients for name in each.measures]
    found = _strangers(named, draft.named, f"{where} coefficients", "measure")
    if file.team is not None and any(each.team for _, each in draft.measures.values()):
        found += _check_weights(draft, file, where)
    if file.team is None:
        teams = [(source, name) for name, (source, each) in draft.measures.items() if each.team]
        found += [problem("policy-team-missing", where=source, measure=name) for source, name in teams]
    return found


def _check_weights(draft: Draft, file: PolicyFile, where: str) -> list[Problem]:
    """Every role with a sheet needs a weight from the policy's first day on: none given is not none earned."""
    weights = file.team.weights if file.team else {}
    declared = {name for layer in draft.layers for name in layer.declarations}
    found: list[Problem] = []
    if not set(weights) <= set(ROLES) or not set(weights.values()) <= declared:
        return []  # told as unknown names; what is missing shows when those are mended
    for sheet in file.sheets:
        parameter = weights.get(sheet.role)
        if sheet.role not in ROLES:
            continue
        spans = resolve(draft.layers, parameter) if parameter is not None else ()
        if not spans or spans[0].since > file.since:
            found.append(
                problem("policy-weight-missing", where=f"{where} team", role=sheet.role, since=file.since)
            )
    return found


def _check_points(draft: Draft, file: PolicyFile) -> list[Problem]:
    found: list[Problem] = []
    indicators = [each.id for each in file.indicators]
    actions = [each.id for each in file.vocabulary.actions]
    for name, row in draft.points.values():
        where = f"{name} {row.id}"
        found += _strangers([row.measure], draft.named, where, "measure")
        found += _strangers([row.indicator], indicators, where, "indicator")
        found += _strangers([row.action] if row.action else [], actions, where, "action")
        found += _strangers(row.role, ROLES, where, "role")
        if row.since and row.until and row.since >= row.until:
            found.append(problem("policy-empty-span", where=where))
        if row.code and row.measure in draft.measures and draft.measures[row.measure][1].code is None:
            found.append(problem("policy-code-without-column", where=where, measure=row.measure))
        fine = thousandths(row.points, where)
        if isinstance(fine, Problem):
            found.append(fine)
    return found


def _check_authority(draft: Draft, file: PolicyFile) -> list[Problem]:
    where = f"{file.id}/authority.csv"
    found = _strangers((permit.measure for permit in draft.authority), draft.named, where, "measure")
    found += _strangers((role for permit in draft.authority for role in permit.role), ROLES, where, "role")
    levels = (level for permit in draft.authority for level in permit.post_level)
    found += _strangers(levels, POST_LEVELS, where, "post_level")
    if draft.authority and file.authority is None:
        found.append(problem("policy-missing-key", where=f"{file.id}/policy.toml", key="authority"))
    return found
