"""The source: volumes that changed, page by page, without losing what moves while we read."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jianheng.contract import AdapterContext, Batch, Finding, Row, Stream
from jianheng.errors import EmptiedError, JianhengError, RetryError, StopError
from jianheng.messages import text
from jianheng_adapters.archive_http.client import ArchiveClient
from jianheng_adapters.mapping import (
    RowMaker,
    StreamMapping,
    advance,
    format_cursor,
    load_mapping,
    parse_cursor,
    parse_moment,
    row_maker,
)

SHIPPED = Path(__file__).with_name("mappings") / "archive-1.toml"
PATH = "api/volumes"
_PAGE_ATTEMPTS = 3

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Page:
    """One page of the answer: its items, and whether there are more."""

    items: Sequence[Item]
    more: bool


class ArchiveSource:
    """Reads the archive's volumes."""

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._mapping = load_mapping(
            SHIPPED,
            context.options.get("mapping"),
            placement="field",
            allow_sensitive=context.options.get("allow_sensitive") or (),
        )

    def streams(self) -> Sequence[Stream]:
        """Name the mapped streams."""
        return [
            Stream(name, stream.entity, stream.mode, stream.may_be_empty)
            for name, stream in self._mapping.streams.items()
        ]

    def check(self) -> Iterable[Finding]:
        """Log in, and ask for one volume."""
        subject = text("archive-check-login")
        try:
            with closing(ArchiveClient(self._context)) as client:
                client.login()
                yield Finding(subject)
                subject = text("archive-check-volumes")
                answer = client.get(PATH, {"page": 1, "page_size": 1})
                total = answer.get("total")
                if not isinstance(answer.get("items"), list):
                    raise self._misshapen("items")
                yield Finding(subject, detail=text("archive-check-total", total=total))
        except JianhengError as error:
            yield Finding(subject, error.problem)

    def read(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        """Read what changed since the cursor, with some overlap.

        Pages of a list that changes shift under the reader. So the next request doesn't ask for
        page 2 but for what changed since the last time of page 1; only where one time fills a whole
        page does it go on by number.
        """
        described = self._mapping.streams.get(stream)
        if described is None:
            raise StopError("mapping-stream-unknown", source=self._context.name, stream=stream)
        reached = parse_cursor(cursor, stream=stream)
        make = row_maker(
            self._mapping,
            stream,
            {field: field for field in described.sources()},
            place=f"/{PATH}",
            pseudonym=self._context.pseudonym,
        )
        changed = described.cursor or ""
        overlap = dt.timedelta(minutes=int(self._context.options.get("overlap_minutes") or 0))
        since, number = reached and reached - overlap, 1
        before: set[str] = set()
        ordered = True
        with closing(ArchiveClient(self._context)) as client:
            while True:
                page = self._page(client, since, number)
                fresh = [item for item in page.items if repr(item) not in before]
                if page.more and (not page.items or (number > 1 and not fresh)):
                    raise StopError("archive-page-stuck", path=f"/{PATH}", page=number)
                moments = [moment for item in page.items if (moment := parse_moment(item.get(changed)))]
                ordered = ordered and moments == sorted(moments)
                reached = advance(reached, (item.get(changed) for item in page.items))
                # Where the service doesn't keep its order, no place but the end is safe to stop at.
                safe = reached if ordered or not page.more else None
                # The volume that gave the cursor comes again for as long as it exists.
                if since is not None and not (page.items or before or self._page(client, None, 1).items):
                    raise EmptiedError
                rows = self._rows(make, described, fresh)
                if len(rows) == len(fresh):
                    yield Batch(rows, format_cursor(safe))
                else:  # another unit's volume may have given the cursor: of ours none need come again
                    yield Batch(rows)
                    yield Batch((), format_cursor(safe))
                if not page.more:
                    return
                last = moments[-1] if moments and ordered else None
                if last is not None and (since is None or last > since):
                    since, number = last, 1
                else:
                    number += 1
                before = {repr(item) for item in page.items}

    def _rows(self, make: RowMaker, described: StreamMapping, items: Sequence[Item]) -> list[Row]:
        ours = [item for item in items if self._in_scope(described, item)]
        fields = described.sources()
        needed = [field for field in fields if field not in described.optional_sources()]
        # One record may lack a field, and core quarantines it; a field that all lack was renamed.
        gone = [field for field in needed if ours and not any(field in item for item in ours)]
        if gone:
            raise self._misshapen("、".join(gone))
        return [make({field: item.get(field) for field in fields}, 0) for item in ours]

    def _in_scope(self, described: StreamMapping, item: Item) -> bool:
        units = [item.get(field) for field in described.scope]
        # A volume without a unit is passed on: core must see it, to quarantine it.
        return not units or None in units or any(str(unit).strip() in self._context.units for unit in units)

    def _page(self, client: ArchiveClient, since: dt.datetime | None, number: int) -> _Page:
        parameters: dict[str, Any] = {
            "page": number,
            "page_size": int(self._context.options.get("page_size") or 500),
        }
        if since is not None:
            parameters["changed_since"] = since.isoformat()
        for _ in range(_PAGE_ATTEMPTS):
            answer = client.get(PATH, parameters)
            items, following = answer.get("items"), answer.get("next")
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise self._misshapen("items")
            if following is not None and not isinstance(following, int):
                raise self._misshapen("next")
            if answer.get("page", number) == number:
                if following is not None and following <= number:
                    raise StopError("archive-page-stuck", path=f"/{PATH}", page=number)
                return _Page(items, following is not None)
        raise RetryError("archive-page-other", path=f"/{PATH}", page=number)

    def _misshapen(self, field: str) -> StopError:
        host = str(self._context.options["url"])
        return StopError("archive-shape-wrong", path=f"/{PATH}", field=field, host=host)
