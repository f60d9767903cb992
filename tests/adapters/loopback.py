"""A web server on the loopback address, for tests of what speaks HTTP: one function answers every request."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    raw_query: str = ""

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Told:
    """An answer: any value as JSON, bytes and text as they are; ``pause_s`` before, ``drip_s`` between bytes."""

    value: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    drip_s: float = 0.0


def _exact(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(value)


@dataclass
class Loopback:
    """A server that runs, and every request it was asked."""

    url: str
    host: str
    asked: list[Asked]


@contextmanager
def serving(answer: Callable[[Asked], Told]) -> Iterator[Loopback]:
    """Serve until the end of the block."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # headers and body in one packet: else each answer waits for an acknowledgement

        def log_message(self, *_: object) -> None:
            pass

        def _serve(self) -> None:
            address = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = dict(parse_qsl(address.query, keep_blank_values=True))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked.append(Asked(self.command, address.path, query, headers, body, address.query))
            told = answer(asked[-1])
            time.sleep(told.pause_s)
            plain = isinstance(told.value, bytes | str)
            content = (
                told.value
                if isinstance(told.value, bytes)
                else told.value.encode()
                if isinstance(told.value, str)
                else json.dumps(told.value, ensure_ascii=False, default=_exact).encode()
            )
            try:
                self.send_response(told.status)
                kind = "text/html" if plain else "application/json"
                for name, value in {"Content-Type": kind, **told.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if told.drip_s:
                    for each in content:
                        self.wfile.write(bytes([each]))
                        self.wfile.flush()
                        time.sleep(told.drip_s)
                else:
                    self.wfile.write(content)
            except OSError:
                self.close_connection = True  # whoever asked went away

        do_GET = do_POST = _serve  # noqa: N815 -- named by the library

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    host = f"127.0.0.1:{server.server_port}"
    try:
        yield Loopback(f"http://{host}", host, asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
