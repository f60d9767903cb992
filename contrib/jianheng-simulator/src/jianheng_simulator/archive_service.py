"""The archive's HTTP service."""

import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

from flask import Flask, Response, g, jsonify, request
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from jianheng_simulator.archive_store import open_archive, read_due, read_page, take_due
from jianheng_simulator.fault import FaultQueue, answer_before, parse_fault, spoil

CLIENT_ID = "jianheng"
CLIENT_SECRET = "simulator-secret"  # noqa: S105
LIFETIME_S = 3600
_LARGEST_PAGE = 2000
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?")

Answer = Response | tuple[Response, int]


def make_app(folder: Path) -> Flask:
    """Make the service over the store in a folder."""
    app = Flask(__name__)
    faults = FaultQueue()
    tokens: dict[str, float] = {}
    _add_faults(app, faults, tokens)

    @app.post("/api/token")
    def token() -> Answer:
        stated = request.get_json(silent=True)
        if not isinstance(stated, dict) or (stated.get("client_id"), stated.get("client_secret")) != (
            CLIENT_ID,
            CLIENT_SECRET,
        ):
            return jsonify(error="invalid_client"), 401
        made = secrets.token_urlsafe(24)
        tokens[made] = monotonic() + LIFETIME_S
        return jsonify(access_token=made, token_type="Bearer", expires_in=LIFETIME_S)  # noqa: S106

    @app.before_request
    def check_token() -> Answer | None:
        if not request.path.startswith("/api/") or request.path == "/api/token" or _may_enter(tokens):
            return None
        return jsonify(error="invalid_token"), 401

    @app.get("/api/volumes")
    def volumes() -> Answer:
        since = request.args.get("changed_since", "")
        page, size = request.args.get("page", "1"), request.args.get("page_size", "500")
        if (since and not _is_time(since)) or not (
            page.isdecimal() and size.isdecimal() and int(page) and int(size)
        ):
            return jsonify(error="invalid_request"), 400
        number, length = int(page), min(int(size), _LARGEST_PAGE)
        with open_archive(folder) as connection:
            total, items = read_page(connection, since, number, length)
        following = number + 1 if number * length < total else None
        return jsonify(page=number, page_size=length, total=total, next=following, items=items)

    @app.post("/api/due-list")
    def post_due() -> Answer:
        key = request.headers.get("Idempotency-Key", "")
        items = _due_items(request.get_json(silent=True))
        if not key or items is None:
            return jsonify(error="invalid_request"), 400
        with open_archive(folder) as connection:
            return jsonify(take_due(connection, key, items))

    @app.get("/api/due-list")
    def get_due() -> Answer:
        with open_archive(folder) as connection:
            return jsonify(items=read_due(connection))

    return app


def _add_faults(app: Flask, faults: FaultQueue, tokens: dict[str, float]) -> None:
    @app.route("/_simulator/faults", methods=["GET", "POST", "DELETE"])
    def change_faults() -> Answer:
        if request.method == "POST":
            try:
                faults.add(parse_fault(request.get_json(silent=True)))
            except ValueError as error:
                return jsonify(error=str(error)), 400
        elif request.method == "DELETE":
            faults.clear()
        return jsonify(faults=faults.pending())

    @app.before_request
    def strike() -> Response | None:
        g.fault = None
        if not request.path.startswith("/api/"):
            return None
        g.fault = faults.take(volumes=request.path == "/api/volumes")
        if g.fault is None:
            return None
        if g.fault.kind == "expired":
            tokens.clear()
        return answer_before(g.fault)

    @app.after_request
    def spoil_answer(response: Response) -> Response:
        return spoil(g.fault, response) if g.get("fault") else response


def _may_enter(tokens: dict[str, float]) -> bool:
    kind, _, shown = request.headers.get("Authorization", "").partition(" ")
    return kind == "Bearer" and tokens.get(shown, 0.0) > monotonic()


def _is_time(text: str) -> bool:
    if not _TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _due_items(stated: Any) -> list[dict[str, Any]] | None:
    items = stated.get("items") if isinstance(stated, dict) else None
    if not isinstance(items, list):
        return None
    right = all(
        isinstance(item, dict) and isinstance(item.get("bmsah"), str) and isinstance(item.get("unit"), str)
        for item in items
    )
    return items if right else None


class _QuietHandler(WSGIRequestHandler):
    """A handler that does not print every request."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


def make_archive_server(folder: Path, port: int = 0) -> BaseWSGIServer:
    """Bind the service to a port of the loopback interface; 0 picks a free one."""
    return make_server("127.0.0.1", port, make_app(folder), threaded=True, request_handler=_QuietHandler)


@contextmanager
def running_archive(folder: Path, port: int = 0) -> Iterator[str]:
    """Run the service in a thread and give its address."""
    server = make_archive_server(folder, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
