"""A report as JSON and as one page that needs nothing beside it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from jianheng.conformance.outcome import Outcome, State, at_least
from jianheng.conformance.run import Report
from jianheng.errors import Problem, problem
from jianheng.logs import redact
from jianheng.messages import language, text

TEMPLATES = Path(__file__).with_name("templates")
STATES: tuple[State, ...] = ("passed", "failed", "not-shown", "exempt", "not-applicable")


def report_json(report: Report) -> dict[str, Any]:
    """Return everything a report says, as plain data, in the language in force."""
    counts = Counter(each.state for each in report.outcomes)
    return {
        "adapter": report.subject.id,
        "kind": report.kind,
        "distribution": report.subject.distribution,
        "version": report.subject.version,
        "settings": report.settings_file.name,
        "tier": report.tier,
        "claim": report.claim,
        "whole": report.whole,
        "began": report.began.isoformat(),
        "seconds": report.seconds,
        "counts": {state: counts[state] for state in STATES},
        "exemptions": [
            {
                "check": each.check,
                "stream": each.stream,
                "reason": each.reason,
                "until": each.until.isoformat(),
            }
            for each in report.exemptions
        ],
        "checks": [_outcome_json(each) for each in report.outcomes],
        "errors": [_problem_json(each) for each in verdicts(report)],
    }


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "check": outcome.check.name,
        "tier": outcome.check.tier,
        "subject": outcome.subject,
        "state": outcome.state,
        "detail": redact(outcome.detail),
        "reason": outcome.reason,
        "seconds": outcome.seconds,
        "problems": [_problem_json(each) for each in outcome.problems],
    }


def _problem_json(told: Problem) -> dict[str, str]:
    return {part: redact(each) for part, each in told.message().as_json().items()}


def verdicts(report: Report, wanted: str = "") -> tuple[Problem, ...]:
    """Return what is wrong with a report as a whole: a claim above what is reached, a tier below what was asked for."""
    if not report.whole:
        return ()
    reached = text(f"conform-tier-{report.tier}")
    found = []
    if report.claim and not at_least(report.tier, report.claim):
        claim = text(f"conform-tier-{report.claim}")
        found.append(problem("conform-claim", claim=claim, reached=reached, adapter=report.subject.id))
    if wanted and not at_least(report.tier, wanted):
        asked = text(f"conform-tier-{wanted}")
        found.append(problem("conform-below", adapter=report.subject.id, reached=reached, wanted=asked))
    return tuple(found)


def summary(report: Report) -> str:
    """Return one line about a report, in the language in force."""
    counts = Counter(each.state for each in report.outcomes)
    return text(
        "conform-summary",
        adapter=report.subject.id,
        version=report.subject.version,
        tier=text(f"conform-tier-{report.tier}") if report.whole else text("conform-partial"),
        passed=counts["passed"],
        failed=counts["failed"],
        unshown=counts["not-shown"],
        exempt=counts["exempt"],
        inapplicable=counts["not-applicable"],
        seconds=report.seconds,
    )


def report_page(reports: Sequence[Report]) -> str:
    """Return the page: no script, no address outside, everything escaped."""
    loader = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return loader.get_template("report.html.jinja").render(
        language=language(),
        text=text,
        parts=[
            {"told": report_json(each), "summary": redact(summary(each)), "title": _title(each)}
            for each in reports
        ],
    )


def _title(report: Report) -> str:
    return text("conform-title", adapter=report.subject.id, version=report.subject.version)
