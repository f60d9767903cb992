"""Reads the records of an XML file, one after the other; nothing outside the file is ever looked up."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from jianheng.errors import StopError
from jianheng_adapters.mapping.files import Format
from jianheng_adapters.mapping.markup import Collector, Element, TooDeepError
from jianheng_adapters.table_file.files import check_size

_PIECE = 1 << 16
_DECLARED = re.compile(rb"""<\?xml[^>]*encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def read_elements(file: Path, record: str, layout: Format, max_bytes: int) -> Iterator[Element]:
    """Yield every element of a name as a nested table.

    Raises:
        StopError: the file is too large, no XML, holds a document type or no such element.
    """
    check_size(file, max_bytes)
    encoding = _encoding(file, layout)
    collector = Collector(record)
    parser = DefusedXMLParser(target=collector, forbid_dtd=True)
    found = False
    try:
        with file.open(encoding=encoding, newline="") as opened:
            while piece := opened.read(_PIECE):
                parser.feed(piece)
                found = found or bool(collector.done)
                yield from collector.done
                collector.done.clear()
            parser.close()
        yield from collector.done
        found = found or bool(collector.done)
    except UnicodeError:
        raise StopError("table-encoding-wrong", path=str(file), encoding=encoding, line="-") from None
    except (DefusedXmlException, TooDeepError) as error:
        raise StopError("table-xml-refused", path=str(file), reason=type(error).__name__) from None
    except ParseError as error:
        raise StopError(
            "table-xml-broken", path=str(file), line=error.position[0], reason=error.msg
        ) from None
    except OSError as error:
        raise StopError("table-file-unreadable", path=str(file), reason=type(error).__name__) from None
    if not found and collector.names:
        present = "、".join([*collector.names][:20])
        raise StopError("table-record-missing", path=str(file), record=record, present=present)


def _encoding(file: Path, layout: Format) -> str:
    """Return the encoding: said by the mapping, by a mark, by the file's first line, else UTF-8."""
    try:
        with file.open("rb") as opened:
            begin = opened.read(200)
    except OSError as error:
        raise StopError("table-file-unreadable", path=str(file), reason=type(error).__name__) from None
    declared = _DECLARED.search(begin)
    marked = next((name for mark, name in _MARKS if begin.startswith(mark)), None)
    said = declared[1].decode() if declared else "utf-8"
    wanted = layout.encoding if layout.encoding != "auto" else marked or said
    try:
        # GBK and GB 2312 are parts of GB 18030, and files that say so often hold more than they may.
        name = codecs.lookup(wanted).name
    except LookupError:
        raise StopError("table-encoding-unknown", encoding=wanted) from None
    return "gb18030" if name in ("gb2312", "gbk") else name
