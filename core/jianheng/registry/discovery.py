"""Finding plugins: manifest first, then name, allow-list, contract, and only then the import.

Whatever one plugin does wrong sets that one aside with a coded reason; all others go on. The order in
which distributions happen to be found never decides anything.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jianheng.boundary import Boundary
from jianheng.config.faults import likely
from jianheng.config.layers import read_head, read_toml
from jianheng.contract import SUPPORTED_CONTRACTS, AdapterContext
from jianheng.errors import Problem, StopError, problem
from jianheng.isolation import host as isolation
from jianheng.isolation.host import Examined
from jianheng.isolation.limits import Code, Limits
from jianheng.registry.claims import OURS, Claim, claims, normal
from jianheng.registry.hooks import Registered, register
from jianheng.registry.manifest import add_plugin_texts, unsupported_contract
from jianheng.registry.plugin import Plugin, Signature
from jianheng.registry.served import announced, unguarded
from jianheng.trust.rules import REFUSALS, Trust

if TYPE_CHECKING:
    from jianheng.trust.installed import Installed

IMPORT_TIMEOUT_S = 20.0
POLICY_FILE = "policy.toml"


def discover(
    allow: Iterable[str] = (),
    disable: Iterable[str] = (),
    *,
    timeout_s: float = IMPORT_TIMEOUT_S,
    examine: bool = True,
    trust: Trust | None = None,
) -> tuple[Plugin, ...]:
    """Find, check and load all plugins; return every one, in use or set aside, by id.

    Only code of jianheng's own is ever imported here; that of others runs in processes of its own.

    Args:
        allow: distributions that may be loaded besides jianheng itself.
        disable: plugin ids that are switched off.
        timeout_s: limit of one import, and of one registration.
        examine: import every plugin once, those of others in a child, and read its policies, so that what is wrong
            with them is known now; otherwise only those are imported whose policies or calendars are needed at once.
        trust: whose signatures count, and where installed bundles are; no bundles and no rule when not given.
    """
    believed = trust or Trust()
    allowed = {normal(each) for each in allow} | believed.unsigned | {OURS}
    disabled = set(disable)
    found = list(claims(believed))
    plugins: list[Plugin] = []
    for claim in sorted(found, key=lambda each: (each.entry.name, not each.ours, each.distribution)):
        reason = claim.reason or _refusal(claim, found, allowed, disabled) or _mistrusted(claim, believed)
        plugins.append(_plugin(claim, reason) if reason else _load(claim, timeout_s, examine=examine))
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
            if normal(name) not in found
        ),
        *(
            problem("plugin-disable-unknown", name=name, nearest=likely(name, ids))
            for name in disable
            if name not in ids
        ),
    )


def _mistrusted(claim: Claim, trust: Trust) -> Problem | None:
    """Return why a claim is not believed, as far as no bundle has said so already."""
    if claim.ours or claim.bundle is not None:
        return None
    return trust.refusal_of_unsigned(claim.distribution, claim.version)


def _refusal(claim: Claim, found: list[Claim], allowed: set[str], disabled: set[str]) -> Problem | None:
    name = claim.entry.name
    others = [each for each in found if each is not claim and each.entry.name == name and each.reason is None]
    if not claim.ours and any(each.ours for each in found if each.entry.name == name):
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


def _load(claim: Claim, timeout_s: float, *, examine: bool) -> Plugin:
    if claim.manifest is None or claim.file is None:
        raise ValueError(claim.entry.name)
    try:
        add_plugin_texts(claim.file, check=examine or not claim.ours)
        given = (_own if claim.ours else _of_others)(claim, timeout_s, examine=examine)
    except StopError as error:
        return _plugin(claim, error.problem)
    folders, notices = _policies(claim.entry.name, given.folders, read=read_toml if examine else read_head)
    return replace(
        _plugin(claim, None),
        sources=given.sources,
        targets=given.targets,
        folders=folders,
        calendars=given.calendars,
        guards=given.guards,
        notices=(
            *notices,
            *announced(claim.entry.name, claim.manifest.contract),
            *unguarded(claim.entry.name, given.guards),
        ),
    )


def _own(claim: Claim, timeout_s: float, *, examine: bool) -> Registered:
    """Return what an adapter of ours gives; one that is not examined is imported when it is first opened."""
    manifest, file = claim.manifest, claim.file
    if manifest is None or file is None:
        raise ValueError(claim.entry.name)
    if examine or _is_needed_at_once(manifest.kind):
        with Boundary(claim.entry.name, timeout_s, origin=file.parent) as boundary:
            module = boundary.call("import", claim.entry.load)
            return boundary.call("register", register, manifest, module, returns=Registered)

    @cache
    def given() -> Registered:
        return register(manifest, claim.entry.load())

    def factory(kind: Literal["source", "target"]) -> dict[str, Callable[..., Any]]:
        if kind not in manifest.kind:
            return {}
        return {
            manifest.id: lambda context: getattr(given(), f"{kind}s")[manifest.id](context)  # noqa: PLW0108  # not yet imported
        }

    return Registered(sources=factory("source"), targets=factory("target"))


def _is_needed_at_once(kinds: Iterable[str]) -> bool:
    """Whether what a plugin brings is asked for before anybody opens it."""
    return not {"policies", "calendars"}.isdisjoint(kinds)


def _of_others(claim: Claim, timeout_s: float, *, examine: bool) -> Registered:
    """Return factories that start a child each; look into one now if that is asked for or cannot wait."""
    code = _code(claim)
    kinds = set(code.kinds)
    bundle = claim.bundle

    def factory(kind: Literal["source", "target"]) -> dict[str, Callable[..., Any]]:
        if kind not in kinds:
            return {}
        make = isolation.factory(code, kind)
        return {code.plugin: make if bundle is None else _unaltered(bundle, make)}

    found = Examined()
    if examine or _is_needed_at_once(kinds):
        if bundle is not None:
            bundle.check_files()
        found = isolation.examine(code, timeout_s=timeout_s)
    return Registered(
        sources=factory("source"),
        targets=factory("target"),
        folders=found.folders,
        calendars=found.calendars,
        guards=found.guards,
    )


def _code(claim: Claim) -> Code:
    manifest, file = claim.manifest, claim.file
    if manifest is None or file is None:
        raise ValueError(claim.entry.name)
    return Code(
        plugin=manifest.id,
        module=claim.entry.value,
        origin=file.parent,
        kinds=manifest.kind,
        search=() if claim.bundle is None else (claim.bundle.site,),
        closed=claim.bundle is not None,
        hosts=manifest.allowed_hosts,
        writes=tuple(name for name, option in manifest.options.items() if option.access == "write"),
    )


def _unaltered(bundle: "Installed", make: Callable[..., Any]) -> Callable[..., Any]:
    """Return a factory that looks at every file of a bundle before anything of it runs."""

    def made(context: AdapterContext, limits: Limits | None = None) -> Any:
        bundle.check_files()
        return make(context, limits)

    return made


def _policies(
    plugin: str, given: tuple[Path, ...], *, read: Callable[[Path], Mapping[str, Any]]
) -> tuple[Mapping[str, Path], tuple[Problem, ...]]:
    folders: dict[str, Path] = {}
    notices: list[Problem] = []
    for folder in sorted(given):
        try:
            name = read(folder / POLICY_FILE).get("id", folder.name)
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


def _plugin(claim: Claim, reason: Problem | None) -> Plugin:
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
        isolation="none" if claim.ours else "process",
        signature=_signature(claim, reason),
        publisher="" if claim.bundle is None else claim.bundle.publisher,
    )


def _signature(claim: Claim, reason: Problem | None) -> Signature:
    if claim.bundle is None:
        return "built-in" if claim.ours else "unsigned"
    return "refused" if reason is not None and reason.code in REFUSALS else "signed"
