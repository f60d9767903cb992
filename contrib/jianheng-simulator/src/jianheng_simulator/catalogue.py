"""The fixed lists the simulator draws from: templates, categories, words, codes."""

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Template:
    """One document template with the authority list's answer to who may draft and approve it."""

    code: str
    name: str
    categories: frozenset[str]
    drafter: str
    approval: str
    conclusive: bool
    may_draft: frozenset[str]
    may_approve: frozenset[str]


@dataclass(frozen=True, slots=True)
class Category:
    """One case category with how long its cases take and who handles them."""

    code: str
    name: str
    drifted_name: str
    short: str
    department: str
    weight: float
    days: tuple[int, int, int]
    limit: int
    after: tuple[int, int]
    has_suspects: bool
    then: str


@dataclass(frozen=True, slots=True)
class Step:
    """When and how often a template is used in the life of a case."""

    categories: frozenset[str]
    template: Template
    window: str
    low: float
    high: float
    share: float
    each: str
    when: str


@dataclass(frozen=True, slots=True)
class Charge:
    """One charge with its code."""

    code: str
    name: str
    weight: int


def read_table(name: str) -> list[dict[str, str]]:
    """Read one CSV file of the package."""
    with (files(__package__) / "data" / name).open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def read_toml(name: str) -> dict[str, Any]:
    """Read one TOML file of the package."""
    return tomllib.loads((files(__package__) / "data" / name).read_text(encoding="utf-8"))


def split_codes(text: str) -> frozenset[str]:
    """Split a semicolon-separated cell; blank means none."""
    return frozenset(text.split(";")) if text else frozenset()


@cache
def templates() -> Mapping[str, Template]:
    """All document templates by code."""
    return {
        row["code"]: Template(
            code=row["code"],
            name=row["name"],
            categories=split_codes(row["categories"]),
            drafter=row["drafter"],
            approval=row["approval"],
            conclusive=row["conclusive"] == "yes",
            may_draft=split_codes(row["may_draft"]),
            may_approve=split_codes(row["may_approve"]),
        )
        for row in read_table("templates.csv")
    }


@cache
def categories() -> Mapping[str, Category]:
    """All case categories the simulator handles, by code."""
    return {
        row["code"]: Category(
            code=row["code"],
            name=row["name"],
            drifted_name=row["drift"],
            short=row["short"],
            department=row["department"],
            weight=float(row["weight"]),
            days=(int(row["low"]), int(row["mode"]), int(row["high"])),
            limit=int(row["limit"] or 0),
            after=(int(row["after_low"]), int(row["after_high"])),
            has_suspects=row["suspects"] == "yes",
            then=row["then"],
        )
        for row in read_table("categories.csv")
    }


@cache
def steps(category: str) -> tuple[Step, ...]:
    """The document plan of one category."""
    known = templates()
    found = [
        Step(
            categories=split_codes(row["categories"]),
            template=known[row["code"]],
            window=row["window"],
            low=float(row["low"]),
            high=float(row["high"]),
            share=float(row["share"]),
            each=row["each"],
            when=row["when"],
        )
        for row in read_table("document_plan.csv")
    ]
    return tuple(step for step in found if not step.categories or category in step.categories)


@cache
def words() -> Mapping[str, Any]:
    """The word lists for names and matters."""
    return read_toml("words.toml")


@cache
def charges() -> tuple[tuple[Charge, ...], tuple[int, ...]]:
    """All charges and their weights."""
    found = tuple(Charge(**entry) for entry in words()["charges"])
    return found, tuple(charge.weight for charge in found)


@cache
def code_names() -> Mapping[str, str]:
    """Names of the classification codes."""
    return {row["code"]: row["name"] for row in read_table("codes.csv")}
