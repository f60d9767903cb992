"""Check of what is left when an adapter is killed in the middle, without a chance to tidy up."""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from jianheng.conformance.bench import Bench
from jianheng.conformance.crashing import Order
from jianheng.conformance.processes import isolated, some_records
from jianheng.conformance.publications import made_publication
from jianheng.conformance.reading import Reading, apart, listed, rows_of
from jianheng.conformance.targets import differences
from jianheng.conformance.verdict import NotApplicableError, NotShownError
from jianheng.contract import Stream
from jianheng.errors import JianhengError, Problem, problem

Told = Iterator[Problem | str]
KILLINGS = 6
"""How often a target is killed while it writes, evenly over the lines of its code; the last time right after."""


def kill(bench: Bench, _subject: str) -> Told:
    """Killed in the middle, without a chance to tidy up, it loses nothing and doubles nothing afterwards."""
    if bench.kind == "target":
        yield from _kill_writing(bench)
        return
    for stream in bench.streams.values():
        yield from _kill_reading(bench, stream)


def _kill_reading(bench: Bench, stream: Stream) -> Told:
    with bench.upstream() as upstream:
        some_records(bench, upstream)
        with bench.opened(upstream) as opened:
            wanted = bench.good_read(opened, stream)
        middle = max(1, len(wanted.batches) // 2)
        found = Reading(stream)
        with isolated(bench, upstream) as apart_:
            try:
                for batch in apart_.opened.steps(stream.name, None):
                    found.batches.append((rows_of(batch), batch.cursor))
                    if len(found.batches) == middle:
                        os.kill(apart_.child.pid, signal.SIGKILL)
                        break
            except JianhengError:
                pass  # it was killed: that it did not answer any more is what was wanted
        with bench.opened(upstream) as opened:
            rest = bench.good_read(opened, stream, found.cursor)
        kept = found.state() if stream.mode == "cursor" and found.cursor is not None else {}
        missing, added, changed = apart(wanted.state(), rest.state(kept))
    if missing or added or changed:
        keys = listed([*missing, *added, *changed])
        yield problem("conform-kill-read", batch=middle, keys=keys, at=bench.at(stream.name))


def _kill_writing(bench: Bench) -> Told:
    if not hasattr(os, "fork"):
        raise NotApplicableError("conform-no-fork")
    kind = bench.manifest.publications[0]
    with bench.upstream() as upstream:
        upstream.needs("held")
        context = bench.context(upstream)
        numbers = range(1, KILLINGS + 2)
        order = Order(
            bench.subject.id,
            bench.subject.module,
            str(bench.subject.origin),
            None if bench.subject.search is None else str(bench.subject.search),
            dict(context.options),
            {name: secret.reveal() for name, secret in context.secrets.items()},
            context.office,
            tuple(context.units),
            tuple(made_publication(bench, kind, number) for number in numbers),
        )
        with _crasher(order) as crasher:
            lines = crasher.next()
            if lines == 0:
                raise NotShownError(problem("conform-after", check="receipt"))
            for place, publication in enumerate(order.publications[1:], 1):
                crasher.next()
                with bench.opened(upstream) as opened:
                    opened.write(publication)
                found = list(differences(bench, upstream, publication))
                if found:
                    yield problem(
                        "conform-kill-write", line=lines * place // KILLINGS, of=lines, at=bench.at(kind)
                    )
                    yield from found
                    return
        yield f"{KILLINGS}"


@dataclass(slots=True)
class _Crasher:
    process: "subprocess.Popen[bytes]"
    asked: bool = False

    def next(self) -> int:
        """Let it write and be killed once more; return the number it tells, 0 when it has ended."""
        if self.process.stdin is None or self.process.stdout is None:
            return 0
        if self.asked:
            self.process.stdin.write(b"\n")
            self.process.stdin.flush()
        self.asked = True
        return int(self.process.stdout.readline() or 0)


@contextmanager
def _crasher(order: Order) -> Iterator[_Crasher]:
    process = subprocess.Popen(  # noqa: S603  # our own module
        [sys.executable, "-P", "-m", crashing_name()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        if process.stdin is not None:
            pickle.dump(order, process.stdin)
            process.stdin.flush()
        yield _Crasher(process)
    finally:
        process.kill()
        process.communicate()


def crashing_name() -> str:
    """Return the module that is run to be killed."""
    return Order.__module__
