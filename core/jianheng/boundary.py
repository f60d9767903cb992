"""The boundary around an adapter: it may raise, exit, hang or return nonsense, and nothing else is hurt.

Each adapter has one thread of its own, so that a hang holds nobody else and connections stay on the
thread that opened them. A call that ends the whole process from native code can't be caught here: adapters of
others therefore run in a process of their own (:mod:`jianheng.isolation`), which ends with its boundary.
"""

import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import structlog

from jianheng.contract import Log
from jianheng.errors import JianhengError, StopError
from jianheng.logs import get_log, redact

T = TypeVar("T")
Types = type | tuple[type, ...]

SHOWN = 300
"""How much of an unknown exception's text a message repeats."""

_END = object()

Ending = Callable[[bool], None]
"""Ends something that an adapter needs; given whether it may take a moment to end by itself."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[], Any]
    context: Context
    answer: "queue.SimpleQueue[_Outcome]"


def on_end(ending: Ending) -> None:
    """Have something ended when the boundary that this code runs in is closed or gives a call up; outside one, nothing."""
    boundary = _around.get()
    if boundary is not None:
        boundary.ends(ending)


def place_of(frames: Sequence[tuple[str, int | None]], origin: Path | None) -> str:
    """Return where an adapter failed: the last frame of its own, else the last of any; no more of its path than needed.

    Args:
        frames: file and line of each, the innermost last.
        origin: the adapter's folder.
    """
    own = [each for each in frames if origin and Path(each[0]).is_relative_to(origin)]
    found = (own or frames)[-1:]
    return _short(Path(found[0][0]), found[0][1]) if found else "—"


class Boundary:
    """Calls one adapter, each call under a time limit, on a thread of its own.

    A call that exceeds the limit poisons the boundary: the thread may still be busy, so later calls
    are refused instead of queued behind it.
    """

    def __init__(
        self,
        label: str,
        timeout_s: float,
        log: Log | None = None,
        *,
        office: str = "",
        origin: Path | None = None,
    ) -> None:
        """Make a boundary; its thread starts with the first call.

        Args:
            label: how the adapter is called in messages and logs.
            timeout_s: limit of one call, and of one step of an iteration.
            log: where tracebacks go, at debug level.
            office: bound to every log line inside, when given.
            origin: the adapter's folder, to tell its frames from those of libraries.
        """
        self.label = label
        self.timeout_s = timeout_s
        self._log = log or get_log("jianheng.boundary")
        self._fields = {"adapter": label, **({"office": office} if office else {})}
        self._origin = origin
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._hung = ""
        self._closed = False
        self._endings: list[Ending] = []

    @property
    def poisoned(self) -> bool:
        """Whether a call hung or was abandoned, so that nothing more can be asked of this adapter."""
        return bool(self._hung)

    def call(self, name: str, fn: Callable[..., T], *args: Any, returns: Types | None = None) -> T:
        """Call a function of the adapter and return what it returns.

        Args:
            name: what is called, for messages and logs.
            fn: the function.
            *args: its arguments.
            returns: what the result must be an instance of; anything when not given.

        Raises:
            JianhengError: what the adapter raised on purpose.
            StopError: it raised anything else, returned the wrong thing, or did not come back in time.
        """
        value = self._run(name, lambda: fn(*args), copy_context())
        self._check(name, value, returns)
        return cast("T", value)

    def iterate(
        self, name: str, factory: Callable[..., Iterable[T]], *args: Any, yields: Types | None = None
    ) -> Iterator[T]:
        """Yield what an adapter's iterator yields, each step under the time limit.

        The iterator is closed on the adapter's thread when the reader stops early.

        Args:
            name: what is called, for messages and logs.
            factory: the function that returns the iterable.
            *args: its arguments.
            yields: what each item must be an instance of; anything when not given.

        Raises:
            JianhengError: what the adapter raised on purpose.
            StopError: as for :meth:`call`.
        """
        context = copy_context()
        made = self._run(name, lambda: factory(*args), context)
        self._check(name, made, cast("type", Iterable))
        iterator = self._run(name, lambda: iter(made), context)
        try:
            while True:
                item = self._run(name, lambda: next(iterator, _END), context)
                if item is _END:
                    return
                self._check(name, item, yields)
                yield item
        finally:
            if not self.poisoned and not self._closed:
                self._close_iterator(name, iterator, context)

    def close(self) -> None:
        """Let the adapter's thread end, and what was started for it; later calls are refused."""
        self._closed = True
        if self._thread is not None:
            self._jobs.put(None)
        self._end(patient=not self.poisoned)

    def ends(self, ending: Ending) -> None:
        """Have something ended with this boundary."""
        self._endings.append(ending)
        if self.poisoned or self._closed:  # it was given up while this was being made
            self._end(patient=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def __del__(self) -> None:
        """End what belongs to a boundary that somebody forgot to close, on the way out of an error."""
        if not self._closed:
            self.close()

    def _close_iterator(self, name: str, iterator: object, context: Context) -> None:
        try:
            self._run(f"{name}.close", lambda: _close(iterator), context)
        except JianhengError as error:
            # What is told must be why reading stopped, not that tidying up failed as well.
            self._log.warning("adapter could not close its reader", code=error.code, **self._fields)

    def _run(self, name: str, work: Callable[[], Any], context: Context) -> Any:
        if self._hung or self._closed:
            raise StopError("adapter-poisoned", adapter=self.label, call=name, hung=self._hung or "close")
        if self._thread is None:
            self._thread = threading.Thread(
                target=_work, args=(self._jobs,), name=f"adapter-{self.label}", daemon=True
            )
            self._thread.start()
        answer: queue.SimpleQueue[_Outcome] = queue.SimpleQueue()

        def within() -> Any:
            _around.set(self)
            with structlog.contextvars.bound_contextvars(call=name, **self._fields):
                return work()

        began = time.monotonic()
        self._jobs.put(_Job(within, context, answer))
        try:
            outcome = answer.get(timeout=self.timeout_s)
        except queue.Empty:
            self._abandon(name)
            raise StopError(
                "adapter-timeout", adapter=self.label, call=name, seconds=round(time.monotonic() - began, 1)
            ) from None
        except BaseException:  # a real Ctrl-C here, while the adapter is still busy there
            self._abandon(name)
            raise
        if outcome.error is not None:
            raise self._told(name, outcome.error)
        return outcome.value

    def _abandon(self, name: str) -> None:
        self._hung = name
        self._jobs.put(None)  # if the call ever comes back, its thread ends
        self._end(patient=False)

    def _end(self, *, patient: bool) -> None:
        endings, self._endings = self._endings, []
        for ending in endings:
            ending(patient)

    def _told(self, name: str, error: BaseException) -> JianhengError:
        if isinstance(error, JianhengError):
            return error
        shown = "".join(traceback.format_exception(error))
        self._log.debug("adapter raised", call=name, traceback=shown, **self._fields)
        try:
            detail = redact(" ".join(str(error).split()))[:SHOWN]
        except Exception:  # noqa: BLE001  # even its text may raise
            detail = ""
        return StopError(
            "adapter-raised",
            adapter=self.label,
            call=name,
            exception=type(error).__name__,
            detail=detail or "—",
            at=self._place(error),
        )

    def _place(self, error: BaseException) -> str:
        if isinstance(error, SyntaxError) and error.filename:
            return place_of([(error.filename, error.lineno)], None)
        frames = traceback.extract_tb(error.__traceback__)
        return place_of([(each.filename, each.lineno) for each in frames], self._origin)

    def _check(self, name: str, value: object, wanted: Types | None) -> None:
        if wanted is None:
            return
        try:
            right = isinstance(value, wanted)
        except Exception:  # noqa: BLE001  # a value may lie about its class, or raise when asked
            right = False
        if not right:
            names = wanted if isinstance(wanted, tuple) else (wanted,)
            raise StopError(
                "adapter-returned-wrong",
                adapter=self.label,
                call=name,
                given=type(value).__name__,
                wanted=" / ".join(each.__name__ for each in names),
            )


def _work(jobs: "queue.SimpleQueue[_Job | None]") -> None:
    """Do jobs until there are no more; holds the queue only, so that a boundary nobody has any more can end."""
    while (job := jobs.get()) is not None:
        try:
            outcome = _Outcome(value=job.context.run(job.work))
        except BaseException as error:  # noqa: BLE001  # SystemExit and KeyboardInterrupt of an adapter too
            outcome = _Outcome(error=error)
        job.answer.put(outcome)
        del job, outcome  # hold no rows while waiting for the next call


_around: ContextVar[Boundary | None] = ContextVar("jianheng_boundary", default=None)


def _close(iterator: object) -> None:
    close = getattr(iterator, "close", None)
    if close is not None:
        close()


def _short(file: Path, line: int | None) -> str:
    """Two parts of the path say enough, and nothing of where this is installed."""
    return f"{'/'.join(file.parts[-2:])}:{line or '?'}"
