"""The small SOAP service behind ``mapping.toml``: people in pages, oldest change first, known by WS-Security."""

import re
import threading
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

UNIT = "990101"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


class People:
    def __init__(self):
        self.held = {}
        self.last = {}
        self._row(101, "2026-01-05T08:00:00", "示例甲")
        self._row(102, "2026-01-05T09:00:00", "示例乙")

    def _row(self, number, changed, name, *, gone=False):
        self.held[number] = (f"{number:04d}", name, changed, str(gone).lower())

    def put(self, stream, number, changed, values):
        self.last[number] = changed
        self._row(1000 + number, changed.isoformat(), values.get("name", f"某人{number}"))
        return f"{UNIT}-{1000 + number}"

    def delete(self, stream, number):
        changed = max(self.last.values()) + timedelta(seconds=1)
        self._row(1000 + number, changed.isoformat(), None, gone=True)

    def answer(self, asked):
        if ">made-up-password<" not in asked:
            return "<e:Fault><faultcode>wsse:FailedAuthentication</faultcode><faultstring>no</faultstring></e:Fault>"
        since, page, size = (_value(asked, name) for name in ("since", "page", "size"))
        found = sorted((each for each in self.held.values() if each[2] >= since), key=lambda each: each[2])
        told = "".join(_person(*each) for each in found[(int(page) - 1) * int(size) : int(page) * int(size)])
        return (
            f'<ListPeopleResponse xmlns="urn:example:people"><people>{told}</people>'
            f"<total>{len(found)}</total></ListPeopleResponse>"
        )


def _value(asked, name):
    found = re.search(rf"<[^>]*\b{name}>([^<]*)<", asked)
    return found[1] if found else ""


def _person(number, name, changed, gone):
    told = "" if name is None else f"<name>{escape(name)}</name>"
    return (
        f"<person><unit>{UNIT}</unit><no>{number}</no>{told}"
        f"<changed>{changed}</changed><gone>{gone}</gone></person>"
    )


@contextmanager
def upstream(folder):
    people = People()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            told = people.answer(self.rfile.read(int(self.headers["Content-Length"])).decode())
            body = f'<e:Envelope xmlns:e="{SOAP}"><e:Body>{told}</e:Body></e:Envelope>'.encode()
            self.send_response(500 if "Fault" in told else 200)
            self.send_header("Content-Type", "text/xml; charset=utf-8")
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
