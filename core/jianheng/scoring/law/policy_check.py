"""Whether the parts of a policy fit together: every name exists, every number is fit, nothing needed is missing."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from jianheng.errors import Problem, problem
from jianheng.facts.entities import DECLARATION, POST_LEVELS, ROLES
from jianheng.rules.views import view
from jianheng.scoring.law.chain import Draft
from jianheng.scoring.law.indicator_check import Known, check_indicators
from jianheng.scoring.law.pack import Cap, Factor
from jianheng.scoring.law.parameters import resolve, shown_value
from jianheng.scoring.law.period import check_calendar
from jianheng.scoring.law.points import thousandths
from jianheng.scoring.law.points_check import check_authority, check_points
from jianheng.scoring.law.references import check_number, from_the_start, outside, strangers


def check_draft(draft: Draft) -> list[Problem]:
    """Return everything that does not fit."""
    return [
        *_check_whole(draft),
        *_check_indicators(draft),
        *_check_sheets(draft),
        *_check_words(draft),
        *_check_team(draft),
        *_check_gates(draft),
        *_check_factors(draft),
        *_check_caps(draft),
        *_check_numbers(draft),
        *_check_calendar(draft),
        *check_points(draft),
        *check_authority(draft),
    ]


def _check_whole(draft: Draft) -> Iterator[Problem]:
    """What the whole chain must say somewhere."""
    file = draft.file
    wanted: Mapping[str, object] = {
        "closing": file.closing,
        "sheets": file.sheets,
        "indicators": file.indicators,
    }
    for key, said in wanted.items():
        if not said and key not in draft.faulty:
            yield problem("policy-missing-key", where=draft.where, key=key)


_ECHOES = frozenset({"indicator-unheard", "sheet-total-unit"})
"""What is told of whole trees, and only seems so where an indicator could not be read."""


def _check_indicators(draft: Draft) -> list[Problem]:
    partly = {"indicators", "sheets", "points"} & draft.faulty
    known = Known(
        {kind: names for kind, names in draft.named.items() if kind not in draft.blind},
        None if "formulas" in draft.faulty else draft.formulas,
        draft.layers,
        draft.at,
    )
    sound = [line.row for line in draft.points if set(line.row.role) <= set(ROLES)]
    found = check_indicators(draft.file, sound, known)
    astray = {"policy-unknown-name", "indicator-circle"} & {each.code for each in found}
    if not partly and not astray:
        return found
    return [each for each in found if each.code not in _ECHOES and each.fields.get("kind") != "child"]


def _check_sheets(draft: Draft) -> list[Problem]:
    found: list[Problem] = []
    roles: dict[str, str] = {}
    for each in draft.file.sheets:
        where = draft.at("sheets", each.id)
        found += outside([each.role], ROLES, where, "role")
        if each.role in roles:
            found.append(problem("policy-id-twice", file=where, id=each.role))
        roles[each.role] = each.id
    return found


def _check_words(draft: Draft) -> list[Problem]:
    """A word for a post level or a rater that is none would be shown to nobody."""
    words = draft.file.vocabulary
    where = f"{draft.where} [vocabulary]"
    found = outside([each.id for each in words.post_levels], POST_LEVELS, where, "post_level")
    if "indicators" not in draft.faulty:
        raters = {kind for node in draft.file.indicators if node.kind == "raters" for kind in node.weights}
        found += outside([each.id for each in words.raters], raters, where, "rater")
    return found


def _check_team(draft: Draft) -> list[Problem]:
    team = draft.file.team
    teams = [(where, name) for name, (where, each) in draft.measures.items() if each.team]
    if team is None:
        missing = [] if "team" in draft.faulty else teams
        return [problem("policy-team-missing", where=where, measure=name) for where, name in missing]
    where = f"{draft.at('team')} weights"
    found = outside(team.weights, ROLES, where, "role")
    for weight in team.weights.values():
        found += check_number(draft, weight, where, "team")
    if found or not teams:
        return found  # what is missing shows when those are mended
    unread = draft.unread_parameters
    for sheet in draft.file.sheets:
        named = team.weights.get(sheet.role)
        if sheet.role not in ROLES or (named is not None and (unread is None or named in unread)):
            continue
        spans = resolve(draft.layers, named) if named is not None else ()
        if not spans or spans[0].since > draft.file.since:
            # None given is not none earned: whoever has no weight would silently get nothing.
            found.append(
                problem("policy-weight-missing", where=where, role=sheet.role, since=draft.file.since)
            )
    return found


def _check_gates(draft: Draft) -> list[Problem]:
    found: list[Problem] = []
    for each in draft.file.gates:
        where = f"{draft.at('gates', each.id)} measures"
        found += strangers(draft, each.measures, "measures", where, "measure")
        found += _not_of_a_case(draft, each.measures, where)
    return found


def _not_of_a_case(draft: Draft, measures: Iterable[str], where: str) -> list[Problem]:
    """What speaks of the case view cannot bear on what hangs on no case."""
    return [
        problem("policy-measure-without-case", where=where, measure=name)
        for name in measures
        if name in draft.measures and "case_no" not in view(draft.measures[name][1].grain).columns
    ]


def _check_factors(draft: Draft) -> list[Problem]:
    found: list[Problem] = []
    for each in draft.file.factors:
        where = draft.at("factors", each.id)
        found += strangers(draft, each.measures, "measures", f"{where} measures", "measure")
        if each.over == "case":
            found += _not_of_a_case(draft, each.measures, f"{where} measures")
        found += _check_choices(draft, each, where)
    return found


def _check_choices(draft: Draft, factor: Factor, where: str) -> list[Problem]:
    found: list[Problem] = []
    ids = [each.id for each in factor.choices]
    found += [
        problem("policy-id-twice", file=where, id=each) for each in sorted(set(ids)) if ids.count(each) > 1
    ]
    for each in factor.choices:
        at = f"{where} {each.id}"
        found += check_number(draft, each.value, f"{at} value", "factor")
        found += from_the_start(draft, each.value, f"{at} value")
        if isinstance(each.value, Decimal) and each.value < 0:
            found.append(problem("policy-negative", where=f"{at} value", value=each.value))
        if each.when is None and each.declared is None:
            found.append(problem("policy-choice-never", where=at))
        if each.declared is not None and factor.over == "item":
            found.append(problem("policy-choice-declared", where=at))
        declared = [each.declared] if each.declared else []
        found += outside(declared, DECLARATION.column("kind").allowed, f"{at} declared", "declared")
    return found


def _check_caps(draft: Draft) -> list[Problem]:
    found: list[Problem] = []
    for each in draft.file.caps:
        where = draft.at("caps", each.id)
        rules = {line.row.id for line in draft.points}
        if "points" not in draft.faulty:
            found += outside(each.rules, rules, f"{where} rules", "rule")
        found += strangers(draft, each.indicators, "indicators", f"{where} indicators", "indicator")
        found += check_number(draft, each.limit, f"{where} limit", "cap")
        found += from_the_start(draft, each.limit, f"{where} limit")
        if isinstance(each.limit, Decimal) and each.limit < 0:
            found.append(problem("policy-negative", where=f"{where} limit", value=each.limit))
        if bool(each.rules) == bool(each.indicators):
            found.append(problem("policy-cap-of-what", where=where))
        found += _check_per(each, where)
        bound = [
            line.row
            for line in draft.points
            if line.row.id in each.rules or line.row.indicator in each.indicators
        ]
        if "case" in each.per:
            found += _not_of_a_case(draft, sorted({row.measure for row in bound}), f"{where} per")
        signs = {row.points > 0 for row in bound if row.points != 0}
        if len(signs) > 1:
            found.append(problem("policy-cap-both-signs", where=where))
        if not bound and each.indicators and not {"points", "indicators"} & draft.faulty:
            known = all(name in draft.named.get("indicators", ()) for name in each.indicators)
            found += [problem("policy-cap-of-what", where=where)] if known else []
    return found


def _check_per(cap: Cap, where: str) -> list[Problem]:
    """One span of time at most, and nothing twice: a person's month and year at once is two caps."""
    times = [unit for unit in cap.per if unit in {"day", "month", "quarter", "year"}]
    if len(times) > 1 or len(set(cap.per)) < len(cap.per):
        return [problem("policy-cap-unit", where=where, per="、".join(cap.per))]
    return []


def _check_numbers(draft: Draft) -> list[Problem]:
    """Every value a number may take is exact to a thousandth; factors and limits are never negative."""
    never_negative = {
        number
        for number in (
            *(choice.value for each in draft.file.factors for choice in each.choices),
            *(each.limit for each in draft.file.caps),
            *(draft.file.team.weights.values() if draft.file.team else ()),
        )
        if isinstance(number, str)
    }
    found: list[Problem] = []
    for layer in draft.layers:
        for name, (file, declared) in layer.declarations.items():
            for each in declared.values:
                if not isinstance(each.value, Decimal):
                    continue
                fine = thousandths(each.value, f"{file} [{name}]")
                found += [fine] if isinstance(fine, Problem) else []
                if name in never_negative and each.value < 0:
                    shown = shown_value(each.value)
                    found.append(problem("policy-negative", where=f"{file} [{name}]", value=shown))
    return found


def _check_calendar(draft: Draft) -> list[Problem]:
    calendar = draft.file.calendar
    return [] if calendar is None else check_calendar(calendar, draft.at("calendar"))
