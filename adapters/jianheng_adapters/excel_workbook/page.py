"""Writing cells safely: text stays text, points stay exact, every sheet prints on A4."""

import datetime as dt
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from jianheng_adapters.scores_view import NO_NUMBER

FONT = "宋体"
LAST_ROW = 1_048_575
_MAX_TEXT = 32_767
_SHORT = 1_000
_UNSTORABLE = ("Cc", "Cs", "Cn")
_MAX_SHEET_NAME = 31
_FORMULA_STARTS = frozenset("=+-@")
_DAY_ZERO = dt.date(1899, 12, 30)
_FORBIDDEN = str.maketrans({**dict.fromkeys('[]:*?/\\<>|"', "_"), "'": "’"})
_RESERVED_NAMES = ("History", "历史记录")


@dataclass(frozen=True, slots=True)
class Formats:
    """The cell formats of a workbook."""

    title: Format
    label: Format
    head: Format
    text: Format
    centred: Format
    wrapped: Format
    guarded: Format
    link: Format
    day: Format
    count: Format
    factor: Format
    share: Format
    points: Format
    total_label: Format
    total_count: Format
    total_points: Format


def make_formats(book: xlsxwriter.Workbook) -> Formats:
    """Return the formats, added to a workbook."""

    def made(**properties: Any) -> Format:
        return book.add_format({"font_name": FONT, "font_size": 10, "valign": "vcenter", **properties})

    total = {"bold": True, "bg_color": "#FFF6E0", "top": 1, "bottom": 1}
    return Formats(
        title=made(bold=True, font_size=14, font_color="#1A3D7C"),
        label=made(font_color="#666666"),
        head=made(
            bold=True, bg_color="#E8EEF7", border=1, border_color="#B8C6DC", text_wrap=True, align="center"
        ),
        text=made(),
        centred=made(align="center"),
        wrapped=made(text_wrap=True, valign="top"),
        guarded=made(quote_prefix=True),
        link=made(font_color="#1F4E8C", underline=1),
        day=made(num_format="yyyy-mm-dd", align="center"),
        count=made(num_format="0"),
        factor=made(num_format="0.0##"),
        share=made(num_format="0.0%"),
        points=made(num_format="0.000"),
        total_label=made(**total),
        total_count=made(num_format="0", **total),
        total_points=made(num_format="0.000", **total),
    )


class Page:
    """One worksheet and the few ways in which cells are written to it."""

    def __init__(self, sheet: Worksheet, formats: Formats) -> None:
        self.sheet = sheet
        self.formats = formats

    def text(self, row: int, column: int, value: str, style: Format | None = None) -> None:
        """Write text as text, whatever it looks like; nothing where there is none."""
        if not value:
            return
        if value[0] in _FORMULA_STARTS:
            style = style or self.formats.guarded  # stays text even after someone edits the cell
        plain = value.isprintable() and value[0] != "<" and len(value) <= _SHORT
        self.sheet.write_string(row, column, value if plain else storable(value), style)

    def points(self, row: int, column: int, thousandths: int | None, style: Format | None = None) -> None:
        """Write points as a number that is exact to 0.001; a dash where there are none."""
        if thousandths is None:
            self.sheet.write_string(row, column, NO_NUMBER, self.formats.centred)
            return
        self.sheet.write_number(row, column, thousandths / 1000, style or self.formats.points)

    def count(self, row: int, column: int, value: int) -> None:
        """Write a whole number."""
        self.sheet.write_number(row, column, value, self.formats.count)

    def day(self, row: int, column: int, value: dt.date) -> None:
        """Write a day."""
        self.sheet.write_number(row, column, (value - _DAY_ZERO).days, self.formats.day)

    def link(self, row: int, column: int, sheet_name: str, value: str) -> None:
        """Write text that leads to another sheet of the workbook."""
        shown = storable(value)
        self.sheet.write_url(row, column, f"internal:'{sheet_name}'!A1", self.formats.link, shown)

    def heads(self, row: int, heads: Sequence[str]) -> None:
        """Write a row of column heads."""
        for column, head in enumerate(heads):
            self.sheet.write_string(row, column, storable(head) or " ", self.formats.head)

    def total_row(self, row: int, columns: int) -> None:
        """Write the row that the sums of the shown rows go into."""
        for column in range(1, columns):
            self.sheet.write_blank(row, column, None, self.formats.total_label)
        self.sheet.write_string(row, 0, "筛选后合计", self.formats.total_label)

    def filtered_sum(
        self, row: int, column: int, first: int, last: int, total: int | None, *, exact: bool = True
    ) -> None:
        """Write the sum of the rows that a filter shows, with the value it has when all are shown.

        Args:
            row: where the sum stands.
            column: the column that is added up.
            first: first row added.
            last: last row added.
            total: the sum: thousandths of a point, or a plain count; None where nothing has a number.
            exact: whether it is points (0.001) rather than a count.
        """
        cells = xlsxwriter.utility.xl_range(first, column, max(first, last), column)
        style = self.formats.total_points if exact else self.formats.total_count
        value = (total or 0) / 1000 if exact else (total or 0)
        self.sheet.write_formula(row, column, f"=SUBTOTAL(109,{cells})", style, value)

    def table(self, head_row: int, last_row: int, columns: int) -> None:
        """Make rows a filterable table whose heads stay in sight and repeat in print."""
        self.sheet.autofilter(head_row, 0, max(last_row, head_row), columns - 1)
        self.sheet.freeze_panes(head_row + 1, 0)
        self.sheet.repeat_rows(head_row)

    def print_on_a4(self, footer: str) -> None:
        """Set up printing: A4 landscape, one page wide, page numbers."""
        self.sheet.set_landscape()
        self.sheet.hide_gridlines(0)
        self.sheet.set_paper(9)
        self.sheet.fit_to_pages(1, 0)
        self.sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
        self.sheet.set_footer(f"&L&8{storable(footer)[:180].replace('&', '&&')}&R&8第 &P / &N 页")

    def widths(self, widths: Sequence[float]) -> None:
        """Set the widths of the first columns, in characters."""
        for column, width in enumerate(widths):
            self.sheet.set_column(column, column, width)


def storable(value: str) -> str:
    """Return text that a cell can hold: no control characters, no stray markup, not too long."""
    kept = "".join(
        each if each == "\n" or unicodedata.category(each) not in _UNSTORABLE else " " for each in value
    )
    if kept.startswith("<r>") and kept.endswith("</r>"):
        kept += " "  # the writer would take exactly this form for its own markup and leave it unescaped
    return kept if _units(kept) <= _MAX_TEXT else _cut(kept, _MAX_TEXT - 1) + "…"


class SheetNames:
    """Gives each sheet a name that Excel accepts and no other sheet of the workbook has."""

    def __init__(self) -> None:
        self._taken = {name.casefold() for name in _RESERVED_NAMES}

    def take(self, wanted: str, suffix: str = "") -> str:
        """Return a free name made of what is wanted and a suffix that is kept whole if it can be."""
        stem = storable(wanted).translate(_FORBIDDEN).strip()
        tail = storable(suffix).translate(_FORBIDDEN).strip()[-16:]
        number = 1
        while True:
            end = (f" {tail}" if tail else "") + (f" ~{number}" if number > 1 else "")
            name = (_cut(stem, _MAX_SHEET_NAME - _units(end)) + end).strip()
            if name and name.casefold() not in self._taken:
                self._taken.add(name.casefold())
                return name
            number += 1


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _cut(text: str, units: int) -> str:
    """Excel counts UTF-16 units: a rare character of a name takes two of the 31."""
    return text.encode("utf-16-le")[: units * 2].decode("utf-16-le", "ignore")
