"""Making a bundle of wheels: which of them are needed, and whether all that is needed is there."""

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from jianheng.errors import StopError
from jianheng.trust.bundle import HOST, SUFFIX, Manifest, WheelPart, bill_of_materials, write_bundle
from jianheng.trust.keys import signature
from jianheng.trust.wheels import Wheel, read_wheel

LENT = frozenset({"pyarrow", "pluggy", "tenacity", "tzdata"})
"""What a plugin may use of the host without bringing it: the contract itself needs it."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A bundle that was made, and the wheels that were given and are not in it since nothing needs them."""

    file: Path
    manifest: Manifest
    left_out: tuple[str, ...]


def pack(files: Iterable[Path], key: Ed25519PrivateKey, folder: Path, now: dt.datetime) -> Packed:
    """Make a signed bundle of a plugin's wheel and the wheels it depends on.

    Args:
        files: the wheels; of Jianheng's own nothing gets in.
        key: the publisher's.
        folder: where the bundle is written, named by distribution and version.
        now: when it is made; aware.

    Raises:
        StopError: a wheel is unfit, none or several bring plugins, or something that is needed is not there.
    """
    others = [each for each in files if canonicalize_name(each.name.split("-")[0]) != HOST]
    wheels = [read_wheel(each) for each in others]
    roots = {(each.distribution, each.version) for each in wheels if each.plugins}
    if len(roots) != 1:
        found = ", ".join(sorted(f"{name} {version}" for name, version in roots)) or "—"
        raise StopError("plugin-pack-roots", found=found)
    (root,) = roots
    taken, needs = _closure(root[0], wheels)
    made_at = now.astimezone(dt.UTC).isoformat(timespec="seconds")
    sbom = bill_of_materials(*root, taken, made_at)
    main = next(each for each in taken if each.distribution == root[0])
    manifest = Manifest(
        distribution=root[0],
        version=root[1],
        plugins=dict(main.plugins),
        python=main.python,
        needs=tuple(needs),
        wheels=tuple(
            WheelPart(
                file=each.file.name,
                distribution=each.distribution,
                version=each.version,
                sha256=each.sha256,
                files=dict(each.files),
            )
            for each in taken
        ),
        sbom=hashlib.sha256(sbom).hexdigest(),
        made_at=made_at,
    )
    out = folder / f"{root[0]}-{root[1]}{SUFFIX}"
    try:
        write_bundle(out, manifest, signature(key, manifest.written()), sbom, taken)
    except OSError as error:
        raise StopError(
            "plugin-bundle-unwritable", file=str(out), detail=error.strerror or str(error)
        ) from None
    names = {each.file.name for each in taken}
    return Packed(
        out, manifest, tuple(sorted(each.file.name for each in wheels if each.file.name not in names))
    )


def _closure(root: str, wheels: Sequence[Wheel]) -> tuple[list[Wheel], list[str]]:
    """Return the wheels that a distribution needs, and what it needs of the host."""
    by_name: dict[str, list[Wheel]] = {}
    for each in wheels:
        by_name.setdefault(each.distribution, []).append(each)
    twice = [name for name, found in by_name.items() if len({each.version for each in found}) > 1]
    if twice:
        raise StopError("plugin-pack-versions", names=", ".join(sorted(twice)))
    taken: dict[str, list[Wheel]] = {}
    needs: set[str] = set()
    missing: set[str] = set()
    waiting: list[tuple[str, frozenset[str]]] = [(root, frozenset())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        taken[name] = by_name[name]
        for requirement in {str(one): one for each in by_name[name] for one in each.requires}.values():
            if not _holds(requirement, extras):
                continue
            needed = canonicalize_name(requirement.name)
            version = by_name[needed][0].version if needed in by_name else None
            if version is not None and requirement.specifier.contains(version, prereleases=True):
                waiting.append((needed, frozenset(requirement.extras)))
            elif needed == HOST or (needed in LENT and version is None):
                needs.add(f"{needed}{requirement.specifier}")
            else:
                missing.add(f"{requirement.name}{requirement.specifier} ({name})")
    if missing:
        raise StopError("plugin-pack-missing", missing=", ".join(sorted(missing)))
    found = [each for group in taken.values() for each in group]
    return sorted(found, key=lambda each: (each.distribution != root, each.file.name)), sorted(needs)


def _holds(requirement: Requirement, extras: Iterable[str]) -> bool:
    if requirement.marker is None:
        return True
    environment: Mapping[str, str] = {name: str(value) for name, value in default_environment().items()}
    return any(requirement.marker.evaluate({**environment, "extra": each}) for each in (*extras, ""))
