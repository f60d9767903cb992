"""The policy packs and working calendars shipped with Jianheng.

Every folder beside this file that holds a ``policy.toml``, every TOML file in the folder of calendars.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from jianheng.hookspecs import hookimpl


@hookimpl
def policies() -> Sequence[Path]:
    """Return the folders of the packs."""
    return sorted(file.parent for file in Path(__file__).parent.glob("*/policy.toml"))


@hookimpl
def calendars() -> Mapping[str, Path]:
    """Return the calendars by name."""
    return {file.stem: file for file in (Path(__file__).parents[1] / "calendars").glob("*.toml")}
