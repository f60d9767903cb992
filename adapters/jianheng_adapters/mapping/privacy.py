"""Which source columns may not be mapped, and the check that nobody does."""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from jianheng.errors import Problem, problem
from jianheng.facts.entities import ENTITIES
from jianheng_adapters.mapping.model import StreamMapping


@cache
def _patterns() -> dict[str, tuple[str, ...]]:
    lists = tomllib.loads(Path(__file__).with_name("sensitive.toml").read_text(encoding="utf-8"))
    return {kind: tuple(each.upper() for each in patterns) for kind, patterns in lists.items()}


def _bare(name: str, stream: StreamMapping) -> Iterator[str]:
    """Yield what a column is called: without the alias of a joined table, and what lies deep in a record by its last name."""
    alias, dot, column = name.partition(".")
    told = (column if dot and alias in stream.join else name).strip().upper()
    yield told
    last = re.split(r"[./@]", told)[-1]
    if last and last != told:
        yield last


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def is_sensitive(name: str) -> bool:
    """Return whether a source column by this name is never read by default."""
    patterns = _patterns()
    return _matches(name.upper(), (*patterns["credentials"], *patterns["identity"], *patterns["free_text"]))


def find_exposed(name: str, stream: StreamMapping, allowed: Sequence[str], file: str) -> Iterator[Problem]:
    """Yield a problem for each sensitive column a stream reads or shows, and each name left readable."""
    spared = {each.upper() for each in allowed}
    shown = (*stream.sources(), *stream.order, *stream.exclude, *stream.only)
    for column in _matching(shown, stream, spared, is_sensitive):
        yield problem("mapping-sensitive-column", file=file, stream=name, column=column)
    entity = ENTITIES.get(stream.entity)
    hidden = {column.name for column in entity.columns if column.privacy == "party"} if entity else set()
    readable = [
        source for target, each in stream.columns.items() if target not in hidden for source in each.sources()
    ]
    readable += [source for each in stream.attributes.values() for source in each.sources()]
    told = (*readable, *stream.locator, *stream.order)
    names = _patterns()["party_names"]
    for column in _matching(told, stream, spared, lambda each: _matches(each, names)):
        yield problem("mapping-party-name", file=file, stream=name, column=column)


def _matching(
    names: Iterable[str], stream: StreamMapping, spared: set[str], is_meant: Callable[[str], bool]
) -> Iterator[str]:
    """Yield the columns that are meant by any name they have, each once; one that is spared by any is not."""
    told = (tuple(_bare(each, stream)) for each in names)
    yield from dict.fromkeys(
        bares[-1] for bares in told if spared.isdisjoint(bares) and any(is_meant(each) for each in bares)
    )
