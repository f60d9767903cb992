"""Is registered under another id than its manifest says."""

from jianheng.contract import Batch, Finding, Stream
from jianheng.errors import problem
from jianheng.hookspecs import hookimpl


class Zoo:
    def __init__(self, context):
        self.context = context

    def check(self):
        yield Finding("zoo-other-id", detail=str(self.context.options["size"]))
        if self.context.options["sick"]:
            yield Finding("zoo-other-id", problem("zoo-sick", animal=self.context.name))

    def streams(self):
        return [Stream("unit", "unit")]

    def read(self, stream, cursor):
        yield Batch([{"unit_code": "990101", "name": "东屿区院"}], cursor)


@hookimpl
def sources():
    return {"zoo-other-id": Zoo}
