"""The personnel department's workbook, dropped into a folder."""

from collections.abc import Mapping
from pathlib import Path

from jianheng.contract import AdapterContext, SourceFactory
from jianheng.hookspecs import hookimpl
from jianheng_adapters.mapping import load_mapping
from jianheng_adapters.table_file.source import TableSource

SHIPPED = Path(__file__).with_name("mappings") / "personnel-1.toml"


def make_source(context: AdapterContext) -> TableSource:
    """Return the source: the machinery of table files with the workbook's own mapping."""
    mapping = load_mapping(
        SHIPPED,
        context.options.get("mapping"),
        placement="sheet",
        allow_sensitive=context.options.get("allow_sensitive") or (),
    )
    return TableSource(context, mapping)


@hookimpl
def sources() -> Mapping[str, SourceFactory]:
    """Return the source."""
    return {"personnel-workbook": make_source}
