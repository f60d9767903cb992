"""Opens the awkward animal in a child, as a deployment would."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from jianheng.boundary import Boundary
from jianheng.contract import AdapterContext, Batch, Secret
from jianheng.isolation.host import Code, Event, Isolated, Limits, open_isolated
from jianheng.isolation.limits import MIB

ZOO = Path(__file__).parent / "isolation_zoo"
AWKWARD = Code("zoo-awkward", "zoo_awkward", ZOO / "zoo_awkward", ("source", "target"), search=(ZOO,))
SMALL = Limits(memory_bytes=400 * MIB, message_bytes=4 * MIB, output_bytes=4096, log_lines=20)


class Lines:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def debug(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    info = warning = debug


def context(**options: Any) -> AdapterContext:
    secrets = {"password": Secret("geheim-42")}
    return AdapterContext(
        "990101", "animals", options, secrets, ("990101",), Lines(), lambda name: f"P-{name}"
    )


class Opened:
    """An adapter that was opened, its boundary, and what was heard of it."""

    def __init__(
        self, adapter: Isolated, boundary: Boundary, given: AdapterContext, events: list[Event]
    ) -> None:
        self.adapter, self.boundary, self.context, self.events = adapter, boundary, given, events

    def read(self, stream: str) -> list[Batch]:
        return list(self.boundary.iterate("read", self.adapter.read, stream, None))

    def told(self, kind: str) -> list[str]:
        return [each.detail for each in self.events if each.kind == kind]


@contextlib.contextmanager
def opened(
    kind: str = "source",
    *,
    timeout_s: float = 30,
    limits: Limits = SMALL,
    code: Code = AWKWARD,
    **options: Any,
) -> Iterator[Opened]:
    given, events = context(**options), []
    hosts = options.pop("hosts", code.hosts)
    with Boundary("animals", timeout_s) as boundary:
        adapter = boundary.call(
            "open", open_isolated, replace(code, hosts=hosts), kind, given, limits, events.append
        )
        yield Opened(adapter, boundary, given, events)
