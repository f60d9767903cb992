"""One JSON service: a request, its answer, and whether the answer says that it succeeded."""

from typing import Any, Self

from requests.utils import parse_header_links

from jianheng.contract import AdapterContext
from jianheng.errors import StopError
from jianheng_adapters.mapping import MappingFile, StreamMapping
from jianheng_adapters.mapping.service import Request
from jianheng_adapters.web_service.answer import judge
from jianheng_adapters.web_service.client import Reply, WebClient
from jianheng_adapters.web_service.listing import Answered, Asked
from jianheng_adapters.web_service.login import login_for


class JsonService:
    """A conversation with a JSON service."""

    def __init__(self, context: AdapterContext, mapping: MappingFile) -> None:
        self._settings = mapping.service
        self._login = login_for(mapping.service.auth, context)
        self._client = WebClient(context, self._login)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._client.close()

    @property
    def host(self) -> str:
        """Which host is spoken to."""
        return self._client.host

    def login(self) -> None:
        """Log in now where that is a request of its own.

        Raises:
            RetryError: the service doesn't answer.
            StopError: it refuses us.
        """
        if self._login is not None:
            login = self._login
            self._client.attempt("", lambda: login.renew(self._client, again=False))

    def place(self, described: StreamMapping) -> str:
        """Return how messages call the list of a stream."""
        return "/" + _request(described).path.lstrip("/")

    def ask(self, described: StreamMapping, asked: Asked) -> Answered:
        """Return what the service answers to one request of a stream's list.

        Raises:
            RetryError: it doesn't answer, or says: not now.
            StopError: it refuses, or the answer can't be right.
        """
        request = _request(described)
        path = asked.link or request.path
        told: dict[str, Any] = {"headers": {"Accept": "application/json", **self._settings.headers}}
        if asked.parameters:
            told["json" if request.method == "POST" else "params"] = dict(asked.parameters)
        method = "GET" if asked.link else request.method
        return self._client.attempt(path, lambda: self._answer(path, method, told))

    def _answer(self, path: str, method: str, told: dict[str, Any]) -> Answered:
        values: list[Any] = []

        def look(reply: Reply) -> None:
            values.append(self._client.parse_json(path, reply))
            judge(self._settings.answer, values[-1], host=self.host, path=path)

        reply = self._client.send_known(method, path, judge=look, **told)
        return Answered(values[-1], _next_link(reply))


def _request(described: StreamMapping) -> Request:
    if described.request is None:  # the mapping was checked: every stream has one
        raise StopError("mapping-key-missing", file="-", path=described.entity, key="request")
    return described.request


def _next_link(reply: Reply) -> str:
    """Return the link of the next page from the header, as RFC 8288 writes it."""
    links = parse_header_links(reply.headers.get("Link", ""))
    return next((str(each["url"]) for each in links if each.get("rel") == "next" and "url" in each), "")
