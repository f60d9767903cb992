"""Wheels: what one holds, what it needs, and whether it fits here. Nothing in one is ever run."""

import hashlib
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from email.parser import BytesParser
from importlib.metadata import EntryPoint
from pathlib import Path, PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, sys_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion

from jianheng.errors import StopError

GROUP = "jianheng"
MOST_FILES = 50_000
MOST_UNPACKED = 2 << 30
_PIECE = 1 << 20
_LAID = ("purelib", "platlib")
_LEFT = ("scripts", "headers")
_NO_PART = re.compile(r"(?i).*\.dist-info/(RECORD(\.jws|\.p7s)?|INSTALLER|REQUESTED|direct_url\.json)")
_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")
_LONGEST = 200
_OURS = frozenset({"jianheng", "jianheng_adapters", "jianheng_plugins"})


@dataclass(frozen=True, slots=True)
class Wheel:
    """One wheel as it was read.

    Attributes:
        file: where it is.
        distribution: its normalised name.
        version: its version.
        tags: what it was built for.
        sha256: of the whole file.
        files: each path it lays in a site folder, with its SHA-256.
        members: the same paths with their names within the wheel.
        requires: what it needs.
        python: which Python it needs; empty for any.
        license: as it says.
        plugins: ids of the plugins it registers, with their modules.
    """

    file: Path
    distribution: str
    version: str
    tags: frozenset[Tag]
    sha256: str
    files: Mapping[str, str]
    members: Mapping[str, str]
    requires: tuple[Requirement, ...]
    python: str
    license: str
    plugins: Mapping[str, str]


def read_wheel(file: Path) -> Wheel:
    """Read a wheel whole.

    Raises:
        StopError: it is none, its files lead out of it or are none that can be laid, or it is too large.
    """
    try:
        name, version, _, tags = parse_wheel_filename(file.name)
        with zipfile.ZipFile(file) as opened:
            members = dict(_members(file.name, opened))
            files = {path: _hash(opened, member) for path, member in members.items()}
            # Its own stands at the top; what it brings along of others may have one further down.
            info = next(each for each in opened.namelist() if _METADATA.fullmatch(each))
            told = BytesParser().parsebytes(opened.read(info))
            entry_points = info.replace("METADATA", "entry_points.txt")
            plugins = _plugins(opened.read(entry_points)) if entry_points in opened.namelist() else {}
        requires = tuple(Requirement(each) for each in told.get_all("Requires-Dist") or ())
        whole = file_hash(file)
    except (OSError, zipfile.BadZipFile, StopIteration, ConfigError, UnicodeDecodeError) as error:
        raise _unfit(file.name, str(error) or type(error).__name__) from None
    except (
        InvalidWheelFilename,
        InvalidVersion,
        InvalidRequirement,
        RuntimeError,
        NotImplementedError,
    ) as error:
        raise _unfit(file.name, str(error)) from None
    python = str(told.get("Requires-Python") or "")
    wrong = [*(f"{name} = {value}" for name, value in plugins.items() if not _is_entry(name, value))]
    wrong += [python] if len(python) > _LONGEST else []
    if wrong:
        raise _unfit(file.name, wrong[0])
    described = told.get("License-Expression") or told.get("License") or ""
    return Wheel(
        file=file,
        distribution=canonicalize_name(name),
        version=str(version),
        tags=frozenset(tags),
        sha256=whole,
        files=files,
        members=members,
        requires=requires,
        python=python,
        license=str(described).splitlines()[0][:200] if described else "",
        plugins=plugins,
    )


def lay_out(wheel: Wheel, site: Path) -> None:
    """Lay the files of a wheel into a site folder: a wheel is nothing but files with their places.

    Raises:
        StopError: a file is not the one that was read, or it is there already.
    """
    with zipfile.ZipFile(wheel.file) as opened:
        for path, member in wheel.members.items():
            place = site / path
            place.parent.mkdir(parents=True, exist_ok=True)
            content = opened.read(member)
            if hashlib.sha256(content).hexdigest() != wheel.files[path]:
                raise _unfit(wheel.file.name, path)
            try:
                with place.open("xb") as made:
                    made.write(content)
            except FileExistsError:
                raise _unfit(wheel.file.name, path) from None


def best_of(wheels: Iterable[Wheel]) -> Wheel | None:
    """Return the wheel of one distribution that fits this machine and interpreter best; None when none does."""
    ranked = {tag: place for place, tag in enumerate(sys_tags())}
    fitting = [
        (min(ranked[tag] for tag in each.tags if tag in ranked), each.file.name, each)
        for each in wheels
        if any(tag in ranked for tag in each.tags)
    ]
    return min(fitting, key=lambda each: each[:2])[2] if fitting else None


def file_hash(file: Path) -> str:
    """Return the SHA-256 of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _members(name: str, opened: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Yield where each file of a wheel belongs in a site folder, and its name within the wheel."""
    found = [each for each in opened.infolist() if not each.is_dir()]
    if len(found) > MOST_FILES or sum(each.file_size for each in found) > MOST_UNPACKED:
        raise _unfit(name, f"> {MOST_FILES}, {MOST_UNPACKED}")
    seen: set[str] = set()
    for each in found:
        path = _place(name, each.filename)
        if path is None:
            continue
        if path.lower() in seen or is_unsafe(path) or path.split("/")[0].removesuffix(".py") in _OURS:
            raise _unfit(name, each.filename)
        seen.add(path.lower())
        yield path, each.filename


def _place(name: str, member: str) -> str | None:
    if _NO_PART.fullmatch(member):
        return None
    top, _, rest = member.partition("/")
    if not top.endswith(".data"):
        return member
    scheme, _, path = rest.partition("/")
    if scheme in _LEFT:
        return None
    if scheme not in _LAID:
        raise _unfit(name, member)
    return path


def is_unsafe(path: str) -> bool:
    """Say whether a path leads out of the folder it is meant for, or is none on some system."""
    parts = PurePosixPath(path).parts
    return (
        not parts
        or path.startswith("/")
        or any(each in ("..", ".") for each in path.split("/"))
        or any(mark in path for mark in ("\\", ":", "\0", "//"))
    )


def _hash(opened: zipfile.ZipFile, member: str) -> str:
    found = hashlib.sha256()
    with opened.open(member) as content:
        while piece := content.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


def _plugins(content: bytes) -> dict[str, str]:
    parser = ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    parser.read_string(content.decode())
    return dict(parser[GROUP]) if parser.has_section(GROUP) else {}


def _is_entry(name: str, value: str) -> bool:
    """Say whether an entry point names a module, so that it can ever be loaded."""
    return bool(EntryPoint.pattern.match(value) and 0 < len(name) <= _LONGEST and 0 < len(value) <= _LONGEST)


def _unfit(file: str, detail: str) -> StopError:
    return StopError("plugin-wheel-unfit", file=file, detail=detail[:200])
