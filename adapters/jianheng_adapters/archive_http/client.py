"""Asks the archive service: tokens, retries, and answers that are what they should be."""

import datetime as dt
import email.utils
import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from jianheng.contract import AdapterContext
from jianheng.errors import RetryError, StopError

_UNAUTHORISED, _FORBIDDEN = 401, 403
_REDIRECTS = range(300, 400)
_PASSING = (408, 425, 429, *range(500, 600))
_PIECE = 65536
_RENEW_EARLY_S = 30


class _PassingError(Exception):
    """Something that may be over at the next attempt."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


class _TokenError(Exception):
    """The service no longer takes our token."""


class ArchiveClient:
    """One conversation with the service. Neither the secret nor a token ever leaves it but in a request."""

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._options = context.options
        self._base = str(context.options["url"]).rstrip("/") + "/"
        address = urlsplit(self._base)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise StopError("archive-url-wrong", target=context.name)
        self._origin = (address.scheme, address.netloc)
        self._session = requests.Session()
        # Proxies and .netrc of whoever runs the job must not change where the secret goes.
        self._session.trust_env = False
        self._session.verify = str(self._option("ca_file")) if self._option("ca_file") else True
        self._token: str | None = None
        self._expires = 0.0

    def close(self) -> None:
        """Let the connections go."""
        self._session.close()

    def get(self, path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a GET request.

        Raises:
            RetryError: the service doesn't answer, or not completely, as often as we ask.
            StopError: the answer can't be right.
        """
        return self._attempt(path, lambda: self._ask("GET", path, params=parameters))

    def post(self, path: str, body: Mapping[str, Any], *, key: str) -> dict[str, Any]:
        """Return the answer to a POST request that the key makes safe to repeat.

        Raises:
            RetryError: the service doesn't answer, or not completely, as often as we ask.
            StopError: the answer can't be right.
        """
        return self._attempt(
            path,
            lambda: self._ask("POST", path, json=body, headers={"Idempotency-Key": key}),
            as_asked=True,
        )

    def login(self) -> None:
        """Get a token now, so that a check sees whether we may.

        Raises:
            RetryError: the service doesn't answer.
            StopError: it refuses us.
        """
        self._attempt("api/token", self._renew)

    def _option(self, name: str, default: Any = None) -> Any:
        value = self._options.get(name)
        return default if value is None else value

    def _attempt(
        self, path: str, ask: Callable[[], dict[str, Any]], *, as_asked: bool = False
    ) -> dict[str, Any]:
        """Ask as often as the options allow; ``as_asked``: never sooner than the service wants to be asked."""
        longest = float(self._option("max_wait_s", 60))
        jittered = wait_exponential_jitter(max=longest)

        def wanted(state: RetryCallState) -> float | None:
            error = state.outcome.exception() if state.outcome else None
            return error.retry_after_s if isinstance(error, _PassingError) else None

        def wait(state: RetryCallState) -> float:
            asked = wanted(state)
            return min(jittered(state) if asked is None else asked, longest)

        enough = stop_after_attempt(int(self._option("attempts", 5)))

        def stop(state: RetryCallState) -> bool:
            return enough(state) or (as_asked and (wanted(state) or 0) > longest)

        attempts = Retrying(
            retry=retry_if_exception_type(_PassingError),
            stop=stop,
            wait=wait,
            before_sleep=lambda state: self._context.log.info(
                "archive-retry",
                path=path,
                attempt=state.attempt_number,
                reason=str(state.outcome and state.outcome.exception()),
            ),
            reraise=True,
        )
        try:
            return attempts(ask)
        except _PassingError as error:
            raise RetryError(
                "archive-unavailable",
                after_s=error.retry_after_s,
                path=f"/{path}",
                host=self._origin[1],
                reason=error.reason,
            ) from None

    def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        headers = request.pop("headers", {})
        for fresh in (False, True):
            if fresh or self._token is None or time.monotonic() >= self._expires:
                self._renew()
            try:
                return self._send(
                    method, path, headers=headers | {"Authorization": f"Bearer {self._token}"}, **request
                )
            except _TokenError:
                if fresh:
                    break
        raise StopError("archive-access-denied", path=f"/{path}", host=self._origin[1], status=_UNAUTHORISED)

    def _renew(self) -> dict[str, Any]:
        secret = self._context.secrets.get("client_secret")
        if secret is None:
            raise StopError("archive-secret-missing", target=self._context.name)
        login = {"client_id": self._option("client_id"), "client_secret": secret.reveal()}
        try:
            answer = self._send("POST", "api/token", json=login)
        except _TokenError:
            raise StopError(
                "archive-login-refused", host=self._origin[1], target=self._context.name
            ) from None
        token, lifetime = answer.get("access_token"), answer.get("expires_in", 0)
        if not isinstance(token, str) or not token or not isinstance(lifetime, int | float):
            raise StopError(
                "archive-shape-wrong", path="/api/token", field="access_token", host=self._origin[1]
            )
        self._token = token
        self._expires = time.monotonic() + max(lifetime - _RENEW_EARLY_S, lifetime / 2)
        return {}

    def _send(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        timeout = float(self._option("timeout_s", 30))
        url, deadline = urljoin(self._base, path), time.monotonic() + timeout
        try:
            with self._session.request(
                method, url, timeout=timeout, stream=True, allow_redirects=False, **request
            ) as response:
                self._refuse(path, response)
                body = self._body(path, response, deadline)
        except requests.exceptions.SSLError:
            raise StopError("archive-certificate-wrong", host=self._origin[1]) from None
        except (requests.ConnectionError, requests.Timeout) as error:
            raise _PassingError(type(error).__name__) from None
        except urllib3.exceptions.TimeoutError:
            raise _PassingError("stalled body") from None
        except urllib3.exceptions.HTTPError:
            raise _PassingError("truncated body") from None
        except requests.RequestException:
            raise StopError("archive-url-wrong", target=self._context.name) from None
        return self._parse(path, body, response.headers.get("Content-Type", "-"))

    def _refuse(self, path: str, response: requests.Response) -> None:
        """Raise unless the status says that an answer follows."""
        status = response.status_code
        if status in _REDIRECTS:
            target = urlsplit(urljoin(response.url, response.headers.get("Location", "")))
            raise StopError(
                "archive-redirect-refused", path=f"/{path}", host=self._origin[1], to=target.hostname or "-"
            )
        if status in _PASSING:
            raise _PassingError(f"HTTP {status}", _retry_after(response.headers.get("Retry-After")))
        if status == _UNAUTHORISED:
            raise _TokenError
        if status == _FORBIDDEN:
            raise StopError("archive-access-denied", path=f"/{path}", host=self._origin[1], status=status)
        if not response.ok:
            raise StopError("archive-request-refused", path=f"/{path}", host=self._origin[1], status=status)

    def _body(self, path: str, response: requests.Response, deadline: float) -> bytes:
        limit = int(self._option("max_response_bytes", 50_000_000))
        body = bytearray()
        # read1 gives what has come: a read of a whole piece would never look at the clock.
        while piece := response.raw.read1(_PIECE, decode_content=True):
            body += piece
            if len(body) > limit:
                raise StopError("archive-too-large", path=f"/{path}", host=self._origin[1], limit=limit)
            if time.monotonic() > deadline:  # a body that only drips never runs into a read timeout
                raise _PassingError("slow body")
        return bytes(body)

    def _parse(self, path: str, body: bytes, content_type: str) -> dict[str, Any]:
        try:
            answer = json.loads(body)
        except ValueError:
            if "json" in content_type.lower():  # cut off where no length told it
                raise _PassingError("truncated JSON") from None
            raise StopError(
                "archive-not-json", path=f"/{path}", host=self._origin[1], content_type=content_type[:60]
            ) from None
        if not isinstance(answer, dict):
            raise StopError("archive-shape-wrong", path=f"/{path}", field="{}", host=self._origin[1])
        return answer


def _retry_after(header: str | None) -> float | None:
    """How many seconds the service asks us to wait: it may give a number or a date."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        moment = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max((moment - dt.datetime.now(dt.UTC)).total_seconds(), 0.0)
