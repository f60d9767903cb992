"""A source for ``isolation``: batches of Arrow, or of mappings, as they stand in a file. Needs what a vendor needs."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from jianheng.contract import AdapterContext, Batch, Finding, Stream
from jianheng.hookspecs import hookimpl


class ArrowFile:
    """Reads the batches of an Arrow file, one after another."""

    def __init__(self, context: AdapterContext) -> None:
        self._context = context

    def check(self) -> Iterator[Finding]:
        """Say that it is there."""
        yield Finding("file")

    def streams(self) -> Sequence[Stream]:
        """Return the two streams: rows hang on cases."""
        return [Stream("case", "case", "cursor"), Stream("org", "organisation_suspect", "cursor")]

    def read(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        """Yield all batches of a stream; nothing after a cursor."""
        if cursor is not None:
            return
        with pa.memory_map(str(self._context.options[stream])) as file, pa.ipc.open_file(file) as opened:
            for number in range(opened.num_record_batches):
                table = pa.Table.from_batches([opened.get_batch(number)])
                yield Batch(table if self._context.options["arrow"] else table.to_pylist(), str(number))


@hookimpl
def sources() -> dict[str, Any]:
    """Return the source."""
    return {"bench": ArrowFile}
