"""The edge of a read: the last rows that came with a cursor, remembered so that the next read can be held to its promise.

A cursor is opaque, so nobody here can see whether reading from it begins at its boundary value or behind it. But
rows that came with it must come again. Where none of them does, either they are all gone at the source, or the
adapter leaves out what shares the boundary value; in both cases everything has to be read and compared. A cursor
that came with no rows (a token, a position in a log) promises only that nothing is missed.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from jianheng.facts.convert import Reject
from jianheng.sync.apply import Applied

MOST = 500
"""Rows of a batch that are remembered, the last ones: what is kept with a cursor does not grow."""
_DIGITS = 8


def marks_of(applied: Applied) -> str:
    """Return the last rows of a batch as they are kept: a few digits each, which tell no key."""
    return "".join(_mark(key) for key in _keys(applied.keys[-MOST:], applied.rejects[-MOST:]))


@dataclass(slots=True)
class Edge:
    """What one read meets of the edge it began at; without an edge there is nothing to meet."""

    wanted: frozenset[str] = frozenset()
    met: bool = field(default=False, init=False)

    @classmethod
    def of(cls, marks: str) -> "Edge":
        """Return the edge that was kept with a cursor."""
        return cls(frozenset(marks[at : at + _DIGITS] for at in range(0, len(marks), _DIGITS)))

    def look(self, applied: Applied) -> None:
        """See whether some rows of a batch came with the cursor."""
        if self.wanted and not self.met:
            self.met = not self.wanted.isdisjoint(map(_mark, _keys(applied.keys, applied.rejects)))

    @property
    def torn(self) -> bool:
        """Whether the read has ended and none of the rows came that came with its cursor."""
        return bool(self.wanted) and not self.met


def _keys(taken: Iterable[str], rejects: Iterable[Reject]) -> Iterator[str]:
    yield from taken
    yield from (each.key or each.locator for each in rejects)


def _mark(key: str) -> str:
    return hashlib.blake2b(key.encode(errors="replace"), digest_size=_DIGITS // 2).hexdigest()
