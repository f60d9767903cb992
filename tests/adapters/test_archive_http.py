import datetime as dt
import gzip
import json
import threading
import time
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from source_fakes import UNIT, make_context, read_batches, read_rows

from jianheng.contract import DueCase, Publication, Source, Target
from jianheng.errors import EmptiedError, JianhengError, RetryError, StopError
from jianheng.facts.convert import Fact, convert
from jianheng.facts.entities import ENTITIES
from jianheng_adapters import archive_http
from jianheng_adapters.archive_http.source import ArchiveSource
from jianheng_adapters.archive_http.target import ArchiveTarget

BASE = "https://archive.test"
SECRET = "geheim-3"
TOKEN = "token-that-nobody-may-see"
NO_WAIT = {"max_wait_s": 0, "attempts": 3, "timeout_s": 5, "overlap_minutes": 10}


def make(kind=ArchiveSource, url: str = BASE, **options):
    return kind(
        make_context(
            {"url": url, "client_id": "jianheng", **NO_WAIT, **options}, secrets={"client_secret": SECRET}
        )
    )


def volume(number: int, at: str = "2024-05-01T09:00:00", **more):
    return {
        "dh": f"D{number}",
        "jh": 1,
        "bmsah": f"案{number}",
        "unit": UNIT,
        "volume_type": "诉讼卷",
        "year": 2024,
        "retention": "永久",
        "state": "已归档",
        "handed_over_at": "2024-04-01T09:00:00",
        "accepted_at": at,
        "returned_at": None,
        "return_reason": None,
        "updated_at": at,
        "deleted": False,
        **more,
    }


def page(items, number: int = 1, following: int | None = None):
    return {"page": number, "total": len(items), "next": following, "items": items}


@pytest.fixture
def web():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.post(f"{BASE}/api/token", json={"access_token": TOKEN, "expires_in": 3600})
        yield mock


def test_is_what_its_manifest_says(web):
    manifest = tomllib.loads(
        Path(archive_http.__file__).with_name("adapter.toml").read_text(encoding="utf-8")
    )
    source = make()
    assert isinstance(source, Source)
    assert isinstance(make(ArchiveTarget), Target)
    assert [stream.name for stream in source.streams()] == manifest["streams"]
    assert set(archive_http.sources()) == set(archive_http.targets()) == {manifest["id"]}


def test_volume_is_translated_and_fits_its_entity(web):
    items = [
        volume(1),
        volume(2, deleted=True, state="退回"),
        volume(3, state="遗失"),
        volume(4, unit="990199"),
        volume(5, unit=None),
    ]
    web.get(f"{BASE}/api/volumes", json=page(items))
    batch, place = read_batches(make(), "archive_volume")
    assert (len(place.rows), batch.cursor) == (
        0,
        None,
    )  # the last volume is another unit's: ours need not come again
    first, second, third, fifth = batch.rows
    assert first["volume_key"] == "D1|1"
    assert (first["state"], first["accepted_on"]) == ("accepted", dt.date(2024, 5, 1))
    assert isinstance(convert(ENTITIES["archive_volume"], first), Fact)
    assert (second["state"], second["_deleted"]) == ("returned", True)
    assert third["state"] == "遗失"
    assert fifth["unit_code"] is None
    assert first["_locator"] == "/api/volumes dh=D1 jh=1"
    assert json.loads(place.cursor) == {"v": 1, "at": "2024-05-01T09:00:00"}


def test_reading_goes_on_before_the_cursor(web):
    web.get(f"{BASE}/api/volumes", json=page([volume(1)]))
    assert len(read_rows(make(), "archive_volume", '{"v":1,"at":"2024-05-01T09:00:00"}')) == 1
    asked = parse_qs(urlsplit(web.calls[-1].request.url).query)
    assert asked["changed_since"] == ["2024-05-01T08:50:00"]
    assert web.calls[-1].request.headers["Authorization"] == f"Bearer {TOKEN}"


def test_an_archive_that_held_volumes_and_holds_none_is_told_from_one_where_nothing_changed(web):
    nothing = web.get(f"{BASE}/api/volumes", json=page([]))
    with pytest.raises(EmptiedError):
        read_rows(make(), "archive_volume", '{"v":1,"at":"2024-05-01T09:00:00"}')
    assert read_rows(make(), "archive_volume") == []
    web.remove(nothing)
    web.get(
        f"{BASE}/api/volumes",
        json=page([]),
        match=[
            responses.matchers.query_param_matcher(
                {"changed_since": "2024-05-01T08:50:00"}, strict_match=False
            )
        ],
    )
    web.get(f"{BASE}/api/volumes", json=page([volume(1)]))
    assert read_rows(make(), "archive_volume", '{"v":1,"at":"2024-05-01T09:00:00"}') == []


class Shelf:
    """An archive in memory that pages as the service does."""

    def __init__(self, items):
        self.items = items
        self.asked: list[tuple[str, int]] = []
        self.after_page = lambda: None

    def answer(self, request):
        query = parse_qs(urlsplit(request.url).query)
        since, number, size = (
            query.get("changed_since", [""])[0],
            int(query["page"][0]),
            int(query["page_size"][0]),
        )
        self.asked.append((since, number))
        found = sorted(
            (item for item in self.items if item["updated_at"] >= since),
            key=lambda item: (item["updated_at"], item["dh"]),
        )
        part = found[(number - 1) * size : number * size]
        body = json.dumps(page(part, number, number + 1 if number * size < len(found) else None))
        self.after_page()
        return 200, {}, body

    def serve(self, web):
        web.add_callback(responses.GET, f"{BASE}/api/volumes", self.answer, content_type="application/json")


def test_all_pages_are_read_also_where_one_time_fills_several(web):
    shelf = Shelf(
        [volume(n, f"2024-05-01T09:00:{n:02d}") for n in range(10)]
        + [volume(n, "2024-05-02T09:00:00") for n in range(10, 40)]
    )
    shelf.serve(web)
    batches = read_batches(make(page_size=7), "archive_volume")
    rows = [row for batch in batches for row in batch.rows]
    assert {row["archive_no"] for row in rows} == {f"D{n}" for n in range(40)}
    assert len(batches) < 15
    for batch in batches:  # killed after any batch, the rest still comes
        later = read_rows(make(page_size=7), "archive_volume", batch.cursor)
        seen = {row["archive_no"] for each in batches[: batches.index(batch) + 1] for row in each.rows}
        assert seen | {row["archive_no"] for row in later} == {f"D{n}" for n in range(40)}


def test_a_volume_that_changes_while_we_read_pushes_none_out(web):
    shelf = Shelf([volume(n, f"2024-05-01T09:{n:02d}:00") for n in range(20)])

    def touch_first():
        first = min(shelf.items, key=lambda item: item["updated_at"])
        if first["updated_at"].startswith("2024-05-01"):
            first["updated_at"] = f"2024-06-01T09:{int(first['dh'][1:]):02d}:00"

    shelf.after_page = touch_first
    shelf.serve(web)
    assert {row["archive_no"] for row in read_rows(make(page_size=5), "archive_volume")} == {
        f"D{n}" for n in range(20)
    }


def test_a_list_out_of_order_moves_the_cursor_only_at_the_end(web):
    pages = {
        1: [volume(1, "2024-05-09T00:00:00"), volume(2, "2024-05-01T00:00:00")],
        2: [volume(3, "2024-05-03T00:00:00")],
    }

    def answer(request):
        number = int(parse_qs(urlsplit(request.url).query)["page"][0])
        return 200, {}, json.dumps(page(pages[number], number, 2 if number == 1 else None))

    web.add_callback(responses.GET, f"{BASE}/api/volumes", answer, content_type="application/json")
    first, last = read_batches(make(), "archive_volume")
    assert first.cursor is None
    assert "2024-05-09" in last.cursor
    assert len(first.rows) + len(last.rows) == 3


def test_bad_times_and_bad_rows_do_not_stop_the_page(web):
    bad = volume(1, updated_at="2025年13月", bmsah=None, jh="第二卷")
    short = {key: value for key, value in volume(2).items() if key != "dh"}
    web.get(f"{BASE}/api/volumes", json=page([bad, short, volume(3)]))
    (batch,) = read_batches(make(), "archive_volume")
    assert [row["case_no"] for row in batch.rows] == [None, "案2", "案3"]
    assert batch.rows[1]["volume_key"] is None
    assert "2024-05-01" in batch.cursor


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ([1], "archive-shape-wrong"),
        ({"page": 1}, "archive-shape-wrong"),
        ({"page": 1, "items": ["x"], "next": None}, "archive-shape-wrong"),
        ({"page": 1, "items": [], "next": "2"}, "archive-shape-wrong"),
        ({"page": 1, "items": [{"unit": UNIT, "no": 1}], "next": None}, "archive-shape-wrong"),
        (page([volume(1)], 1, 1), "archive-page-stuck"),
        (page([], 1, 2), "archive-page-stuck"),
        (page([volume(1)], 7, 8), "archive-page-other"),
    ],
)
def test_answers_of_another_shape(web, answer, code):
    web.get(f"{BASE}/api/volumes", json=answer)
    with pytest.raises(JianhengError) as caught:
        read_rows(make(), "archive_volume")
    assert caught.value.code == code
    assert "/api/volumes" in str(caught.value)


def test_a_service_that_ignores_the_page_ends(web):
    def answer(request):
        number = int(parse_qs(urlsplit(request.url).query)["page"][0])
        return 200, {}, json.dumps(page([volume(1)], number, number + 1))

    web.add_callback(responses.GET, f"{BASE}/api/volumes", answer, content_type="application/json")
    with pytest.raises(StopError) as caught:
        read_rows(make(), "archive_volume")
    assert caught.value.code == "archive-page-stuck"


def test_html_login_page(web):
    web.get(f"{BASE}/api/volumes", body="<html>请登录</html>", content_type="text/html")
    with pytest.raises(StopError) as caught:
        read_rows(make(), "archive_volume")
    assert caught.value.code == "archive-not-json"
    assert "text/html" in str(caught.value)


def test_expired_token_is_renewed_once(web):
    web.get(f"{BASE}/api/volumes", status=401)
    web.get(f"{BASE}/api/volumes", json=page([volume(1)]))
    assert len(read_rows(make(), "archive_volume")) == 1
    assert sum(call.request.url.endswith("/token") for call in web.calls) == 2


def test_refused_again_with_a_new_token(web):
    web.get(f"{BASE}/api/volumes", status=401)
    with pytest.raises(StopError) as caught:
        read_rows(make(), "archive_volume")
    assert caught.value.code == "archive-access-denied"
    assert len(web.calls) == 4


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "archive-access-denied"), (404, "archive-request-refused"), (302, "archive-redirect-refused")],
)
def test_refusals(web, status, code):
    web.get(f"{BASE}/api/volumes", status=status, headers={"Location": "https://elsewhere.test/login"})
    with pytest.raises(StopError) as caught:
        read_rows(make(), "archive_volume")
    assert caught.value.code == code
    assert all("elsewhere" not in call.request.url for call in web.calls)
    assert TOKEN not in str(caught.value)


def test_wrong_secret_is_told_without_it():
    with responses.RequestsMock() as web:
        web.post(f"{BASE}/api/token", status=401, json={"error": "invalid_client"})
        source = make()
        (finding,) = source.check()
    assert finding.problem.code == "archive-login-refused"
    assert SECRET not in finding.problem.message().as_text()


@pytest.mark.parametrize("answer", [{}, {"access_token": ""}, {"access_token": "t", "expires_in": "soon"}])
def test_token_answers_of_another_shape(answer):
    with responses.RequestsMock() as web:
        web.post(f"{BASE}/api/token", json=answer)
        (finding,) = make().check()
    assert finding.problem.code == "archive-shape-wrong"


def test_passing_troubles_are_waited_out_as_the_service_asks(web, waited):
    web.get(f"{BASE}/api/volumes", status=429, headers={"Retry-After": "7"})
    web.get(f"{BASE}/api/volumes", status=503, headers={"Retry-After": "100000"})
    web.get(f"{BASE}/api/volumes", status=500)
    web.get(f"{BASE}/api/volumes", json=page([volume(1)]))
    assert len(read_rows(make(max_wait_s=60, attempts=5), "archive_volume")) == 1
    assert waited[:2] == [7, 60]
    assert 0 <= waited[2] <= 60


def test_retry_after_may_be_a_date(web, waited):
    web.get(f"{BASE}/api/volumes", status=503, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})
    web.get(f"{BASE}/api/volumes", status=503, headers={"Retry-After": "whenever"})
    web.get(f"{BASE}/api/volumes", json=page([]))
    read_rows(make(), "archive_volume")
    assert waited == [0, 0]


def test_lasting_trouble_is_a_retry_error_without_secrets(web):
    web.get(f"{BASE}/api/volumes", status=502)
    source = make()
    with pytest.raises(RetryError) as caught:
        read_rows(source, "archive_volume")
    assert caught.value.code == "archive-unavailable"
    said = repr(source._context.log.said) + str(caught.value)
    assert SECRET not in said
    assert TOKEN not in said
    assert sum("/volumes" in call.request.url for call in web.calls) == 3


def test_unusable_url_and_missing_secret():
    (finding,) = make(url="archive.test").check()
    assert finding.problem.code == "archive-url-wrong"
    context = make_context({"url": BASE, "client_id": "x"})
    (finding,) = ArchiveSource(context).check()
    assert finding.problem.code == "archive-secret-missing"


def test_check_logs_in_and_counts(web):
    web.get(f"{BASE}/api/volumes", json=page([volume(1)]))
    findings = list(make().check())
    assert [finding.ok for finding in findings] == [True, True]
    assert [finding.ok for finding in make(ArchiveTarget).check()] == [True]


def publication(*numbers: int) -> Publication:
    due = tuple(DueCase(f"案{number}", UNIT, f"{UNIT}-0007", dt.date(2024, 4, number)) for number in numbers)
    now = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
    return Publication(
        "p-1",
        "archive-due",
        UNIT,
        "院",
        "pack",
        "方案",
        "1",
        "2024",
        "2024年",
        dt.date(2024, 1, 1),
        dt.date(2025, 1, 1),
        now,
        due=due,
    )


def test_due_list_is_posted_once_by_its_id(web):
    web.post(f"{BASE}/api/due-list", status=503)
    web.post(f"{BASE}/api/due-list", json={"received": 2, "new": 1, "repeated": False})
    receipt = make(ArchiveTarget).write(publication(1, 2))
    assert receipt.records == 2
    sent = [call.request for call in web.calls if call.request.url.endswith("due-list")]
    assert {request.headers["Idempotency-Key"] for request in sent} == {"p-1"}
    assert json.loads(sent[-1].body)["items"][0] == {
        "bmsah": "案1",
        "unit": UNIT,
        "handler": f"{UNIT}-0007",
        "concluded_on": "2024-04-01",
    }


def test_a_service_that_wants_to_be_left_alone_for_long_is_not_sent_the_list_again_at_once(web):
    """Whoever sends it later is told when."""
    web.post(f"{BASE}/api/due-list", status=429, headers={"Retry-After": "7200"})
    with pytest.raises(RetryError) as caught:
        make(ArchiveTarget, attempts=5).write(publication(1, 2))
    assert (caught.value.code, caught.value.after_s) == ("archive-unavailable", 7200)
    assert len([call for call in web.calls if call.request.url.endswith("due-list")]) == 1


def test_due_list_that_did_not_arrive_whole(web):
    web.post(f"{BASE}/api/due-list", json={"received": 1, "new": 1, "repeated": False})
    with pytest.raises(StopError) as caught:
        make(ArchiveTarget).write(publication(1, 2))
    assert caught.value.code == "archive-due-count"


class Loopback(BaseHTTPRequestHandler):
    """A service that does with its answers what its server was told."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_args):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.whole(json.dumps({"access_token": TOKEN, "expires_in": 3600}).encode())

    def do_GET(self):
        getattr(self, self.server.moods.pop(0) if self.server.moods else "whole")(
            json.dumps(page([volume(1)])).encode()
        )

    def head(self, length):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def whole(self, body):
        self.head(len(body))
        self.wfile.write(body)

    def chunked(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        packed = gzip.compress(body)
        for part in (packed[:20], packed[20:], b""):
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")

    def torn(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"ff\r\n" + body[:40])
        self.close_connection = True

    def cut(self, body):
        self.head(len(body))
        self.wfile.write(body[: len(body) // 2])
        self.close_connection = True

    def half(self, body):
        self.whole(body[: len(body) // 2])

    def drip(self, body):
        self.head(len(body))
        try:
            for place in range(len(body)):
                self.wfile.write(body[place : place + 1])
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:  # the reader has had enough
            pass
        self.close_connection = True

    def stall(self, _body):
        time.sleep(1.5)
        self.close_connection = True

    def flood(self, _body):
        self.whole(b'{"items": "' + b"x" * 200_000 + b'"}')


@pytest.fixture
def loopback():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Loopback)
    server.moods = []
    server.handle_error = lambda *_args: None  # readers that had enough hang up
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_packed_answer_in_pieces(loopback):
    server, url = loopback
    server.moods = ["chunked"]
    assert len(read_rows(make(url=url, attempts=1), "archive_volume")) == 1


@pytest.mark.parametrize("mood", ["cut", "torn", "half", "drip", "stall"])
def test_an_answer_that_does_not_come_whole_is_asked_for_again(loopback, mood):
    server, url = loopback
    server.moods = [mood]
    assert len(read_rows(make(url=url, timeout_s=1), "archive_volume")) == 1
    server.moods = [mood] * 3
    with pytest.raises(RetryError) as caught:
        read_rows(make(url=url, timeout_s=1, attempts=2), "archive_volume")
    assert caught.value.code == "archive-unavailable"


def test_an_answer_that_is_too_large(loopback):
    server, url = loopback
    server.moods = ["flood"]
    with pytest.raises(StopError) as caught:
        read_rows(make(url=url, max_response_bytes=100_000), "archive_volume")
    assert caught.value.code == "archive-too-large"


def test_nobody_listens(loopback):
    _, url = loopback
    with pytest.raises(RetryError):
        read_rows(make(url=url.rsplit(":", 1)[0] + ":9", attempts=2), "archive_volume")
