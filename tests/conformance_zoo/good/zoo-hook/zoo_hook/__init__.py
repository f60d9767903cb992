"""A target: sends each publication to a service that keeps one result a period, known by its id."""

import json
import urllib.error
import urllib.request
from http.client import HTTPException

from jianheng.contract import Finding, Receipt
from jianheng.errors import RetryError, StopError
from jianheng.hookspecs import hookimpl


class Hook:
    """One service that takes scores."""

    def __init__(self, context):
        self.context = context
        self.url = context.options["url"]
        self.timeout = context.options["timeout_s"]

    def check(self):
        try:
            self.ask("GET", "ready")
        except (RetryError, StopError) as error:
            yield Finding("service", error.problem)
        else:
            yield Finding("service")

    def write(self, publication):
        people = [
            {"person_key": each.person_key, "name": each.name, "points": each.points, "rank": each.rank}
            for each in publication.people
        ]
        told = {"id": publication.id, "period": publication.period, "people": people}
        kept = self.ask("PUT", f"results/{publication.period}", told)
        return Receipt(f"{self.url}/results/{publication.period}", kept["records"])

    def ask(self, method, path, told=None):
        body = None if told is None else json.dumps(told).encode()
        request = urllib.request.Request(f"{self.url}/{path}", data=body, method=method)
        request.add_header("Authorization", f"Bearer {self.context.secrets['token'].reveal()}")
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (401, 403):
                raise StopError("hook-login", url=self.url) from None
            raise RetryError("hook-away", url=self.url, reason=error.code) from None
        except (OSError, ValueError, HTTPException) as error:
            raise RetryError("hook-away", url=self.url, reason=type(error).__name__) from None


@hookimpl
def targets():
    return {"zoo-hook": Hook}
