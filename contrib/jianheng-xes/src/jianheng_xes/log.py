"""Reading XES (IEEE 1849): traces of attributes and events, one at a time, whatever the size of the log."""

import codecs
import datetime as dt
import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, iterparse

from jianheng.errors import StopError

Attributes = Mapping[str, str]
"""The attributes of a case or an event as they stand: text by key."""

MOST_UNBROKEN = 4 << 20
"""How many bytes may come without a tag: no value of a log is so long."""

_HEAD = 200
_CHINESE = re.compile(rb"<\?xml[^>]*?encoding=[\"'](gb2312|gbk|gb18030|big5)[\"']", re.IGNORECASE)
_VALUES = frozenset({"string", "date", "int", "float", "boolean", "id"})


@dataclass(frozen=True, slots=True)
class Trace:
    """One case of a log.

    Attributes:
        place: where a person finds it: the file and its number there, from 1.
        events: in the order of the file, not of time.
    """

    place: str
    attributes: Attributes
    events: tuple[Attributes, ...]


def logs(path: Path) -> list[Path]:
    """Return the logs at a path, by name.

    Raises:
        StopError: there is none.
    """
    found = [path] if path.is_file() else sorted([*path.glob("*.xes"), *path.glob("*.xes.gz")])
    if not found:
        raise StopError("xes-no-log", path=path)
    return found


def traces(file: Path) -> Iterator[Trace]:
    """Yield the cases of a log; memory holds one of them.

    Raises:
        StopError: the file cannot be opened, is no XES log, ends early or brings entities.
    """
    try:
        with _opened(file) as content:
            yield from _traces(content, file.name)
    except DefusedXmlException as error:
        raise StopError("xes-unsafe", file=file.name) from error
    except (ParseError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, LookupError) as error:
        raise StopError("xes-not-a-log", file=file.name, reason=str(error)) from error
    except OSError as error:
        raise StopError("xes-not-readable", file=file.name, reason=error.strerror) from error


def _opened(file: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(file, "rb")) if file.suffix == ".gz" else file.open("rb")


def _traces(content: BinaryIO, name: str) -> Iterator[Trace]:
    watched = _Watched(content, name)
    parser = DefusedXMLParser(encoding="utf-8" if watched.decoder else None, forbid_dtd=True)
    steps = iterparse(watched, events=("start", "end"), parser=parser)
    _, root = next(steps)
    if _tag(root) != "log":
        raise StopError("xes-not-a-log", file=name, reason=f"<{_tag(root)}>")
    number, depth = 0, 1
    for step, element in steps:
        watched.unbroken = 0
        depth += 1 if step == "start" else -1
        if step == "start" or depth != 1:
            continue
        if _tag(element) == "trace":
            number += 1
            events = tuple(_attributes(each) for each in element if _tag(each) == "event")
            yield Trace(f"{name} #{number}", _attributes(element), events)
        root.clear()  # whatever stands beside the traces is not kept either


class _Watched:
    """A file as a parser can read it: Chinese encodings as UTF-8, and no further when a text has no end.

    The parser knows no encoding of several bytes but UTF-8 and UTF-16, and looks at all of an endless text again and again.
    """

    def __init__(self, content: BinaryIO, name: str) -> None:
        self._content, self._name = content, name
        self._ahead = content.read(_HEAD)
        declared = _CHINESE.match(self._ahead)
        encoding = declared[1].decode().lower() if declared else ""
        # What calls itself GB 2312 or GBK often holds characters that only GB 18030 has.
        wanted = "gb18030" if encoding.startswith("gb") else encoding
        self.decoder = codecs.getincrementaldecoder(wanted)() if wanted else None
        self.unbroken = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes; none at the end."""
        while True:
            read, self._ahead = self._ahead or self._content.read(size), b""
            self.unbroken += len(read)
            if self.unbroken > MOST_UNBROKEN:
                raise StopError("xes-not-a-log", file=self._name, reason=f"> {MOST_UNBROKEN} bytes")
            told = read if self.decoder is None else self.decoder.decode(read, final=not read).encode()
            if told or not read:
                return told


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _attributes(element: Element) -> dict[str, str]:
    return {
        each.attrib["key"]: each.attrib["value"].strip()
        for each in element
        if _tag(each) in _VALUES and "key" in each.attrib and each.attrib.get("value", "").strip()
    }


def moment(told: str | None, zone: dt.tzinfo) -> dt.datetime | str | None:
    """Return a moment with its zone, or the text as it stands where it is none: core quarantines and names it."""
    if told is None:
        return None
    try:
        read = dt.datetime.fromisoformat(told)
    except ValueError:
        return told
    return read if read.tzinfo else read.replace(tzinfo=zone)


def day(told: dt.datetime | str | None) -> Any:
    """Return the day of a moment in Shanghai, where Jianheng's days are; text that is no moment stays."""
    return told.astimezone(SHANGHAI).date() if isinstance(told, dt.datetime) else told


SHANGHAI = dt.timezone(dt.timedelta(hours=8), "Asia/Shanghai")
