"""The source: files in order, each once; moved away when a later read shows that what they held is kept."""

import fnmatch
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from jianheng.contract import AdapterContext, Batch, Finding, Row, Stream
from jianheng.errors import FaultsError, JianhengError, Problem, StopError, problem
from jianheng.messages import add_texts, text
from jianheng_adapters import table_file
from jianheng_adapters.drop_folder.inbox import Dropped, Inbox
from jianheng_adapters.drop_folder.ledger import Ledger, parse_ledger
from jianheng_adapters.mapping import MappingFile, StreamMapping
from jianheng_adapters.mapping.records import Taken, distinct, origins
from jianheng_adapters.table_file.reading import MAX_BYTES, count_rows, read_file

# Files are read as table-file reads them, and what is wrong with one is told in its words.
for _folder in (Path(__file__), Path(table_file.__file__)):
    add_texts(_folder.with_name("messages.toml"))

_REASON_LENGTH = 300
_NOT_THE_FILE = frozenset({"table-file-unreadable", "drop-folder-missing"})
"""What is wrong with the folder or the rights to it: a file is not to blame, and is tried again."""


class DropSource:
    """Reads a drop folder.

    A file is moved away only when the cursor that a later read begins with names it: then the rows are kept,
    whatever happened in between. A stream read whole (``snapshot``) takes the latest file only and leaves it there.
    """

    def __init__(self, context: AdapterContext, mapping: MappingFile) -> None:
        self._context = context
        self._mapping = mapping
        self._inbox = _inbox(context)
        told = mapping.model_dump_json().encode()
        self._read_by = hashlib.blake2b(told, digest_size=8).hexdigest()
        # By stream, the files that no read of it will want again, as its cursor has shown in this run.
        self._finished: dict[str, Mapping[str, str]] = {}

    def streams(self) -> Sequence[Stream]:
        """Name the mapped streams."""
        return [
            Stream(name, stream.entity, stream.mode, stream.may_be_empty)
            for name, stream in self._mapping.streams.items()
        ]

    def check(self) -> Iterable[Finding]:
        """Look at the folder, at every file that waits, and at those that failed; move nothing."""
        subject = text("drop-check-folder", path=self._inbox.folder)
        try:
            ready, unready = self._inbox.waiting()
            movable = (
                None if self._inbox.may_move() else problem("drop-not-movable", path=str(self._inbox.folder))
            )
            told = text("drop-check-waiting", ready=len(ready), unready=len(unready))
            yield Finding(subject, movable, warning=True, detail=told)
            refused = self._inbox.refused()
            if refused:
                told_of = {"count": len(refused), "file": refused[0].name, "path": str(refused[0].parent)}
                yield Finding(subject, problem("drop-failed-waiting", **told_of), warning=True)
            for name in self._mapping.streams:
                yield from self._check_stream(name)
        except JianhengError as error:
            for each in error.problems:
                yield Finding(subject, each)

    def _check_stream(self, name: str) -> Iterator[Finding]:
        subject = text("table-check-stream", stream=name)
        files = self._files(name)
        if not files:
            yield Finding(subject, detail=text("drop-check-none"))
        for each in files:
            try:
                limit = int(self._context.options.get("max_bytes") or MAX_BYTES)
                rows, shifted = count_rows(each.file, self._mapping, name, limit)
                note = text("table-header-shifted", row=shifted) if shifted else ""
                yield Finding(
                    subject, detail=text("table-check-rows", file=each.file.name, rows=rows, note=note)
                )
            except JianhengError as error:
                for found in error.problems:
                    yield Finding(subject, found)

    def read(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        """Read what was dropped since; from the beginning also what was read and moved away before.

        Raises:
            FaultsError: why some files could not be read, told after all others were.
        """
        described = self._described(stream)
        if described.mode == "snapshot":
            yield from self._read_latest(stream)
            return
        before = parse_ledger(cursor, stream=stream)
        ledger = self._put_away_finished(stream, before)
        if cursor is not None and ledger.read != before.read:
            yield Batch((), ledger.cursor())
        faults: list[Problem] = []
        for each in self._files(stream, from_the_beginning=cursor is None):
            if each.digest in ledger.read:
                continue
            try:
                for rows, then in self._read_file(stream, each, ledger):
                    ledger = then
                    if rows:
                        yield Batch(rows)
                    yield Batch(
                        (), ledger.cursor()
                    )  # by itself: reading on does not give the last rows again
            except JianhengError as error:
                if error.code in _NOT_THE_FILE:
                    raise
                faults += [self._failed(each, found) for found in error.problems]
                ledger = ledger.settle(each.digest, _told(error))
                yield Batch((), ledger.cursor())
        if faults:
            raise FaultsError(faults)

    def preview(self, stream: str) -> Iterator[tuple[Mapping[str, object], Row]]:
        """Yield what is read of each row and the row made of it, of the files that wait; move nothing."""
        for each in self._files(stream):
            for taken in self._taken(stream, each.file, with_raw=True):
                yield taken.raw, taken.row

    def origins(self, stream: str) -> Mapping[str, Sequence[str]]:
        """Return the source columns that each canonical column of a stream is made of."""
        return origins(self._described(stream))

    def _put_away_finished(self, stream: str, ledger: Ledger) -> Ledger:
        """Move what is finished, and return the ledger without failures that are to be tried again."""
        here = {each.digest for each in self._inbox.identify(self._inbox.waiting()[0], "*")}
        now = ledger.only(here, self._read_by)
        self._finished[stream] = now.read
        if now.read:
            self._put_away()
        return now

    def _read_file(self, stream: str, dropped: Dropped, ledger: Ledger) -> Iterator[tuple[list[Row], Ledger]]:
        """Yield the rows of a file, each with the ledger after it, from where a read that was broken off had come."""
        size = int(self._context.options.get("batch_size") or 5000)
        skipped = ledger.rows if ledger.inside == dropped.digest else 0
        rows: list[Row] = []
        done = 0
        for done, taken in enumerate(self._taken(stream, dropped.file), 1):
            if done <= skipped:
                continue
            rows.append(taken.row)
            if len(rows) == size:
                yield rows, ledger.at(dropped.digest, done)
                rows = []
        yield rows, ledger.settle(dropped.digest)

    def _read_latest(self, stream: str) -> Iterator[Batch]:
        """Read the latest file whole; those before it are of no use any more."""
        files = self._files(stream)
        if not files:
            return
        size = int(self._context.options.get("batch_size") or 5000)
        rows: list[Row] = []
        for taken in self._taken(stream, files[-1].file):
            rows.append(taken.row)
            if len(rows) == size:
                yield Batch(rows)
                rows = []
        yield Batch(rows)
        latest = files[-1].digest
        self._finished[stream] = {each.digest: "" for each in files[:-1] if each.digest != latest}
        self._put_away()

    def _taken(self, stream: str, file: Path, *, with_raw: bool = False) -> Iterator[Taken]:
        described = self._described(stream)
        found = read_file(file, self._mapping, stream, self._context, with_raw=with_raw)
        return distinct(found, next(iter(described.columns))) if described.distinct else found

    def _files(self, stream: str, *, from_the_beginning: bool = False) -> list[Dropped]:
        """Return the files of a stream, each content once."""
        ready, unready = self._inbox.waiting()
        if unready:
            self._context.log.info("drop-not-complete", files=[each.name for each in unready][:20])
        files = [*(self._inbox.archived() if from_the_beginning else ()), *ready]
        found: dict[str, Dropped] = {}
        for each in self._inbox.identify(files, self._pattern(self._described(stream))):
            first = found.setdefault(each.digest, each)
            if first is not each:
                self._context.log.info("drop-same-content", file=each.file.name, other=first.file.name)
        return list(found.values())

    def _put_away(self) -> None:
        """Move every file that no stream it belongs to will want again."""
        ready, _ = self._inbox.waiting()
        for each in self._inbox.identify(ready, "*"):
            interested = [
                name
                for name, stream in self._mapping.streams.items()
                if fnmatch.fnmatch(each.file.name, self._pattern(stream))
            ]
            told = [self._finished.get(name, {}).get(each.digest) for name in interested]
            if not told or None in told:
                continue
            reasons = [reason for reason in told if reason]
            try:
                self._inbox.put_away(each, "failed" if reasons else "done", "\n".join(reasons))
            except OSError as error:
                place, reason = str(each.file), type(error).__name__
                self._context.log.warning("drop-not-moved", path=place, reason=reason)

    def _pattern(self, stream: StreamMapping) -> str:
        return stream.file or str(self._context.options.get("pattern") or "*")

    def _described(self, stream: str) -> StreamMapping:
        found = self._mapping.streams.get(stream)
        if found is None:
            raise StopError("mapping-stream-unknown", source=self._context.name, stream=stream)
        return found

    def _failed(self, dropped: Dropped, found: Problem) -> Problem:
        told = found.message()
        return problem(
            "drop-file-failed",
            file=dropped.file.name,
            told=f"{told.what} [{told.where}]",
            path=str(dropped.file),
        )


def _told(error: JianhengError) -> str:
    return "; ".join(each.message().what for each in error.problems)[:_REASON_LENGTH] or error.code


def _inbox(context: AdapterContext) -> Inbox:
    options = context.options
    names = {name: str(options.get(name) or name) for name in ("done", "failed")}
    for option, given in names.items():
        plain = given not in ("", ".", "..") and not set(given) & set("/\\:") and not given.startswith(".")
        if not plain or names["done"] == names["failed"]:
            raise StopError("drop-folder-name", option=option, given=given, source=context.name)
    quiet = options.get("quiet_s")
    return Inbox(
        options["path"],
        names["done"],
        names["failed"],
        10.0 if quiet is None else float(quiet),
        str(options.get("marker") or ""),
        "time" if options.get("order") == "time" else "name",
    )
