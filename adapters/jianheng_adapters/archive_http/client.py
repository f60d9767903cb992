"""Asks the archive service: its login, its answers; the rest is what all web services have in common."""

from collections.abc import Mapping
from typing import Any

from jianheng.contract import AdapterContext
from jianheng_adapters.web_service.client import Reply, WebClient
from jianheng_adapters.web_service.login import Bearer, token_of

_TOKEN_PATH = "api/token"  # noqa: S105 -- a path


class ArchiveClient(WebClient):
    """One conversation with the archive."""

    codes = "archive"
    tells_apart = False

    def __init__(self, context: AdapterContext) -> None:
        self._bearer = Bearer(self._fetch)
        super().__init__(context, self._bearer)

    def get(self, path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a GET request.

        Raises:
            RetryError: the service doesn't answer, or not completely, as often as we ask.
            StopError: the answer can't be right.
        """
        return self.attempt(path, lambda: self._object("GET", path, params=parameters))

    def post(self, path: str, body: Mapping[str, Any], *, key: str) -> dict[str, Any]:
        """Return the answer to a POST request that the key makes safe to repeat.

        Raises:
            RetryError: the service doesn't answer, or not completely, as often as we ask.
            StopError: the answer can't be right.
        """
        headers = {"Idempotency-Key": key}
        return self.attempt(
            path, lambda: self._object("POST", path, json=body, headers=headers), as_asked=True
        )

    def login(self) -> None:
        """Get a token now, so that a check sees whether we may.

        Raises:
            RetryError: the service doesn't answer.
            StopError: it refuses us.
        """
        self.attempt(_TOKEN_PATH, lambda: self._bearer.renew(self, again=False))

    def _fetch(self, client: WebClient) -> tuple[str, float]:
        login = {"client_id": self.option("client_id"), "client_secret": self.secret("client_secret")}
        return token_of(client, _TOKEN_PATH, json=login)

    def _object(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def look(reply: Reply) -> None:
            answer = self.parse_json(path, reply)
            if not isinstance(answer, dict):
                raise self.misshapen(path, "{}")
            found.append(answer)

        self.send_known(method, path, judge=look, **request)
        return found[-1]
