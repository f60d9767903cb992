"""Takes the records of a service, a tap or an XML file, nested as they are, and makes rows of those in scope."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jianheng.contract import AdapterContext, Row
from jianheng.errors import FaultsError, Problem, StopError, problem
from jianheng.facts.entities import ENTITIES
from jianheng_adapters.mapping.load import nearest
from jianheng_adapters.mapping.model import MappingFile, StreamMapping
from jianheng_adapters.mapping.rows import RowMaker, row_maker, told_text

PARENT = "parent"
"""What the outer record is called in the mapping of records that lie inside others."""
SHOWN = 30
"""Names of fields that a message lists."""

Record = Mapping[str, Any]
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Taken:
    """A record in scope: what the mapping reads of it, and the row made of that."""

    raw: Mapping[str, Any]
    row: Row


class Records:
    """Makes rows of the records of one stream; raises nothing about single records, those core judges."""

    def __init__(self, mapping: MappingFile, stream: str, context: AdapterContext, place: str) -> None:
        """Compile what the mapping says.

        Args:
            mapping: the mapping.
            stream: which of its streams.
            context: the adapter's; its units are the scope.
            place: where the records are, as a person calls it.
        """
        self._described, self._stream, self._place = mapping.streams[stream], stream, place
        self._units = frozenset(context.units)
        self._names = self._described.all_sources()
        optional = self._described.optional_sources()
        self._needed = [name for name in self._names if name not in optional]
        self._make = _maker(mapping, stream, self._names, place, context)

    def take(self, items: Iterable[Any], first: int = 1) -> list[Taken]:
        """Return the records in scope as rows, numbered from ``first``.

        Raises:
            FaultsError: a field that the mapping names stands in none of them, or holds more than one value.
            StopError: these are no records.
        """
        records = list(self._expand(items))
        flat = [{name: _fetch(record, name) for name in self._names} for record in records]
        faults = [*self._absent(records, flat), *self._nested(flat)]
        if faults:
            raise FaultsError(faults)
        told = [
            (number, {name: None if value is _ABSENT else value for name, value in each.items()})
            for number, each in enumerate(flat, first)
        ]
        return [Taken(each, self._make(each, number)) for number, each in told if self._in_scope(each)]

    def _expand(self, items: Iterable[Any]) -> Iterator[Record]:
        inner = self._described.each
        for item in items:
            if not isinstance(item, Mapping):
                raise self._no_records("*", item)
            if inner is None:
                yield item
                continue
            found = _fetch(item, inner)
            if found is _ABSENT or found is None:
                continue
            for each in found if isinstance(found, list) else [found]:
                yield {**(each if isinstance(each, Mapping) else {"value": each}), PARENT: item}

    def _no_records(self, name: str, item: Any) -> StopError:
        present = type(item).__name__
        return StopError(
            "mapping-records-missing", field=name, stream=self._stream, place=self._place, present=present
        )

    def _absent(self, records: Sequence[Record], flat: Sequence[Record]) -> Iterator[Problem]:
        # One record may lack a field, and core quarantines it; a field that all lack was renamed.
        for name in self._needed:
            if flat and all(each[name] is _ABSENT for each in flat):
                present = list(dict.fromkeys(path for record in records for path in _paths(record)))
                yield problem(
                    "mapping-field-missing",
                    field=name,
                    stream=self._stream,
                    place=self._place,
                    nearest=nearest(name, present),
                    present="、".join(present[:SHOWN]) or "-",
                )

    def _nested(self, flat: Sequence[Record]) -> Iterator[Problem]:
        for name in self._names:
            if any(isinstance(each[name], Mapping | list) for each in flat):
                yield problem("mapping-field-nested", field=name, stream=self._stream, place=self._place)

    def _in_scope(self, record: Record) -> bool:
        return in_scope(self._described, record, self._units)


def in_scope(described: StreamMapping, record: Record, units: frozenset[str]) -> bool:
    """Return whether a record is to be read; one that does not say whose it is goes on, for core to quarantine it."""
    told = {told_text(record[column]) for column in described.scope} - {""}
    if told and told.isdisjoint(units):
        return False
    if any(told_text(record[column]) in values for column, values in described.exclude.items()):
        return False
    return all(told_text(record[column]) in values for column, values in described.only.items())


def distinct(rows: Iterable[Taken], key: str) -> Iterator[Taken]:
    """Yield the first row of each key and those that contradict it; drop what only repeats it."""
    seen: dict[Any, str] = {}
    for each in rows:
        content = repr([value for name, value in each.row.items() if name != "_locator"])
        known = seen.setdefault(each.row[key], content)
        if each.row[key] is None or known is content or known != content:
            yield each


def origins(described: StreamMapping) -> dict[str, tuple[str, ...]]:
    """Return the source columns that each canonical column is made of."""
    found = {name: tuple(dict.fromkeys(each.sources())) for name, each in described.columns.items()}
    told = tuple(dict.fromkeys(name for each in described.attributes.values() for name in each.sources()))
    return {**found, **({"attributes": told} if told else {})}


def find(record: Any, path: str) -> Any:
    """Return what stands at ``a.b.c`` of an answer, a number being a place in a list; None when there is nothing."""
    found = record if not path else _fetch(record, path)
    return None if found is _ABSENT else found


def is_there(record: Any, path: str) -> bool:
    """Return whether an answer has a place, be it empty: what lies in an empty table is there, and empty too."""
    return not path or _fetch(record, path) is not _ABSENT


def _maker(
    mapping: MappingFile, stream: str, names: Sequence[str], place: str, context: AdapterContext
) -> RowMaker:
    described = mapping.streams[stream]
    if not described.locator:  # where no row has a place of its own, its key tells where it is
        key = tuple(described.columns[ENTITIES[described.entity].key.name].sources())
        streams = {**mapping.streams, stream: described.model_copy(update={"locator": key})}
        mapping = mapping.model_copy(update={"streams": streams})
    index = {name: name for name in names}
    return row_maker(mapping, stream, index, place=place, pseudonym=context.pseudonym)


def _fetch(record: Any, path: str) -> Any:
    """Return what stands at a path; a name that holds dots itself comes first; an empty list or table is nothing."""
    if isinstance(record, Mapping) and path in record:
        return _told(record[path])
    here = record
    for part in path.split("."):
        if here is None:
            return None  # the table is empty, so is everything in it
        if isinstance(here, Mapping) and part in here:
            here = here[part]
        elif isinstance(here, list) and part.isdigit() and (not here or int(part) < len(here)):
            here = here[int(part)] if here else None
        else:
            return _ABSENT
    return _told(here)


def _told(value: Any) -> Any:
    return None if isinstance(value, Mapping | list) and not value else value


def _paths(record: Record, before: str = "", depth: int = 0) -> Iterator[str]:
    for name, value in record.items():
        path = f"{before}{name}"
        if isinstance(value, Mapping) and depth < 4:  # noqa: PLR2004 -- deep enough for a message
            yield from _paths(value, f"{path}.", depth + 1)
        else:
            yield path
