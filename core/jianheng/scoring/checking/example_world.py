"""Worked examples as law people write them, and the small world of facts each one makes.

An example names its people and facts under the canonical names; keys, the unit and the people's records may
be left out. The facts go through the same checks as synced ones, so a misspelt column is an error here too.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from jianheng.errors import Problem, problem
from jianheng.facts.convert import Fact, Reject, convert
from jianheng.facts.entities import ENTITIES
from jianheng.scoring.kernel.evaluation import Evaluation
from jianheng.scoring.law.pack_files import FolderFiles
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.reading import build, read_toml
from jianheng.store.bulk import arrow_type
from jianheng.store.tables import FACTS

UNIT = "990101"
"""The made-up unit of every example."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExpectedEntry(_Strict):
    """One entry that must be there: everything stated must hold."""

    person: str
    rule: str
    points: Decimal | None = None
    withheld: Decimal | None = None
    state: str | None = None
    reason: str | None = None


class Example(_Strict):
    """One worked example.

    Attributes:
        name: what it shows.
        period: the period that is scored.
        people: by key, each with the role and whatever else a posting says.
        facts: rows by the name of their kind.
        points: what each person has in total in the ledger; ``final`` is the part that is final.
        indicators: by indicator and person the value, or ``not-applicable``, or ``missing``. A person with
            two sheets is named ``person/sheet``.
        places, grades: by person, within the sheet.
        entries: single lines of the ledger.
    """

    name: str
    period: str
    cite: str = ""
    people: dict[str, dict[str, Any]] = Field(min_length=1)
    facts: dict[str, list[dict[str, Any]]]
    points: dict[str, Decimal] = {}
    final: dict[str, Decimal] = {}
    indicators: dict[str, dict[str, Decimal | Literal["not-applicable", "missing"]]] = {}
    places: dict[str, int] = {}
    grades: dict[str, str] = {}
    entries: tuple[ExpectedEntry, ...] = ()


class ExampleFile(_Strict):
    """One file of examples."""

    example: tuple[Example, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Shown:
    """What one example showed."""

    period: Period
    facts: Mapping[str, pa.Table]
    evaluation: Evaluation

    @property
    def last_day(self) -> dt.date:
        """The day on which indicators read their parameters."""
        return self.period.end - dt.timedelta(days=1)

    @cached_property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of its ledger."""
        lines: list[dict[str, Any]] = self.evaluation.ledger.to_pylist()
        return lines

    @cached_property
    def days(self) -> Mapping[tuple[str, str], frozenset[dt.date]]:
        """The days its facts bear, by entity and column."""
        found: dict[tuple[str, str], frozenset[dt.date]] = {}
        for name, table in self.facts.items():
            for column in ENTITIES[name].columns:
                if column.type in {"date", "datetime"}:
                    told = (each for each in table[column.name].to_pylist() if each is not None)
                    days = frozenset(each.date() if isinstance(each, dt.datetime) else each for each in told)
                    found[name, column.name] = days
        return found


def read_examples(files: FolderFiles) -> Iterator[tuple[str, Example] | Problem]:
    """Yield the examples of a pack, each with where it stands, and what is wrong with their files."""
    for path in files.listed("examples", ".toml"):
        where = f"{files.name}/{path}"
        data = read_toml(files, path)
        if isinstance(data, Problem):
            yield data
            continue
        file = build(ExampleFile, data, where)
        if isinstance(file, list):
            yield from file
            continue
        yield from ((f"{where} 「{example.name}」", example) for example in file.example)


def facts_of(example: Example, where: str) -> tuple[dict[str, pa.Table], list[Problem]]:
    """Return the facts of an example as tables by entity, or everything that is wrong with them."""
    rows: dict[str, list[dict[str, Any]]] = {"person": [], "posting": []}
    for name, told in example.people.items():
        rows["person"].append(
            {"person_key": name, "unit_code": told.get("unit_code", UNIT), "staff_no": name}
        )
        posting = {"posting_key": name, "person_key": name, "unit_code": UNIT, "valid_from": "2000-01-01"}
        rows["posting"].append(posting | told)
    problems = [
        problem("example-unknown-entity", where=where, name=name, known="、".join(ENTITIES))
        for name in example.facts
        if name not in ENTITIES
    ]
    for name, given in example.facts.items():
        rows.setdefault(name, []).extend(given)
    tables: dict[str, pa.Table] = {}
    for name in ENTITIES:
        tables[name], faults = _table(name, rows.get(name, []), where)
        problems += faults
    return tables, problems


def _table(name: str, rows: list[dict[str, Any]], where: str) -> tuple[pa.Table, list[Problem]]:
    entity = ENTITIES[name]
    facts: list[Fact] = []
    problems: list[Problem] = []
    for number, row in enumerate(rows, start=1):
        filled: dict[str, Any] = {
            entity.key.name: f"{name}-{number}",
            "_locator": f"{where} {name} {number}",
        }
        if "unit_code" in entity.names:
            filled["unit_code"] = UNIT
        fact = convert(entity, filled | row)
        if isinstance(fact, Reject):
            problems += fact.problems
        else:
            facts.append(fact)
    columns = list(zip(*(fact.values for fact in facts), strict=True)) if facts else [()] * len(entity.names)
    kinds = [arrow_type(FACTS[name].c[column]) for column in entity.names]
    table = {
        column: pa.array(list(values), kind)
        for column, values, kind in zip(entity.names, columns, kinds, strict=True)
    }
    fixed: Mapping[str, list[str]] = {
        "source": ["example"] * len(facts),
        "content_hash": [fact.content_hash for fact in facts],
        "locator": [fact.locator for fact in facts],
    }
    return pa.table(table | {key: pa.array(values, pa.string()) for key, values in fixed.items()}), problems
