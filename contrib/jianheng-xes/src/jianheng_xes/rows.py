"""What cases, events and people a trace of a log comes to, under Jianheng's names. It judges nothing."""

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jianheng_xes.log import Attributes, Trace, day, moment

CASE, ACTIVITY, TIME, WHO, STATE = (
    "concept:name",
    "concept:name",
    "time:timestamp",
    "org:resource",
    "lifecycle:transition",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a log is read: the options, with the office whose log it is."""

    office: str
    options: Mapping[str, Any]
    zone: dt.tzinfo

    def person(self, who: str | None) -> str | None:
        """Return the key of a person as everywhere: unit and number."""
        return f"{self.office}-{who}" if who else None

    def taken(self, event: Attributes) -> bool:
        """Say whether an event counts: its transition is one of those asked for, or it has none."""
        state = event.get(STATE)
        return state is None or state.lower() in {str(each).lower() for each in self.options["transitions"]}

    def kept(self, attributes: Attributes) -> dict[str, str]:
        """Return what was asked to be kept of the attributes."""
        return {name: attributes[name] for name in self.options["keep"] if name in attributes}


def case_row(reading: Reading, trace: Trace) -> dict[str, Any]:
    """Return a trace as a case."""
    told, options = trace.attributes, reading.options
    return {
        "case_no": told.get(CASE),
        "unit_code": reading.office,
        "handler_key": reading.person(_named(told, options["handler"])),
        "category": _named(told, options["category_from"]) or options["category"],
        "accepted_on": _accepted(reading, trace),
        "concluded_on": day(moment(_named(told, options["concluded"]), reading.zone)),
        "attributes": reading.kept(told),
        "_locator": trace.place,
    }


def _accepted(reading: Reading, trace: Trace) -> Any:
    name = reading.options["accepted"]
    if name:
        return day(moment(trace.attributes.get(name), reading.zone))
    moments = [moment(each.get(TIME), reading.zone) for each in trace.events if reading.taken(each)]
    unread = next((each for each in moments if not isinstance(each, dt.datetime)), None)
    read = [each for each in moments if isinstance(each, dt.datetime)]
    # The first event may be the very one that cannot be read: then the day is unknown, not another.
    return unread if len(read) < len(moments) else day(min(read, default=None))


def _named(attributes: Attributes, name: str | None) -> str | None:
    return attributes.get(name) if name else None


def event_rows(reading: Reading, trace: Trace) -> Iterator[dict[str, Any]]:
    """Yield the events of a trace that count."""
    case_no, repeated = trace.attributes.get(CASE), Counter[str]()
    for number, event in enumerate(trace.events, start=1):
        if not reading.taken(event):
            continue
        activity = event.get(ACTIVITY)
        yield {
            "event_key": _event_key(reading, case_no, event, repeated),
            "case_no": case_no,
            "kind": reading.options["codes"].get(activity, activity),
            "label": activity,
            "at": moment(event.get(TIME), reading.zone),
            "actor_key": reading.person(event.get(WHO)),
            "attributes": reading.kept(event),
            "_locator": f"{trace.place}.{number}",
        }


def _event_key(
    reading: Reading, case_no: str | None, event: Attributes, repeated: Counter[str]
) -> str | None:
    name = reading.options["event_id"]
    if name:
        return event.get(name)
    if case_no is None:
        return None
    # Not its number in the trace: an event that is recorded late would give all after it another key.
    told = "\x1f".join(event.get(each, "") for each in (ACTIVITY, STATE, TIME, WHO))
    key = f"{case_no}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"
    repeated[key] += 1
    return key if repeated[key] == 1 else f"{key}-{repeated[key]}"


def people(reading: Reading, traces: Iterable[Trace]) -> dict[str, tuple[dt.date | None, str]]:
    """Return everybody a log names: the first day, where one is known, and where they are first found."""
    found: dict[str, tuple[dt.date | None, str]] = {}
    for trace in traces:
        for who, at in _met(reading, trace):
            on = day(at) if isinstance(at, dt.datetime) else None
            known = found.get(who)
            if known is None or known[0] is None or (on is not None and on < known[0]):
                found[who] = (on, known[1] if known else trace.place)
    return found


def _met(reading: Reading, trace: Trace) -> Iterator[tuple[str, Any]]:
    moments = [(each.get(WHO), moment(each.get(TIME), reading.zone)) for each in trace.events]
    handler = _named(trace.attributes, reading.options["handler"])
    read = [at for _, at in moments if isinstance(at, dt.datetime)]
    yield from ((who, at) for who, at in moments if who)
    if handler:
        yield handler, min(read, default=None)


def person_row(reading: Reading, who: str, place: str) -> dict[str, Any]:
    """Return a resource of the log as a person."""
    key = reading.person(who)
    told = {"person_key": key, "unit_code": reading.office, "staff_no": who, "name": who}
    return told | {"_locator": f"{place} {who}"}


def posting_row(reading: Reading, who: str, since: dt.date | None, place: str) -> dict[str, Any]:
    """Return what a resource was from the first day the log names it on: a log tells no postings."""
    key = reading.person(who)
    told = {"posting_key": key, "person_key": key, "unit_code": reading.office}
    return told | {"role": reading.options["role"], "valid_from": since, "_locator": f"{place} {who}"}
