"""What the readable page of a law is made of, and how a number of the law is told in it."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jianheng.messages import text
from jianheng.scoring.explanation.words import number_told
from jianheng.scoring.law.pack import Number
from jianheng.scoring.law.policy import Policy


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 1 is the page's own."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list; each item with its depth, the first being 0 and none more than one deeper than the one before."""

    items: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Paragraph | Items | Grid


def items(told: Iterable[str]) -> Items:
    """Return a flat list."""
    return Items(tuple((0, each) for each in told))


def grid(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Grid:
    """Return a table with named columns (``law-column-NAME``); a column without a single entry is left out."""
    held = [tuple(row) for row in rows]
    kept = [place for place, _ in enumerate(columns) if any(row[place] for row in held)]
    return Grid(
        tuple(text(f"law-column-{columns[place]}") for place in kept),
        tuple(tuple(row[place] for place in kept) for row in held),
    )


def assumed_mark(assumed: bool) -> str:
    """Return the mark of what the source does not say."""
    return text("law-assumed") if assumed else ""


def cited(cite: str) -> str:
    """Return a citation as it ends a sentence; empty where there is none."""
    return text("law-cite", cite=cite) if cite else ""


def number(policy: Policy, value: Number, day: dt.date) -> str:
    """Return a number on a day; of a parameter also its name, since when it holds, by which text."""
    told = number_told(policy, value, day)
    read = told.get("parameter")
    if read is None:
        return str(told["value"]) if told["value"] is not None else text("law-unknown", name=value)
    mark = assumed_mark(read["assumed"])
    fields = {name: read[name] for name in ("name", "value", "unit", "since", "cite", "layer")}
    return text("law-number", assumed=mark, **fields)
