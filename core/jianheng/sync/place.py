"""Where the rows of a stream go."""

from dataclasses import dataclass, field

from jianheng.facts.entity import Entity


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows go: which office, source and stream, of which entity, by which run, recorded when.

    ``met`` collects the live keys that any stream of this run showed of the entity: a record that
    moved from one stream to another has not vanished.
    """

    office: str
    source: str
    stream: str
    entity: Entity
    run_id: int
    at: int
    met: set[str] = field(default_factory=set)
