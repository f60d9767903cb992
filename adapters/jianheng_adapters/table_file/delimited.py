"""Reads delimited text: whatever separator, quotes and encoding it was written with."""

import codecs
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jianheng.errors import StopError
from jianheng_adapters.mapping.files import Format
from jianheng_adapters.table_file.files import check_size

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PIECE = 1 << 20


def read_delimited(file: Path, layout: Format, max_bytes: int) -> Iterator[tuple[int, Sequence[Any]]]:
    """Yield the rows of a file with the number of the line each ends on; empty lines are left out.

    Raises:
        StopError: the file is too large, not in its encoding, or its quotes don't match.
    """
    check_size(file, max_bytes)
    line = 0
    try:
        encoding = encoding_of(file, layout)
        with file.open(encoding=encoding, newline="") as opened:
            rows = csv.reader(opened, delimiter=layout.delimiter, quotechar=layout.quote, strict=True)
            for row in rows:
                line = rows.line_num
                if any(cell.strip() for cell in row):
                    yield line, row
    except UnicodeError:
        raise StopError(
            "table-encoding-wrong", path=str(file), encoding=layout.encoding, line=line + 1
        ) from None
    except csv.Error as error:
        raise StopError("table-csv-broken", path=str(file), line=line + 1, reason=str(error)) from None
    except OSError as error:
        raise StopError("table-file-unreadable", path=str(file), reason=type(error).__name__) from None


def encoding_of(file: Path, layout: Format) -> str:
    """Return the encoding of a file: the one that is said, or what its bytes tell.

    Raises:
        StopError: nobody knows an encoding by that name.
    """
    if layout.encoding == "auto":
        return detect_encoding(file)
    try:
        return codecs.lookup(layout.encoding).name
    except LookupError:
        raise StopError("table-encoding-unknown", encoding=layout.encoding) from None


def detect_encoding(file: Path) -> str:
    """The encoding by its mark; else UTF-8 if all of it is, else what Chinese Excel writes."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with file.open("rb") as opened:
        piece = opened.read(_PIECE)
        for mark, encoding in _MARKS:
            if piece.startswith(mark):
                return encoding
        try:
            while piece:
                decoder.decode(piece)
                piece = opened.read(_PIECE)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "gb18030"
    return "utf-8"
