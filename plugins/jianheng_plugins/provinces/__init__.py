"""The policy packs shipped with Jianheng: every folder beside this file that holds a ``policy.toml``."""

from collections.abc import Sequence
from pathlib import Path

from jianheng.hookspecs import hookimpl


@hookimpl
def policies() -> Sequence[Path]:
    """Return the folders of the packs."""
    return sorted(file.parent for file in Path(__file__).parent.glob("*/policy.toml"))
