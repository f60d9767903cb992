"""One SOAP service: its WSDL, its operations, and what its faults mean."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn, Self

from lxml import etree
from zeep import Client, Settings
from zeep import exceptions as told
from zeep.helpers import serialize_object
from zeep.wsse.username import UsernameToken

from jianheng.contract import AdapterContext
from jianheng.errors import StopError
from jianheng_adapters.mapping import MappingFile, StreamMapping
from jianheng_adapters.mapping.load import nearest
from jianheng_adapters.mapping.markup import tree_of
from jianheng_adapters.mapping.service import Call
from jianheng_adapters.soap_service.transport import ClientTransport, ExpectedAnswer, SoapClient
from jianheng_adapters.web_service.answer import judge
from jianheng_adapters.web_service.client import TokenError
from jianheng_adapters.web_service.listing import Answered, Asked
from jianheng_adapters.web_service.login import login_for, username_of
from jianheng_adapters.web_service.retry import PassingError

_UNKNOWN_TO_IT = frozenset({"FailedAuthentication", "InvalidSecurity", "InvalidSecurityToken", "FailedCheck"})
"""Codes of WS-Security that mean that name or password is wrong."""
_SHOWN = 120


class SoapService:
    """A conversation with a SOAP service."""

    def __init__(self, context: AdapterContext, mapping: MappingFile) -> None:
        self._context, self._settings = context, mapping.service
        auth = mapping.service.auth
        self._login = login_for(auth, context)
        self._wsse = None
        if auth.kind == "username-token":
            self._wsse = UsernameToken(*username_of(context), use_digest=auth.digest)
        self._http = SoapClient(context, self._login)
        self._soap: Any = None
        self._operations: Mapping[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._http.close()

    @property
    def host(self) -> str:
        """Which host is spoken to."""
        return self._http.host

    def login(self) -> None:
        """Read the WSDL, and log in where that is a request of its own.

        Raises:
            RetryError: the service doesn't answer.
            StopError: it refuses us, or its WSDL can't be used.
        """
        if self._login is not None:
            login = self._login
            self._http.attempt("", lambda: login.renew(self._http, again=False))
        self._port()

    def place(self, described: StreamMapping) -> str:
        """Return how messages call the list of a stream."""
        return _call(described).operation

    def ask(self, described: StreamMapping, asked: Asked) -> Answered:
        """Return what one call of a stream's operation gives.

        Raises:
            RetryError: the service doesn't answer, or says: not now.
            StopError: it refuses, reports a fault, or answers what can't be right.
        """
        call = _call(described)
        port = self._port()
        if call.operation not in self._operations:
            names = sorted(self._operations)
            raise StopError(
                "soap-operation-missing",
                operation=call.operation,
                host=self.host,
                nearest=nearest(call.operation, names),
                present="、".join(names),
            )
        arguments = _nested(asked.parameters)
        return self._http.attempt(call.operation, lambda: Answered(self._once(port, call, arguments)))

    def _once(self, port: Any, call: Call, arguments: Mapping[str, Any]) -> Any:
        """Call once, or once more after a new login where the service says inside that it doesn't know us."""
        for again in (False, True):
            try:
                value = self._called(port, call, arguments)
                judge(self._settings.answer, value, host=self.host, path=call.operation)
            except TokenError:
                if again or self._login is None or not self._login.renew(self._http, again=True):
                    break
            else:
                return value
        raise self._http.login_refused()

    def _called(self, port: Any, call: Call, arguments: Mapping[str, Any]) -> Any:
        try:
            result = getattr(port, call.operation)(**arguments)
        except told.Fault as fault:
            self._tell_fault(call, fault)
        except (TypeError, ValueError, told.ValidationError, told.LookupError) as error:
            signature = self._operations[call.operation].input.signature()
            raise StopError(
                "soap-parameters-wrong",
                operation=call.operation,
                host=self.host,
                reason=_line(error),
                signature=str(signature)[:300],
            ) from None
        except (told.Error, etree.LxmlError) as error:
            reason = type(error).__name__
            raise StopError(
                "soap-answer-wrong", operation=call.operation, host=self.host, reason=reason
            ) from None
        value = self._wrapped(call, _plain(serialize_object(result, dict)))
        return self._content(call, value)

    def _wrapped(self, call: Call, value: Any) -> Any:
        """Return a result as its element holds it: zeep leaves out elements that are the only ones."""
        body = getattr(self._operations[call.operation].output, "body", None)
        outer = _only_element(getattr(body, "type", None))
        if outer is None:
            return value
        name, element = outer
        inner = None if element.accepts_multiple else _only_element(element.type)
        return {name: value if inner is None or value is None else {inner[0]: value}}

    def _content(self, call: Call, value: Any) -> Any:
        """Return the result, or what the text holds that it is."""
        if not call.content:
            return value
        text = next(iter(value.values())) if isinstance(value, Mapping) and len(value) == 1 else value
        try:
            if text is None or not str(text).strip():
                return None
            return tree_of(str(text)) if call.content == "xml" else json.loads(str(text), parse_float=Decimal)
        except (ValueError, RecursionError):
            raise StopError(
                "soap-content-wrong", content=call.content.upper(), host=self.host, operation=call.operation
            ) from None

    def _tell_fault(self, call: Call, fault: told.Fault) -> NoReturn:
        codes = [_local(each) for each in (fault.code, *(fault.subcodes or ())) if each is not None]
        answer = self._settings.answer
        if not _UNKNOWN_TO_IT.isdisjoint(codes) or not set(answer.denied).isdisjoint(codes):
            raise TokenError
        shown, code = _line(fault), codes[-1] if codes else "-"
        if not set(answer.busy).isdisjoint(codes):
            raise PassingError("unavailable", f"{code}: {shown}")
        raise StopError("soap-fault", code=code, told=shown, host=self.host, operation=call.operation)

    def _port(self) -> Any:
        """Return what calls the operations, at the address the deployment names.

        Raises:
            StopError: the WSDL can't be used.
        """
        if self._soap is None:
            file = self._context.options.get("wsdl")
            where = str(file) if file is not None else f"{str(self._context.options['url']).rstrip('/')}?wsdl"
            client = self._http.attempt("?wsdl", lambda: self._read(where, file))
            self._soap = self._bound(client, where)
        return self._soap

    def _read(self, where: str, file: Path | None) -> Client:
        transport = ClientTransport(self._http, file)
        settings = Settings(strict=True, forbid_dtd=True, forbid_entities=True, xml_huge_tree=False)
        try:
            return Client(
                where, transport=transport, settings=settings, wsse=self._wsse, plugins=[ExpectedAnswer()]
            )
        except (told.Error, etree.LxmlError, KeyError, ValueError, AttributeError) as error:
            # A document that is something else altogether breaks zeep in many ways.
            raise StopError("soap-wsdl-wrong", wsdl=where, reason=type(error).__name__) from None

    def _bound(self, client: Client, where: str) -> Any:
        services: dict[str, Any] = client.wsdl.services
        service = _named(services, self._context.options.get("service"))
        port = None if service is None else _named(service.ports, self._context.options.get("port"))
        if port is None:
            present = "、".join(f"{name}.{each}" for name, found in services.items() for each in found.ports)
            raise StopError("soap-port-missing", wsdl=where, present=present or "-")
        self._operations = dict(port.binding._operations)  # noqa: SLF001 -- zeep offers no other list of them
        return client.create_service(port.binding.name, str(self._context.options["url"]))


def _call(described: StreamMapping) -> Call:
    if described.call is None:  # the mapping was checked: every stream has one
        raise StopError("mapping-key-missing", file="-", path=described.entity, key="call")
    return described.call


def _named(found: Mapping[str, Any], name: str | None) -> Any:
    """Return what somebody named, or the first there is."""
    return found.get(name) if name else next(iter(found.values()), None)


def _nested(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments by name, ``a.b`` as the field b of a."""
    found: dict[str, Any] = {}
    for path, value in parameters.items():
        here = found
        *outer, last = path.split(".")
        for name in outer:
            inner = here.setdefault(name, {})
            here = inner if isinstance(inner, dict) else {}
        here[last] = value
    return found


def _plain(value: Any) -> Any:
    """Return what zeep gives as plain tables and lists; what a schema leaves open comes as elements."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if etree.iselement(value):
        return tree_of(etree.tostring(value, encoding="unicode", with_tail=False))
    return value


def _only_element(told: Any) -> tuple[str, Any] | None:
    """Return the only element of a type that has but one, and no attributes."""
    elements = getattr(told, "elements", None) or []
    if len(elements) != 1 or getattr(told, "attributes", None):
        return None
    return str(elements[0][0]), elements[0][1]


def _local(code: Any) -> str:
    """Return the last part of a fault's code: ``env:Server.Busy`` is Busy's, ``{ns}Sender`` Sender's."""
    return str(getattr(code, "localname", code)).rpartition("}")[2].rpartition(":")[2]


def _line(error: Exception) -> str:
    lines = str(getattr(error, "message", "") or error).strip().splitlines() or [type(error).__name__]
    return lines[0][:_SHOWN]
