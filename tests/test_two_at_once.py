"""Two jobs on one store at once: one waits or is told to come again, and nothing is lost or doubled."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa

from jianheng.errors import RetryError, StopError
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import load_policy
from jianheng.scoring.records.scope import Subject
from jianheng.scoring.run import score_periods
from jianheng.store.engine import open_store, schema_state, store_error
from mini_pack import write_pack
from upstream import OFFICE, broken_chains, case, current, document, person, posting, sync_world

WORLD = {
    "person": [person(f"990101-{n}") for n in range(5)],
    "posting": [posting(f"990101-{n}") for n in range(5)],
    "case": [case(f"C{n}", handler_key=f"990101-{n % 5}", concluded_on="2025-03-04") for n in range(60)],
    "document": [document(f"d{n}", f"C{n % 60}", drafter_key=f"990101-{n % 5}") for n in range(300)],
}
SUBJECT = Subject(OFFICE, (OFFICE,), ("world",))


def together(url: str, job: Callable[[sa.Engine], Any], opened: bool = True) -> list[Any]:
    """Run a job twice at the same moment, each with a store of its own; return results and refusals."""
    gate = Barrier(2)

    def one(_number: int) -> Any:
        store = open_store(url) if opened else None
        gate.wait(30)
        try:
            store = store or open_store(url)
            return job(store)
        except RetryError as busy:
            return busy.code
        except sa.exc.SQLAlchemyError as failed:  # as every command tells it
            return store_error(failed, "test").code
        finally:
            if store is not None:
                store.dispose()

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, range(2)))


def test_two_first_runs_set_up_one_store(store_url):
    """Who comes second finds the tables made."""
    states = together(store_url, schema_state, opened=False)
    assert states[0] == states[1]
    assert states[0][0] == states[0][1] is not None


def test_two_syncs_leave_one_history(store_url):
    """Each ends well or is told who is at it; the facts are the upstream's, once."""
    open_store(store_url).dispose()
    results = together(store_url, lambda store: sync_world(store, WORLD).state)
    assert "done" in results
    assert set(results) <= {"done", "sync-running"}
    store = open_store(store_url)
    try:
        again = sync_world(store, WORLD)
        assert (again.state, again.counts.written) == ("done", 0)
        assert current(store, "document", "document_key") == sorted((f"d{n}",) for n in range(300))
        assert not broken_chains(store, "document")
    finally:
        store.dispose()


def test_two_scorings_leave_one_ledger(store_url, tmp_path):
    """The ledger is what one scoring makes, not twice it."""
    law = load_policy(write_pack(tmp_path / "mini"))
    years = [period("2025")]
    store = open_store(store_url)
    try:
        sync_world(store, WORLD)
        results = together(store_url, lambda each: score_periods(each, SUBJECT, law, years)[0].points)
        numbers = [each for each in results if isinstance(each, int)]
        assert numbers
        assert set(results) <= {numbers[0], "store-busy"}
        (full,) = score_periods(store, SUBJECT, law, years, full=True)
        assert (full.added, full.closed, full.points) == (0, 0, numbers[0])
    finally:
        store.dispose()


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (
            sa.exc.IntegrityError("INSERT x", {"name": "secret"}, ValueError("UNIQUE failed")),
            RetryError,
            "store-busy",
        ),
        (sa.exc.OperationalError("x", {}, ValueError("database is locked")), RetryError, "store-busy"),
        (sa.exc.OperationalError("x", {}, ValueError("disk full\nmore")), StopError, "store-failed"),
    ],
)
def test_what_is_in_the_way_is_no_fault_of_the_store(error, kind, code):
    """A conflict says come again, anything else says stop; neither repeats the statement's values."""
    told = store_error(error, "score")
    assert (type(told), told.code) == (kind, code)
    assert "secret" not in str(told)
    assert "more" not in str(told)
