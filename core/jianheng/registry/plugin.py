"""A plugin as it was found, and the registry that hands out what plugins bring."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from jianheng.config.faults import nearest
from jianheng.config.options import Option
from jianheng.contract import SourceFactory, TargetFactory
from jianheng.errors import Problem, StopError
from jianheng.registry.manifest import Kind

Isolation = Literal["none", "process"]
Signature = Literal["built-in", "signed", "unsigned", "refused"]


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin that was found, in use or set aside.

    Attributes:
        id: the name of its entry point.
        label: its name for people, by language.
        enabled: it was imported and registered; otherwise ``reason`` says why not.
        origin: the folder its manifest stands in.
        notices: single things it brought that were set aside, such as a broken policy folder.
        folders: the policy packs it brings, by policy id.
        calendars: the files of the working calendars it brings, by name.
        isolation: where its code runs: with ours, or in a process of its own.
        signature: who vouches for it: we ourselves, a publisher that the deployment trusts, nobody, or somebody
            or something that the deployment does not trust.
        publisher: the name the deployment knows that publisher by.
        guards: what guards its process on this machine (docs/isolation.md); empty while it was not looked at.
    """

    id: str
    kinds: tuple[Kind, ...]
    label: Mapping[str, str]
    version: str
    distribution: str
    contract: int | None
    streams: tuple[str, ...]
    publications: tuple[str, ...]
    maturity: str
    options: Mapping[str, Option]
    secrets: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    enabled: bool
    reason: Problem | None
    origin: Path | None
    notices: tuple[Problem, ...] = ()
    sources: Mapping[str, SourceFactory] = field(default_factory=dict, repr=False, compare=False)
    targets: Mapping[str, TargetFactory] = field(default_factory=dict, repr=False, compare=False)
    folders: Mapping[str, Path] = field(default_factory=dict, repr=False)
    calendars: Mapping[str, Path] = field(default_factory=dict, repr=False)
    isolation: Isolation = "process"
    signature: Signature = "unsigned"
    publisher: str = ""
    guards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Registry:
    """All plugins that were found; hands out what the enabled ones bring."""

    plugins: tuple[Plugin, ...]

    @property
    def set_aside(self) -> tuple[Plugin, ...]:
        """The plugins that are not in use, each with its reason."""
        return tuple(each for each in self.plugins if not each.enabled)

    def plugin(self, plugin_id: str, kind: Kind) -> Plugin:
        """Return an enabled plugin of a kind.

        Raises:
            StopError: there is none of that id, it was set aside, or it is of another kind.
        """
        found = [each for each in self.plugins if each.id == plugin_id]
        usable = next((each for each in found if each.enabled), None)
        if usable is not None and kind in usable.kinds:
            return usable
        of_kind = sorted(each.id for each in self.plugins if each.enabled and kind in each.kinds)
        known = ", ".join(of_kind) or "—"
        if usable is not None:
            raise StopError("adapter-wrong-kind", adapter=plugin_id, kind=kind, known=known)
        if not found:
            raise StopError(
                "adapter-unknown", adapter=plugin_id, nearest=nearest(plugin_id, of_kind), known=known
            )
        reasons = [each.reason.message().what for each in found if each.reason is not None]
        raise StopError("adapter-set-aside", adapter=plugin_id, reason="; ".join(reasons))

    def source_factory(self, plugin_id: str) -> SourceFactory:
        """Return the factory of a source; call it within a boundary only.

        Raises:
            StopError: there is no such source in use.
        """
        return self.plugin(plugin_id, "source").sources[plugin_id]

    def target_factory(self, plugin_id: str) -> TargetFactory:
        """Return the factory of a target; call it within a boundary only.

        Raises:
            StopError: there is no such target in use.
        """
        return self.plugin(plugin_id, "target").targets[plugin_id]

    def policy_folders(self) -> dict[str, Path]:
        """Return the policy packs of all enabled plugins, by policy id."""
        both = [item for each in self.plugins if each.enabled for item in each.folders.items()]
        return dict(sorted(both))

    def calendar_files(self) -> dict[str, Path]:
        """Return the working calendars of all enabled plugins, by name."""
        both = [item for each in self.plugins if each.enabled for item in each.calendars.items()]
        return dict(sorted(both))
