"""Many values, some at a time: no database takes any number of them in one statement."""

from collections.abc import Iterable
from typing import Any

CHUNK = 500
"""Keys per ``IN`` list: well under every database's limit of bound values."""


def chunks(values: Iterable[Any], size: int = CHUNK) -> Iterable[list[Any]]:
    """Yield lists of at most ``size`` values."""
    held: list[Any] = []
    for value in values:
        held.append(value)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held
