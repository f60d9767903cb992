"""The adapter under test: found in a project's folder or among what is installed, its code loaded from there."""

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

from jianheng.config.faults import likely
from jianheng.config.layers import read_toml
from jianheng.conformance.settings import Settings
from jianheng.errors import Problem, StopError
from jianheng.registry import Manifest, discover, read_manifest
from jianheng.registry.manifest import MANIFEST

GROUP = "jianheng"
"""The group of entry points that a plugin is registered in."""

PROJECT = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Subject:
    """One adapter to be tried.

    Attributes:
        id: the plugin's id.
        module: dotted name of the module that its entry point names.
        search: the folder that must be on the path for the module; None where it is installed.
        manifest_file: its ``adapter.toml``.
        manifest: what it says; None where ``fault`` tells why it can't be read.
        declared: where conform.toml stands apart from the code, the adapter is configured and not written there.
    """

    id: str
    module: str
    search: Path | None
    manifest_file: Path
    manifest: Manifest | None
    fault: Problem | None
    distribution: str
    version: str
    declared: bool = False

    @property
    def origin(self) -> Path:
        """The folder that holds the adapter's files."""
        return self.manifest_file.parent


def find_subject(folder: Path, settings: Settings) -> Subject:
    """Return the adapter that a folder with a ``conform.toml`` is about.

    Raises:
        StopError: there is no such project, plugin or module.
    """
    file = folder / PROJECT
    if not file.is_file():
        return _installed(settings)
    project = _table(read_toml(file), "project")
    points = _table(project, "entry-points", GROUP)
    chosen = settings.adapter or (next(iter(points)) if len(points) == 1 else None)
    if not points:
        raise StopError("conform-no-entry-point", file=PROJECT, group=GROUP)
    if chosen is None:
        raise StopError("conform-several-adapters", file=PROJECT, known=", ".join(sorted(points)))
    if chosen not in points:
        known = ", ".join(sorted(points))
        raise StopError(
            "conform-unknown-adapter", adapter=chosen, known=known, nearest=likely(chosen, points)
        )
    module = str(points[chosen]).partition(":")[0].strip()
    search, manifest_file = _place(folder, file, module)
    manifest, fault = _read(manifest_file)
    version = str(project.get("version", ""))
    return Subject(
        chosen, module, search, manifest_file, manifest, fault, str(project.get("name", "")), version
    )


def _installed(settings: Settings) -> Subject:
    if settings.adapter is None:
        raise StopError("conform-no-project", file=PROJECT)
    found = {each.id: each for each in discover() if each.enabled and each.origin is not None}
    plugin = found.get(settings.adapter)
    if plugin is None or plugin.origin is None:
        known, near = ", ".join(sorted(found)), likely(settings.adapter, found)
        raise StopError("conform-unknown-adapter", adapter=settings.adapter, known=known, nearest=near)
    module = _module_of(settings.adapter)
    file = plugin.origin / MANIFEST
    manifest, fault = _read(file)
    return Subject(
        plugin.id, module, None, file, manifest, fault, plugin.distribution, plugin.version, declared=True
    )


def _module_of(plugin: str) -> str:
    from importlib.metadata import entry_points

    return next(each.module for each in entry_points(group=GROUP) if each.name == plugin)


def _place(folder: Path, file: Path, module: str) -> tuple[Path, Path]:
    """Return the folder to be searched for a module, and its manifest."""
    inner = Path(*module.split("."))
    for search in (folder, folder / "src", *_hatch_parents(folder, file)):
        package = search / inner
        if package.is_dir():
            return search, package / MANIFEST
        if len(inner.parts) > 1 and package.with_suffix(".py").is_file():
            return search, package.parent / MANIFEST
    raise StopError("conform-no-module", module=module, file=PROJECT)


def _table(data: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Return a table of a document by its path; empty where there is none."""
    here: Any = data
    for key in keys:
        here = here.get(key) if isinstance(here, Mapping) else None
    return here if isinstance(here, Mapping) else {}


def _hatch_parents(folder: Path, file: Path) -> Iterator[Path]:
    """Yield the folders above the packages that the build settings name."""
    packages = _table(read_toml(file), "tool", "hatch", "build", "targets", "wheel").get("packages")
    for each in packages if isinstance(packages, list) else ():
        yield (folder / str(each)).parent


def _read(file: Path) -> tuple[Manifest | None, Problem | None]:
    try:
        return read_manifest(file), None
    except StopError as error:
        return None, error.problem


@contextmanager
def loadable(subject: Subject) -> Iterator[None]:
    """Let the adapter's code be imported for a while; afterwards nothing of it is left in this process."""
    if subject.search is None:
        yield
        return
    top = subject.module.partition(".")[0]
    kept = _forget(top)
    sys.path.insert(0, str(subject.search))
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(subject.search))
        sys.dont_write_bytecode = written
        _forget(top)
        sys.modules.update(kept)


def _forget(top: str) -> dict[str, ModuleType]:
    names = [each for each in sys.modules if each == top or each.startswith(f"{top}.")]
    return {name: sys.modules.pop(name) for name in names}


def entry_point(subject: Subject) -> EntryPoint:
    """Return the entry point under which the adapter is found once it is installed."""
    return EntryPoint(subject.id, subject.module, GROUP)
