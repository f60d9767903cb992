"""The ways in which a service knows us: a header, a name and password, OAuth2, a signature over each request."""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC
from requests.auth import HTTPBasicAuth

from jianheng.contract import AdapterContext
from jianheng.errors import StopError
from jianheng_adapters.mapping.service import Auth, SignedPart
from jianheng_adapters.web_service.client import Login, TokenError, WebClient

_RENEW_EARLY_S = 30
_CLIENT_S = 3600.0


class Fixed:
    """A secret that stays the same, put into a request by a function."""

    def __init__(self, sign: Callable[[requests.PreparedRequest], object]) -> None:
        self._sign = sign

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put it in."""
        self._sign(request)
        return request

    def renew(self, client: WebClient, *, again: bool) -> bool:
        """There is nothing to renew."""
        del client, again
        return False


class Bearer:
    """A token that is fetched, used until shortly before it ends, and fetched anew when it is refused."""

    def __init__(self, fetch: Callable[[WebClient], tuple[str, float]]) -> None:
        """Take what asks the service for a token and the seconds it is good for."""
        self._fetch = fetch
        self._token = ""
        self._expires = 0.0

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the token in."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def renew(self, client: WebClient, *, again: bool) -> bool:
        """Get a token unless there is one that still holds."""
        if again or not self._token or time.monotonic() >= self._expires:
            self._token, lifetime = self._fetch(client)
            self._expires = time.monotonic() + max(lifetime - _RENEW_EARLY_S, lifetime / 2)
        return True


def token_of(client: WebClient, path: str, **request: Any) -> tuple[str, float]:
    """Ask for a token; return it with the seconds it is good for.

    Raises:
        StopError: the service does not take our name and secret, or gives no token.
    """
    try:
        answer = client.parse_json(path, client.send("POST", path, **request))
    except TokenError:
        raise client.login_refused() from None
    except StopError as error:
        if error.code in (f"{client.codes}-request-refused", f"{client.codes}-access-denied"):
            raise client.login_refused() from None  # OAuth2 tells of a wrong secret with 400
        raise
    found = answer if isinstance(answer, dict) else {}
    token, lifetime = found.get("access_token"), found.get("expires_in", _CLIENT_S)
    try:
        seconds = float(lifetime)
    except (TypeError, ValueError):
        seconds = -1.0
    if not isinstance(token, str) or not token or isinstance(lifetime, bool) or seconds < 0:
        raise client.misshapen(path, "access_token")
    return token, seconds


def login_for(auth: Auth, context: AdapterContext) -> Login | None:
    """Return how requests are made ours; None where the service asks for nothing.

    Raises:
        StopError: the option or the secret that this kind needs is not given.
    """
    if auth.kind == "header":
        value = auth.prefix + _secret(context, "api_key")
        return Fixed(lambda request: request.headers.update({auth.header: value}))
    if auth.kind == "basic":
        # As bytes: requests would write anything else in Latin-1.
        return Fixed(HTTPBasicAuth(_option(context, "user").encode(), _secret(context, "password").encode()))
    if auth.kind == "oauth2":
        return Bearer(lambda client: _oauth_token(client, auth, context))
    if auth.kind == "signature":
        return Fixed(Signer(auth, _option(context, "client_id"), _secret(context, "signing_key").encode()))
    return None


def username_of(context: AdapterContext) -> tuple[str, str]:
    """Return the name and password of a login that stands in the message itself.

    Raises:
        StopError: one of them is not given.
    """
    return _option(context, "user"), _secret(context, "password")


def _option(context: AdapterContext, name: str) -> str:
    found = context.options.get(name)
    if not found:
        raise StopError("web-option-missing", target=context.name, option=name)
    return str(found)


def _secret(context: AdapterContext, name: str) -> str:
    found = context.secrets.get(name)
    if found is None:
        raise StopError("web-secret-missing", target=context.name, secret=name)
    return found.reveal()


def _oauth_token(client: WebClient, auth: Auth, context: AdapterContext) -> tuple[str, float]:
    ours = (_option(context, "client_id"), _secret(context, "client_secret"))
    form = {"grant_type": "client_credentials", **({"scope": auth.scope} if auth.scope else {})}
    if auth.client_in == "body":
        return token_of(
            client, auth.token_path, data={**form, "client_id": ours[0], "client_secret": ours[1]}
        )
    name, secret = (quote(each, safe="") for each in ours)  # RFC 6749, 2.3.1
    return token_of(client, auth.token_path, data=form, auth=(name, secret))


class Signer:
    """Signs requests with an HMAC over the parts that the mapping names, joined with line feeds (docs/declarative.md)."""

    def __init__(self, auth: Auth, client: str, key: bytes) -> None:
        self._auth, self._client, self._key = auth, client, key

    def __call__(self, request: requests.PreparedRequest) -> None:
        """Add the client id, the time, a nonce and the signature."""
        auth = self._auth
        now = time.time()
        timestamp = str(int(now * 1000) if auth.timestamp == "epoch_ms" else int(now))
        nonce = secrets.token_hex(16)
        address = urlsplit(str(request.url))
        parts: Mapping[SignedPart, str] = {
            "method": str(request.method),
            "path": address.path,
            "query": canonical_query(address.query),
            "timestamp": timestamp,
            "nonce": nonce,
            "client": self._client,
            "body": _hash(auth.algorithm, _bytes(request.body)).hex(),
        }
        signed = _mac(auth.algorithm, self._key, "\n".join(parts[each] for each in auth.parts).encode())
        request.headers[auth.client_header] = self._client
        request.headers[auth.timestamp_header] = timestamp
        request.headers[auth.nonce_header] = nonce
        told = signed.hex() if auth.encoding == "hex" else base64.b64encode(signed).decode()
        request.headers[auth.signature_header] = told


def canonical_query(query: str) -> str:
    """Return a query sorted by name and value, encoded as RFC 3986 says."""
    return urlencode(sorted(parse_qsl(query, keep_blank_values=True)), quote_via=quote, safe="-._~")


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body or b"")


def _hash(algorithm: str, content: bytes) -> bytes:
    if algorithm == "sm3":
        digest = hashes.Hash(hashes.SM3())
        digest.update(content)
        return digest.finalize()
    return hashlib.new(algorithm, content).digest()


def _mac(algorithm: str, key: bytes, content: bytes) -> bytes:
    if algorithm == "sm3":
        made = HMAC(key, hashes.SM3())
        made.update(content)
        return made.finalize()
    return hmac.new(key, content, algorithm).digest()
