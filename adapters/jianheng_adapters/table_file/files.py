"""Finds the file to read and refuses what is too large."""

import fnmatch
from pathlib import Path
from typing import Literal

from jianheng.errors import StopError

_INFLATION = 5  # a workbook unpacks to a few times its size; a bomb to thousands


def find_file(path: Path, pattern: str, newest: Literal["time", "name"]) -> Path:
    """Return the file itself, or the newest file of a folder that matches.

    Raises:
        StopError: there is no such path, nothing in it matches, or it may not be read.
    """
    try:
        if path.is_file():
            return path
        if not path.is_dir():
            raise StopError("table-path-missing", path=str(path))
        # Office keeps a lock file ~$name.xlsx beside a workbook that is open.
        found = [
            each
            for each in path.iterdir()
            if each.is_file()
            and not each.name.startswith(("~$", "."))
            and fnmatch.fnmatch(each.name, pattern)
        ]
        if not found:
            raise StopError("table-folder-empty", path=str(path), pattern=pattern)
        return max(
            found, key=lambda each: each.name if newest == "name" else (each.stat().st_mtime_ns, each.name)
        )
    except OSError as error:
        raise StopError("table-file-unreadable", path=str(path), reason=type(error).__name__) from None


def check_size(file: Path, max_bytes: int, unpacked: int | None = None) -> None:
    """Refuse a file that is larger than allowed, or unpacks to far more.

    Raises:
        StopError: it is too large.
    """
    try:
        size = file.stat().st_size
    except OSError as error:
        raise StopError("table-file-unreadable", path=str(file), reason=type(error).__name__) from None
    if size > max_bytes:
        raise StopError("table-file-too-large", path=str(file), size=size, limit=max_bytes)
    if unpacked is not None and unpacked > max_bytes * _INFLATION:
        raise StopError("table-file-too-large", path=str(file), size=unpacked, limit=max_bytes * _INFLATION)
