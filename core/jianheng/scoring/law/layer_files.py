"""Reading the files of one layer, a pack or an office's own folder, as far as they can be read."""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from jianheng.errors import Problem, problem
from jianheng.rules.measure import Measure
from jianheng.scoring.law.formulas import Formula, load_formulas
from jianheng.scoring.law.pack import ID_PATTERN, Level, PolicyFile
from jianheng.scoring.law.pack_files import Files
from jianheng.scoring.law.pack_rows import AuthorityRow, PointsRow
from jianheng.scoring.law.parameters import Declaration, Layer
from jianheng.scoring.law.reading import Line, build, faults_of, read_table, read_toml, unknown
from jianheng.scoring.law.spreadsheet_codes import spreadsheet_fault

_STAND_INS: Mapping[str, Any] = {
    "label": "?",
    "level": "office",
    "jurisdiction": "?",
    "from": dt.date.max,
    "source": {"title": "?", "cite": "?"},
}
"""What stands for the parts of a policy file that cannot be read, while the rest is looked at."""


class CatalogueRow(BaseModel):
    """One row of ``catalogues/NAME.csv``: a code that may be used, and the code it stands under."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str
    parent: str = ""
    name: str = ""


@dataclass(slots=True)
class Written:
    """What one layer says, and everything wrong with how it is written.

    Attributes:
        name: what its files are called where something is wrong.
        file: its ``policy.toml`` without what could not be read of it; None for an office's own folder.
        faulty: the parts of ``policy.toml`` something of which could not be read.
        named: the ids of everything the files name, by kind, faulty things too: what refers to a faulty thing
            does not refer to an unknown one, and saying so would bury the fault under its echoes.
        blind: the kinds of which not even every id could be read.
        formulas: the functions of ``formulas.py``; ``formula_text`` is what they were read from.
        free: it is a draft, to be tried and not kept: ``may_set`` does not bind it.
    """

    name: str
    level: Level
    file: PolicyFile | None = None
    faulty: frozenset[str] = frozenset()
    measures: dict[str, Measure] = field(default_factory=dict)
    points: list[Line] = field(default_factory=list)
    authority: list[Line] = field(default_factory=list)
    parameters: dict[str, tuple[str, Declaration]] = field(default_factory=dict)
    formulas: Mapping[str, Formula] = field(default_factory=dict)
    formula_text: str = ""
    catalogues: dict[str, list[Line]] = field(default_factory=dict)
    named: dict[str, set[str]] = field(default_factory=dict)
    blind: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    free: bool = False

    @property
    def id(self) -> str:
        """The pack's id; an office's folder is known by its name."""
        return self.name if self.file is None else self.file.id

    @property
    def layer(self) -> Layer:
        """Its parameters."""
        return Layer(self.level, self.id, self.parameters, self.free)


def read_pack(files: Files) -> Written:
    """Read a pack's folder."""
    written = Written(files.name, "office")
    _read_policy(written, files)
    extends = written.file is not None and written.file.extends is not None
    optional = extends or "extends" in written.faulty
    _read_measures(written, files, optional=optional)
    _read_points(written, files, optional=optional)
    if files.listed("", "authority.csv"):
        written.authority, problems = read_table(AuthorityRow, files, "authority.csv")
        written.problems += problems
    _read_parameters(written, files)
    if files.listed("", "formulas.py"):
        _read_formulas(written, files)
    for path in files.listed("catalogues", ".csv"):
        name = path.removeprefix("catalogues/").removesuffix(".csv")
        written.catalogues[name], problems = read_table(CatalogueRow, files, path)
        written.problems += problems or _check_catalogue(written.catalogues[name])
    return written


def _read_formulas(written: Written, files: Files) -> None:
    text = files.text("formulas.py")
    found = [text] if isinstance(text, Problem) else load_formulas(text, f"{files.name}/formulas.py")
    if isinstance(found, list):
        written.problems += found
        written.faulty |= {"formulas"}
    else:
        written.formulas, written.formula_text = found, str(text)


def _check_catalogue(lines: list[Line]) -> Iterator[Problem]:
    """Every code once, every parent there, none of them a number or a day of a spreadsheet."""
    codes: set[str] = set()
    for where, row in lines:
        changed = [
            spreadsheet_fault(code, (), where, column)
            for column, code in (("code", row.code), ("parent", row.parent))
        ]
        yield from (each for each in changed if each is not None)
        if row.code in codes:
            yield problem("policy-id-twice", file=where, id=row.code)
        codes.add(row.code)
    for where, row in lines:
        if row.parent and row.parent not in codes:
            yield unknown(row.parent, codes, where, "parent")


def read_office(files: Files) -> Written:
    """Read an office's own folder: it may hold parameters, points and measures."""
    written = Written(files.name, "office")
    _read_measures(written, files, optional=True)
    _read_points(written, files, optional=True)
    _read_parameters(written, files)
    written.problems += [
        problem("office-layer-file", file=f"{files.name}/{path}")
        for path in ("policy.toml", "authority.csv", "formulas.py")
        if files.listed("", path)
    ]
    return written


def _read_policy(written: Written, files: Files) -> None:
    where = f"{files.name}/policy.toml"
    data = read_toml(files, "policy.toml")
    if isinstance(data, Problem):
        written.problems.append(data)
        data = {}
        written.faulty = frozenset({*PolicyFile.model_fields, "from"})
        written.blind |= {*PolicyFile.model_fields}
    else:
        faults = faults_of(PolicyFile, data, where)
        written.problems += [each.told for each in faults]
        written.faulty = frozenset(str(each.path[0]) for each in faults)
        for kind in ("sheets", "indicators", "factors", "caps", "groups", "gates"):
            listed = data.get(kind, [])
            things = listed if isinstance(listed, list) else [None]
            ids = [each.get("id") if isinstance(each, Mapping) else None for each in things]
            written.named[kind] = {each for each in ids if isinstance(each, str)}
            written.blind |= {kind} if None in ids and kind != "gates" else set()  # a gate's id may go unsaid
        data = _pruned(data, [each.path for each in faults])
    stand_ins = {
        **_STAND_INS,
        "id": files.name if re.fullmatch(r"[a-z][a-z0-9-]*", files.name) else "unnamed",
    }
    while True:
        told = faults_of(PolicyFile, data, where)
        if not told:
            break
        for key in {str(each.path[0]) for each in told}:
            data.pop(key, None)
            if key in stand_ins:
                data[key] = stand_ins.pop(key)
    written.file = PolicyFile.model_validate(data)
    written.level = written.file.level


def _pruned(data: Mapping[str, Any], paths: list[tuple[str | int, ...]]) -> dict[str, Any]:
    """Return data without the parts that hold faults: an element of a list of its own, else the whole key."""
    kept = dict(data)
    gone: dict[str, set[int]] = {}
    for first, *rest in paths:
        if rest and isinstance(rest[0], int):
            gone.setdefault(str(first), set()).add(rest[0])
        else:
            kept.pop(str(first), None)
    for key, positions in gone.items():
        if key in kept:
            kept[key] = [each for number, each in enumerate(kept[key]) if number not in positions]
    return kept


def _read_measures(written: Written, files: Files, *, optional: bool) -> None:
    if optional and not files.listed("", "measures.toml"):
        return
    where = f"{files.name}/measures.toml"
    data = read_toml(files, "measures.toml")
    if isinstance(data, Problem):
        written.problems.append(data)
        written.faulty |= {"measures"}
        written.blind |= {"measures"}
        return
    written.named["measures"] = set(data)
    for name, told in data.items():
        if not re.fullmatch(ID_PATTERN, name):
            form = f"[{name}]: {ID_PATTERN}"
            written.problems.append(
                problem("policy-wrong-value", where=where, key="[…]", given=name, told=form)
            )
            continue
        measure = build(Measure, told, f"{where} [{name}]")
        if isinstance(measure, list):
            written.problems += measure
        else:
            written.measures[name] = measure


def _read_points(written: Written, files: Files, *, optional: bool) -> None:
    if optional and not files.listed("", "points.csv"):
        return
    written.points, problems = read_table(PointsRow, files, "points.csv")
    if problems:
        written.faulty |= {"points"}
        written.problems += problems


def _read_parameters(written: Written, files: Files) -> None:
    named = written.named.setdefault("parameters", set())
    for path in files.listed("parameters", ".toml"):
        where = f"{files.name}/{path}"
        data = read_toml(files, path)
        if isinstance(data, Problem):
            written.problems.append(data)
            written.faulty |= {"parameters"}
            written.blind |= {"parameters"}
            continue
        for group, members in data.items():
            if not isinstance(members, Mapping):
                told = problem(
                    "policy-wrong-value",
                    where=f"{where} [{group}]",
                    key=group,
                    given=members,
                    told=f"[{group}.…] values = […]",
                )
                written.problems.append(told)
                continue
            for key, said in members.items():
                _read_parameter(written, where, f"{group}.{key}", said)
                named.add(f"{group}.{key}")


def _read_parameter(written: Written, where: str, name: str, said: Any) -> None:
    declared = build(Declaration, said, f"{where} [{name}]")
    if isinstance(declared, list):
        written.problems += declared
    elif name in written.parameters:
        written.problems.append(problem("policy-id-twice", file=where, id=name))
    else:
        written.parameters[name] = (where, declared)
