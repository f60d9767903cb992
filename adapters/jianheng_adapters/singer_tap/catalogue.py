"""The tap's configuration and catalogue: what it is told, and which streams and fields are asked of it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from jianheng.contract import AdapterContext
from jianheng.errors import FaultsError, Problem, StopError, problem
from jianheng_adapters.mapping import StreamMapping
from jianheng_adapters.mapping.load import nearest

Entry = dict[str, Any]


def config_of(context: AdapterContext) -> dict[str, Any]:
    """Return the tap's configuration: the options, secrets put where they belong, paths made absolute.

    Raises:
        StopError: a secret is placed that nobody gave.
    """
    config: dict[str, Any] = json.loads(json.dumps(dict(context.options.get("config") or {}), default=_plain))
    folder = Path(context.options["mapping"]).parent
    for place in context.options.get("paths") or ():
        here, last = _inside(config, str(place))
        if isinstance(here.get(last), str):
            here[last] = str(folder / here[last])
    places: dict[str, str] = {}
    for each in context.options.get("secrets_as") or ():
        pair = [str(part) for part in each] if isinstance(each, list | tuple) else [str(each)]
        if len(pair) != 2 or pair[0] not in context.secrets:  # noqa: PLR2004 -- a name and a place
            raise StopError("singer-secret-place", name=" ".join(pair), source=context.name)
        places[pair[0]] = pair[1]
    for name, secret in context.secrets.items():
        here, last = _inside(config, str(places.get(name, name)))
        here[last] = secret.reveal()
    return config


def entries_of(catalogue: Any, source: str) -> list[Entry]:
    """Return the streams of a catalogue.

    Raises:
        StopError: it is none.
    """
    found = catalogue.get("streams") if isinstance(catalogue, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise StopError("singer-catalogue-wrong", reason="streams", source=source)
    return found


def read_catalogue(file: Path, source: str) -> list[Entry]:
    """Return the streams of a catalogue that stands in a file.

    Raises:
        StopError: it can't be read, or is none.
    """
    try:
        return entries_of(json.loads(file.read_bytes()), source)
    except (OSError, ValueError) as error:
        raise StopError("singer-catalogue-wrong", reason=type(error).__name__, source=source) from None


def check_entry(entries: Sequence[Entry], stream: str, described: StreamMapping) -> Entry:
    """Return the tap's stream that ours reads.

    Raises:
        FaultsError: there is none, or it lacks fields that the mapping names.
    """
    table = described.table or ""
    entry = next((each for each in entries if table in _names(each)), None)
    if entry is None:
        names = [_names(each)[0] for each in entries]
        raise FaultsError(
            [
                problem(
                    "singer-stream-missing",
                    table=table,
                    stream=stream,
                    nearest=nearest(table, names),
                    present="、".join(names) or "-",
                )
            ]
        )
    lacking = list(_lacking(entry, stream, described))
    if lacking:
        raise FaultsError(lacking)
    return entry


def selecting(entries: Sequence[Entry], wanted: Entry, described: StreamMapping) -> dict[str, Any]:
    """Return a catalogue in which one stream is selected, and of its fields those that the mapping reads."""
    needed = _top(described) | _bookkeeping(wanted)
    told = []
    for entry in entries:
        mine = entry is wanted
        made = json.loads(json.dumps(entry))
        made["selected"] = mine
        made.setdefault("schema", {})["selected"] = mine
        metadata = made.setdefault("metadata", [])
        if not any(each.get("breadcrumb") == [] for each in metadata):
            metadata.append({"breadcrumb": [], "metadata": {}})
        for each in metadata:
            place = each.get("breadcrumb") or []
            inner = each.setdefault("metadata", {})
            if not place:
                inner["selected"] = mine
            elif len(place) > 1 and inner.get("inclusion") != "automatic":
                # What nobody maps is not even asked for.
                inner["selected"] = mine and place[1] in needed
        told.append(made)
    return {"streams": told}


def stream_names(entry: Entry) -> tuple[str, ...]:
    """Return what a stream is called in messages and in the catalogue."""
    return _names(entry)


def _names(entry: Entry) -> tuple[str, ...]:
    told = (entry.get("stream"), entry.get("tap_stream_id"), entry.get("stream_alias"))
    return tuple(dict.fromkeys(str(each) for each in told if each)) or ("-",)


def _top(described: StreamMapping) -> set[str]:
    """The fields of a record that the mapping reads something of."""
    names = {*described.all_sources()} if described.each is None else {described.each}
    if described.each is not None:
        names |= {each.partition(".")[2] for each in described.all_sources() if each.startswith("parent.")}
    return names | {each.partition(".")[0] for each in names}


def _bookkeeping(entry: Entry) -> set[str]:
    """The fields by which the tap itself knows records and what changed."""
    found = [entry.get("replication_key"), *(entry.get("key_properties") or ())]
    for each in entry.get("metadata") or ():
        if not each.get("breadcrumb"):
            inner = each.get("metadata") or {}
            keys = (inner.get("valid-replication-keys") or (), inner.get("table-key-properties") or ())
            found += [inner.get("replication-key"), *(name for names in keys for name in names)]
    return {str(each) for each in found if each}


def _lacking(entry: Entry, stream: str, described: StreamMapping) -> Iterator[Problem]:
    properties = (entry.get("schema") or {}).get("properties")
    if not isinstance(properties, Mapping) or described.each is not None:
        return
    optional = described.optional_sources()
    for name in described.all_sources():
        if name not in optional and name not in properties and name.partition(".")[0] not in properties:
            yield problem(
                "mapping-field-missing",
                field=name,
                stream=stream,
                place=_names(entry)[0],
                nearest=nearest(name, properties),
                present="、".join(properties) or "-",
            )


def _inside(config: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    here = config
    *outer, last = path.split(".")
    for name in outer:
        inner = here.setdefault(name, {})
        here = inner if isinstance(inner, dict) else {}
    return here, last


def _plain(value: object) -> Any:
    """TOML numbers come as exact decimals, days as days."""
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return str(value)
