"""Makes wheels by hand: files with their places, as a build tool would, in no time."""

import base64
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ADAPTER = """
id = "zoo-signed"
kind = ["source"]
contract = 1
maturity = "bronze"
label = { zh = "签名的动物", en = "signed animal" }
streams = ["unit"]
"""
CODE = '''
"""Says which libraries it sees."""

import importlib
import sys

import click  # a version of its own, other than the host's

from jianheng.contract import Batch, Finding, Stream
from jianheng.hookspecs import hookimpl


def sees(name):
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


class Signed:
    def __init__(self, context):
        self.context = context

    def check(self):
        yield Finding("signed", detail=click.__version__)

    def streams(self):
        return [Stream("unit", "unit")]

    def read(self, stream, cursor):
        seen = [name for name in ("click", "pyarrow", "pluggy", "sqlalchemy", "structlog", "pydantic") if sees(name)]
        yield Batch([{"click": click.__version__, "sees": seen, "jianheng": sees("jianheng.store")}])


@hookimpl
def sources():
    return {"zoo-signed": Signed}
'''


def wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    files: Mapping[str, str] | None = None,
    *,
    requires: Sequence[str] = (),
    plugins: Mapping[str, str] | None = None,
    python: str = "",
    tag: str = "py3-none-any",
) -> Path:
    """Write a wheel and return its file."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    told = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: Apache-2.0\n"]
    told += [f"Requires-Dist: {each}\n" for each in requires]
    told += [f"Requires-Python: {python}\n"] if python else []
    content = dict(files if files is not None else {f"{module}/__init__.py": f'__version__ = "{version}"\n'})
    content[f"{info}/METADATA"] = "".join(told)
    content[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
    if plugins:
        lines = [f"{each} = {value}\n" for each, value in plugins.items()]
        content[f"{info}/entry_points.txt"] = "[jianheng]\n" + "".join(lines)
    record = [f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in content.items()]
    file = folder / f"{module}-{version}-{tag}.whl"
    with zipfile.ZipFile(file, "w") as opened:
        for path, text in content.items():
            opened.writestr(path, text)
        opened.writestr(f"{info}/RECORD", "".join(record))
    return file


def signed_animal(folder: Path, version: str = "1.0", **more) -> list[Path]:
    """Write the wheels of a plugin that brings its own version of a library the host has too."""
    files = {"zoo_signed/__init__.py": CODE, "zoo_signed/adapter.toml": ADAPTER}
    requires = ["jianheng>=0.1", "pyarrow", "click==0.0.7", 'colorama; sys_platform == "nowhere"']
    given = {"files": files, "plugins": {"zoo-signed": "zoo_signed"}, "requires": requires, **more}
    return [wheel(folder, "zoo-signed", version, **given), wheel(folder, "click", "0.0.7")]


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
