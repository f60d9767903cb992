"""The source: each stream is a sheet, or a delimited file, read whole."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jianheng.contract import AdapterContext, Batch, Finding, Row, Stream
from jianheng.errors import JianhengError, StopError
from jianheng.messages import add_texts, text
from jianheng_adapters.mapping import MappingFile, StreamMapping, row_maker
from jianheng_adapters.mapping.values import as_text
from jianheng_adapters.table_file.delimited import read_delimited
from jianheng_adapters.table_file.files import find_file
from jianheng_adapters.table_file.header import Header, find_header
from jianheng_adapters.table_file.workbook import is_workbook, read_sheet

# Adapters that ship a mapping for one known workbook use this source under their own id.
add_texts(Path(__file__).with_name("messages.toml"))

BATCH_ROWS = 5000

Rows = Iterator[tuple[int, Sequence[Any]]]


class TableSource:
    """Reads files as a mapping says; what one sheet lacks doesn't keep the others from being read."""

    def __init__(self, context: AdapterContext, mapping: MappingFile) -> None:
        self._context = context
        self._mapping = mapping

    def streams(self) -> Sequence[Stream]:
        """Name the mapped streams; files are always read whole."""
        return [
            Stream(name, stream.entity, "snapshot", stream.may_be_empty)
            for name, stream in self._mapping.streams.items()
        ]

    def check(self) -> Iterable[Finding]:
        """Look for each file, sheet and column."""
        for name, stream in self._mapping.streams.items():
            subject = text("table-check-stream", stream=name)
            try:
                file = self._file(stream)
                header, rows, _ = self._open(file, stream)
                place = "" if header.first else text("table-header-shifted", row=header.number)
                detail = text("table-check-rows", file=file.name, rows=sum(1 for _ in rows), note=place)
                yield Finding(subject, detail=detail)
            except JianhengError as error:
                for each in error.problems:
                    yield Finding(subject, each)

    def read(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        """Read a stream whole; a cursor means nothing to a file."""
        del cursor
        if stream not in self._mapping.streams:
            raise StopError("mapping-stream-unknown", source=self._context.name, stream=stream)
        found = self._read_rows(stream)
        if self._mapping.streams[stream].distinct:
            found = _distinct(found, next(iter(self._mapping.streams[stream].columns)))
        batch: list[Row] = []
        for row in found:
            batch.append(row)
            if len(batch) == BATCH_ROWS:
                yield Batch(batch)
                batch = []
        if batch:
            yield Batch(batch)

    def _file(self, stream: StreamMapping) -> Path:
        pattern = stream.file or self._context.options.get("pattern") or "*"
        return find_file(
            self._context.options["path"], pattern, self._context.options.get("newest") or "time"
        )

    def _open(self, file: Path, stream: StreamMapping) -> tuple[Header, Rows, str]:
        """Return the header, the rows below it, and what locators begin with."""
        limit = int(self._context.options.get("max_bytes") or 200_000_000)
        if stream.sheet is not None:
            rows, place = read_sheet(file, stream.sheet, limit), stream.sheet
        elif is_workbook(file):
            raise StopError("table-sheet-unnamed", path=str(file))
        else:
            rows, place = read_delimited(file, self._mapping.layout, limit), file.name
        wanted = (*stream.sources(), *stream.scope, *stream.exclude)
        header = find_header(
            rows, tuple(dict.fromkeys(wanted)), stream.optional_sources(), f"{file.name} {place}"
        )
        return header, rows, place

    def _read_rows(self, name: str) -> Iterator[Row]:
        stream = self._mapping.streams[name]
        file = self._file(stream)
        header, rows, place = self._open(file, stream)
        if not header.first:
            self._context.log.info("table-header-shifted", file=file.name, place=place, row=header.number)
        make = row_maker(self._mapping, name, header.index, place=place, pseudonym=self._context.pseudonym)
        width = max(header.index.values(), default=-1) + 1
        for number, row in rows:
            if len(row) > header.width and any(cell not in ("", None) for cell in row[header.width :]):
                # A stray separator shifts what stands behind it: no value of the line can be trusted,
                # so it goes on empty, and core quarantines it with its number.
                self._context.log.warning("table-row-too-long", file=file.name, place=place, row=number)
                yield make([None] * width, number)
            elif self._wanted(stream, header, row):
                yield make(row if len(row) >= width else [*row, *[None] * (width - len(row))], number)

    def _wanted(self, stream: StreamMapping, header: Header, row: Sequence[Any]) -> bool:
        def cell(column: str) -> str:
            place = header.index[column]
            found = as_text(row[place]) if place < len(row) else None  # a code typed as a number is 990101.0
            return "" if found is None else str(found)

        # A row that does not say whose it is goes on: core must see it, to quarantine it.
        units = {cell(column) for column in stream.scope} - {""}
        if units and units.isdisjoint(self._context.units):
            return False
        return not any(cell(column) in values for column, values in stream.exclude.items())


def _distinct(rows: Iterable[Row], key: str) -> Iterator[Row]:
    """Yield the first row of each key and those that contradict it; drop what only repeats it."""
    seen: dict[Any, str] = {}
    for row in rows:
        content = repr([value for name, value in row.items() if name != "_locator"])
        known = seen.get(row[key])
        if known is None:
            seen[row[key]] = content
        if known != content:
            yield row
