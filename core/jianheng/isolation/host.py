"""Adapters of others as the host uses them: a factory as any other, and a source or target that runs elsewhere."""

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from jianheng.boundary import Boundary, on_end
from jianheng.contract import AdapterContext, Batch, Finding, Publication, Receipt, Stream
from jianheng.errors import StopError
from jianheng.isolation import batches
from jianheng.isolation.limits import Code, Event, Limits, hosts_for, paths_in
from jianheng.isolation.process import Process, Report
from jianheng.isolation.values import decode, encode, stand_in
from jianheng.isolation.wire import WireError
from jianheng.logs import get_log
from jianheng.messages import language

__all__ = ["Code", "Event", "Examined", "Isolated", "Limits", "examine", "factory", "open_isolated"]

Kind = Literal["source", "target"]
TEXTS = "messages.toml"


@dataclass(frozen=True, slots=True)
class Examined:
    """What a plugin was found to bring, beside sources and targets, and what guarded its process."""

    folders: tuple[Path, ...] = ()
    calendars: Mapping[str, Path] = field(default_factory=dict)
    guards: tuple[str, ...] = ()


class Isolated:
    """An adapter in a child: each call goes there and back. Optional methods are there if the adapter has them."""

    def __init__(self, child: Process, offers: Sequence[str]) -> None:
        self.child = child
        self._readings = itertools.count(1)
        for name in offers:
            setattr(self, name, self._reader(name))

    def check(self) -> Iterator[Finding]:
        """Yield what the adapter's check finds."""
        return self._iterate("check")

    def close(self) -> None:
        """End the child."""
        self.child.stop(patient=True)

    def _call(self, method: str, *args: object) -> Any:
        told, _ = self.child.request(method, "call", method=method, args=encode(args))
        return self._decoded(method, lambda: decode(told["value"]))

    def _reader(self, method: str) -> Callable[..., Iterator[Any]]:
        return lambda *args: self._iterate(method, *args)

    def _iterate(self, method: str, *args: object) -> Iterator[Any]:
        number = next(self._readings)
        told, _ = self.child.request(method, "begin", reading=number, method=method, args=encode(args))
        if "wrong" in told:
            raise _returned_wrong(self.child.label, method, told, "Iterable")
        ended = False
        try:
            while True:
                told, payload = self._next(method, number)
                if told.get("done"):
                    ended = True
                    return
                yield self._batch(method, told, payload)
        except StopError:
            ended = True
            raise
        finally:
            if not ended and not self.child.stopped:
                self.child.request(f"{method}.close", "leave", reading=number)

    def _next(self, method: str, number: int) -> tuple[Mapping[str, Any], Any]:
        return self.child.request(method, "next", reading=number)

    def _batch(self, method: str, told: Mapping[str, Any], payload: Any) -> Any:
        return self._decoded(method, lambda: batches.unpack(told, payload))

    def _decoded(self, method: str, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except (WireError, KeyError, TypeError) as error:
            raise self.child.garbage(method, str(error)) from None


class IsolatedSource(Isolated):
    """A source in a child."""

    def streams(self) -> Sequence[Stream]:
        """Return what the adapter says can be read."""
        return cast("Sequence[Stream]", self._call("streams"))

    def read(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        """Yield the batches that the adapter yields."""
        return self._iterate("read", stream, cursor)


class IsolatedTarget(Isolated):
    """A target in a child."""

    def write(self, publication: Publication) -> Receipt:
        """Have the adapter write a publication; what it claims to have written is its own word."""
        return cast("Receipt", self._call("write", publication))


def factory(code: Code, kind: Kind) -> Callable[..., Any]:
    """Return a factory as a plugin's own: given a context, and limits if others than usual, it makes the adapter in a child."""

    def make(context: AdapterContext, limits: Limits | None = None) -> Any:
        return open_isolated(code, kind, context, limits or Limits())

    return make


def open_isolated(
    code: Code,
    kind: Kind,
    context: AdapterContext,
    limits: Limits | None = None,
    report: Report | None = None,
) -> object:
    """Start a child and make an adapter in it; what its factory returns when that is no adapter is stood in for.

    Args:
        code: which code.
        kind: as what it is used.
        context: what the adapter is given; secrets go over the pipe, the key of pseudonyms not at all.
        limits: what it may use.
        report: told of what is refused, what it prints, and its end.

    Raises:
        JianhengError: what the adapter raised on purpose.
        StopError: it could not be started, imported or made.
    """
    named = list(paths_in(context.options))
    # What is not there yet cannot be granted without the folder it would stand in, and that may hold anything.
    writes = [
        path
        for option, path in named
        if (kind == "target" or option in code.writes) and os.path.lexists(path)
    ]
    child = Process(
        code,
        context.name,
        limits or Limits(),
        reads=[path for _, path in named],
        writes=writes,
        hosts=hosts_for(code.hosts, context.options),
        log=context.log,
        pseudonym=context.pseudonym,
        report=report,
    )
    on_end(lambda patient: child.stop(patient=patient))
    try:
        _import(child)
        _register(child)
        told, _ = child.request("open", "open", kind=kind, plugin=code.plugin, context=_context(context))
    except BaseException:
        child.stop()
        raise
    if "wrong" in told:
        child.stop()
        return stand_in(str(told["wrong"]))
    offers = [name for name in told.get("offers", ()) if name in ("count", "keys", "read_range")]
    return IsolatedSource(child, offers) if kind == "source" else IsolatedTarget(child, offers)


def examine(code: Code, *, timeout_s: float, limits: Limits | None = None) -> Examined:
    """Import a plugin in a child and have its hooks checked; the child ends with that.

    Args:
        code: which plugin.
        timeout_s: limit of the import, and of the registration; how long a process takes to start is not its fault.
        limits: what it may use.

    Raises:
        StopError: the import failed, or a hook is unknown, misspelt, unmarked, missing, undeclared or wrong.
    """
    log = get_log(f"adapter.{code.plugin}")
    child = Process(code, code.plugin, limits or Limits(), log=log)
    with Boundary(code.plugin, timeout_s, origin=code.origin) as boundary:
        boundary.ends(lambda _patient: child.stop())
        boundary.call("import", _import, child)
        told = boundary.call("register", _register, child)
    try:
        folders = tuple(Path(each) for each in told["folders"])
        calendars = {name: Path(file) for name, file in told["calendars"].items()}
        return Examined(folders, calendars, child.guards)
    except (KeyError, TypeError, AttributeError) as error:
        raise child.garbage("register", type(error).__name__) from None


def _import(child: Process) -> None:
    texts = child.code.origin / TEXTS
    child.request(
        "import",
        "load",
        name=child.code.plugin,
        value=child.code.module,
        texts=str(texts) if texts.is_file() else "",
        language=language(),
    )


def _register(child: Process) -> Mapping[str, Any]:
    told, _ = child.request("register", "register", plugin=child.code.plugin, kinds=list(child.code.kinds))
    return told


def _context(context: AdapterContext) -> dict[str, Any]:
    return {
        "office": context.office,
        "name": context.name,
        "options": encode(dict(context.options)),
        "secrets": {name: secret.reveal() for name, secret in context.secrets.items()},
        "units": encode(context.units),
    }


def _returned_wrong(label: str, call: str, told: Mapping[str, Any], wanted: str) -> StopError:
    given = str(told["wrong"])
    return StopError("adapter-returned-wrong", adapter=label, call=call, given=given, wanted=wanted)
