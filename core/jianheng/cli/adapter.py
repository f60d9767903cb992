"""``jianheng adapter preview``: what a source gives, what becomes of it, and what would be refused; nothing is written."""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import click

from jianheng.cli.exit_codes import ExitCode
from jianheng.cli.opening import OpenSource, open_source
from jianheng.cli.output import print_json, print_line, print_problems, problem_json
from jianheng.cli.session import Session, pass_session
from jianheng.contract import Batch, Row, Stream
from jianheng.errors import JianhengError, Problem, StopError, problem
from jianheng.facts.columns import check
from jianheng.facts.entities import ENTITIES
from jianheng.facts.entity import Entity
from jianheng.logs import MASK, redact_value
from jianheng.messages import text
from jianheng.sync.engine import check_streams
from jianheng.sync.guards import fit_rows

MOST_ROWS = 1000

Raw = Mapping[str, Any]


@runtime_checkable
class Previewed(Protocol):
    """What a source may offer beside ``Source``: the records behind its rows, for this command alone."""

    def preview(self, stream: str) -> Iterator[tuple[Raw, Row]]:
        """Yield what is read of each record, and the row made of it, from the beginning of a stream; write nothing."""

    def origins(self, stream: str) -> Mapping[str, Sequence[str]]:
        """Return by canonical column the fields of a record that it is made of."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One row as it is shown: what was read, what core makes of it, and why it would be refused."""

    locator: str
    raw: Raw | None
    values: Mapping[str, Any]
    deleted: bool
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows of a stream, or what kept them from being read."""

    stream: Stream
    rows: tuple[Shown, ...]
    origins: Mapping[str, Sequence[str]]
    failed: JianhengError | None = None


def command() -> click.Command:
    """Return the group."""

    @click.group("adapter", help=text("cli-help-adapter"))
    def adapter() -> None:
        pass

    @adapter.command("preview", help=text("cli-help-adapter-preview"))
    @click.argument("source", metavar=text("cli-column-source"))
    @click.option("--stream", "streams", multiple=True, help=text("cli-help-sync-stream"))
    @click.option(
        "--rows",
        type=click.IntRange(1, MOST_ROWS),
        default=10,
        show_default=True,
        help=text("cli-help-adapter-rows"),
    )
    @click.option("--show-personal", is_flag=True, help=text("cli-help-adapter-show-personal"))
    @pass_session
    def preview(
        session: Session, source: str, streams: tuple[str, ...], rows: int, show_personal: bool
    ) -> int:
        opened = open_source(session, source, pseudonym=_passing_pseudonym())
        with opened.boundary:
            found = list(_previews(opened, streams, rows, show_personal=show_personal))
        return _tell(session, found)

    return adapter


def _passing_pseudonym() -> Callable[[str], str]:
    """Return what makes pseudonyms that hold for this look alone: the office's own key is not touched."""
    key = secrets.token_bytes(16)
    return lambda name: f"~{hashlib.blake2b(name.encode(), digest_size=4, key=key).hexdigest()}"


def _previews(
    opened: OpenSource, wanted: Sequence[str], rows: int, *, show_personal: bool
) -> Iterator[Preview]:
    streams: Sequence[Stream] = opened.boundary.call("streams", opened.source.streams)
    check_streams(opened.name, wanted, streams)
    unknown = sorted({each.entity for each in streams} - ENTITIES.keys())
    if unknown:
        raise StopError("sync-unknown-entity", source=opened.name, entities="、".join(unknown))
    asked = wanted or opened.use.streams or [each.name for each in streams]
    for stream in streams:
        if stream.name not in asked:
            continue
        try:
            origins = _origins(opened, stream)
            read = list(islice(_read(opened, stream), rows))
            shown = _shown(stream, read, origins, show_personal=show_personal)
            yield Preview(stream, shown, origins)
        except JianhengError as error:
            yield Preview(stream, (), {}, error)


def _origins(opened: OpenSource, stream: Stream) -> Mapping[str, Sequence[str]]:
    if not isinstance(opened.source, Previewed):
        return {}
    found: Mapping[str, Sequence[str]] = opened.boundary.call(
        "origins", opened.source.origins, stream.name, returns=Mapping
    )
    return found


def _read(opened: OpenSource, stream: Stream) -> Iterator[tuple[Raw | None, Row]]:
    """Yield records with their rows, or rows alone where an adapter shows no records."""
    source, boundary = opened.source, opened.boundary
    if isinstance(source, Previewed):
        yield from boundary.iterate("preview", source.preview, stream.name, yields=tuple)
        return
    for batch in boundary.iterate("read", lambda: source.read(stream.name, None), yields=Batch):
        rows = batch.rows if isinstance(batch.rows, Sequence) else batch.rows.to_pylist()
        yield from ((None, row) for row in rows)


def _shown(
    stream: Stream,
    read: Sequence[tuple[Raw | None, Row]],
    origins: Mapping[str, Sequence[str]],
    *,
    show_personal: bool,
) -> tuple[Shown, ...]:
    entity = ENTITIES[stream.entity]
    personal = set() if show_personal else {each.name for each in entity.columns if each.privacy != "none"}
    hidden = {name for column in personal for name in origins.get(column, ())}
    seen: dict[str, tuple[str, str]] = {}
    return tuple(_judged(entity, raw, row, (personal, hidden), seen) for raw, row in read)


def _judged(
    entity: Entity,
    raw: Raw | None,
    row: Row,
    private: tuple[set[str], set[str]],
    seen: dict[str, tuple[str, str]],
) -> Shown:
    """Put one row through the checks of a sync, but for references: those need the store."""
    personal, hidden = private
    _, unfit = fit_rows(entity, [row])
    checked = check(entity, [] if unfit else [row])
    rejects = [*unfit, *checked.rejects.values()]
    locator = str(row.get("_locator") or "")
    if rejects:
        values = {name: row.get(name) for name in entity.names if row.get(name) is not None}
        problems: tuple[Problem, ...] = tuple(each for reject in rejects for each in reject.problems)
    else:
        told = {name: column.values[0] for name, column in zip(entity.names, checked.columns, strict=True)}
        values = {name: value for name, value in told.items() if value is not None}
        key, content = checked.keys[0], checked.hashes[0]
        first, other = seen.setdefault(key, (content, locator))
        fields = {
            "entity": entity.label,
            "entity_name": entity.name,
            "value": key,
            "at": locator,
            "other": other,
        }
        problems = () if first == content else (problem("row-duplicate-key", **fields),)
    return Shown(
        locator,
        None if raw is None else _masked(raw, hidden),
        _masked(values, personal),
        row.get("_deleted") is True,
        tuple(_covered(each, personal) for each in problems),
    )


def _covered(told: Problem, personal: set[str]) -> Problem:
    """Return a problem without the value it is about, where that is personal."""
    if told.fields.get("column_name") in personal and "value" in told.fields:
        return problem(told.code, **{**told.fields, "value": MASK})
    return told


def _masked(values: Raw, names: set[str]) -> Raw:
    """Return values with the personal ones covered, phone and ID numbers wherever they stand."""
    return {
        name: MASK if name in names and value not in (None, "") else redact_value(value)
        for name, value in values.items()
    }


def _tell(session: Session, found: Sequence[Preview]) -> int:
    problems = [each for preview in found if preview.failed for each in preview.failed.problems]
    if session.flags.json:
        told = {
            "streams": [_json(each) for each in found],
            "errors": [problem_json(each) for each in problems],
        }
        print_json(told, ok=not problems)
    else:
        for each in found:
            if each.failed is None:
                _print(each)
        if any(preview.rows for preview in found):
            print_line(text("cli-preview-references"))
        print_problems(problems, as_json=False)
    codes = {preview.failed.exit_code for preview in found if preview.failed}
    if codes:
        return min(codes)
    rejected = any(row.problems for preview in found for row in preview.rows)
    return ExitCode.SET_ASIDE if rejected else ExitCode.OK


def _json(preview: Preview) -> dict[str, object]:
    return {
        "stream": preview.stream.name,
        "entity": preview.stream.entity,
        "mode": preview.stream.mode,
        "origins": {column: [*fields] for column, fields in preview.origins.items()},
        "rejected": sum(bool(row.problems) for row in preview.rows),
        "rows": [
            {
                "locator": row.locator,
                "raw": None if row.raw is None else dict(row.raw),
                "row": dict(row.values),
                "deleted": row.deleted,
                "problems": [problem_json(each) for each in row.problems],
            }
            for row in preview.rows
        ],
    }


def _print(preview: Preview) -> None:
    rejected = sum(bool(row.problems) for row in preview.rows)
    stream = preview.stream
    entity = ENTITIES[stream.entity]
    told = {"stream": stream.name, "entity": entity.label, "entity_name": entity.name}
    print_line(text("cli-preview-stream", **told, rows=len(preview.rows), rejected=rejected))
    for number, row in enumerate(preview.rows, 1):
        gone = text("cli-preview-deleted") if row.deleted else ""
        print_line(text("cli-preview-row", number=number, locator=row.locator or "—", deleted=gone))
        for column, value in row.values.items():
            print_line(
                f"    {entity.column(column).label} {column} = {value}{_from(row, preview.origins.get(column, ()))}"
            )
        for each in row.problems:
            message = each.message()
            print_line(f"  ✘ [{each.code}] {message.what}")
            print_line(f"    {message.do}")
    if preview.rows and preview.rows[0].raw is None:
        print_line(text("cli-preview-no-raw"))


def _from(row: Shown, fields: Sequence[str]) -> str:
    """Return what a value was made of: the fields and what they held."""
    if row.raw is None or not fields:
        return ""
    told = ", ".join(f"{name}: {row.raw[name]!r}" for name in fields if row.raw.get(name) is not None)
    return f"   ← {told}" if told else ""
