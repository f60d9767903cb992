"""Finding plugins: manifest first, then name, allow-list, contract, and only then the import.

Whatever one plugin does wrong sets that one aside with a coded reason; all others go on. The order in
which distributions happen to be found never decides anything.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from typing import Any

from jianheng.boundary import Boundary
from jianheng.config.faults import likely
from jianheng.config.layers import read_toml
from jianheng.contract import SUPPORTED_CONTRACTS
from jianheng.errors import Problem, StopError, problem
from jianheng.registry.hooks import Registered, register
from jianheng.registry.manifest import (
    Manifest,
    add_plugin_texts,
    find_manifest,
    read_manifest,
    unsupported_contract,
)
from jianheng.registry.plugin import Plugin

GROUP = "jianheng"
OURS = "jianheng"
IMPORT_TIMEOUT_S = 20.0
POLICY_FILE = "policy.toml"


@dataclass(frozen=True, slots=True)
class _Claim:
    """One entry point: a distribution that claims a plugin id."""

    entry: EntryPoint
    distribution: str
    version: str
    file: Path | None = None
    manifest: Manifest | None = None
    reason: Problem | None = None

    @property
    def ours(self) -> bool:
        return self.distribution == OURS


def discover(
    allow: Iterable[str] = (), disable: Iterable[str] = (), *, timeout_s: float = IMPORT_TIMEOUT_S
) -> tuple[Plugin, ...]:
    """Find, check and load all plugins; return every one, in use or set aside, by id.

    Args:
        allow: distributions that may be loaded besides jianheng itself.
        disable: plugin ids that are switched off.
        timeout_s: limit of one import, and of one registration.
    """
    allowed = {_normal(each) for each in allow} | {OURS}
    disabled = set(disable)
    claims = [_read(each) for each in _claims()]
    plugins: list[Plugin] = []
    for claim in sorted(claims, key=lambda each: (each.entry.name, not each.ours, each.distribution)):
        reason = claim.reason or _refusal(claim, claims, allowed, disabled)
        plugins.append(_plugin(claim, reason) if reason else _load(claim, timeout_s))
    return _without_rivals(plugins)


def unknown_names(
    plugins: Sequence[Plugin], allow: Iterable[str], disable: Iterable[str]
) -> tuple[Problem, ...]:
    """Return a problem for each name in the allow or disable list that belongs to nothing installed."""
    ids = {each.id for each in plugins}
    found = {each.distribution for each in plugins}
    return (
        *(
            problem("plugin-allow-unknown", name=name, nearest=likely(name, found))
            for name in allow
            if _normal(name) not in found
        ),
        *(
            problem("plugin-disable-unknown", name=name, nearest=likely(name, ids))
            for name in disable
            if name not in ids
        ),
    )


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _claims() -> Iterator[_Claim]:
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
            yield _Claim(entry, name, version, reason=problem("plugin-entry-points-bad", distribution=name))
            continue
        for entry in entries:
            yield _Claim(entry, name, version)


def _identity(found: Distribution) -> tuple[str, str]:
    try:
        told = found.metadata  # read from its file at each access
        return _normal(told["Name"] or ""), told["Version"] or "—"
    except Exception:  # noqa: BLE001  # leftovers of an interrupted installation
        return "", ""


def _read(claim: _Claim) -> _Claim:
    if claim.reason is not None:
        return claim
    try:
        file = find_manifest(claim.entry)
        manifest = read_manifest(file)
    except StopError as error:
        return replace(claim, reason=error.problem)
    if manifest.id != claim.entry.name:
        wrong = problem(
            "plugin-id-differs", plugin=claim.entry.name, id=manifest.id, distribution=claim.distribution
        )
        return replace(claim, file=file, manifest=manifest, reason=wrong)
    return replace(claim, file=file, manifest=manifest)


def _refusal(claim: _Claim, claims: list[_Claim], allowed: set[str], disabled: set[str]) -> Problem | None:
    name = claim.entry.name
    others = [
        each for each in claims if each is not claim and each.entry.name == name and each.reason is None
    ]
    if not claim.ours and any(each.ours for each in claims if each.entry.name == name):
        return problem("plugin-name-taken", plugin=name, distribution=claim.distribution)
    if claim.distribution not in allowed:
        return problem("plugin-not-allowed", plugin=name, distribution=claim.distribution)
    # Only what may be loaded can contest a name: merely installing something disturbs nobody.
    rivals = sorted(each.distribution for each in others if each.distribution in allowed and not claim.ours)
    if rivals:
        both = ", ".join(sorted({claim.distribution, *rivals}))
        return problem("plugin-name-contested", plugin=name, distributions=both)
    if name in disabled:
        return problem("plugin-disabled", plugin=name)
    if claim.manifest is not None and claim.manifest.contract not in SUPPORTED_CONTRACTS:
        return unsupported_contract(name, claim.manifest.contract).problem
    return None


def _load(claim: _Claim, timeout_s: float) -> Plugin:
    if claim.manifest is None or claim.file is None:
        raise ValueError(claim.entry.name)
    with Boundary(claim.entry.name, timeout_s, origin=claim.file.parent) as boundary:
        try:
            add_plugin_texts(claim.file)
            module = boundary.call("import", claim.entry.load)
            given = boundary.call("register", register, claim.manifest, module, returns=Registered)
        except StopError as error:
            return _plugin(claim, error.problem)
    folders, notices = _policies(claim.entry.name, given.folders)
    return replace(
        _plugin(claim, None),
        sources=given.sources,
        targets=given.targets,
        folders=folders,
        calendars=given.calendars,
        notices=notices,
    )


def _policies(plugin: str, given: tuple[Path, ...]) -> tuple[Mapping[str, Path], tuple[Problem, ...]]:
    folders: dict[str, Path] = {}
    notices: list[Problem] = []
    for folder in sorted(given):
        try:
            name = read_toml(folder / POLICY_FILE).get("id", folder.name)
        except StopError as error:
            detail = error.problem.message().what
            notices.append(problem("plugin-policy-bad", plugin=plugin, folder=folder.name, detail=detail))
            continue
        if not isinstance(name, str) or name in folders:
            notices.append(problem("plugin-policy-twice", policy=name, plugins=plugin, folder=folder.name))
            continue
        folders[name] = folder
    return folders, tuple(notices)


def _without_rivals(plugins: Iterable[Plugin]) -> tuple[Plugin, ...]:
    """Take away policies and calendars that two plugins bring: ours stand, of others neither does."""
    found = list(plugins)
    for brought in ("folders", "calendars"):
        holders: dict[str, list[Plugin]] = {}
        for plugin in found:
            for name in getattr(plugin, brought):
                holders.setdefault(name, []).append(plugin)
        found = [_keep(plugin, brought, holders) for plugin in found]
    return tuple(found)


def _keep(plugin: Plugin, brought: str, holders: Mapping[str, list[Plugin]]) -> Plugin:
    held: Mapping[str, Path] = getattr(plugin, brought)
    rivals = {name: [each for each in holders[name] if each.id != plugin.id] for name in held}
    if plugin.distribution == OURS:
        rivals = {
            name: [each for each in found if each.distribution == OURS] for name, found in rivals.items()
        }
    notices = tuple(
        problem(
            "plugin-policy-twice" if brought == "folders" else "plugin-calendar-twice",
            policy=name,
            plugins=", ".join(sorted({plugin.id, *(each.id for each in found)})),
            folder=held[name].name,
        )
        for name, found in rivals.items()
        if found
    )
    changed: dict[str, Any] = {brought: {name: path for name, path in held.items() if not rivals[name]}}
    return replace(plugin, notices=(*plugin.notices, *notices), **changed)


def _plugin(claim: _Claim, reason: Problem | None) -> Plugin:
    manifest = claim.manifest
    return Plugin(
        id=claim.entry.name,
        kinds=manifest.kind if manifest else (),
        label={str(language): label for language, label in manifest.label.items()} if manifest else {},
        version=claim.version,
        distribution=claim.distribution,
        contract=manifest.contract if manifest else None,
        streams=manifest.streams if manifest else (),
        publications=manifest.publications if manifest else (),
        maturity=manifest.maturity if manifest else "",
        options=manifest.options if manifest else {},
        secrets=manifest.secrets if manifest else (),
        allowed_hosts=manifest.allowed_hosts if manifest else (),
        enabled=reason is None,
        reason=reason,
        origin=claim.file.parent if claim.file else None,
    )
