"""A process system that exports its log: what the conformance kit writes is in the file at once. Nobody in it exists."""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

SHANGHAI = dt.timezone(dt.timedelta(hours=8))


@dataclass
class ProcessSystem:
    """Traces by case number: (who, when, label) of each of their events."""

    file: Path
    cases: dict[str, list[tuple[str, dt.datetime, str | None]]] = field(default_factory=dict)

    def put(self, stream: str, number: int, changed: dt.datetime, values: Mapping[str, str | None]) -> str:
        """Record a case with one event by a person of its own; return the key the stream's row must have."""
        case, who = f"K{number}", f"P{number}"
        label = values.get("label", f"活动{number}")
        self.cases[case] = [(who, changed.replace(tzinfo=SHANGHAI), label)]
        self.save()
        keys = {
            "unit": "990101",
            "case": case,
            "event": f"{case}-1",
            "person": f"990101-{who}",
            "posting": f"990101-{who}",
        }
        return keys[stream]

    def fill(self, stream: str, count: int) -> None:
        """Record many cases at once."""
        start = dt.datetime(2026, 1, 1, tzinfo=SHANGHAI)
        self.cases |= {
            f"N{n}": [(f"N{n}", start + dt.timedelta(minutes=n), f"活动{n}")] for n in range(count)
        }
        self.save()

    def delete(self, stream: str, number: int) -> None:
        """Take a case out of the log."""
        self.cases.pop(f"K{number}", None)
        self.save()

    def save(self) -> None:
        """Export the log, whole or not at all."""
        with (draft := self.file.with_suffix(".draft")).open("w", encoding="utf-8") as log:
            log.write('<?xml version="1.0" encoding="UTF-8"?>\n<log xmlns="http://www.xes-standard.org/">\n')
            for case, events in self.cases.items():
                log.write(
                    f"<trace>{_told('string', 'concept:name', case)}{_told('string', 'responsible', 'R2')}"
                )
                for number, (who, at, label) in enumerate(events, start=1):
                    told = _told("id", "identity:id", f"{case}-{number}") + _told(
                        "string", "org:resource", who
                    )
                    told += _told("string", "concept:name", label or "")
                    log.write(f"<event>{told}{_told('date', 'time:timestamp', at.isoformat())}</event>")
                log.write("</trace>\n")
            log.write("</log>\n")
        draft.replace(self.file)


def _told(kind: str, key: str, value: str) -> str:
    return f'<{kind} key="{key}" value={quoteattr(value)}/>'


@contextmanager
def upstream(folder: Path) -> Iterator[ProcessSystem]:
    """Begin with two cases of two events each."""
    system = ProcessSystem(folder / "log.xes")
    for case, day in (("F1", 5), ("F2", 6)):
        first = dt.datetime(2026, 1, day, 8, tzinfo=SHANGHAI)
        system.cases[case] = [("R1", first, "受理"), ("R2", first + dt.timedelta(hours=2), "审查")]
    system.save()
    yield system
