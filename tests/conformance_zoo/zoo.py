"""The zoo of the conformance kit: three good adapters, and broken ones that differ from them by a few lines each."""

import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jianheng.conformance.run import Report, conform

HERE = Path(__file__).parent
GOOD = HERE / "good"
ANIMALS = tuple(sorted(each.stem for each in (HERE / "animals").glob("*.toml")))


@dataclass(frozen=True, slots=True)
class Animal:
    """One broken adapter: what it is made from, what is wrong with it, and by which check and code it must be rejected."""

    name: str
    base: str
    fault: str
    check: str
    code: str
    also: tuple[str, ...]
    edits: tuple[Mapping[str, str], ...]


def animal(name: str) -> Animal:
    """Read one animal."""
    told: dict[str, Any] = tomllib.loads((HERE / "animals" / f"{name}.toml").read_text(encoding="utf-8"))
    return Animal(
        name,
        told["base"],
        told["fault"],
        told["check"],
        told["code"],
        tuple(told.get("also", ())),
        tuple(told["edit"]),
    )


def put_up(base: str, folder: Path, edits: tuple[Mapping[str, str], ...] = ()) -> Path:
    """Copy a good adapter and change it; return the folder of its project."""
    place = folder / base
    shutil.copytree(GOOD / base, place, ignore=shutil.ignore_patterns("__pycache__"))
    for edit in edits:
        file = place / edit["file"]
        text = file.read_text(encoding="utf-8")
        assert text.count(edit["old"]) == 1, (
            f"{edit['file']}: {edit['old']!r} stands there {text.count(edit['old'])} times"
        )
        file.write_text(text.replace(edit["old"], edit["new"]), encoding="utf-8")
    return place


def codes_by_check(report: Report) -> dict[str, set[str]]:
    """Return the codes of every check that failed."""
    found: dict[str, set[str]] = {}
    for each in report.failed:
        found.setdefault(each.check.name, set()).update(told.code for told in each.problems)
    return found


def try_animal(name: str, folder: Path) -> dict[str, set[str]]:
    """Make the check that an animal must be rejected by; return the codes by check."""
    found = animal(name)
    place = put_up(found.base, folder, found.edits)
    return codes_by_check(conform(place, only=[found.check, *found.also]))
