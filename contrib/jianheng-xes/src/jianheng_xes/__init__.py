"""Source: event logs in XES, the exchange format of process systems. Any process log becomes cases, events and people."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jianheng.contract import AdapterContext, Batch, Finding, SourceFactory, Stream
from jianheng.errors import JianhengError, StopError, problem
from jianheng.hookspecs import hookimpl
from jianheng_xes import rows
from jianheng_xes.log import Trace, logs, traces

STREAMS = ("case", "event", "person", "posting", "unit")


class XesLog:
    """Reads the log of one office, whole each time: a log tells nobody what changed in it."""

    def __init__(self, context: AdapterContext) -> None:
        options = context.options
        try:
            zone = ZoneInfo(options["zone"])
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise StopError("xes-zone", zone=options["zone"]) from error
        self._path = options["path"]
        self._size: int = options["batch_size"]
        self._reading = rows.Reading(context.office, options, zone)

    def check(self) -> Iterable[Finding]:
        """Open each log and look at its first case."""
        try:
            for file in logs(self._path):
                first = next(iter(traces(file)), None)
                yield Finding(file.name) if first is None else self._looked_at(file.name, first)
        except JianhengError as error:
            yield Finding(str(self._path), error.problem)

    def _looked_at(self, name: str, trace: Trace) -> Finding:
        options = self._reading.options
        asked = [options[each] for each in ("category_from", "handler", "accepted", "concluded")]
        missing = [each for each in (rows.CASE, *asked) if each and each not in trace.attributes]
        if trace.events and options["event_id"] and options["event_id"] not in trace.events[0]:
            missing.append(options["event_id"])
        if not missing:
            return Finding(name)
        told = problem("xes-missing-attribute", file=name, attributes=", ".join(missing))
        return Finding(name, told, warning=True)

    def streams(self) -> Sequence[Stream]:
        """Return what every log holds."""
        return [Stream(name, name) for name in STREAMS]

    def read(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        """Yield everything a stream holds.

        Raises:
            StopError: there is no log, or one of them cannot be read to its end.
        """
        del cursor  # a snapshot begins anew each time
        found = self._rows(stream)
        while batch := list(itertools.islice(found, self._size)):
            yield Batch(batch)

    def _rows(self, stream: str) -> Iterator[dict[str, Any]]:
        all_traces = itertools.chain.from_iterable(map(traces, logs(self._path)))
        reading = self._reading
        if stream == "unit":
            name = reading.options["unit_name"]
            yield {"unit_code": reading.office, "name": name, "_locator": str(self._path.name)}
        elif stream == "case":
            yield from (rows.case_row(reading, each) for each in all_traces)
        elif stream == "event":
            for each in all_traces:
                yield from rows.event_rows(reading, each)
        else:
            for who, (since, place) in sorted(rows.people(reading, all_traces).items()):
                person = rows.person_row(reading, who, place)
                yield person if stream == "person" else rows.posting_row(reading, who, since, place)


@hookimpl
def sources() -> Mapping[str, SourceFactory]:
    """Return this source."""
    return {"xes-log": XesLog}
