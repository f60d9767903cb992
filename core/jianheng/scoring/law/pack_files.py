"""Where the texts of a policy come from: a folder, or the texts kept of a policy that was loaded before."""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from jianheng.errors import Problem, problem

_MAX_BYTES = 5_000_000
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
    (b"\x84\x31\x95\x33", "GB18030"),
)


class Files(Protocol):
    """The files of one pack, or of an office's own layer."""

    @property
    def name(self) -> str:
        """What they are called where something is wrong."""
        ...

    @property
    def taken(self) -> dict[str, str]:
        """Every text read so far, by its path within."""
        ...

    def text(self, path: str) -> str | Problem:
        """Return the text of a file, or why there is none."""
        ...

    def listed(self, under: str, suffix: str) -> list[str]:
        """Return the paths of the files under a folder whose names end so, in order."""
        ...


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """Files of a folder."""

    folder: Path
    taken: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    def text(self, path: str) -> str | Problem:
        """Return the text of a file, or why there is none."""
        text = _read(self.folder / path, f"{self.name}/{path}")
        if isinstance(text, str):
            self.taken[path] = text
        return text

    def listed(self, under: str, suffix: str) -> list[str]:
        """Return the paths of the files under a folder whose names end so, in order."""
        found = (each.name for each in (self.folder / under).glob(f"*{suffix}") if each.is_file())
        return [f"{under}/{name}" if under else name for name in sorted(found)]


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """Files kept as texts, by their path within the pack."""

    name: str
    texts: Mapping[str, str]
    taken: dict[str, str] = field(default_factory=dict)

    def text(self, path: str) -> str | Problem:
        """Return the text of a file, or why there is none."""
        if path not in self.texts:
            return problem("policy-file-missing", file=f"{self.name}/{path}")
        self.taken[path] = self.texts[path]
        return self.texts[path]

    def listed(self, under: str, suffix: str) -> list[str]:
        """Return the paths of the files under a folder whose names end so, in order."""
        start = f"{under}/" if under else ""
        return sorted(
            path
            for path in self.texts
            if path.startswith(start) and path.endswith(suffix) and "/" not in path[len(start) :]
        )


def _read(file: Path, name: str) -> str | Problem:
    """Return a file's text: UTF-8, with or without the mark that spreadsheet programs write."""
    try:
        if file.stat().st_size > _MAX_BYTES:
            return problem("policy-file-too-large", file=name, limit=_MAX_BYTES)
        raw = file.read_bytes()
    except FileNotFoundError:
        return problem("policy-file-missing", file=name)
    except OSError as error:
        return problem("policy-file-unreadable", file=name, told=error.strerror or type(error).__name__)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return problem("policy-file-encoding", file=name, encoding=_encoding(raw))
    if "\x00" in text:
        line = text[: text.index("\x00")].count("\n") + 1
        return problem("policy-file-binary", file=f"{name}:{line}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encoding(raw: bytes) -> str:
    """Return in which encoding a text that is not UTF-8 probably is."""
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return encoding
    try:
        raw.decode("gb18030")
    except UnicodeDecodeError:
        return "?"
    return "GB18030 (GBK)"
