"""What one imported plugin registers: its hooks checked against the specification, their results taken."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from jianheng import hookspecs
from jianheng.config.faults import nearest
from jianheng.contract import SourceFactory, TargetFactory
from jianheng.errors import StopError
from jianheng.registry.manifest import Kind, Manifest

HOOKS: Mapping[Kind, str] = {
    "source": "sources",
    "target": "targets",
    "policies": "policies",
    "calendars": "calendars",
}
"""The hook by which a plugin of a kind gives what it has."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What a plugin gave."""

    sources: Mapping[str, SourceFactory] = field(default_factory=dict)
    targets: Mapping[str, TargetFactory] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()
    calendars: Mapping[str, Path] = field(default_factory=dict)


def register(manifest: Manifest, module: ModuleType) -> Registered:
    """Register one plugin and return what its hooks give. Runs its code: call it within a boundary.

    Each plugin has a manager of its own, so that no plugin can wrap or order another's hooks.

    Raises:
        StopError: a hook is unknown, misspelt, unmarked, missing, undeclared, or gives the wrong thing.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module, name=manifest.id)
    except pluggy.PluginValidationError as error:
        raise StopError(
            "plugin-hook-arguments", plugin=manifest.id, detail=str(error).splitlines()[-1]
        ) from None
    callers = manager.get_hookcallers(module) or []
    known = sorted(HOOKS.values())
    unknown = sorted(each.name for each in callers if not each.has_spec())
    if unknown:
        likely = ", ".join(nearest(name, known) for name in unknown)
        raise StopError("plugin-hook-unknown", plugin=manifest.id, hooks=", ".join(unknown), nearest=likely)
    _compare(manifest, module, {each.name for each in callers})
    return Registered(
        sources=_factories(manifest, "source", manager.hook.sources()),
        targets=_factories(manifest, "target", manager.hook.targets()),
        folders=_folders(manifest, manager.hook.policies()),
        calendars=_calendars(manifest, manager.hook.calendars()),
    )


def _compare(manifest: Manifest, module: ModuleType, given: set[str]) -> None:
    declared = {HOOKS[kind] for kind in manifest.kind}
    missing = sorted(declared - given)
    unmarked = [name for name in missing if callable(getattr(module, name, None))]
    if unmarked:
        raise StopError("plugin-hook-unmarked", plugin=manifest.id, hooks=", ".join(unmarked))
    if missing:
        raise StopError("plugin-hook-missing", plugin=manifest.id, hooks=", ".join(missing))
    if given - declared:
        raise StopError(
            "plugin-hook-undeclared", plugin=manifest.id, hooks=", ".join(sorted(given - declared))
        )


def _factories(manifest: Manifest, kind: Kind, results: Sequence[object]) -> dict[str, Any]:
    if kind not in manifest.kind:
        return {}
    given = results[0] if len(results) == 1 else None
    if not isinstance(given, Mapping):
        raise _wrong(manifest, kind, given, "Mapping")
    factories = dict(given)
    if set(factories) != {manifest.id}:
        names = ", ".join(sorted(map(str, factories))) or "—"
        raise StopError("plugin-wrong-ids", plugin=manifest.id, hook=HOOKS[kind], given=names)
    if not callable(factories[manifest.id]):
        raise _wrong(manifest, kind, factories[manifest.id], "Callable")
    return factories


def _folders(manifest: Manifest, results: Sequence[object]) -> tuple[Path, ...]:
    if "policies" not in manifest.kind:
        return ()
    given = results[0] if len(results) == 1 else None
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise _wrong(manifest, "policies", given, "Sequence[Path]")
    for each in given:
        if not isinstance(each, Path):
            raise _wrong(manifest, "policies", each, "Path")
    # fspath first: a subclass may answer differently each time it is asked.
    return tuple(Path(os.fspath(each)) for each in given)


def _calendars(manifest: Manifest, results: Sequence[object]) -> dict[str, Path]:
    if "calendars" not in manifest.kind:
        return {}
    given = results[0] if len(results) == 1 else None
    if not isinstance(given, Mapping):
        raise _wrong(manifest, "calendars", given, "Mapping[str, Path]")
    files = dict(given)
    for name, file in files.items():
        if not isinstance(name, str) or not isinstance(file, Path):
            raise _wrong(manifest, "calendars", file, "Mapping[str, Path]")
    return {str(name): Path(os.fspath(file)) for name, file in files.items()}


def _wrong(manifest: Manifest, kind: Kind, given: object, wanted: str) -> StopError:
    return StopError(
        "plugin-returned-wrong",
        plugin=manifest.id,
        hook=HOOKS[kind],
        given=type(given).__name__,
        wanted=wanted,
    )
