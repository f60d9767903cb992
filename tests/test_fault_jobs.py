"""Jobs killed at named points and at random, or out of room, and started again: nothing lost, nothing doubled.

A few of what ``tests/soak`` does at length.
"""

import random

import pytest

import fault_points
from fault_nursery import nursery, taker
from fault_trials import Trials


@pytest.fixture(scope="module")
def children():
    with nursery() as made:
        yield made


@pytest.fixture
def service():
    with taker() as server:
        yield server


def test_killed_or_out_of_room_a_job_that_is_started_again_loses_and_doubles_nothing(
    lite_store, tmp_path, children, service
):
    trials = Trials(lite_store, tmp_path, children, service, random.Random(7))  # noqa: S311  # the same every time
    trials.begin()
    assert trials.trial("rows are written, the cursor is not")
    assert trials.trial(fault_points.TARGET)
    assert trials.full_trial(room=0) == "store-full"
    assert (trials.tally.lost, trials.tally.doubled) == (0, 0)


@pytest.mark.postgresql
def test_killed_on_postgresql_a_job_that_is_started_again_loses_and_doubles_nothing(
    postgresql_store, tmp_path, children, service
):
    trials = Trials(postgresql_store, tmp_path, children, service, random.Random(7))  # noqa: S311
    trials.begin()
    assert trials.trial("just before a commit", 5)
    assert (trials.tally.lost, trials.tally.doubled) == (0, 0)
