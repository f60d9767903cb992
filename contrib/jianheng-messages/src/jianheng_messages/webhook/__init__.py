"""Target: a POST of JSON, signed as the Standard Webhooks specification says, sent again under the same id until taken.

The receiver leaves out what it has already: ``webhook-id`` is the id of the publication.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import requests

from jianheng.contract import AdapterContext, Finding, Publication, Receipt, TargetFactory
from jianheng.errors import JianhengError, RetryError, StopError
from jianheng.hookspecs import hookimpl
from jianheng_messages.telling import content, records, unknown

_PREFIX = "whsec_"
_LEAST_KEY_BYTES = 24
_LONGEST_ANSWER = 1 << 16
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_NO_HEAD = frozenset({400, 404, 405, 501})


class Webhook:
    """Sends each publication to one address."""

    def __init__(self, context: AdapterContext) -> None:
        options = context.options
        self._url: str = options["url"]
        self._host = _host(self._url, allow_http=options["allow_http"])
        self._people = options["people"]
        self._kinds = options["kinds"]
        if wrong := unknown(self._kinds):
            raise StopError("webhook-kind", kinds=wrong)
        self._key = _key(context.secrets["signing_key"].reveal())
        self._timeout: int = options["timeout_s"]
        self._verify: str | bool = str(options["ca_file"]) if options["ca_file"] else True

    def check(self) -> Iterable[Finding]:
        """Ask the address for nothing but whether it answers and knows the signature."""
        try:
            self._send("HEAD", "check", b"", also=_NO_HEAD)
        except JianhengError as error:
            return [Finding(self._url, error.problem)]
        return [Finding(self._url)]

    def write(self, publication: Publication) -> Receipt:
        """Send a publication.

        Raises:
            RetryError: there was no answer, or the other side is busy.
            StopError: it refused the message or the signature.
        """
        if publication.kind not in self._kinds:
            return Receipt(self._url, 0, "not sent: kinds")
        told = content(publication, self._people)
        self._send("POST", publication.id, json.dumps(told, ensure_ascii=False).encode())
        return Receipt(self._url, records(publication))

    def _send(self, method: str, number: str, body: bytes, also: frozenset[int] = frozenset()) -> None:
        headers = {"content-type": "application/json; charset=utf-8", **signed(self._key, number, body)}
        try:
            answer = requests.request(
                method,
                self._url,
                data=body,
                headers=headers,
                timeout=self._timeout,
                verify=self._verify,
                allow_redirects=False,
                stream=True,
            )
            with answer:
                _read_to_its_end(answer, self._timeout)
        except (requests.RequestException, OSError) as error:
            reason = type(error).__name__
            raise RetryError("webhook-unreachable", host=self._host, url=self._url, reason=reason) from error
        status, wait = answer.status_code, answer.headers.get("retry-after", "")
        if status < requests.codes.multiple_choices:
            if answer.headers.get("content-type", "").startswith("text/html"):
                raise StopError("webhook-not-a-receiver", host=self._host, url=self._url)
            return
        if status in _BUSY:
            after_s = float(wait) if wait.isascii() and wait.isdigit() else None
            raise RetryError("webhook-busy", after_s=after_s, host=self._host, url=self._url, status=status)
        if status in (requests.codes.unauthorized, requests.codes.forbidden):
            raise StopError("webhook-not-authorised", host=self._host, url=self._url, status=status)
        if status not in also:
            raise StopError("webhook-refused", host=self._host, url=self._url, status=status, id=number)


def signed(key: bytes, number: str, body: bytes) -> Mapping[str, str]:
    """Return the headers that prove who sent a message and when (Standard Webhooks, symmetric signature v1)."""
    moment = str(int(time.time()))
    told = b".".join((number.encode(), moment.encode(), body))
    signature = base64.b64encode(hmac.new(key, told, hashlib.sha256).digest()).decode()
    return {"webhook-id": number, "webhook-timestamp": moment, "webhook-signature": f"v1,{signature}"}


def _read_to_its_end(answer: requests.Response, timeout_s: float) -> None:
    """Take an answer only whole: one that was cut may be of a message that was not kept. A long one is not waited for."""
    until = time.monotonic() + timeout_s
    # Byte by byte (they are few): a larger piece would be waited for however slowly it comes.
    for read, _ in enumerate(answer.iter_content(1)):
        if read > _LONGEST_ANSWER:
            return
        if time.monotonic() > until:
            raise requests.Timeout("answer")


def _host(url: str, *, allow_http: bool) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        named = f"{host}:{parts.port}" if parts.port else host
    except ValueError as error:
        raise StopError("webhook-url", url=url, reason=str(error)) from error
    if not host or parts.username or parts.scheme not in ("http", "https"):
        raise StopError("webhook-url", url=parts._replace(netloc=named).geturl(), reason="https://HOST/PATH")
    if parts.scheme == "http" and not allow_http:
        raise StopError("webhook-url", url=url, reason="http")
    return named


def _key(told: str) -> bytes:
    try:
        key = (
            base64.b64decode(told.removeprefix(_PREFIX), validate=True)
            if told.startswith(_PREFIX)
            else told.encode()
        )
    except binascii.Error as error:
        raise StopError("webhook-key", reason="base64") from error
    if len(key) < _LEAST_KEY_BYTES:
        raise StopError("webhook-key", reason=f"{len(key)} < {_LEAST_KEY_BYTES}")
    return key


@hookimpl
def targets() -> Mapping[str, TargetFactory]:
    """Return this target."""
    return {"webhook": Webhook}
