"""The adapters that ship are tried by the kit themselves: each reaches at least the tier that its manifest claims.

Rigs: tests/conformance_builtin. In every run one source is tried by what needs no process; all of all in a soak.
"""

import os
from pathlib import Path

import pytest

from jianheng.conformance.outcome import CHECKS, at_least, tier_of
from jianheng.conformance.run import conform

RIGS = Path(__file__).parent / "conformance_builtin"
FILES = sorted(RIGS.rglob("conform*.toml"))
LONG = ("network", "memory", "kill", "elsewhere", "leaks", "hangs")

TIER = "gold"
"""What each of them reaches on its rig: a lower tier is a fault that somebody made."""

ISOLATED = {
    "database-table/conform": {"network", "memory"},
}
"""Checks that fail where they are made in a guarded process: adapters that ship run in the process of the host,
and this one makes a SQLite file that is not there yet."""


def name_of(file: Path) -> str:
    return f"{file.parent.name}/{file.stem}"


def test_a_source_that_ships_keeps_the_contract():
    report = conform(RIGS / "table-file", only=[each for each in CHECKS if each not in LONG])
    assert [(each.check.name, each.problems) for each in report.failed] == []
    assert {each.state for each in report.outcomes} == {"passed", "not-applicable"}


@pytest.mark.skipif(not os.environ.get("JIANHENG_SOAK"), reason="takes long: make soak")
@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_an_adapter_that_ships_reaches_its_tier(file):
    report = conform(file)
    apart = ISOLATED.get(name_of(file), set())
    assert [(each.check.name, each.problems) for each in report.failed if each.check.name not in apart] == []
    assert tier_of(each for each in report.outcomes if each.check.name not in apart) == TIER
    assert at_least(TIER, report.claim)
