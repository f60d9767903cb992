"""What commands share: the flags, the deployment, the registry, and opening adapters."""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from jianheng.boundary import Boundary
from jianheng.cli.output import console
from jianheng.config import (
    FILE_NAME,
    Deployment,
    SourceUse,
    TargetUse,
    check_options,
    load_deployment,
    pseudonyms,
    resolve_secrets,
)
from jianheng.config.faults import likely, nearest
from jianheng.contract import AdapterContext, Secret, Source, Target
from jianheng.errors import FaultsError, Problem, StopError, problem
from jianheng.isolation.limits import MIB, Limits
from jianheng.logs import configure_logs, get_log
from jianheng.messages import text
from jianheng.registry import Plugin, Registry, discover
from jianheng.trust.rules import trust_of

CONFIG_VARIABLE = "JIANHENG_CONFIG"
ANY_STREAM = "*"

Use = TypeVar("Use", bound=TargetUse)


@dataclass(frozen=True, slots=True)
class Flags:
    """The options every command takes."""

    config: Path | None = None
    json: bool = False
    verbose: bool = False
    quiet: bool = False


class Session:
    """One run of the command line. What a command does not ask for is not loaded."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        self.flags = Flags()
        self.examines = False
        """Whether plugins of others are imported once, each in a process of its own, to know what is wrong with them."""

    @property
    def config_path(self) -> Path:
        """Where the deployment is: the option, else the environment, else the current folder."""
        return self.flags.config or Path(self.environ.get(CONFIG_VARIABLE) or FILE_NAME)

    @property
    def has_deployment(self) -> bool:
        """Whether somebody named a deployment, or one stands in the current folder."""
        return self.flags.config is not None or CONFIG_VARIABLE in self.environ or self.config_path.exists()

    @cached_property
    def deployment(self) -> Deployment:
        """The deployment.

        Raises:
            FaultsError: everything that is wrong with it.
        """
        return load_deployment(self.config_path)

    @cached_property
    def registry(self) -> Registry:
        """All plugins, as the deployment allows them; built-ins only when there is no deployment."""
        if not self.has_deployment:
            return Registry(discover(examine=self.examines))
        plugins = self.deployment.plugins
        trust = trust_of(self.deployment)
        return Registry(discover(plugins.allow, plugins.disable, examine=self.examines, trust=trust))

    def configure_logs(self) -> None:
        """Set up logging as the flags say."""
        level = (
            logging.DEBUG if self.flags.verbose else logging.ERROR if self.flags.quiet else logging.WARNING
        )
        configure_logs(level, as_json=self.flags.json or not sys.stderr.isatty())

    def progress(self) -> Progress:
        """Return a progress bar on stderr; it shows itself on a terminal only."""
        shown = sys.stderr.isatty() and not self.flags.quiet and not self.flags.json
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console(stderr=True),
            transient=True,
            disable=not shown,
        )


pass_session = click.make_pass_decorator(Session)


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


def learn_words(session: Session) -> None:
    """Look at the plugins, so that what an adapter said in an earlier run is told in its words."""
    _ = session.registry


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
