"""Any tap of the Singer ecosystem as a source: run as a program of its own, its records read as a mapping says."""

from collections.abc import Mapping
from pathlib import Path

from jianheng.contract import AdapterContext, SourceFactory
from jianheng.hookspecs import hookimpl
from jianheng.messages import add_texts
from jianheng_adapters.mapping import load_mapping
from jianheng_adapters.singer_tap.source import TapSource

# In a process of its own nobody else brings the words.
add_texts(Path(__file__).with_name("messages.toml"))


def make_source(context: AdapterContext) -> TapSource:
    """Return the source for the tap and the mapping that the deployment names."""
    mapping = load_mapping(
        None,
        context.options["mapping"],
        placement="tap",
        allow_sensitive=context.options.get("allow_sensitive") or (),
    )
    return TapSource(context, mapping)


@hookimpl
def sources() -> Mapping[str, SourceFactory]:
    """Return the source."""
    return {"singer-tap": make_source}
