"""What one imported plugin registers: its hooks checked against the specification, their results taken.

Runs in the child for adapters of others and in process for our own; imports what a vendor sees and pluggy.
"""

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from jianheng import hookspecs
from jianheng.contract import SourceFactory, TargetFactory
from jianheng.errors import StopError

HOOKS: Mapping[str, str] = {
    "source": "sources",
    "target": "targets",
    "policies": "policies",
    "calendars": "calendars",
}
"""The hook by which a plugin of a kind gives what it has."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What a plugin gave; and what guarded its process, where it was looked at in one."""

    sources: Mapping[str, SourceFactory] = field(default_factory=dict)
    targets: Mapping[str, TargetFactory] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()
    calendars: Mapping[str, Path] = field(default_factory=dict)
    guards: tuple[str, ...] = ()


def register(plugin: str, kinds: Sequence[str], module: ModuleType) -> Registered:
    """Register one plugin and return what its hooks give. Runs its code: call it within a boundary.

    Each plugin has a manager of its own, so that no plugin can wrap or order another's hooks.

    Raises:
        StopError: a hook is unknown, misspelt, unmarked, missing, undeclared, or gives the wrong thing.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module, name=plugin)
    except pluggy.PluginValidationError as error:
        raise StopError("plugin-hook-arguments", plugin=plugin, detail=str(error).splitlines()[-1]) from None
    callers = manager.get_hookcallers(module) or []
    known = sorted(HOOKS.values())
    unknown = sorted(each.name for each in callers if not each.has_spec())
    if unknown:
        likely = ", ".join(_nearest(name, known) for name in unknown)
        raise StopError("plugin-hook-unknown", plugin=plugin, hooks=", ".join(unknown), nearest=likely)
    _compare(plugin, kinds, module, {each.name for each in callers})
    return Registered(
        sources=_factories(plugin, kinds, "source", manager.hook.sources()),
        targets=_factories(plugin, kinds, "target", manager.hook.targets()),
        folders=_folders(plugin, kinds, manager.hook.policies()),
        calendars=_calendars(plugin, kinds, manager.hook.calendars()),
    )


def _compare(plugin: str, kinds: Sequence[str], module: ModuleType, given: set[str]) -> None:
    declared = {HOOKS[kind] for kind in kinds}
    missing = sorted(declared - given)
    unmarked = [name for name in missing if callable(getattr(module, name, None))]
    if unmarked:
        raise StopError("plugin-hook-unmarked", plugin=plugin, hooks=", ".join(unmarked))
    if missing:
        raise StopError("plugin-hook-missing", plugin=plugin, hooks=", ".join(missing))
    if given - declared:
        raise StopError("plugin-hook-undeclared", plugin=plugin, hooks=", ".join(sorted(given - declared)))


def _factories(plugin: str, kinds: Sequence[str], kind: str, results: Sequence[object]) -> dict[str, Any]:
    if kind not in kinds:
        return {}
    given = results[0] if len(results) == 1 else None
    if not isinstance(given, Mapping):
        raise _wrong(plugin, kind, given, "Mapping")
    factories = dict(given)
    if set(factories) != {plugin}:
        names = ", ".join(sorted(map(str, factories))) or "—"
        raise StopError("plugin-wrong-ids", plugin=plugin, hook=HOOKS[kind], given=names)
    if not callable(factories[plugin]):
        raise _wrong(plugin, kind, factories[plugin], "Callable")
    return factories


def _folders(plugin: str, kinds: Sequence[str], results: Sequence[object]) -> tuple[Path, ...]:
    if "policies" not in kinds:
        return ()
    given = results[0] if len(results) == 1 else None
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise _wrong(plugin, "policies", given, "Sequence[Path]")
    for each in given:
        if not isinstance(each, Path):
            raise _wrong(plugin, "policies", each, "Path")
    # fspath first: a subclass may answer differently each time it is asked.
    return tuple(Path(os.fspath(each)) for each in given)


def _calendars(plugin: str, kinds: Sequence[str], results: Sequence[object]) -> dict[str, Path]:
    if "calendars" not in kinds:
        return {}
    given = results[0] if len(results) == 1 else None
    if not isinstance(given, Mapping):
        raise _wrong(plugin, "calendars", given, "Mapping[str, Path]")
    files = dict(given)
    for name, file in files.items():
        if not isinstance(name, str) or not isinstance(file, Path):
            raise _wrong(plugin, "calendars", file, "Mapping[str, Path]")
    return {str(name): Path(os.fspath(file)) for name, file in files.items()}


def _wrong(plugin: str, kind: str, given: object, wanted: str) -> StopError:
    return StopError(
        "plugin-returned-wrong",
        plugin=plugin,
        hook=HOOKS[kind],
        given=type(given).__name__,
        wanted=wanted,
    )


def _nearest(word: str, known: Sequence[str]) -> str:
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return found[0] if found else "—"
