"""The cursor of adapters that read by time of last change: opaque to core, versioned here."""

import datetime as dt
import json
from collections.abc import Iterable
from typing import Any

from jianheng.errors import StopError
from jianheng.facts.time import SHANGHAI, wall_time

CURSOR_VERSION = 1


def format_cursor(moment: dt.datetime | None) -> str | None:
    """Return the cursor that continues from a moment on; None when there is none yet."""
    if moment is None:
        return None
    return json.dumps({"v": CURSOR_VERSION, "at": moment.isoformat()}, separators=(",", ":"))


def parse_cursor(cursor: str | None, *, stream: str) -> dt.datetime | None:
    """Return the moment a cursor stands at.

    Raises:
        StopError: the cursor is not one of ours, or of a later version.
    """
    if cursor is None:
        return None
    try:
        given = json.loads(cursor)
        version, moment = given["v"], dt.datetime.fromisoformat(given["at"])
    except (ValueError, TypeError, KeyError):
        version, moment = None, None
    if version != CURSOR_VERSION or moment is None:
        raise StopError("cursor-unreadable", stream=stream, cursor=cursor[:80])
    return moment


def parse_held(cursor: str | None, name: str, version: int, *, stream: str) -> dict[str, str]:
    """Return the texts by name that a cursor holds; none of one that holds nothing of this name.

    Raises:
        StopError: the cursor is not one of ours, or of another version.
    """
    if cursor is None:
        return {}
    try:
        given = json.loads(cursor)
        found, held = given["v"], given.get(name, {})
    except (ValueError, TypeError, KeyError, AttributeError):
        found, held = None, None
    if found != version or not isinstance(held, dict):
        raise StopError("cursor-unreadable", stream=stream, cursor=cursor[:80])
    return held


def parse_moment(value: Any) -> dt.datetime | None:
    """Return a source's time of change as Shanghai wall time; None when it is no time."""
    if isinstance(value, dt.datetime):
        return wall_time(value)
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 -- wall time carries no zone
    if isinstance(value, str):
        try:
            return wall_time(dt.datetime.fromisoformat(value.strip()))
        except ValueError:
            return None
    return None


def advance(reached: dt.datetime | None, values: Iterable[Any]) -> dt.datetime | None:
    """Return how far a read has come: never back, and never beyond the present.

    A time of change in the future would hide every real change until it comes. Not moving on only
    costs that the row is read again.
    """
    now = dt.datetime.now(SHANGHAI).replace(tzinfo=None)
    moments = [moment for value in values if (moment := parse_moment(value)) is not None and moment <= now]
    return max([*moments, reached] if reached is not None else moments, default=None)
