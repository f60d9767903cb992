"""The unified case system (统一业务应用系统), read from its database or a copy of it."""

from collections.abc import Mapping

from jianheng.contract import SourceFactory
from jianheng.hookspecs import hookimpl
from jianheng_adapters.unified_case_sql.source import UnifiedCaseSource


@hookimpl
def sources() -> Mapping[str, SourceFactory]:
    """Return the source."""
    return {"unified-case-sql": UnifiedCaseSource}
