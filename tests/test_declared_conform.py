"""Systems that are connected without code pass the conformance kit: a REST service, a SOAP service, dropped files, a database."""

import datetime as dt
import os
import re
import shutil
from pathlib import Path

import pytest

from jianheng.conformance.run import conform
from jianheng.facts.time import SHANGHAI

DECLARED = Path(__file__).with_name("declared")
KINDS = sorted(each.name for each in DECLARED.iterdir() if (each / "conform.toml").is_file())
QUICK = (
    "manifest",
    "check-good",
    "check-wrong-password",
    "rows",
    "keys-unique",
    "reads-equal",
    "changes",
    "resume",
    "late-commit",
    "equal-times",
    "deletes",
    "values",
)
"""What every run tries; a soak tries all: a system that is slow, silent, killed, away and back again."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_declared_system_conforms(kind, tmp_path):
    soak = bool(os.environ.get("JIANHENG_SOAK"))
    folder = shutil.copytree(DECLARED / kind, tmp_path / kind)
    file = folder / "conform.toml"
    # What is exempt here is so because of the kind of thing it is: no day changes that.
    until = dt.datetime.now(SHANGHAI).date() + dt.timedelta(days=100)
    file.write_text(
        re.sub(r"(?m)^until = .*$", f"until = {until}", file.read_text(encoding="utf-8")), encoding="utf-8"
    )
    report = conform(folder, only=() if soak else QUICK)
    assert [(each.check.name, each.problems) for each in report.failed] == []
    assert not soak or report.tier in ("silver", "gold")


def test_there_is_one_of_each_kind():
    assert KINDS == ["csv", "rest", "soap", "sql"]
