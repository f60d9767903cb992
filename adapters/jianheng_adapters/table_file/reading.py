"""Reads one file as one stream of a mapping: its rows, whatever kind of file it is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from jianheng.contract import AdapterContext
from jianheng.errors import FaultsError, StopError, problem
from jianheng_adapters.mapping import MappingFile, StreamMapping, row_maker
from jianheng_adapters.mapping.load import nearest
from jianheng_adapters.mapping.records import Records, Taken, in_scope
from jianheng_adapters.table_file.delimited import read_delimited
from jianheng_adapters.table_file.elements import read_elements
from jianheng_adapters.table_file.fixed import read_fixed
from jianheng_adapters.table_file.header import Header, Rows, find_header
from jianheng_adapters.table_file.workbook import is_workbook, read_sheet

_AT_ONCE = 1000
MAX_BYTES = 200_000_000


@dataclass(frozen=True, slots=True)
class Table:
    """A file that is open: its header, the rows below, and what locators begin with."""

    header: Header
    rows: Rows
    place: str


def open_table(file: Path, stream: StreamMapping, mapping: MappingFile, max_bytes: int) -> Table:
    """Open a sheet, a delimited file or one of fixed width.

    Raises:
        StopError: it can't be read.
        FaultsError: the columns that are missing.
    """
    wanted = stream.all_sources()
    if stream.fields:
        rows = read_fixed(file, stream.fields, mapping.layout, max_bytes)
        return Table(_fixed_header(file, stream, wanted), rows, file.name)
    if stream.sheet is not None:
        rows, place = read_sheet(file, stream.sheet, max_bytes), stream.sheet
    elif is_workbook(file):
        raise StopError("table-sheet-unnamed", path=str(file))
    else:
        rows, place = read_delimited(file, mapping.layout, max_bytes), file.name
    header = find_header(rows, wanted, stream.optional_sources(), f"{file.name} {place}", mapping.layout)
    return Table(header, rows, place)


def _fixed_header(file: Path, stream: StreamMapping, wanted: Sequence[str]) -> Header:
    index = {name: place for place, name in enumerate(stream.fields)}
    optional = stream.optional_sources()
    lacking = [name for name in wanted if name not in index and name not in optional]
    if lacking:
        present = "、".join(stream.fields)
        raise FaultsError(
            problem(
                "table-column-missing",
                place=file.name,
                column=name,
                nearest=nearest(name, stream.fields),
                present=present,
            )
            for name in lacking
        )
    return Header(0, first=True, width=len(index), index=index)


def read_file(
    file: Path, mapping: MappingFile, name: str, context: AdapterContext, *, with_raw: bool = False
) -> Iterator[Taken]:
    """Yield the rows of a file that are in scope.

    Args:
        file: the file.
        mapping: the mapping.
        name: which of its streams.
        context: the adapter's.
        with_raw: also give what the mapping reads of each row; costs a little.

    Raises:
        StopError: it can't be read.
        FaultsError: the columns that are missing.
    """
    stream = mapping.streams[name]
    limit = int(context.options.get("max_bytes") or MAX_BYTES)
    if stream.record is not None:
        records, number = Records(mapping, name, context, file.name), 1
        elements = read_elements(file, stream.record, mapping.layout, limit)
        while piece := list(islice(elements, _AT_ONCE)):
            yield from records.take(piece, number)
            number += len(piece)
        return
    table = open_table(file, stream, mapping, limit)
    if not table.header.first:
        row = table.header.number
        context.log.info("table-header-shifted", file=file.name, place=table.place, row=row)
    yield from _read_table(file, table, mapping, name, context, with_raw=with_raw)


def count_rows(file: Path, mapping: MappingFile, name: str, max_bytes: int) -> tuple[int, int]:
    """Return how many rows a file holds, in scope or not, and in which row the header is; 0 when it is where it belongs.

    Raises:
        StopError: it can't be read.
        FaultsError: the columns that are missing.
    """
    stream = mapping.streams[name]
    if stream.record is not None:
        return sum(1 for _ in read_elements(file, stream.record, mapping.layout, max_bytes)), 0
    table = open_table(file, stream, mapping, max_bytes)
    return sum(1 for _ in table.rows), 0 if table.header.first else table.header.number


def _read_table(
    file: Path, table: Table, mapping: MappingFile, name: str, context: AdapterContext, *, with_raw: bool
) -> Iterator[Taken]:
    stream, header, index = mapping.streams[name], table.header, table.header.index
    make = row_maker(mapping, name, index, place=table.place, pseudonym=context.pseudonym)
    width = max(index.values(), default=-1) + 1
    units = frozenset(context.units)
    chosen = tuple(dict.fromkeys((*stream.scope, *stream.exclude, *stream.only)))
    nothing: Mapping[str, Any] = {}
    for number, row in table.rows:
        if len(row) > header.width and any(cell not in ("", None) for cell in row[header.width :]):
            # A stray separator shifts what stands behind it: no value of the line can be trusted,
            # so it goes on empty, and core quarantines it with its number.
            context.log.warning("table-row-too-long", file=file.name, place=table.place, row=number)
            yield Taken(nothing, make([None] * width, number))
            continue
        whole = row if len(row) >= width else [*row, *[None] * (width - len(row))]
        if chosen and not in_scope(stream, {column: whole[index[column]] for column in chosen}, units):
            continue
        raw = {column: whole[place] for column, place in index.items()} if with_raw else nothing
        yield Taken(raw, make(whole, number))
