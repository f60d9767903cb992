"""Checks that need a process of the adapter's own: what it reaches for, what it takes, and what is left when it is killed."""

import datetime as dt
import gc
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jianheng.boundary import Boundary
from jianheng.conformance.bench import Bench, Opened
from jianheng.conformance.publications import made_publication
from jianheng.conformance.reading import apart, listed
from jianheng.conformance.rig import Upstream
from jianheng.conformance.use import use
from jianheng.conformance.verdict import NotApplicableError, NotShownError
from jianheng.contract import Source, Target
from jianheng.errors import JianhengError, Problem, problem

Told = Iterator[Problem | str]
MIB = 1 << 20
SETTLE_S = 1.0
SETTLED_POLLS = 4
LEAK_ROUNDS = 6
DESCRIPTORS = Path("/proc/self/fd")


@dataclass(slots=True)
class Apart:
    """An instance in a process of its own, and what was heard of it."""

    opened: Opened
    child: Any
    events: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def isolated(bench: Bench, upstream: Upstream, situation: str = "good") -> Iterator[Apart]:
    """Open an instance in a process of its own, guarded and limited as a deployment would.

    Raises:
        NotShownError: its code could not be loaded in this process either.
        JianhengError: it could not be opened.
    """
    from jianheng.isolation.host import Code, Limits, open_isolated

    if bench.kind not in bench.factories:
        raise NotShownError(problem("conform-after", check="opens"))
    subject, manifest = bench.subject, bench.manifest
    near = () if upstream.proxy is None else (upstream.proxy.address,)
    code = Code(
        plugin=subject.id,
        module=subject.module,
        origin=subject.origin,
        kinds=tuple(manifest.kind),
        search=() if subject.search is None else (subject.search,),
        hosts=(*manifest.allowed_hosts, *near),
    )
    context = bench.context(upstream, situation)
    events: list[tuple[str, str]] = []
    boundary = Boundary(subject.id, bench.settings.limits.call_s, bench.watch, origin=subject.origin)
    with boundary:
        opened = Opened(None, boundary, bench.watch, bench.settings.limits.read_s)

        def factory() -> Any:
            return open_isolated(
                code,
                bench.kind,
                context,
                Limits(),
                report=lambda each: events.append((each.kind, each.detail)),
            )

        opened.instance = opened.call("open", factory, returns=Source if bench.kind == "source" else Target)
        yield Apart(opened, opened.instance.child, events)
    for kind, detail in events:
        if kind == "output":
            bench.watch.look("output", detail)


def network(bench: Bench, _subject: str) -> Told:
    """In a process of its own it reaches for nothing but its upstream: no other host, no program, no file of others."""
    with bench.upstream() as upstream:
        some_records(bench, upstream)
        seen: list[tuple[str, str]] = []
        failed: JianhengError | None = None
        guards: tuple[str, ...] = ()
        try:
            with isolated(bench, upstream) as apart_:
                seen, guards = apart_.events, apart_.child.guards
                apart_.opened.check()
                use(bench, apart_.opened)
        except JianhengError as error:
            failed = error
        blocked = list(dict.fromkeys(detail for kind, detail in seen if kind == "blocked"))
        for detail in blocked:
            reached = detail.startswith(("connect", "resolve"))
            hosts = ", ".join(bench.manifest.allowed_hosts) or "—"
            if reached:
                yield problem("conform-network", reached=detail, hosts=hosts, at=bench.at())
            else:
                yield problem("conform-forbidden", reached=detail, at=bench.at())
        if failed is not None and not blocked:
            told = failed.problem.message().what
            yield problem("conform-isolated", code=failed.code, told=told, at=bench.at())
    yield ", ".join(guards)


def some_records(bench: Bench, upstream: Upstream) -> None:
    """Put some records into every stream of an upstream that takes them."""
    for name, puts in bench.putting(upstream):
        for number in range(1, puts + 1):
            upstream.put(name, number, bench.start + dt.timedelta(seconds=number), {})


def memory(bench: Bench, _subject: str) -> Told:
    """Reading, or writing, much does not take much: memory grows by no more than was said."""
    limits = bench.settings.limits
    with bench.upstream() as upstream:
        if bench.kind == "source":
            upstream.needs("put")
            for name, _ in bench.putting(upstream):
                upstream.fill(name, limits.rows, bench.start)
        with isolated(bench, upstream) as apart_:
            apart_.opened.call("check", lambda: None)
            before = apart_.child.peak_bytes()
            if before is None:
                raise NotApplicableError("conform-no-measure")
            count = _much(bench, apart_.opened)
            grown = ((apart_.child.peak_bytes() or 0) - before) // MIB
    if grown > limits.memory_mb:
        yield problem("conform-memory", grown=grown, limit=limits.memory_mb, records=count, at=bench.at())
    yield f"{count}: +{grown} MiB"


def _much(bench: Bench, opened: Opened) -> int:
    """Read all streams without keeping anything, or write a large publication; return how many records that is."""
    if bench.kind == "target":
        people = bench.settings.limits.rows // 10
        opened.write(made_publication(bench, bench.manifest.publications[0], 1, people=people))
        return people
    return sum(len(batch.rows) for stream in opened.streams() for batch in opened.steps(stream.name, None))


def elsewhere(bench: Bench, _subject: str) -> Told:
    """In another process, in another time zone, with another order of hashes, it reads the same."""
    streams = bench.streams
    with bench.upstream() as upstream:
        some_records(bench, upstream)
        with bench.opened(upstream) as opened:
            here = {each.name: bench.good_read(opened, each).state() for each in streams.values()}
        with _zone(_far_zone()), isolated(bench, upstream) as apart_:
            there = {each.name: bench.good_read(apart_.opened, each).state() for each in streams.values()}
    for name, state in here.items():
        missing, added, changed = apart(state, there[name])
        if missing or added or changed:
            keys = listed([*missing, *added, *changed])
            yield problem("conform-elsewhere", keys=keys, at=bench.at(name))


def _far_zone() -> str:
    """Return a time zone far from this machine's own, so that most moments are on another day there."""
    here = dt.datetime.now().astimezone().utcoffset() or dt.timedelta(0)
    return "Etc/GMT+12" if here > dt.timedelta(hours=-2) else "Etc/GMT-14"


@contextmanager
def _zone(name: str) -> Iterator[None]:
    """Let processes started meanwhile live in another time zone."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before


def leaks(bench: Bench, _subject: str) -> Told:
    """Opened, used and let go of many times, it leaves no file, connection or thread behind."""
    if not DESCRIPTORS.is_dir():
        raise NotApplicableError("conform-no-measure")
    with bench.upstream() as upstream:
        some_records(bench, upstream)
        _use_a_little(bench, upstream)
        before = _held()
        for _ in range(LEAK_ROUNDS):
            _use_a_little(bench, upstream)
        after = _held(*before)
    files, threads = after[0] - before[0], after[1] - before[1]
    if files >= LEAK_ROUNDS or threads >= LEAK_ROUNDS:
        yield problem("conform-leak", files=files, threads=threads, rounds=LEAK_ROUNDS, at=bench.at())


def _use_a_little(bench: Bench, upstream: Upstream) -> None:
    with bench.opened(upstream) as opened:
        opened.check()
        if bench.kind == "target":
            use(bench, opened)
            return
        for stream in opened.streams():
            steps = opened.steps(stream.name, None)
            next(steps, None)
            steps.close()


def _held(files: int | None = None, threads: int | None = None) -> tuple[int, int]:
    """Return how many descriptors and threads are held once that no longer changes, or is no more than it was."""
    deadline, same, last = time.monotonic() + SETTLE_S, 0, (0, 0)
    while True:
        gc.collect()
        found = (sum(1 for _ in DESCRIPTORS.iterdir()), threading.active_count())
        same = same + 1 if found == last else 0
        back = files is not None and threads is not None and found[0] <= files and found[1] <= threads
        settled = back or same >= SETTLED_POLLS
        if settled or time.monotonic() > deadline:
            return found
        last = found
        time.sleep(0.03)
