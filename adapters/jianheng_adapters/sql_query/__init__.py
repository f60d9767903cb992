"""Any database that SQLAlchemy knows: a table, a view or a SELECT for each stream, read as a mapping says."""

from collections.abc import Mapping
from pathlib import Path

from jianheng.contract import AdapterContext, SourceFactory
from jianheng.hookspecs import hookimpl
from jianheng.messages import add_texts
from jianheng_adapters.mapping import load_mapping
from jianheng_adapters.sql_query.source import QuerySource

# In a process of its own nobody else brings the words.
add_texts(Path(__file__).with_name("messages.toml"))


def make_source(context: AdapterContext) -> QuerySource:
    """Return the source for the database and the mapping that the deployment names."""
    mapping = load_mapping(
        None,
        context.options["mapping"],
        placement="query",
        allow_sensitive=context.options.get("allow_sensitive") or (),
    )
    return QuerySource(context, mapping)


@hookimpl
def sources() -> Mapping[str, SourceFactory]:
    """Return the source."""
    return {"sql-query": make_source}
