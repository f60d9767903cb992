"""What was read of a stream, and what core would hold after it: facts by key, as far as they can be told apart."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pyarrow as pa

from jianheng.contract import Batch, Row, Stream
from jianheng.errors import JianhengError, Problem, problem
from jianheng.facts.convert import Fact, Reject, convert
from jianheng.facts.entities import ENTITIES

State = Mapping[str, str]
"""What is live: the hash of each record's content by its key."""


@dataclass(slots=True)
class Reading:
    """One read of a stream: the rows and the cursor of each batch, and what ended it early."""

    stream: Stream
    batches: list[tuple[list[Row], str | None]] = field(default_factory=list)
    error: JianhengError | None = None

    @property
    def rows(self) -> list[Row]:
        """All rows in the order they came."""
        return [row for rows, _ in self.batches for row in rows]

    @property
    def cursor(self) -> str | None:
        """The last cursor that was given."""
        return next((cursor for _, cursor in reversed(self.batches) if cursor is not None), None)

    @property
    def checkpoints(self) -> list[tuple[int, str]]:
        """Each cursor, with how many batches come before and at it."""
        return [(place, cursor) for place, (_, cursor) in enumerate(self.batches, 1) if cursor is not None]

    def facts(self) -> tuple[list[Fact], list[Reject]]:
        """Return the rows as core converts them, and those it would quarantine."""
        return converted(self.stream, self.rows)

    def state(self, before: State | None = None, batches: int | None = None) -> dict[str, str]:
        """Return what is live after this read, or after its first batches, over what was live before."""
        held = dict(before or {})
        for rows, _ in self.batches[:batches]:
            for fact in converted(self.stream, rows)[0]:
                if fact.deleted:
                    held.pop(fact.key, None)
                else:
                    held[fact.key] = fact.content_hash
        return held

    def keys(self) -> set[str]:
        """Return the keys of all rows, deleted ones too."""
        return {fact.key for fact in self.facts()[0]}


def converted(stream: Stream, rows: Sequence[Row]) -> tuple[list[Fact], list[Reject]]:
    """Return rows as core converts them, and those it would quarantine."""
    entity = ENTITIES[stream.entity]
    facts: list[Fact] = []
    rejects: list[Reject] = []
    for row in rows:
        found = convert(entity, row)
        if isinstance(found, Fact):
            facts.append(found)
        else:
            rejects.append(found)
    return facts, rejects


def rows_of(batch: Batch) -> list[Any]:
    """Return the rows of a batch, of an Arrow table as mappings; what is no list of rows stands there as one that is none."""
    if isinstance(batch.rows, pa.Table):
        return cast("list[Any]", batch.rows.to_pylist())
    return list(batch.rows) if isinstance(batch.rows, list | tuple) else [batch.rows]


def value_of(stream: Stream, fact: Fact, column: str) -> object:
    """Return one value of a fact."""
    return fact.values[ENTITIES[stream.entity].names.index(column)]


def apart(wanted: State, found: State) -> tuple[list[str], list[str], list[str]]:
    """Return the keys that are missing, too many, and different, each sorted."""
    return (
        sorted(wanted.keys() - found.keys()),
        sorted(found.keys() - wanted.keys()),
        sorted(key for key in wanted.keys() & found.keys() if wanted[key] != found[key]),
    )


def differ(wanted: State, found: State, at: str) -> Iterator[Problem]:
    """Yield that two reads of the same do not give the same, if they don't."""
    missing, added, changed = apart(wanted, found)
    if missing or added or changed:
        told = {"missing": listed(missing), "added": listed(added), "changed": listed(changed)}
        yield problem("conform-reads-differ", **told, at=at)


def listed(keys: Iterable[object], most: int = 5) -> str:
    """Return a few keys as a message shows them, and how many more there are."""
    found = [str(each) for each in keys]
    more = f" … +{len(found) - most}" if len(found) > most else ""
    return (", ".join(found[:most]) or "—") + more
