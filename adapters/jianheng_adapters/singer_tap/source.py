"""The source: each stream is one run of the tap with one of its streams selected."""

import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from jianheng.contract import AdapterContext, Batch, Finding, Row, Stream
from jianheng.errors import JianhengError, StopError
from jianheng.messages import text
from jianheng_adapters.mapping import MappingFile, StreamMapping
from jianheng_adapters.mapping.records import Records, Taken, origins
from jianheng_adapters.singer_tap.catalogue import (
    Entry,
    check_entry,
    config_of,
    entries_of,
    read_catalogue,
    selecting,
    stream_names,
)
from jianheng_adapters.singer_tap.process import Tap

VERSION = 1
DELETED_AT = "_sdc_deleted_at"
"""The field by which taps that read a log say that a record is gone."""

Message = Mapping[str, Any]


class TapSource:
    """Reads what a tap emits; its STATE is our cursor."""

    def __init__(self, context: AdapterContext, mapping: MappingFile) -> None:
        self._context = context
        self._mapping = mapping
        self._entries: list[Entry] | None = None

    def streams(self) -> Sequence[Stream]:
        """Name the mapped streams."""
        return [
            Stream(name, stream.entity, stream.mode, stream.may_be_empty)
            for name, stream in self._mapping.streams.items()
        ]

    def check(self) -> Iterable[Finding]:
        """Ask the tap for its catalogue, then for the first record of every mapped stream."""
        subject = text("singer-check-tap", command=self._context.options["command"].name)
        try:
            found = self._catalogue()
            yield Finding(subject, detail=text("singer-check-streams", count=len(found)))
            for name in self._mapping.streams:
                subject = text("singer-check-stream", stream=name)
                yield from self._check_stream(subject, name)
        except JianhengError as error:
            for each in error.problems:
                yield Finding(subject, each)

    def _check_stream(self, subject: str, name: str) -> Iterator[Finding]:
        try:
            # A generator that is left ends the tap.
            messages = self._messages(name, None)
            found = next((each for each in messages if each.get("type") == "RECORD"), None)
            messages.close()
            if found is not None:
                self._records(name).take([found["record"]])
        except JianhengError as error:
            for each in error.problems:
                yield Finding(subject, each)
            return
        detail = text("singer-check-empty") if found is None else text("singer-check-record")
        yield Finding(subject, detail=detail)

    def read(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        """Read a stream: what is new since the tap's STATE, or all of it.

        Rows and STATE come in batches of their own: reading on from a STATE need not repeat rows.
        """
        described = self._described(stream)
        stand = parse_cursor(cursor, stream=stream) if described.mode == "cursor" else {}
        size = int(self._context.options.get("batch_size") or 5000)
        rows: list[Row] = []
        state, version, told = stand.get("state"), stand.get("version"), stand
        for taken, message in self._events(stream, stand.get("state")):
            rows += [each.row for each in taken]
            kind = message.get("type")
            if described.mode == "cursor":
                if kind == "STATE":
                    state = message.get("value")
                elif kind == "ACTIVATE_VERSION":
                    version = self._same_table(stream, described, version, message.get("version"))
            if len(rows) >= size:
                yield Batch(rows)
                rows = []
                now = {"state": state, "version": version}
                if described.mode == "cursor" and state is not None and now != told:
                    told = now
                    yield Batch((), format_cursor(now))
        if rows:
            yield Batch(rows)
        if described.mode == "cursor" and (state is not None or version is not None):
            yield Batch((), format_cursor({"state": state, "version": version}))

    def preview(self, stream: str) -> Iterator[tuple[Mapping[str, Any], Row]]:
        """Yield what is read of each record, and the row made of it, from the beginning of a stream."""
        self._described(stream)
        for taken, _ in self._events(stream, None):
            for each in taken:
                yield each.raw, each.row

    def origins(self, stream: str) -> Mapping[str, Sequence[str]]:
        """Return the fields that each canonical column of a stream is made of."""
        return origins(self._described(stream))

    def _events(self, stream: str, state: Any) -> Iterator[tuple[Sequence[Taken], Message]]:
        """Yield every message with the rows it makes; the records of one message at a time are many calls, so some wait."""
        records, waiting = self._records(stream), list[Message]()
        number = 1
        for message in self._messages(stream, state):
            if message.get("type") == "RECORD":
                waiting.append(message)
                if len(waiting) < _AT_ONCE:
                    continue
            taken = self._taken(records, waiting, number)
            number += len(waiting)
            waiting = []
            yield taken, message
        yield self._taken(records, waiting, number), {}

    def _taken(self, records: Records, messages: Sequence[Message], number: int) -> list[Taken]:
        found: list[Taken] = []
        for is_gone in (False, True):
            these = [each["record"] for each in messages]
            these = [each for each in these if (each.get(DELETED_AT) is not None) is is_gone]
            taken = records.take(these, number) if these else []
            found += [Taken(each.raw, {**each.row, "_deleted": True}) for each in taken] if is_gone else taken
        return found

    def _messages(self, stream: str, state: Any) -> Generator[Message, None, None]:
        """Yield the messages of a run that concern a stream; whoever leaves early ends the tap."""
        described = self._described(stream)
        entries = self._catalogue()
        entry = check_entry(entries, stream, described)
        catalogue = selecting(entries, entry, described)
        files = {"config": config_of(self._context), "catalog": catalogue}
        argument = str(self._context.options.get("catalog_argument") or "--catalog")
        arguments = ["--config", "{config}", *(() if argument == "none" else (argument, "{catalog}"))]
        if state is not None:
            files["state"] = state
            arguments += ["--state", "{state}"]
        names = stream_names(entry)
        with Tap(self._context, arguments, files) as tap:
            for line in tap.lines():
                message = _parse(tap, line)
                if message["type"] == "STATE" or message.get("stream") in names:
                    yield message

    def _catalogue(self) -> list[Entry]:
        """Return the tap's streams: from the file that was given, else by asking the tap, once."""
        if self._entries is None:
            file = self._context.options.get("catalog")
            self._entries = read_catalogue(file, self._context.name) if file is not None else self._discover()
        return self._entries

    def _discover(self) -> list[Entry]:
        files = {"config": config_of(self._context)}
        with Tap(self._context, ["--config", "{config}", "--discover"], files) as tap:
            told = b"".join(tap.lines())
        try:
            found = json.loads(told)
        except ValueError:
            raise StopError("singer-catalogue-wrong", reason="JSON", source=self._context.name) from None
        return entries_of(found, self._context.name)

    def _same_table(self, stream: str, described: StreamMapping, before: Any, now: Any) -> Any:
        if before is not None and now != before:
            raise StopError("singer-table-replaced", stream=stream, table=described.table)
        return now

    def _records(self, stream: str) -> Records:
        return Records(self._mapping, stream, self._context, self._described(stream).table or "")

    def _described(self, stream: str) -> StreamMapping:
        found = self._mapping.streams.get(stream)
        if found is None:
            raise StopError("mapping-stream-unknown", source=self._context.name, stream=stream)
        return found


_AT_ONCE = 500
_KNOWN = frozenset({"RECORD", "SCHEMA", "STATE", "ACTIVATE_VERSION"})


def format_cursor(stand: Mapping[str, Any]) -> str:
    """Return a tap's STATE and table version as a cursor."""
    return json.dumps({"v": VERSION, **stand}, ensure_ascii=False, separators=(",", ":"), default=str)


def parse_cursor(cursor: str | None, *, stream: str) -> dict[str, Any]:
    """Return the STATE and the table version that a cursor holds.

    Raises:
        StopError: it is not one of ours, or of a later version.
    """
    if cursor is None:
        return {}
    try:
        given = json.loads(cursor)
        version = given.pop("v")
    except (ValueError, KeyError, TypeError, AttributeError):
        given, version = {}, None
    if version != VERSION:
        raise StopError("cursor-unreadable", stream=stream, cursor=cursor[:80])
    return dict(given)


def _parse(tap: Tap, line: bytes) -> Message:
    try:
        told = json.loads(line, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise tap.wrong("JSON", line) from None
    message: dict[str, Any] = told if isinstance(told, dict) else {}
    kind = message.get("type")
    if kind not in _KNOWN:
        raise tap.wrong("type", line)
    if kind == "RECORD" and not isinstance(message.get("record"), dict):
        raise tap.wrong("record", line)
    return message
