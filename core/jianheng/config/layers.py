"""Reading the TOML files of a deployment: one layer extends another, the later wins key by key."""

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from jianheng.config.files import read_small
from jianheng.errors import FaultsError, Problem, StopError, problem

FILE_NAME = "deployment.toml"
MAX_BYTES = 1_000_000
MAX_DEPTH = 16
DEFAULT = "default"

_TABLE = re.compile(rb"^[ \t]*\[", re.MULTILINE)
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)\s*$")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: a file and the layer it is, or nobody's choice but the default."""

    file: Path | None
    layer: str


@dataclass(frozen=True, slots=True)
class Layer:
    """One file of the chain as it was read, without ``extends``."""

    file: Path
    name: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chain:
    """The files of a deployment, the outermost first, and what kept further ones from being read."""

    layers: tuple[Layer, ...]
    problems: tuple[Problem, ...]


def read_toml(file: Path) -> dict[str, Any]:
    """Return a TOML document; numbers with a point are exact decimals.

    Raises:
        StopError: the file is absent, no file, unreadable, too large, not UTF-8 or not TOML.
    """
    raw = _read(file)
    try:
        return _parsed(raw)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise StopError("config-not-utf8", file=str(file), line=line) from None
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(str(file), str(error), raw) from None
    except (RecursionError, ArithmeticError, ValueError) as error:
        raise StopError("config-syntax", file=str(file), line="?", detail=type(error).__name__) from None


def read_head(file: Path) -> dict[str, Any]:
    """Return what stands above the first table of a TOML document; all of it where that cannot be read alone.

    Raises:
        StopError: as :func:`read_toml`, of what was read.
    """
    try:
        return _parsed(_TABLE.split(_read(file), maxsplit=1)[0])
    except (
        RecursionError,
        ArithmeticError,
        ValueError,
    ):  # what looks like a table stands within a value, or something is wrong
        return read_toml(file)


def _read(file: Path) -> bytes:
    shown = str(file)
    try:
        status, raw = read_small(file, MAX_BYTES)
    except FileNotFoundError:
        raise StopError("config-not-found", file=shown) from None
    except (OSError, ValueError) as error:
        raise StopError("config-unreadable", file=shown, detail=_reason(error)) from None
    if raw is None and stat.S_ISREG(status.st_mode):
        raise StopError("config-too-large", file=shown, size=status.st_size, limit=MAX_BYTES)
    if raw is None:
        raise StopError("config-not-a-file", file=shown)
    return raw


def _parsed(raw: bytes) -> dict[str, Any]:
    return tomllib.loads(raw.decode("utf-8-sig"), parse_float=Decimal)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else type(error).__name__


def _syntax_error(file: str, told: str, raw: bytes) -> StopError:
    place = _PLACE.search(told)
    line = place[1] if place and place[1] else str(raw.count(b"\n") + 1)
    return StopError("config-syntax", file=file, line=line, detail=_PLACE.sub("", told))


def deployment_file(path: Path) -> Path:
    """Return the deployment file that a file or folder name means.

    Raises:
        StopError: it is a folder without one.
    """
    if not path.is_dir():
        return path
    file = path / FILE_NAME
    if not file.exists():
        raise StopError("config-none-in-folder", folder=str(path), name=FILE_NAME)
    return file


def read_chain(path: Path) -> Chain:
    """Read a deployment file and all that it extends.

    A layer that can't be read ends the chain, but what was read so far is kept, so that its faults
    can be told together with this one.
    """
    layers: list[Layer] = []
    problems: list[Problem] = []
    seen: list[Path] = []
    here: Path | None = path
    while here is not None:
        try:
            file = _next_file(here, seen)
            seen.append(file)
            data = read_toml(file)
        except StopError as error:
            problems.extend(_blame(error, layers))
            break
        above = data.pop("extends", None)
        name = os.path.relpath(file, seen[0].parent)
        layers.append(Layer(file, name, data))
        if above is not None and not (isinstance(above, str) and above):
            problems.append(problem("config-extends-bad", file=str(file)))
            break
        here = file.parent / above if above else None
    return Chain(tuple(reversed(layers)), tuple(problems))


def _next_file(here: Path, seen: list[Path]) -> Path:
    try:
        file = deployment_file(here).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a circle of links, or no file name at all
        raise StopError("config-unreadable", file=str(here), detail=type(error).__name__) from None
    if file in seen or len(seen) == MAX_DEPTH:
        told = " → ".join(str(each) for each in [*seen, file])
        raise StopError("config-extends-cycle", file=str(seen[-1]), chain=told)
    return file


def _blame(error: StopError, layers: list[Layer]) -> tuple[Problem, ...]:
    """A layer that is absent is a fault of the file that names it."""
    if layers and error.code in ("config-not-found", "config-none-in-folder"):
        missing = error.problem.fields.get("file", error.problem.fields.get("folder"))
        return (problem("config-extends-missing", file=str(layers[-1].file), missing=missing),)
    return error.problems


def merge(layers: tuple[Layer, ...]) -> tuple[dict[str, Any], dict[str, Origin]]:
    """Return all layers laid over each other, and where each leaf comes from."""
    merged: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for layer in layers:
        merged = _over(merged, layer.data)
        for key, _ in leaves(layer.data):
            # A leaf replaces whatever table stood under its name, and the other way round.
            shadowed = [old for old in origins if old.startswith(f"{key}.") or key.startswith(f"{old}.")]
            for old in shadowed:
                del origins[old]
            origins[key] = Origin(layer.file, layer.name)
    return merged, origins


def _over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(lower)
    for key, value in upper.items():
        below = both.get(key)
        both[key] = (
            _over(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
        )
    return both


def leaves(tree: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value that is no table, under its dotted key."""
    for key, value in tree.items():
        path = f"{under}.{key}" if under else key
        if isinstance(value, Mapping):
            yield from leaves(value, path)
        else:
            yield path, value


def raise_faults(problems: list[Problem]) -> None:
    """Raise all problems together, each once; do nothing when there are none.

    Raises:
        FaultsError: there is at least one.
    """
    once = [each for position, each in enumerate(problems) if each not in problems[:position]]
    if once:
        raise FaultsError(once)
