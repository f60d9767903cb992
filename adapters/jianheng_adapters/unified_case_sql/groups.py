"""Streams made of parts: one kind of record that a system keeps in many tables, each part with its own cursor."""

import json
from collections.abc import Mapping, Sequence

from jianheng_adapters.mapping import MappingFile
from jianheng_adapters.mapping.cursor import parse_held

GROUP_VERSION = 1


def groups(mapping: MappingFile) -> Mapping[str, Sequence[str]]:
    """Return the streams as core sees them, with the mapped streams each is made of, in their order."""
    found: dict[str, list[str]] = {}
    for name, stream in mapping.streams.items():
        found.setdefault(stream.part_of or name, []).append(name)
    return found


def parse_parts(cursor: str | None, *, stream: str) -> dict[str, str]:
    """Return the cursor of each part; none of what was read before the stream had parts.

    Raises:
        StopError: the cursor is none of ours, or of a later version.
    """
    return parse_held(cursor, "parts", GROUP_VERSION, stream=stream)


def format_parts(parts: Mapping[str, str]) -> str | None:
    """Return the cursor from which every part goes on; None where none has one yet."""
    if not parts:
        return None
    return json.dumps({"v": GROUP_VERSION, "parts": parts}, ensure_ascii=False, separators=(",", ":"))
