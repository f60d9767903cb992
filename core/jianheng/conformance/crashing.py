"""A process that writes a publication and is killed at a chosen line of the adapter's own code.

Run as ``python -m jianheng.conformance.crashing``; what to do comes pickled on stdin from :mod:`.processes`. A fork
for each killing: after each it tells how many lines were run, waits for a word, and goes on to the next.
"""

import os
import pickle
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import FrameType
from typing import Any

from jianheng.conformance.subject import GROUP
from jianheng.conformance.watch import Watch
from jianheng.contract import AdapterContext, Publication, Secret, Target
from jianheng.registry.hooks import register
from jianheng.registry.manifest import MANIFEST, add_plugin_texts, read_manifest


@dataclass(frozen=True, slots=True)
class Order:
    """What to write: the first publication whole, each other until killed, the last of them right after it was written."""

    plugin: str
    module: str
    origin: str
    search: str | None
    options: dict[str, Any]
    secrets: dict[str, str]
    office: str
    units: tuple[str, ...]
    publications: tuple[Publication, ...]


def main() -> None:
    """Do what stdin says; tell each killing on stdout."""
    order: Order = pickle.load(sys.stdin.buffer)  # noqa: S301  # from the process that started this one
    if order.search is not None:
        sys.path.insert(0, order.search)
    manifest_file = Path(order.origin) / MANIFEST
    add_plugin_texts(manifest_file)
    module = EntryPoint(order.plugin, order.module, GROUP).load()
    make = register(read_manifest(manifest_file), module).targets[order.plugin]
    first, *rest = order.publications
    lines = _forked(order, make, first, None)
    _tell(lines)
    for place, publication in enumerate(rest, 1):
        _forked(order, make, publication, lines * place // len(rest))
        _tell(place)


def _tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()
    sys.stdin.buffer.readline()


def _forked(
    order: Order, make: Callable[[AdapterContext], Target], publication: Publication, kill_at: int | None
) -> int:
    """Write in a fork; return how many lines of the adapter it ran, 0 when it was killed or failed."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        lines = _traced(lambda: make(_context(order)).write(publication), order.origin, kill_at)
        if kill_at is not None:  # it came to its end first: killed before anybody hears of it
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(write_end, str(lines).encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return int(told or 0)


def _traced(work: Callable[[], object], origin: str, kill_at: int | None) -> int:
    """Run something; count the lines of the adapter's files, and die at one of them."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(origin):
            return None
        if event == "line":
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    try:
        work()
    except BaseException:  # noqa: BLE001  # a failed write is found when it is read back
        os._exit(1)
    finally:
        sys.settrace(None)
    return count


def _context(order: Order) -> AdapterContext:
    from jianheng.conformance.bench import pseudonym

    secrets = {name: Secret(value) for name, value in order.secrets.items()}
    units: Sequence[str] = order.units
    return AdapterContext(order.office, order.plugin, order.options, secrets, units, Watch(), pseudonym)


if __name__ == "__main__":
    main()
