"""The outbox: what is to leave leaves once, late if it must, never lost, never an older result over a newer one."""

import contextlib
import datetime as dt
import json
import subprocess
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import sqlalchemy as sa

from adapters.sample_publication import sample_publication
from compare_world import WORLD, deployment, run
from jianheng import messages
from jianheng.contract import DueCase, Publication, Receipt
from jianheng.errors import FaultsError, RetryError, StopError, problem
from jianheng.publish import enqueue, outbox
from jianheng.publish.content import packed, unpacked
from jianheng.publish.enqueue import Offer, queue
from jianheng.publish.outbox import OpenedTarget, send_due
from jianheng.publish.outbox_entries import drop, entries, retry, waiting
from jianheng.store.engine import open_store
from jianheng.store.operations import AUDIT, LEASE, OUTBOX
from jianheng.store.tables import PUBLICATION, RUN
from upstream import OFFICE, sync_world

NOW = 1_800_000_000_000_000
SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = dt.date(2025, 1, 1)


def result(name, period="2025", kind="scores"):
    """Return a publication that is nothing but its name."""
    due = (DueCase("案1", OFFICE, "wang", DAY),) if kind == "archive-due" else ()
    return Publication(
        id=name,
        kind=kind,
        office=OFFICE,
        office_name="东屿区院",
        policy="mini",
        policy_label="小办法",
        policy_version="v1",
        period=period,
        period_label=period,
        start=DAY,
        end=dt.date(2026, 1, 1),
        as_of=dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC),
        due=due,
    )


class Targets:
    """Targets of every name, which remember what they were given and do what a test tells them.

    ``does`` is what writing a publication does before it gives its receipt, by the publication's name or the target's.
    """

    def __init__(self, **does):
        self.does = does
        self.written = []

    def opened(self, name):
        self._do(f"open_{name}")

        def write(publication):
            self.written.append((name, publication.id))
            self._do(name)
            self._do(publication.id)
            return Receipt(f"{name}/{publication.id}", 1)

        return OpenedTarget(write, 5.0, lambda: None)

    def _do(self, name):
        does = self.does.get(name)
        if isinstance(does, BaseException):
            raise does
        if does is not None:
            does()


def put(store, *offers, at=NOW, again=False):
    """Queue offers, each ``(target, name, result)``; return what became of each."""
    made = [Offer(target, result(name) if isinstance(name, str) else name, no) for target, name, no in offers]
    return [each.state for each in queue(store, OFFICE, made, at, again=again)]


def send(store, targets, at=NOW, **options):
    return send_due(store, OFFICE, targets.opened, at, **options)


def states(store):
    with store.connect() as connection:
        return {each.key: each.state for each in entries(connection, OFFICE, also_ended=True)}


def entry(store, number=1):
    with store.connect() as connection:
        return entries(connection, OFFICE, ids=[number])[0]


def count(store, table):
    with store.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table))


def codes(report):
    return [each.error.code for each in report.failures]


# Into the outbox.


def test_entries_and_the_run_that_made_them_are_one_transaction(lite_store, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(enqueue, "end_run", crash)
        with pytest.raises(KeyboardInterrupt):
            put(lite_store, ("excel", "a", 1), ("html", "a", 1))
    assert (count(lite_store, OUTBOX), count(lite_store, RUN)) == (0, 0)
    assert put(lite_store, ("excel", "a", 1), ("html", "a", 1)) == ["due", "due"]
    with lite_store.connect() as connection:
        (told,) = connection.execute(sa.select(RUN.c.run_id, RUN.c.kind, RUN.c.state, RUN.c.detail))
        runs = set(connection.scalars(sa.select(OUTBOX.c.run_id)))
    assert (told.kind, told.state, json.loads(told.detail)) == (
        "publish",
        "done",
        {"outbox": [1, 2], "offers": 2},
    )
    assert runs == {told.run_id}


def test_a_target_is_given_a_publication_once_and_each_target_is_given_it(store):
    targets = Targets()
    assert put(store, ("excel", "a", 1), ("html", "a", 1)) == ["due", "due"]
    report = send(store, targets)
    assert targets.written == [("excel", "a"), ("html", "a")]
    assert [(each.target, each.receipt.location, each.written) for each in report.deliveries] == [
        ("excel", "excel/a", True),
        ("html", "html/a", True),
    ]
    assert send(store, targets).as_json() == {"sent": 0, "failed": 0}
    (again,) = queue(store, OFFICE, [Offer("excel", result("a"), 1)], NOW)
    assert (again.state, again.receipt.location) == ("held", "excel/a")
    assert (count(store, RUN), len(targets.written)) == (1, 2)
    with store.connect() as connection:
        assert list(connection.scalars(sa.select(OUTBOX.c.payload))) == [None, None]


def test_asked_to_a_target_is_given_it_again_under_the_same_name(lite_store):
    targets = Targets()
    for again in (False, True):
        assert put(lite_store, ("excel", "a", 1), again=again) == ["due"]
        send(lite_store, targets)
    assert targets.written == [("excel", "a")] * 2
    assert (count(lite_store, OUTBOX), count(lite_store, PUBLICATION)) == (1, 1)


def test_what_a_target_got_before_there_was_an_outbox_is_held(lite_store):
    targets = Targets()
    put(lite_store, ("excel", "a", 1))
    send(lite_store, targets)
    with lite_store.begin() as connection:
        connection.execute(sa.delete(OUTBOX))
    assert put(lite_store, ("excel", "a", 1)) == ["held"]


def test_an_older_result_that_waits_is_never_sent_after_a_newer_one(lite_store):
    put(lite_store, ("excel", "a", 1), ("html", "a", 1))
    put(lite_store, ("excel", "b", 2))
    assert states(lite_store) | {"a": entry(lite_store, 1).state} == {"a": "superseded", "b": "waiting"}
    assert entry(lite_store, 2).state == "waiting"  # another target's
    assert [each.code for each in entry(lite_store, 1).problems] == ["outbox-superseded"]
    targets = Targets()
    send(lite_store, targets)
    assert sorted(targets.written) == [("excel", "b"), ("html", "a")]
    assert put(lite_store, ("excel", "a", 1)) == ["overtaken"]


def test_results_of_other_periods_kinds_and_targets_supersede_nothing(lite_store):
    put(lite_store, ("excel", result("a"), 1))
    put(lite_store, ("excel", result("b", "2024"), 2), ("excel", result("c", kind="archive-due"), 3))
    assert set(states(lite_store).values()) == {"waiting"}


def test_the_archive_list_is_one_whatever_period_it_was_made_with(lite_store):
    put(lite_store, ("archive", result("a", "2024", "archive-due"), 1))
    put(lite_store, ("archive", result("b", "2025", "archive-due"), 2))
    assert states(lite_store) == {"a": "superseded", "b": "waiting"}


def test_what_is_so_again_is_sent_again_under_a_new_name(lite_store):
    """A list that was, was not, and is again: by its first name the target would take it for what it has seen."""
    targets = Targets()
    for no, name in enumerate("abab", 1):
        assert put(lite_store, ("archive", result(name, kind="archive-due"), no)) == ["due"]
        send(lite_store, targets)
        assert put(lite_store, ("archive", result(name, kind="archive-due"), no)) == ["held"]
    names = [name for _, name in targets.written]
    assert names[:2] == ["a", "b"]
    assert len(set(names)) == 4


def test_a_newer_result_while_the_older_is_being_sent_takes_its_place_when_that_fails(lite_store):
    def newer():
        put(lite_store, ("excel", "b", 2))
        raise RetryError("archive-unavailable", path="/", host="h", reason="r")

    put(lite_store, ("excel", "a", 1))
    send(lite_store, Targets(a=newer))
    assert states(lite_store) == {"a": "superseded", "b": "waiting"}


# Failing.


def test_what_fails_for_now_waits_twice_as_long_each_time_but_never_more_than_an_hour_and_a_quarter():
    waits = [outbox.backoff_us("excel", "a", attempts) for attempts in range(1, 40)]
    for number, wait in enumerate(waits):
        whole = min(60 << number, 3600) * SECOND
        assert whole <= wait < whole + whole // 4
    assert waits[0] == outbox.backoff_us("excel", "a", 1)
    assert len({outbox.backoff_us("excel", str(key), 1) for key in range(50)}) == 50


def test_a_target_that_is_down_delays(lite_store):
    away = RetryError("archive-unavailable", path="/", host="h", reason="r")
    targets = Targets(excel=away)
    put(lite_store, ("excel", "a", 1))
    assert codes(send(lite_store, targets)) == ["archive-unavailable"]
    found = entry(lite_store)
    assert (found.state, found.attempts) == ("waiting", 1)
    assert found.next_at == NOW + outbox.backoff_us("excel", "a", 1)
    assert [each.code for each in found.problems] == ["archive-unavailable"]
    assert send(lite_store, targets, found.next_at - 1).as_json() == {"sent": 0, "failed": 0}
    send(lite_store, targets, found.next_at)
    assert entry(lite_store).next_at == found.next_at + outbox.backoff_us("excel", "a", 2)
    targets.does.clear()
    send(lite_store, targets, NOW + HOUR)
    assert (entry(lite_store).state, entry(lite_store).problems, entry(lite_store).attempts) == (
        "sent",
        (),
        3,
    )


@pytest.mark.parametrize(("asked", "waits"), [(7200, 2 * HOUR), (10**9, 24 * HOUR)])
def test_a_target_is_not_asked_sooner_than_it_wants_nor_forgotten(lite_store, asked, waits):
    busy = RetryError("archive-unavailable", after_s=asked, path="/", host="h", reason="r")
    put(lite_store, ("excel", "a", 1))
    send(lite_store, Targets(excel=busy))
    assert entry(lite_store).next_at == NOW + waits


def test_a_target_that_asked_to_be_left_alone_is_sent_nothing_until_then_unless_somebody_says_so(lite_store):
    """Neither what is published anew, nor by whoever publishes again."""
    targets = Targets(excel=RetryError("archive-unavailable", after_s=7200, path="/", host="h", reason="r"))
    put(lite_store, ("excel", "a", 1), ("html", "a", 1))
    send(lite_store, targets)
    targets.does.clear()
    put(lite_store, ("excel", "b", 2), at=NOW + HOUR)
    told = send(lite_store, targets, NOW + HOUR, only=[3])
    assert (codes(told), told.failures[0].error.after_s) == (["outbox-resting"], 3600)
    assert send(lite_store, targets, NOW + HOUR).as_json() == {"sent": 0, "failed": 0}
    assert (entry(lite_store, 3).attempts, entry(lite_store, 3).next_at) == (0, NOW + 2 * HOUR)
    retry(lite_store, OFFICE, [3], "王检", NOW + HOUR)
    send(lite_store, targets, NOW + HOUR)
    assert targets.written[-1] == ("excel", "b")


def test_a_target_that_does_not_come_back_delays_as_well(lite_store):
    put(lite_store, ("excel", "a", 1))
    send(lite_store, Targets(excel=StopError("adapter-timeout", adapter="x", call="write", seconds=1)))
    assert entry(lite_store).state == "waiting"


def test_what_fails_for_good_stops_until_somebody_says_retry(lite_store):
    targets = Targets(a=StopError("archive-due-count", path="/", sent=1, received=0))
    put(lite_store, ("excel", "a", 1))
    assert codes(send(lite_store, targets)) == ["archive-due-count"]
    assert entry(lite_store).state == "stopped"
    targets.does.clear()
    assert send(lite_store, targets, NOW + 24 * HOUR).as_json() == {"sent": 0, "failed": 0}
    assert retry(lite_store, OFFICE, [], "王检", NOW) == [1]
    assert send(lite_store, targets).as_json() == {"sent": 1, "failed": 0}
    with lite_store.connect() as connection:
        (told,) = connection.execute(sa.select(AUDIT))
    assert (told.who, told.action, told.subject) == ("王检", "outbox-retry", "outbox 1")


def test_publishing_again_also_starts_what_stopped(lite_store):
    targets = Targets(a=StopError("archive-due-count", path="/", sent=1, received=0))
    put(lite_store, ("excel", "a", 1))
    send(lite_store, targets)
    assert put(lite_store, ("excel", "a", 1)) == ["due"]
    assert (states(lite_store), count(lite_store, OUTBOX)) == ({"a": "waiting"}, 1)


def test_a_target_that_is_down_is_asked_once_a_round_and_keeps_none_of_the_others(lite_store):
    away = RetryError("archive-unavailable", path="/", host="h", reason="r")
    targets = Targets(archive=away)
    years = [
        (target, result(f"{target}{year}", year), 1) for target in ("archive", "excel") for year in ("1", "2")
    ]
    put(lite_store, *years)
    assert send(lite_store, targets).as_json() == {"sent": 2, "failed": 1}
    assert targets.written == [("archive", "archive1"), ("excel", "excel1"), ("excel", "excel2")]
    assert (entry(lite_store, 1).attempts, entry(lite_store, 2).attempts) == (1, 0)
    assert entry(lite_store, 2).next_at == NOW


def test_one_publication_that_is_refused_keeps_none_of_the_others(lite_store):
    targets = Targets(a=StopError("archive-due-count", path="/", sent=1, received=0))
    put(lite_store, ("excel", result("a", "1"), 1), ("excel", result("b", "2"), 1))
    send(lite_store, targets)
    assert states(lite_store) == {"a": "stopped", "b": "sent"}


def test_a_target_that_cannot_be_opened_stops_with_all_that_is_wrong(lite_store):
    wrong = FaultsError([problem("x", a=1), problem("y", at=DAY)])
    put(lite_store, ("excel", "a", 1))
    report = send(lite_store, Targets(open_excel=wrong))
    assert (report.failures[0].error, entry(lite_store).state) == (wrong, "stopped")
    assert [(each.code, each.fields) for each in entry(lite_store).problems] == [
        ("x", {"a": 1}),
        ("y", {"at": "2025-01-01"}),
    ]


def test_what_cannot_be_read_any_more_stops_and_publishing_again_mends_it(lite_store):
    targets = Targets()
    put(lite_store, ("excel", "a", 1))
    with lite_store.begin() as connection:
        connection.execute(sa.update(OUTBOX).values(payload=b"of another version"))
    assert codes(send(lite_store, targets)) == ["outbox-unreadable"]
    put(lite_store, ("excel", "a", 1))
    send(lite_store, targets)
    assert (states(lite_store), targets.written) == ({"a": "sent"}, [("excel", "a")])


def test_a_publication_is_kept_whole():
    made = sample_publication(people=12, entries=60)
    found = unpacked(packed(made))
    for name in Publication.__dataclass_fields__:
        kept, was = getattr(found, name), getattr(made, name)
        assert (list(kept) if isinstance(was, tuple) else kept) == (
            list(was) if isinstance(was, tuple) else was
        )
    aware = result("a")
    assert unpacked(packed(aware)).as_of == aware.as_of


# By hand.


def test_what_is_dropped_is_not_sent_until_the_result_differs_or_somebody_insists(lite_store):
    targets = Targets()
    put(lite_store, ("excel", "a", 1))
    drop(lite_store, OFFICE, [1], "王检", "发错政策", NOW)
    assert send(lite_store, targets).as_json() == {"sent": 0, "failed": 0}
    assert put(lite_store, ("excel", "a", 1)) == ["dropped"]
    assert entry(lite_store).problems[0].fields["reason"] == "发错政策"
    with lite_store.connect() as connection:
        (told,) = connection.execute(sa.select(AUDIT))
    assert (told.who, told.action) == ("王检", "outbox-drop")
    assert json.loads(told.detail)["reason"] == "发错政策"
    assert put(lite_store, ("excel", "a", 1), again=True) == ["due"]
    drop(lite_store, OFFICE, [1], "王检", "仍不发", NOW)
    assert put(lite_store, ("excel", "b", 2)) == ["due"]
    send(lite_store, targets)
    assert targets.written == [("excel", "b")]


@pytest.mark.parametrize(
    "act", [lambda *place: retry(*place, "w", NOW), lambda *place: drop(*place, "w", "r", NOW)]
)
def test_what_has_ended_or_never_was_cannot_be_changed(lite_store, act):
    put(lite_store, ("excel", "a", 1))
    send(lite_store, Targets())
    for number, code in ((1, "outbox-ended"), (2, "outbox-no-such-entry")):
        with pytest.raises(StopError) as refused:
            act(lite_store, OFFICE, [number])
        assert refused.value.code == code
    assert count(lite_store, AUDIT) == 0


def test_how_much_waits_is_told(lite_store):
    assert waiting(lite_store, OFFICE).oldest_at is None
    targets = Targets(
        b=RetryError("archive-unavailable", path="/", host="h", reason="r"),
        c=StopError("archive-due-count", path="/", sent=1, received=0),
    )
    for number, name in enumerate("abc"):
        put(lite_store, (f"t{name}", name, 1), at=NOW + number)
    send(lite_store, targets, NOW + 9)
    found = waiting(lite_store, OFFICE)
    assert (found.waiting, found.sending, found.stopped, found.oldest_at) == (1, 0, 1, NOW + 1)
    assert found.next_at == NOW + 9 + outbox.backoff_us("tb", "b", 1)
    assert waiting(lite_store, "990102").waiting == 0


# Two senders, and senders that die.


def test_two_senders_never_send_one_entry_at_once(lite_store):
    """While one is at a target, another that comes is told so and writes nothing."""
    put(lite_store, ("excel", "a", 1), ("excel", result("b", "2024"), 1))
    other, told = open_store(lite_store.url), []

    def meanwhile():
        told.extend(codes(send(other, targets)))
        with pytest.raises(RetryError) as refused:
            drop(other, OFFICE, [1], "w", "r", NOW)
        told.append(refused.value.code)

    targets = Targets(a=meanwhile)
    try:
        send(lite_store, targets)
    finally:
        other.dispose()
    assert told == ["outbox-busy", "outbox-busy"]
    assert targets.written == [("excel", "a"), ("excel", "b")]


def test_two_that_publish_first_at_once_both_queue_and_the_newer_result_waits(store):
    gate, told = threading.Barrier(2), []

    def work(number, target):
        own = open_store(store.url)
        gate.wait(10)
        told.extend(put(own, ("excel", f"r{number}", number), (target, f"r{number}", number)))
        own.dispose()

    publishers = [threading.Thread(target=work, args=each) for each in ((1, "a"), (2, "b"))]
    for each in publishers:
        each.start()
    for each in publishers:
        each.join()
    assert sorted(told) in (["due"] * 4, ["due"] * 3 + ["overtaken"])
    with store.connect() as connection:
        waits = sorted((each.target, each.key) for each in entries(connection, OFFICE))
    assert waits == [("a", "r1"), ("b", "r2"), ("excel", "r2")]


def test_many_senders_send_each_entry_once(store):
    put(store, *((f"t{number}", result(f"a{year}", year), 1) for number in range(3) for year in ("1", "2")))
    put(store, *((f"t{number}", result(f"b{year}", year), 2) for number in range(3) for year in ("1", "2")))
    targets, gate = Targets(), threading.Barrier(3)

    def work():
        own = open_store(store.url)
        gate.wait(10)
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            send(own, targets)
        own.dispose()

    senders = [threading.Thread(target=work) for _ in range(3)]
    for each in senders:
        each.start()
    for each in senders:
        each.join()
    send(store, targets)
    assert set(Counter(targets.written).values()) == {1}
    assert len(targets.written) == 6


def test_a_sender_that_slept_too_long_records_nothing(store):
    """Its target was taken over while it was away; what the other recorded stands."""
    put(store, ("excel", "a", 1))

    def sleep():
        targets.does.clear()
        with store.begin() as connection:
            connection.execute(sa.update(LEASE).values(expires_at=0))
        assert send(store, targets).as_json() == {"sent": 1, "failed": 0}

    targets = Targets(a=sleep)
    assert codes(send(store, targets)) == ["store-lease-lost"]
    assert targets.written == [("excel", "a")] * 2
    assert (states(store), entry(store).attempts, count(store, PUBLICATION)) == ({"a": "sent"}, 2, 1)


def test_ctrl_c_while_sending_sends_again_under_the_same_name(lite_store):
    put(lite_store, ("excel", "a", 1))
    targets = Targets(a=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        send(lite_store, targets)
    assert (states(lite_store), count(lite_store, PUBLICATION)) == ({"a": "sending"}, 0)
    targets.does.clear()
    send(lite_store, targets)
    assert targets.written == [("excel", "a")] * 2
    assert (states(lite_store), count(lite_store, PUBLICATION)) == ({"a": "sent"}, 1)


class Service(BaseHTTPRequestHandler):
    """An archive that takes a list once by its key, counts what it is asked, and may kill who asks."""

    def log_message(self, *_args):
        pass

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/token":
            return self._answer({"access_token": "t", "expires_in": 3600})
        key = self.headers["Idempotency-Key"]
        server.asked.append(key)
        if server.status != 200:
            return self._answer({}, server.status)
        server.taken.setdefault(key, body["items"])
        if server.kill is not None:
            server.kill()
            return None
        return self._answer({"received": len(body["items"]), "new": 1})

    def _answer(self, told, status=200):
        content = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if status != 200:
            self.send_header("Retry-After", "7200")
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def service():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.asked, server.taken, server.kill, server.status = [], {}, None, 200
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def office(lite_store, tmp_path, monkeypatch, service):
    """An office that tells its archive what is due; commands run in its folder."""
    sync_world(lite_store, WORLD)
    monkeypatch.setenv("ARCHIVE_SECRET", "not-a-secret")
    folder = deployment(tmp_path, lite_store, monkeypatch)
    with (folder / "deployment.toml").open("a", encoding="utf-8") as file:
        file.write(
            '[targets.archive]\nadapter = "archive-http"\n[targets.archive.options]\n'
            f'url = "http://127.0.0.1:{service.server_port}"\nclient_id = "jianheng"\n'
            "attempts = 2\ntimeout_s = 2\nmax_wait_s = 1\n"
            '[targets.archive.secrets]\nclient_secret = "env:ARCHIVE_SECRET"\n'
        )
    return folder


def test_a_sender_killed_between_the_targets_write_and_the_receipt_loses_and_doubles_nothing(
    office, lite_store, service
):
    put(lite_store, ("archive", result("a", kind="archive-due"), 1), at=0)
    words = [sys.executable, "-m", "jianheng", "outbox", "send", "--config", str(office)]
    with subprocess.Popen(words) as sender:
        service.kill = sender.kill
        assert sender.wait(30) == -9
    assert (service.asked, list(service.taken)) == (["a"], ["a"])
    assert (states(lite_store), count(lite_store, PUBLICATION)) == ({"a": "sending"}, 0)
    service.kill = None
    assert run(office, "outbox", "send").code == 0
    assert (service.asked, list(service.taken)) == (["a", "a"], ["a"])
    assert (states(lite_store), count(lite_store, PUBLICATION)) == ({"a": "sent"}, 1)


# The commands.


def test_what_cannot_be_published_waits_in_the_list_and_leaves_later(office, service, monkeypatch):
    service.status = 503
    refused = run(office, "publish", "--json")
    assert (refused.code, list(refused.errors())) == (3, ["archive-unavailable"])
    assert len(service.asked) == 1  # it said when it wants to be asked again
    listed = run(office, "outbox", "list", "--json").json()
    assert listed["counts"] == {"waiting": 1, "sending": 0, "stopped": 0}
    (waits,) = listed["outbox"]
    since, until = (dt.datetime.fromisoformat(waits[name]) for name in ("created_at", "next_at"))
    assert dt.timedelta(seconds=7199) < until - since < dt.timedelta(seconds=7230)
    monkeypatch.setattr(messages, "_added", {})  # as in a process that has not asked the adapter anything
    shown = run(office, "outbox", "list").out
    assert all(word in shown for word in ("archive", "应归档清单", "等待", "[archive-unavailable] 档案服务"))
    assert run(office, "outbox", "send", "--json").json()["counts"] == {"sent": 0, "failed": 0}
    service.status = 200
    told = run(office, "outbox", "retry", "--by", "王检", "--json").json()
    assert (told["counts"], told["sent"][0]["records"]) == (
        {"sent": 1, "failed": 0},
        len(*service.taken.values()),
    )
    assert run(office, "outbox", "list").out.strip() == "发件箱中没有等待的结果。"
    (sent,) = run(office, "outbox", "list", "--all", "--json").json()["outbox"]
    assert (sent["state"], sent["location"]) == ("sent", "/api/due-list")
    (held,) = run(office, "publish", "--json").json()["publications"]
    assert (held["written"], len(service.asked)) == (False, 2)


def test_dropping_asks_for_a_reason_and_says_so_when_published_again(office, service):
    service.status = 503
    assert run(office, "publish").code == 3
    assert run(office, "outbox", "drop", "1").code == 2
    assert list(run(office, "outbox", "drop", "1", "--reason", " ", "--json").errors()) == [
        "outbox-no-reason"
    ]
    assert run(office, "outbox", "drop", "1", "--reason", "对方停用", "--json").json()["dropped"] == [1]
    service.status = 200
    again = run(office, "publish")
    assert again.code == 0
    assert "已被撤下" in again.text
    insisted = run(office, "publish", "--again", "--json")
    assert (insisted.code, list(insisted.errors())) == (3, ["outbox-resting"])
    assert run(office, "outbox", "retry").code == 0
    assert len(service.taken) == 1
