"""The schema an adapter had at its last release, kept in a file of the project, and what changed since."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jianheng.conformance.bench import Bench
from jianheng.conformance.reads import kinds_of
from jianheng.conformance.use import stream_named
from jianheng.conformance.verdict import NotShownError
from jianheng.errors import Problem, problem
from jianheng.messages import text

FORMAT = 1
RESERVED = ("_deleted", "_locator")


def schema_file(settings_file: Path) -> Path:
    """Return where the schema that belongs to a conform.toml is kept."""
    return settings_file.with_name(f"{settings_file.stem}.schema.json")


def schema_of(bench: Bench) -> dict[str, Any]:
    """Return what users of an adapter depend on: its options, secrets, publications, streams, and their columns.

    Raises:
        NotShownError: its streams could not be read.
    """
    manifest = bench.manifest
    told: dict[str, Any] = {
        "format": FORMAT,
        "adapter": bench.subject.id,
        "version": bench.subject.version,
        "options": {
            name: {"type": option.type, "required": option.required}
            for name, option in manifest.options.items()
        },
        "secrets": sorted(manifest.secrets),
        "publications": sorted(manifest.publications),
        "streams": {},
    }
    if bench.kind == "source":
        if not bench.streams:
            raise NotShownError(problem("conform-after", check="streams"))
        told["streams"] = {name: _stream(bench, name) for name in sorted(bench.streams)}
    return told


def _stream(bench: Bench, name: str) -> dict[str, Any]:
    stream = stream_named(bench, name)
    with bench.upstream() as upstream:
        for each, _ in bench.putting(upstream):
            upstream.put(each, 1, bench.start, {})
        with bench.opened(upstream) as opened:
            kinds = kinds_of(bench.good_read(opened, stream))
    columns = {
        column: "/".join(sorted(found)) for column, found in sorted(kinds.items()) if column not in RESERVED
    }
    return {"entity": stream.entity, "mode": stream.mode, "columns": columns}


def accept(bench: Bench) -> Path:
    """Keep the schema as it is now; return the file."""
    file = schema_file(bench.file)
    told = json.dumps(schema_of(bench), ensure_ascii=False, indent=2, sort_keys=True)
    file.write_text(told + "\n", encoding="utf-8")
    return file


def schema_stable(bench: Bench, _subject: str) -> Iterator[Problem | str]:
    """Nothing that users depend on is gone or changed since the last release, unless its major version rose."""
    file = schema_file(bench.file)
    if not file.is_file():
        raise NotShownError(problem("conform-no-schema", file=file.name))
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
        former = str(before["version"])
        found = list(_broken(before, now := schema_of(bench)))
    except (ValueError, KeyError, TypeError, AttributeError):
        yield problem("conform-schema-unreadable", file=file.name)
        return
    if found and _major(now["version"]) > _major(former):
        yield f"{former} → {now['version']}: {len(found)}"
        return
    for what, name in found:
        yield problem(
            "conform-schema-broken",
            what=text(f"conform-schema-{what}"),
            name=name,
            version=former,
            at=bench.at(),
        )


def _major(version: str) -> int:
    first = version.partition(".")[0]
    return int(first) if first.isdigit() else 0


def _broken(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is no longer as it was: a word for what it is, and its name."""
    for name, option in before["options"].items():
        kept = now["options"].get(name)
        if kept is None:
            yield "option-gone", name
        elif kept["type"] != option["type"]:
            yield "option-type", f"{name}: {option['type']} → {kept['type']}"
        elif kept["required"] and not option["required"]:
            yield "option-required", name
    for name, option in now["options"].items():
        if name not in before["options"] and option["required"]:
            yield "option-required", name
    for name in sorted(set(now["secrets"]) - set(before["secrets"])):
        yield "secret-new", name
    for name in sorted(set(before["publications"]) - set(now["publications"])):
        yield "publication-gone", name
    for name, stream in before["streams"].items():
        yield from _broken_stream(name, stream, now["streams"].get(name))


def _broken_stream(
    name: str, before: Mapping[str, Any], now: Mapping[str, Any] | None
) -> Iterator[tuple[str, str]]:
    if now is None:
        yield "stream-gone", name
        return
    for part in ("entity", "mode"):
        if before[part] != now[part]:
            yield f"stream-{part}", f"{name}: {before[part]} → {now[part]}"
    for column, kind in before["columns"].items():
        found = now["columns"].get(column)
        if found is None:
            yield "column-gone", f"{name}.{column}"
        elif kind and found and kind != found:
            yield "column-kind", f"{name}.{column}: {kind} → {found}"
