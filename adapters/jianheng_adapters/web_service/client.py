"""Asks a web service: retries, limits, and secrets that go to declared hosts only."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Protocol, Self, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.utils import get_encoding_from_headers

from jianheng.contract import AdapterContext
from jianheng.errors import RetryError, StopError
from jianheng_adapters.web_service.retry import PassingError, Patience, retry_after

T = TypeVar("T")
_UNAUTHORISED, _FORBIDDEN = 401, 403
_REDIRECTS = range(300, 400)
_PASSING = (408, 425, 429, *range(500, 600))
_PIECE = 65536


class TokenError(Exception):
    """The service does not know us, or no longer."""


class Login(Protocol):
    """How requests are made ours. Called by ``requests`` with each of them; ``renew`` before the first."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add what proves who we are."""

    def renew(self, client: "WebClient", *, again: bool) -> bool:
        """Get ready to prove who we are, anew if ``again``; return whether another attempt may help."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its body, whole, and its headers."""

    body: bytes
    headers: Mapping[str, str]
    status: int = 200

    @property
    def content_type(self) -> str:
        """What the service says it is."""
        return self.headers.get("Content-Type", "-")


class WebClient:
    """One conversation with a service. No secret or token ever leaves it but in a request to a declared host."""

    codes: ClassVar[str] = "web"
    """What the codes of its messages begin with."""
    tells_apart: ClassVar[bool] = True
    """Whether nobody there, no answer in time and an answer that says not now are told by codes of their own."""
    faults_in_500: ClassVar[bool] = False
    """Whether HTTP 500 with a body is an answer: SOAP says so of its faults."""

    def __init__(self, context: AdapterContext, login: Login | None = None) -> None:
        self._context = context
        self._login = login
        self._base = str(context.options["url"]).rstrip("/") + "/"
        address = urlsplit(self._base)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise StopError(f"{self.codes}-url-wrong", target=context.name)
        self._scheme, self.host = address.scheme, address.netloc
        self._hosts = {self.host, *(str(each) for each in context.options.get("hosts") or ())}
        self._session = requests.Session()
        # Proxies and .netrc of whoever runs the job must not change where the secret goes.
        self._session.trust_env = False
        ca_file = context.options.get("ca_file")
        self._session.verify = str(ca_file) if ca_file else True
        self._patience = Patience(int(self.option("attempts", 5)), float(self.option("max_wait_s", 60)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._session.close()

    def option(self, name: str, default: Any = None) -> Any:
        """Return an option, or a default where it is not given."""
        value = self._context.options.get(name)
        return default if value is None else value

    def secret(self, name: str) -> str:
        """Return a secret's value, for a request and nothing else.

        Raises:
            StopError: it is not given.
        """
        found = self._context.secrets.get(name)
        if found is None:
            raise StopError(f"{self.codes}-secret-missing", target=self._context.name, secret=name)
        return found.reveal()

    def ask(self, method: str, path: str, *, as_asked: bool = False, **request: Any) -> Reply:
        """Return the answer to a request, asked as often as the options allow.

        Raises:
            RetryError: the service doesn't answer, or not completely, as often as we ask.
            StopError: it refuses us, or the answer can't be right.
        """
        return self.attempt(path, lambda: self.send_known(method, path, **request), as_asked=as_asked)

    def attempt(self, path: str, request: Callable[[], T], *, as_asked: bool = False) -> T:
        """Do something as often as the options allow, and say what went wrong in the end.

        Raises:
            RetryError: it failed each time with something that may be over later.
        """
        try:
            return self._patience.ask(
                self._context.log, f"{self.codes}-retry", path, request, as_asked=as_asked
            )
        except PassingError as error:
            kind = error.kind if self.tells_apart else "unavailable"
            raise RetryError(
                f"{self.codes}-{kind}",
                after_s=error.retry_after_s,
                path=self._shown(path),
                host=self.host,
                reason=error.reason,
                seconds=self.option("timeout_s", 30),
            ) from None

    def send(self, method: str, path: str, **request: Any) -> Reply:
        """Send one request, once, and return its answer.

        Raises:
            PassingError: it may work at the next attempt.
            TokenError: the service does not know us.
            StopError: it refuses, or answers what can't be right.
        """
        timeout = float(self.option("timeout_s", 30))
        url, deadline = self._address(path), time.monotonic() + timeout
        try:
            with self._session.request(
                method, url, timeout=timeout, stream=True, allow_redirects=False, **request
            ) as response:
                self._refuse(path, response)
                return Reply(self._body(path, response, deadline), response.headers, response.status_code)
        except requests.exceptions.SSLError:
            raise StopError(f"{self.codes}-certificate-wrong", host=self.host) from None
        except requests.Timeout as error:
            raise PassingError("slow", type(error).__name__) from None
        except requests.ConnectionError as error:
            raise PassingError("unreachable", type(error).__name__) from None
        except urllib3.exceptions.TimeoutError:
            raise PassingError("slow", "stalled body") from None
        except urllib3.exceptions.HTTPError:
            raise PassingError("unreachable", "truncated body") from None
        except requests.RequestException:
            raise StopError(f"{self.codes}-url-wrong", target=self._context.name) from None

    def parse_json(self, path: str, reply: Reply) -> Any:
        """Return the value of a JSON answer, its numbers exact.

        Raises:
            PassingError: it was cut off.
            StopError: it is no JSON.
        """
        try:
            charset = _charset(reply)
            told = reply.body if charset is None else reply.body.decode(charset)
            return json.loads(told, parse_float=Decimal)
        except (ValueError, LookupError, RecursionError):
            if "json" in reply.content_type.lower():  # cut off where no length told it
                raise PassingError("unreachable", "truncated JSON") from None
            raise StopError(
                f"{self.codes}-not-json",
                path=self._shown(path),
                host=self.host,
                content_type=reply.content_type[:60],
            ) from None

    def misshapen(self, path: str, name: str) -> StopError:
        """Return what to raise of an answer that lacks something."""
        return StopError(f"{self.codes}-shape-wrong", path=self._shown(path), field=name, host=self.host)

    def send_known(
        self, method: str, path: str, judge: Callable[[Reply], object] | None = None, **request: Any
    ) -> Reply:
        """Send a request as somebody the service knows; where it no longer does, once more after a new login.

        Args:
            method: as of HTTP.
            path: relative to the service's address, or a whole link.
            judge: looks at the answer, and raises what :meth:`send` does where it is none.
            request: whatever ``requests`` takes.

        Raises:
            PassingError: it may work at the next attempt.
            StopError: it refuses us, or answers what can't be right.
        """
        may_help = self._login is not None and self._login.renew(self, again=False)
        for again in (False, True):
            try:
                if again and self._login is not None:
                    self._login.renew(self, again=True)
                reply = self.send(method, path, auth=self._login, **request)
                if judge is not None:
                    judge(reply)
            except TokenError:
                if not may_help:
                    break
            else:
                return reply
        if self._login is not None and not may_help:
            raise self.login_refused()
        raise StopError(
            f"{self.codes}-access-denied", path=self._shown(path), host=self.host, status=_UNAUTHORISED
        )

    def login_refused(self) -> StopError:
        """Return what to raise where the service takes neither our name nor our secret."""
        return StopError(f"{self.codes}-login-refused", host=self.host, target=self._context.name)

    def _address(self, path: str) -> str:
        """Return the whole address of a path or link.

        Raises:
            StopError: it leads to a host that nobody declared.
        """
        url = urljoin(self._base, path)
        address = urlsplit(url)
        own = (address.scheme, address.netloc) == (self._scheme, self.host)
        if not own and (
            address.netloc not in self._hosts or (self._scheme, address.scheme) == ("https", "http")
        ):
            raise StopError(
                f"{self.codes}-host-refused", host=self.host, to=address.netloc or address.scheme or "-"
            )
        return url

    def _shown(self, path: str) -> str:
        return urlsplit(path).path if "://" in path else f"/{path.lstrip('/')}".partition("?")[0]

    def _refuse(self, path: str, response: requests.Response) -> None:
        """Raise unless the status says that an answer follows."""
        status = response.status_code
        told = {"path": self._shown(path), "host": self.host}
        if status in _REDIRECTS:
            target = urlsplit(urljoin(response.url, response.headers.get("Location", "")))
            raise StopError(f"{self.codes}-redirect-refused", to=target.hostname or "-", **told)
        if self.faults_in_500 and status == 500 and "xml" in response.headers.get("Content-Type", ""):  # noqa: PLR2004
            return
        if status in _PASSING:
            raise PassingError(
                "unavailable", f"HTTP {status}", retry_after(response.headers.get("Retry-After"))
            )
        if status == _UNAUTHORISED:
            raise TokenError
        if status == _FORBIDDEN:
            raise StopError(f"{self.codes}-access-denied", status=status, **told)
        if not response.ok:
            raise StopError(f"{self.codes}-request-refused", status=status, **told)

    def _body(self, path: str, response: requests.Response, deadline: float) -> bytes:
        limit = int(self.option("max_response_bytes", 50_000_000))
        body = bytearray()
        # read1 gives what has come: a read of a whole piece would never look at the clock.
        while piece := response.raw.read1(_PIECE, decode_content=True):
            body += piece
            if len(body) > limit:
                raise StopError(
                    f"{self.codes}-too-large", path=self._shown(path), host=self.host, limit=limit
                )
            if time.monotonic() > deadline:  # a body that only drips never runs into a read timeout
                raise PassingError("slow", "slow body")
        return bytes(body)


def _charset(reply: Reply) -> str | None:
    """The encoding that the header names; JSON says of itself which of UTF it is."""
    told = get_encoding_from_headers({"content-type": reply.content_type})
    return told if "charset" in reply.content_type.lower() else None
