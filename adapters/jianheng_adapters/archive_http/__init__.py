"""The archive system over HTTP: a source of volumes, and a target for the list of what is due."""

from collections.abc import Mapping

from jianheng.contract import SourceFactory, TargetFactory
from jianheng.hookspecs import hookimpl
from jianheng_adapters.archive_http.source import ArchiveSource
from jianheng_adapters.archive_http.target import ArchiveTarget


@hookimpl
def sources() -> Mapping[str, SourceFactory]:
    """Return the source."""
    return {"archive-http": ArchiveSource}


@hookimpl
def targets() -> Mapping[str, TargetFactory]:
    """Return the target."""
    return {"archive-http": ArchiveTarget}
