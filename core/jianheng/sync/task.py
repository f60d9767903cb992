"""What one stream's sync is given: the source as the engine sees it, what was asked for, and the right to write."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from jianheng.contract import Batch, Stream
from jianheng.errors import Problem
from jianheng.sync.fence import Fence
from jianheng.sync.place import Place

Progress = Callable[[str, int], None]
"""Called with a stream's name and the rows read so far."""

Affects = Callable[[str, str], str]
"""Called with an entity and a column; says in words what reads it, nothing where nothing does."""

Span = tuple[dt.date, dt.date]
"""Days ``[first, end)`` of business time."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A source as the engine sees it: calls already go through the adapter's boundary.

    Attributes:
        name: of the source in the deployment.
        streams: what it can read.
        read: batches of a stream from a cursor on.
        fingerprint: changes when the way the source is read changes (options, mapping): cursors from
            before are then not trusted and everything is compared again.
        keys: the keys of all live rows of a stream, where the adapter offers them.
        read_range: batches of a stream whose business time lies in a span, where the adapter offers it.
    """

    name: str
    streams: Callable[[], Sequence[Stream]]
    read: Callable[[str, str | None], Iterator[Batch]]
    fingerprint: str = ""
    keys: Callable[[str], Iterator[Sequence[str]]] | None = None
    read_range: Callable[[str, Span, str | None], Iterator[Batch]] | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asked of a sync beyond what is new.

    Attributes:
        full: read everything again, whatever the cursors say.
        sweep: compare all keys of streams with a cursor with the source's.
        sweep_every_s: do so when the last time lies further back; never by itself when None.
        full_every_s: read everything again when the last time lies further back; never by itself when None.
        span: read this span of business time instead of what is new.
        accept_mass_change: somebody has confirmed that many records did vanish.
        progress: told as rows come.
        affects: says what else reads a column of an entity, in words; asked where a column changed.
    """

    full: bool = False
    sweep: bool = False
    sweep_every_s: float | None = None
    full_every_s: float | None = None
    span: Span | None = None
    accept_mass_change: bool = False
    progress: Progress = lambda _stream, _rows: None
    affects: Affects = lambda _entity, _column: ""


@dataclass(frozen=True, slots=True)
class Task:
    """One stream to be read; ``shared`` when another stream of the source gives the same kind of record.

    ``notes`` collects what is worth knowing and stops nothing.
    """

    fence: Fence
    place: Place
    reader: Reader
    stream: Stream
    wish: Wish
    shared: bool = False
    notes: list[Problem] = field(default_factory=list)
