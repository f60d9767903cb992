"""Reads a mapping: the shipped file, a site's file over it, every fault of both at once."""

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

from jianheng.errors import FaultsError, Problem, StopError, problem
from jianheng.facts.entities import ENTITIES
from jianheng.messages import text
from jianheng_adapters.mapping.expression import Expression
from jianheng_adapters.mapping.model import MappingFile, Placement, StreamMapping
from jianheng_adapters.mapping.placing import check_placing
from jianheng_adapters.mapping.privacy import find_exposed
from jianheng_adapters.mapping.shapes import apply_shapes, find_unknown_shapes

_WANTED = {
    "string_type": "text",
    "bool_type": "boolean",
    "int_type": "number",
    "int_parsing": "number",
    "greater_than_equal": "number",
    "less_than_equal": "number",
    "dict_type": "table",
    "model_type": "table",
    "tuple_type": "list",
    "too_short": "list",
    "string_too_short": "character",
    "string_too_long": "character",
    "value_error": "origin",
}
"""What pydantic finds wrong, by what it wanted instead."""


def load_mapping(
    shipped: Path | Sequence[Path] | None,
    site: Path | None,
    *,
    placement: Placement,
    allow_sensitive: Sequence[str] = (),
) -> MappingFile:
    """Read a mapping and check everything that can be known without the system it is for.

    Args:
        shipped: what the adapter brings, the later files over the earlier; None when it brings nothing.
        site: the deployment's own file, which wins key by key; ``""`` takes a column away.
        placement: what the adapter reads; a stream must say which table or sheet.
        allow_sensitive: source columns that this deployment may map although they are sensitive.

    Raises:
        StopError: a file is missing or no TOML.
        FaultsError: all that is wrong in what the files say.
    """
    brought = [shipped] if isinstance(shipped, Path) else list(shipped or ())
    files = [*brought, *([site] if site is not None else [])]
    merged: dict[str, Any] = {}
    for file in files:
        merged = _merge(merged, _read(file))
    name = files[-1].name
    unknown = list(find_unknown_shapes(merged, name, nearest))
    if unknown:
        raise FaultsError(unknown)
    apply_shapes(merged, _merge)
    _drop_emptied(merged)
    try:
        mapping = MappingFile.model_validate(merged)
    except ValidationError as error:
        raise FaultsError(_translate(error, name)) from None
    mapping = mapping.model_copy(
        update={"streams": {key: stream for key, stream in mapping.streams.items() if stream.enabled}}
    )
    faults = list(_check(mapping, name, placement, allow_sensitive))
    if faults:
        raise FaultsError(faults)
    return mapping


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise StopError("mapping-file-missing", file=str(file)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise StopError("mapping-file-unreadable", file=str(file), reason=type(error).__name__) from None
    except tomllib.TOMLDecodeError as error:
        raise StopError("mapping-syntax", file=str(file), reason=str(error)) from None


def _merge(under: Mapping[str, Any], over: Mapping[str, Any], path: tuple[str, ...] = ()) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below, here = merged.get(key), (*path, key)
        # An expression is replaced as a whole: parts of two would make a third that nobody wrote.
        if isinstance(below, dict) and isinstance(value, dict) and _model_at(here) is not Expression:
            merged[key] = _merge(below, value, here)
        else:
            merged[key] = value
    return merged


def _drop_emptied(merged: dict[str, Any]) -> None:
    streams = merged.get("streams")
    for stream in streams.values() if isinstance(streams, dict) else ():
        for part in ("columns", "attributes", "join"):
            given = stream.get(part) if isinstance(stream, dict) else None
            if isinstance(given, dict):
                stream[part] = {name: value for name, value in given.items() if value != ""}


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name most like this one, or a dash; a name that only adds to it comes first."""
    by_lower = {each.lower(): each for each in known}
    longer = sorted((each for each in by_lower if name.lower() in each), key=len)
    found = longer or difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.4)
    return by_lower[found[0]] if found else "-"


def _model_at(path: tuple[Any, ...]) -> type[BaseModel] | None:
    """The model whose keys stand at a place of the file."""
    here: Any = MappingFile
    for part in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            fields = {field.alias or name: field for name, field in here.model_fields.items()}
            here = _told_type(fields[part].annotation) if part in fields else None
        elif here is not None and not isinstance(here, type):
            here = _told_type(get_args(here)[0 if isinstance(part, int) else -1])
        if here is None:
            return None
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None


def _told_type(annotation: Any) -> Any:
    """What is inside: of a choice the table or the list, and None where only plain values may stand."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (dict, tuple):
        return annotation
    return next((told for each in get_args(annotation) if (told := _told_type(each)) is not None), None)


def _translate(error: ValidationError, file: str) -> Iterator[Problem]:
    for fault in error.errors():
        path = tuple(fault["loc"])
        where = ".".join(str(part) for part in path)
        if fault["type"] == "extra_forbidden":
            model = _model_at(path[:-1])
            known = [field.alias or name for name, field in model.model_fields.items()] if model else ()
            key = str(path[-1])
            yield problem("mapping-unknown-key", file=file, path=where, key=key, nearest=nearest(key, known))
        elif fault["type"] == "missing":
            yield problem("mapping-key-missing", file=file, path=where, key=str(path[-1]))
        else:
            given = repr(fault["input"])[:60]
            yield problem("mapping-value-wrong", file=file, path=where, given=given, wanted=_wanted(fault))


def _wanted(fault: Mapping[str, Any]) -> str:
    """What should stand there, in our words."""
    if fault["type"] == "literal_error":
        return text("mapping-wants-choice", choices=fault["ctx"]["expected"])
    return text(f"mapping-wants-{_WANTED.get(fault['type'], 'other')}")


def _check(
    mapping: MappingFile, file: str, placement: Placement, allow_sensitive: Sequence[str]
) -> Iterator[Problem]:
    for name, stream in mapping.streams.items():
        yield from _check_columns(name, stream, file)
        yield from _check_values(name, stream, mapping, file)
        yield from find_exposed(name, stream, allow_sensitive, file)
        yield from check_placing(mapping, name, placement, file)


def _check_columns(name: str, stream: StreamMapping, file: str) -> Iterator[Problem]:
    entity = ENTITIES.get(stream.entity)
    if entity is None:
        yield problem(
            "mapping-unknown-entity",
            file=file,
            stream=name,
            entity=stream.entity,
            nearest=nearest(stream.entity, ENTITIES),
        )
        return
    told = {*stream.columns} | ({"attributes"} if stream.attributes else set())
    for column in told - {*entity.names}:
        yield problem(
            "mapping-unknown-column",
            file=file,
            stream=name,
            entity=entity.name,
            column=column,
            nearest=nearest(column, entity.names),
        )
    for needed in entity.columns:
        if needed.required and needed.name not in told:
            yield problem(
                "mapping-required-column", file=file, stream=name, column=needed.name, label=needed.label
            )


def _check_values(name: str, stream: StreamMapping, mapping: MappingFile, file: str) -> Iterator[Problem]:
    told = (*stream.columns.items(), *stream.attributes.items())
    for column, expression in ((column, each) for column, outer in told for each in outer.everywhere()):
        path = f"streams.{name}.{column}"
        if expression.codes is not None and expression.codes not in mapping.codes:
            yield problem(
                "mapping-unknown-codes",
                file=file,
                path=path,
                codes=expression.codes,
                nearest=nearest(expression.codes, mapping.codes),
            )
        if expression.zone is not None:
            try:
                ZoneInfo(expression.zone)
            except (KeyError, ValueError, OSError):
                yield problem(
                    "mapping-value-wrong",
                    file=file,
                    path=path,
                    given=expression.zone,
                    wanted="Asia/Shanghai",
                )
