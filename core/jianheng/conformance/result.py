"""The result that travels with an adapter, ``conformance.json``: which tier it reached, and of which files that holds."""

import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from jianheng.config.files import read_small
from jianheng.conformance.outcome import TIERS, Tier
from jianheng.contract import CONTRACT_VERSION
from jianheng.messages import text

FILE = "conformance.json"
FORMAT = 1
MAX_BYTES = 1_000_000
State = Literal["tested", "untested", "altered", "expired", "unreadable"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What an adapter's own result is worth today: its tier, or why it has none.

    Attributes:
        exemptions: how many checks it was exempted from.
        tested_on: the day of the run; None where there is no result.
    """

    tier: Tier
    state: State
    exemptions: int = 0
    tested_on: dt.date | None = None

    def shown(self) -> str:
        """Return it as a cell of a table, in the language in force."""
        if self.state != "tested":
            return text(f"conform-standing-{self.state}")
        told = text(f"conform-tier-{self.tier}")
        return (
            text("conform-standing-exemptions", tier=told, count=self.exemptions) if self.exemptions else told
        )


def standing(folder: Path | None, today: dt.date | None = None) -> Standing:
    """Return what the result beside an adapter's manifest is worth; nothing of the adapter is imported.

    Args:
        folder: the folder of its manifest, or of a declarative adapter's conform.toml.
        today: decides which exemptions have expired; the day on the wall when None.
    """
    file = None if folder is None else folder / FILE
    if folder is None or file is None or not file.is_file():
        return Standing("", "untested")
    try:
        _, raw = read_small(file, MAX_BYTES)
        told = json.loads(raw or b"")
        tier, tested_on = told["tier"], dt.date.fromisoformat(told["tested_on"])
        until = [dt.date.fromisoformat(each["until"]) for each in told["exemptions"]]
        hashed = str(told["files"])
        if told["format"] != FORMAT or tier not in ("", *TIERS):
            return Standing("", "unreadable")
    except (OSError, ValueError, KeyError, TypeError):
        return Standing("", "unreadable")
    if hashed != hash_of(folder):
        return Standing("", "altered", len(until), tested_on)
    if any(each < (today or dt.date.today()) for each in until):  # noqa: DTZ011  # a day of the calendar on the wall
        return Standing("", "expired", len(until), tested_on)
    return Standing(tier, "tested", len(until), tested_on)


def hash_of(folder: Path) -> str:
    """Return one hash of all files of a folder, names and contents; what Python left behind and the result apart."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        inner = file.relative_to(folder)
        if not file.is_file() or inner.name == FILE or "__pycache__" in inner.parts or file.suffix == ".pyc":
            continue
        digest.update(f"{inner.as_posix()}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def result_of(reports: Sequence[Mapping[str, Any]], kinds: Collection[str], folder: Path) -> dict[str, Any]:
    """Return what is kept of the reports on one adapter beside its files.

    The tier is the lowest of what was tried; none when the adapter is of a kind that was not tried at all.

    Args:
        reports: as :func:`jianheng.conformance.report.report_json` gives them; one, or one a kind.
        kinds: what the adapter is, of source and target.
        folder: the folder the result will stand in; its files are hashed.
    """
    first = reports[0]
    order = ("", *TIERS)
    lowest = min((each["tier"] for each in reports), key=order.index)
    tried = sorted({each["kind"] for each in reports})
    counts = Counter(name for each in reports for name, count in each["counts"].items() for _ in range(count))
    return {
        "format": FORMAT,
        "adapter": first["adapter"],
        "kinds": tried,
        "distribution": first["distribution"],
        "version": first["version"],
        "tier": lowest if set(kinds) <= set(tried) else "",
        "contract": CONTRACT_VERSION,
        "kit": version("jianheng"),
        "tested_on": min(each["began"] for each in reports)[:10],
        "files": hash_of(folder),
        "exemptions": [one for each in reports for one in each["exemptions"]],
        "checks": dict(counts),
    }


def write_result(reports: Sequence[Mapping[str, Any]], kinds: Collection[str], folder: Path) -> Path:
    """Write the result beside an adapter's files; return the file. Arguments as of :func:`result_of`."""
    file = folder / FILE
    told = json.dumps(result_of(reports, kinds, folder), ensure_ascii=False, indent=2, sort_keys=True)
    file.write_text(told + "\n", encoding="utf-8")
    return file
