"""A small archive service on loopback, and a proxy before it that spoils its answers in every way a network can."""

import gzip
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from upstream import UNIT

SECRET = "what-nobody-may-see"
TOKEN = "token-what-nobody-may-see"
RETRY_AFTER_S = 1
_MANY = 64 * 1024 * 1024


class Archive(BaseHTTPRequestHandler):
    """Serves the volumes of its server, page by page in the order of their change."""

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer({"access_token": TOKEN, "expires_in": 3600})

    def do_GET(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        since, number, size = asked.get("changed_since", ""), int(asked["page"]), int(asked["page_size"])
        volumes: dict[str, dict[str, Any]] = self.server.volumes  # type: ignore[attr-defined]
        found = sorted(
            (each for each in volumes.values() if each["updated_at"] >= since),
            key=lambda each: (each["updated_at"], each["dh"]),
        )
        items, more = found[(number - 1) * size : number * size], number * size < len(found)
        self._answer(
            {"page": number, "total": len(found), "next": number + 1 if more else None, "items": items}
        )

    def _answer(self, told: dict[str, Any]) -> None:
        body = json.dumps(told, ensure_ascii=False).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def volume(number: int, minute: int, state: str = "已归档") -> dict[str, Any]:
    """Return a volume as the service shows it, changed at a minute of a day."""
    at = f"2025-03-01T{minute // 60:02}:{minute % 60:02}:00+08:00"
    return {
        "dh": f"D{number:03}",
        "jh": 1,
        "bmsah": f"案{number}",
        "unit": UNIT,
        "volume_type": "诉讼卷",
        "year": 2025,
        "retention": "永久",
        "state": state,
        "handed_over_at": "2025-02-01T09:00:00",
        "accepted_at": at[:19],
        "returned_at": None,
        "return_reason": None,
        "updated_at": at,
        "deleted": False,
    }


class Line:
    """What a spoiler is given: the client's end, and the answer that was meant, its head and its body apart."""

    def __init__(self, client: socket.socket, answer: bytes) -> None:
        self.client = client
        self.head, _, self.body = answer.partition(b"\r\n\r\n")

    def send(self, body: bytes, *, status: str = "200 OK", length: int | None = None, more: str = "") -> None:
        """Answer with a body of one's own."""
        told = len(body) if length is None else length
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {told}\r\n{more}\r\n"
        self.client.sendall(head.encode() + body)

    def reset(self) -> None:
        """End the connection as a firewall does."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _cut(line: Line) -> None:
    line.send(line.body[: len(line.body) // 2], length=len(line.body))
    time.sleep(0.02)
    line.reset()


def _drip(line: Line) -> None:
    line.client.sendall(line.head + b"\r\n\r\n")
    for place in range(len(line.body)):
        line.client.sendall(line.body[place : place + 1])
        time.sleep(0.02)


def _noise(count: int) -> bytes:
    return random.Random(1).randbytes(count)  # noqa: S311  # noise, no secret


def _endless(line: Line) -> None:
    line.client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while True:
        line.client.sendall(b'{"items": [' + b" " * 65536)


def _headers(line: Line) -> None:
    line.client.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(100_000):
        line.client.sendall(f"X-{number}: {'x' * 100}\r\n".encode())


@cache
def _packed() -> bytes:
    return gzip.compress(bytes(_MANY))


def _bomb(line: Line) -> None:
    line.send(_packed(), more="Content-Encoding: gzip\r\n")


SPOILERS: dict[str, Callable[[Line], None]] = {
    "late": lambda line: (time.sleep(0.4), line.client.sendall(line.head + b"\r\n\r\n" + line.body))[0],
    "refused": lambda _line: None,
    "reset": lambda line: line.reset(),
    "cut": _cut,
    "ended early": lambda line: line.send(line.body[: len(line.body) // 2], length=len(line.body)),
    "slow body": _drip,
    "silent": lambda _line: time.sleep(2.6),
    "noise": lambda line: line.client.sendall(_noise(2000)),
    "noise for a body": lambda line: line.send(_noise(2000)),
    "length too small": lambda line: line.send(line.body, length=len(line.body) - 40),
    "length too large": lambda line: line.send(line.body, length=len(line.body) + 40),
    "half a JSON": lambda line: line.send(line.body[: len(line.body) // 2]),
    "not packed as told": lambda line: line.send(line.body, more="Content-Encoding: gzip\r\n"),
    "429": lambda line: line.send(b"", status="429 Busy", more=f"Retry-After: {RETRY_AFTER_S}\r\n"),
    "503": lambda line: line.send(b"{}", status="503 Away"),
    "redirected to itself": lambda line: line.send(
        b"", status="302 Found", more="Location: /api/volumes\r\n"
    ),
    "a list": lambda line: line.send(b"[1, 2]"),
    "nested": lambda line: line.send(b"[" * 200_000),
    "packed bomb": _bomb,
    "endless": _endless,
    "endless head": _headers,
}
"""Ways to answer wrongly, each told the right answer."""


class Proxy:
    """Passes requests on and answers back; those for volumes as :attr:`spoiler` says.

    Attributes:
        spoiler: the name of what is done to answers; empty for nothing.
        passes: how many answers for volumes still go through whole before that begins.
        times: how many are spoilt then; -1 for all.
        asked: when volumes were asked for, in seconds of a monotonic clock.
    """

    def __init__(self, upstream: int) -> None:
        self.spoiler, self.passes, self.times = "", 0, -1
        self.asked: list[float] = []
        self._upstream, self._lock = upstream, threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def spoil(self, spoiler: str, *, passes: int = 0, times: int = -1) -> None:
        """Begin to answer wrongly."""
        if spoiler == "packed bomb":
            _packed()  # now, not while somebody waits for an answer
        with self._lock:
            self.spoiler, self.passes, self.times = spoiler, passes, times
            self.asked.clear()

    def close(self) -> None:
        """Accept nothing more."""
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                client.settimeout(10)
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            request = _read_request(client)
            if not request:
                return
            answer = self._pass_on(request)
            spoiler = self._spoiler_for(request)
            if spoiler:
                SPOILERS[spoiler](Line(client, answer))
            else:
                client.sendall(answer)

    def _spoiler_for(self, request: bytes) -> str:
        if not request.startswith(b"GET /api/volumes"):
            return ""
        with self._lock:
            self.asked.append(time.monotonic())
            if self.passes > 0:
                self.passes -= 1
                return ""
            if self.times == 0:
                return ""
            self.times -= self.times > 0
            return self.spoiler

    def _pass_on(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self._upstream), 10) as server:
            server.sendall(request)
            found = bytearray()
            while piece := server.recv(65536):
                found += piece
        return bytes(found)


def _read_request(client: socket.socket) -> bytes:
    """Return a whole request; of the connection nothing more is read, as the service speaks HTTP/1.0."""
    found = b""
    while b"\r\n\r\n" not in found:
        piece = client.recv(65536)
        if not piece:
            return b""
        found += piece
    head, _, body = found.partition(b"\r\n\r\n")
    lines = [each for each in head.split(b"\r\n") if not each.lower().startswith(b"connection:")]
    lengths = [int(each.split(b":")[1]) for each in lines if each.lower().startswith(b"content-length:")]
    while len(body) < sum(lengths):
        body += client.recv(65536)
    return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body


@contextmanager
def behind_a_proxy() -> Iterator[tuple[dict[str, dict[str, Any]], Proxy]]:
    """Run the service and the proxy; yield the volumes, to be changed at will, and the proxy."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Archive)
    server.volumes = {}
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    proxy = Proxy(server.server_port)
    try:
        yield server.volumes, proxy
    finally:
        proxy.close()
        server.shutdown()
        thread.join()
        server.server_close()
