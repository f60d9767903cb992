"""What a child does before anything else: its limits, its guard, and the pipe on which it says that they are in force.

Only the standard library, and what of ours needs no more, is imported here and before: what comes after may be
the plugin's, down to the libraries of the contract.
"""

import faulthandler
import os
import queue
import signal
import threading
from collections.abc import Callable, Mapping
from typing import Any

from jianheng.isolation import guard, kernel, wire

_MOST_REPORTS = 200
_MOST_START = 1 << 20


class Pipe:
    """The two ends towards the host."""

    def __init__(self, read: int, write: int, limits: Mapping[str, int]) -> None:
        self._read, self._write = read, write
        self._limits = (limits["control_bytes"], limits["message_bytes"])
        self._lock = threading.Lock()
        self._asked: dict[int, queue.SimpleQueue[Mapping[str, Any]]] = {}
        self._number = 0
        self.calls: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._listen, name="host", daemon=True).start()

    def send(self, message: Mapping[str, Any], payload: Any = b"") -> None:
        """Send a message; without a host there is nothing left to do."""
        try:
            with self._lock:
                wire.send(self._write, message, payload, limits=self._limits)
        except BrokenPipeError:
            os._exit(0)

    def ask(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send a question and wait for its answer, on whichever thread."""
        answer: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        with self._lock:
            self._number += 1
            number = self._number
            self._asked[number] = answer
        self.send({**message, "ask": number})
        return answer.get()

    def _listen(self) -> None:
        while True:
            try:
                message, _ = wire.receive(self._read, limits=self._limits)
            except (wire.WireError, OSError):
                self.calls.put({"op": "end"})
                return
            if "answer" in message:
                with self._lock:
                    waiting = self._asked.pop(message["answer"], None)
                if waiting is not None:
                    waiting.put(message)
            else:
                self.calls.put(message)


def confine(read: int, write: int) -> Pipe:
    """Take the host's first order from one pipe, put this process under guard, and say so on the other."""
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the host's to deal with
    start, _ = wire.receive(read, limits=(_MOST_START, 0))
    pipe = Pipe(read, write, start["limits"])
    kernel.limit(start["limits"], start["parent"])
    reads = [*kernel.SYSTEM, *start["reads"]]
    guards = kernel.confine(start["reads"], start["writes"], network=bool(start["hosts"]))
    guard.install(guard.Hosts(start["hosts"]), reads, start["writes"], _reporter(pipe))
    pipe.send({"ready": True, "guards": ["audit", *guards]})
    return pipe


def _reporter(pipe: Pipe) -> Callable[[str], None]:
    left = [_MOST_REPORTS]

    def report(what: str) -> None:
        left[0] -= 1
        if left[0] >= 0:
            pipe.send({"blocked": what[:500]})

    return report
