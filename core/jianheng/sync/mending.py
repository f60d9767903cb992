"""The workbook for the people who mend data at its source: one sheet a stream, one line a fault."""

import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jianheng.facts.time import wall_time
from jianheng.logs import redact
from jianheng.messages import text
from jianheng.store.engine import moment
from jianheng.sync.entries import Entry

_COLUMNS = ("number", "place", "key", "column", "what", "do", "owner", "since", "state")
_WIDTHS = (8, 48, 30, 18, 48, 48, 14, 12, 10)
_FORBIDDEN = re.compile(r"[\[\]:*?/\\']")
_SHEET_LIMIT = 31
_CELL_LIMIT = 32_000


def workbook(entries: Sequence[Entry], rows: Mapping[int, Mapping[str, Any]] | None = None) -> bytes:
    """Return the workbook.

    Args:
        entries: what is to be mended.
        rows: what the rows said, by number; personal data, so only where somebody asked for it.
    """
    import xlsxwriter  # of all that is done with the quarantine, only this writes a workbook

    made = io.BytesIO()
    book = xlsxwriter.Workbook(
        made, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    head = book.add_format({"bold": True, "bg_color": "#DDE6EE", "text_wrap": True, "valign": "top"})
    body = book.add_format({"text_wrap": True, "valign": "top"})
    columns = (*_COLUMNS, "payload") if rows is not None else _COLUMNS
    streams: dict[tuple[str, str], list[Entry]] = {}
    for each in entries:
        streams.setdefault((each.source, each.stream), []).append(each)
    names: set[str] = set()
    for (source, stream), held in sorted(streams.items()):
        sheet = book.add_worksheet(_sheet_name(f"{source} {stream}", names))
        sheet.freeze_panes(1, 0)
        for place, name in enumerate(columns):
            sheet.set_column(place, place, _WIDTHS[place] if place < len(_WIDTHS) else 60)
            sheet.write_string(0, place, text(f"mending-{name}"), head)
        lines = [line for each in held for line in _lines(each, rows)]
        for number, line in enumerate(lines, start=1):
            for place, cell in enumerate(line):
                sheet.write_string(number, place, cell[:_CELL_LIMIT], body)
        sheet.autofilter(0, 0, len(lines), len(columns) - 1)
    if not streams:
        book.add_worksheet().write_string(0, 0, text("mending-empty"), head)
    book.close()
    return made.getvalue()


def _lines(entry: Entry, rows: Mapping[int, Mapping[str, Any]] | None) -> list[tuple[str, ...]]:
    since = wall_time(moment(entry.first_seen)).date().isoformat()
    state = text(f"cli-quarantine-state-{entry.state}")
    lines = []
    for told in entry.problems:
        message = told.message()
        line = (
            str(entry.quarantine_id),
            redact(entry.locator),
            redact(entry.record_key),
            str(told.fields.get("column") or told.fields.get("columns") or ""),
            redact(message.what),
            redact(message.do),
            entry.owner,
            since,
            state,
        )
        said = () if rows is None else (_payload(rows.get(entry.quarantine_id)),)
        lines.append((*line, *said))
    return lines


def _payload(row: Mapping[str, Any] | None) -> str:
    return "" if row is None else json.dumps(row, ensure_ascii=False, sort_keys=True)


def _sheet_name(wanted: str, taken: set[str]) -> str:
    """Return a name that a workbook takes, and that no other sheet has."""
    plain = _FORBIDDEN.sub("_", wanted)[:_SHEET_LIMIT]
    name, number = plain, 1
    while name.lower() in taken:
        number += 1
        name = f"{plain[: _SHEET_LIMIT - len(str(number)) - 1]} {number}"
    taken.add(name.lower())
    return name
