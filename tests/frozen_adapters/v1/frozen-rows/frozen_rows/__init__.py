"""A sample of contract 1: a source that gives rows as mappings, everything each time, with every kind of option."""

import json
from decimal import Decimal
from pathlib import Path

from jianheng.contract import Batch, Finding, Stream
from jianheng.errors import JianhengError, RetryError, StopError, problem
from jianheng.hookspecs import hookimpl
from jianheng.messages import text


class Rows:
    """Reads JSON lines; the key ``kind`` of a line says which stream it is of."""

    def __init__(self, context):
        self.context = context
        options = context.options
        self.file, self.encoding = options["file"], options["encoding"]
        given = {name: type(value).__name__ for name, value in options.items() if name != "file"}
        wanted = {"encoding": "str", "batch": "int", "patience": "Decimal", "may_be_empty": "bool"}
        if not isinstance(self.file, Path) or not self.file.is_absolute():
            raise TypeError(self.file)
        if any(given[name] != kind for name, kind in wanted.items()):
            raise TypeError(given)
        if not isinstance(options["patience"], Decimal) or "person" not in options["streams"]:
            raise TypeError(options)
        context.log.info("opened", office=context.office, use=context.name, units=list(context.units))

    def _told(self):
        if self.context.secrets["password"].reveal() != "made-up":
            raise StopError("frozen-rows-password")
        if self.file.with_suffix(".lock").exists():
            raise RetryError("frozen-rows-busy", after_s=5, file=self.file)
        if not self.file.exists():
            raise StopError("frozen-rows-missing", file=self.file)
        return [json.loads(line) for line in self.file.read_text(self.encoding).splitlines()]

    def check(self):
        try:
            told = self._told()
        except JianhengError as error:
            yield Finding("file", error.problem)
            return
        yield Finding("file", detail=text("frozen-rows-note", rows=len(told)))
        if not told:
            yield Finding("rows", problem("frozen-rows-missing", file=self.file), warning=True)

    def streams(self):
        empty = self.context.options["may_be_empty"]
        return [Stream(each, each, "snapshot", empty) for each in self.context.options["streams"]]

    def read(self, stream, cursor):
        size = self.context.options["batch"]
        names = self.context.options["names"]
        rows = []
        for number, told in enumerate(self._told(), start=1):
            if told.pop("kind") != stream:
                continue
            row = {names.get(name, name): value for name, value in told.items()}
            if stream == "suspect":
                row["pseudonym"] = self.context.pseudonym(row.pop("name"))
            rows.append(row | {"_locator": f"line {number}"})
        for start in range(0, len(rows), size):
            yield Batch(rows[start : start + size])


@hookimpl
def sources():
    return {"frozen-rows": Rows}
