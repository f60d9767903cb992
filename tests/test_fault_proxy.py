"""Whatever a network does to an upstream's answers: nothing is lost, it is told by code, and the next run completes."""

import itertools
import os

import pytest
import sqlalchemy as sa

from fault_proxy import RETRY_AFTER_S, SECRET, SPOILERS, TOKEN, behind_a_proxy, volume
from jianheng.cli.jobs import works_of
from jianheng.cli.session import Flags, Session
from jianheng.store.engine import open_store
from jianheng.store.tables import RUN
from office_driver import jianheng
from upstream import OFFICE, broken_chains, current, versions

OK, STOP, RETRY = 0, 2, 3
PASSING = ("done", "archive-unavailable", RETRY)
OUTCOMES = {
    "late": ("done", "done", OK),
    **dict.fromkeys(("refused", "reset", "cut", "ended early", "slow body", "silent", "noise"), PASSING),
    **dict.fromkeys(("length too small", "length too large", "half a JSON", "429", "503"), PASSING),
    **dict.fromkeys(("not packed as told", "endless head"), PASSING),
    "noise for a body": PASSING,
    "redirected to itself": ("archive-redirect-refused", "archive-redirect-refused", STOP),
    "a list": ("archive-shape-wrong", "archive-shape-wrong", STOP),
    "nested": PASSING,
    "packed bomb": ("archive-too-large", "archive-too-large", STOP),
    "endless": ("archive-too-large", "archive-too-large", STOP),
}
"""By spoiler: what a run comes to when one answer is spoilt, and when all are from the third on, with its exit code."""
FEW = ("cut", "slow body", "packed bomb")


@pytest.fixture
def office(tmp_path, monkeypatch):
    """An office whose archive is behind a proxy: its folder, the archive's volumes, the proxy."""
    monkeypatch.setenv("ARCHIVE_SECRET", SECRET)
    with behind_a_proxy() as (volumes, proxy):
        (tmp_path / "deployment.toml").write_text(
            f'[office]\ncode = "{OFFICE}"\nname = "东屿区检察院"\n[store]\nurl = "sqlite:///store.db"\n'
            '[policy]\npack = "laoshan"\nperiods = ["2025"]\n[sources.archive]\nadapter = "archive-http"\n'
            f'[sources.archive.options]\nurl = "http://127.0.0.1:{proxy.port}"\nclient_id = "jianheng"\n'
            "page_size = 5\nattempts = 2\ntimeout_s = 2\nmax_wait_s = 1\nmax_response_bytes = 1000000\n"
            '[sources.archive.secrets]\nclient_secret = "env:ARCHIVE_SECRET"\n'
            '[schedule.jobs.nightly]\nrun = "sync"\nevery = "1d"\n',
            encoding="utf-8",
        )
        volumes |= {f"D{n:03}": volume(n, n) for n in range(20)}
        yield tmp_path, volumes, proxy


def sync(folder):
    told = jianheng("sync", "--json", "--config", folder)
    assert SECRET not in told.text
    assert TOKEN not in told.text
    for stream in told.streams().values():
        ended = ("inserted", "changed", "deleted", "unchanged", "duplicate", "quarantined")
        assert stream["emitted"] == sum(stream[each] for each in ended)
    return told


def known(folder):
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    try:
        assert broken_chains(store, "archive_volume") == []
        with store.connect() as connection:
            last = connection.scalar(sa.select(RUN.c.state).order_by(RUN.c.run_id.desc()).limit(1))
        return (
            last,
            dict(current(store, "archive_volume", "volume_key", "accepted_on")),
            versions(store, "archive_volume"),
        )
    finally:
        store.dispose()


def there(volumes):
    return {f"{each['dh']}|1": each["updated_at"] for each in volumes.values()}


def check_a_spoiler(office, spoiler):
    folder, volumes, proxy = office
    once, always, code = OUTCOMES[spoiler]
    proxy.spoil(spoiler, passes=2, times=1)
    told = sync(folder)
    assert list(told.errors()) == ([] if once == "done" else [once])
    proxy.spoil(spoiler, passes=2)
    volumes["D003"] |= volume(3, 300)
    told = sync(folder)
    assert told.code == code
    assert list(told.errors()) == ([] if always == "done" else [always])
    state, facts, _ = known(folder)
    assert state == ("done" if always == "done" else "failed")
    assert facts.keys() <= there(volumes).keys()
    assert len(facts) >= 10  # the pages before are kept
    proxy.spoil("")
    volumes["D020"] = volume(20, 301)
    last = sync(folder)
    assert (last.code, list(last.errors())) == (OK, [])
    state, facts, history = known(folder)
    assert (state, facts.keys()) == ("done", there(volumes).keys())
    for _, group in itertools.groupby(history, key=lambda row: row["volume_key"]):
        rows = list(group)
        assert len({each["content_hash"] for each in rows}) == len(rows) <= 2
    assert sync(folder).streams()["archive/archive_volume"]["inserted"] == 0


@pytest.mark.parametrize("spoiler", SPOILERS if os.environ.get("JIANHENG_SOAK") else FEW)
def test_nothing_is_lost_it_is_told_by_code_and_the_next_run_completes(office, spoiler):
    check_a_spoiler(office, spoiler)


def test_a_service_is_not_asked_sooner_than_it_says(office):
    """Within a run it is waited for; when the run gives up, the scheduler comes back when the service wants it to."""
    folder, _, proxy = office
    proxy.spoil("429", passes=1, times=1)
    assert sync(folder).code == OK
    refused, again = proxy.asked[1:3]
    assert again - refused >= RETRY_AFTER_S
    proxy.spoil("429")
    session = Session()
    session.flags = Flags(config=folder, quiet=True)
    outcome = works_of(session)["nightly"]()
    assert (outcome.done, outcome.recovery, outcome.after_s) == (False, "retry", RETRY_AFTER_S)
