"""What trials are run with: the one Python that forks processes under test, the target they deliver to, the tally."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fault_process

PATIENCE_S = 60.0
AT_RANDOM = "at random"


class Taker(BaseHTTPRequestHandler):
    """A target that takes a publication once by its key, counts what it is asked, and may kill who asks."""

    def do_POST(self) -> None:  # the library's name
        service: Any = self.server
        self.rfile.read(int(self.headers["Content-Length"]))
        named = (self.path, self.headers["Idempotency-Key"])
        with service.lock:
            service.asked[named] += 1
        if self.headers["Kill"]:
            with suppress(ProcessLookupError):
                os.kill(int(self.headers["Kill"]), signal.SIGKILL)
            return
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextmanager
def taker() -> Iterator[ThreadingHTTPServer]:
    """Run a target on loopback."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    server.asked, server.lock = Counter(), threading.Lock()
    server.handle_error = lambda *_: None  # who asks may be dead
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Nursery:
    """Forks the processes under test."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._children: set[int] = set()

    def start(self, **told: Any) -> int:
        """Start a child; return its process id."""
        child = self._ask({"start": told})
        self._children.add(child)
        return child

    def wait(self, child: int) -> int:
        """Return how a child ended: its exit code, or minus the signal that killed it."""
        ended = self._ask({"wait": child})
        self._children.discard(child)
        return ended

    def end_all(self) -> None:
        """Kill every child that a test which failed has left."""
        for child in sorted(self._children):
            os.kill(child, signal.SIGKILL)
            self.wait(child)

    def _ask(self, wish: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(wish) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Start the one Python that all children are forked from."""
    command = [sys.executable, Path(fault_process.__file__)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        made = Nursery(process)
        try:
            yield made
        finally:
            made.end_all()
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0


def announce(capsys: Any, what: object) -> None:
    """Say what trials came to, whatever else is captured."""
    with capsys.disabled():
        sys.stdout.write(f"\n{what}\n")


def eventually(look: Callable[[], Any], what: str) -> Any:
    """Look again and again until there is something to see."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come in {PATIENCE_S} s")


def state_of(process: int) -> str:
    """Return the letter of a process's state: ``T`` stopped, ``Z`` dead and not yet waited for."""
    return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


@dataclass
class Tally:
    """What trials came to."""

    trials: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    doubled: int = 0
    began: float = field(default_factory=time.monotonic)

    def __str__(self) -> str:
        seconds = time.monotonic() - self.began
        points = [count for point, count in self.kills.items() if point != AT_RANDOM]
        return (
            f"{self.trials} trials, {sum(self.kills.values())} killed ({sum(points)} at {len(points)} points): "
            f"{self.lost} lost, {self.doubled} doubled, {seconds:.0f} s"
        )
