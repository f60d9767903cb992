"""Any JSON service that pages its lists, read as a mapping says: no code."""

from collections.abc import Mapping

from jianheng.contract import AdapterContext, SourceFactory
from jianheng.hookspecs import hookimpl
from jianheng_adapters.json_api.service import JsonService
from jianheng_adapters.web_service.source import ServiceSource


def make_source(context: AdapterContext) -> ServiceSource:
    """Return the source for the service and the mapping that the deployment names."""
    return ServiceSource(context, "request", JsonService)


@hookimpl
def sources() -> Mapping[str, SourceFactory]:
    """Return the source."""
    return {"json-api": make_source}
