"""What somebody's total gave him: his places in groups, his grade and why, and the bands it was held against."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from jianheng.messages import text
from jianheng.scoring.explanation.words import (
    bounds_told,
    grade_name,
    group_name,
    number_told,
    outcome_words,
    reason_words,
)
from jianheng.scoring.law.points import shown
from jianheng.scoring.law.policy import Policy

_TOTALS = ("points", "final", "provisional", "withheld")


def standing_told(policy: Policy, standing: Mapping[str, Any], day: dt.date) -> dict[str, Any]:
    """Return a kept standing as plain data; ``day`` is that on which the bands were read: the last of the period."""
    totals = {name: None if standing[name] is None else shown(standing[name]) for name in _TOTALS}
    told = {
        **totals,
        "state": standing["state"],
        "reason": standing["reason"],
        "reason_text": outcome_words(policy, standing["state"], standing["reason"]),
        "place": standing["place"],
        "of": standing["place_of"],
        "places": [
            {"group": group, "label": group_name(policy, group), "place": place, "of": of}
            for group, (place, of) in json.loads(standing["places"]).items()
        ],
        "cases": standing["cases"],
        "entries": standing["entries"],
    }
    return told | ({"grade": _grade(policy, standing, day)} if policy.file.grades is not None else {})


def _grade(policy: Policy, standing: Mapping[str, Any], day: dt.date) -> dict[str, Any]:
    grades = policy.file.grades
    assert grades is not None  # noqa: S101 the caller has seen to it
    return {
        "id": standing["grade"],
        "label": grade_name(policy, standing["grade"]) if standing["grade"] else "",
        "reason": standing["grade_reason"],
        "reason_text": reason_words(policy, standing["grade_reason"]),
        "cite": grades.cite,
        "consequence": next((band.consequence for band in grades.bands if band.id == standing["grade"]), ""),
        "bands": [
            {
                "id": band.id,
                "label": band.label,
                **bounds_told(policy, band, day),
                **({} if band.share is None else {"share": _share(policy, grades.group, band.share, day)}),
            }
            for band in grades.bands
        ],
        "vetoes": [
            {
                "measure": each.measure,
                "label": each.label,
                "at_most": grade_name(policy, each.at_most),
                "cite": each.cite,
            }
            for each in grades.vetoes
        ],
    }


def _share(policy: Policy, group: str | None, share: Any, day: dt.date) -> dict[str, Any]:
    told = number_told(policy, share, day)
    named = group_name(policy, group or "sheet")
    return told | {"words": text("explain-share", group=named, share=told["value"] or "—")}
