"""The child: loads one plugin and does what the host asks, one call after another. It is under guard when this is imported.

Only what a vendor sees of Jianheng is imported here. Calls run on the main thread; a second thread reads the pipe,
so that the answer to a question (a pseudonym) can come while a call runs, and so that the end of the host ends this.
"""

import contextlib
import importlib.metadata
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jianheng.contract import AdapterContext, Secret, Source, Target
from jianheng.isolation import batches, failures, wire
from jianheng.isolation.confining import Pipe
from jianheng.isolation.values import decode, encode
from jianheng.messages import Language, add_texts, set_language

GROUP = "jianheng"
OFFERS = ("count", "keys", "read_range")
_KEPT_NAMES = 100_000
_END = object()


class ChildLog:
    """The log of an adapter: each line goes to the host, which writes and redacts it."""

    def __init__(self, pipe: Pipe, fields: Mapping[str, Any] | None = None) -> None:
        self._pipe, self._fields = pipe, dict(fields or {})

    def bind(self, **fields: Any) -> "ChildLog":
        """Return a log that carries more fields."""
        return ChildLog(self._pipe, {**self._fields, **fields})

    def debug(self, event: str, **fields: Any) -> None:
        """Say something only a developer wants to know."""
        self._say("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Say what happened."""
        self._say("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Say what someone should look at."""
        self._say("warning", event, fields)

    error = exception = critical = warning

    def _say(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        told = {"level": level, "event": str(event), "fields": encode({**self._fields, **fields})}
        with contextlib.suppress(wire.OversizeError):
            self._pipe.send({"log": told})


class Worker:
    """What one child holds: the plugin, what it opened, and the readings under way."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._module: Any = None
        self._given: Any = None
        self._adapter: Any = None
        self._context: AdapterContext | None = None
        self._under_way: dict[int, Iterator[Any]] = {}
        self._names: dict[str, str] = {}

    def load(self, name: str, value: str, texts: str, language: Language) -> dict[str, Any]:
        """Import the plugin, which may word what it says by its own texts, in the language of who asked."""
        if texts:
            add_texts(Path(texts))
        set_language(language)
        self._module = importlib.metadata.EntryPoint(name, value, GROUP).load()
        return {}

    def register(self, plugin: str, kinds: list[str]) -> dict[str, Any]:
        """Take what its hooks give, checked as in process."""
        from jianheng.isolation.hooks import Registered, register

        given: Registered = register(plugin, kinds, self._module)
        self._given = given
        calendars = {name: str(file) for name, file in given.calendars.items()}
        return {"folders": [str(each) for each in given.folders], "calendars": calendars}

    def open(self, kind: str, plugin: str, context: Mapping[str, Any]) -> dict[str, Any]:
        """Make the adapter."""
        self._context = AdapterContext(
            office=context["office"],
            name=context["name"],
            options=decode(context["options"]),
            secrets={name: Secret(value) for name, value in context["secrets"].items()},
            units=decode(context["units"]),
            log=ChildLog(self._pipe),
            pseudonym=self._pseudonym,
        )
        made = (self._given.sources if kind == "source" else self._given.targets)[plugin](self._context)
        if not isinstance(made, Source if kind == "source" else Target):
            return {"wrong": type(made).__name__}
        self._adapter = made
        return {"offers": [name for name in OFFERS if callable(getattr(made, name, None))]}

    def call(self, method: str, args: Any) -> dict[str, Any]:
        """Call a method and return what it returns."""
        return {"value": encode(getattr(self._adapter, method)(*decode(args)))}

    def begin(self, reading: int, method: str, args: Any) -> dict[str, Any]:
        """Call a method that yields; its items are asked for one by one."""
        made = getattr(self._adapter, method)(*decode(args))
        if not isinstance(made, Iterable):
            return {"wrong": type(made).__name__}
        self._under_way[reading] = iter(made)
        return {}

    def next(self, reading: int) -> tuple[dict[str, Any], Any]:
        """Return the next item of a reading, or that there is none."""
        item = next(self._under_way[reading], _END)
        return ({"done": True}, b"") if item is _END else batches.pack(item)

    def leave(self, reading: int) -> dict[str, Any]:
        """End a reading before its end."""
        close = getattr(self._under_way.pop(reading, None), "close", None)
        if close is not None:
            close()
        return {}

    def _pseudonym(self, name: str) -> str:
        if not isinstance(name, str):
            raise TypeError("name")
        if name not in self._names:
            told = self._pipe.ask({"pseudonym": name})
            if "error" in told:
                raise failures.unpack(told["error"])
            if len(self._names) >= _KEPT_NAMES:
                self._names.clear()
            self._names[name] = told["value"]
        return self._names[name]


def serve(pipe: Pipe) -> None:
    """Take the host's orders until they end."""
    pipe.start()
    worker = Worker(pipe)
    does: Mapping[str, Callable[..., Any]] = {
        name: getattr(worker, name) for name in ("load", "register", "open", "call", "begin", "next", "leave")
    }
    while (message := pipe.calls.get())["op"] != "end":
        number = message["id"]
        try:
            done = does[message["op"]](**message["args"])
            told, payload = done if isinstance(done, tuple) else (done, b"")
            pipe.send({"id": number, "ok": told}, payload)
            del done, payload
        except wire.OversizeError as error:
            pipe.send({"id": number, "large": [error.size, error.limit]})
        except BaseException as error:  # noqa: BLE001  # SystemExit and KeyboardInterrupt of an adapter too
            pipe.send({"id": number, "error": failures.pack(error)})
