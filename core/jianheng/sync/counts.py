"""What a sync did, in numbers that must balance."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from jianheng.errors import Problem, Recovery
from jianheng.logs import redact

StreamState = Literal["done", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of one stream by what became of them.

    ``emitted`` counts rows the source gave and quarantined rows that were tried again. Each is
    exactly one of inserted, changed, deleted, unchanged, duplicate, quarantined. ``vanished`` counts
    keys a snapshot no longer holds; they were not emitted.
    """

    emitted: int = 0
    inserted: int = 0
    changed: int = 0
    deleted: int = 0
    unchanged: int = 0
    duplicate: int = 0
    quarantined: int = 0
    vanished: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Counts)))

    @property
    def applied(self) -> int:
        """Rows that changed the store."""
        return self.inserted + self.changed + self.deleted

    @property
    def written(self) -> int:
        """Versions written, vanished keys included."""
        return self.applied + self.vanished

    @property
    def balanced(self) -> bool:
        """Whether every row is accounted for."""
        return self.emitted == self.applied + self.unchanged + self.duplicate + self.quarantined


def told_problems(problems: Iterable[Problem]) -> list[dict[str, str]]:
    """Return problems in words, as a run's record keeps them: without anything secret."""
    return [{part: redact(words) for part, words in each.message().as_json().items()} for each in problems]


@dataclass(frozen=True, slots=True)
class StreamReport:
    """How one stream ended: the problems that stopped it, and what to do about them if it is not just waiting.

    ``held_up``: it was paused because it does not look as it did; what it gave before is still known.
    ``notes``: what is worth knowing and stopped nothing.
    ``after_s``: how many seconds the source asked to be left alone, None where it did not say.
    """

    stream: str
    entity: str
    state: StreamState
    counts: Counts
    problems: tuple[Problem, ...] = ()
    recovery: Recovery | None = None
    held_up: bool = False
    notes: tuple[Problem, ...] = ()
    after_s: float | None = None

    def as_json(self) -> Mapping[str, Any]:
        """Return the report for ``--json`` and the run's record."""
        told: dict[str, Any] = {"stream": self.stream, "entity": self.entity, "state": self.state}
        told |= asdict(self.counts)
        if self.recovery is not None:
            told["recovery"] = self.recovery
        if self.problems:
            told["problems"] = told_problems(self.problems)
        if self.notes:
            told["notes"] = told_problems(self.notes)
        return told


@dataclass(frozen=True, slots=True)
class SourceReport:
    """How one source's sync ended."""

    source: str
    run_id: int
    streams: tuple[StreamReport, ...]
    open_quarantine: int

    @property
    def counts(self) -> Counts:
        """All streams together."""
        return sum((report.counts for report in self.streams), Counts())

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What stopped or skipped streams."""
        return tuple(each for report in self.streams for each in report.problems)

    @property
    def state(self) -> str:
        """``done`` when every stream was read to its end and every row is accounted for, else ``failed``."""
        good = all(report.state == "done" and report.counts.balanced for report in self.streams)
        return "done" if good else "failed"

    def as_json(self) -> Mapping[str, Any]:
        """Return the report for ``--json`` and the run's record."""
        return {
            "source": self.source,
            "run_id": self.run_id,
            "state": self.state,
            "open_quarantine": self.open_quarantine,
            "counts": asdict(self.counts),
            "streams": [report.as_json() for report in self.streams],
        }
