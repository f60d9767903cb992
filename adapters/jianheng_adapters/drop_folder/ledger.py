"""The cursor of a stream of dropped files: which were read, which failed and why, and how far into one a read came."""

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace

from jianheng.errors import StopError

VERSION = 1
REMEMBERED = 500
"""Files that are remembered by content, so that one that is dropped again is known: the latest."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What became of files, by the hash of their content.

    Attributes:
        read: the latest files dealt with, oldest first: empty for one that was read, else why it could not be.
        inside: the file that is half read, empty when none is.
        rows: how many of its rows are.
        mapping: a hash of the mapping that files were read with: by another, what failed may not fail.
    """

    read: Mapping[str, str] = field(default_factory=dict)
    inside: str = ""
    rows: int = 0
    mapping: str = ""

    def settle(self, digest: str, reason: str = "") -> "Ledger":
        """Return the ledger after a file was read, or could not be."""
        kept = {name: told for name, told in self.read.items() if name != digest}
        told = dict([*kept.items(), (digest, reason)][-REMEMBERED:])
        return Ledger(told, mapping=self.mapping)

    def at(self, digest: str, rows: int) -> "Ledger":
        """Return the ledger in the middle of a file."""
        return replace(self, inside=digest, rows=rows)

    def only(self, present: Container[str], mapping: str) -> "Ledger":
        """Return the ledger without failures to be tried again: those dropped anew, or to be read by another mapping."""
        same = self.mapping == mapping
        kept = {name: why for name, why in self.read.items() if not why or (same and name in present)}
        return replace(self, read=kept, mapping=mapping)

    def cursor(self) -> str:
        """Return the ledger as a cursor."""
        told: dict[str, object] = {
            "v": VERSION,
            "read": [*self.read.items()],
            "in": self.inside,
            "rows": self.rows,
        }
        told["mapping"] = self.mapping
        return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def parse_ledger(cursor: str | None, *, stream: str) -> Ledger:
    """Return the ledger that a cursor holds.

    Raises:
        StopError: it is not one of ours, or of a later version.
    """
    if cursor is None:
        return Ledger()
    try:
        given = json.loads(cursor)
        read = {str(digest): str(reason) for digest, reason in given["read"]}
        ledger = Ledger(read, str(given["in"]), int(given["rows"]), str(given["mapping"]))
        version = given["v"]
    except (ValueError, TypeError, KeyError):
        ledger, version = Ledger(), None
    if version != VERSION:
        raise StopError("cursor-unreadable", stream=stream, cursor=cursor[:80])
    return ledger
