"""Scratch folders of children: made here, taken away with the child, and swept when a host was killed before that."""

import contextlib
import os
import shutil
import tempfile
import time
from functools import cache
from pathlib import Path

_PREFIX = "jianheng-child-"
_DAY_S = 86_400


def make_scratch() -> Path:
    """Return a new folder that only this account can look into."""
    sweep()
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))


@cache
def sweep() -> None:
    """Take away scratch folders that a killed host left: a day old, and its number nobody's; once in a process."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            status = folder.lstat()
            old = time.time() - status.st_mtime > _DAY_S and status.st_uid == os.getuid()
            if old and owner.isdigit() and not _is_there(int(owner)):
                shutil.rmtree(folder, ignore_errors=True)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
