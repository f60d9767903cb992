"""What an adapter says anywhere, searched for the secrets it was given."""

import base64
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

from jianheng.errors import JianhengError, Problem

SHORTEST = 6
"""A made-up secret must be longer than what stands in ordinary words, or finding it would prove nothing."""

UNCLOSED = "adapter could not close its reader"
"""What the boundary logs when closing a reader fails; a cancelled read must not end so."""


@dataclass(slots=True)
class Watch:
    """Collects where each secret was seen, and every problem an adapter told. Also a log for adapters."""

    forms: dict[str, str] = field(default_factory=dict)
    seen: dict[tuple[str, str], None] = field(default_factory=dict)
    told: dict[tuple[str, frozenset[str]], Problem] = field(default_factory=dict)
    unclosed: int = 0

    def guard(self, secrets: Mapping[str, str]) -> None:
        """Look for these secrets from here on, in every form they commonly take."""
        for name, value in secrets.items():
            raw = value.encode()
            coded = {base64.b64encode(b"x" * shift + raw).decode()[4:-4] for shift in (0, 1, 2)}
            plain = {value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], raw.hex()}
            self.forms.update({form: name for form in plain | coded if len(form) >= SHORTEST})

    def look(self, where: str, *values: object) -> None:
        """Note which secrets stand in some values; ``where`` is a word of the catalogue."""
        for text in _texts(values):
            for form, name in self.forms.items():
                if form in text:
                    self.seen[where, name] = None

    def problem(self, where: str, found: Problem) -> None:
        """Take note of a problem that was told."""
        self.told.setdefault((found.code, frozenset(found.fields)), found)
        self.look(where, found.fields)

    def error(self, raised: BaseException) -> None:
        """Take note of an error that was raised, and of those behind it."""
        if isinstance(raised, JianhengError):
            for each in raised.problems:
                self.problem("error", each)
        behind: BaseException | None = raised
        while behind is not None:
            self.look("error", *behind.args)
            behind = behind.__cause__ or behind.__context__

    def debug(self, event: str, **fields: Any) -> None:
        """Take a line of the adapter's log."""
        self.look("log", event, fields)

    info = debug

    def warning(self, event: str, **fields: Any) -> None:
        """Take a line of the adapter's log, or of its boundary's: a reader that could not be closed is counted."""
        self.unclosed += event == UNCLOSED
        self.look("log", event, fields)


def _texts(values: Iterable[object]) -> Iterator[str]:
    for each in values:
        if isinstance(each, str):
            yield each
        elif isinstance(each, Mapping):
            yield from _texts(each.values())
            yield from _texts(each.keys())
        elif isinstance(each, list | tuple | set | frozenset):
            yield from _texts(each)
        elif each is not None and not isinstance(each, bool | int | float):
            yield str(each)


class _Handler(logging.Handler):
    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.INFO)
        self.watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        self.watch.look("log", record.getMessage(), record.exc_text)


@contextmanager
def listening(watch: Watch) -> Iterator[None]:
    """Hear what is said through the standard library's logging as well."""
    handler = _Handler(watch)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
