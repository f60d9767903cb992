"""The office for which something is published."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Office:
    """The office as a publication names it, and the order in which its sources are believed."""

    code: str
    name: str
    units: tuple[str, ...]
    source_order: tuple[str, ...]
