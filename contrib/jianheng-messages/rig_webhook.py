"""A receiver of webhooks on loopback: it checks who sent a message and keeps each id once. Nobody it hears of exists."""

import base64
import datetime as dt
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from jianheng.contract import Publication

KEY = base64.b64encode(b"made-up-key-of-many-bytes-1234").decode()


class Receiver:
    """What was received, by id; ``answers`` are statuses to give first."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, Any]] = {}
        self.received: list[tuple[str, str]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.address = ("127.0.0.1", 0)

    def held(self, publication: Publication) -> list[dict[str, Any]]:
        """Return what the latest message about a publication's period holds, or the notices."""
        if publication.kind == "notices":
            key = publication.notice.key if publication.notice else ""
            told = [each["notice"] for each in self.messages.values() if "notice" in each]
            return [_notice(each) for each in told if each["key"] == key]
        told = [each for each in self.messages.values() if each.get("period") == publication.period]
        rows = list(told[-1].get("people", told[-1].get("due", []))) if told else []
        return [
            each | {"closed_on": dt.date.fromisoformat(each["closed_on"])} if "closed_on" in each else each
            for each in rows
        ]

    def take(self, headers: Any, body: bytes) -> int:
        """Check a message as the Standard Webhooks specification says, and keep it."""
        number, moment = headers["webhook-id"], headers["webhook-timestamp"]
        told = b".".join((number.encode(), moment.encode(), body))
        wanted = base64.b64encode(hmac.new(base64.b64decode(KEY), told, hashlib.sha256).digest()).decode()
        if not hmac.compare_digest(headers["webhook-signature"], f"v1,{wanted}"):
            return 401
        if body:
            self.received.append((number, moment))
            self.messages.setdefault(number, json.loads(body))
        return 200


def _notice(told: dict[str, Any]) -> dict[str, Any]:
    return told | {"at": dt.datetime.fromisoformat(told["at"]), "codes": tuple(told["codes"])}


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of who hung up in the middle: trials do."""


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        status, more = self.receiver.answers.pop(0) if self.receiver.answers else (0, {})
        self.send_response(status or self.receiver.take(self.headers, body))
        for name, value in more.items():
            self.send_header(name, value)
        told = b"" if self.command == "HEAD" else b'{"taken": true}'
        if "content-length" not in more:
            self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_HEAD = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the tests' output is for the tests."""


@contextmanager
def upstream(folder: Path | None = None) -> Iterator[Receiver]:
    """Start the receiver for a group of trials."""
    receiver = Receiver()
    with _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"receiver": receiver})) as server:
        receiver.address = ("127.0.0.1", server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield receiver
        server.shutdown()
        thread.join()
