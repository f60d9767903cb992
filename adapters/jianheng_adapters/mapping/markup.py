"""XML as nested tables, as mappings address it; nothing outside the text is ever looked up."""

from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

_DEEPEST = 50

Element = dict[str, Any]


class TooDeepError(Exception):
    """Elements lie in each other deeper than any record does."""


class Collector:
    """Builds each record as nested tables: elements by name, attributes as ``@name``, repeated ones as lists."""

    def __init__(self, record: str | None) -> None:
        """Take the name of the elements to build; None: the outermost."""
        self._record = record
        self._open: list[tuple[str, Element, list[str]]] = []
        self._depth = 0
        self.names: dict[str, None] = {}
        self.done: list[Element] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Begin an element."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise TooDeepError
        name = tag.rpartition("}")[2]
        if self._depth > 1:
            self.names.setdefault(name)
        if self._open or name == self._record or (self._record is None and self._depth == 1):
            told: Element = {f"@{key.rpartition('}')[2]}": value for key, value in attributes.items()}
            self._open.append((name, told, []))

    def data(self, text: str) -> None:
        """Take some of an element's text."""
        if self._open:
            self._open[-1][2].append(text)

    def end(self, tag: str) -> None:
        """End an element."""
        del tag
        self._depth -= 1
        if not self._open:
            return
        name, told, parts = self._open.pop()
        text = "".join(parts).strip()
        if not self._open:
            self.done.append(told if told or not text else {"#text": text})
            return
        if told and text:
            told["#text"] = text
        value = told or text or None
        outer = self._open[-1][1]
        if name not in outer:
            outer[name] = value
        elif isinstance(outer[name], list):
            outer[name].append(value)
        else:
            outer[name] = [outer[name], value]

    def close(self) -> None:
        """The parser asks for it."""


def tree_of(text: str) -> Element:
    """Return a whole XML text as one table, its outermost element left out.

    Raises:
        ValueError: it is no XML, holds a document type, or is too deep.
    """
    collector = Collector(None)
    parser = DefusedXMLParser(target=collector, forbid_dtd=True)
    try:
        parser.feed(text)
        parser.close()
    except (ParseError, DefusedXmlException, TooDeepError) as error:
        raise ValueError(type(error).__name__) from None
    return collector.done[0]
