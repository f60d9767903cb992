"""What the things of a policy are called where a number is explained: outcomes, reasons, parameters, bounds."""

import datetime as dt
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from jianheng.facts.entities import POST_LEVELS
from jianheng.messages import text
from jianheng.scoring.indicators.outcome import reason_text
from jianheng.scoring.law.pack import Bounds, Number
from jianheng.scoring.law.parameters import Resolved, amount, shown_value
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.law.tiers import BOUND_NAMES
from jianheng.scoring.records.remark import correction
from jianheng.store.tables import ADJUSTS

_SIGNS = {"at_least": "≥", "more_than": ">", "at_most": "≤", "less_than": "<"}


def outcome_words(policy: Policy, state: str, reason: str) -> str:
    """Return why there is no number; empty where there is one."""
    return "" if state == "scored" else text(f"outcome-{state}", reason=reason_words(policy, reason))


def reason_words(policy: Policy, reasons: str) -> str:
    """Return stable reasons (``word:id``, separated by ``;``) in words, what they speak of by its name."""
    told = []
    for each in filter(None, reasons.split(";")):
        named = _NAMES.get(each.partition(":")[0])
        told.append(reason_text(each, str if named is None else partial(named, policy)))
    return "; ".join(told)


def line_words(state: str, reason: str) -> str:
    """Return why a ledger line does not count, or which closed period it corrects; empty of every other line."""
    return text(f"reason-{reason}") if state == "void" else correction(reason)


def corrected_period(reason: str) -> str | None:
    """Return the closed period that a ledger line corrects."""
    return reason.removeprefix(ADJUSTS).partition(":")[0] if reason.startswith(ADJUSTS) else None


def indicator_name(policy: Policy, indicator: str) -> str:
    """Return the label of an indicator; a number's own text where that is what something is divided by."""
    return parameter_name(policy, indicator) if "." in indicator else policy.indicator_label(indicator)


def parameter_name(policy: Policy, name: str) -> str:
    """Return the label of a parameter."""
    declared = (layer.declarations[name][1].label for layer in policy.layers if name in layer.declarations)
    return next((label for label in declared if label), name)


def measure_name(policy: Policy, measure: str) -> str:
    """Return the label of a measure."""
    return policy.measures[measure].label if measure in policy.measures else measure


def group_name(policy: Policy, group: str) -> str:
    """Return the label of a group; of everyone with the same sheet where the policy names none."""
    found = (each.label for each in policy.file.groups if each.id == group)
    return next(found, text("explain-by-sheet") if group == "sheet" else group)


def grade_name(policy: Policy, grade: str) -> str:
    """Return the label of a grade."""
    bands = policy.file.grades.bands if policy.file.grades else ()
    return next((each.label for each in bands if each.id == grade), grade)


def role_name(policy: Policy, role: str) -> str:
    """Return what a role is called: as the sheet for it."""
    return next((each.label for each in policy.file.sheets if each.role == role), role)


def post_level_name(policy: Policy, level: str) -> str:
    """Return what a post level is called: by the policy's own word, or as a procuratorate calls it."""
    own = next((each.label for each in policy.file.vocabulary.post_levels if each.id == level), None)
    return own or (text(f"explain-post-level-{level}") if level in POST_LEVELS else level)


def rater_name(policy: Policy, kind: str) -> str:
    """Return what a kind of rater is called; by its code where the policy has no word for it."""
    return next((each.label for each in policy.file.vocabulary.raters if each.id == kind), kind)


def _veto_name(policy: Policy, measure: str) -> str:
    vetoes = policy.file.grades.vetoes if policy.file.grades else ()
    return next((each.label for each in vetoes if each.measure == measure), measure)


_NAMES: Mapping[str, Callable[[Policy, str], str]] = {
    "alone": group_name,
    "children": indicator_name,
    "group-unknown": group_name,
    "negative": indicator_name,
    "no-peers": group_name,
    "parameter": parameter_name,
    "peer-level-unknown": group_name,
    "post-level": post_level_name,
    "quota": grade_name,
    "ratings": rater_name,
    "role": role_name,
    "tie": grade_name,
    "tier": indicator_name,
    "veto": _veto_name,
    "zero": indicator_name,
}
"""By what names the thing is called that a reason speaks of."""


def number_told(policy: Policy, number: Number, day: dt.date) -> dict[str, Any]:
    """Return a number of the policy on a day, with the parameter it is, if it is one; ``value`` None where it has none."""
    found = amount(policy.layers, number, day)
    told: dict[str, Any] = {"value": None if found.value is None else f"{found.value:f}"}
    if found.read is not None:
        told["parameter"] = parameter_told(policy, found.read)
    elif found.value is None:
        told["missing"] = reason_words(policy, f"parameter:{number}")
    return told


def parameter_told(policy: Policy, read: Resolved) -> dict[str, Any]:
    """Return a parameter as it was read: its value, and who says so since when by which text."""
    holds = (layer for layer in policy.layers if layer.name == read.layer and read.name in layer.declarations)
    layer = next(holds)
    verified = layer.declarations[read.name][1].verified
    return {
        "name": read.name,
        "label": read.label,
        "unit": read.unit,
        "value": shown_value(read.value),
        "level": layer.level,
        "layer": read.layer,
        "since": str(read.since),
        "cite": read.cite,
        "assumed": read.assumed,
        "verified": None if verified is None else str(verified),
    }


def bounds_told(policy: Policy, bounds: Bounds, day: dt.date) -> dict[str, Any]:
    """Return the ends of a span: each with its number, and all of them in signs."""
    ends = {
        name: number_told(policy, number, day)
        for name in BOUND_NAMES
        if (number := getattr(bounds, name)) is not None
    }
    signs = ", ".join(f"{_SIGNS[name]} {end['value'] or '—'}" for name, end in ends.items())
    return {"ends": ends, "words": signs or text("explain-everyone-else")}


def span_words(since: dt.date | None, until: dt.date | None) -> str:
    """Return the days ``[since, until)`` in words."""
    if since and until:
        return text("explain-span", since=since, until=until)
    if since:
        return text("explain-since", since=since)
    return text("explain-until", until=until) if until else text("explain-always")
