"""A policy ready to run: its files read, checked as one, compiled; with a version that says which law it is."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from jianheng.errors import FaultsError, Problem, StopError, problem
from jianheng.rules.expression import compile_expression
from jianheng.rules.measure import Measure, compile_measure
from jianheng.rules.views import plain_case, view
from jianheng.scoring.pack import ID_PATTERN, AuthorityRow, PointsRow, PolicyFile
from jianheng.scoring.parameters import Declaration, Layer, check_layers
from jianheng.scoring.policy_check import Draft, check_draft
from jianheng.scoring.reading import build, read_table, read_toml

ENGINE_VERSION = "1"
"""Part of a policy's version: rises when the same law would give other entries."""


@dataclass(frozen=True, slots=True)
class CompiledCoefficient:
    """A factor with its condition as SQL (None: by declaration only)."""

    id: str
    label: str
    parameter: str
    when_sql: str | None
    declared: str | None
    measures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything the kernel needs of a policy; nothing in it is looked up later."""

    id: str
    label: str
    version: str
    file: PolicyFile
    layers: tuple[Layer, ...]
    measures: Mapping[str, Measure]
    measure_sql: Mapping[str, str]
    closing_sql: str
    gate_sql: str
    due_sql: str | None
    points: tuple[PointsRow, ...]
    authority: tuple[AuthorityRow, ...]
    coefficients: tuple[CompiledCoefficient, ...]
    folder: Path

    @property
    def uses_links(self) -> bool:
        """Whether a case's items may depend on linked cases."""
        texts = [
            self.gate_sql,
            *self.measure_sql.values(),
            *(each.when_sql or "" for each in self.coefficients),
        ]
        return any("v_link" in text for text in texts)

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


def load_policy(
    folder: Path, find: Callable[[str], Path | None] = lambda _id: None, office_layer: Path | None = None
) -> Policy:
    """Load a pack, the packs it extends, and the office's own layer.

    Args:
        folder: the pack's folder.
        find: returns the folder of a pack by id, for ``extends``.
        office_layer: a folder with the office's ``parameters/``; it may set only what it is allowed to.

    Raises:
        FaultsError: everything wrong with any of the files, together.
        StopError: the pack, or one it extends, does not exist, or they extend each other in a circle.
    """
    chain = _chain(folder, find)
    draft = Draft([], [], {}, {}, [])
    for path, file in chain:
        _read_pack(draft, path, file)
    if office_layer is not None:
        draft.layers.append(_read_layer(draft, office_layer, "office", office_layer.name))
    draft.problems += check_layers(draft.layers)
    path, file = chain[-1]
    compiled = _compile(draft, file)
    if draft.problems:
        raise FaultsError(draft.problems)
    return Policy(
        id=file.id,
        label=file.label,
        version=_version(draft, file),
        file=file,
        layers=tuple(draft.layers),
        measures={name: measure for name, (_, measure) in draft.measures.items()},
        measure_sql=compiled.measures,
        closing_sql=compiled.closing,
        gate_sql=compiled.gate,
        due_sql=compiled.due,
        points=tuple(row for _, row in draft.points.values()),
        authority=tuple(draft.authority),
        coefficients=compiled.coefficients,
        folder=path,
    )


def _chain(folder: Path, find: Callable[[str], Path | None]) -> list[tuple[Path, PolicyFile]]:
    """Return the packs from the most general to this one."""
    chain: list[tuple[Path, PolicyFile]] = []
    current: Path | None = folder
    while current is not None:
        name = f"{current.name}/policy.toml"
        data = read_toml(current / "policy.toml", name)
        if isinstance(data, Problem):
            raise FaultsError([data])
        file = build(PolicyFile, data, name)
        if isinstance(file, list):
            raise FaultsError(file)
        if any(file.id == seen.id for _, seen in chain):
            raise StopError("policy-circle", pack=file.id, where=name)
        chain.append((current, file))
        if file.extends is None:
            break
        current = find(file.extends)
        if current is None:
            raise StopError("policy-not-found", pack=file.extends, where=f"{name} extends")
    return chain[::-1]


def _read_pack(draft: Draft, folder: Path, file: PolicyFile) -> None:
    name = folder.name
    measures = read_toml(folder / "measures.toml", f"{name}/measures.toml")
    if isinstance(measures, Problem):
        draft.problems.append(measures)
    else:
        draft.named |= measures.keys()
        for each, data in measures.items():
            where = f"{name}/measures.toml"
            if not re.fullmatch(ID_PATTERN, each):
                told = f"[{each}]: {ID_PATTERN}"
                draft.problems.append(
                    problem("policy-wrong-value", where=where, key="[…]", given=each, told=told)
                )
                continue
            measure = build(Measure, data, f"{where} [{each}]")
            if isinstance(measure, list):
                draft.problems += measure
            else:
                draft.measures[each] = (where, measure)
    rows, problems = read_table(PointsRow, folder / "points.csv", f"{name}/points.csv")
    draft.problems += problems
    here: set[str] = set()
    for row in rows:
        if row.id in here:
            draft.problems.append(problem("policy-id-twice", file=f"{name}/points.csv", id=row.id))
        here.add(row.id)
        draft.points[row.id] = (f"{name}/points.csv", row)
    if (folder / "authority.csv").exists():
        permits, problems = read_table(AuthorityRow, folder / "authority.csv", f"{name}/authority.csv")
        draft.authority += permits
        draft.problems += problems
    draft.layers.append(_read_layer(draft, folder, file.level, file.id))


def _read_layer(draft: Draft, folder: Path, level: str, name: str) -> Layer:
    declarations: dict[str, tuple[str, Declaration]] = {}
    for path in sorted((folder / "parameters").glob("*.toml")):
        where = f"{folder.name}/parameters/{path.name}"
        data = read_toml(path, where)
        if isinstance(data, Problem):
            draft.problems.append(data)
            continue
        for group, members in data.items():
            if not isinstance(members, Mapping):
                told = f"[{group}.…] values = […]"
                at = f"{where} [{group}]"
                draft.problems.append(
                    problem("policy-wrong-value", where=at, key=group, given=members, told=told)
                )
                continue
            for key, value in members.items():
                parameter = f"{group}.{key}"
                declared = build(Declaration, value, f"{where} [{parameter}]")
                if isinstance(declared, list):
                    draft.problems += declared
                elif parameter in declarations:
                    draft.problems.append(problem("policy-id-twice", file=where, id=parameter))
                else:
                    declarations[parameter] = (where, declared)
    return Layer(level, name, declarations)


@dataclass(frozen=True, slots=True)
class _Compiled:
    measures: dict[str, str]
    closing: str
    gate: str
    due: str | None
    coefficients: tuple[CompiledCoefficient, ...]


def _compile(draft: Draft, file: PolicyFile) -> _Compiled:
    where = f"{file.id}/policy.toml"

    def expression(text: str, at: str) -> str:
        done = compile_expression(text, "case", f"{where} {at}")
        if isinstance(done, Problem):
            draft.problems.append(done)
            return "NULL"
        return done

    measures: dict[str, str] = {}
    for name, (source, measure) in draft.measures.items():
        sql = compile_measure(name, measure, source)
        if isinstance(sql, list):
            draft.problems += sql
        else:
            measures[name] = sql
    coefficients = tuple(
        CompiledCoefficient(
            each.id,
            each.label,
            each.parameter,
            expression(each.when, f"coefficients {each.id}") if each.when else None,
            each.declared,
            each.measures,
        )
        for each in file.coefficients
    )
    draft.problems += check_draft(draft, file)
    closing = _closing(draft, file, where)
    gate = expression(file.gate.final_when, "gate.final_when")
    due = expression(file.due_for_archive, "due_for_archive") if file.due_for_archive else None
    return _Compiled(measures, closing, gate, due, coefficients)


def _closing(draft: Draft, file: PolicyFile, where: str) -> str:
    """Compile the closing rule; what is computed of a case comes after it, so it speaks of the source's columns."""
    done = compile_expression(file.closing, "case", f"{where} closing", plain_case())
    if isinstance(done, Problem):
        draft.problems.append(done)
        return "NULL"
    if "FROM v_link" in done:
        draft.problems.append(problem("policy-closing-circle", where=f"{where} closing"))
    return done


def _version(draft: Draft, file: PolicyFile) -> str:
    """Return a hash over everything that decides a score."""
    content = {
        "engine": ENGINE_VERSION,
        "file": file.model_dump(mode="json"),
        "measures": {name: measure.model_dump(mode="json") for name, (_, measure) in draft.measures.items()},
        "points": [row.model_dump(mode="json") for _, row in draft.points.values()],
        "authority": [row.model_dump(mode="json") for row in draft.authority],
        "parameters": [
            (
                layer.level,
                layer.name,
                {name: one.model_dump(mode="json") for name, (_, one) in sorted(layer.declarations.items())},
            )
            for layer in draft.layers
        ],
    }
    told = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
