"""A column of values at once: most columns hold texts, or one kind of exact value, and need no look at each.

Used on both sides; the standard library only.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

_NONE = type(None)
_PLAIN = frozenset({str, int, float, bool, _NONE})
_MOST = 1 << 63

Encode = Callable[[Any], Any]


def pack(values: Sequence[Any], encode: Encode) -> Any:
    """Return a column as JSON has it.

    Args:
        values: the column.
        encode: encodes one value of any kind.
    """
    kinds = set(map(type, values))
    if kinds <= _PLAIN:
        if int in kinds and not all(-_MOST < each < _MOST for each in values if type(each) is int):
            return [encode(each) for each in values]
        return list(values)
    kinds.discard(_NONE)
    if kinds == {Decimal}:
        return {"$": "decimals", "of": [None if each is None else str(each) for each in values]}
    if kinds == {dt.date}:
        return {"$": "days", "of": [None if each is None else each.isoformat() for each in values]}
    if kinds == {dt.datetime}:
        return _pack_moments(values) or [encode(each) for each in values]
    return [encode(each) for each in values]


def _pack_moments(values: Sequence[Any]) -> Any:
    zones = {each.tzinfo for each in values if each is not None}
    if len(zones) != 1 or any(each is not None and each.fold for each in values):
        return None
    (zone,) = zones
    if zone is not None and not (isinstance(zone, ZoneInfo) and zone.key):
        return None
    plain = [None if each is None else each.replace(tzinfo=None).isoformat() for each in values]
    return {"$": "moments", "zone": None if zone is None else zone.key, "of": plain}


def unpack(told: Any, decode: Encode) -> list[Any]:
    """Return the column that :func:`pack` was given; raises what a wrong form makes Python raise."""
    if isinstance(told, list):
        return told if set(map(type, told)) <= _PLAIN else [decode(each) for each in told]
    kind, values = told["$"], told["of"]
    if not isinstance(values, list):
        raise TypeError(kind)
    if kind == "decimals":
        return [None if each is None else Decimal(each) for each in values]
    if kind == "days":
        return [None if each is None else dt.date.fromisoformat(each) for each in values]
    if kind == "moments":
        zone = None if told["zone"] is None else ZoneInfo(told["zone"])
        return [
            None if each is None else dt.datetime.fromisoformat(each).replace(tzinfo=zone) for each in values
        ]
    raise ValueError(kind)
