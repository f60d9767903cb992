"""What listing the keys of a stream needs: its mapping without everything but the key and what tells a live row."""

from collections.abc import Iterator

from jianheng.facts.entities import ENTITIES
from jianheng_adapters.mapping import MappingFile, StreamMapping


def only_key(mapping: MappingFile, name: str) -> MappingFile:
    """Return a mapping whose stream of this name reads nothing but its key.

    What is in scope and what counts as deleted stay as they are, so that its live rows are those that reading gives.
    """
    stream = mapping.streams[name]
    key = ENTITIES[stream.entity].key.name
    bare = stream.model_copy(
        update={"columns": {key: stream.columns[key]}, "attributes": {}, "locator": (), "mode": "snapshot"}
    )
    wanted = _aliases(bare)
    joins = {alias: join for alias, join in stream.join.items() if alias in wanted}
    bare = bare.model_copy(update={"join": joins})
    return mapping.model_copy(update={"streams": {**mapping.streams, name: bare}})


def _aliases(stream: StreamMapping) -> set[str]:
    """Return the joined tables that are still needed, and those that these are joined by."""
    names = [*stream.sources(), *([stream.via_case] if stream.via_case else [])]
    found: set[str] = set()
    while names:
        for alias in {each for each in map(_alias, names) if each in stream.join} - found:
            found.add(alias)
        names = [
            ours for alias in found for ours in stream.join[alias].on.values() if _alias(ours) not in found
        ]
        names = [each for each in names if _alias(each) in stream.join]
    return found


def _alias(name: str) -> str:
    return name.partition(".")[0]


def pages(keys: Iterator[str], size: int) -> Iterator[list[str]]:
    """Yield keys many at a time."""
    page: list[str] = []
    for key in keys:
        page.append(key)
        if len(page) >= size:
            yield page
            page = []
    if page:
        yield page
