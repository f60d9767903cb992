"""What is missing in a result: nobody's total may be closed while something that makes it is not known."""

from jianheng.errors import Problem, problem
from jianheng.scoring.explanation.words import reason_words
from jianheng.scoring.indicators.standing import total_indicators
from jianheng.scoring.kernel.evaluation import Evaluation
from jianheng.scoring.law.pack import PolicyFile
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy

_TOLD = 10
"""How many of many things a message names."""

_UNKNOWN = ("parameter", "group-unknown")
"""Reasons for having no grade that mean something is not known; others are the law's own."""


def gaps(policy: Policy, period: Period, result: Evaluation) -> list[Problem]:
    """Return what stands against closing a result: indicators and grades that are missing, with whose.

    An indicator that the law itself leaves out where it is missing (``on_missing = "skip"``) is no gap.
    """
    found = [
        f"{each.person_key} {policy.indicator_label(each.indicator)}: {reason_words(policy, each.reason)}"
        for each in result.values
        if each.state == "missing" and is_needed(policy.file, each.indicator)
    ]
    if policy.file.grades is not None:
        found += [
            f"{each.person_key}: {reason_words(policy, each.grade_reason)}"
            for each in result.standings
            if each.points is not None and not each.grade and each.grade_reason.partition(":")[0] in _UNKNOWN
        ]
    if not found:
        return []
    told = "; ".join(found[:_TOLD]) + ("…" if len(found) > _TOLD else "")
    return [problem("close-missing", period=period.id, count=len(found), told=told)]


def is_needed(file: PolicyFile, indicator: str) -> bool:
    """Return whether a total is missing where this indicator is: no node above leaves out what is missing.

    What only feeds others by name is told by those that need it.
    """
    nodes = {each.id: each for each in file.indicators}
    totals = set(total_indicators(file).values())
    node = nodes[indicator]
    while node.id not in totals and node.parent is not None:
        node = nodes[node.parent]
        if node.on_missing == "skip":
            return False
    return node.id in totals
