"""How zeep reaches documents and the service: through our client, its limits, and declared hosts only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from requests.structures import CaseInsensitiveDict
from zeep import Plugin
from zeep.exceptions import XMLParseError
from zeep.transports import Transport

from jianheng.errors import StopError
from jianheng_adapters.web_service.client import Reply, WebClient


class SoapClient(WebClient):
    """A conversation with a SOAP service: its faults come with HTTP 500."""

    faults_in_500 = True


class ExpectedAnswer(Plugin):
    """Refuses an answer that holds another element than the operation's: zeep would find nothing in it, and say so."""

    def ingress(self, envelope: Any, http_headers: Any, operation: Any) -> tuple[Any, Any]:
        """Look at an answer before it is read."""
        wanted = getattr(getattr(operation.output, "body", None), "qname", None)
        body = next((each for each in envelope if each.tag.endswith("}Body")), ())
        first = next(iter(body), None)
        strange = first is None or first.tag != getattr(wanted, "text", first.tag)
        if wanted is not None and strange and not (first is not None and first.tag.endswith("}Fault")):
            raise XMLParseError("another element")
        return envelope, http_headers


class Response:
    """What zeep wants to know of an answer."""

    def __init__(self, reply: Reply) -> None:
        self.content = reply.body
        self.status_code = reply.status
        self.headers = CaseInsensitiveDict(reply.headers)
        self.encoding = "utf-8"


class ClientTransport(Transport):
    """Loads WSDL and schemas, and posts envelopes; every request once, whoever calls tries again."""

    def __init__(self, client: WebClient, wsdl: Path | None) -> None:
        # Not calling super: it would open a session that follows redirects and knows no limits.
        self._client = client
        self._folder = None if wsdl is None else wsdl.parent.resolve()
        self.cache = None
        self._close_session = False

    def load(self, url: Any) -> bytes:
        """Return a document: from the service's hosts, or from the folder of the WSDL.

        Raises:
            StopError: it stands anywhere else, or can't be read.
        """
        told = str(url)
        if urlsplit(told).scheme in ("http", "https"):
            return self._client.send_known("GET", told).body
        file = Path(told.removeprefix("file://")).resolve()
        if self._folder is None or not file.is_relative_to(self._folder):
            raise StopError("soap-wsdl-wrong", wsdl=told, reason="outside the folder of the WSDL")
        try:
            if file.stat().st_size > int(self._client.option("max_response_bytes", 50_000_000)):
                raise StopError("soap-wsdl-wrong", wsdl=file.name, reason="too large")
            return file.read_bytes()
        except OSError as error:
            raise StopError("soap-wsdl-wrong", wsdl=file.name, reason=type(error).__name__) from None

    def post(self, address: str, message: bytes, headers: Mapping[str, str]) -> Response:
        """Post an envelope and return the answer, a fault being one."""
        return Response(self._client.send_known("POST", address, data=message, headers=dict(headers)))

    def get(self, address: str, params: Any, headers: Mapping[str, str]) -> Response:
        """Ask for something; bindings of plain HTTP do."""
        return Response(self._client.send_known("GET", address, params=params, headers=dict(headers)))
