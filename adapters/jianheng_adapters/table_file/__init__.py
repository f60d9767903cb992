"""Workbooks and delimited files, read as a site's mapping says."""

from collections.abc import Mapping

from jianheng.contract import AdapterContext, SourceFactory
from jianheng.hookspecs import hookimpl
from jianheng_adapters.mapping import load_mapping
from jianheng_adapters.table_file.source import TableSource


def make_source(context: AdapterContext) -> TableSource:
    """Return the source for the files and the mapping the deployment names."""
    mapping = load_mapping(
        None,
        context.options["mapping"],
        placement="sheet",
        allow_sensitive=context.options.get("allow_sensitive") or (),
    )
    return TableSource(context, mapping)


@hookimpl
def sources() -> Mapping[str, SourceFactory]:
    """Return the source."""
    return {"table-file": make_source}
