"""The vendor's rig: his upstream started on a copy of his files, and the few things it can be asked to do."""

import datetime as dt
import importlib.util
import shutil
import socketserver
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from jianheng.conformance.proxy import FaultProxy, closed_port, proxied, silent_port
from jianheng.conformance.settings import Settings
from jianheng.conformance.verdict import NotShownError
from jianheng.contract import Publication
from jianheng.errors import StopError, problem

ENTRY = "upstream"
LEFT_OUT = shutil.ignore_patterns(
    ".*", "__pycache__", "*.pyc", "*.egg-info", "venv", "build", "dist", "node_modules"
)
"""What is never part of a rig; copying it for every trial would take long."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """One upstream, running.

    Attributes:
        folder: the copy of the vendor's folder that it works on.
        proxy: what stands between it and the adapter; None where no network is used.
        places: what the placeholders in options mean.
        rig: what the vendor's rig gave; None without one.
    """

    folder: Path
    proxy: FaultProxy | None
    places: Mapping[str, str]
    rig: object | None

    def offers(self, name: str) -> bool:
        """Say whether the rig can do something."""
        return getattr(self.rig, name, None) is not None

    def needs(self, name: str) -> None:
        """End the check unless the rig can do something.

        Raises:
            NotShownError: it can't.
        """
        if not self.offers(name):
            raise NotShownError(problem("conform-rig-lacks", function=name))

    def given(self, name: str) -> dict[str, Any]:
        """Return the options or secrets that the rig itself gives."""
        return dict(getattr(self.rig, name, None) or {})

    def put(self, stream: str, number: int, changed: dt.datetime, values: Mapping[str, Any]) -> str:
        """Write one record; return the key its row must have.

        Raises:
            NotShownError: the rig has no such function.
            StopError: it failed.
        """
        self.needs("put")
        return str(_asked("put", cast("Any", self.rig).put, stream, number, changed, values))

    def delete(self, stream: str, number: int) -> None:
        """Delete one record, as the real system would; raises as :meth:`put`."""
        self.needs("delete")
        _asked("delete", cast("Any", self.rig).delete, stream, number)

    def fill(self, stream: str, count: int, changed: dt.datetime) -> None:
        """Put many records; raises as :meth:`put`."""
        if self.offers("fill"):
            _asked("fill", cast("Any", self.rig).fill, stream, count)
            return
        for number in range(1, count + 1):
            self.put(stream, number, changed + dt.timedelta(seconds=number // 50), {})

    def held(self, publication: Publication) -> list[dict[str, Any]]:
        """Return what a target holds of a publication; raises as :meth:`put`."""
        self.needs("held")
        found: Iterable[Mapping[str, Any]] = _asked("held", cast("Any", self.rig).held, publication)
        return cast("list[dict[str, Any]]", _asked("held", lambda: [dict(each) for each in found]))


def load_rig(folder: Path, settings: Settings) -> ModuleType | None:
    """Import the vendor's rig, if he has one.

    Raises:
        StopError: it can't be imported, or has no ``upstream``.
    """
    if settings.rig is None:
        return None
    file = folder / settings.rig
    spec = importlib.util.spec_from_file_location(f"conform_rig_{abs(hash(file))}", file)
    if spec is None or spec.loader is None:
        raise StopError("conform-rig-no-python", rig=settings.rig)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent))
    try:
        _asked("import", spec.loader.exec_module, module)
    finally:
        sys.path.remove(str(file.parent))
    if not callable(getattr(module, ENTRY, None)):
        raise StopError("conform-rig-no-upstream", rig=settings.rig, name=ENTRY)
    return module


@contextmanager
def quiet_servers() -> Iterator[None]:
    """Keep servers of the standard library from telling that a connection broke: the kit breaks many on purpose."""
    told = socketserver.BaseServer.handle_error

    def quiet(server: socketserver.BaseServer, request: Any, client: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            told(server, request, client)

    socketserver.BaseServer.handle_error = quiet  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        socketserver.BaseServer.handle_error = told  # type: ignore[method-assign]


@contextmanager
def running(folder: Path, settings: Settings, rig: ModuleType | None, scratch: Path) -> Iterator[Upstream]:
    """Copy the vendor's folder, start his upstream on the copy, and stop it in the end.

    Args:
        folder: the folder of his conform.toml.
        settings: what it says.
        rig: his rig, as :func:`load_rig` gave it.
        scratch: a folder that is not there yet.

    Raises:
        StopError: his rig failed.
    """
    shutil.copytree(folder, scratch, ignore=LEFT_OUT, symlinks=True)
    with ExitStack() as stack:
        made = None
        if rig is not None:
            opened: AbstractContextManager[object] = _asked(ENTRY, getattr(rig, ENTRY), scratch)
            if not hasattr(opened, "__enter__"):
                raise StopError("conform-rig-no-upstream", rig=str(settings.rig), name=ENTRY)
            made = _asked(ENTRY, stack.enter_context, opened)
        address = getattr(made, "address", None) or _parsed(settings.address)
        proxy = (
            None
            if address is None
            else stack.enter_context(proxied((str(address[0]), int(address[1])), settings.limits.slow_s))
        )
        places = {
            "{scratch}": str(scratch),
            "{closed}": closed_port(),
            "{silent}": stack.enter_context(silent_port()),
            **({} if proxy is None else {"{upstream}": proxy.address}),
        }
        yield Upstream(scratch, proxy, places, made)


def _parsed(address: str | None) -> tuple[str, int] | None:
    if address is None:
        return None
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise StopError("conform-bad-address", address=address)
    return host, int(port)


def placed(value: Any, places: Mapping[str, str]) -> Any:
    """Return a value of plain data with the placeholders in all its texts filled in."""
    if isinstance(value, str):
        for mark, meant in places.items():
            value = value.replace(mark, meant)
        return value
    if isinstance(value, Mapping):
        return {name: placed(each, places) for name, each in value.items()}
    return [placed(each, places) for each in value] if isinstance(value, list) else value


def _asked(name: str, function: Callable[..., Any], *args: Any) -> Any:
    """Ask the rig for something; what it raises is the vendor's to mend, and told with its place."""
    try:
        return function(*args)
    except (Exception, SystemExit) as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise StopError(
            "conform-rig-raised",
            function=name,
            exception=type(error).__name__,
            detail=" ".join(str(error).split())[:300] or "—",
            at=f"{Path(frame.filename).name}:{frame.lineno}",
        ) from error
