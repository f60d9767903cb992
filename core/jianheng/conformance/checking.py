"""Checks of how an adapter opens, and of what its own check() says when all is well and when it is not."""

from collections.abc import Iterator

from jianheng.conformance.bench import Bench
from jianheng.conformance.subject import entry_point
from jianheng.errors import JianhengError, Problem, StopError, problem
from jianheng.registry.hooks import register
from jianheng.registry.manifest import add_plugin_texts

Told = Iterator[Problem | str]
IMPORT_S = 20.0


def opens(bench: Bench, _subject: str) -> Told:
    """It can be imported, its hooks give what its manifest declares, and an instance opens with the good options."""
    try:
        load(bench)
    except StopError as error:
        yield error.problem
        return
    try:
        with bench.upstream() as upstream, bench.opened(upstream):
            pass
    except JianhengError as error:
        bench.factories.clear()
        if error.code.startswith("conform-rig"):
            raise
        yield from error.problems


def load(bench: Bench) -> None:
    """Import the adapter's code and take its factories; the caller holds :func:`loadable`.

    Raises:
        StopError: as when a deployment loads it.
    """
    from jianheng.boundary import Boundary

    with Boundary(bench.subject.id, IMPORT_S, bench.watch, origin=bench.subject.origin) as boundary:
        add_plugin_texts(bench.subject.manifest_file)
        module = boundary.call("import", entry_point(bench.subject).load)
        given = boundary.call("register", register, bench.manifest, module)
    found = {"source": given.sources, "target": given.targets}
    for kind, factories in found.items():
        if bench.subject.id in factories:
            bench.factories[kind] = factories[bench.subject.id]


def check_good(bench: Bench, _subject: str) -> Told:
    """With all as it should be, check() finds something and nothing wrong."""
    with bench.upstream() as upstream, bench.opened(upstream) as opened:
        try:
            findings = opened.check()
        except JianhengError as error:
            yield bench.unexpected("check", error)
            return
    if not findings:
        yield problem("conform-check-silent", at=bench.at())
    for each in findings:
        if each.problem is not None and not each.ok:
            told = each.problem.message().what
            yield problem("conform-check-false-alarm", code=each.problem.code, told=told, at=bench.at())
    yield f"{len(findings)}"


def check_wrong_password(bench: Bench, _subject: str) -> Told:
    """A wrong password is told by check(), and stops a read or write at once instead of being tried again."""
    yield from _in_trouble(bench, "wrong_password", stops=True)


def check_unreachable(bench: Bench, _subject: str) -> Told:
    """What can't be reached is told by check(), and by whatever else is asked."""
    yield from _in_trouble(bench, "unreachable", stops=False)


def _in_trouble(bench: Bench, situation: str, *, stops: bool) -> Told:
    with bench.upstream() as upstream:
        bench.situation(upstream, situation)
        try:
            with bench.opened(upstream, situation) as opened:
                found = opened.check()
                said = [each.problem for each in found if each.problem is not None and not each.ok]
        except JianhengError as error:
            yield from _crashed(bench, situation, "check", error)
            said = [error.problem]
        if not said:
            yield problem("conform-check-blind", situation=situation, at=bench.at())
        networked = upstream.proxy is not None
        yield from _used(bench, situation, stops=stops, networked=networked)


def _used(bench: Bench, situation: str, *, stops: bool, networked: bool) -> Told:
    """Use the adapter in trouble, as a sync or publish would that nobody checked before."""
    from jianheng.conformance.use import use

    with bench.upstream() as upstream:
        try:
            with bench.opened(upstream, situation) as opened:
                use(bench, opened)
        except JianhengError as error:
            if error.code in GENERIC:
                yield from _crashed(bench, situation, "use", error)
            elif stops and error.recovery == "retry":
                yield problem("conform-retries-password", code=error.code, at=bench.at())
            elif not stops and networked and error.recovery != "retry":
                yield problem(
                    "conform-recovery",
                    situation=situation,
                    code=error.code,
                    given=error.recovery,
                    at=bench.at(),
                )
            return
        yield problem("conform-trouble-unnoticed", situation=situation, at=bench.at())


GENERIC = ("adapter-raised", "adapter-timeout", "adapter-poisoned", "adapter-returned-wrong")
"""What the boundary makes of faults: an adapter's own errors have other codes."""


def _crashed(bench: Bench, situation: str, doing: str, error: JianhengError) -> Told:
    if error.code in GENERIC:
        told = error.problem.message().what
        yield problem(
            "conform-crashed", situation=situation, call=doing, code=error.code, told=told, at=bench.at()
        )
