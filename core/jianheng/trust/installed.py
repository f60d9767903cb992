"""Bundles as they stand beside a deployment: put there, taken away, and looked at before anything of them runs.

``plugins/NAME/`` holds ``bundle.json`` and ``bundle.sig`` as they came, ``installed.json`` (which wheels fitted this
machine) and ``site/``: exactly the files that were signed, no more and no fewer, byte for byte. Compiled files are
neither made nor read: they would be code that nobody signed.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_here
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from jianheng.errors import Problem, StopError
from jianheng.trust.bundle import (
    MANIFEST,
    MOST_MANIFEST,
    SBOM,
    SIGNATURE,
    Manifest,
    Sealed,
    read_seal,
    unpack_bundle,
)
from jianheng.trust.rules import Trust
from jianheng.trust.wheels import Wheel, best_of, file_hash, lay_out, read_wheel

SITE = "site"
CHOSEN = "installed.json"


@dataclass(frozen=True, slots=True)
class Installed:
    """A bundle in a deployment's folder, its signature good and its publisher trusted, or why not.

    Attributes:
        folder: where it is; its name is the distribution's.
        sealed: what was signed; None when that cannot be said.
        publisher: as the deployment calls who signed it.
        reason: why it is not used.
    """

    folder: Path
    sealed: Sealed | None
    publisher: str
    reason: Problem | None

    @property
    def site(self) -> Path:
        """The folder of its code."""
        return self.folder / SITE

    def check_files(self) -> None:
        """Check that its code is what was signed: every file, no more and no fewer.

        Raises:
            StopError: a file was altered, added or taken away since.
        """
        if self.sealed is None:
            raise ValueError(self.folder)
        _check_files(self.folder, self.sealed.manifest)


def check_bundle(file: Path, trust: Trust | None) -> tuple[Sealed, str]:
    """Check a bundle without installing it; return what was signed and the publisher's name.

    Args:
        file: the bundle.
        trust: whom to believe; None to check only that it is whole, and the publisher is not known then.

    Raises:
        StopError: it is none, was altered, holds a wheel that does not fit, or is not trusted.
    """
    with tempfile.TemporaryDirectory(prefix="jianheng-") as scratch:
        sealed, _, _ = _opened(file, Path(scratch))
    return sealed, "" if trust is None else _trusted(sealed, trust)


def install(file: Path, trust: Trust) -> Installed:
    """Install a bundle, in the place of an earlier one of the same distribution. Nothing of it is run.

    Raises:
        StopError: as for :func:`check_bundle`, or it does not fit this machine, or cannot be written.
    """
    if trust.folder is None:
        raise ValueError("folder")
    try:
        trust.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=trust.folder) as scratch:
            wheels = Path(scratch) / "wheels"
            wheels.mkdir()
            sealed, small, read = _opened(file, wheels)
            publisher = _trusted(sealed, trust)
            chosen = _fitting(sealed.manifest, read)
            made = Path(scratch) / sealed.manifest.distribution
            (made / SITE).mkdir(parents=True)
            for wheel in chosen:
                lay_out(wheel, made / SITE)
            for name in (MANIFEST, SIGNATURE, SBOM):
                (made / name).write_bytes(small[name])
            told = {"wheels": sorted(each.file.name for each in chosen)}
            (made / CHOSEN).write_text(json.dumps(told), encoding="utf-8")
            _check_files(made, sealed.manifest)
            place = trust.folder / sealed.manifest.distribution
            _put(made, place, Path(scratch))
    except OSError as error:
        raise StopError(
            "plugin-bundle-unwritable", file=str(trust.folder), detail=error.strerror or str(error)
        ) from None
    return Installed(place, sealed, publisher, None)


def remove(name: str, trust: Trust) -> None:
    """Take an installed bundle away.

    Raises:
        StopError: there is none of that name, or it cannot be removed.
    """
    found = {each.folder.name: each for each in find_installed(trust)}
    if name not in found:
        raise StopError("plugin-bundle-absent", name=name, known=", ".join(sorted(found)) or "—")
    try:
        shutil.rmtree(found[name].folder)
    except OSError as error:
        raise StopError(
            "plugin-bundle-unwritable", file=str(found[name].folder), detail=error.strerror or str(error)
        ) from None


def find_installed(trust: Trust) -> Iterator[Installed]:
    """Yield the bundles in a deployment's folder by name, each with why it is not used, if so."""
    if trust.folder is None or not trust.folder.is_dir():
        return
    for folder in sorted(trust.folder.iterdir()):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        sealed = None
        try:
            sealed = _sealed(folder)
            yield Installed(folder, sealed, _trusted(sealed, trust), None)
        except StopError as error:
            yield Installed(folder, sealed, "", error.problem)


def _opened(file: Path, folder: Path) -> tuple[Sealed, dict[str, bytes], list[Wheel]]:
    sealed, small = unpack_bundle(file, folder)
    wheels = [read_wheel(folder / each.file) for each in sealed.manifest.wheels]
    for part, wheel in zip(sealed.manifest.wheels, wheels, strict=True):
        if (part.distribution, part.version, dict(part.files)) != (
            wheel.distribution,
            wheel.version,
            dict(wheel.files),
        ):
            raise StopError("plugin-bundle-altered", file=file.name, part=part.file)
    return sealed, small, wheels


def _trusted(sealed: Sealed, trust: Trust) -> str:
    refused = trust.refusal_of(sealed)
    if refused is not None:
        error = StopError(refused.code)
        error.problem = refused
        raise error
    return trust.publisher_of(sealed.key)


def _fitting(manifest: Manifest, wheels: list[Wheel]) -> list[Wheel]:
    """Return the wheels that fit here, one of each distribution.

    Raises:
        StopError: one has none that fits, or Python, Jianheng or a library lent by it is of another version.
    """
    here = ".".join(str(each) for each in sys.version_info[:3])
    wrong = []
    for name, needed, found in _needs(manifest, here):
        if not needed.contains(found, prereleases=True):
            wrong.append(f"{name}{needed} ({found})")
    chosen = []
    for name in dict.fromkeys(each.distribution for each in wheels):
        best = best_of(each for each in wheels if each.distribution == name)
        if best is None:
            wrong.append(
                f"{name}: {', '.join(each.file.name for each in wheels if each.distribution == name)}"
            )
        else:
            chosen.append(best)
    if wrong:
        raise StopError("plugin-bundle-not-here", distribution=manifest.distribution, wrong="; ".join(wrong))
    return chosen


def _needs(manifest: Manifest, python: str) -> Iterator[tuple[str, SpecifierSet, str]]:
    """Yield what is needed of this place: its name, which versions, and which there is."""
    try:
        yield "Python ", SpecifierSet(manifest.python), python
        for each in manifest.needs:
            needed = Requirement(each)
            yield needed.name, needed.specifier, version_here(needed.name)
    except (InvalidSpecifier, InvalidRequirement, PackageNotFoundError) as error:
        raise StopError("plugin-bundle-bad", file=manifest.distribution, detail=str(error)) from None


def _put(made: Path, place: Path, scratch: Path) -> None:
    """Put a folder in its place; a process that looks finds the old one, the new one, or for a moment none."""
    if place.exists():
        place.rename(scratch / "former")
    made.rename(place)


def _sealed(folder: Path) -> Sealed:
    content, signed = (_read(folder, name) for name in (MANIFEST, SIGNATURE))
    sealed = read_seal(f"{folder.name}/{MANIFEST}", content, signed)
    if sealed.manifest.distribution != folder.name:
        raise StopError("plugin-bundle-bad", file=folder.name, detail=sealed.manifest.distribution)
    return sealed


def _read(folder: Path, name: str) -> bytes:
    file = folder / name
    try:
        if file.stat().st_size > MOST_MANIFEST:
            raise StopError("plugin-bundle-bad", file=folder.name, detail=name)
        return file.read_bytes()
    except OSError:
        raise StopError("plugin-bundle-altered", file=folder.name, part=name) from None


def _check_files(folder: Path, manifest: Manifest) -> None:
    wanted: dict[str, str] = {}
    try:
        chosen = set(json.loads(_read(folder, CHOSEN))["wheels"])
    except (ValueError, KeyError, TypeError):
        raise StopError("plugin-bundle-altered", file=folder.name, part=CHOSEN) from None
    for each in manifest.wheels:
        if each.file in chosen:
            wanted.update(each.files)
    if {each.distribution for each in manifest.wheels if each.file in chosen} != {
        each.distribution for each in manifest.wheels
    }:
        raise StopError("plugin-bundle-altered", file=folder.name, part=CHOSEN)
    left = set(wanted)
    for path, file in _walk(folder / SITE):
        if path not in wanted or file.is_symlink() or file_hash(file) != wanted[path]:
            raise StopError("plugin-bundle-altered", file=folder.name, part=f"{SITE}/{path}")
        left.discard(path)
    if left:
        raise StopError("plugin-bundle-altered", file=folder.name, part=f"{SITE}/{min(left)}")


def _walk(site: Path) -> Iterator[tuple[str, Path]]:
    for top, folders, files in os.walk(site):
        for name in (*files, *(each for each in folders if Path(top, each).is_symlink())):
            file = Path(top, name)
            yield file.relative_to(site).as_posix(), file
