"""Puts distributions where Python finds them, as an installer would: from a project folder, without building anything."""

import shutil
import tomllib
from pathlib import Path

FROZEN = Path(__file__).parent / "v1"


def install(site: Path, project: Path) -> str:
    """Install a project into a folder that is on the path: its packages, METADATA and entry points; return its name.

    Args:
        site: the folder.
        project: holds ``pyproject.toml``, which names the packages for hatch.
    """
    told = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    name, version = told["project"]["name"], told["project"]["version"]
    for package in told["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        shutil.copytree(
            project / package, site / Path(package).name, ignore=shutil.ignore_patterns("__pycache__")
        )
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (info / "METADATA").write_text(about, encoding="utf-8")
    points = told["project"]["entry-points"]["jianheng"].items()
    (info / "entry_points.txt").write_text(
        "[jianheng]\n" + "".join(f"{point} = {module}\n" for point, module in points), encoding="utf-8"
    )
    return str(name)
