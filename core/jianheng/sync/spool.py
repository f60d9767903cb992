"""A whole read set down before any of it is applied: the store is then held no longer than writing takes.

A source may be slow, or ask to be read slowly; a transaction that waited for it would keep every other writer of the
store waiting as well. What is little stays in memory, the rest goes to a file that has no name and ends with us.
"""

import os
import pickle
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO

from jianheng.contract import Batch
from jianheng.errors import StopError

IN_MEMORY = 20_000
"""Rows that are kept in memory."""

Sign = Callable[[], None]
"""Called now and then while the source is waited for: a sign of life."""


@contextmanager
def spooled(batches: Iterable[Batch], source: str, sign: Sign, every_s: float) -> Iterator[Iterator[Batch]]:
    """Read all batches and give them again, in their order, once.

    Args:
        batches: from the source.
        source: its name, for messages.
        sign: called when so many seconds have gone by since the last time.
        every_s: how many.

    Raises:
        StopError: there is no room for what the source gives.
    """
    held: list[Batch] = []
    odd: list[Batch] = []
    rows, last = 0, time.monotonic()
    with ExitStack() as stack:
        file: IO[bytes] | None = None
        for batch in batches:
            held.append(batch)
            rows += len(batch.rows)
            if rows > IN_MEMORY:
                file = file or _opened(stack, source)
                _spill(file, held, odd, source)
                held, rows = [], 0
            if time.monotonic() - last > every_s:
                sign()
                last = time.monotonic()
        if file is not None:
            file.seek(0)
        yield _again(file, held, odd)


def _opened(stack: ExitStack, source: str) -> IO[bytes]:
    try:
        return stack.enter_context(tempfile.TemporaryFile(prefix="jianheng-"))
    except OSError as error:
        raise _no_room(error, source) from None


def _spill(file: IO[bytes], held: list[Batch], odd: list[Batch], source: str) -> None:
    try:
        for batch in held:
            file.write(_written(batch, odd))
        file.flush()
    except OSError as error:
        raise _no_room(error, source) from None


def _no_room(error: OSError, source: str) -> StopError:
    told = error.strerror or type(error).__name__
    folder = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 named, not used: asking for it may fail the same way
    return StopError("sync-no-room", source=source, folder=folder, told=told)


def _written(batch: Batch, odd: list[Batch]) -> bytes:
    """Return a batch as bytes; one that holds what cannot be written stays in memory, and its number is written."""
    try:
        return pickle.dumps(batch, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001 whatever an adapter's values do when asked: their rows are judged later
        odd.append(batch)
        return pickle.dumps(len(odd) - 1)


def _again(file: IO[bytes] | None, held: list[Batch], odd: list[Batch]) -> Iterator[Batch]:
    while file is not None:
        try:
            found = pickle.load(file)  # noqa: S301 our own, from a file that nobody else can open
        except EOFError:
            break
        yield odd[found] if isinstance(found, int) else found
    while held:
        yield held.pop(0)
