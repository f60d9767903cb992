"""Streams made of parts: one kind of record that a system keeps in many tables, each part with its own cursor."""

import json
from collections.abc import Mapping, Sequence

from jianheng.errors import StopError
from jianheng_adapters.mapping import MappingFile

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
    if cursor is None:
        return {}
    try:
        given = json.loads(cursor)
        version, parts = given["v"], given.get("parts", {})
    except (ValueError, TypeError, KeyError, AttributeError):
        version, parts = None, None
    if version != GROUP_VERSION or not isinstance(parts, dict):
        raise StopError("cursor-unreadable", stream=stream, cursor=cursor[:80])
    return parts


def format_parts(parts: Mapping[str, str]) -> str | None:
    """Return the cursor from which every part goes on; None where none has one yet."""
    if not parts:
        return None
    return json.dumps({"v": GROUP_VERSION, "parts": parts}, ensure_ascii=False, separators=(",", ":"))
