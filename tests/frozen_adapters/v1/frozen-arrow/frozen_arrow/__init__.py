"""A sample of contract 1: a source that gives Arrow tables by cursor, counts, lists its keys and reads spans of days."""

import datetime as dt
import json
from collections import Counter

import pyarrow as pa

from jianheng.contract import Batch, Finding, LiveCount, Stream
from jianheng.errors import EmptiedError
from jianheng.hookspecs import hookimpl

SCHEMA = pa.schema(
    [
        ("document_key", pa.string()),
        ("case_no", pa.string()),
        ("template_code", pa.dictionary(pa.int32(), pa.string())),
        ("name", pa.large_string()),
        ("drafter_key", pa.string()),
        ("drafted_on", pa.timestamp("us")),
        ("_deleted", pa.bool_()),
        ("_locator", pa.string()),
    ]
)
SIZE = 2


class Tables:
    """Reads JSON lines in the order of their changes; the cursor is the moment of the last change."""

    def __init__(self, context):
        self.context = context

    def _told(self):
        lines = self.context.options["file"].read_text(encoding="utf-8").splitlines()
        return sorted(map(json.loads, lines), key=lambda each: each["changed"])

    def check(self):
        yield Finding("file", detail=str(len(self._told())))

    def streams(self):
        return [Stream("document", "document", mode="cursor", may_be_empty=True)]

    def read(self, stream, cursor):
        told = self._told()
        if cursor and not told:
            raise EmptiedError
        return self._batches([each for each in told if each["changed"] >= (cursor or "")], "changed")

    def read_range(self, stream, start, end, cursor):
        within = [
            each for each in self._told() if start.isoformat() <= each["drafted_on"][:10] < end.isoformat()
        ]
        within.sort(key=lambda each: each["drafted_on"])
        return self._batches([each for each in within if each["drafted_on"] >= (cursor or "")], "drafted_on")

    def keys(self, stream):
        yield [each["document_key"] for each in self._told() if not each.get("gone")]

    def count(self, stream):
        live = Counter(each["year"] for each in self._told() if not each.get("gone"))
        return [LiveCount("990101", year, rows) for year, rows in live.items()]

    def _batches(self, told, by):
        for start in range(0, len(told), SIZE):
            part = told[start : start + SIZE]
            rows = [
                {
                    **{name: each.get(name) for name in SCHEMA.names},
                    "drafted_on": dt.datetime.fromisoformat(each["drafted_on"]),
                    "_deleted": bool(each.get("gone")),
                    "_locator": f"document {each['document_key']}",
                }
                for each in part
            ]
            yield Batch(pa.Table.from_pylist(rows, SCHEMA), part[-1][by])


@hookimpl
def sources():
    return {"frozen-arrow": Tables}
