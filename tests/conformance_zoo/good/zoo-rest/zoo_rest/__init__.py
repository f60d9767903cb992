"""A source: people of a paged service, by time of last change, with some overlap."""

import base64
import datetime as dt
import json
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException

from jianheng.contract import Batch, Finding, Stream
from jianheng.errors import RetryError, StopError
from jianheng.hookspecs import hookimpl

OVERLAP = dt.timedelta(minutes=5)


class People:
    """The people of one service."""

    def __init__(self, context):
        self.context = context
        self.url = context.options["url"]
        self.size = context.options["page_size"]
        self.timeout = context.options["timeout_s"]

    def check(self):
        try:
            self.page(None, None)
        except (RetryError, StopError) as error:
            yield Finding("people", error.problem)
        else:
            yield Finding("people")

    def streams(self):
        return [Stream("person", "person", mode="cursor")]

    def read(self, stream, cursor):
        since = None
        if cursor is not None:
            since = (dt.datetime.fromisoformat(cursor) - OVERLAP).isoformat()
        last = None
        while True:
            people = self.page(since, last)
            if not people:
                break
            last = people[-1]["no"]
            since = people[-1]["changed"]
            yield Batch([row(person) for person in people], since)

    def page(self, since, last):
        asked = {"size": self.size}
        if since is not None:
            asked["since"] = since
        if last is not None:
            asked["after"] = last
        request = urllib.request.Request(f"{self.url}/people?{urllib.parse.urlencode(asked)}")
        word = base64.b64encode(f"jianheng:{self.context.secrets['password'].reveal()}".encode()).decode()
        request.add_header("Authorization", f"Basic {word}")
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                return json.load(answer)["people"]
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (401, 403):
                raise StopError("zoo-login", url=self.url) from None
            raise RetryError("zoo-away", url=self.url, reason=error.code) from None
        except (OSError, ValueError, HTTPException) as error:
            raise RetryError("zoo-away", url=self.url, reason=type(error).__name__) from None


def row(person):
    return {
        "person_key": f"{person['unit']}-{person['no']}",
        "unit_code": person["unit"],
        "staff_no": person["no"],
        "name": person["name"],
        "gender": person["gender"],
        "quota_since": person["since"],
        "_locator": f"people/{person['id']}",
        "_deleted": person["deleted"],
    }


@hookimpl
def sources():
    return {"zoo-rest": People}
