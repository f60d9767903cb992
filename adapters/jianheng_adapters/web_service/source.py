"""The source of any web service: streams as mapped, checked against the service, read page by page."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, Self

from jianheng.contract import AdapterContext, Batch, Finding, Row, Stream
from jianheng.errors import JianhengError, StopError, problem
from jianheng.facts.entities import ENTITIES
from jianheng.messages import text
from jianheng_adapters.mapping import MappingFile, StreamMapping, load_mapping
from jianheng_adapters.mapping.model import Placement
from jianheng_adapters.mapping.records import Records, Taken, distinct, origins
from jianheng_adapters.web_service.listing import Answered, Asked, Listing

_SLOW = 0.5
"""The part of the time limit that an answer may take before a check speaks of it."""


class Service(Protocol):
    """A conversation with a service: JSON over HTTP, or SOAP."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *raised: object) -> None:
        """End."""

    @property
    def host(self) -> str:
        """Which host is spoken to."""

    def login(self) -> None:
        """See whether we are known, where that can be seen without reading."""

    def place(self, described: StreamMapping) -> str:
        """Return how messages call the list of a stream."""

    def ask(self, described: StreamMapping, asked: Asked) -> Answered:
        """Return the answer to one request."""


class ServiceSource:
    """Reads the lists of a web service."""

    def __init__(
        self,
        context: AdapterContext,
        placement: Placement,
        open_service: Callable[[AdapterContext, MappingFile], Service],
    ) -> None:
        self._context = context
        self._mapping = load_mapping(
            None,
            context.options["mapping"],
            placement=placement,
            allow_sensitive=context.options.get("allow_sensitive") or (),
        )
        self._open = open_service

    def streams(self) -> Sequence[Stream]:
        """Name the mapped streams."""
        return [
            Stream(name, stream.entity, stream.mode, stream.may_be_empty)
            for name, stream in self._mapping.streams.items()
        ]

    def check(self) -> Iterable[Finding]:
        """Log in, then ask for the first page of every stream and see whether the mapping fits it."""
        subject = text("web-check-login", host=self._context.options.get("url"))
        try:
            with self._open(self._context, self._mapping) as service:
                subject = text("web-check-login", host=service.host)
                service.login()
                yield Finding(subject)
                for name in self._mapping.streams:
                    yield from self._check_stream(service, name)
        except JianhengError as error:
            for each in error.problems:
                yield Finding(subject, each)

    def _check_stream(self, service: Service, name: str) -> Iterator[Finding]:
        subject = text("web-check-stream", stream=name)
        listing = self._listing(service, name)
        try:
            began = time.monotonic()
            items = listing.first()
            took = time.monotonic() - began
            taken = self._records(service, name).take(items)
            if listing.described.mode == "cursor" and items:
                listing.check_positions(items)
        except JianhengError as error:
            for each in error.problems:
                yield Finding(subject, each)
            return
        limit = int(self._context.options.get("timeout_s") or 30)
        slow = problem("web-answer-slow", path=listing.place, seconds=round(took, 1), limit=limit)
        detail = text("web-check-rows", rows=len(items), taken=len(taken))
        yield Finding(subject, slow if took > limit * _SLOW else None, warning=True, detail=detail)

    def read(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        """Read a stream: what changed, with some overlap, or all of it.

        Where the service gives what changed first first, every batch is a safe place to stop; else only the end is.
        """
        described = self._described(stream)
        with self._open(self._context, self._mapping) as service:
            if described.mode == "snapshot":
                for batch in _in_batches(self._whole(service, stream)):
                    yield Batch(batch)
                return
            listing, records, number = self._listing(service, stream), self._records(service, stream), 1
            for part in listing.changes(listing.marks.parse(cursor, stream=stream)):
                taken = records.take(part.items, number)
                number += len(part.items)
                if described.distinct:
                    taken = list(distinct(taken, ENTITIES[described.entity].key.name))
                rows = [each.row for each in taken]
                if part.cursor is None or len(rows) == len(part.items):
                    yield Batch(rows, part.cursor)
                else:  # a record of another unit may have given the cursor: of ours none need come again
                    yield Batch(rows)
                    yield Batch((), part.cursor)

    def preview(self, stream: str) -> Iterator[tuple[Mapping[str, Any], Row]]:
        """Yield what is read of each record, and the row made of it, from the beginning of a stream."""
        self._described(stream)
        with self._open(self._context, self._mapping) as service:
            for each in self._whole(service, stream):
                yield each.raw, each.row

    def origins(self, stream: str) -> Mapping[str, Sequence[str]]:
        """Return the source fields that each canonical column of a stream is made of."""
        return origins(self._described(stream))

    def _whole(self, service: Service, stream: str) -> Iterator[Taken]:
        described = self._described(stream)
        found = self._taken(service, stream)
        return distinct(found, ENTITIES[described.entity].key.name) if described.distinct else found

    def _taken(self, service: Service, stream: str) -> Iterator[Taken]:
        records, number = self._records(service, stream), 1
        for items in self._listing(service, stream).whole():
            yield from records.take(items, number)
            number += len(items)

    def _described(self, stream: str) -> StreamMapping:
        found = self._mapping.streams.get(stream)
        if found is None:
            raise StopError("mapping-stream-unknown", source=self._context.name, stream=stream)
        return found

    def _records(self, service: Service, stream: str) -> Records:
        return Records(self._mapping, stream, self._context, service.place(self._described(stream)))

    def _listing(self, service: Service, stream: str) -> Listing:
        described = self._described(stream)
        asked = described.request or described.call
        if asked is None:  # the mapping was checked: every stream says what it asks for
            raise StopError("mapping-stream-unknown", source=self._context.name, stream=stream)
        return Listing(
            self._mapping,
            described,
            asked,
            self._context,
            lambda each: service.ask(described, each),
            service.place(described),
        )


def _in_batches(taken: Iterable[Taken], size: int = 5000) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for each in taken:
        batch.append(each.row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
