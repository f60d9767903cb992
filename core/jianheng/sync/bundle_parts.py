"""The files of a bundle: rows as an Arrow stream, packed with zstd, unpacked no further than was declared."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from jianheng.errors import StopError
from jianheng.store.bulk import arrow_type
from jianheng.sync.bundle_manifest import Part, digest, read_file

_STEP = 1024 * 1024


def columns_of(table: sa.Table) -> list[sa.Column[Any]]:
    """Return the columns that a bundle carries: all but the office, which is said once."""
    return [column for column in table.columns if column.name != "office"]


def schema_of(table: sa.Table) -> pa.Schema:
    """Return how a table's rows stand in a part."""
    return pa.schema([pa.field(column.name, arrow_type(column)) for column in columns_of(table)])


def packed(rows: pa.Table) -> tuple[bytes, int]:
    """Return rows packed, and how many bytes they take unpacked."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    raw = sink.getvalue()
    return pa.Codec("zstd").compress(raw, asbytes=True), raw.size


def write_file(folder: Path, name: str, data: bytes) -> None:
    """Write a file whole or not at all, and have it on the medium before it bears its name.

    Raises:
        StopError: it cannot be written.
    """
    draft = folder / f".{name}.tmp"
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / name)
    except OSError as error:
        told = error.strerror or type(error).__name__
        raise StopError("bundle-unwritable", folder=str(folder), file=name, told=told) from None


def read_part(
    folder: Path, part: Part, table: sa.Table, unsealed: Callable[[str, bytes], bytes] | None = None
) -> pa.Table:
    """Return the rows of a part.

    Args:
        folder: the bundle's.
        part: what the manifest says of it.
        table: whose rows they are.
        unsealed: opens a part's bytes by its name; None where they are not sealed.

    Raises:
        StopError: the file is missing, cut off, altered, unpacks to more than was declared, or holds
            other columns or another number of rows.
    """
    data = checked(folder, part)
    data = data if unsealed is None else unsealed(part.name, data)
    where = {"folder": str(folder), "file": part.name}
    try:
        raw = _unpacked(data, part.unpacked)
        if raw is None:
            raise StopError("bundle-too-large", most=part.unpacked, **where)
        rows = pa.ipc.open_stream(raw).read_all()
        rows.validate(full=True)
    except (pa.ArrowException, OSError, ValueError):
        raise StopError("bundle-altered", **where) from None
    if rows.schema.remove_metadata() != schema_of(table):
        unlike = {field.name for field in rows.schema} ^ {field.name for field in schema_of(table)}
        raise StopError("bundle-other-columns", columns="、".join(sorted(unlike)) or "—", **where)
    if rows.num_rows != part.rows:
        raise StopError("bundle-altered", **where)
    return rows


def checked(folder: Path, part: Part) -> bytes:
    """Return a part's bytes if they are those that were signed for.

    Raises:
        StopError: the file is missing, cut off or altered.
    """
    data = read_file(folder, part.name, part.packed)
    where = {"folder": str(folder), "file": part.name}
    if len(data) < part.packed:
        raise StopError("bundle-cut-off", has=len(data), wanted=part.packed, **where)
    if digest(data) != part.sha256:
        raise StopError("bundle-altered", **where)
    return data


def _unpacked(data: bytes, most: int) -> bytes | None:
    """Unpack step by step; None as soon as it is more than was declared."""
    held = bytearray()
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        while step := stream.read(min(_STEP, most + 1 - len(held))):
            held += step
            if len(held) > most:
                return None
    return bytes(held)
