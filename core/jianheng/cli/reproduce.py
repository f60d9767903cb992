"""``jianheng reproduce``: a closed period computed again and compared to the bit."""

from collections.abc import Mapping
from typing import Any

import click

from jianheng.cli.adjustments import closed_of, connected
from jianheng.cli.exit_codes import ExitCode
from jianheng.cli.output import print_json, print_line, print_problems
from jianheng.cli.session import Session, pass_session
from jianheng.errors import Problem, problem
from jianheng.messages import text
from jianheng.scoring.closing.reproduce import Difference, Reproduction, reproduce


def command() -> click.Command:
    """Return the command."""

    @click.command("reproduce", help=text("cli-help-reproduce"))
    @click.argument("period", metavar=text("cli-help-close-period"))
    @pass_session
    def reproduce_(session: Session, period: str) -> int:
        return tell(session, reproduction(session, period))

    return reproduce_


def reproduction(session: Session, period: str) -> Reproduction:
    """Compute a closed period again; the pack need not be there any more."""
    with connected(session) as (connection, office, policy):
        return reproduce(connection, closed_of(session, connection, office, policy, period))


def tell(session: Session, found: Reproduction) -> int:
    """Print what came of it; return the exit code."""
    period = found.closed.period
    if session.flags.json:
        print_json({"period": period, **reproduction_json(found)}, ok=found.identical)
    else:
        if found.engine_then != found.engine_now:
            engines = {"then": found.engine_then, "now": found.engine_now, "program": found.program}
            print_line(text("reproduce-engine", **engines), err=True)
        if found.identical:
            print_line(text("reproduce-identical", period=period, root=found.root))
        print_problems([as_problem(period, each) for each in found.differences], as_json=False)
    return ExitCode.OK if found.identical else ExitCode.STOP


def as_problem(period: str, difference: Difference) -> Problem:
    """Return a difference as people read it."""
    named = "; ".join(difference.named) or "—"
    told: Mapping[str, object] = {
        "period": period,
        "part": difference.part,
        "then": difference.then,
        "now": difference.now,
        "named": named,
    }
    return problem(f"reproduce-{difference.where}", **told)


def reproduction_json(found: Reproduction) -> dict[str, Any]:
    """Return a reproduction as plain data."""
    return {
        "identical": found.identical,
        "root": found.root,
        "again": found.again,
        "engine": {"then": found.engine_then, "now": found.engine_now, "program": found.program},
        "differences": [
            {
                "where": each.where,
                "part": each.part,
                "then": each.then,
                "now": each.now,
                "named": list(each.named),
            }
            for each in found.differences
        ],
    }
