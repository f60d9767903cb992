"""How far a read has come, where a mapping says what tells it: a moment, a number that grows, or a text that does."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from jianheng.errors import StopError
from jianheng.facts.time import SHANGHAI, wall_time
from jianheng_adapters.mapping.model import CursorKind
from jianheng_adapters.mapping.values import moment_of

POSITION_VERSION = 1

Position = dt.datetime | Decimal | str
"""A moment is Shanghai wall time without a zone."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Reads the values of a stream's cursor column, and writes cursors.

    Attributes:
        kind: what the column holds.
        formats: how moments are written where they are no ISO dates.
    """

    kind: CursorKind = "moment"
    formats: Sequence[str] = ()

    def position(self, raw: Any) -> Position | None:
        """Return what a source's value tells; None when it is no position."""
        if raw is None or isinstance(raw, bool):
            return None
        if self.kind == "text":
            return str(raw).strip() or None
        if self.kind == "number":
            try:
                found = Decimal(str(raw).strip())
            except InvalidOperation:
                return None
            return found if found.is_finite() else None
        moment = moment_of(raw, self.formats)
        return wall_time(moment) if isinstance(moment, dt.datetime) else None

    def advance(self, reached: Position | None, values: Iterable[Any]) -> Position | None:
        """Return how far a read has come: never back, and no moment beyond the present.

        A time of change in the future would hide every real change until it comes.
        """
        found = [each for raw in values if (each := self.position(raw)) is not None]
        if self.kind == "moment":
            now = dt.datetime.now(SHANGHAI).replace(tzinfo=None)
            found = [each for each in found if isinstance(each, dt.datetime) and each <= now]
        known = found if reached is None else [*found, reached]
        return max(known, default=None)

    def back(self, reached: Position | None, minutes: int, numbers: int = 0) -> Position | None:
        """Return where to read on from: some way before what was reached, for what was committed late."""
        if isinstance(reached, dt.datetime):
            return reached - dt.timedelta(minutes=minutes)
        return reached - numbers if isinstance(reached, Decimal) else reached

    def cursor(self, reached: Position | None, **more: Any) -> str | None:
        """Return the cursor that continues from a position; None when there is none yet and nothing else to say."""
        if reached is None and not more:
            return None
        at = (
            reached.isoformat()
            if isinstance(reached, dt.datetime)
            else None
            if reached is None
            else str(reached)
        )
        return json.dumps(
            {"v": POSITION_VERSION, "at": at, **more}, ensure_ascii=False, separators=(",", ":")
        )

    def parse(self, cursor: str | None, *, stream: str) -> "Stand":
        """Return what a cursor says.

        Raises:
            StopError: it is not one of ours, or of a later version.
        """
        if cursor is None:
            return Stand()
        try:
            given = json.loads(cursor)
            version, at = given.pop("v"), given.pop("at", None)
        except (ValueError, TypeError, KeyError, AttributeError):
            version, at, given = None, None, {}
        reached = self.position(at)
        if version != POSITION_VERSION or (at is not None and reached is None):
            raise StopError("cursor-unreadable", stream=stream, cursor=cursor[:80])
        return Stand(reached, given)


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a read stands: the position that was reached, and what else the adapter keeps in its cursor."""

    reached: Position | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
