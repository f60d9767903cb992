"""One child process as the host sees it: started, asked, listened to, ended with all that it started."""

import itertools
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa

from jianheng.boundary import place_of
from jianheng.contract import Log
from jianheng.errors import JianhengError, StopError
from jianheng.isolation import failures, wire
from jianheng.isolation.limits import MIB, Code, Event, Limits
from jianheng.isolation.starting import Started, start
from jianheng.isolation.values import decode
from jianheng.logs import redact

START_S = 60.0
"""How long a process may take until it is ready; only a machine at its end needs so long."""

_SHOWN = 300
_LINE = 16_000
"""Characters of a line of its log, and of the line's fields."""
_LEVELS = frozenset({"debug", "info", "warning"})
_RESERVED = frozenset(
    {"event", "level", "timestamp", "logger_name", "office", "adapter", "call"}
    | {"self", "method_name", "exc_info", "stack_info"}
)
"""Names of fields that are ours or the logger's: an adapter's own of that name get a stroke behind them."""


Report = Callable[[Event], None]


class Process:
    """A child that holds one plugin. Calls come one at a time; what fails in it fails as it would in process."""

    def __init__(
        self,
        code: Code,
        label: str,
        limits: Limits,
        *,
        reads: Iterable[str] = (),
        writes: Iterable[str] = (),
        hosts: tuple[str, ...] = (),
        log: Log,
        pseudonym: Callable[[str], str] | None = None,
        report: Report | None = None,
    ) -> None:
        """Start a child and wait until it is under guard; none of the plugin's code has run then.

        Args:
            code: what it will run.
            label: how the adapter is called in messages.
            limits: what it may use.
            reads: files and folders it may read beside its code.
            writes: files and folders it may write, and read.
            hosts: whom it may speak to.
            log: where its log and what it prints go.
            pseudonym: answers its questions for pseudonyms.
            report: told of events.

        Raises:
            StopError: it did not start.
        """
        self.label, self.code = label, code
        self._limits, self._log, self._pseudonym, self._report = limits, log, pseudonym, report
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._told: set[str] = set()
        self._lines = 0
        self._started: Started = start(code, limits, self._printed(log, report))
        kept = {
            "memory_bytes": limits.memory_bytes,
            "cpu_s": limits.cpu_s,
            "open_files": limits.open_files,
            "file_bytes": limits.file_bytes,
            "message_bytes": limits.message_bytes,
            "control_bytes": limits.control_bytes,
        }
        order = {
            "limits": kept,
            "parent": os.getpid(),
            "hosts": list(hosts),
            "reads": [*self._started.reads, *reads],
            "writes": [str(self._started.scratch), *writes],
        }
        late = threading.Timer(START_S, self._started.stop, kwargs={"patient": False})
        late.start()
        try:
            told, _ = self._exchange("start", order, lambda message: "ready" in message)
        finally:
            late.cancel()
        self.guards: tuple[str, ...] = tuple(str(each) for each in told.get("guards", ()))

    @property
    def pid(self) -> int:
        """The child's process id, which is also its process group's."""
        return self._started.popen.pid

    @property
    def stopped(self) -> bool:
        """Whether it was ended, by itself or by us: nothing more can be asked of it."""
        return self._started.pipes.closed

    def peak_bytes(self) -> int | None:
        """Return the most memory it has held so far, None where that is not known any more."""
        try:
            with open(f"/proc/{self.pid}/status", encoding="ascii") as status:  # noqa: PTH123  # no file of ours
                found = [line.split()[1] for line in status if line.startswith("VmHWM:")]
        except OSError:
            return None
        return int(found[0]) * 1024 if found else None

    def request(self, call: str, op: str, **args: Any) -> tuple[Mapping[str, Any], Any]:
        """Ask for something and return the answer with the bytes that came along.

        Args:
            call: how the call is named in messages: the contract's own name.
            op: what the child is to do.
            **args: with what.

        Raises:
            JianhengError: what the adapter raised on purpose.
            StopError: it raised anything else, went over a limit, ended, or does not keep the protocol.
        """
        with self._lock:
            number = next(self._numbers)
            self._lines = 0
            order = {"id": number, "op": op, "args": args}
            message, payload = self._exchange(call, order, lambda each: each.get("id") == number)
        if isinstance(message.get("ok"), dict):
            return message["ok"], payload
        raise self._failure(call, message)

    def garbage(self, call: str, detail: str) -> StopError:
        """End the child for not keeping the protocol, and return what to raise."""
        self.stop()
        return StopError("isolation-garbage", adapter=self.label, call=call, detail=detail)

    def stop(self, *, patient: bool = False) -> None:
        """End the child and everything it started.

        Args:
            patient: let it end by itself first, for two seconds at most.
        """
        self._started.stop(patient=patient)
        # Not under a thread that still reads: the number of a closed pipe may be another file's at once.
        if self._lock.acquire(timeout=1):
            try:
                self._started.pipes.close()
            finally:
                self._lock.release()

    def _exchange(
        self, call: str, order: Mapping[str, Any], answers: Callable[[wire.Message], bool]
    ) -> tuple[wire.Message, Any]:
        most = self._limits
        try:
            wire.send(self._started.pipes.write, order, limits=(most.message_bytes, 0))
            while True:
                message, payload = wire.receive(
                    self._started.pipes.read,
                    limits=(most.control_bytes, most.message_bytes),
                    allocate=pa.allocate_buffer,
                )
                if answers(message):
                    return message, payload
                self._hear(message)
        except wire.OversizeError as error:
            self.stop()
            raise self._too_large(call, error.size, error.limit) from None
        except (wire.EndedError, OSError):
            raise self._died(call) from None
        except wire.WireError as error:
            raise self.garbage(call, error.reason) from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self.garbage(call, type(error).__name__) from None

    def _hear(self, message: wire.Message) -> None:
        """Take what the child says of its own accord.

        Raises:
            WireError: it is nothing that a child says.
        """
        if "log" in message:
            self._write_log(message["log"])
        elif "blocked" in message:
            self._note_blocked(redact(str(message["blocked"])))
        elif "pseudonym" in message and self._pseudonym is not None:
            answer: dict[str, Any] = {"answer": message["ask"]}
            try:
                answer["value"] = self._pseudonym(message["pseudonym"])
            except JianhengError as error:
                answer["error"] = failures.pack(error)
            wire.send(self._started.pipes.write, answer, limits=(self._limits.message_bytes, 0))
        else:
            raise wire.WireError("message")

    def _write_log(self, told: Mapping[str, Any]) -> None:
        self._lines += 1
        if self._lines > self._limits.log_lines:
            if self._lines == self._limits.log_lines + 1:
                self._log.warning("adapter logs too much, the rest of this call is left out")
            return
        level = told["level"] if told["level"] in _LEVELS else "warning"
        fields = (
            told["fields"] if len(repr(told["fields"])) <= _LINE else {"left_out": len(repr(told["fields"]))}
        )
        named = {f"{name}_" if name in _RESERVED else name: each for name, each in decode(fields).items()}
        getattr(self._log, level)(str(told["event"])[:_LINE], **named)

    def _note_blocked(self, what: str) -> None:
        if what not in self._told and len(self._told) < self._limits.log_lines:
            self._told.add(what)
            self._log.warning("adapter was refused", what=what)
        if self._report is not None:
            self._report(Event("blocked", what))

    def _failure(self, call: str, message: wire.Message) -> JianhengError:
        try:
            if "large" in message:
                size, limit = message["large"]
                return self._too_large(call, int(size), int(limit))
            told: Mapping[str, Any] = message["error"]
            if "class" in told:
                return failures.unpack(told)
            named = {"adapter": self.label, "call": call}
            if "memory" in told:
                return StopError("isolation-memory", **named, limit=self._limits.memory_bytes // MIB)
            if "blocked" in told:
                return StopError("isolation-blocked", **named, what=redact(str(told["blocked"]))[:_SHOWN])
            frames = [(str(file), line if isinstance(line, int) else None) for file, line in told["frames"]]
            self._log.debug("adapter raised", call=call, traceback=str(told["traceback"]))
            return StopError(
                "adapter-raised",
                **named,
                exception=str(told["exception"])[:_SHOWN],
                detail=redact(str(told["detail"]))[:_SHOWN] or "—",
                at=place_of(frames, self.code.origin),
            )
        except (KeyError, TypeError, ValueError, IndexError, wire.WireError) as error:
            return self.garbage(call, type(error).__name__)

    def _too_large(self, call: str, size: int, limit: int) -> StopError:
        told = {"size": -(-size // MIB), "limit": limit // MIB}
        return StopError("isolation-too-large", adapter=self.label, call=call, **told)

    def _died(self, call: str) -> StopError:
        how, said = self._started.ended()
        if self._report is not None:
            self._report(Event("died", how))
        return StopError("isolation-died", adapter=self.label, call=call, how=how, said=said[:_SHOWN] or "—")

    @staticmethod
    def _printed(log: Log, report: Report | None) -> Callable[[str], None]:
        def printed(line: str) -> None:
            log.debug("adapter printed", line=line)
            if report is not None:
                report(Event("output", line))

        return printed
