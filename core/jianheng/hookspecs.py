"""Every hook, in one place. pluggy registers; it never moves data.

A hook returns factories or folders; core calls each adapter alone, inside its own boundary.
Arguments are only ever added, never renamed. docs/hooks.md documents each with its signature.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pluggy

from jianheng.contract import SourceFactory, TargetFactory

PROJECT = "jianheng"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def sources() -> Mapping[str, SourceFactory]:  # type: ignore[empty-body]
    """Return the sources this plugin brings, by the id its manifest declares."""


@hookspec
def targets() -> Mapping[str, TargetFactory]:  # type: ignore[empty-body]
    """Return the targets this plugin brings, by the id its manifest declares."""


@hookspec
def policies() -> Sequence[Path]:  # type: ignore[empty-body]
    """Return the policy packs this plugin brings: folders that hold a ``policy.toml``."""


@hookspec
def calendars() -> Mapping[str, Path]:  # type: ignore[empty-body]
    """Return the working calendars this plugin brings: TOML files by the name that policies call them by."""
