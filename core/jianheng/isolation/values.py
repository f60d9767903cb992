"""Values as JSON and back, exactly: decimals, days, moments with their zone, mappings with any key, bytes.

Used on both sides. What JSON has goes as it is; everything else as ``{"$": kind, ...}``. A value of a type
that is none of these arrives as one that has the same type name and text (:class:`Foreign`), so that core
judges it as it would have in process. Nothing is ever made by a name that the other side sends but the
dataclasses of the contract.
"""

import base64
import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jianheng import contract, errors
from jianheng.isolation import columns
from jianheng.isolation.wire import WireError

PLAIN = frozenset({str, int, float, bool, type(None)})
_QUICK = frozenset({str, float, bool, type(None)})
_MANY = 4
DEEPEST = 60
MOST_PARTS = 2_000_000
MOST_DIGITS = 4000
SHOWN = 100_000
"""Limits of one value: how deep, of how many parts, digits of a whole number, characters of a foreign text."""

_DATACLASSES = {
    each.__name__: each
    for module in (contract, errors)
    for each in vars(module).values()
    if isinstance(each, type) and dataclasses.is_dataclass(each)
}


class Foreign:
    """Stands for a value of a type that cannot cross: it has that type's name and its text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return format(self._text, spec)


def encode(value: object) -> Any:
    """Return a value as JSON has it."""
    return _Encoder().encode(value, 0)


def decode(value: Any) -> Any:
    """Return the value that :func:`encode` was given.

    Raises:
        WireError: it is of no form that :func:`encode` makes.
    """
    try:
        return _decode(value)
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
        raise WireError(f"value: {type(error).__name__}") from None


class _Encoder:
    """Encodes one value within its limits; what lies beyond them becomes foreign."""

    def __init__(self) -> None:
        self._left = MOST_PARTS

    def encode(self, value: Any, depth: int) -> Any:
        kind = type(value)
        self._left -= 1
        if kind in PLAIN:
            return value if kind is not int else _integer(value)
        if depth > DEEPEST or self._left < 0:
            return _foreign(value, text=f"<{kind.__name__}>")
        if isinstance(value, list | tuple):
            return self._sequence(value, depth)
        if isinstance(value, Mapping):
            return self._mapping({key: value[key] for key in value}, depth)
        return self._single(value, depth)

    def _single(self, value: Any, depth: int) -> Any:
        for wanted, how in _HOW:
            if isinstance(value, wanted):
                return how(value)
        if isinstance(value, set | frozenset):
            return {"$": "set", "of": [self.encode(each, depth + 1) for each in value]}
        kind = type(value)
        if _DATACLASSES.get(kind.__name__) is kind:
            return self._record(value, depth)
        return _foreign(value)

    def _sequence(self, value: Any, depth: int) -> Any:
        kinds = set(map(type, value))
        if kinds <= _QUICK and isinstance(value, list):
            self._left -= len(value)
            return list(value)
        if (
            len(value) >= _MANY
            and len(kinds) == 1
            and _DATACLASSES.get((kind := kinds.pop()).__name__) is kind
        ):
            return self._records(kind, value, depth)
        told = [self.encode(each, depth + 1) for each in value]
        return told if isinstance(value, list) else {"$": "tuple", "of": told}

    def _mapping(self, value: dict[Any, Any], depth: int) -> Any:
        if all(type(key) is str for key in value) and "$" not in value:
            return {key: self.encode(each, depth + 1) for key, each in value.items()}
        pairs = [[self.encode(key, depth + 1), self.encode(each, depth + 1)] for key, each in value.items()]
        return {"$": "map", "of": pairs}

    def _records(self, kind: type, value: Any, depth: int) -> Any:
        names = [each.name for each in dataclasses.fields(kind)]
        held = [
            columns.pack([getattr(each, name) for each in value], lambda one: self.encode(one, depth + 1))
            for name in names
        ]
        plain = isinstance(value, list)
        return {"$": "records", "kind": kind.__name__, "names": names, "of": held, "list": plain}

    def _record(self, value: Any, depth: int) -> Any:
        names = [each.name for each in dataclasses.fields(value)]
        told = {name: self.encode(getattr(value, name), depth + 1) for name in names}
        return {"$": "record", "kind": type(value).__name__, "of": told}


def _integer(value: int) -> Any:
    # Python refuses to read or write very long ones as text.
    return value if -(10**MOST_DIGITS) < value < 10**MOST_DIGITS else {"$": "int", "hex": hex(value)}


def _foreign(value: object, text: str | None = None) -> Any:
    try:
        shown = str(value) if text is None else text
    except Exception:  # noqa: BLE001  # even its text may raise
        shown = ""
    return {"$": "foreign", "type": type(value).__name__, "text": shown[:SHOWN]}


def _zone(zone: dt.tzinfo | None, moment: dt.datetime | dt.time) -> Any:
    if zone is None:
        return None
    key = getattr(zone, "key", None) if isinstance(zone, ZoneInfo) else None
    if isinstance(key, str):
        return key
    try:
        offset = moment.utcoffset()
    except Exception:  # noqa: BLE001  # a zone of somebody's own
        offset = None
    return None if offset is None else [offset.days, offset.seconds, offset.microseconds]


def _moment(value: dt.datetime) -> Any:
    plain = value.replace(tzinfo=None)
    return {"$": "moment", "at": plain.isoformat(), "fold": value.fold, "zone": _zone(value.tzinfo, value)}


def _time(value: dt.time) -> Any:
    plain = value.replace(tzinfo=None)
    return {"$": "time", "at": plain.isoformat(), "fold": value.fold, "zone": _zone(value.tzinfo, value)}


_HOW: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    (bool, bool),
    (int, lambda value: _integer(int.__int__(value))),
    (float, float.__float__),
    (Decimal, lambda value: {"$": "decimal", "of": Decimal.__str__(value)}),
    (dt.datetime, _moment),
    (dt.date, lambda value: {"$": "day", "of": value.isoformat()}),
    (dt.time, _time),
    (dt.timedelta, lambda value: {"$": "span", "of": [value.days, value.seconds, value.microseconds]}),
    (bytes, lambda value: {"$": "bytes", "of": base64.b64encode(value).decode("ascii")}),
    (bytearray, lambda value: {"$": "bytearray", "of": base64.b64encode(value).decode("ascii")}),
    (Path, lambda value: {"$": "path", "of": str(value)}),
)


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(each) for each in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("$")
    if kind is None:
        return {key: _decode(each) for key, each in value.items()}
    return _MADE[kind](value)


@lru_cache(maxsize=1000)
def zone_from(told: str | tuple[int, ...] | None) -> dt.tzinfo | None:
    """Return the zone that a name or an offset (days, seconds, microseconds) stands for."""
    if told is None:
        return None
    if isinstance(told, str):
        return ZoneInfo(told)
    days, seconds, microseconds = told
    return dt.timezone(dt.timedelta(days, seconds, microseconds))


def _zoned(told: Any) -> dt.tzinfo | None:
    return zone_from(tuple(told) if isinstance(told, list) else told)


def _records(value: Mapping[str, Any]) -> object:
    kind, names = _DATACLASSES[value["kind"]], value["names"]
    held = [columns.unpack(each, _decode) for each in value["of"]]
    made = [kind(**dict(zip(names, each, strict=True))) for each in zip(*held, strict=True)]
    return made if value["list"] else tuple(made)


def _record(value: Mapping[str, Any]) -> object:
    kind = _DATACLASSES[value["kind"]]
    return kind(**{name: _decode(each) for name, each in value["of"].items()})


_names: dict[str, type[Foreign]] = {}


def stand_in(name: str, text: str = "") -> Foreign:
    """Return what stands for a value of a type of that name."""
    name = name[:100]
    if len(_names) > MOST_DIGITS:
        _names.clear()
    kind = _names.setdefault(name, type(name, (Foreign,), {}))
    return kind(text)


_MADE: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "tuple": lambda value: tuple(_decode(each) for each in value["of"]),
    "set": lambda value: {_decode(each) for each in value["of"]},
    "map": lambda value: {_decode(key): _decode(each) for key, each in value["of"]},
    "record": _record,
    "records": _records,
    "int": lambda value: int(value["hex"], 16),
    "decimal": lambda value: Decimal(value["of"]),
    "moment": lambda value: dt.datetime.fromisoformat(value["at"]).replace(
        fold=value["fold"], tzinfo=_zoned(value["zone"])
    ),
    "day": lambda value: dt.date.fromisoformat(value["of"]),
    "time": lambda value: dt.time.fromisoformat(value["at"]).replace(
        fold=value["fold"], tzinfo=_zoned(value["zone"])
    ),
    "span": lambda value: dt.timedelta(*value["of"]),
    "bytes": lambda value: base64.b64decode(value["of"], validate=True),
    "bytearray": lambda value: bytearray(base64.b64decode(value["of"], validate=True)),
    "path": lambda value: Path(value["of"]),
    "foreign": lambda value: stand_in(str(value["type"]), str(value["text"])),
}
