"""Change tokens: what tells that rows changed where nothing tells when.

A system that writes a column anew with every change gives no order to read by. The tokens of a group of
rows come to one digest, whatever their order; a group whose digest is another is read whole.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jianheng_adapters.mapping.cursor import parse_held

MARKS_VERSION = 1
_WIDTH = 16
_MODULUS = 1 << (8 * _WIDTH)

Group = Any
"""What a group is known by, as the driver gives it; it must be found again by it."""


def digests(records: Iterable[Sequence[Any]]) -> Mapping[Group, str]:
    """Return the digest of each group; a record is its group and then its tokens."""
    sums: dict[Group, tuple[int, int]] = {}
    for group, *tokens in records:
        told = "\x1f".join("" if token is None else str(token).strip() for token in tokens)
        number = int.from_bytes(hashlib.blake2b(told.encode(), digest_size=_WIDTH).digest())
        total, count = sums.get(group, (0, 0))
        sums[group] = (total + number) % _MODULUS, count + 1
    return {group: f"{count}:{total:032x}" for group, (total, count) in sums.items()}


def changed(before: Mapping[str, str], now: Mapping[Group, str]) -> list[Group]:
    """Return the groups in which something changed, in the order of their names."""
    return sorted((group for group, digest in now.items() if before.get(_name(group)) != digest), key=_name)


def format_marks(now: Mapping[Group, str]) -> str:
    """Return the cursor from which to go on."""
    marks = {_name(group): digest for group, digest in now.items()}
    return json.dumps(
        {"v": MARKS_VERSION, "marks": marks}, ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )


def parse_marks(cursor: str | None, *, stream: str) -> Mapping[str, str]:
    """Return the digests a cursor holds; none of a cursor that stands at a time, since all must be read then.

    Raises:
        StopError: the cursor is none of ours, or of a later version.
    """
    return parse_held(cursor, "marks", MARKS_VERSION, stream=stream)


def _name(group: Group) -> str:
    return "" if group is None else str(group).strip()
