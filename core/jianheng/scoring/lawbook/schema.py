"""JSON Schema of a pack's files, for editors that complete and check while one writes."""

from typing import Any

from pydantic import TypeAdapter

from jianheng.rules.measure import Measure
from jianheng.scoring.checking.example_world import ExampleFile
from jianheng.scoring.law.pack import PolicyFile
from jianheng.scoring.law.pack_rows import AuthorityRow, PointsRow
from jianheng.scoring.law.parameters import Declaration

_FILES: dict[str, Any] = {
    "policy": PolicyFile,
    "measures": dict[str, Measure],
    "parameters": dict[str, dict[str, Declaration]],
    "examples": ExampleFile,
    "points": PointsRow,
    "authority": AuthorityRow,
}

SCHEMAS = tuple(_FILES)
"""The kinds of files; for the decision tables it is the schema of one row."""


def schema_of(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind of file; KeyError when there is no such kind."""
    schema = TypeAdapter(_FILES[name]).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema | {"title": name}
