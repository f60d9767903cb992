"""Faults the archive service shows on demand."""

import time
from dataclasses import dataclass
from threading import Lock
from typing import Any

from flask import Response, jsonify

KINDS = ("status", "stall", "cut", "html", "duplicate_page", "malformed_row", "expired")
_PAGE_KINDS = ("duplicate_page", "malformed_row")
_LOGIN = "<!DOCTYPE html><html><head><title>统一登录</title></head><body><form action='/login'>请登录</form></body></html>"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what goes wrong and how often."""

    kind: str
    times: int = 1
    status: int = 500
    retry_after: int | None = None
    seconds: float = 1.0


class FaultQueue:
    """The faults still to be shown, in order."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: list[tuple[Fault, int]] = []

    def add(self, fault: Fault) -> None:
        """Queue a fault."""
        with self._lock:
            self._waiting.append((fault, fault.times))

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._waiting.clear()

    def pending(self) -> list[dict[str, Any]]:
        """What is still to come."""
        with self._lock:
            return [{"kind": fault.kind, "times": left} for fault, left in self._waiting]

    def take(self, *, volumes: bool) -> Fault | None:
        """The next fault that fits a request, counted down; page faults fit the volume list only."""
        with self._lock:
            for place, (fault, left) in enumerate(self._waiting):
                if volumes or fault.kind not in _PAGE_KINDS:
                    if left > 1:
                        self._waiting[place] = (fault, left - 1)
                    else:
                        del self._waiting[place]
                    return fault
        return None


def parse_fault(stated: Any) -> Fault:
    """Read a fault from a request; raises ValueError for what is no fault."""
    if not isinstance(stated, dict) or stated.get("kind") not in KINDS:
        message = f"kind must be one of {', '.join(KINDS)}"
        raise ValueError(message)
    try:
        return Fault(**stated)
    except TypeError as error:
        raise ValueError(str(error)) from error


def answer_before(fault: Fault) -> Response | None:
    """The answer of a fault that strikes before the service has done anything."""
    if fault.kind == "stall":
        time.sleep(fault.seconds)
    if fault.kind == "status":
        response = jsonify(error="simulated")
        response.status_code = fault.status
        if fault.retry_after is not None:
            response.headers["Retry-After"] = str(fault.retry_after)
        return response
    if fault.kind == "html":
        return Response(_LOGIN, mimetype="text/html")
    return None


def spoil(fault: Fault, response: Response) -> Response:
    """Spoil an answer the service has made."""
    if fault.kind == "cut":
        body = response.get_data()
        cut = Response(body[: len(body) // 2], status=response.status_code, mimetype=response.mimetype)
        # The length promises more than comes: the connection closes in the middle of the body.
        cut.headers["Content-Length"] = str(len(body))
        return cut
    if fault.kind in _PAGE_KINDS and response.status_code == 200:  # noqa: PLR2004
        page = response.get_json()
        if fault.kind == "duplicate_page":
            page["items"] = page["items"] + page["items"]
        elif page["items"]:
            page["items"][0] |= {"bmsah": None, "jh": "第二卷", "updated_at": "2025年13月"}
        return jsonify(page)
    return response
