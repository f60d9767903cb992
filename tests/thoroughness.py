"""How much is tried in every run, and that all of it is tried in a soak: random examples, and kinds of a thing that are much alike."""

import os
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def examples(most: int) -> int:
    """Return how many examples to try: ``most`` where ``JIANHENG_SOAK`` is set, else half."""
    return most if os.environ.get("JIANHENG_SOAK") else max(2, most // 2)


def some(kinds: Iterable[T], every: int = 3) -> list[T]:
    """Return all kinds where ``JIANHENG_SOAK`` is set, else each so manieth, the first among them."""
    return list(kinds)[:: 1 if os.environ.get("JIANHENG_SOAK") else every]
