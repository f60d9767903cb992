"""A small office on which several policies are tried: its facts, its snapshot, its deployment. Synthetic people only."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jianheng.registry import Registry
from jianheng.scoring.comparison.compare import compare, side
from jianheng.scoring.comparison.comparison import Comparison, Side
from jianheng.scoring.kernel.directory import Member
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import Policy, load_policy
from jianheng.scoring.records.scope import Subject
from jianheng.scoring.records.snapshot import Snapshot
from mini_pack import write_pack
from office_driver import Told, jianheng
from upstream import OFFICE, World, case, document, facts_of, person, posting

YEAR = period("2025")
SUBJECT = Subject(OFFICE, (OFFICE,), ("world",))
PEOPLE = [f"990101-{n}" for n in range(1, 7)]
"""The last two are assistants."""

WORLD: World = {
    "person": [person(key, name=f"<b>化名{key[-1]}</b>") for key in PEOPLE],
    "posting": [
        posting(
            key,
            "prosecutor_assistant" if key in PEOPLE[4:] else "quota_prosecutor",
            department_name="第一检察部",
        )
        for key in PEOPLE
    ],
    "case": [
        case(f"C{n}", handler_key=PEOPLE[n % 4], concluded_on=f"2025-{1 + n % 9:02d}-15", category=category)
        for n, category in enumerate(["0301", "0201", "0301", "0301", "0201", "0301", "0301", "0301"])
    ],
    "participation": [
        {"participation_key": f"p{n}", "case_no": "C0", "person_key": PEOPLE[n], "role": role}
        for n, role in ((0, "quota_prosecutor"), (5, "prosecutor_assistant"))
    ],
    "suspect": [
        {"suspect_key": f"s{n}", "case_no": "C0" if n < 2 else "C5", "suspect_no": n} for n in range(4)
    ],
    "document": [
        document(
            f"d{n}",
            f"C{n % 4}",
            template_code="charge" if n % 3 == 1 else "report",
            drafter_key=PEOPLE[n % 6],
            drafted_on=f"2025-{1 + n % 12:02d}-04",
        )
        for n in range(24)
    ],
    "archive_volume": [
        {"volume_key": f"v{n}", "case_no": f"C{n}", "state": "accepted", "accepted_on": "2025-11-01"}
        for n in range(4)
    ],
}


def law(folder: Path, *edits: tuple[str, str, str]) -> Policy:
    """Load the mini pack with edits."""
    return load_policy(write_pack(folder, *edits))


def snapshot(world: World = WORLD) -> Snapshot:
    """Return the facts of a world without a store between."""
    members = {
        each["person_key"]: Member(each["person_key"], each["name"], each["staff_no"], "", "", "", False)
        for each in world["person"]
    }
    return Snapshot(SUBJECT, 1, facts_of(world), (), {YEAR.id: members}, {"0301": "一审公诉案件"})


def compared(a: Policy, b: Policy, known: Snapshot | None = None) -> Comparison:
    """Compare two policies on the year 2025."""
    if known is None:
        return compare(snapshot(), _side(a, "甲"), _side(b, "乙"))
    return compare(known, side(known, a, YEAR, "甲"), side(known, b, YEAR, "乙"))


_SIDES: dict[tuple[str, str], Side] = {}


def _side(law: Policy, name: str) -> Side:
    """Return what a policy gives for the world; that of one which was seen before is the same."""
    known = _SIDES.get((law.version, name))
    if known is None:
        known = _SIDES[law.version, name] = side(snapshot(), law, YEAR, name)
    return replace(known, policy=law)


OPEN = ("parameters/numbers.toml", "[factor.large]\nlabel", '[factor.large]\nmay_set = ["office"]\nlabel')
"""Opens a parameter to the office."""


def install(patch: pytest.MonkeyPatch, **folders: Path) -> None:
    """Let some folders be installed packs, and no others."""
    patch.setattr(Registry, "policy_folders", lambda _self: folders)


def deployment(
    folder: Path, store: sa.Engine, patch: pytest.MonkeyPatch, *edits: tuple[str, str, str], layer: str = ""
) -> Path:
    """Write the deployment of an office whose store stands already, with the mini pack in force; return its folder."""
    install(patch, mini=write_pack(folder / "installed" / "mini", OPEN, *edits))
    said = f'layer = "{layer}"\n' if layer else ""
    (folder / "deployment.toml").write_text(
        f'[office]\ncode = "{OFFICE}"\nname = "滨海市东屿区人民检察院"\n'
        f'[store]\nurl = "sqlite:///{store.url.database}"\n'
        f'[policy]\npack = "mini"\nperiods = ["2024", "2025"]\n{said}',
        encoding="utf-8",
    )
    return folder


def write_layer(folder: Path, value: str) -> None:
    """Write an office's own layer that sets the opened parameter from its second value on."""
    (folder / "parameters").mkdir(parents=True)
    (folder / "parameters" / "own.toml").write_text(
        f'[factor.large]\nreplaces = 2\nvalues = [{{ from = 2025-07-01, value = {value}, cite = "本院" }}]\n',
        encoding="utf-8",
    )


def run(folder: Path, *words: object) -> Told:
    """Run a command on a deployment."""
    return jianheng(*words, "--config", folder)


def held(store: sa.Engine) -> Mapping[str, Sequence[tuple[Any, ...]]]:
    """Return every row of every table of a store."""
    found = sa.MetaData()
    with store.connect() as connection:
        found.reflect(connection)
        return {
            name: sorted((tuple(row) for row in connection.execute(sa.select(table))), key=repr)
            for name, table in found.tables.items()
        }
