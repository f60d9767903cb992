"""How a web service is spoken to: who we are, how it pages, what its answers mean."""

from typing import Any, Literal

from pydantic import Field, StrictBool, StrictStr, field_validator

from jianheng_adapters.mapping.value import Value

AuthKind = Literal["none", "header", "basic", "oauth2", "signature", "username-token"]
PagingKind = Literal["none", "page", "offset", "link", "token"]
SignedPart = Literal["method", "path", "query", "timestamp", "nonce", "client", "body"]


class Auth(Value):
    """How the service knows us. Secrets stand in the deployment, never here.

    Attributes:
        kind: ``header``: the secret ``api_key`` in a header; ``basic``: option ``user``, secret ``password``;
            ``oauth2``: client credentials, option ``client_id``, secret ``client_secret``; ``signature``: an HMAC over
            each request, option ``client_id``, secret ``signing_key``; ``username-token``: SOAP, WS-Security.
        header: ``header``: its name.
        prefix: ``header``: what stands before the secret, such as ``"Bearer "``.
        token_path: ``oauth2``: where a token is asked for, relative to the service's address.
        scope: ``oauth2``: the scope asked for, if any.
        client_in: ``oauth2``: whether client id and secret go into a basic header or into the form.
        parts: ``signature``: what is signed, in this order, joined with line feeds.
        algorithm: ``signature``: the digest of the HMAC.
        encoding: ``signature``: how it is written.
        client_header: ``signature``: the header with the client id; likewise the others.
        digest: ``username-token``: the password is sent as a digest with a nonce.
    """

    kind: AuthKind = "none"
    header: StrictStr = "Authorization"
    prefix: StrictStr = ""
    token_path: StrictStr = "oauth/token"  # noqa: S105 -- a path
    scope: StrictStr = ""
    client_in: Literal["header", "body"] = "header"
    parts: tuple[SignedPart, ...] = ("method", "path", "query", "timestamp", "nonce", "body")
    algorithm: Literal["sha256", "sha512", "sm3", "sha1", "md5"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    client_header: StrictStr = "X-Client-Id"
    timestamp_header: StrictStr = "X-Timestamp"
    timestamp: Literal["epoch", "epoch_ms"] = "epoch"
    nonce_header: StrictStr = "X-Nonce"
    signature_header: StrictStr = "X-Signature"
    digest: StrictBool = False


class Paging(Value):
    """How long lists come.

    Attributes:
        kind: ``page`` numbers pages, ``offset`` counts records, ``link`` gives the next page's address, ``token``
            a token to send back; ``none``: one answer holds all.
        parameter: the parameter that says which page, offset or token.
        first: the number of the first page, or the first offset.
        size_parameter: the parameter that says how many at once, filled from the option ``page_size``.
        next: where in the answer the next link or token stands; a link may stand in the header ``Link`` instead.
        more: where in the answer it says whether there is more.
        total: where in the answer it says how many there are in all: a read of fewer is no complete read.
    """

    kind: PagingKind = "none"
    parameter: StrictStr = "page"
    first: int = 1
    size_parameter: StrictStr = ""
    next: StrictStr = ""
    more: StrictStr = ""
    total: StrictStr = ""


class Answer(Value):
    """What an answer means where the HTTP status does not say it: many services answer 200 and put a code inside.

    Attributes:
        code: where the code stands.
        ok: the codes that mean success.
        denied: the codes that mean that we may not.
        busy: the codes that mean that it may work later.
        message: where the service's own words stand.
    """

    code: StrictStr = ""
    ok: tuple[StrictStr, ...] = ("0", "200")
    denied: tuple[StrictStr, ...] = ()
    busy: tuple[StrictStr, ...] = ()
    message: StrictStr = ""


class Changed(Value):
    """How the service is asked for what changed since a moment, with the stream's ``cursor``.

    Attributes:
        parameter: the parameter that holds it; ``a.b`` for a field of a SOAP argument. Empty: the stream is read
            whole and what is older than the cursor left out.
        format: how it is written: ``iso``, ``epoch``, ``epoch_ms``, or a strftime format.
        sorted: the service gives what changed first first; only then can a read stop in the middle and go on there.
    """

    parameter: StrictStr = ""
    format: StrictStr = "iso"
    sorted: StrictBool = False


class Service(Value):
    """What holds for all requests; a stream may say it anew.

    Attributes:
        headers: headers of every request. No secrets: those are for ``auth``.
    """

    auth: Auth = Auth()
    paging: Paging = Paging()
    answer: Answer = Answer()
    changed: Changed = Changed()
    headers: dict[StrictStr, StrictStr] = Field(default_factory=dict)


class _Asked(Value):
    """What a request and a call have in common.

    Attributes:
        items: where the list of records stands in the answer; empty: the answer is the list.
        parameters: what is asked for. ``:units`` becomes the units in scope, joined with commas; ``:office`` the office.
        unit_parameter: the parameter that takes one unit: every unit in scope is asked for by itself.
        paging: instead of the service's.
        changed: instead of the service's.
    """

    items: StrictStr = ""
    parameters: dict[StrictStr, Any] = Field(default_factory=dict)
    unit_parameter: StrictStr = ""
    paging: Paging | None = None
    changed: Changed | None = None

    @field_validator("parameters")
    @classmethod
    def _plain(cls, given: dict[str, Any]) -> dict[str, Any]:
        if not all(isinstance(each, str | int | list) for each in given.values()):
            raise ValueError("parameters")
        return given


class Request(_Asked):
    """One list of a JSON service.

    Attributes:
        path: relative to the service's address.
        method: ``POST`` sends the parameters as a JSON object; it must change nothing there.
    """

    path: StrictStr = Field(min_length=1)
    method: Literal["GET", "POST"] = "GET"


class Call(_Asked):
    """One operation of a SOAP service; a parameter ``a.b`` is the field b of the argument a.

    Attributes:
        content: the result is a text that holds XML or JSON itself, as many older services answer.
    """

    operation: StrictStr = Field(min_length=1)
    content: Literal["", "xml", "json"] = ""
