"""What is shipped: the wheel is made from the sdist, holds the whole tree, and runs without it."""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SIMULATOR = ROOT / "contrib" / "jianheng-simulator"
SOURCE_ROOTS = ("core", "adapters", "plugins")
NOT_SHIPPED = (".ci/",)
"""What only a clone needs; pyproject.toml excludes the same from the sdist."""


def run(words: Sequence[object], cwd: Path, expected: int = 0) -> str:
    """Run a command as a user's shell would, with nothing of this tree in its environment."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "JIANHENG", "COV"))
    }
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert expected == done.returncode, done.stdout + done.stderr
    return done.stdout


def tracked(under: Path) -> set[str]:
    """Return the files below a folder that git tracks and that are there, relative to it."""
    if not (ROOT / ".git").exists():
        pytest.skip("which files are tracked is known in a clone only")
    listed = run(["git", "ls-files", "-z"], under).split("\0")
    return {name for name in listed if name and (under / name).exists()}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the sdist and, from it, the wheel of a project; both only once."""
    done: dict[Path, tuple[Path, Path]] = {}

    def build(project: Path) -> tuple[Path, Path]:
        if project not in done:
            folder = tmp_path_factory.mktemp("dist")
            run([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, project], folder)
            (sdist,) = folder.glob("*.tar.gz")
            (wheel,) = folder.glob("*.whl")
            done[project] = (sdist, wheel)
        return done[project]

    return build


@pytest.fixture(scope="module")
def install(built, tmp_path_factory):
    """Return the programs' folder of a fresh environment that holds one wheel; libraries are borrowed from ours."""

    def install_one(project: Path) -> Path:
        folder = tmp_path_factory.mktemp("environment")
        venv.create(folder, with_pip=False, symlinks=os.name == "posix")
        programs = folder / ("Scripts" if os.name == "nt" else "bin")
        python = programs / "python"
        wheel = built(project)[1]
        run(
            [
                sys.executable,
                "-m",
                "pip",
                "--python",
                python,
                "install",
                "-q",
                "--no-deps",
                "--no-index",
                wheel,
            ],
            folder,
        )
        site = Path(
            run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip()
        )
        # One line of a .pth adds our libraries, but not the .pth through which this tree is installed.
        (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        return programs

    return install_one


def names_in_sdist(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        return {each.name.partition("/")[2] for each in archive.getmembers() if each.isfile()}


def names_in_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize("project", [ROOT, SIMULATOR], ids=lambda each: each.name)
def test_the_sdist_holds_every_tracked_file(built, project):
    wanted = {name for name in tracked(project) if not name.startswith(NOT_SHIPPED)}
    assert set() == wanted - names_in_sdist(built(project)[0])


def test_the_wheel_holds_every_tracked_file_of_the_three_source_roots(built):
    wanted = set().union(*(tracked(ROOT / root) for root in SOURCE_ROOTS))
    assert wanted
    assert set() == wanted - names_in_wheel(built(ROOT)[1])


def test_the_simulators_wheel_holds_every_tracked_file_of_its_source(built):
    wanted = tracked(SIMULATOR / "src")
    assert wanted
    assert set() == wanted - names_in_wheel(built(SIMULATOR)[1])


@pytest.mark.parametrize(
    ("project", "packages"),
    [
        (ROOT, {"jianheng", "jianheng_adapters", "jianheng_plugins"}),
        (SIMULATOR, {"jianheng_simulator"}),
    ],
    ids=lambda each: each.name if isinstance(each, Path) else "",
)
def test_a_wheel_brings_its_packages_and_no_other_top_level_name(built, project, packages):
    names = {name.partition("/")[0] for name in names_in_wheel(built(project)[1])}
    assert packages == {name for name in names if not name.endswith(".dist-info")}


def test_no_wheel_holds_what_the_interpreter_left_behind(built):
    names = names_in_wheel(built(ROOT)[1]) | names_in_wheel(built(SIMULATOR)[1])
    assert sorted(name for name in names if "__pycache__" in name or name.endswith((".pyc", ".db"))) == []


def test_the_installed_wheel_runs_outside_the_tree(install, tmp_path):
    """The commands work from an empty folder, and it is the wheel's own files that answer."""
    programs = install(ROOT)
    where = run([programs / "python", "-c", "import jianheng; print(jianheng.__file__)"], tmp_path)
    assert Path(where.strip()).is_relative_to(programs.parent)
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"jianheng {declared['version']}" == run([programs / "jianheng", "--version"], tmp_path).strip()
    told = json.loads(run([programs / "jianheng", "plugins", "--json"], tmp_path))
    enabled = {each["id"] for each in told["plugins"] if each["enabled"]}
    assert set(declared["entry-points"]["jianheng"]) == enabled
    checked = json.loads(run([programs / "jianheng", "policy", "check", "laoshan", "--json"], tmp_path))
    assert (checked["ok"], checked["policy"]) == (True, "laoshan")


def test_the_installed_simulator_makes_a_world_outside_the_tree(install, tmp_path):
    programs = install(SIMULATOR)
    size = ["--people", "12", "--cases", "20"]
    run([programs / "jianheng-simulator", "create", "--folder", tmp_path / "world", *size], tmp_path)
    assert (tmp_path / "world" / "case.db").is_file()
