"""What the kernel refuses a child, native code included: limits, Landlock for files, seccomp for calls. Linux only.

None of it needs rights, none can be undone from within. Where a kernel lacks a part, that part is left out and
the child says so: nobody is told of a guard that is not there.
"""

import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_MAKING = sum(1 << bit for bit in range(4, 13))
_CONNECT_TCP = 2
_SPARE_S = 5
_SCOPES = 3  # abstract sockets and signals of others
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE

SYSTEM = (
    *("/usr", "/lib", "/lib64", "/sys/devices/system", "/sys/fs/cgroup", "/proc/self", "/proc/sys"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/uptime", "/proc/filesystems"),
    *("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"),
    *("/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/krb5.conf", "/etc/odbc.ini", "/etc/odbcinst.ini"),
    *(
        "/etc/hosts",
        "/etc/resolv.conf",
        "/etc/nsswitch.conf",
        "/etc/host.conf",
        "/etc/gai.conf",
        "/etc/services",
    ),
    *("/etc/protocols", "/etc/passwd", "/etc/group", "/etc/localtime", "/etc/timezone", "/etc/os-release"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/mime.types"),
    *("/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager"),
)
"""What any program needs to read of a system: libraries, certificates, names. Not the rest of ``/etc``, where secrets
stand, nor the folders of other processes, which hold their environments."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Numbers of system calls on one kind of machine."""

    machine: int
    denied: tuple[int, ...]
    absent: tuple[int, ...]
    own: tuple[int, ...]
    reaching: tuple[int, ...]
    listen: int
    sendto: int
    clone: int
    socket: int
    limit: int


# mount, umount2, pivot_root, chroot, ptrace, process_vm_*, bpf, perf_event_open, userfaultfd, keys, namespaces,
# other processes' descriptors and signals, programs.
_GENERIC = (
    40, 39, 41, 51, 117, 270, 271, 280, 241, 282, 217, 218, 219, 97, 268, 434, 438, 424, 130, 138, 240, 164, 221, 281,
)  # fmt: skip
_X86 = (
    165, 166, 155, 161, 101, 310, 311, 321, 298, 323, 248, 249, 250, 272, 308, 434, 438, 424, 200, 129, 297, 160, 59,
    322, 57, 58,
)  # fmt: skip
_CALLS: Mapping[str, Calls] = {
    "x86_64": Calls(0xC000003E, _X86, (435, 425), (62, 234), (42, 46, 307), 50, 44, 56, 41, 302),
    "aarch64": Calls(0xC00000B7, _GENERIC, (435, 425), (129, 131), (203, 211, 269), 201, 206, 220, 198, 261),
    "loongarch64": Calls(
        0xC0000102, _GENERIC, (435, 425), (129, 131), (203, 211, 269), 201, 206, 220, 198, 261
    ),
}
"""``absent`` answer as if the kernel had them not (clone3, io_uring: others are used then); ``own`` (kill, tgkill) reach
this process only; ``reaching`` (connect, sendmsg, sendmmsg) is refused where there is no network, and ``sendto`` then
with an address. A socket that reaches nobody stays allowed: libraries make one to see what this machine speaks."""

_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_CLONE_THREAD = 0x10000
_RAW, _TYPE = 3, 0xF
_LOAD, _EQUAL, _GREATER, _SET, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _NO_PERMISSION, _NOT_THERE, _NO_ACCESS = 0x7FFF0000, 0x00050001, 0x00050026, 0x0005000D
_X32 = 0x40000000


def limit(limits: Mapping[str, int], parent: int) -> None:
    """Set the limits of this process, and have it end with the one that started it.

    Args:
        limits: ``memory_bytes``, ``cpu_s``, ``open_files``, ``file_bytes``.
        parent: the process that started this one.
    """
    wanted = {
        resource.RLIMIT_DATA: limits["memory_bytes"],
        resource.RLIMIT_CPU: limits["cpu_s"],
        resource.RLIMIT_NOFILE: limits["open_files"],
        resource.RLIMIT_FSIZE: limits["file_bytes"],
        resource.RLIMIT_CORE: 0,
    }
    for which, most in wanted.items():
        hard = resource.getrlimit(which)[1]
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # Of processor time a little more: the signal that comes first says what it was.
        spare = _SPARE_S if which == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else 0
        resource.setrlimit(which, (value, value + spare))
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            _library().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def confine(reads: Iterable[str], writes: Iterable[str], *, network: bool) -> tuple[str, ...]:
    """Have the kernel refuse what this process does not need; return what is in force.

    Args:
        reads: files and folders it may read, beside the system's own.
        writes: files and folders it may write, and read.
        network: whether it may make connections at all.
    """
    if sys.platform != "linux":
        return ()
    library = _library()
    if library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return ()
    done = []
    if _landlock(library, reads, writes, network=network):
        done.append("landlock")
    if _seccomp(library, network=network):
        done.append("seccomp")
    return tuple(done)


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _landlock(library: ctypes.CDLL, reads: Iterable[str], writes: Iterable[str], *, network: bool) -> bool:
    version = library.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        return False
    handled = _EXECUTE | _WRITE_FILE | _READ_FILE | _READ_DIR | _MAKING
    handled |= (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)  # noqa: PLR2004
    net = 0 if version < 4 or network else _CONNECT_TCP  # noqa: PLR2004
    scoped = _SCOPES if version >= 6 else 0  # noqa: PLR2004
    form = struct.pack("QQQ", handled, net, scoped)[: 8 if version < 4 else 16 if version < 6 else 24]  # noqa: PLR2004
    rules = library.syscall(_LANDLOCK_CREATE, form, len(form), 0)
    if rules < 0:
        return False
    reading = _READ_FILE | _READ_DIR
    for each in (*SYSTEM, *reads):
        _permit(library, rules, each, reading)
    for each in ("/dev/null", *writes):
        _permit(library, rules, each, handled & ~_EXECUTE)
    done = library.syscall(_LANDLOCK_RESTRICT, rules, 0) == 0
    os.close(rules)
    return bool(done)


def _permit(library: ctypes.CDLL, rules: int, path: str, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # what is not there cannot be read either
        return
    try:
        access = access if os.path.isdir(path) else access & _OF_FILES  # noqa: PTH112
        library.syscall(_LANDLOCK_ADD, rules, 1, struct.pack("=Qi", access, place), 0)
    finally:
        os.close(place)


def _seccomp(library: ctypes.CDLL, *, network: bool) -> bool:
    calls = _CALLS.get(platform.machine())
    if calls is None or struct.calcsize("P") != 8:  # noqa: PLR2004
        return False
    code = b"".join(struct.pack("=HBBI", *each) for each in _program(calls, network=network))
    held = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(held))
    return bool(library.prctl(_PR_SET_SECCOMP, 2, program, 0, 0) == 0)


def _program(calls: Calls, *, network: bool) -> list[tuple[int, int, int, int]]:
    """Return the filter: what is not named here is allowed."""
    told = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, calls.machine),
        (_RETURN, 0, 0, _NO_PERMISSION),
        (_LOAD, 0, 0, 0),
    ]
    told += [(_GREATER, 0, 1, _X32), (_RETURN, 0, 0, _NO_PERMISSION)]
    for number in calls.denied:
        told += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _NO_PERMISSION)]
    for number in calls.absent:
        told += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _NOT_THERE)]
    for number in calls.own:
        told += _when(
            number, [(_EQUAL, 0, 1, os.getpid()), (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _NO_PERMISSION)]
        )
    thread = [(_SET, 0, 1, _CLONE_THREAD), (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _NO_PERMISSION)]
    told += _when(calls.clone, thread)
    told += _when(calls.limit, _only_null(2, _NO_PERMISSION), argument=2)
    known = [step for each in (_NETLINK, _UNIX) for step in ((_EQUAL, 0, 1, each), (_RETURN, 0, 0, _ALLOW))]
    known += [(_EQUAL, 2, 0, _INET), (_EQUAL, 1, 0, _INET6), (_RETURN, 0, 0, _NO_ACCESS)]
    known += [(_LOAD, 0, 0, 16 + 8), (_AND, 0, 0, _TYPE), (_EQUAL, 0, 1, _RAW), (_RETURN, 0, 0, _NO_ACCESS)]
    told += _when(calls.socket, [*known, (_RETURN, 0, 0, _ALLOW)])
    for number in (calls.listen, *(() if network else calls.reaching)):
        told += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _NO_ACCESS)]
    if not network:
        told += _when(calls.sendto, _only_null(4, _NO_ACCESS), argument=4)
    return [*told, (_RETURN, 0, 0, _ALLOW)]


def _only_null(argument: int, refused: int) -> list[tuple[int, int, int, int]]:
    """Return steps that allow a call only if an argument, whose lower half was loaded, is no address."""
    upper = 16 + 8 * argument + 4
    steps = [(_EQUAL, 0, 2, 0), (_LOAD, 0, 0, upper), (_EQUAL, 1, 0, 0), (_RETURN, 0, 0, refused)]
    return [*steps, (_RETURN, 0, 0, _ALLOW)]


def _when(
    number: int, then: list[tuple[int, int, int, int]], argument: int = 0
) -> list[tuple[int, int, int, int]]:
    """Return steps for one call: its argument is looked at, and the steps end in an answer."""
    return [(_EQUAL, 0, len(then) + 1, number), (_LOAD, 0, 0, 16 + 8 * argument), *then]
