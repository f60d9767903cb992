"""Messages between host and child: a header with two lengths, JSON for control, bytes for Arrow.

Used on both sides; imports the standard library only. What comes from the child is judged here before it
takes memory: a length over the limit ends the conversation.
"""

import json
import os
import struct
from collections.abc import Callable, Mapping
from typing import Any

MAGIC = b"JHI1"
_HEADER = struct.Struct(">4sIQ")
_PIECE = 1 << 20

Message = dict[str, Any]


class WireError(Exception):
    """The other side does not keep the protocol; ``reason`` says how."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class OversizeError(WireError):
    """A message is larger than agreed: ``size`` bytes where ``limit`` may be."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"{size} > {limit}")
        self.size, self.limit = size, limit


class EndedError(WireError):
    """The other side is gone."""


def send(descriptor: int, message: Mapping[str, Any], payload: Any = b"", *, limits: tuple[int, int]) -> None:
    """Write one message.

    Args:
        descriptor: the pipe.
        message: plain JSON values only.
        payload: bytes that go with it, such as an Arrow stream.
        limits: how many bytes of control and of payload the other side takes.

    Raises:
        OversizeError: it is larger than that; nothing was written.
        OSError: the other side is gone.
    """
    control = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    body = memoryview(payload)
    for size, limit in ((len(control), limits[0]), (body.nbytes, limits[1])):
        if size > limit:
            raise OversizeError(size, limit)
    _write(descriptor, memoryview(_HEADER.pack(MAGIC, len(control), body.nbytes) + control))
    _write(descriptor, body)


def receive(
    descriptor: int, *, limits: tuple[int, int], allocate: Callable[[int], Any] = bytearray
) -> tuple[Message, Any]:
    """Read one message and what goes with it.

    Args:
        descriptor: the pipe.
        limits: how many bytes of control and of payload are taken.
        allocate: makes the writable buffer that a payload is read into.

    Raises:
        EndedError: the other side is gone.
        OversizeError: it is larger than the limits.
        WireError: it is no message.
    """
    magic, control_size, body_size = _HEADER.unpack(_read(descriptor, bytearray(_HEADER.size)))
    if magic != MAGIC:
        raise WireError("header")
    for size, limit in ((control_size, limits[0]), (body_size, limits[1])):
        if size > limit:
            raise OversizeError(size, limit)
    control = _read(descriptor, bytearray(control_size))
    try:
        message = json.loads(control.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise WireError("json") from None
    if not isinstance(message, dict):
        raise WireError("json")
    return message, _read(descriptor, allocate(body_size)) if body_size else b""


def _write(descriptor: int, data: memoryview) -> None:
    data = data.cast("B") if data.nbytes else data
    sent = 0
    while sent < data.nbytes:
        sent += os.write(descriptor, data[sent : sent + _PIECE])


def _read(descriptor: int, into: Any) -> Any:
    view = memoryview(into).cast("B")
    got = 0
    while got < view.nbytes:
        count = os.readv(descriptor, [view[got:]])
        if count == 0:
            raise EndedError("end")
        got += count
    return into
