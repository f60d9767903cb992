"""Turns the records of a source into canonical rows, as a mapping says."""

from collections.abc import Callable, Mapping
from typing import Any

from jianheng.contract import Row
from jianheng.facts.entities import ENTITIES
from jianheng.facts.entity import ColumnType, Entity
from jianheng_adapters.mapping.expression import Expression, Only
from jianheng_adapters.mapping.model import MappingFile, StreamMapping
from jianheng_adapters.mapping.values import as_text, converter, is_blank

Read = Callable[[Any, int], Any]
RowMaker = Callable[[Any, int], Row]
"""Takes a record and its number; returns the row under canonical names."""


def row_maker(
    mapping: MappingFile,
    stream: str,
    index: Mapping[str, Any],
    *,
    place: str,
    pseudonym: Callable[[str], str],
) -> RowMaker:
    """Compile a stream's mapping into one function, so that a record costs no look-ups.

    Args:
        mapping: the mapping.
        stream: which of its streams.
        index: what to subscript a record with, by source column: a position or a name.
            An optional column that is absent reads as null.
        place: what every locator begins with (table, sheet, path).
        pseudonym: what happens to names of people in a case before anybody sees them.
    """
    described = mapping.streams[stream]
    entity = ENTITIES[described.entity]
    reads = tuple(
        (name, _column(expression, entity, name, mapping, index, pseudonym))
        for name, expression in described.columns.items()
    )
    extras = tuple(
        (name, _attribute(expression, mapping, index)) for name, expression in described.attributes.items()
    )
    is_gone = _gone(described, index, mapping)
    locate = _locate(described, index, place)

    def make(record: Any, number: int) -> Row:
        row = {name: read(record, number) for name, read in reads}
        if extras:
            row["attributes"] = {name: read(record, number) for name, read in extras}
        row["_deleted"] = is_gone(record, number)
        row["_locator"] = locate(record, number)
        return row

    return make


def _fetch(name: str, index: Mapping[str, Any]) -> Read:
    if name not in index:
        return lambda _record, _number: None
    key = index[name]
    return lambda record, _number: record[key]


def _text_of(expression: Expression, mapping: MappingFile, index: Mapping[str, Any]) -> Read:
    """How a part of a key reads: as text, blanks taken away; a day, if it says how days are written."""
    kind: ColumnType = "date" if expression.format else "text"
    read = _converted(expression, kind, mapping, index)
    if kind == "text" and mapping.normalise.strip:
        return read  # text already
    return lambda record, number: as_text(read(record, number))


def _origin(expression: Expression, mapping: MappingFile, index: Mapping[str, Any]) -> Read:
    if expression.row:
        return lambda _record, number: number
    if expression.value is not None:
        return lambda _record, _number: expression.value
    if expression.column is not None:
        return _fetch(expression.column, index)
    return _joined(expression, mapping, index)


def _joined(expression: Expression, mapping: MappingFile, index: Mapping[str, Any]) -> Read:
    parts = tuple(_text_of(part, mapping, index) for part in expression.columns or ())
    between, gaps = expression.join, expression.gaps

    def join(record: Any, number: int) -> Any:
        texts = [part(record, number) for part in parts]
        if None in texts:
            if not gaps or texts.count(None) == len(texts):
                return None
            texts = [text or "" for text in texts]
        return between.join(map(str, texts))

    return join


def _column(
    expression: Expression,
    entity: Entity,
    name: str,
    mapping: MappingFile,
    index: Mapping[str, Any],
    pseudonym: Callable[[str], str],
) -> Read:
    column = entity.column(name)
    read = _converted(expression, column.type, mapping, index)
    if column.privacy != "party":
        return read

    def hidden(record: Any, number: int) -> Any:
        found = read(record, number)
        return None if found is None else pseudonym(str(found))

    return hidden


def _converted(
    expression: Expression, kind: ColumnType, mapping: MappingFile, index: Mapping[str, Any]
) -> Read:
    read = _unconditional(expression, kind, mapping, index)
    if expression.only_if is None:
        return read
    holds, default = _holds(expression.only_if, index), expression.default
    return lambda record, number: read(record, number) if holds(record) else default


def _holds(only: Only, index: Mapping[str, Any]) -> Callable[[Any], bool]:
    if only.column not in index:
        return lambda _record: False
    key, values = index[only.column], frozenset(only.values)
    return lambda record: told_text(record[key]) in values


def told_text(value: Any) -> str:
    """Return a value as conditions compare it: JSON and some drivers say true; a mapping, being text, says "true"."""
    if isinstance(value, bool):
        return str(value).lower()
    found = as_text(value)
    return "" if found is None else str(found)


def _unconditional(
    expression: Expression, kind: ColumnType, mapping: MappingFile, index: Mapping[str, Any]
) -> Read:
    if isinstance(expression.value, bool):
        return lambda _record, _number: expression.value
    convert = converter(kind, expression, mapping)
    if expression.column is not None and expression.column in index:
        key = index[expression.column]  # the common case, one call less
        return lambda record, _number: convert(record[key])
    if expression.first_of:
        # Each is normalised before it is looked at: a placeholder date is not a date.
        each = converter(kind, expression.model_copy(update={"default": None, "present": False}), mapping)
        choices = tuple(
            _converted(choice, kind, mapping, index)
            if isinstance(choice, Expression)
            else _fetch(choice, index)
            for choice in expression.first_of
        )

        def first(record: Any, number: int) -> Any:
            found = (each(choice(record, number)) for choice in choices)
            told = next((value for value in found if value is not None), None)
            return convert(told) if told is None or expression.present else told

        return first
    fetch = _origin(expression, mapping, index)
    return lambda record, number: convert(fetch(record, number))


def _attribute(expression: Expression, mapping: MappingFile, index: Mapping[str, Any]) -> Read:
    read = _converted(
        expression, "datetime" if expression.format or expression.zone else "text", mapping, index
    )
    return lambda record, number: as_text(read(record, number))  # kept as JSON: no date objects


def _gone(
    described: StreamMapping, index: Mapping[str, Any], mapping: MappingFile
) -> Callable[[Any, int], bool]:
    marked = _marked(described, index)
    if not described.only_with:
        return marked
    keys = tuple(index[name] for name in described.only_with if name in index)
    nothing = frozenset(mapping.normalise.null_dates)

    def gone(record: Any, number: int) -> bool:
        return marked(record, number) or all(is_blank(record[key], nothing) for key in keys)

    return gone


def _marked(described: StreamMapping, index: Mapping[str, Any]) -> Callable[[Any, int], bool]:
    if described.deleted is None or described.deleted.column not in index:
        return lambda _record, _number: False
    key = index[described.deleted.column]
    values = frozenset(described.deleted.values)

    def gone(record: Any, _number: int) -> bool:
        return told_text(record[key]) in values

    return gone


def _locate(described: StreamMapping, index: Mapping[str, Any], place: str) -> Callable[[Any, int], str]:
    if not described.locator:
        return lambda _record, number: f"{place}!第{number}行"
    keys = tuple((name, index[name]) for name in described.locator)

    def locate(record: Any, _number: int) -> str:
        return " ".join((place, *(f"{name}={as_text(record[key]) or ''}" for name, key in keys)))

    return locate
