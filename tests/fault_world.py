"""Two upstream systems that change while nobody looks: what they hold, what they ever held, what of that must be known.

The world lives in the test; a process under test is given a file of it. After each completed run everything that the
world says *must* be in the store's history has to be there, in order, and nothing that it never said.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jianheng.contract import Batch, Stream
from jianheng.facts.convert import Reject, convert
from jianheng.facts.entities import ENTITIES
from jianheng.sync.task import Reader
from upstream import case, document, person, posting

GONE = "gone"
SIZE = 7
"""Rows a batch: a run is many transactions."""

STREAMS = {
    "up": (Stream("person", "person"), Stream("posting", "posting"), Stream("case", "case", "cursor")),
    "papers": (Stream("document", "document", "cursor"),),
}
"""By source. ``up`` lists its keys; of ``papers`` everything is read when keys are compared."""
KEPT_AT_LEAST = 8
_SPOILT = {"person": "quota_since", "case": "accepted_on", "document": "drafted_on"}

Cell = tuple[int, dict[str, Any]]
Tables = dict[str, dict[str, Cell]]


@dataclass
class World:
    """What the upstreams hold, and by stream and key what they told before and whether that must be known."""

    chance: random.Random
    clock: int = 1
    made: int = 0
    tables: Tables = field(
        default_factory=lambda: {each.name: {} for some in STREAMS.values() for each in some}
    )
    log: dict[tuple[str, str], list[tuple[str, bool]]] = field(default_factory=dict)
    late: set[tuple[str, str]] = field(default_factory=set)
    awaited: list[str] = field(default_factory=list)

    def put(self, stream: str, row: dict[str, Any], *, late: bool = False) -> str:
        """Write a row now, or as one that was begun long ago and is committed only now."""
        self.clock += self.chance.choice([0, 1, 1])
        key = str(row[ENTITIES[stream].key.name])
        stamp = max(1, self.clock - self.chance.randint(2, 9)) if late else self.clock
        self.tables[stream][key] = (stamp, {"_locator": f"{stream} {key}", **row})
        if late:
            self.late.add((stream, key))
        return key

    def begin(self) -> None:
        """Fill the upstreams."""
        for number in range(6):
            self.put("person", person(f"p{number}"))
            self.put("posting", posting(f"p{number}"))
        for _ in range(20):
            self.add_document(self.add_case())

    def add_case(self, *, late: bool = False, **more: Any) -> str:
        """Write a case that was not there."""
        self.made += 1
        day = f"2025-{1 + self.made % 12:02}-{1 + self.made % 28:02}"
        values = {"handler_key": f"p{self.made % 6}", "concluded_on": day, "current_stage": "1"}
        return self.put("case", case(f"C{self.made:04}", **(values | more)), late=late)

    def add_document(self, number: str, *, late: bool = False, **more: Any) -> str:
        """Write a document that was not there."""
        self.made += 1
        values = {"template_code": "report", "drafter_key": f"p{self.made % 6}", "name": "起诉书"}
        return self.put("document", document(f"d{self.made:04}", number, **(values | more)), late=late)

    def rewrite(self, stream: str, *, late: bool = False) -> None:
        """Write a row again with other content."""
        key = self._any(stream)
        changed = {"person": "post", "case": "current_stage", "document": "name"}[stream]
        self.made += 1
        row = {name: value for name, value in self.tables[stream][key][1].items() if name != "_locator"}
        self.put(stream, row | {changed: f"第{self.made}稿"}, late=late)

    def remove(self, stream: str) -> None:
        """Remove a row for good."""
        if len(self.tables[stream]) > KEPT_AT_LEAST:
            del self.tables[stream][self._any(stream)]

    def mark(self, stream: str) -> None:
        """Mark a row as deleted."""
        key = self._any(stream)
        self.put(stream, {ENTITIES[stream].key.name: key, "_deleted": True})

    def spoil(self, stream: str) -> None:
        """Write a row again with a day that is none."""
        key = self._any(stream)
        row = {name: value for name, value in self.tables[stream][key][1].items() if name != "_locator"}
        self.put(stream, row | {_SPOILT[stream]: "不详"})

    def mend(self, *, leave: int = 0) -> None:
        """Write good rows for spoilt ones, all but a few."""
        for stream, column in _SPOILT.items():
            spoilt = [key for key, (_, row) in self.tables[stream].items() if row.get(column) == "不详"]
            for key in spoilt[leave:]:
                row = {
                    name: value for name, value in self.tables[stream][key][1].items() if name != "_locator"
                }
                self.put(stream, row | {column: "2025-02-03"})

    def change(self) -> None:
        """Do a little of everything that an upstream does in a day."""
        self.mend(leave=1)
        for number in self.awaited:
            self.put("case", case(number, current_stage="1"))
        self.awaited = [f"E{self.made:04}"]
        self.add_document(self.awaited[0])
        self.add_document(self.add_case())
        self.add_case(late=True)
        self.add_document(self._any("case"), late=True)
        for stream in ("person", "case", "document"):
            self.rewrite(stream)
            self.spoil(stream)
        self.rewrite("document", late=True)
        for stream in ("case", "document"):
            self.mark(stream)
            for _ in range(self.chance.randint(1, 2)):
                self.remove(stream)

    def go_on(self) -> None:
        """Do what may happen between a death and the next start: rows are written, nothing goes."""
        for stream in ("person", "case", "document"):
            self.rewrite(stream)
        self.add_document(self.add_case())

    def tell(self, *, must: bool) -> None:
        """Remember what a run would be told now; ``must``: and that such a run will end."""
        for stream, cells in self.tables.items():
            for key, (_, row) in cells.items():
                self._remember(stream, key, row, must=must)
            for (of, key), told in self.log.items():
                if of == stream and key not in cells:
                    _add(told, GONE, must=must)
        if must:
            self.late.clear()

    def _remember(self, stream: str, key: str, row: dict[str, Any], *, must: bool) -> None:
        fact = convert(ENTITIES[stream], row)
        if isinstance(fact, Reject):
            return
        token = GONE if fact.deleted else fact.content_hash
        must = must and not self.waits(stream, row)
        _add(self.log.setdefault((stream, key), []), token, must=must)

    def waits(self, stream: str, row: dict[str, Any]) -> bool:
        """Return whether a row names a case that nobody has told of usably."""
        named = row.get("case_no") if stream == "document" and "_deleted" not in row else None
        return named is not None and not self.log.get(("case", named))

    def bad(self, stream: str) -> set[str]:
        """Return the keys of the rows that cannot be taken as they are."""
        return {
            key
            for key, (_, row) in self.tables[stream].items()
            if isinstance(convert(ENTITIES[stream], row), Reject) or self.waits(stream, row)
        }

    def expected(self, stream: str) -> dict[str, str]:
        """Return by key what must be known now: what the upstream has, or had before a row was spoilt."""
        found: dict[str, str] = {}
        for (of, key), told in self.log.items():
            must = [token for token, needed in told if needed]
            if of == stream and must and must[-1] != GONE:
                found[key] = must[-1]
        return found

    def save(self, file: Path) -> None:
        """Write what a process is to read, whole at any moment."""
        beside = file.with_suffix(".new")
        beside.write_text(json.dumps(self.tables, ensure_ascii=False), encoding="utf-8")
        beside.replace(file)

    def _any(self, stream: str) -> str:
        whole = [key for key, (_, row) in sorted(self.tables[stream].items()) if _is_whole(stream, row)]
        return self.chance.choice(whole)


def _add(told: list[tuple[str, bool]], token: str, *, must: bool) -> None:
    if told and told[-1][0] == token:
        told[-1] = (token, must or told[-1][1])
    else:
        told.append((token, must))


def _is_whole(stream: str, row: dict[str, Any]) -> bool:
    return "_deleted" not in row and row.get(_SPOILT.get(stream, "")) != "不详"


def load(file: Path) -> Tables:
    """Read what a world wrote."""
    found: dict[str, dict[str, Sequence[Any]]] = json.loads(file.read_text(encoding="utf-8"))
    return {
        stream: {key: (cell[0], cell[1]) for key, cell in cells.items()} for stream, cells in found.items()
    }


def readers(tables: Tables) -> list[Reader]:
    """Return the sources as the engine sees them."""

    def read(stream: str, cursor: str | None) -> Iterator[Batch]:
        since = int(cursor or 0)
        found = sorted((stamp, key) for key, (stamp, _) in tables[stream].items() if stamp >= since)
        for start in range(0, len(found), SIZE):
            some = found[start : start + SIZE]
            cursored = stream in ("case", "document")
            yield Batch([tables[stream][key][1] for _, key in some], str(some[-1][0]) if cursored else None)

    def keys(stream: str) -> Iterator[Sequence[str]]:
        yield [key for key, (_, row) in tables[stream].items() if "_deleted" not in row]

    up, papers = STREAMS.items()
    return [
        Reader(up[0], lambda: up[1], read, keys=keys),
        Reader(papers[0], lambda: papers[1], read),
    ]


def fits(history: Sequence[str], told: Sequence[tuple[str, bool]]) -> bool:
    """Return whether a record's versions are what was told, in order: all that must be there, nothing else, none twice."""
    ends = {-1}
    for token, must in told:
        following: set[int] = set()
        for end in ends:
            if end >= 0 and history[end] == token:
                following.add(end)
                continue
            if end + 1 < len(history) and history[end + 1] == token:
                following.add(end + 1)
            if not must or (token == GONE and end < 0):  # what was never known leaves nothing behind
                following.add(end)
        ends = following
    return len(history) - 1 in ends
