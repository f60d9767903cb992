"""The options of an adapter: what its manifest declares, and checking what a deployment gives."""

import os
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from jianheng.config.faults import given, nearest
from jianheng.config.layers import raise_faults
from jianheng.errors import Problem, problem
from jianheng.messages import text

OptionType = Literal["string", "integer", "number", "boolean", "path", "list", "table"]
Label = dict[Literal["zh", "en"], str]

_RELATIVE_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:)([^?]+)(.*)", re.DOTALL)


def _exact(value: object) -> object:
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


Number = Annotated[Decimal, BeforeValidator(_exact)]


class Option(BaseModel):
    """One option as a manifest declares it; ``access`` says what an isolated source may do with a path."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    type: OptionType
    access: Literal["read", "write"] = "read"
    required: bool = False
    label: Label = Field(default_factory=dict)
    default: Any = None
    minimum: Number | None = None
    maximum: Number | None = None
    choices: Annotated[tuple[Any, ...], Field(strict=False, min_length=1)] | None = None


class DeclaresOptions(Protocol):
    """What :func:`check_options` needs of a plugin or manifest."""

    @property
    def id(self) -> str:
        """The adapter's id."""

    @property
    def options(self) -> Mapping[str, Option]:
        """The options it declares."""


def absolute_sqlite(url: str, folder: Path) -> str:
    """Return a SQLite URL with its file taken relative to a folder; any other URL unchanged."""
    found = _RELATIVE_SQLITE.fullmatch(url)
    return url if found is None else f"{found[1]}{os.path.abspath(folder / found[2])}{found[3]}"  # noqa: PTH100  # resolve() would follow links


def fits(option: Option, value: object) -> bool:
    """Say whether a TOML value is of the type that an option declares."""
    if isinstance(value, bool):
        return option.type == "boolean"
    types: dict[OptionType, type | tuple[type, ...]] = {
        "string": str,
        "path": str,
        "integer": int,
        "number": (int, Decimal),
        "boolean": (),
        "list": list | tuple,  # type: ignore[dict-item]  # isinstance takes a union
        "table": Mapping,
    }
    return isinstance(value, types[option.type])


def check_options(
    manifest: DeclaresOptions,
    options: Mapping[str, Any],
    folder: Path,
    *,
    path: str = "options",
    file: str = "",
) -> dict[str, Any]:
    """Return the options of one use of an adapter: checked, converted, defaults filled in.

    Paths become absolute :class:`~pathlib.Path` objects, relative to the deployment's folder; so do
    files of SQLite URLs. Numbers are exact decimals. An option without value and default is None.

    Args:
        manifest: what declares the options.
        options: what the deployment gives.
        folder: the deployment's folder.
        path: where the options stand, as messages call it.
        file: which file they stand in, as messages call it.

    Raises:
        FaultsError: everything that is wrong with them.
    """
    known = sorted(manifest.options)
    found: list[Problem] = [
        problem(
            "config-unknown-option",
            file=file,
            path=f"{path}.{key}",
            key=key,
            adapter=manifest.id,
            nearest=nearest(key, known),
            known=", ".join(known) or "—",
        )
        for key in options
        if key not in manifest.options
    ]
    checked: dict[str, Any] = {}
    for name, option in manifest.options.items():
        value = options.get(name, option.default)
        where = {"file": file, "path": f"{path}.{name}"}
        if value is None:
            if option.required:
                found.append(problem("config-missing-option", **where, key=name, adapter=manifest.id))
            checked[name] = None
            continue
        fault = _fault_of(option, value, where)
        if fault is not None:
            found.append(fault)
            continue
        checked[name] = _convert(name, option, value, folder)
    raise_faults(found)
    return checked


def _fault_of(option: Option, value: object, where: dict[str, str]) -> Problem | None:
    shown = given(value, where["path"])
    if not fits(option, value):
        wanted = text(f"config-type-{option.type}")
        return problem("config-wrong-type", **where, given=shown, wanted=wanted)
    if option.required and value in ("", [], ()):
        return problem("config-empty", **where)
    if option.type in ("integer", "number") and not _in_bounds(option, value):
        bounds = (("≥", option.minimum), ("≤", option.maximum))
        limit = ", ".join(f"{mark} {bound}" for mark, bound in bounds if bound is not None)
        return problem("config-bad-value", **where, given=shown, limit=limit or "—")
    if option.choices is not None and value not in option.choices:
        limit = ", ".join(str(choice) for choice in option.choices)
        return problem("config-bad-value", **where, given=shown, limit=limit)
    return None


def _in_bounds(option: Option, value: object) -> bool:
    number = Decimal(str(value))
    if not number.is_finite():
        return False
    low = option.minimum is None or number >= option.minimum
    return low and (option.maximum is None or number <= option.maximum)


def _convert(name: str, option: Option, value: Any, folder: Path) -> object:
    converters: dict[OptionType, Callable[[Any], object]] = {
        "path": lambda given_path: Path(os.path.abspath(folder / given_path)),  # noqa: PTH100
        "number": lambda number: Decimal(str(number)),
    }
    if option.type == "string" and (name == "url" or name.endswith("_url")):
        return absolute_sqlite(value, folder)
    return converters[option.type](value) if option.type in converters else value
