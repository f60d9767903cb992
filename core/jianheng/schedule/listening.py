"""Where the scheduler tells how it is: ``/health`` and ``/metrics``, on loopback unless the deployment says otherwise."""

import ipaddress
import json
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from jianheng.errors import StopError
from jianheng.logs import get_log

Health = Callable[[], tuple[bool, Mapping[str, Any]]]

TIMEOUT_S = 10.0


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class _Server(ThreadingHTTPServer):
    """One thread a question; none of them keeps the scheduler from ending."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  # as the library calls it
        """Log what broke a question, where the library would print its frames: who hangs up is no news."""
        error, log = sys.exc_info()[1], get_log("jianheng.schedule")
        if isinstance(error, ConnectionError | TimeoutError):
            log.debug("who asked hung up", told=str(error))
        else:
            log.warning("internal error", reference=secrets.token_hex(4), exc_info=error)


def listen(address: str, health: Health, metrics: Callable[[], bytes]) -> ThreadingHTTPServer:
    """Serve health and metrics on threads of their own; return the server, whose ``server_port`` is the real one.

    Args:
        address: ``host:port``; port 0 lets the system choose.
        health: whether all is well, and what to say of it.
        metrics: the page of metrics.

    Raises:
        StopError: the address cannot be listened on.
    """
    host, _, port = address.rpartition(":")
    try:
        server = _Server((host.strip("[]"), int(port)), _handler(health, metrics))
    except OSError as error:
        raise StopError(
            "schedule-cannot-listen", address=address, told=error.strerror or str(error)
        ) from None
    threading.Thread(target=server.serve_forever, name="listening", daemon=True).start()
    if not is_loopback(host):
        get_log("jianheng.schedule").warning(
            "health and metrics can be read from other machines", address=address
        )
    return server


def _handler(health: Health, metrics: Callable[[], bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_S
        server_version, sys_version = "jianheng", ""

        def do_GET(self) -> None:  # the library's name
            if self.path == "/health":
                well, told = health()
                body = json.dumps({"ok": well, **told}, ensure_ascii=False).encode()
                self._answer(200 if well else 503, "application/json; charset=utf-8", body)
            elif self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, metrics())
            else:
                self._answer(404, "text/plain; charset=utf-8", b"/health, /metrics\n")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the library's name
            get_log("jianheng.schedule").debug("asked", line=format % args)

    return Handler
