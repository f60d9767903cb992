"""A folder that files are dropped into: each is read once, then moved to ``done`` or ``failed``."""

from collections.abc import Mapping

from jianheng.contract import AdapterContext, SourceFactory
from jianheng.hookspecs import hookimpl
from jianheng_adapters.drop_folder.source import DropSource
from jianheng_adapters.mapping import load_mapping


def make_source(context: AdapterContext) -> DropSource:
    """Return the source for the folder and the mapping that the deployment names."""
    mapping = load_mapping(
        None,
        context.options["mapping"],
        placement="drop",
        allow_sensitive=context.options.get("allow_sensitive") or (),
    )
    return DropSource(context, mapping)


@hookimpl
def sources() -> Mapping[str, SourceFactory]:
    """Return the source."""
    return {"drop-folder": make_source}
