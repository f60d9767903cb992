"""The small service behind ``mapping.toml``: people in pages, oldest change first."""

import base64
import json
import threading
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

UNIT = "990101"
LOGIN = "Basic " + base64.b64encode(b"reader:made-up-password").decode()


class People:
    def __init__(self):
        self.held = {}
        self.last = {}
        self._row(101, "2026-01-05T08:00:00", "示例甲")
        self._row(102, "2026-01-05T09:00:00", "示例乙")

    def _row(self, number, changed, name, *, gone=False):
        self.held[number] = {
            "dept": {"code": UNIT},
            "no": f"{number:04d}",
            "name": name,
            "changed": changed,
            "gone": gone,
        }

    def put(self, stream, number, changed, values):
        self.last[number] = changed
        self._row(1000 + number, changed.isoformat(), values.get("name", f"某人{number}"))
        return f"{UNIT}-{1000 + number}"

    def delete(self, stream, number):
        changed = max(self.last.values()) + timedelta(seconds=1)
        self._row(1000 + number, changed.isoformat(), None, gone=True)

    def page(self, since, page, size):
        found = sorted(self.held.values(), key=lambda each: each["changed"])
        found = [each for each in found if each["changed"] >= since]
        return found[(page - 1) * size : page * size]


@contextmanager
def upstream(folder):
    people = People()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            if self.headers.get("Authorization") != LOGIN:
                self.send_error(401)
                return
            asked = parse_qs(urlsplit(self.path).query)
            told = people.page(asked.get("since", [""])[0], int(asked["page"][0]), int(asked["size"][0]))
            body = json.dumps({"data": told}, ensure_ascii=False).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):  # whoever asked went away
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    people.address = ("127.0.0.1", server.server_port)
    try:
        yield people
    finally:
        server.shutdown()
        server.server_close()
