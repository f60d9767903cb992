"""Opening the adapters of a deployment: their options checked, their secrets resolved, a boundary around each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from jianheng.boundary import Boundary
from jianheng.cli.session import Session
from jianheng.config import Deployment, SourceUse, TargetUse, check_options, pseudonyms, resolve_secrets
from jianheng.config.faults import likely, nearest
from jianheng.contract import AdapterContext, Secret, Source, Target
from jianheng.errors import FaultsError, Problem, StopError, problem
from jianheng.isolation.limits import MIB, Limits
from jianheng.logs import get_log
from jianheng.messages import text
from jianheng.registry import Plugin

ANY_STREAM = "*"

Use = TypeVar("Use", bound=TargetUse)


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A source ready to be read, through its boundary only."""

    name: str
    source: Source
    boundary: Boundary
    context: AdapterContext
    plugin: Plugin
    use: SourceUse


@dataclass(frozen=True, slots=True)
class OpenTarget:
    """A target ready to be written, through its boundary only."""

    name: str
    target: Target
    boundary: Boundary
    context: AdapterContext
    plugin: Plugin
    use: TargetUse


def open_source(
    session: Session,
    name: str,
    *,
    timeout_s: float | None = None,
    pseudonym: Callable[[str], str] | None = None,
) -> OpenSource:
    """Make a source of the deployment, its options checked and its secrets resolved.

    Args:
        session: whose deployment and registry.
        name: the source's name in the deployment.
        timeout_s: limit of each call instead of the configured one.
        pseudonym: what makes pseudonyms instead of the office's key, which a first use would create.

    Raises:
        FaultsError: what is wrong with its options, secrets or streams, together.
        StopError: there is no such source or adapter, or the adapter failed.
    """
    use = _use(session.deployment.sources, "sources", name)
    plugin = session.registry.plugin(use.adapter, "source")
    wrong = _unknown_streams(session.deployment, name, use, plugin)
    context = _context(session, "sources", name, use, plugin, wrong)
    context = context if pseudonym is None else replace(context, pseudonym=pseudonym)
    boundary = _boundary(session, name, plugin, timeout_s or use.timeout_s)
    factory = _limited(session.registry.source_factory(use.adapter), plugin, use)
    source: Source = boundary.call("open", factory, context, returns=Source)
    return OpenSource(name, source, boundary, context, plugin, use)


def open_target(session: Session, name: str, *, timeout_s: float | None = None) -> OpenTarget:
    """Make a target of the deployment, its options checked and its secrets resolved.

    Args:
        session: whose deployment and registry.
        name: the target's name in the deployment.
        timeout_s: limit of each call instead of the configured one.

    Raises:
        FaultsError: what is wrong with its options or secrets, together.
        StopError: there is no such target or adapter, or the adapter failed.
    """
    use = _use(session.deployment.targets, "targets", name)
    plugin = session.registry.plugin(use.adapter, "target")
    context = _context(session, "targets", name, use, plugin, [])
    boundary = _boundary(session, name, plugin, timeout_s or use.timeout_s)
    factory = _limited(session.registry.target_factory(use.adapter), plugin, use)
    target: Target = boundary.call("open", factory, context, returns=Target)
    return OpenTarget(name, target, boundary, context, plugin, use)


def plugin_of_target(session: Session, name: str) -> Plugin:
    """Return the plugin of a target of the deployment, without importing it.

    Raises:
        StopError: there is no such target or adapter.
    """
    return session.registry.plugin(_use(session.deployment.targets, "targets", name).adapter, "target")


def _use(uses: Mapping[str, Use], kind: str, name: str) -> Use:
    if name not in uses:
        word = text(f"cli-kind-{kind.removesuffix('s')}")
        raise StopError("cli-no-such-use", kind=kind, kind_name=word, name=name, nearest=likely(name, uses))
    return uses[name]


def _limited(make: Callable[..., Any], plugin: Plugin, use: TargetUse) -> Callable[[AdapterContext], Any]:
    """Return a factory that gives an adapter's process as much memory as the deployment says."""
    if plugin.isolation == "none":
        return make
    return partial(make, limits=Limits(memory_bytes=use.memory_mb * MIB))


def _boundary(session: Session, name: str, plugin: Plugin, timeout_s: float) -> Boundary:
    return Boundary(name, timeout_s, office=session.deployment.office.code, origin=plugin.origin)


def _context(
    session: Session, kind: str, name: str, use: TargetUse, plugin: Plugin, wrong: list[Problem]
) -> AdapterContext:
    deployment = session.deployment
    under = f"{kind}.{name}"
    file = _file_of(deployment, under)
    found = [*wrong, *_unknown_secrets(file, under, use, plugin)]
    options: dict[str, Any] = {}
    secrets: dict[str, Secret] = {}
    try:
        options = check_options(plugin, use.options, deployment.folder, path=f"{under}.options", file=file)
    except FaultsError as error:
        found += error.problems
    try:
        secrets = resolve_secrets(deployment, under=under, environ=session.environ)
    except FaultsError as error:
        found += error.problems
    if found:
        raise FaultsError(found)
    return AdapterContext(
        office=deployment.office.code,
        name=name,
        options=options,
        secrets={key.removeprefix(f"{under}."): secret for key, secret in secrets.items()},
        units=deployment.office.scope,
        log=get_log(f"adapter.{plugin.id}", office=deployment.office.code, adapter=name),
        pseudonym=pseudonyms(deployment, session.environ),
    )


def _unknown_secrets(file: str, under: str, use: TargetUse, plugin: Plugin) -> list[Problem]:
    return [
        problem(
            "config-unknown-option",
            file=file,
            path=f"{under}.secrets.{key}",
            key=key,
            adapter=plugin.id,
            nearest=nearest(key, plugin.secrets),
            known=", ".join(sorted(plugin.secrets)) or "—",
        )
        for key in use.secrets
        if key not in plugin.secrets
    ]


def _unknown_streams(deployment: Deployment, name: str, use: SourceUse, plugin: Plugin) -> list[Problem]:
    if ANY_STREAM in plugin.streams:
        return []
    return [
        problem(
            "config-unknown-stream",
            file=_file_of(deployment, f"sources.{name}"),
            path=f"sources.{name}.streams",
            stream=stream,
            adapter=plugin.id,
            nearest=likely(stream, plugin.streams),
        )
        for stream in use.streams or ()
        if stream not in plugin.streams
    ]


def _file_of(deployment: Deployment, under: str) -> str:
    origin = deployment.origins.get(f"{under}.adapter")
    return str(deployment.file if origin is None or origin.file is None else origin.file)
