"""Reading small files whole, without trusting what they are."""

import os
import stat
from pathlib import Path


def read_small(file: Path, most: int) -> tuple[os.stat_result, bytes | None]:
    """Return a file's state and content; None for content when it is larger than ``most`` or no ordinary file.

    Raises:
        OSError: it is absent or may not be read.
        ValueError: its name is no file name.
    """
    # Without waiting: a named pipe that nobody writes to would hold the process for ever.
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            return status, None
        with os.fdopen(descriptor, "rb", closefd=False) as opened:
            return status, opened.read(most)
    finally:
        os.close(descriptor)
