"""What a source and a target must offer, what they may, and what they are given."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import pyarrow as pa

from jianheng.contract.publication import Publication, Receipt
from jianheng.errors import Problem

Row = Mapping[str, Any]
"""One record under canonical column names. Two reserved keys: ``_deleted`` (bool: the source says it is
gone) and ``_locator`` (text: where a person finds it in the source). Values may be raw text; core
checks and converts them, an adapter judges nothing."""

Mode = Literal["cursor", "snapshot"]


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of record a source can read.

    Attributes:
        name: unique within the source.
        entity: the canonical entity its rows are (docs/facts.md).
        mode: ``cursor`` reads what changed since a cursor; ``snapshot`` reads all, so that core
            can see what vanished.
        may_be_empty: an empty first read is normal; otherwise it stops the run.
    """

    name: str
    entity: str
    mode: Mode = "snapshot"
    may_be_empty: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows and where to go on after them.

    Attributes:
        rows: a list of rows, or an Arrow table with canonical column names.
        cursor: opaque text from which a later ``read`` continues without missing a row; None
            when this batch is no safe place to stop. Given with rows, it promises that such a read gives
            the last of them again, so that what shares their time of change cannot be missed; core
            checks it. One that needs not (a token, a position in a log) comes in a batch without rows.
    """

    rows: Sequence[Row] | pa.Table
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check: ``ok`` or a problem that tells what to do."""

    subject: str
    problem: Problem | None = None
    warning: bool = False
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, or only something to know."""
        return self.problem is None or self.warning


class Secret:
    """A secret value that does not print itself."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value; call it at the last moment and never log it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


class Log(Protocol):
    """The few methods of a structlog logger that adapters use."""

    def debug(self, event: str, **fields: Any) -> Any:
        """Say something only a developer wants to know."""

    def info(self, event: str, **fields: Any) -> Any:
        """Say what happened."""

    def warning(self, event: str, **fields: Any) -> Any:
        """Say what someone should look at."""


@dataclass(frozen=True, slots=True)
class AdapterContext:
    """What an adapter is given: its own options and secrets, nothing of anyone else's.

    Attributes:
        office: code of the office that is synced or published.
        name: the name this use of the adapter has in the deployment.
        options: the options of the manifest, checked and converted, defaults filled in. Paths
            are absolute.
        secrets: the manifest's secret names with their values.
        units: unit codes in scope: the office and what it chose to include.
        log: a logger that already carries office and adapter.
        pseudonym: turns a person's name into a stable pseudonym for this office.
    """

    office: str
    name: str
    options: Mapping[str, Any]
    secrets: Mapping[str, Secret]
    units: Sequence[str]
    log: Log
    pseudonym: Callable[[str], str]


@runtime_checkable
class Source(Protocol):
    """Reads one system. Three methods; see docs/vendor-guide.md for the smallest real one."""

    def check(self) -> Iterable[Finding]:
        """Say whether the system answers and has what is needed; change nothing."""

    def streams(self) -> Sequence[Stream]:
        """Say which streams can be read, as configured."""

    def read(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        """Yield batches from the cursor on (from the beginning when None).

        Raises:
            RetryError: the system may recover by itself.
            StopError: someone must mend something first.
        """


@dataclass(frozen=True, slots=True)
class LiveCount:
    """How many live rows of a stream a system holds of one unit and one year of intake.

    ``unit_code`` is empty and ``year`` None where a row has none: what hangs on no case has no year.
    """

    unit_code: str
    year: int | None
    rows: int


@runtime_checkable
class Countable(Protocol):
    """What a source may offer beside :class:`Source`: counting in the system itself, for ``jianheng reconcile``.

    Unit and year are those of the case that a row hangs on, or of the case itself, by its day of intake.
    """

    def count(self, stream: str) -> Iterable[LiveCount]:
        """Count the live rows of a stream in scope, without reading them."""


@runtime_checkable
class Keyed(Protocol):
    """What a source may offer beside :class:`Source`: listing keys without reading rows, for ``jianheng sync --sweep``."""

    def keys(self, stream: str) -> Iterator[Sequence[str]]:
        """Yield the keys of all live rows of a stream in scope, many at a time, as its rows would hold them."""


@runtime_checkable
class Ranged(Protocol):
    """What a source may offer beside :class:`Source`: reading a span of days, for ``jianheng sync --from --to``."""

    def read_range(self, stream: str, start: dt.date, end: dt.date, cursor: str | None) -> Iterator[Batch]:
        """Yield the rows of a stream whose business time lies in ``[start, end)``, from the cursor on.

        The cursors are those of this method alone: :meth:`Source.read` never sees them.
        """


@runtime_checkable
class Target(Protocol):
    """Takes finished results somewhere else."""

    def check(self) -> Iterable[Finding]:
        """Say whether the target can be written; change nothing that matters."""

    def write(self, publication: Publication) -> Receipt:
        """Write one publication. Writing the same ``publication.id`` again must not double anything."""


SourceFactory = Callable[[AdapterContext], Source]
TargetFactory = Callable[[AdapterContext], Target]
