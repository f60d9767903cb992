"""Puts distributions of the zoo where Python finds them, as an installer would, without one."""

import shutil
import sys
from pathlib import Path

ZOO = Path(__file__).parent


def install(site: Path, *names: str) -> None:
    """Install distributions of the zoo into a folder: package, METADATA and entry points.

    Args:
        site: the folder; whoever calls puts it on the path.
        names: folder names in the zoo, which are the distributions' names.
    """
    site.mkdir(exist_ok=True)
    for name in names:
        for each in (ZOO / name).iterdir():
            if each.is_dir() and each.name != "__pycache__":
                shutil.copytree(each, site / each.name, ignore=shutil.ignore_patterns("__pycache__"))
        info = site / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8"
        )
        shutil.copy(ZOO / name / "entry_points.txt", info / "entry_points.txt")
    for module in [each for each in sys.modules if each.startswith("zoo_")]:
        del sys.modules[module]
