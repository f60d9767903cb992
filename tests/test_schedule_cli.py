"""The schedule from the command line: what a deployment may say of it, one office kept going by it, and its history."""

import json
import os
import signal
import socket
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Callable

import pytest
import requests
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from jianheng.config import load_deployment
from jianheng.errors import FaultsError, StopError
from jianheng.schedule.listening import is_loopback, listen
from office_driver import Office

pytest_plugins = ["office_fixture"]

SMALLEST = """
[office]
code = "990101"
name = "东屿区检察院"
[policy]
pack = "laoshan"
periods = ["2025"]
[sources.ucs]
adapter = "unified-case-sql"
"""

JOBS = """
[schedule]
lease_s = 10
[schedule.jobs.sync]
run = "sync"
every = "1s"
[schedule.jobs.score]
run = "score"
after = "sync"
[schedule.jobs.publish]
run = "publish"
after = "score"
"""


def faults(tmp_path, text: str) -> list[tuple[str, str]]:
    """The code and place of everything wrong with a schedule."""
    file = tmp_path / "deployment.toml"
    file.write_text(SMALLEST + text, encoding="utf-8")
    with pytest.raises(FaultsError) as refused:
        load_deployment(file)
    return [(each.code, str(each.fields["path"])) for each in refused.value.problems]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('every = "5"', "config-bad-interval"),
        ('every = "0m"', "config-bad-interval"),
        ('every = "999999d"', "config-bad-interval"),
        ('cron = "30 1 * *"', "config-bad-cron"),
        ('cron = "61 1 * * mon"', "config-bad-cron"),
        ('cron = "30 1 * * 1-5"', "config-bad-cron"),
        ('workdays = "25:00"', "config-bad-time"),
        ('every = "1h"\nquiet = ["7:00-8:00"]', "config-bad-window"),
        ('every = "1h"\nquiet = ["00:00-12:00", "12:00-00:00"]', "config-bad-window"),
        ('every = "1h"\ncatch_up = "some"', "config-bad-value"),
        ('every = "1h"\nretries = -1', "config-bad-value"),
    ],
)
def test_what_is_wrong_with_a_job_is_told_with_its_key(tmp_path, line, code):
    ((told, path),) = faults(tmp_path, f'[schedule.jobs.nightly]\nrun = "sync"\n{line}\n')
    assert told == code
    assert path.startswith("schedule.jobs.nightly.")


@pytest.mark.parametrize("address", ["9464", "127.0.0.1", "127.0.0.1:99999"])
def test_an_address_has_a_host_and_a_port(tmp_path, address):
    assert faults(tmp_path, f'[schedule]\nlisten = "{address}"\n') == [
        ("config-bad-address", "schedule.listen")
    ]


def test_what_is_wrong_between_jobs_is_told_together(tmp_path):
    text = """
[schedule.jobs.twice]
run = "sync"
every = "1h"
workdays = "01:30"
[schedule.jobs.never]
run = "score"
[schedule.jobs.one]
run = "score"
after = "two"
[schedule.jobs.two]
run = "score"
after = "one"
[schedule.jobs.lonely]
run = "publish"
after = "nobody"
targets = ["nowhere"]
[schedule.jobs.misled]
run = "sync"
every = "1h"
sources = ["usc"]
periods = ["2025"]
"""
    assert sorted(faults(tmp_path, text)) == sorted(
        [
            ("config-job-when", "schedule.jobs.twice"),
            ("config-job-when", "schedule.jobs.never"),
            ("config-job-after", "schedule.jobs.one.after"),
            ("config-job-after", "schedule.jobs.two.after"),
            ("config-job-after", "schedule.jobs.lonely.after"),
            ("config-job-subject", "schedule.jobs.lonely.targets"),
            ("config-job-subject", "schedule.jobs.misled.sources"),
            ("config-job-subject", "schedule.jobs.misled.periods"),
        ]
    )


def test_health_and_metrics_stay_on_loopback_unless_asked():
    assert [is_loopback(each) for each in ("127.0.0.1", "::1", "localhost", "[::1]")] == [True] * 4
    assert [is_loopback(each) for each in ("0.0.0.0", "10.0.0.5", "office.example")] == [False] * 3  # noqa: S104


def test_an_address_in_use_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StopError) as refused:
            listen(address, lambda: (True, {}), lambda: b"")
    assert refused.value.code == "schedule-cannot-listen"


def test_who_hangs_up_before_all_is_told_is_no_news(monkeypatch, capfd):
    """A monitor with little patience must not fill the service's log with the frames of a library."""
    asked, printed = threading.Event(), []
    monkeypatch.setattr(socketserver.BaseServer, "handle_error", lambda *_: printed.append(sys.exc_info()))

    def long_page() -> bytes:
        asked.set()
        return b"#" * 50_000_000

    server = listen("127.0.0.1:0", lambda: (True, {"leader": "here"}), long_page)
    address = ("127.0.0.1", server.server_port)
    try:
        with socket.create_connection(address, timeout=10) as monitor:
            monitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            monitor.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert asked.wait(10)
            monitor.recv(100)
        told = requests.get(f"http://127.0.0.1:{server.server_port}/health", timeout=10)
        for thread in threading.enumerate():
            if "process_request" in thread.name:
                thread.join(10)
    finally:
        server.shutdown()
        server.server_close()
    assert (told.status_code, told.json()["leader"]) == (200, "here")
    assert (printed, capfd.readouterr().err) == ([], "")


def when_published(office: Office, see: Callable[[], None]) -> threading.Thread:
    """Wait in a thread until the chain of jobs has gone through, look, and ask the scheduler to stop."""

    def published() -> bool:
        if not any(office.folder.glob("*.db")):
            return False
        engine = sa.create_engine(f"sqlite:///{office.store}")
        try:
            with engine.connect() as connection:
                wanted = "SELECT count(*) FROM job_slot WHERE job = 'publish' AND state = 'done'"
                return bool(connection.scalar(sa.text(wanted)))
        except sa.exc.OperationalError:  # not set up yet
            return False
        finally:
            engine.dispose()

    def wait() -> None:
        until = time.monotonic() + 60
        while not published() and time.monotonic() < until:
            time.sleep(0.1)
        try:
            see()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_an_office_is_kept_going_and_says_how_it_stands(office: Office):
    """Sync, score, publish, one after the other; stopped by a signal; the history and the numbers agree."""
    office.file.write_text(office.file.read_text(encoding="utf-8") + JOBS, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    seen: dict[str, requests.Response] = {}

    def see() -> None:
        for page in ("health", "metrics", "other"):
            seen[page] = requests.get(f"http://{address}/{page}", timeout=10)

    thread = when_published(office, see)
    told = office.run("schedule", "start", "--listen", address)
    thread.join()
    assert told.code == 0, told.text
    assert seen["health"].json()["ok"] is True
    assert seen["other"].status_code == 404
    samples = {
        (each.name, *each.labels.values()): each.value
        for family in text_string_to_metric_families(seen["metrics"].text)
        for each in family.samples
    }
    assert samples["jianheng_scheduler_leads",] == 1
    assert samples["jianheng_job_attempts_total", "publish", "done"] >= 1
    assert {value for (name, *_), value in samples.items() if name == "jianheng_source_incomplete"} == {0}

    lines = [json.loads(line) for line in told.err.splitlines() if line.startswith("{")]
    ended = [each for each in lines if each["event"] == "job ends"]
    assert {each["office"] for each in ended} == {"990101"}
    assert [each["job"] for each in ended[:3]] == ["sync", "score", "publish"]
    assert len({each["slot"] for each in ended[:3]}) == 1

    turns = office.run("runs", "--jobs", "--json").json()["slots"]
    assert {each["job"] for each in turns} == {"sync", "score", "publish"}
    assert {each["state"] for each in turns} <= {"done", "released"}
    runs = office.run("runs", "--json", "--kind", "sync", "--limit", "100").json()["runs"]
    assert {each["subject"] for each in runs} == {"ucs", "personnel", "archive"}
    counts = runs[-1]["counts"]
    assert counts["emitted"] == sum(
        counts[each] for each in ("inserted", "changed", "deleted", "unchanged", "duplicate", "quarantined")
    )
    status = office.run("status", "--json").json()
    assert {each["source"]: each["state"] for each in status["sources"]} == dict.fromkeys(
        ("ucs", "personnel", "archive"), "done"
    )
    assert status["leases"] == []
    jobs = {
        each["job"]: each for each in office.run("schedule", "list", "--json", "--next", "2").json()["jobs"]
    }
    assert [len(jobs[name]["next"]) for name in ("sync", "score")] == [2, 0]
    by_hand = office.run("schedule", "run", "publish", "--json")
    assert (by_hand.code, by_hand.json()["state"]) == (0, "done")
    for words in (("status",), ("runs",), ("runs", "--jobs"), ("schedule", "list")):
        assert office.run(*words).code == 0
    assert office.run("schedule", "run", "pubish", "--json").errors().keys() == {"schedule-no-such-job"}
