"""Reads the sheets of a workbook: Excel, old Excel, OpenDocument."""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import python_calamine as calamine

from jianheng.errors import StopError
from jianheng_adapters.mapping.load import nearest
from jianheng_adapters.table_file.files import check_size

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # old Excel, and the wrapping of an encrypted workbook
_ZIPPED = (".xlsx", ".xlsm", ".xlsb", ".ods")

Rows = Iterator[tuple[int, Sequence[Any]]]
"""Rows with their numbers as the program that made the file counts them."""


def is_workbook(file: Path) -> bool:
    """Return whether a file's name says that it is a workbook."""
    return file.suffix.lower() in (*_ZIPPED, ".xls")


def read_sheet(file: Path, sheet: str, max_bytes: int) -> Rows:
    """Return the rows of a sheet, empty ones left out.

    Raises:
        StopError: the file is no workbook, is encrypted or too large, or has no such sheet.
    """
    check_size(file, max_bytes, _unpacked(file))
    try:
        book = calamine.CalamineWorkbook.from_path(str(file))
        names = list(book.sheet_names)
        found = next((name for name in names if name.strip() == sheet), None)
        if found is None:
            raise StopError(
                "table-sheet-missing",
                path=str(file),
                sheet=sheet,
                nearest=nearest(sheet, names),
                sheets="、".join(names),
            )
        rows = book.get_sheet_by_name(found).iter_rows()
    except calamine.PasswordError:
        raise StopError("table-workbook-encrypted", path=str(file)) from None
    except calamine.CalamineError:
        raise StopError("table-not-workbook", path=str(file)) from None
    except OSError as error:
        raise StopError("table-file-unreadable", path=str(file), reason=type(error).__name__) from None
    return (
        (number, row) for number, row in enumerate(rows, 1) if any(cell not in ("", None) for cell in row)
    )


def _unpacked(file: Path) -> int | None:
    """How large the parts of a zipped workbook are together; None for one that isn't zipped."""
    try:
        if file.suffix.lower() not in _ZIPPED:
            return None
        with file.open("rb") as opened:
            if opened.read(len(_OLE)) == _OLE:
                raise StopError("table-workbook-encrypted", path=str(file))
        with zipfile.ZipFile(file) as packed:
            return sum(part.file_size for part in packed.infolist())
    except zipfile.BadZipFile:
        raise StopError("table-not-workbook", path=str(file)) from None
    except OSError as error:
        raise StopError("table-file-unreadable", path=str(file), reason=type(error).__name__) from None
