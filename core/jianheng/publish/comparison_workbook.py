"""A comparison as a workbook: the summary, then everything behind it down to the single entry."""

import datetime as dt
import io
from collections.abc import Iterable, Sequence
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from jianheng.messages import text
from jianheng.publish.block import NOTHING, Block, Cell, Points

FONT = "宋体"
LAST_ROW = 1_048_575
_STACKED = frozenset({"overview", "spread", "grades"})
"""Small tables that stand one under the other on the first sheet."""
_LONGEST_NAME = 31
_LONGEST_TEXT = 32_767
_NO_NAME = str.maketrans(dict.fromkeys("[]:*?/\\'", "_"))
_FORMULA_STARTS = frozenset("=+-@")
_WIDEST, _NARROWEST = 60, 8


def workbook(
    parts: Sequence[tuple[str, Sequence[Block]]], notices: Iterable[str], made: dt.datetime
) -> bytes:
    """Return a workbook of some comparisons, the same bytes for the same content.

    Args:
        parts: what each comparison is called, and its tables.
        notices: what a reader must know of all of them.
        made: the moment of the facts.
    """
    held = io.BytesIO()
    book = xlsxwriter.Workbook(held, _options())
    book.set_properties({"title": text("compare-title"), "created": made})
    writer = _Writer(book)
    writer.lines(text("compare-sheet-about"), [text("compare-title"), *notices])
    for name, blocks in parts:
        suffix = f" {name}" if len(parts) > 1 else ""
        stacked = [each for each in blocks if each.id in _STACKED]
        writer.sheet(f"{text('compare-sheet-summary')}{suffix}", stacked)
        for each in blocks:
            if each.id not in _STACKED:
                writer.sheet(f"{each.title}{suffix}", [each])
    book.close()
    return held.getvalue()


def _options() -> dict[str, Any]:
    return {
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "in_memory": True,  # results name people: nothing of them is left in a temporary folder
        "default_format_properties": {"font_name": FONT, "font_size": 10},
    }


class _Writer:
    """A workbook with the few formats that tables need."""

    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self._book = book
        self._taken: set[str] = set()

        def made(**properties: Any) -> Format:
            return book.add_format({"font_name": FONT, "font_size": 10, "valign": "top", **properties})

        self._title = made(bold=True, font_size=14, font_color="#1A3D7C")
        self._note = made(font_color="#666666")
        self._head = made(bold=True, bg_color="#E8EEF7", border=1, border_color="#B8C6DC", text_wrap=True)
        self._text = made()
        self._guarded = made(quote_prefix=True)
        self._points = made(num_format="0.000")
        self._difference = made(num_format="+0.000;-0.000;0.000")

    def lines(self, name: str, told: Iterable[str]) -> None:
        """Add a sheet of plain lines."""
        sheet = self._added(name)
        for row, line in enumerate(told):
            sheet.write_string(row, 0, storable(line), self._note if row else self._title)

    def sheet(self, name: str, blocks: Sequence[Block]) -> None:
        """Add a sheet with some tables; one that stands alone can be filtered, and its heads stay in sight."""
        sheet = self._added(name)
        row = 0
        for block in blocks:
            sheet.write_string(row, 0, storable(block.title), self._title)
            rows, cut = block.rows[: LAST_ROW - 4], max(len(block.rows) - (LAST_ROW - 4), 0)
            note = "　".join(
                [*([block.note] if block.note else []), *([text("compare-cut", count=cut)] if cut else [])]
            )
            if note:
                sheet.write_string(row + 1, 0, storable(note), self._note)
            head_row = row + (2 if note else 1)
            for column, head in enumerate(block.heads):
                sheet.write_string(head_row, column, storable(head), self._head)
            for at, cells in enumerate(rows, head_row + 1):
                for column, cell in enumerate(cells):
                    self._write(sheet, at, column, cell)
            row = head_row + len(rows) + 2
            if len(blocks) == 1:
                sheet.autofilter(head_row, 0, max(head_row + len(rows), head_row), len(block.heads) - 1)
                sheet.freeze_panes(head_row + 1, 0)
                sheet.repeat_rows(head_row)
        for column, width in enumerate(_widths(blocks)):
            sheet.set_column(column, column, width)

    def _write(self, sheet: Worksheet, row: int, column: int, cell: Cell) -> None:
        if isinstance(cell, Points):
            style = self._difference if cell.signed else self._points
            sheet.write_number(row, column, cell.thousandths / 1000, style)
        elif isinstance(cell, int):
            sheet.write_number(row, column, cell, self._text)
        else:
            told = NOTHING if cell is None else storable(cell)
            sheet.write_string(
                row, column, told, self._guarded if told[:1] in _FORMULA_STARTS else self._text
            )

    def _added(self, name: str) -> Worksheet:
        stem = storable(name).translate(_NO_NAME).strip()
        number = 1
        while True:
            end = f" ~{number}" if number > 1 else ""
            taken = f"{stem[: _LONGEST_NAME - len(end)]}{end}"
            if taken.casefold() not in self._taken:
                break
            number += 1
        self._taken.add(taken.casefold())
        sheet = self._book.add_worksheet(taken)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        return sheet


def _widths(blocks: Iterable[Block]) -> list[int]:
    """Return how wide columns must be for what the first rows say; Chinese takes two places."""
    widths: list[int] = []
    for block in blocks:
        for cells in (block.heads, *block.rows[:200]):
            for column, cell in enumerate(cells):
                told = str(cell) if cell is not None else NOTHING
                wide = sum(1 if each.isascii() else 2 for each in told) + 2
                if column == len(widths):
                    widths.append(_NARROWEST)
                widths[column] = min(max(widths[column], wide), _WIDEST)
    return widths


def storable(told: str) -> str:
    """Return text that a cell can hold: no control characters, no stray markup, not too long."""
    kept = told
    if not told.isprintable():
        kept = "".join(each if each == "\n" or each.isprintable() else " " for each in told)
    if kept.startswith("<r>") and kept.endswith("</r>"):
        kept += " "  # the writer would take exactly this form for its own markup and leave it unescaped
    return kept[:_LONGEST_TEXT]
