"""Batches on their way: rows as columns of JSON, Arrow tables as an IPC stream.

Used on both sides. The host's half trusts nothing: a compressed buffer is refused before it is unpacked (a
few bytes could ask for all memory), and a table is validated in full before anybody looks at it.
"""

import struct
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import pyarrow as pa

from jianheng.contract import Batch
from jianheng.isolation import columns
from jianheng.isolation.values import decode, encode
from jianheng.isolation.wire import WireError

_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2


def pack(item: object) -> tuple[dict[str, Any], Any]:
    """Return a batch as a message and the bytes that go with it; what is no batch goes as it is, to be refused."""
    if not isinstance(item, Batch):
        return {"item": encode(item)}, b""
    told: dict[str, Any] = {"cursor": encode(item.cursor)}
    if isinstance(item.rows, pa.Table):
        return told | {"table": item.rows.num_rows}, _table_bytes(item.rows)
    if not isinstance(item.rows, list | tuple):
        return told | {"rows": encode(item.rows)}, b""
    return told | {"parts": _parts(item.rows), "tuple": isinstance(item.rows, tuple)}, b""


def unpack(told: Mapping[str, Any], payload: Any) -> Any:
    """Return what :func:`pack` was given.

    Raises:
        WireError: it is of another form, or its bytes are not the table it says.
    """
    try:
        if "item" in told:
            return decode(told["item"])
        cursor = decode(told["cursor"])
        if "table" in told:
            table = _table(payload)
            if table.num_rows != told["table"]:
                raise WireError("rows")
            return Batch(table, cursor)
        if "rows" in told:
            return Batch(decode(told["rows"]), cursor)
        rows = [row for part in told["parts"] for row in _rows(part)]
        return Batch(tuple(rows) if told["tuple"] else rows, cursor)
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
        raise WireError(f"batch: {type(error).__name__}") from None


def _parts(rows: Sequence[Any]) -> list[Any]:
    """Return rows as runs of rows with the same columns, each a list of columns."""
    parts: list[Any] = []
    for names, run in groupby(rows, _names):
        same = list(run)
        if names is None:
            parts.append({"odd": [encode(each) for each in same]})
        else:
            held = [columns.pack([row[name] for row in same], encode) for name in names]
            parts.append({"count": len(same), "names": names, "columns": held})
    return parts


def _names(row: object) -> list[str] | None:
    if not isinstance(row, Mapping):
        return None
    names = list(row)
    return names if set(map(type, names)) <= {str} else None


def _rows(part: Mapping[str, Any]) -> list[Any]:
    if "odd" in part:
        return [decode(each) for each in part["odd"]]
    names, count = part["names"], part["count"]
    held = [columns.unpack(each, decode) for each in part["columns"]]
    if type(count) is not int or len(names) != len(held) or any(len(each) != count for each in held):
        raise WireError("rows")
    if not held:
        return [{} for _ in range(count)]
    return [dict(zip(names, values, strict=True)) for values in zip(*held, strict=True)]


def _table_bytes(table: pa.Table) -> Any:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _table(payload: Any) -> pa.Table:
    try:
        buffer = pa.py_buffer(payload)
        for each in pa.ipc.MessageReader.open_stream(buffer):
            if each.type in ("record batch", "dictionary") and _is_compressed(each.metadata.to_pybytes()):
                raise WireError("compressed")
        with pa.ipc.open_stream(buffer) as reader:
            table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, struct.error, IndexError) as error:
        raise WireError(f"Arrow: {type(error).__name__}") from None
    return table


def _is_compressed(metadata: bytes) -> bool:
    """Look into the flatbuffer of a message: a record batch says in its fourth field how it is compressed."""
    root = struct.unpack_from("<I", metadata, 0)[0]
    kind = metadata[_field(metadata, root, 1)]
    header = _follow(metadata, _field(metadata, root, 2))
    if kind == _DICTIONARY_BATCH:
        header = _follow(metadata, _field(metadata, header, 1))
    elif kind != _RECORD_BATCH:
        return False
    return _field(metadata, header, 3) != 0


def _field(data: bytes, table: int, number: int) -> int:
    """Return where a field of a flatbuffer table stands; 0 when it is not there."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    size = struct.unpack_from("<H", data, vtable)[0]
    place = 4 + 2 * number
    offset = struct.unpack_from("<H", data, vtable + place)[0] if place + 2 <= size else 0
    return table + offset if offset else 0


def _follow(data: bytes, place: int) -> int:
    return int(place + struct.unpack_from("<I", data, place)[0])
