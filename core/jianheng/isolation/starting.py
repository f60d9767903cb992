"""Starting a child with nothing of the host's but what it needs, and ending it with all that it started."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import jianheng
from jianheng.errors import StopError
from jianheng.isolation import bootstrap
from jianheng.isolation.limits import MIB, Code, Limits
from jianheng.isolation.scratch import make_scratch
from jianheng.logs import redact

LENT = ("pyarrow", "pluggy", "tenacity", "tzdata")
"""Libraries of the host that a closed child may use where its plugin brings none of its own: the contract needs them."""
KEPT_VARIABLES = (
    "TZ",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "ORACLE_HOME",
    "TNS_ADMIN",
    "DM_HOME",
)
"""Variables of the host's environment that a child gets: where libraries and certificates are, and the time zone."""

_PATIENCE_S = 2.0
_DRAIN_S = 1.0
_LINE = 2000
_FATAL = "Fatal Python error"

# A child ends with the thread that started it (kernel.limit), so one that lives as long as we do starts them all.
_starters: dict[int, ThreadPoolExecutor] = {}


def _starter() -> ThreadPoolExecutor:
    """Return the executor with that thread; a copy of this process has no threads and needs one of its own."""
    with _starting:
        if os.getpid() not in _starters:
            _starters[os.getpid()] = ThreadPoolExecutor(
                max_workers=1, thread_name_prefix="jianheng-isolation"
            )
        return _starters[os.getpid()]


_starting = threading.Lock()


class Pipes:
    """Our ends of the two pipes, each closed once."""

    def __init__(self, read: int, write: int) -> None:
        self.read, self.write = read, write

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self.write < 0

    def close_write(self) -> None:
        """Tell the child that nothing more will come."""
        descriptor, self.write = self.write, -1
        _close(descriptor)

    def close(self) -> None:
        """Close both."""
        self.close_write()
        descriptor, self.read = self.read, -1
        _close(descriptor)

    def __del__(self) -> None:
        self.close()


class Started:
    """A running child: its process, its pipes, its scratch folder, and what it printed."""

    def __init__(
        self, popen: subprocess.Popen[bytes], pipes: Pipes, scratch: Path, reads: tuple[str, ...]
    ) -> None:
        self.popen, self.pipes, self.scratch, self.reads = popen, pipes, scratch, reads
        self.output = Output()
        self._finish = weakref.finalize(self, _end, popen, scratch, os.getpid())

    def stop(self, *, patient: bool) -> None:
        """End it: by itself within two seconds when ``patient``, then by force. A second time nothing happens."""
        if patient and self._finish.alive:
            self.pipes.close_write()
            _wait_for(self.popen.pid, _PATIENCE_S)
        self._finish()

    def ended(self) -> tuple[str, str]:
        """End a child whose pipe has ended; return how it ended and the last it printed."""
        _wait_for(self.popen.pid, _DRAIN_S)
        self._finish()
        self.output.done.wait(_DRAIN_S)
        code = self.popen.returncode
        if code is None:  # another thread is ending it just now, by force
            return signal.SIGKILL.name, self.output.last()
        return (f"exit {code}" if code >= 0 else _signal_name(-code)), self.output.last()


class Output:
    """What a child printed: the last line that says something, and when it has ended."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self._last = ""
        self._fatal = ""

    def take(self, line: str) -> None:
        """Note a line."""
        self._last = line
        if line.startswith(_FATAL):
            self._fatal = line

    def last(self) -> str:
        """Return the line that says most of the end."""
        return self._fatal or self._last


def start(code: Code, limits: Limits, printed: Callable[[str], None]) -> Started:
    """Start a child that runs some code; it waits for its orders on the pipe.

    Args:
        code: what it will run.
        limits: what it may use.
        printed: given each line it prints, without secrets, as far as the limit goes.

    Raises:
        StopError: there is no process to be had.
    """
    if os.name != "posix":  # no process groups, no limits: rather not at all than without them
        raise StopError("isolation-unstarted", adapter=code.plugin, detail=os.name)
    try:
        started, output = _starter().submit(_start, code).result()
    except OSError as error:
        raise StopError(
            "isolation-unstarted", adapter=code.plugin, detail=error.strerror or str(error)
        ) from None
    draining = (output, started.output, limits.output_bytes, printed)
    threading.Thread(target=_drain, args=draining, name="jianheng-output", daemon=True).start()
    return started


def _start(code: Code) -> tuple[Started, int]:
    scratch = make_scratch()
    down_read, down_write = os.pipe()
    up_read, up_write = os.pipe()
    output, printed = os.pipe()
    for each in (down_write, up_write):
        _widen(each)
    path = [str(each) for each in code.search]
    if not code.closed:  # never the current folder: a deployment stands there, with what is secret in it
        path += [each for each in sys.path if each and Path(each) != Path.cwd()]
    told = {
        "path": path,
        "ours": _folder_of("jianheng"),
        "lent": _lent(),
        "read": down_read,
        "write": up_write,
    }
    flags = ["-I", "-B", "-X", "utf8", *(["-S"] if code.closed else [])]
    try:
        popen = subprocess.Popen(  # noqa: S603  # our own interpreter and file
            [sys.executable, *flags, bootstrap.__file__, json.dumps(told)],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            pass_fds=(down_read, up_write),
            start_new_session=True,
            cwd=scratch,
            env=_environment(scratch),
        )
    except BaseException:
        for each in (down_write, up_read, output):
            os.close(each)
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    finally:
        for each in (down_read, up_write, printed):
            os.close(each)
    roots = {
        sys.prefix,
        sys.base_prefix,
        sys.exec_prefix,
        str(Path(jianheng.__file__).parent),
        str(code.origin),
    }
    roots |= {*path, *_lent().values(), *_library_folders()}
    return Started(popen, Pipes(up_read, down_write), scratch, tuple(sorted(roots))), output


def _widen(descriptor: int) -> None:
    """Let a pipe hold more at once, where the system allows it: fewer turns for a large batch."""
    import fcntl  # other systems have none, and no isolation either

    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, MIB)


def _environment(scratch: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    own = {"PATH": "/usr/bin:/bin", "HOME": str(scratch), "TMPDIR": str(scratch), "LANG": "C.UTF-8"}
    return kept | own


def _library_folders() -> set[str]:
    told = ":".join(os.environ.get(name, "") for name in KEPT_VARIABLES if name != "TZ")
    return {each for each in told.split(":") if each}


@cache
def _lent() -> dict[str, str]:
    return {name: place for name in LENT if (place := _folder_of(name))}


def _folder_of(name: str) -> str:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        return ""
    places = spec.submodule_search_locations
    return str(next(iter(places))) if places else spec.origin


def _drain(descriptor: int, output: Output, most: int, printed: Callable[[str], None]) -> None:
    """Read what a child prints until it ends, so that it never waits; look at the first of it."""
    seen, rest = 0, b""
    with open(descriptor, "rb", buffering=0) as opened:  # a pipe
        while piece := opened.read(65536):
            kept = piece[: max(0, most - seen)]
            seen += len(piece)
            *lines, rest = (rest + kept)[-2 * most :].split(b"\n")
            for each in lines:
                _tell(each, output, printed)
        _tell(rest, output, printed)
    if seen > most:
        printed(f"… {seen - most} bytes more")
    output.done.set()


def _tell(line: bytes, output: Output, printed: Callable[[str], None]) -> None:
    shown = redact(line.decode("utf-8", "replace").strip())[:_LINE]
    if shown:
        output.take(shown)
        printed(shown)


def _wait_for(pid: int, seconds: float) -> None:
    """Wait until a process has ended, and leave it to be waited for: its number must not be anybody else's yet."""
    until = time.monotonic() + seconds
    wait = 0.001
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < until:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
                return
            time.sleep(wait)
            wait = min(2 * wait, 0.05)


def _end(popen: subprocess.Popen[bytes], scratch: Path, owner: int) -> None:
    if os.getpid() != owner:  # a copy of the host: the child is not its own
        return
    # The group first: while its leader is not waited for, its number belongs to nobody else.
    if popen.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)
        popen.wait()
    shutil.rmtree(scratch, ignore_errors=True)


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
