"""A policy ready to run: its files read, laid over each other, checked as one, compiled; with a version that says which law it is."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from jianheng.errors import FaultsError, Problem, problem
from jianheng.rules.measure import Measure
from jianheng.rules.views import view
from jianheng.rules.workdays import read_calendar
from jianheng.scoring.law.as_if import hold_since
from jianheng.scoring.law.chain import Draft, merge, read_chain
from jianheng.scoring.law.compiled import Compiled, CompiledFactor, CompiledGate, compile_draft
from jianheng.scoring.law.formulas import Formula
from jianheng.scoring.law.layer_files import Written, read_office
from jianheng.scoring.law.pack import PolicyFile
from jianheng.scoring.law.pack_files import Files, FolderFiles, StoredFiles
from jianheng.scoring.law.pack_rows import AuthorityRow, PointsRow
from jianheng.scoring.law.parameters import Layer, check_layers
from jianheng.scoring.law.period import CALENDAR_YEAR
from jianheng.scoring.law.policy_check import check_draft

ENGINE_VERSION = "2"
"""Part of a policy's version: rises when the same law would give other entries."""

_OFFICE, _CALENDAR = "+", "="
"""Begin the names of what is no pack's among the sources: an office's own folder, a working calendar."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything the kernel needs of a policy; nothing in it is looked up later.

    Attributes:
        version: a hash over everything that decides a score.
        file: ``policy.toml`` of the whole chain, laid together.
        layers: the parameters, from the most general layer to the most special.
        measure_sql: the select of each measure's items.
        closing_sql: the day on which a case closed, over the source's columns of a case.
        due_sql: whether a case is due for the archive, over the case view.
        points: the rows of the whole chain, each on the days on which it holds.
        folder: where the pack was read; its examples stand there.
        sources: every text it was made of, by ``pack/path``; an office's own begin with ``+``.
        uses: which optional tables its statements speak of (``rules.views.OPTIONAL``).
        workdays: the table ``workday``, where its statements speak of it.
        catalogues: the pack's own codes, by catalogue, with the code each stands under: for trees of codes
            where the site tells none.
    """

    id: str
    label: str
    version: str
    file: PolicyFile
    layers: tuple[Layer, ...]
    measures: Mapping[str, Measure]
    measure_sql: Mapping[str, str]
    closing_sql: str
    due_sql: str | None
    gates: tuple[CompiledGate, ...]
    factors: tuple[CompiledFactor, ...]
    points: tuple[PointsRow, ...]
    authority: tuple[AuthorityRow, ...]
    formulas: Mapping[str, Formula]
    folder: Path
    sources: Mapping[str, str]
    uses: frozenset[str]
    workdays: pa.Table | None
    catalogues: Mapping[str, Mapping[str, str]]

    @property
    def counts_people(self) -> bool:
        """Whether something is counted that hangs on no case, such as awards."""
        return any("case_no" not in view(each.grain).columns for each in self.measures.values())

    @property
    def state_entities(self) -> tuple[str, ...]:
        """The entities that decide how a case stands: closing and archive rules rarely need documents."""
        told = f"{self.closing_sql} {self.due_sql}"
        wanted = ["case", "case_outcome", "suspect", "archive_volume", "case_link"]
        wanted += ["document"] if "document" in told else []
        return (*wanted, *(["event"] if "fact_event" in told else []))

    def indicator_label(self, indicator: str) -> str:
        """Return the label of an indicator."""
        return next((each.label for each in self.file.indicators if each.id == indicator), indicator)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A policy as the key of a cache of what is worked out from it alone: its version decides."""

    policy: Policy

    def __hash__(self) -> int:
        return hash(self.policy.version)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Known) and other.policy.version == self.policy.version


def load_policy(
    folder: Path,
    find: Callable[[str], Path | None] = lambda _id: None,
    office_layer: Path | None = None,
    calendars: Mapping[str, Path] = MappingProxyType({}),
) -> Policy:
    """Load a pack, the packs it extends, and the office's own layer.

    Args:
        folder: the pack's folder.
        find: returns the folder of a pack by id, for ``extends``.
        office_layer: a folder with the office's ``parameters/``, and what else it may set.
        calendars: the files of the working calendars, by the names that policies call them by.

    Raises:
        FaultsError: everything wrong with any of the files of any layer, together.
    """

    def found(pack: str) -> Files | None:
        path = find(pack)
        return None if path is None else FolderFiles(path)

    def calendar(name: str) -> Files | None:
        return FolderFiles(calendars[name].parent) if name in calendars else None

    office = None if office_layer is None else FolderFiles(office_layer)
    return _load(_Origin(FolderFiles(folder), found, office, calendar, folder))


def load_policy_from(sources: Mapping[str, str], pack: str) -> Policy:
    """Load the policy that was once loaded from these texts (``Policy.sources``): the same law, the same version.

    Raises:
        FaultsError: the texts no longer make a policy.
    """
    return _load(_stored(sources, pack))


def varied(policy: Policy, draft: Written | None = None, since: dt.date | None = None) -> Policy:
    """Return what a policy would be with one more layer, or had it been in force earlier: to be tried, never kept.

    Args:
        policy: the law.
        draft: a layer more special than all others.
        since: an earlier first day (:mod:`jianheng.scoring.law.as_if`).

    Raises:
        FaultsError: everything wrong with the draft, or with the policy on the earlier days.
    """
    stored = _stored(policy.sources, policy.id)
    return _load(replace(stored, folder=policy.folder, draft=draft, since=since))


def _stored(sources: Mapping[str, str], pack: str) -> "_Origin":
    texts: dict[str, dict[str, str]] = {}
    for name, text in sources.items():
        under, path = name.split("/", 1)
        texts.setdefault(under, {})[path] = text

    def found(name: str) -> Files | None:
        return StoredFiles(name, texts[name]) if name in texts else None

    def calendar(name: str) -> Files | None:
        return (
            StoredFiles(_CALENDAR, texts.get(_CALENDAR, {}))
            if f"{_CALENDAR}/{name}.toml" in sources
            else None
        )

    own = [StoredFiles(name[1:], held) for name, held in texts.items() if name.startswith(_OFFICE)]
    files = StoredFiles(pack, texts.get(pack, {}))
    return _Origin(files, found, own[0] if own else None, calendar, Path(pack))


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a policy is read from."""

    files: Files
    find: Callable[[str], Files | None]
    office: Files | None
    calendar: Callable[[str], Files | None]
    folder: Path
    draft: Written | None = None
    since: dt.date | None = None


def _load(origin: _Origin) -> Policy:
    chain, broken = read_chain(origin.files, origin.find)
    sources = {f"{each.id}/{path}": text for read, each in chain for path, text in read.taken.items()}
    layers = [each for _, each in chain]
    if origin.office is not None:
        layers.append(read_office(origin.office))
        name = f"{_OFFICE}{origin.office.name}"
        sources |= {f"{name}/{path}": text for path, text in origin.office.taken.items()}
    if origin.draft is not None:
        layers.append(origin.draft)
    draft = merge(layers, whole=not broken)
    draft.problems += [*broken, *check_layers(draft.layers, draft.unread_parameters)]
    if origin.since is not None and not draft.problems:
        hold_since(draft, origin.since)
    compiled = compile_draft(draft)
    draft.problems += [] if broken else check_draft(draft)  # what a missing layer says is missing, too
    workdays = _workdays(draft, compiled, origin.calendar, sources)
    if draft.problems:
        raise FaultsError(_once(draft.problems))
    return _policy(draft, compiled, origin.folder, sources, workdays)


def _workdays(
    draft: Draft, compiled: Compiled, find: Callable[[str], Files | None], sources: dict[str, str]
) -> pa.Table | None:
    """Return the working calendar where some statement counts by it, and keep its text among the sources."""
    if "workday" not in compiled.uses:
        return None
    name = (draft.file.calendar or CALENDAR_YEAR).workdays
    files = find(name)
    text = problem("policy-file-missing", file=name) if files is None else files.text(f"{name}.toml")
    if isinstance(text, Problem):
        draft.problems.append(problem("policy-no-calendar", where=draft.at("calendar"), name=name))
        return None
    calendar = read_calendar(text, f"{name}.toml", name)
    if isinstance(calendar, list):
        draft.problems += calendar
        return None
    sources[f"{_CALENDAR}/{name}.toml"] = text
    return calendar.table()


def _once(problems: Sequence[Any]) -> list[Any]:
    kept: list[Any] = []
    for each in problems:
        if each not in kept:
            kept.append(each)
    return kept


def _policy(
    draft: Draft, compiled: Compiled, folder: Path, sources: Mapping[str, str], workdays: pa.Table | None
) -> Policy:
    return Policy(
        id=draft.file.id,
        label=draft.file.label,
        version=_version(
            draft, [text for name, text in sorted(sources.items()) if name.startswith(_CALENDAR)]
        ),
        file=draft.file,
        layers=tuple(draft.layers),
        measures={name: measure for name, (_, measure) in draft.measures.items()},
        measure_sql=compiled.measures,
        closing_sql=compiled.closing,
        due_sql=compiled.due,
        gates=compiled.gates,
        factors=compiled.factors,
        points=tuple(line.row for line in draft.points),
        authority=tuple(line.row for line in draft.authority),
        formulas=dict(draft.formulas),
        folder=folder,
        sources=dict(sorted(sources.items())),
        uses=compiled.uses,
        workdays=workdays,
        catalogues=draft.catalogues,
    )


def _version(draft: Draft, calendars: Sequence[str]) -> str:
    """Return a hash over everything that decides a score; what was looked at when, or replaces what, does not."""
    unsaid = {"replaces", "verified"}
    content = {
        "engine": ENGINE_VERSION,
        "catalogues": draft.catalogues,
        "file": draft.file.model_dump(mode="json"),
        "measures": {name: measure.model_dump(mode="json") for name, (_, measure) in draft.measures.items()},
        "points": [row.model_dump(mode="json", exclude=unsaid) for _, row in draft.points],
        "authority": [row.model_dump(mode="json") for _, row in draft.authority],
        "formulas": draft.formula_texts,
        "calendars": calendars,
        "parameters": [
            (
                layer.level,
                layer.name,
                {
                    name: one.model_dump(mode="json", exclude=unsaid)
                    for name, (_, one) in sorted(layer.declarations.items())
                },
            )
            for layer in draft.layers
        ],
    }
    told = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
