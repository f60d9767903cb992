"""Stores that run out of room, for real: told as such, nothing damaged, and with room the work completes. ``make soak``."""

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from fault_nursery import announce, nursery, taker
from fault_proxy import volume
from fault_trials import Trials
from jianheng.errors import StopError
from jianheng.store.engine import open_store
from private_postgresql import cluster
from test_fault_proxy import known, office, sync, there  # noqa: F401  # a fixture
from upstream import case, current, table
from upstream import sync as sync_table

OK, STOP = 0, 2
FULL = {"store-full", "store-failed"}
"""A file that may not grow is refused as an input error, not for want of space; its words name the disk as well."""


@pytest.fixture
def small_disk():
    """A file system of 1 MB that every account may walk to: the folder, and how to give it another size."""
    place = Path(tempfile.mkdtemp(prefix="jianheng-test-small-"))

    def mount(*options: str) -> int:
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "none", place]
        return subprocess.run(command, check=False, capture_output=True).returncode

    if os.geteuid() != 0 or shutil.which("mount") is None or mount("size=1m") != 0:
        place.rmdir()
        pytest.skip("only root may mount a small file system")
    try:
        yield place, lambda size: mount("remount", f"size={size}")
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
        place.rmdir()


def test_jobs_that_run_out_of_room_at_any_page(lite_store, tmp_path, capsys):
    chance = random.Random(20260105)  # noqa: S311  # the same trials every time
    with nursery() as children, taker() as service:
        trials = Trials(lite_store, tmp_path, children, service, chance)
        trials.begin()
        codes = [trials.full_trial(chance.randint(0, 12)) for _ in range(20)]
    announce(capsys, f"out of room {codes.count('store-full')} times: {trials.tally}")
    assert set(codes) <= {"", "store-full"}
    assert codes.count("store-full") > 5
    assert (trials.tally.lost, trials.tally.doubled) == (0, 0)


def test_a_full_disk_is_told_and_with_room_the_sync_completes(office, small_disk):  # noqa: F811
    folder, volumes, _ = office
    place, resize = small_disk
    deployment = folder / "deployment.toml"
    deployment.write_text(
        deployment.read_text(encoding="utf-8")
        .replace("sqlite:///store.db", f"sqlite:///{place / 'store.db'}")
        .replace("page_size = 5", "page_size = 500"),
        encoding="utf-8",
    )
    (folder / "store.db").symlink_to(place / "store.db")
    first = sync(folder)
    assert first.code == OK, first.text
    volumes |= {f"D{n:03}": volume(n, 100 + n % 1000) for n in range(3000)}
    full = sync(folder)
    assert (full.code, set(full.errors()) <= FULL) == (STOP, True), full.text
    assert full.errors()
    again = sync(folder)
    assert (again.code, set(again.errors()) <= FULL) == (STOP, True), again.text
    resize("64m")
    assert sync(folder).code == OK
    state, facts, history = known(folder)
    assert (state, facts.keys(), len(history)) == ("done", there(volumes).keys(), len(volumes))


LIMITED = """
import json, resource, sys
from jianheng.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
sys.exit(main(["sync", "--json", "--config", sys.argv[1]]))
"""


def test_a_file_that_may_not_grow_is_told_and_without_the_limit_the_sync_completes(office):  # noqa: F811
    folder, volumes, _ = office
    assert sync(folder).code == OK
    volumes |= {f"D{n:03}": volume(n, 100 + n % 1000) for n in range(2000)}
    room = resource.getpagesize() * 16 + max(each.stat().st_size for each in Path(folder).glob("store.db*"))
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, folder, str(room)], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in ended.stdout + ended.stderr
    assert ended.returncode == STOP
    assert {each["code"] for each in json.loads(ended.stdout)["errors"]} <= FULL
    assert sync(folder).code == OK
    state, facts, history = known(folder)
    assert (state, facts.keys(), len(history)) == ("done", there(volumes).keys(), len(volumes))


def test_postgresql_without_room_says_so_and_with_room_the_sync_completes(small_disk):
    place, resize = small_disk
    resize("64m")
    rows = [case(f"C{n:05}", current_stage="阶" * 50) for n in range(6_000)]
    with cluster() as server:
        (place / "space").mkdir()
        for each in (place, place / "space"):
            each.chmod(0o755 if each == place else 0o700)
        if server.user is not None:
            shutil.chown(place / "space", server.user)
        server.execute(f"create tablespace small location '{place / 'space'}'")
        server.execute("create database office")
        url = server.url.removesuffix("postgres") + "office"
        open_store(url).dispose()
        server.execute("alter database office set tablespace small")
        taken = os.statvfs(place)
        resize(f"{(taken.f_blocks - taken.f_bfree) * taken.f_frsize // 1024 + 1500}k")
        store = open_store(url)
        upstream = table("case", *rows, mode="cursor", size=500)
        with pytest.raises(StopError) as full:
            sync_table(store, upstream)
        assert full.value.code == "store-full"
        kept = len(current(store, "case", "case_no"))
        assert 0 < kept < len(rows)
        assert kept % 500 == 0
        resize("256m")
        assert sync_table(store, upstream).state == "done"
        assert len(current(store, "case", "case_no")) == len(rows)
        with store.connect() as connection:
            assert connection.scalar(sa.text("select count(*) from fact_case")) == len(rows)
        store.dispose()
        server.execute("alter database office set tablespace pg_default")
        server.execute("drop tablespace small")
