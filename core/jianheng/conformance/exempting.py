"""Exemptions: a check that need not pass needs a reason and a day on which that ends."""

import datetime as dt
from collections.abc import Iterator

from jianheng.config.faults import likely
from jianheng.conformance.bench import Bench
from jianheng.conformance.outcome import CHECKS
from jianheng.conformance.settings import Exemption
from jianheng.errors import Problem, problem

LONGEST = dt.timedelta(days=366)
"""How far ahead an exemption may end: what can't be mended in a year is said again, with its reason."""


def is_valid(exemption: Exemption, today: dt.date) -> bool:
    """Say whether an exemption stands: not over, and not for longer than one may be given."""
    return today <= exemption.until <= today + LONGEST


def exemptions(bench: Bench, _subject: str) -> Iterator[Problem | str]:
    """Each exemption is of a check that there is and that may be exempted, and is not over."""
    today = dt.date.today()  # noqa: DTZ011  # an expiry is a day of the calendar on the wall
    for each in bench.settings.exempt:
        check = CHECKS.get(each.check)
        if check is None:
            yield problem("conform-exempt-unknown", check=each.check, nearest=likely(each.check, CHECKS))
        elif not check.exemptible:
            yield problem("conform-exempt-firm", check=each.check)
        elif each.until < today:
            yield problem("conform-exempt-expired", check=each.check, until=each.until, reason=each.reason)
        elif not is_valid(each, today):
            yield problem("conform-exempt-far", check=each.check, until=each.until, latest=today + LONGEST)
    yield f"{len(bench.settings.exempt)}"
