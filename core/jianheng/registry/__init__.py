"""Plugins: found by entry point, judged by manifest, loaded within a boundary, set aside when wrong."""

from jianheng.registry.discovery import discover, unknown_names
from jianheng.registry.manifest import Manifest, read_manifest
from jianheng.registry.plugin import Plugin, Registry

__all__ = ["Manifest", "Plugin", "Registry", "discover", "read_manifest", "unknown_names"]
