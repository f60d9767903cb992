"""The bench an adapter is tried on: its upstreams started, its instances opened, everything it says heard."""

import datetime as dt
import hashlib
import itertools
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from jianheng.boundary import Boundary
from jianheng.config import check_options
from jianheng.conformance.outcome import Kind
from jianheng.conformance.reading import Reading, rows_of
from jianheng.conformance.rig import Upstream, placed, running
from jianheng.conformance.settings import Settings, Situation
from jianheng.conformance.subject import Subject
from jianheng.conformance.verdict import FailedError, NotApplicableError, NotShownError
from jianheng.conformance.watch import Watch
from jianheng.contract import (
    AdapterContext,
    Batch,
    Finding,
    Publication,
    Receipt,
    Secret,
    Source,
    Stream,
    Target,
)
from jianheng.errors import JianhengError, StopError, problem
from jianheng.facts.time import wall_time
from jianheng.registry import Manifest

IDLE_BATCHES = 200
"""So many batches one after the other without a row, or with the same ones: such a read does not end."""

KINDS: tuple[Kind, ...] = ("source", "target")


@dataclass(slots=True)
class Opened:
    """One instance of the adapter, behind its boundary."""

    instance: Any
    boundary: Boundary
    watch: Watch
    read_s: float = 600.0

    def call(self, name: str, function: Callable[..., Any], *args: Any, returns: Any = None) -> Any:
        """Call it; what it raises is heard before it is passed on.

        Raises:
            JianhengError: what it raised, or what the boundary made of that.
        """
        try:
            return self.boundary.call(name, function, *args, returns=returns)
        except JianhengError as error:
            self.watch.error(error)
            raise

    def check(self) -> list[Finding]:
        """Return its findings; raises as :meth:`call`."""
        findings: list[Finding] = []
        try:
            findings.extend(self.boundary.iterate("check", self.instance.check, yields=Finding))
        except JianhengError as error:
            self.watch.error(error)
            raise
        for each in findings:
            self.watch.look("finding", each.subject, each.detail)
            if each.problem is not None:
                self.watch.problem("finding", each.problem)
        return findings

    def streams(self) -> list[Stream]:
        """Return its streams; raises as :meth:`call`."""
        return list(self.call("streams", self.instance.streams))

    def steps(self, stream: str, cursor: str | None) -> Generator[Batch, None, None]:
        """Yield the batches of a read; closed early, the adapter's reader is closed too. Raises as :meth:`call`."""
        began, idle, last = time.monotonic(), 0, None
        try:
            for batch in self.boundary.iterate("read", self.instance.read, stream, cursor, yields=Batch):
                self.watch.look("cursor", batch.cursor)
                yield batch
                rows = rows_of(batch)
                idle = idle + 1 if not rows or rows == last else 0
                last = rows
                took = time.monotonic() - began
                if idle > IDLE_BATCHES or took > self.read_s:
                    raise StopError("conform-endless", stream=stream, seconds=round(took, 1))
        except JianhengError as error:
            self.watch.error(error)
            raise

    def read(self, stream: Stream, cursor: str | None = None) -> Reading:
        """Read a stream to its end, or to the error that ends it."""
        found = Reading(stream)
        try:
            for batch in self.steps(stream.name, cursor):
                rows = rows_of(batch)
                self.watch.look("row", rows)
                found.batches.append((rows, batch.cursor))
        except JianhengError as error:
            found.error = error
        return found

    def write(self, publication: Publication) -> Receipt:
        """Write a publication; raises as :meth:`call`."""
        receipt: Receipt = self.call("write", self.instance.write, publication, returns=Receipt)
        self.watch.look("receipt", receipt.location, receipt.detail)
        return receipt


@dataclass(slots=True)
class Bench:
    """One adapter, its settings, and a place for its trials.

    Attributes:
        file: the conform.toml.
        scratch: below it each upstream gets a folder of its own.
        factories: what makes a source or a target, once its code is imported; empty before.
        kept: what several checks share, by name.
    """

    subject: Subject
    settings: Settings
    file: Path
    scratch: Path
    rig: ModuleType | None
    watch: Watch = field(default_factory=Watch)
    factories: dict[str, Callable[[AdapterContext], Any]] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    began: dt.datetime = field(
        default_factory=lambda: wall_time(dt.datetime.now(dt.UTC)).replace(microsecond=0)
    )
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def folder(self) -> Path:
        """The folder that conform.toml stands in."""
        return self.file.parent

    @property
    def manifest(self) -> Manifest:
        """The adapter's manifest.

        Raises:
            NotShownError: it cannot be read, which the check of that name tells.
        """
        if self.subject.manifest is None:
            raise NotShownError(problem("conform-after", check="manifest"))
        return self.subject.manifest

    @property
    def kind(self) -> Kind:
        """What is tried of it: the source, or the target.

        Raises:
            StopError: it is both, and conform.toml does not say which, or it is neither.
        """
        kinds: list[Kind] = [each for each in KINDS if each in self.manifest.kind]
        if self.settings.kind in kinds:
            return self.settings.kind
        if len(kinds) != 1 or self.settings.kind is not None:
            raise StopError("conform-kind", known=", ".join(self.manifest.kind), adapter=self.subject.id)
        return kinds[0]

    @property
    def start(self) -> dt.datetime:
        """The stamp of the first record the kit puts, wall time."""
        return self.settings.limits.start or self.began - dt.timedelta(hours=1)

    @property
    def streams(self) -> dict[str, Stream]:
        """The streams by name, as the adapter described them; none before that was asked."""
        found: dict[str, Stream] = self.kept.get("streams", {})
        return found

    def putting(self, upstream: Upstream) -> list[tuple[str, int]]:
        """Return into which streams the rig can put records, and how many a trial begins with."""
        if self.kind != "source" or not upstream.offers("put"):
            return []
        told = {name: self.settings.of_stream(name) for name in self.streams}
        return [(name, each.puts) for name, each in told.items() if each.follows is None]

    def at(self, stream: str = "") -> str:
        """Return how a message calls the place: the adapter, and the stream."""
        return f"{self.subject.id} / {stream}" if stream else self.subject.id

    @contextmanager
    def upstream(self) -> Iterator[Upstream]:
        """Run a fresh upstream for a while; raises as :func:`jianheng.conformance.rig.running`."""
        place = self.scratch / f"upstream-{next(self._numbers)}"
        with running(self.folder, self.settings, self.rig, place) as upstream:
            yield upstream

    def situation(self, upstream: Upstream, name: str) -> Situation:
        """Return the options and secrets of a situation, placeholders not yet filled in.

        Raises:
            NotShownError: nothing says how it comes about.
            NotApplicableError: it can't come about.
        """
        good = self.settings.good
        options = {**good.options, **upstream.given("options")}
        secrets = {**good.secrets, **upstream.given("secrets")}
        if name == "good":
            return Situation(options=options, secrets=secrets)
        told = self.settings.told(name)
        if told is None:
            self._must_exist(upstream, name)
        if name == "wrong_password" and told is None:
            told = Situation(secrets={each: made_up(each) for each in secrets})
        elif name == "unreachable" and told is None:
            told = Situation(options=placed(options, {"{upstream}": upstream.places["{closed}"]}))
        added = told or Situation()
        return Situation(options={**options, **added.options}, secrets={**secrets, **added.secrets})

    def _must_exist(self, upstream: Upstream, name: str) -> None:
        if name == "wrong_password" and not self.manifest.secrets:
            raise NotApplicableError("conform-no-secrets")
        networked = upstream.proxy is not None
        if name in ("slow", "hang") and not networked and not self.manifest.allowed_hosts:
            raise NotApplicableError("conform-no-network")
        known = bool(self.settings.good.secrets) if name == "wrong_password" else networked
        if not known:
            raise NotShownError(problem("conform-situation-missing", situation=name))

    def context(self, upstream: Upstream, situation: str = "good") -> AdapterContext:
        """Return what core would give the adapter in a situation.

        Raises:
            FaultsError: its options are not what its manifest declares.
        """
        found = self.situation(upstream, situation)
        options = check_options(
            self.manifest,
            placed(dict(found.options), upstream.places),
            upstream.folder,
            path=f"{situation}.options",
            file="conform.toml",
        )
        self.watch.guard(found.secrets)
        return AdapterContext(
            office=self.settings.office,
            name=self.subject.id,
            options=options,
            secrets={name: Secret(value) for name, value in found.secrets.items()},
            units=self.settings.units or (self.settings.office,),
            log=self.watch,
            pseudonym=pseudonym,
        )

    @contextmanager
    def opened(self, upstream: Upstream, situation: str = "good") -> Iterator[Opened]:
        """Open an instance of the adapter, and let go of it in the end.

        Raises:
            NotShownError: its code could not be loaded.
            JianhengError: it could not be opened.
        """
        if self.kind not in self.factories:
            raise NotShownError(problem("conform-after", check="opens"))
        context = self.context(upstream, situation)
        boundary = Boundary(
            self.subject.id, self.settings.limits.call_s, self.watch, origin=self.subject.origin
        )
        with boundary:
            opened = Opened(None, boundary, self.watch, self.settings.limits.read_s)
            returns = Source if self.kind == "source" else Target
            opened.instance = opened.call("open", self.factories[self.kind], context, returns=returns)
            yield opened

    def good_read(self, opened: Opened, stream: Stream, cursor: str | None = None) -> Reading:
        """Read a stream where nothing is in the way.

        Raises:
            FailedError: it ended with an error.
        """
        found = opened.read(stream, cursor)
        if found.error is not None:
            raise FailedError(self.unexpected("read", found.error, stream.name))
        return found

    def unexpected(self, doing: str, error: JianhengError, stream: str = "") -> Any:
        """Return the problem that an adapter failed where nothing was in the way."""
        told = error.problem.message().what
        return problem("conform-unexpected", call=doing, code=error.code, told=told, at=self.at(stream))


def pseudonym(name: str) -> str:
    """Return a stable pseudonym; the key is the kit's own and nobody's secret."""
    return "嫌疑人-" + hashlib.sha256(f"conform {name}".encode()).hexdigest()[:8].upper()


def made_up(name: str) -> str:
    """Return a secret that opens nothing."""
    return f"conform-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def elapsed(since: float) -> float:
    """Return the seconds since a moment of the monotonic clock."""
    return round(time.monotonic() - since, 3)
