"""The contract between Jianheng and the adapters and packs that plug in, version 1.

Everything a vendor needs stands here: what a source and a target must offer, what they are
given, and the values that pass between. pluggy finds the factories (:mod:`jianheng.hookspecs`);
it never moves data. Text that adapters produce reaches people through codes
(:mod:`jianheng.errors`), so it can be Chinese or English.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import pyarrow as pa

from jianheng.errors import Problem

CONTRACT_VERSION = 1
SUPPORTED_CONTRACTS = (1,)

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
            when this batch is no safe place to stop.
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

    def write(self, publication: "Publication") -> "Receipt":
        """Write one publication. Writing the same ``publication.id`` again must not double anything."""


SourceFactory = Callable[[AdapterContext], Source]
TargetFactory = Callable[[AdapterContext], Target]

PublicationKind = Literal["scores", "archive-due"]
EntryState = Literal["final", "provisional", "void"]
OutcomeState = Literal["scored", "not-applicable", "missing"]
"""What becomes of a number: it is there, it does not apply, or something it needs is not known. Never 0 for the latter two."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a target did: where the result is and how many records it holds."""

    location: str
    records: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger: one counted item for one subject, and all that made it.

    Points are integers of 0.001 point. ``points`` is what counts; ``withheld`` is what a cap, a limit or
    a missing authority took away; ``reason`` says why, and what multiplied the points. ``coefficient`` is
    the product of all factors in permille, rounded for reading. ``evidence`` names the record of
    the source that the item came from.
    """

    entry_id: str
    person_key: str
    rule_id: str
    indicator: str
    case_no: str
    item_kind: str
    item_key: str
    item_label: str
    day: dt.date
    quantity: int
    unit_points: int
    coefficient: int
    share: int
    points: int
    withheld: int
    state: EntryState
    reason: str
    evidence: str


@dataclass(frozen=True, slots=True)
class IndicatorValue:
    """The value of one indicator for one subject, in 0.001 of its ``unit``, or why there is none.

    ``points`` is None unless ``state`` is ``scored``; ``note`` then says why.
    """

    person_key: str
    sheet: str
    indicator: str
    label: str
    parent: str
    points: int | None
    provisional: int
    entries: int
    note: str = ""
    state: OutcomeState = "scored"
    unit: str = "分"


@dataclass(frozen=True, slots=True)
class PersonScore:
    """The standing of one person in one period, in 0.001 point.

    ``points`` is None, and ``rank`` 0, unless ``state`` is ``scored``; ``note`` then says why. ``grade`` is
    a label, empty where the policy gives none. ``places`` are those in groups other than the sheet: the
    group's label to place and how many have one.
    """

    person_key: str
    name: str
    department: str
    role: str
    sheet: str
    points: int | None
    final: int | None
    provisional: int
    rank: int
    of: int
    cases: int
    entries: int
    note: str = ""
    grade: str = ""
    state: OutcomeState = "scored"
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleText:
    """A rule as a person reads it: what it gives, on whose sheets (labels), on which authority.

    A rule whose points changed has one for each span of days ``[since, until)``; None has no end.
    """

    rule_id: str
    label: str
    indicator: str
    sheet: str
    points: int
    cite: str
    assumed: bool
    since: dt.date | None = None
    until: dt.date | None = None


@dataclass(frozen=True, slots=True)
class DueCase:
    """A case that ought to be in the archive and is not."""

    case_no: str
    unit_code: str
    handler_key: str
    closed_on: dt.date


@dataclass(frozen=True, slots=True)
class CaseText:
    """What a reader needs to know a case by, without anybody's name."""

    case_no: str
    category: str
    category_name: str
    accepted_on: dt.date | None
    closed_on: dt.date | None
    archived: bool


@dataclass(frozen=True, slots=True)
class Publication:
    """A finished result on its way to targets.

    Attributes:
        id: the same content has the same id; targets use it to write once.
        kind: what it holds; a target's manifest says which kinds it takes.
        sheets: the labels of the score sheets, by the ids that people and indicators name.
        notices: things every reader must know (void entries, unknown people, open quarantine).
    """

    id: str
    kind: PublicationKind
    office: str
    office_name: str
    policy: str
    policy_label: str
    policy_version: str
    period: str
    period_label: str
    start: dt.date
    end: dt.date
    as_of: dt.datetime
    sheets: Mapping[str, str] = field(default_factory=dict)
    people: Sequence[PersonScore] = ()
    indicators: Sequence[IndicatorValue] = ()
    entries: Sequence[Entry] = ()
    rules: Sequence[RuleText] = ()
    cases: Mapping[str, CaseText] = field(default_factory=dict)
    due: Sequence[DueCase] = ()
    notices: Sequence[str] = ()
