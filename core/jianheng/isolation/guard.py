"""The guard within a child: an audit hook that cannot be taken away, before any code of the adapter runs.

It sees what goes through Python: connections, name look-ups, opening files, new processes, loading libraries. A
native extension can pass by it; what the kernel refuses then stands in :mod:`.kernel`, and what neither refuses in
docs/isolation.md.
"""

import errno
import fnmatch
import ipaddress
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES: Mapping[str, tuple[int, ...]] = {
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.mkdir": (0,),
    "os.rmdir": (0,),
    "os.link": (0, 1),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.chmod": (0,),
    "os.chown": (0,),
    "os.utime": (0,),
    "os.setxattr": (0,),
    "os.removexattr": (0,),
}
"""Events that change a file, and which of their arguments are paths."""
_NEVER = frozenset(
    {
        "subprocess.Popen",
        "os.system",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.exec",
        "pty.spawn",
        "os.kill",
        "os.killpg",
        "ctypes.dlsym",
        "ctypes.dlsym/handle",
        "ctypes.call_function",
    }
)
_LISTS = frozenset({"os.listdir", "os.scandir"})
_LOOKUPS = frozenset({"getaddrinfo", "gethostbyname", "gethostbyaddr", "getnameinfo"})
_TALKS = frozenset({"connect", "bind", "sendto", "sendmsg"})
_DEVICES = frozenset({"/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"})

Report = Callable[[str], None]


class BlockedError(PermissionError):
    """The guard refused something; ``what`` says what, in few words: ``connect 10.0.0.9:443``."""

    def __init__(self, what: str) -> None:
        super().__init__(errno.EACCES, f"not allowed for this adapter: {what}")
        self.what = what


class Hosts:
    """The hosts an adapter may speak to, and the addresses their names were found to have.

    Args:
        allowed: names, ``*.suffix``, addresses, each with ``:port`` if only that one; ``*`` for any.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = [_split(each) for each in allowed]
        self._found: set[tuple[str, int | None]] = set()

    def allows(self, host: str, port: int | None = None) -> bool:
        """Say whether a name or address, at a port, may be spoken to; no port asks for the name alone."""
        told = host.lower().rstrip(".").partition("%")[0]
        for name, only in self._allowed:
            if (only is None or port is None or only == port) and fnmatch.fnmatchcase(told, name):
                return True
        return any(told == known and (only is None or port in (None, only)) for known, only in self._found)

    def note(self, host: str, addresses: Iterable[str]) -> None:
        """Remember the addresses of an allowed name: connections go to addresses."""
        told = host.lower().rstrip(".")
        ports = [only for name, only in self._allowed if fnmatch.fnmatchcase(told, name)]
        self._found |= {(each.partition("%")[0], only) for each in addresses for only in ports}


def _split(entry: str) -> tuple[str, int | None]:
    told = entry.lower()
    if told.startswith("["):
        name, _, port = told[1:].partition("]")
        return name, int(port[1:]) if port[1:].isdigit() else None
    name, _, port = told.rpartition(":")
    return (name, int(port)) if name and ":" not in name and port.isdigit() else (told, None)


def install(hosts: Hosts, reads: Iterable[str], writes: Iterable[str], report: Report) -> None:
    """Put the guard in force for the rest of this process.

    Args:
        hosts: who may be spoken to.
        reads: files and folders that may be read.
        writes: files and folders that may be written, and read.
        report: told of everything that is refused.
    """
    _note_addresses(hosts)
    paths = Paths(reads, writes)
    inside = threading.local()

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if getattr(inside, "busy", False):
            return
        inside.busy = True
        try:
            what = _judge(event, given, hosts, paths)
            if what:
                report(what)
                raise BlockedError(what)
        finally:
            inside.busy = False

    sys.addaudithook(hook)


class Paths:
    """The files and folders an adapter may read and write."""

    def __init__(self, reads: Iterable[str], writes: Iterable[str]) -> None:
        self._writes = tuple(os.path.realpath(each) for each in writes)
        self._reads = (*(os.path.realpath(each) for each in reads), *self._writes)

    def refused(self, given: Any, *, write: bool) -> str:
        """Return what is to be refused of using a path; empty when it is allowed, or no path."""
        if given is None or isinstance(given, int):
            return ""
        shown = os.fsdecode(given)
        full = os.path.realpath(shown)
        roots = self._writes if write else self._reads
        within = any(full == root or full.startswith(root.rstrip("/") + "/") for root in roots)
        return "" if within or full in _DEVICES else f"{'write' if write else 'read'} {shown}"


def _judge(event: str, given: tuple[Any, ...], hosts: Hosts, paths: Paths) -> str:
    """Return what is to be refused; empty when the event is allowed."""
    if event == "open":
        return paths.refused(given[0], write=_writes(given[1], given[2]))
    if event.startswith("socket."):
        return _talk(event.partition(".")[2], given, hosts)
    if event in _CHANGES:
        told = (paths.refused(given[place], write=True) for place in _CHANGES[event])
        return next((each for each in told if each), "")
    if event in _LISTS or event == "sqlite3.connect":
        return paths.refused(_database(given[0]) if event not in _LISTS else given[0] or ".", write=False)
    never = event in _NEVER or (event == "ctypes.dlopen" and given[0])
    return f"{event} {given[0] if given else ''}".strip()[:200] if never else ""


def _writes(mode: Any, flags: Any) -> bool:
    return bool(isinstance(flags, int) and flags & _WRITING) or bool(
        isinstance(mode, str) and set(mode) & set("wxa+")
    )


def _database(given: Any) -> str | None:
    told = os.fsdecode(given)
    if told in ("", ":memory:") or told.startswith("file::memory:"):
        return None
    return told.removeprefix("file:").partition("?")[0] if told.startswith("file:") else told


def _talk(verb: str, given: tuple[Any, ...], hosts: Hosts) -> str:
    if verb in _LOOKUPS:
        return _look_up(verb, given, hosts)
    address = given[1] if verb in _TALKS else None
    if address is None:
        return ""
    if not isinstance(address, tuple):
        return f"{verb} {address!r}"[:200]
    host, port = str(address[0]), address[1] if len(address) > 1 else None
    fine = port == 0 if verb == "bind" else hosts.allows(host, port if isinstance(port, int) else None)
    return "" if fine else f"{'bind' if verb == 'bind' else 'connect'} {host}:{port}"


def _look_up(verb: str, given: tuple[Any, ...], hosts: Hosts) -> str:
    host = given[0][0] if verb == "getnameinfo" else given[0]
    if host in (None, "", b""):
        return ""
    shown = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    port = given[1] if verb == "getaddrinfo" and isinstance(given[1], int) else None
    if hosts.allows(shown, port or None):
        return ""
    return f"connect {shown}:{port}" if port and _is_address(shown) else f"resolve {shown}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _note_addresses(hosts: Hosts) -> None:
    """Let name look-ups of allowed names tell which addresses they gave."""
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        found = look_up(host, port, *rest, **more)
        if host:
            name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
            hosts.note(name, (str(each[4][0]) for each in found))
        return found

    socket.getaddrinfo = getaddrinfo
