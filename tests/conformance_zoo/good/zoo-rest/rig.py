"""The service as its makers would run it for a test: seven people, and whoever the kit adds."""

import base64
import datetime as dt
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

UNIT = "990101"
WORD = "Basic " + base64.b64encode(b"jianheng:made-up-password").decode()


class Service(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.people = {}
        old = dt.datetime.fromisoformat("2025-01-01")
        for number in range(9001, 9008):
            self.write(number, old + dt.timedelta(days=number % 10), f"示例{number % 10}")

    @property
    def address(self):
        return self.server_address

    def write(self, number, changed, name, deleted=False):
        digit = number % 10
        self.people[f"{number:04d}"] = {
            "id": number,
            "unit": UNIT,
            "no": f"{number:04d}",
            "name": name,
            "gender": "2" if digit % 2 else "1",
            "since": f"2020-03-{digit + 1:02d}" if digit != 3 else "2020-03-03",
            "changed": changed.isoformat(),
            "deleted": deleted,
        }

    def put(self, stream, number, changed, values):
        self.write(number, changed, values.get("name", f"试用{number}"))
        return f"{UNIT}-{number:04d}"

    def delete(self, stream, number):
        last = max(dt.datetime.fromisoformat(each["changed"]) for each in self.people.values())
        self.write(number, last + dt.timedelta(seconds=1), "", deleted=True)

    def fill(self, stream, count):
        start = dt.datetime.fromisoformat("2026-01-01")
        for number in range(count):
            self.write(number, start + dt.timedelta(seconds=number), f"试用{number}")

    def handle_error(self, *_told):
        """Say nothing of connections that broke."""


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.headers["Authorization"] != WORD:
            self.answer(401, {"error": "unauthorized"})
            return
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        since, after = asked.get("since", ""), asked.get("after", "")
        place = (since, after)
        listed = sorted(self.server.people.values(), key=lambda each: (each["changed"], each["no"]))
        if after:
            listed = [each for each in listed if (each["changed"], each["no"]) > place]
        elif since:
            listed = [each for each in listed if each["changed"] >= since]
        listed = listed[int(asked.get("skip", "0")) :]
        self.answer(200, {"people": listed[: int(asked.get("size", "100"))]})

    def answer(self, status, told):
        body = json.dumps(told, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_told):
        """Say nothing."""


@contextmanager
def upstream(folder):
    service = Service()
    thread = threading.Thread(target=service.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.shutdown()
        service.server_close()
        thread.join()
