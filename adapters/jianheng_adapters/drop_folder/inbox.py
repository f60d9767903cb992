"""The folder itself: which files are complete, what they are called by content, and moving them away."""

import contextlib
import fnmatch
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jianheng.errors import StopError

REASON = ".reason.txt"
_UNFINISHED = (".tmp", ".part", ".partial", ".filepart", ".crdownload", ".swp")
_PIECE = 1 << 20
_DIGEST_BYTES = 8

Outcome = Literal["done", "failed"]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A complete file: where it is, and a hash of what it holds."""

    file: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Inbox:
    """A drop folder and how it is used.

    Attributes:
        quiet_s: a file that changed less than this ago may still be being written.
        marker: suffix of the file that says that another is complete; none when empty.
        order: which file comes first.
    """

    folder: Path
    done: str = "done"
    failed: str = "failed"
    quiet_s: float = 10.0
    marker: str = ""
    order: Literal["name", "time"] = "name"

    def waiting(self) -> tuple[list[Path], list[Path]]:
        """Return the files that are complete, in order, and those that are not yet.

        Raises:
            StopError: the folder isn't there or can't be read.
        """
        try:
            files = [
                each for each in self.folder.iterdir() if each.is_file() and not _is_by_the_way(each.name)
            ]
            if self.marker:
                files = [each for each in files if not each.name.endswith(self.marker)]
            ready = [each for each in files if self._is_complete(each)]
            return self._sorted(ready), sorted(set(files) - set(ready))
        except OSError as error:
            raise StopError(
                "drop-folder-missing", path=str(self.folder), reason=type(error).__name__
            ) from None

    def archived(self) -> list[Path]:
        """Return the files that were read before, in order: reading everything anew begins with them."""
        folder = self.folder / self.done
        try:
            return (
                self._sorted([each for each in folder.iterdir() if each.is_file()]) if folder.is_dir() else []
            )
        except OSError as error:
            raise StopError("drop-folder-missing", path=str(folder), reason=type(error).__name__) from None

    def identify(self, files: Sequence[Path], pattern: str) -> Iterator[Dropped]:
        """Yield the files whose name fits with a hash of their content; one that changes meanwhile is left for later."""
        for file in files:
            if not fnmatch.fnmatch(file.name, pattern):
                continue
            try:
                before = file.stat()
                digest = _digest(file)
                after = file.stat()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StopError(
                    "table-file-unreadable", path=str(file), reason=type(error).__name__
                ) from None
            if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
                yield Dropped(file, digest)

    def put_away(self, dropped: Dropped, outcome: Outcome, reason: str = "") -> None:
        """Move a file that has been dealt with, never over another one; its marker goes with it.

        Raises:
            OSError: it can't be moved.
        """
        folder = self.folder / (self.done if outcome == "done" else self.failed)
        folder.mkdir(exist_ok=True)
        place = folder / dropped.file.name
        if place.exists():
            place = folder / f"{dropped.file.stem}.{dropped.digest}{dropped.file.suffix}"
        if outcome == "failed":
            place.with_name(place.name + REASON).write_text(f"{reason}\n", encoding="utf-8")
        dropped.file.replace(place)
        if self.marker:
            mark = dropped.file.with_name(dropped.file.name + self.marker)
            with contextlib.suppress(FileNotFoundError):
                mark.replace(place.with_name(place.name + self.marker))

    def refused(self) -> list[Path]:
        """Return the files in ``failed``, the latest first."""
        folder = self.folder / self.failed
        if not folder.is_dir():
            return []
        found = [each for each in folder.iterdir() if each.is_file() and not each.name.endswith(REASON)]
        if self.marker:
            found = [each for each in found if not each.name.endswith(self.marker)]
        return sorted(found, key=lambda each: each.stat().st_mtime_ns, reverse=True)

    def may_move(self) -> bool:
        """Return whether files can be moved away."""
        return os.access(self.folder, os.W_OK | os.X_OK)

    def _is_complete(self, file: Path) -> bool:
        if self.marker:
            return file.with_name(file.name + self.marker).exists()
        # A clock that is ahead on the other side must not keep a file back for ever.
        return abs(time.time() - file.stat().st_mtime) >= self.quiet_s

    def _sorted(self, files: Sequence[Path]) -> list[Path]:
        if self.order == "time":
            return sorted(files, key=lambda each: (each.stat().st_mtime_ns, each.name))
        return sorted(files, key=lambda each: each.name)


def _is_by_the_way(name: str) -> bool:
    # Office keeps a lock file ~$name.xlsx beside a workbook that is open.
    return name.startswith((".", "~$")) or name.lower().endswith(_UNFINISHED)


def _digest(file: Path) -> str:
    told = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE):
            told.update(piece)
    return told.hexdigest()
