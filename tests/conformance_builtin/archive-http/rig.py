"""An archive that keeps volumes, and takes lists of cases that are due."""

import datetime as dt
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

UNIT = "990101"
FIRST = dt.datetime.fromisoformat("2025-05-01T09:00:00")


class Archive(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.volumes = {}
        self.due = {}
        for number in (1, 2, 3):
            self.write(f"D{number}", FIRST + dt.timedelta(days=number), None)

    @property
    def address(self):
        return self.server_address

    def write(self, number, changed, reason, *, deleted=False):
        self.volumes[number] = {
            "dh": number,
            "jh": 1,
            "bmsah": f"案{number}",
            "unit": UNIT,
            "volume_type": "诉讼卷",
            "year": 2025,
            "retention": "永久",
            "state": "已归档",
            "handed_over_at": "2025-04-01T09:00:00",
            "accepted_at": "2025-05-01T09:00:00",
            "returned_at": None,
            "return_reason": reason,
            "updated_at": changed.isoformat(),
            "deleted": deleted,
        }

    def put(self, stream, number, changed, values):
        self.write(f"T{number}", changed, values.get("return_reason", f"试用{number}"))
        return f"T{number}|1"

    def delete(self, stream, number):
        last = max(dt.datetime.fromisoformat(each["updated_at"]) for each in self.volumes.values())
        self.write(f"T{number}", last + dt.timedelta(seconds=1), None, deleted=True)

    def fill(self, stream, count):
        for number in range(count):
            self.write(f"T{number}", FIRST + dt.timedelta(seconds=number), None)

    def held(self, publication):
        return self.due.get(publication.id, [])

    def handle_error(self, *_told):
        """Say nothing of connections that broke."""


class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/token":
            known = told == {"client_id": "jianheng", "client_secret": "made-up-secret"}
            self.answer(200, {"access_token": "a-token", "expires_in": 3600}) if known else self.answer(
                401, {}
            )
        elif self.headers["Authorization"] != "Bearer a-token":
            self.answer(401, {})
        else:
            key = self.headers["Idempotency-Key"]
            new = key not in self.server.due
            rows = [
                {
                    "case_no": each["bmsah"],
                    "unit_code": each["unit"],
                    "handler_key": each["handler"],
                    "closed_on": dt.date.fromisoformat(each["concluded_on"]),
                }
                for each in told["items"]
            ]
            self.server.due.setdefault(key, rows)
            self.answer(200, {"received": len(rows), "new": len(rows) if new else 0})

    def do_GET(self):
        if self.headers["Authorization"] != "Bearer a-token":
            self.answer(401, {})
            return
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        since, number, size = asked.get("changed_since", ""), int(asked["page"]), int(asked["page_size"])
        listed = sorted(self.server.volumes.values(), key=lambda each: (each["updated_at"], each["dh"]))
        listed = [each for each in listed if each["updated_at"] >= since]
        items = listed[(number - 1) * size : number * size]
        following = number + 1 if number * size < len(listed) else None
        self.answer(200, {"page": number, "total": len(listed), "next": following, "items": items})

    def answer(self, status, told):
        body = json.dumps(told, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_told):
        """Say nothing."""


@contextmanager
def upstream(folder):
    service = Archive()
    thread = threading.Thread(target=service.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.shutdown()
        service.server_close()
        thread.join()
