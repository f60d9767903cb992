"""A source that does everything right."""

from jianheng.contract import Batch, Finding, Stream
from jianheng.errors import problem
from jianheng.hookspecs import hookimpl


class Zoo:
    def __init__(self, context):
        self.context = context

    def check(self):
        yield Finding("zoo-good", detail=str(self.context.options["size"]))
        if self.context.options["sick"]:
            yield Finding("zoo-good", problem("zoo-sick", animal=self.context.name))

    def streams(self):
        return [Stream("unit", "unit")]

    def read(self, stream, cursor):
        yield Batch([{"unit_code": "990101", "name": "东屿区院"}], cursor)


@hookimpl
def sources():
    return {"zoo-good": Zoo}
