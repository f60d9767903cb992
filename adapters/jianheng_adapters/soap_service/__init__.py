"""Any SOAP service with a WSDL, read as a mapping says: no code. Needs the extra ``soap``."""

from collections.abc import Mapping
from pathlib import Path

from jianheng.contract import AdapterContext, SourceFactory
from jianheng.errors import StopError
from jianheng.hookspecs import hookimpl
from jianheng.messages import add_texts
from jianheng_adapters.web_service.source import ServiceSource

# In a process of its own nobody else brings the words.
add_texts(Path(__file__).with_name("messages.toml"))


def make_source(context: AdapterContext) -> ServiceSource:
    """Return the source for the service and the mapping that the deployment names.

    Raises:
        StopError: the library that speaks SOAP is not installed.
    """
    try:
        from jianheng_adapters.soap_service.service import SoapService
    except ImportError:
        raise StopError("soap-not-installed", source=context.name) from None
    return ServiceSource(context, "call", SoapService)


@hookimpl
def sources() -> Mapping[str, SourceFactory]:
    """Return the source."""
    return {"soap-service": make_source}
