"""Reads files of fixed width, their positions counted in bytes as old systems do, or in characters."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jianheng.errors import StopError
from jianheng_adapters.mapping.files import FixedField, Format
from jianheng_adapters.table_file.delimited import encoding_of
from jianheng_adapters.table_file.files import check_size

_MARK = b"\xef\xbb\xbf"
_WIDE = ("utf-16", "utf-32")


def read_fixed(
    file: Path, fields: Mapping[str, FixedField], layout: Format, max_bytes: int
) -> Iterator[tuple[int, Sequence[Any]]]:
    """Yield the values of each line, in the order of the fields, with its number; blank lines are left out.

    A line that ends early has nothing in what lies behind: many programs cut off blanks.

    Raises:
        StopError: the file is too large, not in its encoding, or a field cuts a character in two.
    """
    check_size(file, max_bytes)
    encoding = encoding_of(file, layout)
    places = [(first - 1, last) for first, last in fields.values()]
    number = 0
    try:
        if layout.positions == "characters" or encoding.replace("_", "-").startswith(_WIDE):
            with file.open(encoding=encoding, newline="") as told:
                for number, line in enumerate(told, 1):
                    if number > layout.skip and line.strip():
                        text = line.rstrip("\r\n")
                        yield number, [text[first:last].strip() for first, last in places]
            return
        plain = "utf-8" if encoding == "utf-8-sig" else encoding
        with file.open("rb") as opened:
            for number, raw in enumerate(opened, 1):
                line_bytes = (raw.removeprefix(_MARK) if number == 1 else raw).rstrip(b"\r\n")
                if number > layout.skip and line_bytes.strip():
                    yield number, [line_bytes[first:last].decode(plain).strip() for first, last in places]
    except UnicodeError:
        raise StopError(
            "table-encoding-wrong", path=str(file), encoding=encoding, line=max(number, 1)
        ) from None
    except OSError as error:
        raise StopError("table-file-unreadable", path=str(file), reason=type(error).__name__) from None
