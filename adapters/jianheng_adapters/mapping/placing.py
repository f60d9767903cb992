"""What a stream must say for the adapter that reads it, and what would mean nothing to that adapter."""

from collections.abc import Iterator

from jianheng.errors import Problem, problem
from jianheng_adapters.mapping.model import CASE_STREAM, MappingFile, Placement, StreamMapping

_TABLES: frozenset[Placement] = frozenset({"table", "query", "tap"})
_FILES: frozenset[Placement] = frozenset({"sheet", "drop"})
_RECORDS: frozenset[Placement] = frozenset({"request", "call", "tap", "sheet", "drop"})
_CASES: frozenset[Placement] = frozenset({"table"})
_MEANT: dict[str, frozenset[Placement]] = {
    "table": _TABLES,
    "sql": frozenset({"query"}),
    "sheet": _FILES,
    "file": _FILES,
    "record": _FILES,
    "fields": _FILES,
    "request": frozenset({"request"}),
    "call": frozenset({"call"}),
    "each": _RECORDS,
    "distinct": _FILES | {"request", "call"},
    "part_of": _CASES,
    "categories": _CASES,
    "via_case": _CASES,
    "follow_case": _CASES,
    "ancestors": _CASES,
    "join": _CASES,
}
"""Keys that only some adapters read: anywhere else they would do nothing, and nobody would be told."""


def check_placing(mapping: MappingFile, name: str, placement: Placement, file: str) -> Iterator[Problem]:
    """Yield what is missing of a stream for an adapter of this kind, and what it cannot mean."""
    stream = mapping.streams[name]
    for key in sorted(stream.model_fields_set & _MEANT.keys()):
        if placement not in _MEANT[key]:
            yield problem("mapping-key-unused", file=file, path=f"streams.{name}.{key}", key=key)
    for key in _lacking(stream, placement):
        yield problem("mapping-key-missing", file=file, path=f"streams.{name}.{key}", key=key)
    for key, wanted in _contradicting(stream, placement):
        given = str(getattr(stream, key))[:60]
        yield problem(
            "mapping-value-wrong", file=file, path=f"streams.{name}.{key}", given=given, wanted=wanted
        )
    if stream.via_case is not None and CASE_STREAM not in mapping.streams:
        yield problem("mapping-case-stream", file=file, stream=name)
    if stream.part_of is not None:
        yield from _check_part(mapping, name, stream, file)


def _lacking(stream: StreamMapping, placement: Placement) -> Iterator[str]:
    if placement in ("table", "tap") and stream.table is None:
        yield "table"
    if placement == "query" and stream.table is None and stream.sql is None:
        yield "table"
    if placement == "request" and stream.request is None:
        yield "request"
    if placement == "call" and stream.call is None:
        yield "call"
    if placement not in ("sheet", "drop", "tap") and stream.mode == "cursor" and stream.cursor is None:
        yield "cursor"
    if stream.categories and stream.via_case is None:
        yield "via_case"


def _contradicting(stream: StreamMapping, placement: Placement) -> Iterator[tuple[str, str]]:
    """Yield the key that is wrong, and what should stand there."""
    if placement == "sheet" and stream.mode != "snapshot":
        yield "mode", "snapshot"
    if placement == "query" and stream.table is not None and stream.sql is not None:
        yield "sql", "table | sql"
    if stream.fields and (stream.sheet is not None or stream.record is not None):
        yield "fields", "fields | sheet | record"
    if any(not 1 <= first <= last for first, last in stream.fields.values()):
        yield "fields", "[1, 10]"


def _check_part(mapping: MappingFile, name: str, stream: StreamMapping, file: str) -> Iterator[Problem]:
    """The parts of a stream are one to core: one kind of record, read in one way."""
    first = next(each for each in mapping.streams.values() if each.part_of == stream.part_of)
    for key, given, wanted in (
        ("entity", stream.entity, first.entity),
        ("mode", stream.mode, first.mode),
    ):
        if given != wanted:
            yield problem(
                "mapping-value-wrong", file=file, path=f"streams.{name}.{key}", given=given, wanted=wanted
            )
    if stream.part_of in mapping.streams and mapping.streams[str(stream.part_of)].part_of != stream.part_of:
        path = f"streams.{name}.part_of"
        yield problem("mapping-value-wrong", file=file, path=path, given=stream.part_of, wanted=name)
