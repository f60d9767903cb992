"""Check of what an adapter makes of HTTP answers that are none: errors, a login page, half an answer."""

from collections.abc import Iterator

from jianheng.conformance.bench import Bench
from jianheng.conformance.checking import GENERIC
from jianheng.conformance.proxy import FaultProxy, Trouble
from jianheng.conformance.rig import Upstream
from jianheng.conformance.troubles import troubled
from jianheng.conformance.use import use
from jianheng.conformance.verdict import NotApplicableError
from jianheng.errors import JianhengError, Problem, problem

Told = Iterator[Problem | str]

WANTED: dict[Trouble, str] = {"503": "retry", "429": "retry", "403": "stop", "login-page": "", "cut": ""}
"""How each answer is to be handled; empty where any error of the adapter's own will do."""


def answers(bench: Bench, _subject: str) -> Told:
    """Answers that hold no data are told as errors, by what helps, and never taken for an empty page."""
    with troubled(bench, "unreachable") as (upstream, proxy):
        with bench.opened(upstream) as opened:
            use(bench, opened)
        if not proxy.speaks_http:
            raise NotApplicableError("conform-no-http")
        for answer, wanted in WANTED.items():
            yield from _answered(bench, upstream, proxy, answer, wanted)


def _answered(bench: Bench, upstream: Upstream, proxy: FaultProxy, answer: Trouble, wanted: str) -> Told:
    try:
        with bench.opened(upstream) as opened:
            proxy.set(answer)
            use(bench, opened)
    except JianhengError as error:
        if error.code in GENERIC:
            told = error.problem.message().what
            yield problem(
                "conform-crashed", situation=answer, call="use", code=error.code, told=told, at=bench.at()
            )
        elif wanted and error.recovery != wanted:
            yield problem(
                "conform-answer",
                answer=answer,
                code=error.code,
                given=error.recovery,
                wanted=wanted,
                at=bench.at(),
            )
    else:
        yield problem("conform-trouble-unnoticed", situation=answer, at=bench.at())
    finally:
        proxy.set("")
