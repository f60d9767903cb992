"""A draft: one more layer over a policy, to be tried and never kept.

It may stand in one file, written as a parameters file is, with points beside::

    [special.major_case]
    replaces = 1.5
    values = [{ from = 2026-01-01, value = 1.8, cite = "draft, art. 3" }]

    [points.charge]
    points = 4
    replaces = 3
    from = 2026-01-01

or in a folder like an office's own layer. It may set what ``may_set`` keeps from an office; bounds hold,
and what it says it replaces must stand there.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from jianheng.errors import FaultsError, Problem, StopError, problem
from jianheng.messages import some_of
from jianheng.scoring.law.chain import span_of
from jianheng.scoring.law.layer_files import Written, read_office
from jianheng.scoring.law.pack_files import FolderFiles
from jianheng.scoring.law.pack_rows import PointsRow
from jianheng.scoring.law.parameters import Declaration
from jianheng.scoring.law.policy import Policy, varied
from jianheng.scoring.law.reading import Line, build, parse_toml, unknown

POINTS = "points"
"""The section of a draft's file for rules; a group of parameters may have that name as well."""


class PointsDraft(BaseModel):
    """What a draft says of a rule: its points from a day on, or on all days; all else stays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    points: Decimal
    replaces: Decimal | None = None
    since: dt.date | None = Field(default=None, alias="from")
    cite: str | None = None


def with_draft(policy: Policy, draft: Path) -> Policy:
    """Return a policy with a draft laid over it.

    Args:
        policy: the law in force.
        draft: the draft's file or folder.

    Raises:
        StopError: the draft says nothing, or it is a folder with law in files that are not read.
        FaultsError: everything wrong with it.
    """
    if draft.is_dir():
        return _laid_over(policy, _read_folder(draft))
    text = FolderFiles(draft.parent).text(draft.name)
    if isinstance(text, Problem):
        raise FaultsError([text])
    return with_draft_text(policy, text, draft.name)


def _read_folder(folder: Path) -> Written:
    """Return what a draft in a folder says.

    Raises:
        StopError: there is a file that looks like law but is none of those that are read, or nothing else.
    """
    files = FolderFiles(folder)
    written = read_office(files)
    found = (each.relative_to(folder) for each in folder.rglob("*") if each.is_file())
    unread = sorted({each.as_posix() for each in found if not each.name.startswith(".")} - set(files.taken))
    astray = [each for each in unread if Path(each).suffix.lower() in _LAW] if _says(written) else unread
    if astray and not written.problems:
        raise StopError("whatif-unread", folder=str(folder), files=some_of(astray))
    return written


_LAW = {".csv", ".toml"}
"""How the names of files end in which law stands; others may lie beside a draft, such as a remark."""


def _says(draft: Written) -> bool:
    return bool(draft.parameters or draft.points or draft.measures)


def with_draft_text(policy: Policy, text: str, name: str) -> Policy:
    """Return a policy with a draft laid over it that stands in a text; ``name`` is what faults call it.

    Raises:
        StopError: the draft says nothing.
        FaultsError: everything wrong with it.
    """
    data = parse_toml(text, name)
    if isinstance(data, Problem):
        raise FaultsError([data])
    return _laid_over(policy, _read_draft(data, name, policy))


def _laid_over(policy: Policy, draft: Written) -> Policy:
    draft.free = True
    if not (_says(draft) or draft.problems):
        raise StopError("whatif-empty", file=draft.name)
    return varied(policy, draft=draft)


def _read_draft(data: Mapping[str, Any], file: str, policy: Policy) -> Written:
    """Return what a draft says, over a policy whose rules it may name; faults are among its problems."""
    written = Written(file, "office")
    for group, members in data.items():
        if not isinstance(members, Mapping):
            told = f"[{group}.…] values = […]"
            written.problems.append(
                problem("policy-wrong-value", where=file, key=group, given=members, told=told)
            )
            continue
        for name, said in members.items():
            where = f"{file} [{group}.{name}]"
            if group == POINTS and isinstance(said, Mapping) and "values" not in said:
                _take_points(written, policy, where, name, said)
            else:
                _take_parameter(written, where, f"{group}.{name}", said)
    return written


def _take_parameter(written: Written, where: str, name: str, said: Any) -> None:
    declared = build(Declaration, said, where)
    if isinstance(declared, list):
        written.problems += declared
    else:
        written.parameters[name] = (written.name, declared)
    written.named.setdefault("parameters", set()).add(name)


def _take_points(written: Written, policy: Policy, where: str, rule: str, said: Any) -> None:
    draft = build(PointsDraft, said, where)
    if isinstance(draft, list):
        written.problems += draft
        return
    rows = [row for row in policy.points if row.id == rule]
    if not rows:
        written.problems.append(unknown(rule, {row.id for row in policy.points}, where, "rule"))
        return
    written.points += [Line(where, row) for row in _redrawn(rows, draft)]


def _redrawn(rows: list[PointsRow], draft: PointsDraft) -> Iterator[PointsRow]:
    """Yield the rows of a rule with the draft's points, for the days on which it says so."""
    for row in rows:
        since, until = span_of(row)
        if draft.since is not None and until <= draft.since:
            continue
        begins = row.since if draft.since is None or since >= draft.since else draft.since
        told = {"points": draft.points, "replaces": draft.replaces, "since": begins}
        yield row.model_copy(update=told if draft.cite is None else told | {"cite": draft.cite})
