"""The source: each stream is a sheet, or a file, read whole."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jianheng.contract import AdapterContext, Batch, Finding, Row, Stream
from jianheng.errors import JianhengError, StopError
from jianheng.messages import add_texts, text
from jianheng_adapters.mapping import MappingFile, StreamMapping
from jianheng_adapters.mapping.records import Taken, distinct, origins
from jianheng_adapters.table_file.files import find_file
from jianheng_adapters.table_file.reading import MAX_BYTES, count_rows, read_file

# Adapters that ship a mapping for one known workbook use this source under their own id.
add_texts(Path(__file__).with_name("messages.toml"))

BATCH_ROWS = 5000


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
                limit = int(self._context.options.get("max_bytes") or MAX_BYTES)
                rows, shifted = count_rows(file, self._mapping, name, limit)
                place = text("table-header-shifted", row=shifted) if shifted else ""
                detail = text("table-check-rows", file=file.name, rows=rows, note=place)
                yield Finding(subject, detail=detail)
            except JianhengError as error:
                for each in error.problems:
                    yield Finding(subject, each)

    def read(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        """Read a stream whole; a cursor means nothing to a file."""
        del cursor
        yield from batches(self._taken(stream))

    def preview(self, stream: str) -> Iterator[tuple[Mapping[str, Any], Row]]:
        """Yield what is read of each row, and the row made of it."""
        for each in self._taken(stream, with_raw=True):
            yield each.raw, each.row

    def origins(self, stream: str) -> Mapping[str, Sequence[str]]:
        """Return the source columns that each canonical column of a stream is made of."""
        return origins(self._described(stream))

    def _taken(self, name: str, *, with_raw: bool = False) -> Iterator[Taken]:
        stream = self._described(name)
        found = read_file(self._file(stream), self._mapping, name, self._context, with_raw=with_raw)
        return distinct(found, next(iter(stream.columns))) if stream.distinct else found

    def _described(self, name: str) -> StreamMapping:
        if name not in self._mapping.streams:
            raise StopError("mapping-stream-unknown", source=self._context.name, stream=name)
        return self._mapping.streams[name]

    def _file(self, stream: StreamMapping) -> Path:
        pattern = stream.file or self._context.options.get("pattern") or "*"
        return find_file(
            self._context.options["path"], pattern, self._context.options.get("newest") or "time"
        )


def batches(taken: Iterable[Taken]) -> Iterator[Batch]:
    """Yield rows as batches that are no safe place to stop."""
    batch: list[Row] = []
    for each in taken:
        batch.append(each.row)
        if len(batch) == BATCH_ROWS:
            yield Batch(batch)
            batch = []
    if batch:
        yield Batch(batch)
