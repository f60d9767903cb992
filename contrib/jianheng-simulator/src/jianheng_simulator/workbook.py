"""Writing the personnel workbook, whole or broken in known ways."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import xlsxwriter

from jianheng_simulator.personnel import HEADERS, Cell, Sheet, personnel_sheets
from jianheng_simulator.world import World

SHIFT_FAULT, TEXT_DATE_FAULT, DUPLICATE_FAULT, DROP_FAULT = "shift", "text-date", "duplicate-key", "drop:"


def workbook_path(folder: Path) -> Path:
    """Where the workbook of a folder is."""
    return folder / "personnel" / "人员信息.xlsx"


def write_workbook(folder: Path, world: World) -> dict[str, int]:
    """Write the workbook as of today, with the faults the world carries; count rows by sheet."""
    path = workbook_path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheets = personnel_sheets(world)
    # Written aside and moved, so that nobody reads half a file.
    draft = path.with_suffix(".part")
    with xlsxwriter.Workbook(str(draft), {"default_date_format": "yyyy-mm-dd"}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            sheet.set_column(0, len(HEADERS[name]), 14)
            for number, row in enumerate(_spoil(name, rows, world.workbook_faults)):
                sheet.write_row(number, 0, row)
    draft.replace(path)
    return {name: len(rows) for name, rows in sheets.items()}


def _spoil(name: str, rows: Sheet, faults: Iterable[str]) -> list[list[Cell]]:
    """The rows of a sheet with its header on top, broken as asked."""
    header: list[Cell] = list(HEADERS[name])
    table = [header, *(list(row) for row in rows)]
    for fault in faults:
        if fault == TEXT_DATE_FAULT and len(table) > 1:
            dates = [k for k, cell in enumerate(table[1]) if isinstance(cell, date)]
            for column in dates[:1]:
                table[1][column] = "2025年13月"
        elif fault == DUPLICATE_FAULT and len(table) > 1:
            again = list(table[1])
            again[-1] = "重复" if isinstance(again[-1], str) else again[-1]
            table.append(again)
        elif fault.startswith(DROP_FAULT) and fault[len(DROP_FAULT) :] in header:
            column = table[0].index(fault[len(DROP_FAULT) :])
            table = [row[:column] + row[column + 1 :] for row in table]
    if SHIFT_FAULT in faults:
        table.insert(0, [f"{name}（内部资料）"])
    return table
