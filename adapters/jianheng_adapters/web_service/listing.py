"""Reads the list that a service keeps, page after page, without losing what moves while we read."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jianheng.contract import AdapterContext
from jianheng.errors import EmptiedError, RetryError, StopError
from jianheng.facts.time import SHANGHAI
from jianheng_adapters.mapping.model import MappingFile, StreamMapping
from jianheng_adapters.mapping.position import Marks, Position, Stand
from jianheng_adapters.mapping.records import find, is_there
from jianheng_adapters.mapping.rows import told_text
from jianheng_adapters.mapping.service import Call, Changed, Paging, Request
from jianheng_adapters.mapping.values import COUNTED

_NO = frozenset({"", "false", "0", "n", "no", "否"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What one request asks for: parameters, or the link to follow instead."""

    parameters: Mapping[str, Any]
    link: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """The value a service gave, and the next link of its header, if there was one."""

    value: Any
    link: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Some records, and the cursor after them where that is a safe place to stop."""

    items: Sequence[Any]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class _Page:
    items: Sequence[Any]
    following: Asked | None
    total: int | None = None


@dataclass(slots=True)
class Listing:
    """One stream of a service.

    Attributes:
        ask: sends one request, with retries.
        place: how messages call it.
    """

    mapping: MappingFile
    described: StreamMapping
    asked: Request | Call
    context: AdapterContext
    ask: Callable[[Asked], Answered]
    place: str
    marks: Marks = field(init=False)
    paging: Paging = field(init=False)
    changed: Changed = field(init=False)

    def __post_init__(self) -> None:
        self.paging = self.asked.paging or self.mapping.service.paging
        self.changed = self.asked.changed or self.mapping.service.changed
        counted = (self.changed.format,) if self.changed.format in COUNTED else ()
        self.marks = Marks(self.described.cursor_kind, (*counted, *self.mapping.normalise.date_formats))

    def whole(self) -> Iterator[Sequence[Any]]:
        """Yield every page of the list, unit by unit where units are asked for one by one."""
        yield from self._all(None)

    def changes(self, stand: Stand) -> Iterator[Part]:
        """Yield what changed since a cursor, with some overlap.

        Raises:
            EmptiedError: there was something before, and nothing is there now.
            StopError: the list does not come in the order that the mapping promises, or tells no time of change.
        """
        since = self.marks.back(
            stand.reached,
            int(self.context.options.get("overlap_minutes") or 0),
            int(self.context.options.get("overlap_numbers") or 0),
        )
        pages = (
            self._by_key(since)
            if self.changed.sorted
            and self.paging.kind in ("page", "offset")
            and not self.asked.unit_parameter
            else self._all(since)
        )
        reached, last, anything = stand.reached, None, False
        in_order = self.changed.sorted and not self.asked.unit_parameter
        for items in pages:
            anything = anything or bool(items)
            told = self._positions(items)
            reached = self.marks.advance(reached, self._raw(items))
            if in_order:
                self._check_order(last, told)
                last = told[-1] if told else last
            newer = [item for item in items if not self._is_older(item, since)]
            yield Part(newer, self.marks.cursor(reached) if in_order else None)
        if since is not None and not anything and not self._anything():
            raise EmptiedError
        yield Part((), self.marks.cursor(reached))

    def first(self) -> Sequence[Any]:
        """Return the first page of the first unit: enough to see whether the mapping fits."""
        return self._page(self._start(None, self._units()[0])).items

    def check_positions(self, items: Sequence[Any]) -> None:
        """See that records tell when they changed.

        Raises:
            StopError: none of them does.
        """
        self._positions(items)

    def _all(self, since: Position | None) -> Iterator[Sequence[Any]]:
        for unit in self._units():
            asked: Asked | None = self._start(since, unit)
            read, total, before = 0, None, None
            seen: set[str] = set()
            while asked is not None:
                if asked.link in seen:
                    raise StopError("web-page-stuck", path=self.place, page=asked.link[:80])
                seen |= {asked.link} - {""}
                page = self._page(asked, read)
                if page.items and page.items == before and self.paging.kind in ("page", "offset"):
                    raise self._stuck(asked)
                read, before = read + len(page.items), page.items
                total = page.total if total is None else total
                yield page.items
                asked = page.following
            if total is not None and read < total:
                raise RetryError("web-count-short", path=self.place, read=read, total=total)

    def _by_key(self, since: Position | None) -> Iterator[Sequence[Any]]:
        """Yield pages of a sorted list, asking not for page 2 but for what changed since the last of page 1.

        Pages of a list that changes shift under the reader: what moved to the end takes its place from the next page.
        Only where one moment fills a whole page does it go on by number.
        """
        asked: Asked | None = self._start(since, None)
        read, before, first = 0, set[str](), True
        while asked is not None:
            page = self._page(asked, read)
            fresh = [item for item in page.items if repr(item) not in before]
            if page.items and not fresh and not first:
                raise self._stuck(asked)
            yield fresh
            told = self._positions(page.items)
            if told and page.following is not None and self._sent(told[-1]) != self._sent(since):
                since, read, first = told[-1], 0, True
                asked = self._start(since, None)
            else:
                read, first = read + len(page.items), False
                asked = page.following
            before = {repr(item) for item in page.items}

    def _units(self) -> Sequence[str | None]:
        """The units that are asked for one by one; one nothing where all are asked for at once."""
        return list(self.context.units) if self.asked.unit_parameter else [None]

    def _start(self, since: Position | None, unit: str | None) -> Asked:
        told = {name: self._filled(value) for name, value in self.asked.parameters.items()}
        if unit is not None:
            told[self.asked.unit_parameter] = unit
        if since is not None and self.changed.parameter:
            told[self.changed.parameter] = self._sent(since)
        if self.paging.size_parameter:
            told[self.paging.size_parameter] = int(self.context.options.get("page_size") or 500)
        if self.paging.kind in ("page", "offset"):
            told[self.paging.parameter] = self.paging.first
        return Asked(told)

    def _filled(self, value: Any) -> Any:
        filled = {":units": ",".join(self.context.units), ":office": self.context.office}
        return filled.get(value, value) if isinstance(value, str) else value

    def _page(self, asked: Asked, read: int = 0) -> _Page:
        answer = self.ask(asked)
        found = find(answer.value, self.asked.items)
        if found is None and is_there(answer.value, self.asked.items):
            found = []  # an empty list, as some services write it
        if isinstance(found, Mapping) and isinstance(self.asked, Call):
            found = [found]  # XML knows no lists: one record is no list of one
        if not isinstance(found, list):
            raise StopError(
                "mapping-records-missing",
                field=self.asked.items or "[]",
                stream=self.place,
                place=self.place,
                present="、".join(map(str, answer.value))[:200] if isinstance(answer.value, Mapping) else "-",
            )
        total = find(answer.value, self.paging.total) if self.paging.total else None
        count = int(str(total)) if str(total).isdigit() else None
        return _Page(found, self._following(asked, answer, found, read, count), count)

    def _following(
        self, asked: Asked, answer: Answered, items: Sequence[Any], read: int, total: int | None
    ) -> Asked | None:
        paging = self.paging
        if paging.kind == "none":
            return None
        if paging.kind == "link":
            link = (find(answer.value, paging.next) if paging.next else None) or answer.link
            return Asked({}, str(link)) if link else None
        if paging.kind == "token":
            token = find(answer.value, paging.next)
            if token is None or told_text(token) == "":
                return None
            if token == asked.parameters.get(paging.parameter):
                raise self._stuck(asked)
            return Asked({**asked.parameters, paging.parameter: token})
        ended = not items
        if paging.more:
            ended = told_text(find(answer.value, paging.more)).lower() in _NO
        elif total is not None:
            ended = ended or read + len(items) >= total
        if ended:
            return None
        step = 1 if paging.kind == "page" else len(items)
        return Asked({**asked.parameters, paging.parameter: asked.parameters[paging.parameter] + step})

    def _anything(self) -> bool:
        """Whether the list holds anything at all, changed or not."""
        return any(self._page(self._start(None, unit)).items for unit in self._units())

    def _raw(self, items: Sequence[Any]) -> list[Any]:
        return [find(item, self.described.cursor or "") for item in items]

    def _positions(self, items: Sequence[Any]) -> list[Position]:
        told = [each for raw in self._raw(items) if (each := self.marks.position(raw)) is not None]
        if items and not told:
            raise StopError("web-cursor-unreadable", path=self.place, field=self.described.cursor)
        return told

    def _is_older(self, item: Any, since: Position | None) -> bool:
        if since is None or self.changed.parameter:
            return False
        told = self.marks.position(find(item, self.described.cursor or ""))
        return told is not None and told < since  # type: ignore[operator]  # both of one kind

    def _check_order(self, last: Position | None, told: Sequence[Position]) -> None:
        both = told if last is None else [last, *told]
        if list(both) != sorted(both):
            raise StopError("web-order-broken", path=self.place, field=self.described.cursor)

    def _sent(self, since: Position | None) -> Any:
        """Return a position as the service is asked for it."""
        if not isinstance(since, dt.datetime):
            return None if since is None else str(since)
        zoned = since.replace(tzinfo=SHANGHAI)
        written: dict[str, Callable[[], Any]] = {
            "iso": since.isoformat,
            "iso_zone": zoned.isoformat,
            "utc": lambda: zoned.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "epoch": lambda: int(zoned.timestamp()),
            "epoch_ms": lambda: int(zoned.timestamp() * 1000),
        }
        made = written.get(self.changed.format)
        return made() if made is not None else since.strftime(self.changed.format)

    def _stuck(self, asked: Asked) -> StopError:
        page = asked.parameters.get(self.paging.parameter, "-")
        return StopError("web-page-stuck", path=self.place, page=page)
