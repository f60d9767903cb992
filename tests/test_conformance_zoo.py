"""The kit rejects every animal of its zoo, each by the check and with the code of its fault, and none of the good ones.

What starts processes of its own is tried on one good adapter and a few animals in every run, on all in a soak.
"""

import os
from pathlib import Path

import pytest

from conformance_zoo.mutants import equivalent, mutants, rejected_by
from conformance_zoo.zoo import ANIMALS, GOOD, animal, codes_by_check, put_up, try_animal
from jianheng import messages
from jianheng.conformance.outcome import CHECKS
from jianheng.conformance.run import conform

GOODS = sorted(each.name for each in GOOD.iterdir())
LONG = ("network", "memory", "kill", "elsewhere", "leaks", "hangs")
TRIED = ("all-kept", "calls-home", "files-leak", "no-timeout", "target-half")
"""The animals of those checks that are tried in every run."""

SOAKED = bool(os.environ.get("JIANHENG_SOAK"))
SOAK = pytest.mark.skipif(not SOAKED, reason="takes long: make soak")
EVERY = 1 if SOAKED else 12
"""One mutant in so many is tried."""

CAUGHT_PERCENT = 90


def is_long(name: str) -> bool:
    return {animal(name).check, *animal(name).also} & set(LONG) != set() and name not in TRIED


@pytest.fixture(autouse=True)
def _texts(monkeypatch):
    """One adapter's texts must not stand in for those that the next one lacks."""
    monkeypatch.setattr(messages, "_added", {})


@pytest.mark.parametrize("name", GOODS if SOAKED else ["zoo-rest"])
def test_a_good_adapter_is_gold(name, tmp_path):
    report = conform(put_up(name, tmp_path))
    assert codes_by_check(report) == {}
    assert [each.check.name for each in report.outcomes if each.state == "not-shown"] == []
    assert report.tier == "gold"


@pytest.mark.parametrize("name", [each for each in GOODS if each != "zoo-rest"])
def test_a_good_adapter_passes(name, tmp_path):
    report = conform(put_up(name, tmp_path), only=[each for each in CHECKS if each not in LONG])
    assert {each.state for each in report.outcomes} <= {"passed", "not-applicable"}


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=SOAK if is_long(each) else ()) for each in ANIMALS]
)
def test_a_broken_adapter_is_rejected_for_its_fault(name, tmp_path):
    wanted = animal(name)
    found = try_animal(name, tmp_path)
    assert wanted.code in found.get(wanted.check, set()), found


def test_the_zoo_has_an_animal_for_each_kind_of_fault():
    assert len(ANIMALS) >= 25
    assert len({animal(name).fault for name in ANIMALS}) == len(ANIMALS)
    assert {each for each in CHECKS if CHECKS[each].kind is not None} <= {
        animal(name).check for name in ANIMALS
    }


@SOAK
@pytest.mark.parametrize("part", range(4))
def test_a_broken_adapter_is_not_gold(part, tmp_path, monkeypatch):
    for name in ANIMALS[part::4]:
        monkeypatch.setattr(messages, "_added", {})
        assert_not_gold(name, tmp_path / name)


def assert_not_gold(name: str, folder: Path) -> None:
    wanted = animal(name)
    report = conform(put_up(wanted.base, folder, wanted.edits))
    assert wanted.check in codes_by_check(report)
    assert report.tier != "gold"


@pytest.mark.parametrize("base", GOODS)
def test_mutants_are_caught(base, tmp_path, monkeypatch, record_property):
    as_good = equivalent()
    tried = [each for each in mutants(base) if each.name not in as_good][EVERY // 2 :: EVERY]
    alive = []
    for number, each in enumerate(tried):
        monkeypatch.setattr(messages, "_added", {})
        if not rejected_by(each, tmp_path / str(number)):
            alive.append(each.name)
    caught = len(tried) - len(alive)
    told = f"{base}: {caught} of {len(tried)} mutants caught ({caught * 100 // len(tried)} %)"
    record_property("told", "; alive: ".join([told, *alive]))
    assert caught * 100 >= CAUGHT_PERCENT * len(tried), alive


def test_every_mutant_called_equivalent_exists_and_has_a_reason():
    known = {each.name for base in GOODS for each in mutants(base)}
    told = equivalent()
    assert set(told) <= known
    assert all(len(reason) > 10 for reason in told.values())
