"""Faults of configuration files as problems a person can act on."""

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from jianheng.errors import Problem, problem
from jianheng.logs import is_sensitive_key, redact
from jianheng.messages import some_of, text

SHOWN = 40
"""How much of a wrong value is repeated in a message."""

_WANTED = {
    "string_type": "string",
    "int_type": "integer",
    "float_type": "number",
    "bool_type": "boolean",
    "tuple_type": "list",
    "list_type": "list",
    "dict_type": "table",
    "mapping_type": "table",
    "model_type": "table",
    "model_attributes_type": "table",
}


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known name most like a word, or a dash when none is like it."""
    found = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.5)
    return found[0] if found else "—"


def likely(word: str, known: Collection[str]) -> str:
    """Return the known name most like a word, or where none is like it some of those there are."""
    near = nearest(word, known)
    return some_of(sorted(known)) if near == "—" else near


def type_word(value: object) -> str:
    """Return what kind of TOML value something is, in the language in force."""
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "boolean"),
        (int, "integer"),
        ((float, Decimal), "number"),
        (str, "string"),
        ((list, tuple), "list"),
        (Mapping, "table"),
    )
    kind = next((word for types, word in kinds if isinstance(value, types)), "other")
    return text(f"config-type-{kind}")


def dotted(loc: Sequence[str | int]) -> str:
    """Return a place in a TOML document as people write it: ``sources.ucs.options.url``."""
    return ".".join(f"[{part + 1}]" if isinstance(part, int) else part for part in loc if part != "[key]")


def given(value: object, path: str) -> str:
    """Return what was written, cut short, without anything that may be secret."""
    word = type_word(value)
    if any(part == "secrets" or is_sensitive_key(part) for part in path.split(".")):
        return word
    if isinstance(value, Mapping):
        return word
    shown = redact(str(value))
    return f"{shown[:SHOWN]}{'…' if len(shown) > SHOWN else ''} ({word})"


def _fields_at(model: type[BaseModel], loc: Sequence[str | int]) -> tuple[str, ...]:
    here: Any = model
    for part in loc:
        options = [here, *get_args(here)]
        table = next(
            (each for each in options if isinstance(each, type) and issubclass(each, BaseModel)), None
        )
        if table is not None and get_origin(here) is None:
            field = table.model_fields.get(str(part))
            here = field.annotation if field is not None else None
        else:
            here = get_args(here)[-1] if get_args(here) else None
    if isinstance(here, type) and issubclass(here, BaseModel):
        return tuple(sorted(field.alias or name for name, field in here.model_fields.items()))
    return ()


def _limit(context: Mapping[str, Any]) -> str:
    marks = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    told = [f"{marks[key]} {value}" for key, value in context.items() if key in marks]
    if "max_length" in context:
        told.append(text("config-limit-length", limit=context["max_length"]))
    if "expected" in context:
        told.append(str(context["expected"]))
    return "; ".join(told) or "—"


def faults_of(model: type[BaseModel], data: Mapping[str, Any], file: str) -> list[Problem]:
    """Return everything that is wrong with a document, each with its file and key.

    Args:
        model: what the document must be.
        data: the document as parsed.
        file: how the file is called in messages.
    """
    try:
        model.model_validate(data)
    except ValidationError as error:
        return [
            _fault(model, str(each["type"]), each["loc"], each.get("input"), each.get("ctx") or {}, file)
            for each in error.errors(include_url=False)
        ]
    return []


def _fault(
    model: type[BaseModel],
    kind: str,
    loc: Sequence[str | int],
    value: object,
    context: Mapping[str, Any],
    file: str,
) -> Problem:
    path = dotted(loc)
    if kind == "extra_forbidden":
        known = _fields_at(model, loc[:-1])
        key = str(loc[-1])
        return problem(
            "config-unknown-key",
            file=file,
            path=path,
            key=key,
            nearest=nearest(key, known),
            known=", ".join(known),
        )
    if kind == "missing":
        return problem("config-missing-key", file=file, path=path)
    if kind in ("too_short", "string_too_short"):
        return problem("config-empty", file=file, path=path)
    if kind in _WANTED:
        wanted = text(f"config-type-{_WANTED[kind]}")
        return problem("config-wrong-type", file=file, path=path, given=given(value, path), wanted=wanted)
    if kind.startswith("config-"):
        return Problem(kind, {"file": file, "path": path, "given": given(value, path), **context})
    return problem("config-bad-value", file=file, path=path, given=given(value, path), limit=_limit(context))
