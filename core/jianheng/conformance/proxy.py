"""A proxy between an adapter and its upstream that makes trouble when told to."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

Trouble = Literal["", "slow", "silent", "down", "503", "429", "403", "login-page", "cut"]
"""What the proxy does: nothing, let each answer wait, say nothing, break; or give HTTP answers of its own, or half of one."""

_HTTP = b"HTTP/"
_ANSWERS: dict[str, bytes] = {
    "503": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    "429": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    "403": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    "login-page": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 26\r\nConnection: close\r\n\r\n"
    b"<html><h1>in</h1></html>\r\n",
}
CHUNK = 65_536
TICK_S = 0.02


class FaultProxy:
    """Passes bytes on; can let each answer wait, say nothing at all, or refuse and break connections."""

    def __init__(self, upstream: tuple[str, int], slow_s: float) -> None:
        """Listen on a free port of the loopback; nothing runs until :meth:`start`."""
        self.trouble: Trouble = ""
        self.speaks_http = False
        self._upstream = upstream
        self._slow_s = slow_s
        self._closed = False
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def address(self) -> str:
        """Where adapters reach it: host and port."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def start(self) -> None:
        """Begin to accept connections."""
        threading.Thread(target=self._accept, name="conform-proxy", daemon=True).start()

    def set(self, trouble: Trouble) -> None:
        """Make this trouble from now on, in open connections too."""
        self.trouble = trouble
        if trouble == "down":
            self._break()

    def close(self) -> None:
        """Stop listening and close every connection."""
        self._closed = True
        with suppress(OSError):  # wakes who waits in accept
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._break()

    def _break(self) -> None:
        for each in list(self._open):
            _shut(each)

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.trouble == "down":
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), name="conform-proxy", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._open.add(client)
        server: socket.socket | None = None
        try:
            server = socket.create_connection(self._upstream, timeout=10)
            server.settimeout(None)
            self._open.add(server)
            there = threading.Thread(
                target=self._pass, args=(client, server, False), name="conform-proxy", daemon=True
            )
            there.start()
            self._pass(server, client, True)
            there.join(10)
        except OSError:
            pass  # the upstream is not there: to the adapter a broken connection
        finally:
            for each in (client, server):
                if each is not None:
                    self._open.discard(each)
                    each.close()

    def _pass(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        last_slow = 0.0
        with suppress(OSError):
            while data := source.recv(CHUNK):
                if answers and self.trouble == "slow" and time.monotonic() - last_slow > self._slow_s / 2:
                    time.sleep(self._slow_s)  # once an answer, not once a piece of it
                    last_slow = time.monotonic()
                while self.trouble == "silent" and not self._closed:
                    time.sleep(TICK_S)
                if answers and data.startswith(_HTTP):
                    self.speaks_http = True
                    if self.trouble in (*_ANSWERS, "cut"):
                        sink.sendall(_ANSWERS.get(self.trouble) or _half(data))
                        break
                sink.sendall(data)
        for each in (source, sink):
            _shut(each)


def _half(answer: bytes) -> bytes:
    """Return an answer with the head it has, and half of the rest."""
    head = answer.find(b"\r\n\r\n") + 4
    return answer[: head + (len(answer) - head) // 2]


def _shut(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxied(upstream: tuple[str, int], slow_s: float) -> Iterator[FaultProxy]:
    """Run a proxy before an upstream for a while."""
    proxy = FaultProxy(upstream, slow_s)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.close()


@contextmanager
def silent_port() -> Iterator[str]:
    """Offer an address that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def closed_port() -> str:
    """Return an address where nobody listens: bound a moment ago, and free again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"
