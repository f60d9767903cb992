"""What a child is, and what it may use: the values that describe one, on the host's side."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

MIB = 1 << 20
GUARDS = ("audit", "landlock", "seccomp")
"""What guards a child where the machine has it all: a hook of Python, and two parts of the Linux kernel."""
EventKind = Literal["blocked", "output", "died"]

_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///([^?]+)")
_HOST = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?"
)
_NAMED = re.compile(r"(?i)\b(?:host|hostaddr|server|data source|address)\s*=\s*([A-Za-z0-9.-]+)")
_DOTTED = re.compile(r"(?<![\w.-])[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::[0-9]{1,5})?(?![\w-])")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child may use; wall time is its boundary's.

    Attributes:
        memory_bytes: memory it may take for itself.
        cpu_s: seconds of processor time in all its life.
        open_files: descriptors at once.
        file_bytes: size of a file it writes.
        message_bytes: one batch of Arrow.
        control_bytes: one message of JSON, rows as mappings among them.
        output_bytes: of what it prints that is looked at; the rest is only counted.
        log_lines: lines of its log that are written for one call.
    """

    memory_bytes: int = 2048 * MIB
    cpu_s: int = 3600
    open_files: int = 256
    file_bytes: int = 1024 * MIB
    message_bytes: int = 256 * MIB
    control_bytes: int = 64 * MIB
    output_bytes: int = 64 * 1024
    log_lines: int = 1000


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a child: refused by the guard, printed, or its end."""

    kind: EventKind
    detail: str


@dataclass(frozen=True, slots=True)
class Code:
    """Which code a child runs.

    Attributes:
        plugin: the plugin's id.
        module: the value of its entry point.
        origin: the folder its manifest stands in.
        kinds: what its manifest says it is.
        search: folders laid before the child's search path.
        closed: nothing of the host but the contract and the libraries it needs; otherwise the host's path follows.
        hosts: who it may speak to; ``*`` for those that its options name.
        writes: options whose paths it may write; a target may write all of its paths.
    """

    plugin: str
    module: str
    origin: Path
    kinds: tuple[str, ...]
    search: tuple[Path, ...] = ()
    closed: bool = False
    hosts: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


def paths_in(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the paths that options name, each with its option: paths themselves, and files of SQLite URLs."""
    for name, value in options.items():
        for each in _leaves(value):
            if isinstance(each, Path):
                yield name, str(each)
            elif isinstance(each, str) and (found := _SQLITE.match(each)):
                yield name, found[1]
                # what SQLite keeps beside the file, where it is there already
                yield from ((name, f"{found[1]}{end}") for end in ("-wal", "-shm", "-journal"))


def hosts_for(allowed: tuple[str, ...], options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return whom a use of an adapter may speak to: ``*`` in a manifest stands for the hosts its options name."""
    if "*" not in allowed:
        return allowed
    named = {host for value in options.values() for each in _leaves(value) for host in _hosts_in(each)}
    return (*(each for each in allowed if each != "*"), *sorted(named))


def _hosts_in(value: object) -> Iterator[str]:
    if not isinstance(value, str):
        return
    if "://" in value:
        try:
            parts = urlsplit(value)
            host, port = parts.hostname, parts.port
        except ValueError:
            return
        if host:
            shown = f"[{host}]" if ":" in host else host
            yield shown if port is None else f"{shown}:{port}"
    elif _HOST.fullmatch(value):
        yield value
    else:
        yield from _NAMED.findall(value)
        yield from _DOTTED.findall(value)


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _leaves(each)
    else:
        yield value
