"""Checks of an adapter whose upstream is slow, goes away and comes back, or hangs without a word."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jianheng.conformance.bench import Bench, Opened
from jianheng.conformance.checking import GENERIC
from jianheng.conformance.proxy import FaultProxy
from jianheng.conformance.reading import Reading, apart, differ, listed
from jianheng.conformance.rig import Upstream
from jianheng.conformance.targets import differences
from jianheng.conformance.use import first_publication, use
from jianheng.conformance.verdict import NotApplicableError
from jianheng.contract import Row, Stream
from jianheng.errors import JianhengError, Problem, problem

Told = Iterator[Problem | str]
States = dict[str, dict[str, str]]
"""What is live of each stream."""


@contextmanager
def troubled(bench: Bench, situation: str) -> Iterator[tuple[Upstream, FaultProxy]]:
    """Run an upstream behind a proxy that can make trouble, with some records in it.

    Raises:
        NotApplicableError: the adapter reaches its system by no network.
        NotShownError: it does, but not through an address of the rig.
    """
    with bench.upstream() as upstream:
        bench.situation(upstream, situation)
        if upstream.proxy is None:
            raise NotApplicableError("conform-no-proxy")
        for name, puts in bench.putting(upstream):
            for number in range(1, puts + 1):
                upstream.put(name, number, bench.start, {})
        yield upstream, upstream.proxy


def slow(bench: Bench, _subject: str) -> Told:
    """A slow upstream is waited for, or told as something that may pass; never taken for empty or broken."""
    with troubled(bench, "slow") as (upstream, proxy):
        wanted = _all(bench, upstream)
        proxy.set("slow")
        try:
            with bench.opened(upstream, "slow") as opened:
                found = _used(bench, opened)
        except JianhengError as error:
            if error.recovery != "retry":
                yield _wrong_recovery(bench, "slow", error)
            return
        finally:
            proxy.set("")
        yield from _same(bench, wanted, found)
        if bench.kind == "target" and upstream.offers("held"):
            yield from differences(bench, upstream, first_publication(bench))


def recovers(bench: Bench, _subject: str) -> Told:
    """While the upstream is away, all is told as something that may pass; when it is back, nothing is missing."""
    with troubled(bench, "unreachable") as (upstream, proxy):
        wanted = _all(bench, upstream)
        with bench.opened(upstream) as opened:
            yield from _breaks(bench, opened, proxy)
        proxy.set("down")
        yield from _while_down(bench, upstream)
        proxy.set("")
        yield from _compare(bench, upstream, wanted)


def _breaks(bench: Bench, opened: Opened, proxy: FaultProxy) -> Told:
    """Break the connection between two batches of a source."""
    if bench.kind != "source":
        return
    for stream in opened.streams():
        wanted = bench.good_read(opened, stream).state()
        found = Reading(stream)
        try:
            for rows, cursor in _batches(opened, stream):
                found.batches.append((rows, cursor))
                proxy.set("down")
        except JianhengError as error:
            if error.recovery != "retry":
                yield _wrong_recovery(bench, "down", error, stream.name)
        else:
            if missing := sorted(wanted.keys() - found.state().keys()):
                yield problem(
                    "conform-break-unnoticed",
                    count=len(missing),
                    keys=listed(missing),
                    at=bench.at(stream.name),
                )
        proxy.set("")
        with_rest = bench.good_read(opened, stream, found.cursor).state(found.state())
        missing, added, changed = apart(wanted, with_rest)
        if missing or added or changed:
            keys = listed([*missing, *added, *changed])
            count = len(missing) + len(added) + len(changed)
            yield problem(
                "conform-resume",
                checkpoint=len(found.batches),
                count=count,
                keys=keys,
                at=bench.at(stream.name),
            )


def _batches(opened: Opened, stream: Stream) -> Iterator[tuple[list[Row], str | None]]:
    from jianheng.conformance.reading import rows_of

    for batch in opened.steps(stream.name, None):
        yield rows_of(batch), batch.cursor


def _while_down(bench: Bench, upstream: Upstream) -> Told:
    try:
        with bench.opened(upstream) as opened:
            use(bench, opened)
    except JianhengError as error:
        if error.recovery != "retry":
            yield _wrong_recovery(bench, "down", error)
    else:
        yield problem("conform-trouble-unnoticed", situation="down", at=bench.at())


def _all(bench: Bench, upstream: Upstream) -> States:
    """Return what a source holds by stream; nothing for a target."""
    if bench.kind != "source":
        return {}
    with bench.opened(upstream) as opened:
        return {each.name: bench.good_read(opened, each).state() for each in opened.streams()}


def _used(bench: Bench, opened: Opened) -> States:
    """Use the adapter, and return what it read.

    Raises:
        JianhengError: what ended it.
    """
    if bench.kind == "target":
        use(bench, opened)
        return {}
    found = {}
    for stream in opened.streams():
        reading = opened.read(stream)
        if reading.error is not None:
            raise reading.error
        found[stream.name] = reading.state()
    return found


def _compare(bench: Bench, upstream: Upstream, wanted: States) -> Told:
    """With everything well again, compare what is there with what was."""
    if bench.kind == "target":
        publication = first_publication(bench)
        with bench.opened(upstream) as opened:
            opened.write(publication)
        if upstream.offers("held"):
            yield from differences(bench, upstream, publication)
        return
    yield from _same(bench, wanted, _all(bench, upstream))


def _same(bench: Bench, wanted: States, found: States) -> Told:
    for name, state in found.items():
        yield from differ(wanted[name], state, bench.at(name))


def _wrong_recovery(bench: Bench, situation: str, error: JianhengError, stream: str = "") -> Problem:
    if error.code in GENERIC:
        told = error.problem.message().what
        return problem(
            "conform-crashed",
            situation=situation,
            call="use",
            code=error.code,
            told=told,
            at=bench.at(stream),
        )
    return problem(
        "conform-recovery", situation=situation, code=error.code, given=error.recovery, at=bench.at(stream)
    )


def hangs(bench: Bench, _subject: str) -> Told:
    """An upstream that says nothing more is given up by the adapter itself, whatever it was asked."""
    tried: list[str] = []
    with troubled(bench, "hang") as (upstream, proxy):
        for doing, ask in _asked(bench, upstream):
            proxy.set("")
            error = ask(proxy)
            proxy.set("")
            tried.append(doing)
            if error is not None and error.code in GENERIC:
                yield problem(
                    "conform-hang",
                    call=doing,
                    seconds=bench.settings.limits.call_s,
                    code=error.code,
                    at=bench.at(),
                )
            elif error is not None and error.recovery != "retry":
                yield _wrong_recovery(bench, "hang", error)
    yield ", ".join(tried)


Ask = Callable[[FaultProxy], JianhengError | None]


def _asked(bench: Bench, upstream: Upstream) -> Iterator[tuple[str, Ask]]:
    """Yield what is asked of a silent upstream: opening, checking, naming streams, reading from the start and on, writing."""

    def opening(proxy: FaultProxy, ask: Callable[[Opened], object] | None = None) -> JianhengError | None:
        try:
            if ask is None:
                proxy.set("silent")
                with bench.opened(upstream, "hang"):
                    return None
            with bench.opened(upstream, "hang") as opened:
                proxy.set("silent")
                ask(opened)
        except JianhengError as error:
            return error
        return None

    yield "open", opening
    yield "check", lambda proxy: opening(proxy, lambda opened: opened.check())
    if bench.kind == "target":
        yield "write", lambda proxy: opening(proxy, lambda opened: use(bench, opened))
        return
    yield "streams", lambda proxy: opening(proxy, lambda opened: opened.streams())
    for stream in bench.streams.values():
        yield "read", lambda proxy, stream=stream: opening(proxy, lambda each: _read(each, stream))  # type: ignore[misc]
        yield "read on", lambda proxy, stream=stream: _read_on(bench, upstream, proxy, stream)  # type: ignore[misc]


def _read(opened: Opened, stream: Stream) -> None:
    found = opened.read(stream)
    if found.error is not None:
        raise found.error


def _read_on(bench: Bench, upstream: Upstream, proxy: FaultProxy, stream: Stream) -> JianhengError | None:
    """Let the upstream fall silent between two batches."""
    try:
        with bench.opened(upstream, "hang") as opened:
            for _ in _batches(opened, stream):
                proxy.set("silent")
    except JianhengError as error:
        return error
    return None
