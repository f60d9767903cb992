"""JSON Schema of the manifest, for editors that complete and check while one writes."""

from typing import Any

from jianheng.contract import CONTRACT_VERSION
from jianheng.registry.manifest import Manifest


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``adapter.toml``, as the contract in force reads it."""
    made = _plain(Manifest.model_json_schema())
    made["properties"]["contract"] = {"const": CONTRACT_VERSION}
    made["properties"]["label"] |= {"required": ["zh", "en"]}
    needs = [("source", "streams"), ("target", "publications")]
    conditions = [
        {
            "if": {"properties": {"kind": {"contains": {"const": kind}}}},
            "then": {"required": [key], "properties": {key: {"minItems": 1}}},
        }
        for kind, key in needs
    ]
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "adapter.toml",
        "description": f"The manifest of a plugin for Jianheng, contract {CONTRACT_VERSION}.",
    }
    return head | {name: told for name, told in made.items() if name not in head} | {"allOf": conditions}


def _plain(told: Any) -> Any:
    """Return a schema without what is true of Python only: nothing as a value, decimals told as text, titles made of names."""
    if isinstance(told, list):
        return [_plain(each) for each in told]
    if not isinstance(told, dict):
        return told
    kept = {
        name: _plain(each)
        for name, each in told.items()
        if name not in ("anyOf", "title") and not (name == "default" and each is None)
    }
    choices = [_plain(each) for each in told.get("anyOf", []) if each.get("type") != "null"]
    if any(each.get("type") == "number" for each in choices):
        choices = [each for each in choices if each.get("type") != "string"]
    return kept | choices[0] if len(choices) == 1 else kept | ({"anyOf": choices} if choices else {})
