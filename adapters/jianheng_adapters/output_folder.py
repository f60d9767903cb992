"""Files that appear whole or not at all: checks of an output folder and staged writing into it."""

import errno
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from jianheng.contract import Finding
from jianheng.errors import JianhengError, Problem, RetryError, StopError

_STAGED = ".partial"
_SET_ASIDE = ".former"
_STALE_AFTER_S = 3600
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class FolderCodes:
    """The codes under which an adapter tells what is wrong with its folder.

    Attributes:
        unusable: the folder cannot be created or written.
        full: there is no room left.
        busy: someone holds the old result open.
    """

    unusable: str
    full: str
    busy: str


def file_name(*parts: str) -> str:
    """Return a name made of parts, without anything a file system may take for a path."""
    return "-".join(re.sub(r"[^\w.]+", "_", part).strip("._") or "_" for part in parts)


def check_folder(folder: Path, codes: FolderCodes, least_bytes: int) -> Finding:
    """Say whether a folder can take results: writable (or can be created) and with enough room."""
    subject = str(folder)
    existing = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    if not existing.is_dir():
        reason = os.strerror(errno.ENOTDIR)
        return Finding(subject, Problem(codes.unusable, {"folder": subject, "reason": reason}))
    probe = existing / f".{uuid.uuid4().hex}{_STAGED}"
    try:
        probe.touch()
        probe.unlink()
        free = shutil.disk_usage(existing).free
    except OSError as error:
        return Finding(subject, failure(error, folder, codes).problem)
    if free < least_bytes:
        fields = {"folder": subject, "free_mb": free >> 20}
        return Finding(subject, Problem(codes.full, fields))
    return Finding(subject)


def failure(error: OSError, path: Path, codes: FolderCodes) -> JianhengError:
    """Return the coded error for what the operating system said while writing a path."""
    folder = path if path.is_dir() else path.parent
    if error.errno in _NO_SPACE:
        free = shutil.disk_usage(folder).free >> 20 if folder.exists() else 0
        return StopError(codes.full, folder=str(folder), free_mb=free)
    if isinstance(error, PermissionError) and folder.is_dir() and os.access(folder, os.W_OK):
        return RetryError(codes.busy, path=str(path))  # Windows refuses to replace what is open
    return StopError(codes.unusable, folder=str(folder), reason=error.strerror or type(error).__name__)


@contextmanager
def staged(final: Path, codes: FolderCodes) -> Iterator[Path]:
    """Give a fresh path beside the final one; move what stands there into place if all went well.

    The caller creates a file or a folder under the path. A reader sees the old result or the new
    one; what a killed process left behind is removed when it is old enough to be nobody's.

    Raises:
        StopError: the folder cannot be written or is full.
        RetryError: the old result is held open.
    """
    staging = final.with_name(f".{final.name}.{uuid.uuid4().hex}{_STAGED}")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        yield staging
        _replace(staging, final)
        _sweep(final)
    except OSError as error:
        raise failure(error, final, codes) from error
    finally:
        _remove(staging)


def _replace(staging: Path, final: Path) -> None:
    if not (staging.is_dir() and final.exists()):
        staging.replace(final)
        return
    aside = staging.with_suffix(_SET_ASIDE)  # a folder that holds something cannot be replaced in one step
    final.replace(aside)
    try:
        staging.replace(final)
    except OSError:
        aside.replace(final)
        raise
    _remove(aside)


def _sweep(final: Path) -> None:
    oldest = time.time() - _STALE_AFTER_S
    for leftover in final.parent.glob(f".{_literal(final.name)}.*"):
        with suppress(OSError):
            if leftover.suffix in (_STAGED, _SET_ASIDE) and leftover.stat().st_mtime < oldest:
                _remove(leftover)


def _literal(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
