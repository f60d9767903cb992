"""What claims to be a plugin: entry points of distributions and of signed bundles, with the manifests beside them.

Nothing is imported here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from typing import TYPE_CHECKING

from jianheng.errors import Problem, StopError, problem
from jianheng.registry.manifest import Manifest, find_manifest, read_manifest
from jianheng.trust.rules import Trust

if TYPE_CHECKING:
    from jianheng.trust.installed import Installed

GROUP = "jianheng"
OURS = "jianheng"

_FIELD = re.compile(r"^(Name|Version):[ \t]*(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Claim:
    """One entry point: a distribution that claims a plugin id; ``bundle`` is the signed one it stands in, if so."""

    entry: EntryPoint
    distribution: str
    version: str
    file: Path | None = None
    manifest: Manifest | None = None
    reason: Problem | None = None
    bundle: "Installed | None" = None

    @property
    def ours(self) -> bool:
        """Whether it is of Jianheng's own distribution; a bundle never is, whatever it calls itself."""
        return self.distribution == OURS and self.bundle is None


def normal(name: str) -> str:
    """Return the one spelling of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def claims(trust: Trust) -> Iterator[Claim]:
    """Yield the claims of everything installed, beside Jianheng and in bundles, with their manifests read.

    A claim whose manifest is missing or wrong says so in its reason.
    """
    for each in (*_beside(), *_bundled(trust)):
        yield _read(each)


def _beside() -> Iterator[Claim]:
    seen: set[str] = set()
    for each in distributions():
        name, version = _identity(each)
        if not name or name in seen:  # an older copy further down the path is not what gets imported
            continue
        seen.add(name)
        try:
            entries = [entry for entry in each.entry_points if entry.group == GROUP]
        except Exception:  # noqa: BLE001  # one damaged file must not hide all plugins
            # Whether it brings plugins can't be read any more; better told than missed.
            entry = EntryPoint(name, "", GROUP)
            yield Claim(entry, name, version, reason=problem("plugin-entry-points-bad", distribution=name))
            continue
        for entry in entries:
            yield Claim(entry, name, version)


def _bundled(trust: Trust) -> Iterator[Claim]:
    """Yield the claims of installed bundles: what they bring stands in what was signed."""
    if trust.folder is None or not trust.folder.is_dir():
        return  # most deployments have none, and need nothing that checks signatures
    from jianheng.trust.installed import find_installed

    for each in find_installed(trust):
        if each.sealed is None:
            name = each.folder.name
            yield Claim(EntryPoint(name, "", GROUP), normal(name), "—", reason=each.reason, bundle=each)
            continue
        manifest = each.sealed.manifest
        for plugin, module in manifest.plugins.items():
            entry = EntryPoint(plugin, module, GROUP)
            yield Claim(entry, manifest.distribution, manifest.version, reason=each.reason, bundle=each)


def _identity(found: Distribution) -> tuple[str, str]:
    try:
        # Below its head stands the page by which it presents itself: to parse that too, of everything that is
        # installed, would take longer than all else that is done to find plugins.
        head = (found.read_text("METADATA") or found.read_text("PKG-INFO") or "").partition("\n\n")[0]
    except Exception:  # noqa: BLE001  # leftovers of an interrupted installation
        return "", ""
    told = dict(_FIELD.findall(head))
    return normal(told.get("Name", "")), told.get("Version", "—")


def _read(claim: Claim) -> Claim:
    if claim.reason is not None:
        return claim
    try:
        file = find_manifest(claim.entry, None if claim.bundle is None else claim.bundle.site)
        manifest = read_manifest(file)
    except StopError as error:
        return replace(claim, reason=error.problem)
    if manifest.id != claim.entry.name:
        wrong = problem(
            "plugin-id-differs", plugin=claim.entry.name, id=manifest.id, distribution=claim.distribution
        )
        return replace(claim, file=file, manifest=manifest, reason=wrong)
    return replace(claim, file=file, manifest=manifest)
