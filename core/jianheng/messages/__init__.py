"""What people read: every error and label in Chinese and English, by a stable code.

The texts are data. Each ``*.toml`` beside this file holds one area; an adapter may bring a
``messages.toml`` of its own, which the registry adds. An error has four parts (what, where,
why it matters, what to do); a label is one line per language.
"""

import re
import string
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
PARTS = ("what", "where", "why", "do")

_HEADER = re.compile(r"^\[([\w-]+)\]", re.MULTILINE)
"""Where a code's texts begin in core's own files: each stands under a header of its own."""

_language: ContextVar[Language] = ContextVar("jianheng_language", default="zh")
_added: dict[str, Mapping[str, object]] = {}


@dataclass(frozen=True, slots=True)
class Message:
    """One error as a person reads it."""

    code: str
    what: str
    where: str
    why: str
    do: str

    def as_text(self) -> str:
        """Return the message as indented lines, code first."""
        marks = {"zh": ("位置", "影响", "处理"), "en": ("where", "why", "do")}[language()]
        lines = [f"[{self.code}] {self.what}"]
        lines += [
            f"  {mark}: {part}"
            for mark, part in zip(marks, (self.where, self.why, self.do), strict=True)
            if part
        ]
        return "\n".join(lines)

    def as_json(self) -> dict[str, str]:
        """Return the parts by name, for ``--json``."""
        return {"code": self.code, "what": self.what, "where": self.where, "why": self.why, "do": self.do}


def language() -> Language:
    """Return the language in force: Chinese unless someone asked for English."""
    return _language.get()


def set_language(value: Language) -> None:
    """Set the language of everything said from here on in this context."""
    _language.set(value)


@contextmanager
def speaking(value: Language) -> Iterator[None]:
    """Speak another language for a while (the HTML report is Chinese whatever the terminal speaks)."""
    token = _language.set(value)
    try:
        yield
    finally:
        _language.reset(token)


@cache
def _shipped() -> Mapping[str, Path]:
    """Return the file in which each code of core stands: few commands need the texts of more than a few files."""
    places: dict[str, Path] = {}
    for file in sorted(Path(__file__).parent.glob("*.toml")):
        for code in _HEADER.findall(file.read_text(encoding="utf-8")):
            if code in places:
                raise ValueError(f"{file.name}: {code} is declared twice")
            places[code] = file
    return places


@cache
def _texts(file: Path) -> Mapping[str, Mapping[str, object]]:
    return tomllib.loads(file.read_text(encoding="utf-8"))


def add_texts(file: Path) -> None:
    """Add an adapter's own texts; a code that core already has keeps core's text."""
    brought = tomllib.loads(file.read_text(encoding="utf-8"))
    _added.update({code: parts for code, parts in brought.items() if code not in _shipped()})


def codes() -> tuple[str, ...]:
    """Return every code known, sorted."""
    return tuple(sorted({*_shipped(), *_added}))


def entry(code: str) -> Mapping[str, object]:
    """Return the raw entry of a code: ``{"zh": ..., "en": ...}``; KeyError when nobody declared it."""
    file = _shipped().get(code)
    return _added[code] if file is None else _texts(file)[code]


class _Forgiving(string.Formatter):
    """A missing field must not hide the error that was to be told."""

    def get_value(self, key: int | str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        del args  # our texts name their fields
        return kwargs.get(str(key), f"{{{key}}}")


def message(code: str, fields: Mapping[str, object]) -> Message:
    """Return the four parts of an error in the language in force."""
    try:
        parts = cast("Mapping[str, str]", entry(code)[language()])
    except KeyError:  # an adapter's code without a text: say what we were given rather than nothing
        return Message(code, "; ".join(f"{key}={value}" for key, value in fields.items()), "", "", "")
    told = {part: _Forgiving().vformat(parts.get(part, ""), (), fields) for part in PARTS}
    return Message(code, **told)


def text(code: str, **fields: object) -> str:
    """Return a one-line label in the language in force; KeyError when nobody declared it."""
    return _Forgiving().vformat(cast("str", entry(code)[language()]), (), fields)


def some_of(names: Iterable[str], most: int = 10) -> str:
    """Return names to choose from: the first few, and how many more there are; a dash where there are none."""
    listed = list(names)
    told = "、".join(listed[:most]) if language() == "zh" else ", ".join(listed[:most])
    return text("names-more", names=told, count=len(listed) - most) if len(listed) > most else told or "—"
